//! The static audit on whole crates: kfake with franz-go's bug planted, the same bug in a fixture, and input that makes no sense.

use std::fs;
use std::path::{Path, PathBuf};

use leakcheck_audit::report::Suspect;
use leakcheck_audit::scan::{Outcome, Scan, scan_source};
use proptest::prelude::*;

fn kfake() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../kfake")
        .canonicalize()
        .unwrap()
}

/// A wait of kfake that the feature `plants` can make forget the shutdown: its name there, and its file.
const WAITS: [(&str, &str); 5] = [
    ("Join", "src/group/queue.rs"),
    ("Hijack", "src/group/queue.rs"),
    ("Manage", "src/group/manage.rs"),
    ("Rebalance", "src/group/manage.rs"),
    ("Session", "src/group/manage.rs"),
];

/// A file's text without the shutdown branch of these waits, and the line of each `select!` that lost it. The line is left
/// empty, so that lines keep their numbers.
fn planted(file: &str, waits: &[&str]) -> (String, Vec<u32>) {
    let text = fs::read_to_string(kfake().join(file)).unwrap();
    let mut lines: Vec<String> = text.lines().map(ToOwned::to_owned).collect();
    let mut selects = Vec::new();
    for wait in waits {
        let branch = lines
            .iter()
            .position(|line| line.contains(&format!("heard_in(Wait::{wait})")))
            .unwrap_or_else(|| panic!("{file} has no wait {wait}"));
        let select = lines[..branch]
            .iter()
            .rposition(|line| line.contains("select!"))
            .unwrap();
        assert!(lines[branch].contains("exits.shutdown()"), "{}", lines[branch]);
        lines[branch].clear();
        selects.push(select as u32 + 1);
    }
    (lines.join("\n"), selects)
}

fn open(outcome: &Outcome) -> Vec<&Suspect> {
    assert_eq!(outcome.unparsed, []);
    outcome.open().collect()
}

#[test]
fn every_wait_of_kfake_lists_the_shutdown() {
    let outcome = Scan::path(kfake()).run().unwrap();
    assert_eq!(open(&outcome), Vec::<&Suspect>::new());
    assert!(outcome.files > 50 && outcome.functions > 400, "{outcome:?}");
}

#[test]
fn each_wait_of_a_group_that_forgets_the_shutdown_is_named() {
    for (wait, file) in WAITS {
        let (text, lines) = planted(file, &[wait]);
        let outcome = Scan::path(kfake()).instead_of(kfake().join(file), text).run().unwrap();
        let found = open(&outcome);
        assert_eq!(found.len(), 1, "{wait}: {found:#?}");
        assert_eq!(found[0].rule, "select-misses-shutdown");
        assert_eq!(found[0].at.line, Some(lines[0]), "{wait}");
        assert!(found[0].at.file.as_deref().unwrap().ends_with(file), "{wait}");
    }
}

#[test]
fn the_five_of_a_fixture_are_named_and_its_mended_twin_is_clean() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/scanned/src");
    let bug = fs::read_to_string(directory.join("forgets.rs")).unwrap();
    let expected: Vec<u32> = (1..)
        .zip(bug.lines())
        .filter(|(_, line)| line.contains("// forgets:"))
        .map(|(number, _)| number)
        .collect();
    assert_eq!(expected.len(), 5);
    let outcome = Scan::path(directory.join("forgets.rs")).run().unwrap();
    let found: Vec<u32> = open(&outcome).iter().filter_map(|suspect| suspect.at.line).collect();
    assert_eq!(found, expected, "{outcome:#?}");
    let outcome = Scan::path(directory.join("listens.rs")).run().unwrap();
    assert_eq!(open(&outcome), Vec::<&Suspect>::new());
}

#[test]
fn comments_silence_with_a_reason_and_not_without() {
    let task = "tokio::spawn(async { loop { work().await; } });";
    let scan = |text: String| scan_source(Path::new("src/lib.rs"), &text);
    let rules = |outcome: &Outcome| outcome.open().map(|suspect| suspect.rule.clone()).collect::<Vec<_>>();

    let silenced = scan(format!(
        "fn f() {{\n// leak-audit: allow(detached-task) — lives as long as the process\n{task}\n}}"
    ));
    assert_eq!(rules(&silenced), Vec::<String>::new());
    assert_eq!(
        silenced.suspects[0].silenced.as_deref(),
        Some("lives as long as the process")
    );

    let function = scan(format!(
        "// leak-audit: allow(detached-task) — main's own\nfn f() {{\n\n{task}\n}}"
    ));
    assert_eq!(rules(&function), Vec::<String>::new());

    let without = scan(format!("fn f() {{\n{task} // leak-audit: allow(detached-task)\n}}"));
    assert_eq!(rules(&without), ["allow-without-reason", "detached-task"]);

    let other = scan(format!(
        "fn f() {{\n{task} // leak-audit: allow(blocking-loop) — no\n}}"
    ));
    assert_eq!(rules(&other), ["allow-unused", "detached-task"]);

    let unknown = scan("fn f() {} // leak-audit: allow(no-such-rule) — no\n".to_owned());
    assert_eq!(rules(&unknown), ["allow-without-reason"]);
}

#[test]
fn modules_are_found_as_rustc_finds_them() {
    let directory = tempfile::tempdir().unwrap();
    let endless = "pub fn f() { tokio::spawn(async { loop { work().await; } }); }";
    let write = |path: &str, text: &str| {
        let path = directory.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    write(
        "src/lib.rs",
        "mod a; mod c { mod d; } #[path = \"elsewhere.rs\"] mod e; #[cfg(windows)] mod g; #[cfg(test)] mod tests; mod broken; mod none;",
    );
    write("src/a.rs", &format!("mod b; {endless}"));
    write("src/a/b/mod.rs", endless);
    write("src/c/d.rs", endless);
    write("src/elsewhere.rs", endless);
    write("src/g.rs", endless);
    write("src/tests.rs", endless);
    write("src/not_a_module.rs", endless);
    write("src/broken.rs", "fn f( {");
    let outcome = Scan::path(directory.path()).run().unwrap();
    let files: Vec<&str> = outcome
        .suspects
        .iter()
        .filter_map(|suspect| suspect.at.file.as_deref())
        .collect();
    assert_eq!(
        files,
        [
            "src/a.rs",
            "src/a/b/mod.rs",
            "src/c/d.rs",
            "src/elsewhere.rs",
            "src/g.rs"
        ]
    );
    let unparsed: Vec<String> = outcome
        .unparsed
        .iter()
        .map(|found| found.path.display().to_string())
        .collect();
    assert_eq!(
        unparsed,
        ["src/broken.rs", "src/lib.rs"],
        "a file that does not parse, and one that is not there"
    );
}

#[test]
fn source_that_nests_too_deeply_is_named_and_overflows_no_stack() {
    for deep in [
        format!("fn f() {{ {}1{} }}", "(".repeat(100_000), ")".repeat(100_000)),
        format!("fn f() {{ {}x; }}", "!".repeat(200_000)),
        format!("fn f() {{ a{}; }}", ".b()".repeat(100_000)),
        format!("fn f() {{ {} {{}} }}", "if a {} else ".repeat(100_000)),
        format!(
            "fn f() {{ {} }}",
            "tokio::select! { _ = a => ".repeat(20_000) + &"}".repeat(20_000)
        ),
        format!("type A = {}u8;", "&".repeat(100_000)),
        format!("fn f() {{ {} 1 }}", "|| ".repeat(100_000)),
    ] {
        let outcome = scan_source(Path::new("src/lib.rs"), &deep);
        assert_eq!(outcome.unparsed.len(), 1, "{}", &deep[..40]);
    }
    // As deep as it gets, and still parsed.
    for deep in [
        format!("fn f() {{ {}x; }}", "!".repeat(9_900)),
        format!("fn f() {{ {}1{} }}", "(".repeat(4_000), ")".repeat(4_000)),
        format!("fn f() {{ a{}; }}", ".b()".repeat(2_400)),
        format!("fn f() {{ {} {{}} }}", "if a {} else ".repeat(2_400)),
    ] {
        let outcome = scan_source(Path::new("src/lib.rs"), &deep);
        assert_eq!(outcome.unparsed, [], "{}", &deep[..40]);
    }
}

/// Tokens that `select!` and what stands around it are made of.
fn token() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "biased;",
        "else",
        "=>",
        "=",
        ",",
        "if",
        "Some(x)",
        "_",
        "x",
        "rx.recv()",
        "token.cancelled()",
        "break",
        "break 'a",
        "return",
        "?",
        ";",
        "{ }",
        "{",
        "}",
        "(",
        ")",
        "match x { _ => {} }",
        "loop",
        "'a:",
        "while",
        "tokio::select!",
        "futures::select!",
        "select! { }",
        "complete",
        "default",
        "async move",
        "await",
        ".",
        "..",
        "|",
        "||",
        "&",
        "mut",
        "ref",
        "@",
        "let",
        "tokio::spawn",
        "1",
        "\"s\"",
        "'c'",
        "r#\"\"#",
        "#",
        "!",
        "::<u8>",
        "tokio::join!(a, b)",
        "// leak-audit: allow(x)\n",
        "/*",
        "*/",
        "$",
        "unsafe",
        "->",
        "fn f()",
        "mod m;",
        "impl X",
        "self",
    ])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn tokens_in_any_order_are_no_reason_to_panic(tokens in prop::collection::vec(token(), 0..40)) {
        let soup = tokens.join(" ");
        for text in [
            soup.clone(),
            format!("fn f() {{ tokio::spawn(async {{ loop {{ tokio::select! {{ {soup} }} }} }}); }}"),
            format!("fn f() {{ loop {{ {soup} }} }}"),
        ] {
            let outcome = scan_source(Path::new("src/lib.rs"), &text);
            prop_assert!(outcome.files + outcome.unparsed.len() > 0);
        }
    }

    #[test]
    fn bytes_in_any_order_are_no_reason_to_panic(text in "\\PC{0,200}") {
        let outcome = scan_source(Path::new("src/lib.rs"), &text);
        prop_assert!(outcome.files + outcome.unparsed.len() > 0);
    }
}

/// What the command line says and exits with, in a directory with these files.
fn command(files: &[(&str, &str)], arguments: &[&str]) -> (Option<i32>, String) {
    let directory = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let path = directory.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_cargo-leak-audit"))
        .arg("scan")
        .args(arguments)
        .current_dir(directory.path())
        .output()
        .unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(text).unwrap())
}

#[test]
fn the_exit_code_tells_findings_from_none_and_from_what_could_not_be_scanned() {
    let manifest = (
        "Cargo.toml",
        "[package]\nname = \"shop\"\nversion = \"0.0.0\"\nedition = \"2021\"\n[workspace]\n",
    );
    let endless = (
        "src/lib.rs",
        "pub fn f() { tokio::spawn(async { loop { work().await; } }); }",
    );

    let (code, text) = command(&[manifest, endless], &[]);
    assert_eq!(code, Some(1), "{text}");
    assert!(
        text.contains("src/lib.rs:1  detached-task\n  in       shop::f\n"),
        "{text}"
    );

    let (code, text) = command(&[manifest, endless], &["--package", "shop", "--format", "json"]);
    assert_eq!(code, Some(1), "{text}");
    let report: leakcheck_audit::report::Report = serde_json::from_str(&text).unwrap();
    assert_eq!(report.suspects[0].rule, "detached-task");

    let (code, text) = command(&[manifest, endless], &["--format", "github"]);
    assert_eq!(code, Some(1), "{text}");
    assert!(
        text.starts_with("::error file=src/lib.rs,line=1,title=detached-task::"),
        "{text}"
    );

    assert_eq!(command(&[manifest, ("src/lib.rs", "pub fn f() {}")], &[]).0, Some(0));

    let half = [manifest, ("src/lib.rs", "mod broken;"), ("src/broken.rs", "fn (")];
    let (code, text) = command(&half, &[]);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("not scanned  src/broken.rs:1"), "{text}");
    assert_eq!(command(&half, &["--deny"]).0, Some(1));

    assert_eq!(command(&[], &[]).0, Some(2), "no cargo project");
    assert_eq!(command(&[], &["nowhere"]).0, Some(2), "no such path");
    assert_eq!(
        command(&[manifest, endless], &["--package", "other"]).0,
        Some(2),
        "no such package"
    );
    assert_eq!(
        command(&[manifest, endless], &["--unheard-of"]).0,
        Some(2),
        "no such option"
    );
    assert_eq!(
        command(&[manifest, ("src/lib.rs", "fn (")], &[]).0,
        Some(2),
        "nothing that parses"
    );
}
