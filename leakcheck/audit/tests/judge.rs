//! The verdict on hand-made records and outcomes.

use std::fs;
use std::path::Path;

use leakcheck_audit::baseline::{Baseline, Known};
use leakcheck_audit::build::TestBinary;
use leakcheck_audit::judge::{Conclusion, Evidence, Problem, Verdict, judge};
use leakcheck_audit::records::{self, RecordError, Records};
use leakcheck_audit::render;
use leakcheck_audit::transcript::{BinaryOutcome, BinaryResult};

/// A record in leakcheck's words: `spawned` tasks of which `leaked` are left, each waiting in a `select!`.
fn record(test: &str, spawned: usize, leaked: usize) -> String {
    let place = r#"{"file":"shop/src/orders.rs","line":88,"column":9}"#;
    let leak = |task| {
        format!(
            r#"{{"task":{task},"group":"orders","name":"manage-{task}","spawned_at":{place},"parent":{{"group":"connection","name":"127.0.0.1:51234"}},"alive_ms":1020.1,"polls":7,"last_poll_ms":980.0,"busy_ms":0.2,"state":"waiting","waiting_at":{{"function":"shop::orders::manage","file":"shop/src/orders.rs","line":214}},"select":2,"branches":[{{"leaf":"mpsc::Receiver::recv","line":215,"frames":[{{"function":"shop::orders::manage","file":"shop/src/orders.rs","line":214}}]}},{{"leaf":"Sleep","line":null,"frames":[{{"function":"shop::orders::manage","file":"shop/src/orders.rs","line":216}}]}}],"help":["no branch waits for cancellation: add one for the token that its owner cancels"]}}"#
        )
    };
    let leaks: Vec<_> = (0..leaked).map(leak).collect();
    let verdict = if leaked == 0 { "clean" } else { "leaked" };
    format!(
        r#"{{"schema":1,"test":"orders::{test}","package":"shop","binary":"orders","verdict":"{verdict}","body":"passed","rounds":12,"settled_ms":1000.0,"sites":[{{"group":"orders","name":"manage","spawned_at":{place},"seen":{spawned},"returned":0,"cancelled":{ended},"aborted":0,"panicked":0,"dropped":0,"leaked":{leaked}}}],"leaks":[{}],"ignored":[]}}"#,
        leaks.join(","),
        ended = spawned - leaked,
    )
}

fn read(files: &[(&str, String)]) -> Records {
    let directory = tempfile::tempdir().expect("a directory");
    for (name, text) in files {
        fs::write(directory.path().join(name), text).expect("a file");
    }
    records::read(directory.path())
}

fn ended(result: BinaryResult) -> BinaryOutcome {
    let binary = TestBinary {
        package: "shop".to_owned(),
        target: "orders".to_owned(),
        name: "orders".to_owned(),
        kind: "test".to_owned(),
        executable: "target/debug/deps/orders-0123456789abcdef".into(),
    };
    BinaryOutcome {
        binary,
        result,
        tests: Vec::new(),
        ran: 0,
    }
}

fn failed(tests: &[&str]) -> BinaryOutcome {
    ended(BinaryResult::Failed(
        tests.iter().map(|test| (*test).to_owned()).collect(),
    ))
}

/// The verdict on one binary that ended so, and left these lines.
fn verdict(outcome: BinaryOutcome, lines: &[String]) -> Verdict {
    let Records { records, errors } = read(&[("orders-1.jsonl", lines.join("\n") + "\n")]);
    judge(Evidence {
        outcomes: vec![outcome],
        records,
        broken: errors,
        ..Evidence::default()
    })
}

#[test]
fn tests_that_left_nothing_are_clean() {
    let verdict = verdict(ended(BinaryResult::Passed), &[record("a", 2, 0), record("b", 3, 0)]);

    assert_eq!(verdict.conclusion(), Conclusion::Clean);
    assert_eq!(
        render::text::summary(&verdict),
        "leak-audit: 2 guarded tests in 1 binary, 5 tasks at 1 spawn site, 0 leaked"
    );
}

#[test]
fn a_test_that_failed_by_its_leak_is_a_leak_and_nothing_else() {
    let verdict = verdict(failed(&["a"]), &[record("a", 2, 1)]);

    assert_eq!(verdict.conclusion(), Conclusion::Leaked);
    assert_eq!(verdict.leaks.len(), 1);
    assert!(verdict.problems.is_empty(), "{:?}", verdict.problems);
}

#[test]
fn a_test_that_did_not_end_has_a_word_of_its_own() {
    let line = record("a", 2, 0)
        .replace(
            r#""verdict":"clean","body":"passed""#,
            r#""verdict":"hung","body":"hung""#,
        )
        .replace(
            r#""ignored":[]"#,
            r#""ignored":[],"hung":{"timeout_ms":50.0,"tasks":[]}"#,
        );
    let verdict = verdict(failed(&["a"]), &[line]);

    assert_eq!(verdict.conclusion(), Conclusion::CannotJudge);
    assert!(
        matches!(&verdict.problems[..], [Problem::Hung { tests, .. }] if *tests == ["orders::a"]),
        "{:?}",
        verdict.problems
    );
}

#[test]
fn a_thread_or_a_socket_that_stayed_is_told() {
    let line = record("a", 2, 0)
        .replace(r#""verdict":"clean""#, r#""verdict":"leaked""#)
        .replace(
            r#""ignored":[]"#,
            r#""ignored":[],"resources":[{"kind":"tcp","description":"TCP listening on 127.0.0.1:9092"}]"#,
        );
    let verdict = verdict(failed(&["a"]), &[line]);

    assert_eq!(verdict.conclusion(), Conclusion::Leaked);
    assert!(
        matches!(&verdict.problems[..], [Problem::Resources { test, .. }] if test == "orders::a"),
        "{:?}",
        verdict.problems
    );
}

#[test]
fn a_test_that_failed_without_a_leak_leaves_no_verdict() {
    let verdict = verdict(failed(&["a", "m::b"]), &[record("a", 2, 0)]);

    assert_eq!(verdict.conclusion(), Conclusion::CannotJudge);
    assert!(matches!(&verdict.problems[..], [Problem::TestsFailed { tests, .. }] if *tests == ["a", "m::b"]));
}

#[test]
fn a_leak_outweighs_a_failure_and_hides_none() {
    let verdict = verdict(failed(&["a", "b"]), &[record("a", 2, 1)]);

    assert_eq!(verdict.conclusion(), Conclusion::Leaked);
    assert!(matches!(&verdict.problems[..], [Problem::TestsFailed { tests, .. }] if *tests == ["b"]));
}

#[test]
fn a_body_that_panicked_and_leaked_is_both() {
    let verdict = verdict(
        failed(&["a"]),
        &[record("a", 2, 1).replace(r#""body":"passed""#, r#""body":"panicked""#)],
    );

    assert_eq!(verdict.conclusion(), Conclusion::Leaked);
    assert!(matches!(&verdict.problems[..], [Problem::TestsFailed { tests, .. }] if *tests == ["a"]));
}

#[test]
fn a_leak_counts_although_its_test_passed() {
    let verdict = verdict(ended(BinaryResult::Passed), &[record("a", 2, 1), record("b", 1, 0)]);

    assert_eq!(verdict.conclusion(), Conclusion::Leaked);
    assert_eq!(verdict.leaks.len(), 1);
}

#[test]
fn a_leak_counts_where_another_test_failed_for_no_known_reason() {
    let verdict = verdict(failed(&["b"]), &[record("a", 2, 1)]);

    assert_eq!(verdict.conclusion(), Conclusion::Leaked);
    assert!(matches!(&verdict.problems[..], [Problem::TestsFailed { tests, .. }] if *tests == ["b"]));
}

#[test]
fn a_leak_counts_where_its_binary_crashed() {
    let verdict = verdict(ended(BinaryResult::Died("signal: 6".to_owned())), &[record("a", 2, 1)]);

    assert_eq!(verdict.conclusion(), Conclusion::Leaked);
    assert!(matches!(&verdict.problems[..], [Problem::BinaryDied { .. }]));
}

#[test]
fn a_crash_without_a_leak_leaves_no_verdict() {
    let verdict = verdict(ended(BinaryResult::Died("signal: 6".to_owned())), &[record("a", 2, 0)]);

    assert_eq!(verdict.conclusion(), Conclusion::CannotJudge);
}

#[test]
fn a_leak_counts_that_a_binary_reports_which_is_no_test() {
    let stray = record("a", 2, 1).replace(r#""binary":"orders""#, r#""binary":"server""#);

    let verdict = verdict(ended(BinaryResult::Passed), &[stray]);

    assert_eq!(verdict.conclusion(), Conclusion::Leaked);
}

#[test]
fn a_check_that_looked_at_nothing_leaves_no_verdict() {
    let unchecked = record("a", 0, 0).replace(r#""verdict":"clean""#, r#""verdict":"unchecked""#);

    let verdict = verdict(ended(BinaryResult::Passed), &[unchecked, record("b", 1, 0)]);

    assert_eq!(verdict.conclusion(), Conclusion::CannotJudge);
    assert!(
        matches!(&verdict.problems[..], [Problem::Unchecked { binary, tests }] if binary == "orders" && *tests == ["orders::a"]),
        "{:?}",
        verdict.problems
    );
}

#[test]
fn no_record_is_no_verdict() {
    let verdict = verdict(ended(BinaryResult::Passed), &[]);

    assert_eq!(verdict.conclusion(), Conclusion::CannotJudge);
    assert!(matches!(verdict.problems[..], [Problem::NoRecords]));
}

#[test]
fn a_broken_line_leaves_no_verdict_and_is_named() {
    let cut_short = record("b", 1, 0)[..100].to_owned();

    let verdict = verdict(ended(BinaryResult::Passed), &[record("a", 1, 0), cut_short]);

    assert_eq!(verdict.conclusion(), Conclusion::CannotJudge);
    assert!(
        matches!(&verdict.problems[..], [Problem::BrokenRecord(RecordError::Broken { path, line: 2, .. })] if path.ends_with("orders-1.jsonl")),
        "{:?}",
        verdict.problems
    );
}

#[test]
fn a_broken_line_does_not_hide_a_leak_in_another_file() {
    let Records { records, errors } = read(&[
        ("a-1.jsonl", "{".to_owned()),
        ("orders-2.jsonl", record("a", 1, 1)),
        ("notes.txt", "not a record".to_owned()),
    ]);

    let verdict = judge(Evidence {
        outcomes: vec![failed(&["a"])],
        records,
        broken: errors,
        ..Evidence::default()
    });

    assert_eq!(verdict.conclusion(), Conclusion::Leaked);
    assert_eq!(verdict.problems.len(), 1, "{:?}", verdict.problems);
}

#[test]
fn a_line_of_another_schema_is_not_guessed_at() {
    let found = read(&[("a-1.jsonl", r#"{"schema":2,"of":"another shape"}"#.to_owned())]);

    assert!(
        matches!(
            &found.errors[..],
            [RecordError::UnknownSchema { found: 2, line: 1, .. }]
        ),
        "{:?}",
        found.errors
    );
    assert!(found.errors[0].to_string().contains("a-1.jsonl:1"));
}

#[test]
fn a_record_that_contradicts_itself_is_not_believed() {
    let found = read(&[(
        "a-1.jsonl",
        record("a", 1, 1).replace(r#""verdict":"leaked""#, r#""verdict":"clean""#),
    )]);

    assert!(
        matches!(
            &found.errors[..],
            [RecordError::Contradiction { line: 1, leaks: 1, .. }]
        ),
        "{:?}",
        found.errors
    );
}

#[test]
fn bytes_that_are_no_text_are_one_broken_line() {
    let directory = tempfile::tempdir().expect("a directory");
    let bytes = [b"\xff\xfe\n", record("a", 1, 0).as_bytes()].concat();
    fs::write(directory.path().join("a-1.jsonl"), bytes).expect("a file");

    let found = records::read(directory.path());

    assert_eq!((found.records.len(), found.errors.len()), (1, 1));
}

#[test]
fn a_directory_that_nobody_made_holds_no_records() {
    let found = records::read(Path::new("no such directory"));

    assert!(found.records.is_empty() && found.errors.is_empty());
}

#[test]
fn the_report_shows_one_of_the_tasks_that_wait_alike() {
    let verdict = verdict(failed(&["a"]), &[record("a", 3, 3), record("b", 2, 0)]);

    let text = render::text::verdict(&verdict, false);

    let expected = "
  spawned at             group › name     tests  tasks  returned  cancelled  aborted  panicked  dropped  leaked  p50 to stop  p99  worst
  shop/src/orders.rs:88  orders › manage      2      5         0          2        0         0        0       3            -    -      -

  test       group › name     spawned at             tasks  returned  cancelled  aborted  panicked  dropped  leaked
  orders::a  orders › manage  shop/src/orders.rs:88      3         0          0        0         0        0       3

leaked: 3 tasks outlived test orders::a (settled 12 rounds, 1.00 s)

  orders › manage-0                          alive 1.02 s, polled 7 times, last 0.98 s ago
    spawned at   shop/src/orders.rs:88       by connection › 127.0.0.1:51234
    waiting at   shop/src/orders.rs:214      select! of 2 branches
                   mpsc::Receiver::recv      shop/src/orders.rs:215
                   Sleep                     shop/src/orders.rs:216
    help         no branch waits for cancellation: add one for the token that its owner cancels
    alike        2 other tasks of this test, at the same lines

leak-audit: 2 guarded tests in 1 binary, 5 tasks at 1 spawn site, 3 leaked
";
    assert_eq!(format!("\n{text}"), expected, "got:\n{text}");
}

#[test]
fn tasks_whose_branches_were_polled_in_another_order_wait_alike() {
    let mut record: serde_json::Value = serde_json::from_str(&record("a", 2, 2)).expect("a record");
    let branches = record["leaks"][1]["branches"]
        .as_array_mut()
        .expect("the second task's branches");
    branches.reverse();

    let text = render::text::verdict(&verdict(failed(&["a"]), &[record.to_string()]), false);

    assert!(
        text.contains("alike        1 other task of this test, at the same lines"),
        "{text}"
    );
}

#[test]
fn a_task_that_says_nothing_of_its_wait_is_told_by_its_state() {
    let waiting = record("a", 1, 1);
    let place = r#""waiting_at":{"function":"shop::orders::manage","file":"shop/src/orders.rs","line":214},"select":2"#;
    assert!(waiting.contains(place), "{waiting}");
    let without_place = waiting.replace(place, r#""waiting_at":null,"select":null"#);
    let branches = without_place
        .find(r#""branches":["#)
        .zip(without_place.find(r#","help""#));
    let (start, end) = branches.expect("branches and help");
    let without_branches = [&without_place[..start], r#""branches":[]"#, &without_place[end..]].concat();

    for (state, said) in [
        ("waiting", "nothing that would ever wake it"),
        ("silent", "does not answer"),
        ("blocking", "running on a blocking thread"),
        ("dropped", "it was dropped with its runtime"),
    ] {
        let line = without_branches.replace(r#""state":"waiting""#, &format!(r#""state":"{state}""#));
        let text = render::text::verdict(&verdict(failed(&["a"]), &[line]), false);

        assert!(text.contains(&format!("    waiting at   {said}")), "{state}: {text}");
        assert!(text.lines().all(|line| line.trim_end() == line), "{text}");
    }
}

#[test]
fn every_test_has_its_row_when_asked_for() {
    let verdict = verdict(ended(BinaryResult::Passed), &[record("a", 1, 0), record("b", 2, 0)]);

    let (brief, full) = (
        render::text::verdict(&verdict, false),
        render::text::verdict(&verdict, true),
    );

    assert!(!brief.contains("orders::a") && !brief.contains("orders::b"), "{brief}");
    assert!(full.contains("orders::a") && full.contains("orders::b"), "{full}");
}

#[test]
fn the_document_has_every_finding() {
    let verdict = verdict(failed(&["a", "b"]), &[record("a", 2, 1)]);

    let document: serde_json::Value = serde_json::from_str(&render::json::verdict(&verdict)).expect("one document");

    assert_eq!(document["conclusion"], "leaked");
    assert_eq!(document["exit_code"], 1);
    assert_eq!(document["totals"]["seen"], 2);
    assert_eq!(document["sites"][0]["spawned_at"]["line"], 88);
    assert_eq!(
        document["leaks"][0]["leak"]["branches"][0]["leaf"],
        "mpsc::Receiver::recv"
    );
    assert_eq!(document["problems"].as_array().map(Vec::len), Some(1));
    assert_eq!(document["tests"][0]["verdict"], "leaked");
}

/// A record of one site, whose tasks ended so.
fn record_of_ends(test: &str, line: u32, ends: &str, stopping: &str) -> String {
    record(test, 1, 0)
        .replace(r#""line":88"#, &format!(r#""line":{line}"#))
        .replace(r#""returned":0,"cancelled":1,"aborted":0"#, ends)
        .replace(r#""leaked":0}"#, &format!(r#""leaked":0,"stopping":{stopping}}}"#))
}

#[test]
fn durations_of_several_tests_are_put_together() {
    const NONE: &str = r#""returned":0,"cancelled":1,"aborted":0"#;
    let quick = r#"{"count":98,"p50_ms":1,"p99_ms":1,"worst_ms":1,"buckets":[{"up_to_us":1024,"count":98}]}"#;
    let slow = r#"{"count":2,"p50_ms":250,"p99_ms":250,"worst_ms":250,"buckets":[{"up_to_us":1024,"count":1},{"up_to_us":262144,"count":1}]}"#;
    let lines = [
        record_of_ends("a", 88, NONE, quick),
        record_of_ends("b", 88, NONE, slow),
        record_of_ends("c", 88, NONE, "null"),
        record_of_ends("d", 90, NONE, slow),
    ];

    let verdict = verdict(ended(BinaryResult::Passed), &lines);

    let stopping = verdict.sites[0].stopping.as_ref().expect("durations");
    assert_eq!(stopping.count, 100);
    assert_eq!(
        (stopping.p50_ms, stopping.p99_ms, stopping.worst_ms),
        (1.024, 1.024, 250.0)
    );
    assert_eq!(stopping.buckets.len(), 2);
    let text = render::text::verdict(&verdict, false);
    assert!(text.contains("1.0 ms  1.0 ms  0.25 s\n"), "{text}");
    let document: serde_json::Value = serde_json::from_str(&render::json::verdict(&verdict)).expect("one document");
    assert_eq!(document["sites"][0]["stopping"]["worst_ms"], 250.0);
}

#[test]
fn a_site_that_no_test_has_shut_down_is_listed_and_no_failure() {
    let lines = [
        record_of_ends("a", 1, r#""returned":0,"cancelled":0,"aborted":1"#, "null"),
        record_of_ends("a", 2, r#""returned":1,"cancelled":0,"aborted":0"#, "null"),
        // Aborted in one test, and told to stop in another.
        record_of_ends("a", 3, r#""returned":0,"cancelled":0,"aborted":1"#, "null"),
        record_of_ends("b", 3, r#""returned":0,"cancelled":1,"aborted":0"#, "null"),
    ];

    let verdict = verdict(ended(BinaryResult::Passed), &lines);

    assert_eq!(verdict.conclusion(), Conclusion::Clean);
    let text = render::text::verdict(&verdict, false);
    let expected = "
no test has shut this down:
  shop/src/orders.rs:1  orders › manage  1 task: 1 aborted
1 more site needed no shutdown: all of their tasks returned
";
    assert!(text.contains(expected), "{text}");
    let document: serde_json::Value = serde_json::from_str(&render::json::verdict(&verdict)).expect("one document");
    let never = |site: usize| document["sites"][site]["never_shut_down"].as_bool();
    assert_eq!([0, 1, 2].map(never), [Some(true), Some(false), Some(false)]);
}

#[test]
fn thousands_are_readable() {
    let verdict = verdict(ended(BinaryResult::Passed), &[record("a", 1_234_567, 0)]);

    assert!(render::text::summary(&verdict).contains("1,234,567 tasks"));
}

/// The verdict on one binary against a baseline that knows the tasks of this name.
fn verdict_against(known: &str, complete: bool, outcome: BinaryOutcome, line: String) -> Verdict {
    let Records { records, errors } = read(&[("orders-1.jsonl", line)]);
    let known = Known {
        file: "shop/src/orders.rs".to_owned(),
        group: "orders".to_owned(),
        name: known.to_owned(),
        reason: "rewritten soon".to_owned(),
    };
    let baseline = Baseline { known: vec![known] };
    judge(Evidence {
        outcomes: vec![outcome],
        records,
        broken: errors,
        baseline,
        complete,
    })
}

#[test]
fn a_known_leak_is_tolerated_and_shown_with_its_reason() {
    let verdict = verdict_against("manage-*", true, failed(&["a"]), record("a", 3, 3));

    assert_eq!(verdict.conclusion(), Conclusion::Clean);
    let text = render::text::verdict(&verdict, false);
    assert!(text.contains("known: 3 leaks: rewritten soon\n"), "{text}");
    assert!(text.ends_with("0 leaked, 3 known\n"), "{text}");
}

#[test]
fn a_leak_beside_a_known_one_is_a_leak() {
    let verdict = verdict_against("manage-0", true, failed(&["a"]), record("a", 3, 2));

    assert_eq!(verdict.conclusion(), Conclusion::Leaked);
    assert_eq!((verdict.leaks.len(), verdict.known.len()), (1, 1));
}

#[test]
fn a_known_leak_that_is_gone_must_leave_the_baseline() {
    let verdict = verdict_against("manage-*", true, ended(BinaryResult::Passed), record("a", 3, 0));

    assert_eq!(verdict.conclusion(), Conclusion::BaselineOutdated);
    assert_eq!(verdict.conclusion().exit_code(), 1);
    let text = render::text::verdict(&verdict, false);
    assert!(
        text.contains("fixed: orders › manage-* of shop/src/orders.rs leaks no more: remove it"),
        "{text}"
    );
}

#[test]
fn a_known_leak_is_not_called_gone_by_a_part_of_the_tests() {
    let of_a_part = verdict_against("manage-*", false, ended(BinaryResult::Passed), record("a", 3, 0));
    let of_failed_tests = verdict_against("manage-*", true, failed(&["b"]), record("a", 3, 0));

    assert_eq!(of_a_part.conclusion(), Conclusion::Clean);
    assert_eq!(of_failed_tests.conclusion(), Conclusion::CannotJudge);
    assert!(of_failed_tests.fixed.is_empty());
}

/// A record of a test that left nothing tracked behind, with these members besides.
fn record_with(test: &str, verdict: &str, members: &str) -> String {
    let clean = record(test, 2, 0).replace(r#""verdict":"clean""#, &format!(r#""verdict":"{verdict}""#));
    format!("{},{members}}}", clean.strip_suffix('}').expect("an object"))
}

fn untracked(denied: bool) -> String {
    format!(
        r#""untracked":{{"count":2,"known":"counted","denied":{denied},"spawned":[{{"kind":"async","count":1,"frames":[{{"function":"shop::serve","file":"shop/src/serve.rs","line":7}}]}}]}},"panics":[]"#
    )
}

fn panics(denied: bool) -> String {
    format!(
        r#""untracked":null,"panics":[{{"task":4,"group":"orders","name":"manage","kind":"async","spawned_at":{{"file":"shop/src/orders.rs","line":88,"column":9}},"parent":null,"message":"boom","detached":true,"denied":{denied}}}]"#
    )
}

#[test]
fn tasks_that_no_tracker_saw_are_a_leak_where_they_are_denied() {
    let denied = verdict(failed(&["a"]), &[record_with("a", "leaked", &untracked(true))]);
    assert_eq!(denied.conclusion(), Conclusion::Leaked);
    assert!(denied.problems.is_empty(), "{:?}", denied.problems);
    let text = render::text::verdict(&denied, false);
    assert!(
        text.contains("leaked: 2 tasks that no tracker saw outlived test orders::a"),
        "{text}"
    );
    assert!(text.contains("1 async task spawned at shop/src/serve.rs:7"), "{text}");
    assert!(text.contains("0 leaked, 2 untracked"), "{text}");

    let told = verdict(
        ended(BinaryResult::Passed),
        &[record_with("a", "clean", &untracked(false))],
    );
    assert_eq!(told.conclusion(), Conclusion::Clean);
}

#[test]
fn a_panic_that_nobody_awaited_fails_the_audit_by_that_name() {
    let denied = verdict(failed(&["a"]), &[record_with("a", "panicked", &panics(true))]);
    assert_eq!(
        (denied.conclusion(), denied.conclusion().exit_code()),
        (Conclusion::Panicked, 1)
    );
    assert!(denied.problems.is_empty(), "{:?}", denied.problems);
    let text = render::text::verdict(&denied, false);
    assert!(
        text.contains("panicked: orders › manage, spawned at shop/src/orders.rs:88, in test orders::a"),
        "{text}"
    );

    let told = verdict(
        ended(BinaryResult::Passed),
        &[record_with("a", "clean", &panics(false))],
    );
    assert_eq!(told.conclusion(), Conclusion::Clean);
}

#[test]
fn a_record_whose_verdict_overlooks_its_findings_contradicts_itself() {
    for line in [
        record_with("a", "clean", &untracked(true)),
        record_with("a", "clean", &panics(true)),
        record_with("a", "panicked", &panics(false)),
    ] {
        let Records { errors, .. } = read(&[("orders-1.jsonl", line)]);
        assert!(matches!(errors[..], [RecordError::Contradiction { .. }]), "{errors:?}");
    }
}
