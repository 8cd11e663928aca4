//! What an audit takes of memory, however much it has to judge.

use std::process::{Command, Stdio};

use leakcheck_audit::report::Report;

use crate::fixture::Fixture;

unsafe extern "C" {
    fn wait4(process: i32, status: *mut i32, options: i32, usage: *mut [i64; 18]) -> i32;
}

/// Bytes that an audit, or any process that it waited for, had in memory at most.
const MOST: i64 = 512 << 20;

/// Runs a shell's commands observed. The report, and the largest resident set of all processes, in bytes.
#[expect(clippy::zombie_processes, reason = "wait4 waits for it, and tells what it took")]
fn audited(script: &str) -> (Report, i64) {
    let directory = tempfile::tempdir().expect("a directory");
    let output = directory.path().join("report.json");
    let audit = Command::new(env!("CARGO_BIN_EXE_cargo-leak-audit"))
        .args(["leak-audit", "exec", "--format", "json", "--output"])
        .arg(&output)
        .args(["--", "sh", "-ec", script])
        .current_dir(Fixture::of("observed").directory())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("it starts");
    let mut usage = [0; 18];
    let process = i32::try_from(audit.id()).expect("a process' number");
    // SAFETY: our own child, which nobody else waits for, and as many words as there are.
    let waited = unsafe { wait4(process, std::ptr::null_mut(), 0, &mut usage) };
    assert_eq!(waited, process);
    let report = std::fs::read_to_string(&output).expect("a report");
    // After two times of two words: the largest resident set, in KiB.
    (serde_json::from_str(&report).expect("a report"), usage[4] << 10)
}

#[test]
#[ignore = "a million tasks: CI's step observe"]
fn a_million_tasks_are_judged_in_bounded_memory() {
    let program = Fixture::of("observed").optimised().binary("processes");
    let (report, memory) = audited(&format!("{} many 1000000", program.display()));

    assert!(report.totals.tasks >= 1_000_000, "{:?}", report.totals);
    assert!(memory < MOST, "{memory} bytes");
    println!("{} MiB", memory >> 20);
}

/// As a runner has them that runs each test in a process of its own.
#[test]
#[ignore = "ten thousand processes: CI's step observe"]
fn ten_thousand_tests_are_judged_in_bounded_memory() {
    let program = Fixture::of("observed").binary("queued");
    // What one of them leaves is what all of them leave.
    let script = format!(
        "{} --quiet --exact never_polled; unset LD_PRELOAD; cd \"$LEAK_AUDIT_OBSERVE\"; first=$(ls -S | head -n 1)
        for i in $(seq 9999); do ln \"$first\" \"test$i.0\"; done",
        program.display()
    );
    let (report, memory) = audited(&script);

    assert_eq!(
        (report.totals.processes, report.totals.tasks),
        (10_000, 10_000),
        "{:?}",
        report.totals
    );
    let found: Vec<_> = report
        .findings
        .iter()
        .map(|finding| (finding.test.as_deref(), finding.count))
        .collect();
    assert_eq!(found, [(Some("never_polled"), 10_000)]);
    assert!(memory < MOST, "{memory} bytes");
    println!("{} MiB", memory >> 20);
}
