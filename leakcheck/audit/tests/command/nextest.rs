//! `--runner nextest`: against what stands for nextest everywhere, and against the real one where it is installed.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use tempfile::TempDir;

use crate::project::{self, assert_ends, command, leaking_test, package_with_tokio, read};

fn leaky(more: &str) -> TempDir {
    let tests = format!("{}#[test] fn one() {{}}\n{more}", leaking_test("starts"));
    package_with_tokio(&[("tests/orders.rs", &tests)])
}

/// What stands for nextest, first on the path.
struct Fake {
    project: TempDir,
    path: std::ffi::OsString,
    binary: std::path::PathBuf,
}

impl Fake {
    fn new() -> Self {
        let project = leaky("");
        let program = project.path().join("bin/cargo-nextest");
        project::write(project.path(), "bin/cargo-nextest", include_str!("fake-nextest.sh"));
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("it is ours");
        let path = std::env::var_os("PATH").unwrap_or_default();
        let directories = std::iter::once(project.path().join("bin")).chain(std::env::split_paths(&path));
        let path = std::env::join_paths(directories).expect("paths");
        let built = project::plain(env!("CARGO"), project.path())
            .args(["test", "--no-run", "--tests", "--message-format", "json"])
            .output()
            .expect("cargo starts");
        let binary = String::from_utf8_lossy(&built.stdout)
            .lines()
            .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
            .find_map(|message| {
                let executable = message["executable"].as_str()?;
                (message["target"]["name"] == "orders").then(|| executable.into())
            });
        let binary = binary.expect("it builds");
        Self { project, path, binary }
    }

    fn command(&self, how: &str, arguments: &[&str]) -> Command {
        let mut command = command(self.project.path(), &["--runner", "nextest"]);
        command
            .args(arguments)
            .env("PATH", &self.path)
            .env("FAKE", how)
            .env("FAKE_BINARY", &self.binary)
            .env("FAKE_ARGUMENTS", self.project.path().join("arguments"));
        command
    }

    fn arguments(&self) -> Vec<String> {
        let said = fs::read_to_string(self.project.path().join("arguments")).expect("it ran");
        said.lines().map(str::to_owned).collect()
    }
}

fn test<'r>(report: &'r serde_json::Value, name: &str) -> &'r serde_json::Value {
    let programs = report["programs"].as_array().expect("programs").iter();
    let tests = programs.flat_map(|program| program["tests"].as_array().into_iter().flatten());
    let mut named = tests.filter(|test| test["name"] == name);
    let found = named.next().unwrap_or_else(|| panic!("no {name} in {report:#}"));
    assert!(named.next().is_none(), "{report:#}");
    found
}

#[test]
fn each_process_is_its_test_and_each_attempt_counts() {
    let fake = Fake::new();
    let arguments = [
        "--features",
        "a",
        "--profile",
        "dev",
        "--format",
        "json",
        "--",
        "-E",
        "test(leaks)",
    ];
    project::write(
        fake.project.path(),
        "Cargo.toml",
        &(fs::read_to_string(fake.project.path().join("Cargo.toml")).expect("a manifest") + "[features]\na = []\n"),
    );
    let (code, report) = read(&fake.command("", &arguments).output().expect("it starts"));

    assert_eq!(code, Some(1), "{report:#}");
    let findings = report["findings"].as_array().expect("findings");
    assert_eq!(findings.len(), 1, "{report:#}");
    assert_eq!(
        (&findings[0]["test"], &findings[0]["count"]),
        (&"leaks".into(), &2.into())
    );
    assert_eq!(report["totals"]["tests"], 3, "{report:#}");
    assert_eq!(
        (&test(&report, "leaks")["tasks"], &test(&report, "leaks")["left"]),
        (&2.into(), &2.into())
    );
    assert_eq!(test(&report, "one")["tasks"], 0);
    assert!(
        report["command"]
            .as_str()
            .expect("text")
            .starts_with("cargo nextest run"),
        "{report:#}"
    );

    let passed = fake.arguments();
    let words: Vec<&str> = passed.iter().map(String::as_str).collect();
    for expected in [
        &["--features", "a"][..],
        &["--cargo-profile", "dev"],
        &["--no-fail-fast", "-E", "test(leaks)"],
    ] {
        assert!(
            words.windows(expected.len()).any(|window| window == expected),
            "{expected:?} in {words:?}"
        );
    }
}

#[test]
fn a_run_that_does_not_fit_its_report_is_not_judged_and_a_shard_is_a_partition() {
    let fake = Fake::new();
    for (how, says) in [
        ("missing", "cargo-nextest is not installed"),
        ("no-tests", "no test ran"),
        ("no-report", "wrote no report"),
        ("unexplained", "but no test binary failed"),
    ] {
        assert_ends(&fake.command(how, &[]).output().expect("it starts"), 2, says);
    }
    project::write(fake.project.path(), ".config/nextest.toml", "profile = 1");
    let output = fake.command("", &[]).output().expect("it starts");
    assert_ends(&output, 2, "cannot read nextest's configuration");
    fs::remove_dir_all(fake.project.path().join(".config")).expect("it is there");

    // A shard is nextest's partition.
    fake.command("", &["--shard", "2/3"]).output().expect("it starts");

    assert!(
        fake.arguments().contains(&"--partition=hash:2/3".to_owned()),
        "{:?}",
        fake.arguments()
    );
}

/// The real one: flaky and failing tests, one that aborts, a configuration with retries and a report of its own, and a worker thread.
#[test]
fn nextest_itself_is_understood() {
    let installed = Command::new(env!("CARGO")).args(["nextest", "--version"]).output();
    if !installed.is_ok_and(|output| output.status.success()) {
        eprintln!("not run: cargo-nextest is not installed");
        return;
    }
    let project = leaky(
        "#[test] fn flaky() { if std::fs::create_dir(\"was-here\").is_ok() { panic!(\"once\") } }\n\
         mod m { #[test] fn on_a_thread() { std::thread::spawn(super::starts).join().unwrap() } }\n\
         #[test] #[ignore] fn slow() {}\n",
    );
    let configuration = "[profile.default]\nretries = 1\n[profile.default.junit]\npath = \"ours.xml\"\n";
    project::write(project.path(), ".config/nextest.toml", configuration);
    let (code, report) = project::report(project.path(), &["--runner", "nextest"]);

    assert_eq!(code, Some(1), "{report:#}");
    assert_eq!(
        (&report["totals"]["tests"], &report["totals"]["failed"]),
        (&5.into(), &0.into()),
        "{report:#}"
    );
    let findings = report["findings"].as_array().expect("findings");
    let mut tests: Vec<_> = findings.iter().map(|finding| finding["test"].as_str()).collect();
    tests.sort_unstable();
    assert_eq!(tests, [Some("leaks"), Some("m::on_a_thread")], "{report:#}");
    assert_eq!(test(&report, "flaky")["outcome"], "passed");

    let filtered = ["--runner", "nextest", "--", "-E", "test(=one)"];
    let (code, report) = project::report(project.path(), &filtered);
    assert_eq!((code, &report["totals"]["tests"]), (Some(0), &1.into()), "{report:#}");

    let exec = [
        "exec",
        "--format",
        "json=a.json",
        "--",
        "cargo",
        "nextest",
        "run",
        "leaks",
        "one",
    ];
    assert_ends(&project::leak_audit(project.path(), &exec), 1, "2 tests run: 2 passed");
    let text = fs::read_to_string(project.path().join("a.json")).expect("a report");
    let report: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(report["findings"][0]["test"], "leaks", "{report:#}");

    project::write(
        project.path(),
        "tests/orders.rs",
        "#[test] fn fails() { panic!() }\n#[test] fn aborts() { std::process::abort() }\n",
    );
    let (code, report) = project::report(project.path(), &["--runner", "nextest"]);
    assert_eq!(code, Some(2), "{report:#}");
    assert_eq!(
        (&report["totals"]["tests"], &report["totals"]["failed"]),
        (&4.into(), &2.into()),
        "{report:#}"
    );
    assert_eq!(test(&report, "fails")["outcome"], "failed");
    assert_eq!(test(&report, "aborts")["outcome"], "aborted");
}
