//! Each format's own rules. Every check here is shown something wrong as well, which it must refuse.

use std::path::Path;
use std::process::Command;
use std::sync::LazyLock;

use base64::Engine as _;
use jsonschema::Validator;
use leakcheck_audit::render::{Options, document, github, html, junit, markdown, people, sarif};
use leakcheck_audit::report::{Await, Finding, Report};
use roxmltree::{Document, Node};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::sample::{self, CLEAN, RICH, UNJUDGED};

static SCHEMA: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(include_str!("../../schema/audit.schema.json")).expect("the schema is JSON"));

static DOCUMENT: LazyLock<Validator> = LazyLock::new(|| {
    let mut schema = SCHEMA.clone();
    close(&mut schema);
    jsonschema::validator_for(&schema).expect("the schema is one")
});

static SARIF: LazyLock<Validator> = LazyLock::new(|| {
    let mut schema: Value = serde_json::from_str(include_str!("schema/sarif-2.1.0.json")).expect("the schema is JSON");
    // Its pattern for a member that is not written here has an unopened bracket, which is no regular expression.
    for holder in ["run", "toolComponent"] {
        let language = schema.pointer_mut(&format!("/definitions/{holder}/properties/language"));
        let language = language.and_then(Value::as_object_mut).expect("the member");
        language.remove("pattern").expect("the pattern that is wrong");
    }
    jsonschema::validator_for(&schema).expect("the schema is one")
});

/// Forbids members that the schema does not describe. Its readers must take them; what is written here has none.
fn close(schema: &mut Value) {
    match schema {
        Value::Object(members) => {
            if members.contains_key("properties") && members.get("type") == Some(&json!("object")) {
                members.insert("additionalProperties".to_owned(), json!(false));
            }
            members.values_mut().for_each(close);
        }
        Value::Array(items) => items.iter_mut().for_each(close),
        _ => (),
    }
}

fn must_be_valid(validator: &Validator, text: &str) {
    let value = serde_json::from_str(text).expect("JSON");
    let errors: Vec<String> = validator
        .iter_errors(&value)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    assert!(errors.is_empty(), "{errors:#?}");
}

/// The report survives its document, which keeps to the schema.
pub fn check_document(report: &Report) {
    let text = document::render(report, &Options::default());
    must_be_valid(&DOCUMENT, &text);
    assert_eq!(document::parse(&text).expect("its own document"), *report);
}

/// It keeps to the standard's schema, and refers to what there is.
pub fn check_sarif(report: &Report) {
    let text = sarif::render(report, &Options::default());
    must_be_valid(&SARIF, &text);
    let log: Value = serde_json::from_str(&text).expect("JSON");
    let run = &log["runs"][0];
    let rules: Vec<&Value> = run["tool"]["driver"]["rules"]
        .as_array()
        .expect("rules")
        .iter()
        .map(|rule| &rule["id"])
        .collect();
    for result in run["results"].as_array().expect("results") {
        assert!(rules.contains(&&result["ruleId"]), "no rule {}", result["ruleId"]);
    }
    let is_judged = report.unjudged.is_empty() && report.programs.iter().all(|program| program.unobserved.is_none());
    assert_eq!(run["invocations"][0]["executionSuccessful"], json!(is_judged));
}

/// It is XML of the form that both Surefire's and Jenkins' schemas take, and its sums are those of its cases.
pub fn check_junit(report: &Report) {
    let xml = junit::render(report, &Options::default());
    let is_fatal = |finding: &&Finding| report.fails(finding);
    if let Err(wrong) = junit_of(&xml) {
        panic!("{wrong}\n{xml}");
    }
    if report.findings.iter().any(|finding| is_fatal(&finding)) {
        let document = Document::parse(&xml).expect("XML");
        assert!(
            document
                .descendants()
                .any(|node| node.has_tag_name("failure") || node.has_tag_name("error")),
            "{xml}"
        );
    }
}

/// Counts of cases, failures, errors and skipped ones; or what is wrong.
fn junit_of(xml: &str) -> Result<[usize; 4], String> {
    let document = Document::parse(xml).map_err(|error| error.to_string())?;
    let root = document.root_element();
    allows(
        root,
        "testsuites",
        &["name", "tests", "failures", "errors", "time"],
        &["testsuite"],
    )?;
    let mut sum = [0; 4];
    for suite in root.children().filter(Node::is_element) {
        allows(
            suite,
            "testsuite",
            &["name", "tests", "failures", "errors", "skipped", "time"],
            &["testcase"],
        )?;
        let mut counts = [0; 4];
        for case in suite.children().filter(Node::is_element) {
            allows(
                case,
                "testcase",
                &["name", "classname", "time"],
                &["failure", "skipped", "error", "system-out"],
            )?;
            counts[0] += 1;
            let names: Vec<&str> = case
                .children()
                .filter(Node::is_element)
                .map(|child| child.tag_name().name())
                .collect();
            // Surefire's is a sequence in this order; a case has one result.
            let [results, outputs] = ["system-out", ""].map(|output| {
                names
                    .iter()
                    .filter(|name| (**name == "system-out") == output.is_empty())
                    .count()
            });
            if results > 1 || outputs > 1 || (outputs == 1 && names.last() != Some(&"system-out")) {
                return Err(format!("a case has {names:?}"));
            }
            for (at, name) in [(1, "failure"), (2, "error"), (3, "skipped")] {
                counts[at] += usize::from(names.contains(&name));
            }
            for result in case
                .children()
                .filter(|child| child.has_tag_name("failure") || child.has_tag_name("error"))
            {
                allows(result, result.tag_name().name(), &["type", "message"], &[])?;
            }
        }
        says(
            suite,
            &[
                ("tests", counts[0]),
                ("failures", counts[1]),
                ("errors", counts[2]),
                ("skipped", counts[3]),
            ],
        )?;
        sum.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count);
    }
    says(root, &[("tests", sum[0]), ("failures", sum[1]), ("errors", sum[2])])?;
    Ok(sum)
}

fn allows(node: Node<'_, '_>, name: &str, attributes: &[&str], children: &[&str]) -> Result<(), String> {
    if !node.has_tag_name(name) {
        return Err(format!("<{}> where <{name}> should be", node.tag_name().name()));
    }
    let mut found: Vec<&str> = node.attributes().map(|attribute| attribute.name()).collect();
    let mut wanted = attributes.to_vec();
    found.sort_unstable();
    wanted.sort_unstable();
    if found != wanted {
        return Err(format!("<{name}> has {found:?}, not {wanted:?}"));
    }
    match node
        .children()
        .find(|child| child.is_element() && !children.contains(&child.tag_name().name()))
    {
        Some(child) => Err(format!("<{name}> holds <{}>", child.tag_name().name())),
        None => Ok(()),
    }
}

fn says(node: Node<'_, '_>, counts: &[(&str, usize)]) -> Result<(), String> {
    match counts
        .iter()
        .find(|(name, count)| node.attribute(*name) != Some(&count.to_string()))
    {
        Some((name, count)) => Err(format!("{name} of <{}> is not {count}", node.tag_name().name())),
        None => Ok(()),
    }
}

/// Every command is one of three, well formed, and none was smuggled in.
pub fn check_github(report: &Report) {
    let text = github::render(report, &Options::default());
    let mut levels = [0; 3];
    for line in text.lines() {
        match workflow_command(line) {
            Some(level) => levels[level] += 1,
            None => assert!(line.starts_with("leak-audit: "), "{line}"),
        }
    }
    assert!(levels.iter().all(|number| *number <= 10), "{levels:?}");
    let is_fatal = report.findings.iter().any(|finding| report.fails(finding));
    assert!(!is_fatal || levels[0] > 0, "{text}");
}

fn workflow_command(line: &str) -> Option<usize> {
    let (command, message) = line.strip_prefix("::")?.split_once("::")?;
    let (level, properties) = command.split_once(' ')?;
    let level = ["error", "warning", "notice"].iter().position(|name| *name == level)?;
    for property in properties.split(',') {
        let (name, value) = property.split_once('=')?;
        assert!(["file", "line", "title"].contains(&name), "{line}");
        assert!(!value.contains(':'), "{line}");
    }
    for text in [properties, message] {
        let escapes = text.match_indices('%').map(|(at, _)| text.get(at..at + 3));
        for escape in escapes {
            assert!(matches!(escape, Some("%25" | "%0A" | "%0D" | "%3A" | "%2C")), "{line}");
        }
    }
    Some(level)
}

/// It is within its limit, and every block that it opens is closed.
pub fn check_markdown(report: &Report, bytes: usize) {
    let mut options = Options::default();
    options.markdown_bytes = bytes;
    options.limit = usize::MAX;
    let text = markdown::render(report, &options);
    assert!(text.len() <= bytes, "{} bytes", text.len());
    if let Err(wrong) = markdown_of(&text) {
        panic!("{wrong}\n{text}");
    }
}

fn markdown_of(text: &str) -> Result<(), String> {
    let (mut details, mut fence) = (0_usize, None::<usize>);
    for line in text.lines() {
        let ticks = line.bytes().take_while(|byte| *byte == b'`').count();
        match fence {
            Some(opened) if ticks >= opened && line.len() == ticks => fence = None,
            Some(_) => (),
            None if ticks >= 3 => fence = Some(ticks),
            None => {
                details += line.matches("<details>").count();
                details = details
                    .checked_sub(line.matches("</details>").count())
                    .ok_or("</details> of nothing")?;
                let tags = [
                    "<details>",
                    "</details>",
                    "<summary>",
                    "</summary>",
                    "<code>",
                    "</code>",
                ];
                let rest = tags.iter().fold(line.to_owned(), |line, tag| line.replace(tag, ""));
                if rest.contains(['<', '`', '@']) {
                    return Err(format!("markup out of the report: {line}"));
                }
            }
        }
    }
    if details > 0 || fence.is_some() {
        Err("something is left open".to_owned())
    } else {
        Ok(())
    }
}

/// What the page embeds is the report, and nothing in it is markup or comes from elsewhere.
pub fn check_html(report: &Report) {
    let page = html::render(report, &Options::default());
    assert_eq!(embedded(&page).as_ref(), Ok(report));
}

fn embedded(page: &str) -> Result<Report, String> {
    const OPEN: &str = "<script type=\"application/json\" id=\"report\">";
    let (before, rest) = page.split_once(OPEN).ok_or("no data")?;
    let (data, after) = rest.split_once("</script>").ok_or("the data does not end")?;
    // An HTML parser changes its mind about where a script ends after `<!--`, and JavaScript once took U+2028 for a line's end.
    if data.contains(['<', '\u{2028}', '\u{2029}']) {
        return Err("the data is not escaped".to_owned());
    }
    let own = after
        .replace(html::SCRIPT, "")
        .replace("<script>", "")
        .replace("</script>", "");
    if before.contains("<script") || own.contains("<script") {
        return Err("a script that is not the page's".to_owned());
    }
    let mut data: Value = serde_json::from_str(data).map_err(|error| error.to_string())?;
    let shared = data["shared"].take();
    for rows in ["findings", "sites"] {
        let mut whole = data[rows].take();
        for row in whole.as_array_mut().ok_or("no rows")? {
            for name in ["spawned", "awaits"] {
                if let Some(place) = row.get(name).and_then(Value::as_u64) {
                    row[name] = shared[place as usize].clone();
                }
            }
        }
        data["report"][rows] = whole;
    }
    data["report"].as_object_mut().ok_or("no report")?;
    serde_json::from_value(data["report"].take()).map_err(|error| error.to_string())
}

/// Nothing in it steers a terminal, and its last line is the verdict.
pub fn check_people(report: &Report) {
    let text = people::render(report, &Options::default());
    assert!(text.chars().all(|char| char == '\n' || !char.is_control()), "{text:?}");
    assert!(
        text.lines().last().is_some_and(|line| line.starts_with("leak-audit: ")),
        "{text}"
    );
}

/// All of them.
pub fn check(report: &Report) {
    check_document(report);
    check_sarif(report);
    check_junit(report);
    check_github(report);
    check_markdown(report, Options::SUMMARY);
    check_markdown(report, 3_000);
    check_html(report);
    check_people(report);
}

#[test]
fn every_sample_keeps_to_every_format() {
    for (_, sample) in sample::ALL {
        check(&sample::report(sample));
    }
}

/// Whether xmllint takes a document for what the schema describes. None where there is no xmllint.
fn xmllint(xml: &str) -> Option<bool> {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("junit.xml");
    std::fs::write(&file, xml).expect("a file");
    let schema = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/render/schema/junit.xsd");
    let output = Command::new("xmllint")
        .args(["--noout", "--nonet", "--schema"])
        .arg(schema)
        .arg(file)
        .output();
    match output {
        // https://gnome.pages.gitlab.gnome.org/libxml2/xmllint.html: 3 is invalid, 1 is no XML.
        Ok(output) => match output.status.code() {
            Some(0) => Some(true),
            Some(1 | 3) => Some(false),
            other => panic!(
                "xmllint ended with {other:?}: {}",
                String::from_utf8_lossy(&output.stderr)
            ),
        },
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        Err(error) => panic!("xmllint: {error}"),
    }
}

/// The schema and the checks here, which need no other program, agree on what is right and on what is wrong.
#[test]
fn junit_keeps_to_its_schema() {
    if xmllint("<a/>").is_none() && std::env::var_os("LEAK_AUDIT_XMLLINT").is_none() {
        eprintln!("not run: xmllint is not installed. What the schema says was checked without it");
    }
    let validates = |xml: &str, expected: bool| {
        assert_eq!(junit_of(xml).is_ok(), expected, "{xml}");
        match xmllint(xml) {
            Some(valid) => assert_eq!(valid, expected, "{xml}"),
            None => assert_eq!(std::env::var_os("LEAK_AUDIT_XMLLINT"), None, "xmllint is required"),
        }
    };
    for (_, sample) in sample::ALL {
        validates(&junit::render(&sample::report(sample), &Options::default()), true);
    }
    let good = junit::render(&sample::report(RICH), &Options::default());
    for (from, to) in [
        ("<testcase ", "<testcase id=\"1\" "),
        ("<failure ", "<failed "),
        (" classname=", " class="),
        ("<testcase ", "<property/><testcase "),
        (" tests=\"", " tests=\"-"),
        ("</testsuites>", ""),
    ] {
        assert!(good.contains(from), "{from}");
        validates(&good.replacen(from, to, 1), false);
    }
}

#[test]
fn the_schema_is_one_and_refuses_what_is_no_report() {
    jsonschema::meta::validate(&SCHEMA).expect("a schema by its own meta-schema");
    let value = |text: &str| -> Value { serde_json::from_str(text).expect("JSON") };
    let good = value(&document::render(&sample::report(RICH), &Options::default()));
    assert!(DOCUMENT.is_valid(&good));
    for (pointer, wrong) in [
        ("/schema", json!(2)),
        ("/conclusion", json!("fine")),
        ("/findings/0/verdict", json!("lost")),
        ("/findings/0/count", json!(-1)),
        ("/findings/0/awaits/awaits/0/at/line", json!("12")),
        ("/findings/0", json!({})),
        ("/programs/0/tests/0/outcome", json!(null)),
        ("/sites/0/origin", json!({ "registry": {} })),
    ] {
        let mut bad = good.clone();
        *bad.pointer_mut(pointer).unwrap_or_else(|| panic!("no {pointer}")) = wrong;
        assert!(!DOCUMENT.is_valid(&bad), "{pointer}");
    }
}

#[test]
fn a_document_of_another_kind_is_refused_by_name() {
    for (text, said) in [
        (
            "{\"schema\": 2}",
            "a newer leak-audit wrote this report: its schema is 2, and this one reads up to 1",
        ),
        ("{}", "this is no report of leak-audit: it names no schema"),
        (
            "[",
            "this is no report of leak-audit: EOF while parsing a list at line 1 column 1",
        ),
    ] {
        assert_eq!(document::parse(text).expect_err(text).to_string(), said);
    }
}

#[test]
fn a_chain_too_deep_for_readers_is_cut_and_said() {
    let mut report = sample::report(CLEAN);
    let mut finding = sample::report(RICH).findings[0].clone();
    let chain = |length: usize| {
        (1..length).fold(Await::default(), |awaits, _| Await {
            awaits: vec![awaits],
            ..Await::default()
        })
    };
    finding.awaits = Some(chain(document::DEEPEST));
    report.findings.push(finding);
    check_document(&report);

    report.findings[0].awaits = Some(chain(1_000));
    let text = document::render(&report, &Options::default());

    must_be_valid(&DOCUMENT, &text);
    let read = document::parse(&text).expect("a document that can be read back");
    let mut deepest = read.findings[0].awaits.as_ref().expect("a chain");
    let mut length = 1;
    while let [next] = deepest.awaits.as_slice() {
        deepest = next;
        length += 1;
    }
    assert_eq!(
        (length, deepest.state.as_str()),
        (document::DEEPEST, "what it awaits is too deep to be written")
    );
}

#[test]
fn what_is_no_sarif_is_refused() {
    let text = sarif::render(&sample::report(RICH), &Options::default());
    let good: Value = serde_json::from_str(&text).expect("JSON");
    for (pointer, wrong) in [
        ("/version", json!("2.0")),
        ("/runs/0/results/0/level", json!("fatal")),
        ("/runs/0/results/0/message", json!("text")),
        (
            "/runs/0/results/0/locations/0/physicalLocation/region/startLine",
            json!(0),
        ),
        ("/runs/0/results/0/codeFlows/0/threadFlows/0", json!({})),
    ] {
        let mut bad = good.clone();
        *bad.pointer_mut(pointer).unwrap_or_else(|| panic!("no {pointer}")) = wrong;
        assert!(!SARIF.is_valid(&bad), "{pointer}");
    }
}

#[test]
fn sarif_says_what_is_accepted_and_what_could_not_be_judged() {
    let log: Value = serde_json::from_str(&sarif::render(&sample::report(RICH), &Options::default())).expect("JSON");
    let results = log["runs"][0]["results"].as_array().expect("results");
    let suppressed: Vec<_> = results
        .iter()
        .filter_map(|result| result["suppressions"][0]["kind"].as_str())
        .collect();
    assert_eq!(suppressed, ["external", "inSource"]);
    let ids: Vec<_> = results
        .iter()
        .filter_map(|result| result["partialFingerprints"]["leakAudit/v1"].as_str())
        .collect();
    assert!(ids.contains(&"9f86d081884c7d65:shop:tests::keys_expire"), "{ids:?}");

    let log: Value =
        serde_json::from_str(&sarif::render(&sample::report(UNJUDGED), &Options::default())).expect("JSON");
    let notes = log["runs"][0]["invocations"][0]["toolExecutionNotifications"]
        .as_array()
        .expect("notes");
    assert_eq!(notes.len(), 2, "the canary and the program: {notes:?}");
}

#[test]
fn a_leak_is_a_failure_of_its_test_and_what_could_not_be_judged_an_error() {
    let xml = junit::render(&sample::report(RICH), &Options::default());
    let document = Document::parse(&xml).expect("XML");
    let result = |class: &str, name: &str| {
        let is_it =
            |node: &Node<'_, '_>| node.attribute("classname") == Some(class) && node.attribute("name") == Some(name);
        let case = document
            .descendants()
            .find(is_it)
            .unwrap_or_else(|| panic!("no {class} {name}"));
        let first = case.children().find(Node::is_element);
        first.map(|first| {
            (
                first.tag_name().name().to_owned(),
                first.attribute("type").unwrap_or_default().to_owned(),
            )
        })
    };
    for (class, name, element, kind) in [
        ("shop", "tests::closes_every_connection", "failure", "leaked"),
        ("shop", "tests::keys_expire", "failure", "failed"),
        ("shop", "tests::a_file_is_followed", "failure", "blocked"),
        ("shop", "tests::slow", "skipped", ""),
        ("shop", "(outside of any test)", "failure", "blocked"),
        ("orders", "an_order_is_announced", "system-out", ""),
        ("orders", "an_order_is_kept", "error", "aborted"),
        ("loadgen", "(observed)", "error", "unobserved"),
        ("leak-audit", "judged 1", "error", "cannot-judge"),
        ("leak-audit", "baseline", "failure", "baseline-outdated"),
    ] {
        assert_eq!(
            result(class, name),
            Some((element.to_owned(), kind.to_owned())),
            "{class} {name}"
        );
    }
    assert_eq!(result("shop", "tests::nothing_is_left"), None);
}

#[test]
fn what_is_no_junit_is_refused() {
    let good = junit::render(&sample::report(RICH), &Options::default());
    junit_of(&good).expect("JUnit");
    for (of, wrong) in [
        ("</testsuites>", ""),
        ("tests=\"7\"", "tests=\"8\""),
        ("<skipped/>", "<ignored/>"),
        ("<skipped/>", "<skipped/><skipped/>"),
        (" time=\"0\"/>", "/>"),
        ("&gt;", "\u{1}"),
    ] {
        assert!(good.contains(of), "{of}");
        assert!(junit_of(&good.replacen(of, wrong, 1)).is_err(), "{of} as {wrong:?}");
    }
}

#[test]
fn the_checks_of_text_see_markup_that_got_through() {
    for wrong in [
        "<details>\n",
        "</details>\n",
        "```text\n",
        "a <script>\n",
        "`a`\n",
        "@me\n",
    ] {
        assert!(markdown_of(wrong).is_err(), "{wrong}");
    }
    let page = html::render(&sample::report(RICH), &Options::default());
    for (of, wrong) in [
        ("\\u003c", "<"),
        ("<title>", "<script>x</script><title>"),
        ("\"spawned\":0", "\"spawned\":\"0\""),
    ] {
        assert!(page.contains(of), "{of}");
        assert!(embedded(&page.replacen(of, wrong, 1)).is_err(), "{of}");
    }
    assert_eq!(workflow_command("error file=a::b"), None);
    assert_eq!(workflow_command("::set-env name=a::b"), None);
}

#[test]
fn the_page_asks_for_nothing_from_elsewhere() {
    let mut report = sample::report(CLEAN);
    report.command.clear();
    let page = html::render(&report, &Options::default());
    for forbidden in [
        "http:",
        "https:",
        " src=",
        "@import",
        "url(",
        "eval(",
        "innerHTML",
        " onclick=",
    ] {
        // The SVG namespace is a name, not an address that anything asks.
        let page = page.replace("http://www.w3.org/2000/svg", "");
        assert!(!page.contains(forbidden), "{forbidden}");
    }
    assert!(page.contains("default-src 'none'"));
}

#[test]
fn the_policy_names_the_pages_own_style_and_script() {
    let hash = |text: &str| base64::prelude::BASE64_STANDARD.encode(Sha256::digest(text));
    assert_eq!(
        html::HASHES.map(str::to_owned),
        [html::STYLE, html::SCRIPT].map(hash),
        "write these into render/html.rs"
    );
}
