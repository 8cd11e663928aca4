//! Audits of small workspaces that each test makes for itself. Their tests write leakcheck's records by hand, with
//! nothing but the standard library, so that they build in a moment and from nothing.

use std::fs;
use std::path::Path;

use leakcheck_audit::judge::{Conclusion, Problem};
use leakcheck_audit::plant::PlantError;
use leakcheck_audit::{Audit, AuditError, Plant, Verdict};
use tempfile::TempDir;

const RECORD: &str = include_str!("fixture/record.rs");
const PLANT: &str = include_str!("fixture/planted.rs");

const CLEAN: &str = r#"#[test] fn closing_ends_every_order() { record("closing_ends_every_order", false); }"#;
const LEAKY: &str =
    r#"#[test] fn closing_ends_every_order() { record("closing_ends_every_order", true); panic!("leaked"); }"#;
const WRONG: &str = r#"#[test] fn a_sum_is_right() { assert_eq!(1 + 1, 3); }"#;

/// A workspace of two packages: `leakcheck` with the planted test, `shop` with the tests to audit.
struct Workspace(TempDir);

impl Workspace {
    fn new(plant: &str, tests: &[&str]) -> Self {
        let workspace = Self(tempfile::tempdir().expect("a directory"));
        workspace.write(
            "Cargo.toml",
            "[workspace]\nmembers = [\"leakcheck\", \"shop\"]\nresolver = \"3\"\n[profile.dev]\ndebug = false\n",
        );
        for (package, target, text) in [("leakcheck", "planted", plant), ("shop", "orders", &tests.concat())] {
            workspace.write(
                &format!("{package}/Cargo.toml"),
                &format!("[package]\nname = \"{package}\"\nedition = \"2024\"\n"),
            );
            workspace.write(&format!("{package}/src/lib.rs"), "");
            workspace.write(&format!("{package}/tests/{target}.rs"), &[RECORD, text].concat());
        }
        workspace
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.0.path().join(path);
        fs::create_dir_all(path.parent().unwrap_or(Path::new("."))).expect("a directory");
        fs::write(path, text).expect("a file");
    }

    /// The audit, in a target directory of its own whatever the environment says.
    fn audit(&self) -> Audit {
        Audit::of(self.0.path().join("Cargo.toml")).target_dir(self.0.path().join("target"))
    }
}

/// The outcome, with what was shown while it ran.
fn run(audit: &Audit) -> (Result<Verdict, AuditError>, String) {
    let mut live = Vec::new();
    let outcome = audit.run(&mut live);
    (outcome, String::from_utf8_lossy(&live).into_owned())
}

fn verdict(audit: &Audit) -> Verdict {
    let (outcome, live) = run(audit);
    outcome.unwrap_or_else(|error| panic!("{error}\n{live}"))
}

fn refusal(plant: &str) -> PlantError {
    let (outcome, live) = run(&Workspace::new(plant, &[CLEAN]).audit());
    match outcome {
        Err(AuditError::Plant(error)) => error,
        outcome => panic!("{outcome:?}\n{live}"),
    }
}

#[test]
fn tests_that_leave_nothing_pass_the_audit() {
    let workspace = Workspace::new(PLANT, &[CLEAN]);

    let (outcome, live) = run(&workspace.audit());

    let verdict = outcome.expect("a verdict");
    assert_eq!(verdict.conclusion(), Conclusion::Clean, "{:?}", verdict.problems);
    // The planted test is among the audited ones, without its leak.
    let tests: Vec<_> = verdict.tests.iter().map(|record| record.test.as_str()).collect();
    assert_eq!(
        tests,
        [
            "planted::a_planted_leak_is_caught_when_asked_for",
            "orders::closing_ends_every_order"
        ]
    );
    assert!(live.contains("test closing_ends_every_order ... ok"), "{live}");
}

#[test]
fn a_leak_is_found() {
    let verdict = verdict(&Workspace::new(PLANT, &[LEAKY]).audit());

    assert_eq!(verdict.conclusion(), Conclusion::Leaked);
    assert_eq!(verdict.leaks[0].test, "orders::closing_ends_every_order");
    assert_eq!(verdict.leaks[0].leak.spawned_at.file, "shop/tests/orders.rs");
    assert!(verdict.problems.is_empty(), "{:?}", verdict.problems);
}

#[test]
fn a_test_that_fails_for_another_reason_leaves_no_verdict() {
    let verdict = verdict(&Workspace::new(PLANT, &[CLEAN, WRONG]).audit());

    assert_eq!(verdict.conclusion(), Conclusion::CannotJudge);
    assert!(
        matches!(&verdict.problems[..], [Problem::TestsFailed { binary, tests }] if binary == "shop › orders" && *tests == ["a_sum_is_right"]),
        "{:?}",
        verdict.problems
    );
}

#[test]
fn a_leak_outweighs_another_failure() {
    let verdict = verdict(&Workspace::new(PLANT, &[LEAKY, WRONG]).audit());

    assert_eq!(verdict.conclusion(), Conclusion::Leaked);
    assert_eq!(verdict.problems.len(), 1, "{:?}", verdict.problems);
}

#[test]
fn a_crash_leaves_no_verdict() {
    let verdict = verdict(&Workspace::new(PLANT, &["#[test] fn crashes() { std::process::abort() }"]).audit());

    assert_eq!(verdict.conclusion(), Conclusion::CannotJudge);
    assert!(
        matches!(&verdict.problems[..], [Problem::BinaryDied { .. }]),
        "{:?}",
        verdict.problems
    );
}

#[test]
fn a_test_that_ends_the_process_as_if_all_were_well_leaves_no_verdict() {
    let verdict = verdict(&Workspace::new(PLANT, &[CLEAN, "#[test] fn exits() { std::process::exit(0) }"]).audit());

    assert_eq!(verdict.conclusion(), Conclusion::CannotJudge);
    assert!(
        matches!(&verdict.problems[..], [Problem::BinaryDied { binary, how }] if binary == "shop › orders" && how.contains("without a summary")),
        "{:?}",
        verdict.problems
    );
}

#[test]
fn tests_without_a_record_leave_no_verdict() {
    let workspace = Workspace::new(PLANT, &["#[test] fn a_sum_is_right() { assert_eq!(1 + 1, 2); }"]);

    let verdict = verdict(&workspace.audit().package("shop"));

    assert_eq!(verdict.conclusion(), Conclusion::CannotJudge);
    assert!(
        matches!(verdict.problems[..], [Problem::NoRecords]),
        "{:?}",
        verdict.problems
    );
}

#[test]
fn tests_that_do_not_compile_leave_no_verdict() {
    let workspace = Workspace::new(PLANT, &["this is not Rust"]);

    // A selection that builds the plant alone at first: what fails is the build of the tests.
    let (outcome, live) = run(&workspace.audit().package("shop"));

    assert!(matches!(outcome, Err(AuditError::DoesNotBuild { .. })), "{outcome:?}");
    assert!(live.contains("shop/tests/orders.rs"), "{live}");
}

#[test]
fn a_package_and_a_filter_narrow_the_audit() {
    let workspace = Workspace::new(PLANT, &[CLEAN, WRONG]);

    let verdict = verdict(&workspace.audit().package("shop").argument("closing"));

    assert_eq!(verdict.conclusion(), Conclusion::Clean, "{:?}", verdict.problems);
    assert_eq!(verdict.tests.len(), 1);
}

#[test]
fn a_leak_that_the_detector_misses_stops_the_audit() {
    let blind = PLANT
        .replace("asked_for());", "false);")
        .replace("assert!(!asked_for(), \"leaked\");", "");

    assert!(matches!(refusal(&blind), PlantError::NotCaught { .. }));
}

#[test]
fn a_detector_that_always_cries_stops_the_audit() {
    let crying = PLANT
        .replace("asked_for());", "true);")
        .replace("!asked_for()", "false");

    assert!(matches!(refusal(&crying), PlantError::FalseAlarm { .. }));
}

#[test]
fn a_detector_that_writes_nothing_stops_the_audit() {
    let silent = PLANT.replace("record(", "let _ = (");

    let error = refusal(&silent);

    assert!(
        matches!(&error, PlantError::NotReported { found, .. } if found == "there are 0 records"),
        "{error}"
    );
}

#[test]
fn a_detector_that_names_the_wrong_file_stops_the_audit() {
    let plant = Plant {
        spawn_file: "leakcheck/tests/other.rs".to_owned(),
        ..Plant::default()
    };
    let workspace = Workspace::new(PLANT, &[CLEAN]);

    let (outcome, _) = run(&workspace.audit().plant(plant));

    assert!(
        matches!(outcome, Err(AuditError::Plant(PlantError::NotReported { .. }))),
        "{outcome:?}"
    );
}

#[test]
fn a_workspace_without_the_planted_test_is_not_judged() {
    let plant = Plant {
        package: "bakery".to_owned(),
        target: "orders".to_owned(),
        ..Plant::default()
    };
    let workspace = Workspace::new(PLANT, &[CLEAN]);

    let (outcome, _) = run(&workspace.audit().plant(plant));

    assert!(
        matches!(outcome, Err(AuditError::Plant(PlantError::Missing { .. }))),
        "{outcome:?}"
    );
}
