use super::scenario::{Action, Relation, Target};
use super::*;
use crate::tree::Value;

fn error(text: &str) -> String {
    parse_file("f", text).unwrap_err().to_string()
}

#[test]
fn a_file_has_headers_and_scenarios_with_steps() {
    let file = parse_file(
        "f",
        "# a comment\nbrokers 3\nconfig group.max.size=2\n\n== a title\ntopic ~t 2 1 retention.ms=5 # why\n\
         a@leader(~t/0): Metadata 12 {\n  topics: [{name: ~t}] # inside\n}\nlet id = topics[0].topicId\n\
         expect topics[0].errorCode = 0\n",
    )
    .unwrap();
    assert_eq!(file.setup.brokers, 3);
    assert_eq!(file.setup.configs["group.max.size"], "2");
    let steps = &file.scenarios[0].steps;
    assert_eq!(steps.iter().map(|s| s.line).collect::<Vec<_>>(), [6, 7, 10, 11]);
    let Action::Ask(request) = &steps[1].action else {
        panic!("{steps:?}")
    };
    assert_eq!(request.on.target, Target::Leader("~t".to_owned(), 0, true));
    assert_eq!(request.body.at("topics[0].name"), Some(&Value::text("~t")));
}

#[test]
fn a_scenario_of_several_versions_is_several_and_steps_may_belong_to_some() {
    let text = "== x {0..1, 4}\n[4] a: Heartbeat 0 {}\n[..] b: Heartbeat 0 {}\n";
    assert_eq!(error(text), "f:3: [..] is not of the form [4+] or [0..3]");
    let text = "== x {0..1, 4}\n[1+] a: Heartbeat 0 {}\n[0..1] b: Heartbeat v {}\n";
    let file = parse_file("f", text).unwrap();
    let shape: Vec<_> = file
        .scenarios
        .iter()
        .map(|s| (s.title.as_str(), s.steps.len()))
        .collect();
    assert_eq!(shape, [("x v0", 1), ("x v1", 2), ("x v4", 1)]);
}

#[test]
fn what_is_wrong_is_said_with_its_line() {
    for (text, said) in [
        (
            "nonsense 3\n",
            "f:1: expected brokers, slow, config or ==, found \"nonsense\"",
        ),
        ("== \n", "f:1: a scenario needs a title"),
        ("== a\n== b\n", "f:2: \"a\" has no steps"),
        ("== a\nx: Nothing 3 {}\n", "f:2: no API is named \"Nothing\""),
        (
            "== a\nx: Fetch 3 {}\n",
            "f:2: Fetch has the versions 4 to 18, not 3 (send others as raw bytes)",
        ),
        (
            "== a\nx: Fetch v {}\n",
            "f:2: v stands for a version of the scenario's, which has none",
        ),
        ("== a\n\nx: Fetch 4 {a: 1 a: 2}\n", "f:3: a stands twice"),
        ("== a\nx: Fetch 4 {\n a: \"b\n}", "f:4: the text has no end on its line"),
        (
            "== a\nx: Fetch 4 {} y\n",
            "f:2: expected the end of the line, found 'y'",
        ),
        ("== a\nx@0: Fetch 4 {}\n", "f:2: \"0\" is no broker"),
        ("== a {x}\nclose a\n", "f:1: {x} is no list of versions like {0..3, 7}"),
        ("== a\nclose a\n== a\nclose b\n", "f:3: the title \"a\" stands twice"),
        (
            "== a\nx: Fetch 4 {a: hex\"0\"}\n",
            "f:2: hex takes pairs of hexadecimal digits",
        ),
    ] {
        assert_eq!(error(text), said, "{text:?}");
    }
    assert!(parse_value(&"[".repeat(100_000)).is_err(), "it ends, and well");
}

#[test]
fn what_is_printed_is_read_back() {
    let text = r#"{a: [1, -2, "~t", "b c\"\\\x00", null], n?: hex"00ff", t: b"plain", c: batch{records: []}, m: <topic 1>, v: $x}"#;
    let value = parse_value(text).unwrap();
    assert_eq!(parse_value(&value.to_string()).unwrap(), value);
    let text = "== x\ntopic ~t 2 1 a=b\nsend j a@coordinator(~g): Heartbeat 0 {}\nreceive j\nuntil groups[0].groupState = Stable b: DescribeGroups 0 {groups: [~g]}\nuntil groups has {groupId: ~g} b: ListGroups 0 {}\nuntil groups lacks {groupId: ~g} b: ListGroups 0 {}\nsettle b: DescribeTransactions 0 {transactionalIds: [~x]}\nraw a@2: hex\"00ff\"\nsilent a\nclose a\n";
    let file = parse_file("f", text).unwrap();
    let again = parse_file("f", &file.scenarios[0].to_string()).unwrap();
    assert_eq!(again, file);
}

#[test]
fn an_answer_is_waited_for_by_what_it_has_or_lacks() {
    let answer = parse_value("{groups: [{groupId: a, state: Empty}, {groupId: b, state: Dead}], count: 2}").unwrap();
    let groups = answer.at("groups");
    let holds = |relation: Relation, wanted: &str| relation.holds(groups, &parse_value(wanted).unwrap());
    assert!(holds(Relation::Has, "{groupId: b}"));
    assert!(!holds(Relation::Has, "{groupId: a, state: Dead}"), "in one struct");
    assert!(holds(Relation::Lacks, "{groupId: c}"));
    assert!(!holds(Relation::Lacks, "{groupId: a}"));
    for relation in [Relation::Has, Relation::Lacks] {
        assert!(
            !relation.holds(answer.at("count"), &parse_value("{}").unwrap()),
            "no list"
        );
        assert!(!relation.holds(None, &parse_value("{}").unwrap()), "nothing");
    }
    assert!(Relation::Is.holds(answer.at("count"), &parse_value("2").unwrap()));
}

#[test]
fn a_scenario_says_that_it_has_to_be_alone() {
    let file = parse_file("f", "== one {1, 2}\nalone\nclose a\n\n== other\nclose a\n").unwrap();
    let alone: Vec<_> = file.scenarios.iter().map(|scenario| scenario.alone).collect();
    assert_eq!(alone, [true, true, false]);
    assert_eq!(file.scenarios[0].steps.len(), 1);
    assert!(
        parse_file("f", &file.scenarios[0].to_string()).unwrap().scenarios[0].alone,
        "and so does its text"
    );
}

#[test]
fn brokers_are_stopped_by_scenarios_that_are_alone_and_never_the_controller() {
    let text = |alone: &str, steps: &str| format!("brokers 3\n\n== x\n{alone}{steps}");
    let file = parse_file("f", &text("alone\n", "stop 2\nclose a\nstart 2\n")).unwrap();
    let actions: Vec<_> = file.scenarios[0].steps.iter().map(|step| &step.action).collect();
    assert_eq!((actions[0], actions[2]), (&Action::Stop(2), &Action::Start(2)));
    assert!(file.scenarios[0].stops());
    assert!(!parse_file("f", &text("alone\n", "close a\n")).unwrap().scenarios[0].stops());
    assert!(file.scenarios[0].to_string().contains("\nstop 2\nclose a\nstart 2\n"));
    for (alone, steps, why) in [
        ("alone\n", "stop 1\n", "broker 1 is none of 2 to 3"),
        ("alone\n", "start 4\n", "broker 4 is none of 2 to 3"),
        ("", "stop 2\n", "has to be alone"),
        ("alone\n", "stop @2\n", "a broker"),
    ] {
        let error = parse_file("f", &text(alone, steps)).unwrap_err().to_string();
        assert!(error.contains(why), "{steps}: {error}");
    }
}
