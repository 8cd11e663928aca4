use super::*;
use crate::text::parse_value;
use crate::transcript::Answer;

fn transcript(title: &str, answers: &[&str]) -> Transcript {
    let answer = |value: &&str| Answer {
        label: "a: Metadata 4".to_owned(),
        line: 3,
        value: parse_value(value).unwrap(),
    };
    Transcript {
        title: title.to_owned(),
        answers: answers.iter().map(answer).collect(),
        failure: None,
    }
}

fn verdict(oracle: &[&str], other: &[&str], wanted: &str) -> Verdict {
    let (oracle, other) = (transcript("t v3", oracle), transcript("t v3", other));
    // Fifty that are equal: one is no more than two percent.
    let equal = transcript("u", &["{a: 1}"]);
    let pairs = std::iter::repeat_n(("f", &equal, &equal), 50).chain([("f", &oracle, &other)]);
    Verdict::of(pairs, &read_wanted(wanted).unwrap())
}

const LISTED: &str = "[[wanted]]\nscenario = \"f/t\"\nat = [\"a.b\"]\nreason = \"so\"\n";

#[test]
fn a_difference_is_shown_side_by_side_with_its_path() {
    let verdict = verdict(&["{a: {b: [1, 2]}}"], &["{a: {b: [1, 3], c: x}}"], "");
    let text = verdict.text("Apache Kafka", "kfake");
    assert!(text.contains("line 3  a: Metadata 4"), "{text}");
    assert!(text.contains("a.b[1]  2             3\n"), "{text}");
    assert!(text.contains("a.c     -             \"x\"\n"), "{text}");
    assert!(text.ends_with("50 identical, 1 different\n"), "{text}");
    assert!(!verdict.holds());
}

#[test]
fn an_answer_too_few_or_too_many_is_a_difference() {
    assert_eq!(
        differences(&transcript("t", &["1"]), &transcript("t", &["1", "2"])).len(),
        1
    );
    assert_eq!(
        differences(&transcript("t", &["1", "2"]), &transcript("t", &["1"])).len(),
        1
    );
    assert_eq!(differences(&transcript("t", &["1"]), &transcript("t", &["1"])), []);
}

#[test]
fn a_listed_difference_is_wanted_where_it_is_listed_alone() {
    assert!(verdict(&["{a: {b: [1], c: 1}}"], &["{a: {b: [2], c: 1}}"], LISTED).holds());
    assert!(!verdict(&["{a: {b: 1, c: 1}}"], &["{a: {b: 2, c: 2}}"], LISTED).holds());
    assert!(!verdict(&["{a: {bb: 1}}"], &["{a: {bb: 2}}"], LISTED).holds());
}

#[test]
fn a_listed_difference_that_is_gone_fails_the_list() {
    let gone = verdict(&["{a: {b: 1}}"], &["{a: {b: 1}}"], LISTED);
    assert!(!gone.holds());
    assert!(
        gone.text("a", "b")
            .contains("listed as wanted and not there any more: f/t at a.b")
    );
}

#[test]
fn a_list_of_more_than_its_share_fails() {
    let (a, b) = (transcript("t", &["{a: {b: 1}}"]), transcript("t", &["{a: {b: 2}}"]));
    let equal = transcript("u", &["{a: 1}"]);
    let of = |equals| {
        let pairs = std::iter::repeat_n(("f", &equal, &equal), equals).chain([("f", &a, &b)]);
        Verdict::of(pairs, &read_wanted(LISTED).unwrap()).holds()
    };
    assert!(of(49) && !of(48));
}

#[test]
fn a_scenario_that_fails_on_the_oracle_shows_nothing() {
    let mut broken = transcript("t", &["1"]);
    broken.failure = Some("line 3: no".to_owned());
    let verdict = Verdict::of([("f", &broken, &broken)], &[]);
    assert_eq!(verdict.judged[0].outcome, Outcome::Broken);
    assert!(!verdict.holds());
}

#[test]
fn an_entry_without_a_reason_is_refused() {
    assert!(read_wanted("[[wanted]]\nscenario = \"f/t\"\nat = [\"a\"]\nreason = \" \"\n").is_err());
    assert!(read_wanted("[[wanted]]\nscenario = \"f/t\"\nat = []\nreason = \"so\"\n").is_err());
}
