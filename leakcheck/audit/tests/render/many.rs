//! Reports that are large, and reports of anything.

use leakcheck_audit::render::{Options, document, github, html, junit, markdown, people, sarif};
use leakcheck_audit::report::{
    Await, Baseline, Entry, Finding, Kind, Lifetime, Origin, Outcome, Place, Program, Report, SCHEMA, SpawnSite,
    Suspect, TestRun, Tracked, Verdict,
};
use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;

use crate::{formats, sample};

#[test]
fn ten_thousand_findings_fold_for_people_and_are_whole_for_programs() {
    let report = sample::many(10_000);
    let options = Options::default();

    let text = people::render(&report, &options);
    assert!(text.len() < 100_000, "{} bytes", text.len());
    assert!(text.contains("findings of another look"), "what is left out is counted");
    assert!(markdown::render(&report, &options).len() < 200_000);
    assert!(github::render(&report, &options).lines().count() <= 34);

    formats::check_document(&report);
    // Every result is of the same few shapes, and the standard's schema is slow to ask.
    formats::check_sarif(&sample::many(500));
    formats::check_junit(&report);
    formats::check_html(&report);
    let bytes = |text: String| text.len() / report.findings.len();
    for (of_one, most) in [
        (bytes(document::render(&report, &options)), 4_000),
        (bytes(html::render(&report, &options)), 4_000),
        (bytes(junit::render(&report, &options)), 6_000),
        (bytes(sarif::render(&report, &options)), 24_000),
    ] {
        assert!(of_one < most, "{of_one} bytes a finding");
    }
}

#[test]
fn markdown_is_cut_at_the_limit_of_a_comment_and_says_so() {
    let mut options = Options::default();
    options.markdown_bytes = Options::COMMENT;
    options.limit = 1_000;

    let text = markdown::render(&sample::many(1_000), &options);

    assert!(
        text.len() <= Options::COMMENT && text.len() > Options::COMMENT / 2,
        "{} bytes",
        text.len()
    );
    assert!(
        text.contains("**Cut here: the rest would exceed 65536 bytes."),
        "{}",
        &text[text.len() - 200..]
    );
}

#[test]
fn more_results_than_github_takes_are_left_out_and_said() {
    let mut report = sample::report(sample::CLEAN);
    let mut finding = Finding::default();
    finding.count = 1;
    report.findings = vec![finding; 25_003];

    let log: serde_json::Value = serde_json::from_str(&sarif::render(&report, &Options::default())).expect("JSON");

    assert_eq!(log["runs"][0]["results"].as_array().map(Vec::len), Some(25_000));
    let note = &log["runs"][0]["invocations"][0]["toolExecutionNotifications"][0]["message"]["text"];
    assert_eq!(note, "3 more results are left out: the JSON report has them");
}

fn text() -> BoxedStrategy<String> {
    prop_oneof![
        "[a-z]{0,8}",
        any::<String>(),
        "[<>&|`*%:@#\\\\\"'\u{0}\u{1b}\r\n\u{2028}\u{202e}\u{fffe}]{0,6}",
        Just("</script><!--".to_owned()),
        Just("]]>".to_owned()),
        Just("::error::".to_owned()),
        Just("</details>\n```\n".to_owned()),
        Just("/c/registry/src/i-1/a-1.0.0/src/lib.rs".to_owned()),
    ]
    .boxed()
}

fn place() -> BoxedStrategy<Place> {
    (text(), of(text()), of(any::<u32>()))
        .prop_map(|(function, file, line)| Place { function, file, line })
        .boxed()
}

fn awaits() -> BoxedStrategy<Await> {
    let leaf = (text(), text(), of(place())).prop_map(|(future, state, at)| Await {
        future,
        state,
        at,
        awaits: Vec::new(),
    });
    leaf.prop_recursive(5, 12, 3, |inner| {
        (text(), text(), of(place()), vec(inner, 0..3)).prop_map(|(future, state, at, awaits)| Await {
            future,
            state,
            at,
            awaits,
        })
    })
    .boxed()
}

fn tracked() -> BoxedStrategy<Tracked> {
    let times = (of(0.0..1e9_f64), of(any::<u64>()));
    (text(), text(), of(text()), times, vec(place(), 0..2), of(text()))
        .prop_map(|(group, name, parent, (alive_ms, polls), waiting, help)| Tracked {
            group,
            name,
            parent,
            alive_ms,
            polls,
            waiting,
            help,
        })
        .boxed()
}

fn origin() -> BoxedStrategy<Origin> {
    prop_oneof![
        Just(Origin::Own),
        (text(), text()).prop_map(|(name, version)| Origin::Dependency { name, version })
    ]
    .boxed()
}

fn lifetime() -> BoxedStrategy<Lifetime> {
    (any::<u64>(), any::<u64>())
        .prop_map(|(from_ns, to_ns)| Lifetime { from_ns, to_ns })
        .boxed()
}

fn finding() -> BoxedStrategy<Finding> {
    let verdict = prop::sample::select(vec![
        Verdict::Leaked,
        Verdict::Blocked,
        Verdict::ThirdParty,
        Verdict::Unsure,
    ]);
    let kind = prop::sample::select(vec![Kind::Task, Kind::Blocking, Kind::Thread]);
    let what = (text(), verdict, of(text()), kind, text(), any::<u64>());
    let whose = (name(), of(name()), origin());
    let stacks = (
        vec(place(), 0..6),
        of(awaits()),
        of(text()),
        vec(text(), 0..3),
        of(text()),
    );
    let more = (of(tracked()), vec(lifetime(), 0..3), of(text()));
    (what, whose, stacks, more)
        .prop_map(|(what, whose, stacks, more)| {
            let mut finding = Finding::default();
            (finding.id, finding.verdict, finding.accepted, finding.kind, finding.how) =
                (what.0, what.1, what.2, what.3, what.4);
            finding.count = what.5;
            (finding.program, finding.test, finding.origin) = whose;
            (
                finding.spawned,
                finding.awaits,
                finding.awaits_unknown,
                finding.why,
                finding.root,
            ) = stacks;
            (finding.tracked, finding.lifetimes, finding.future) = more;
            finding
        })
        .boxed()
}

/// Names that meet one another, and others.
fn name() -> BoxedStrategy<String> {
    prop_oneof![Just("shop".to_owned()), Just("test".to_owned()), text()].boxed()
}

fn program() -> BoxedStrategy<Program> {
    let outcome = prop::sample::select(vec![
        Outcome::Passed,
        Outcome::Failed,
        Outcome::Ignored,
        Outcome::Aborted,
    ]);
    let test = (name(), outcome, any::<u64>(), any::<u64>()).prop_map(|(name, outcome, tasks, left)| {
        let mut test = TestRun::default();
        (test.name, test.outcome, test.tasks, test.left) = (name, outcome, tasks, left);
        test
    });
    (name(), of(text()), text(), vec(test, 0..3), of(text()), of(text()))
        .prop_map(|(name, package, target, tests, unobserved, ended)| {
            let mut program = Program::default();
            (program.name, program.package, program.target) = (name, package, target);
            (program.tests, program.unobserved, program.ended) = (tests, unobserved, ended);
            program
        })
        .boxed()
}

fn site() -> BoxedStrategy<SpawnSite> {
    let counts = (any::<u64>(), any::<u64>(), of(lifetime()));
    (name(), of(name()), origin(), vec(place(), 0..5), counts)
        .prop_map(|(program, test, origin, spawned, counts)| {
            let mut site = SpawnSite::default();
            (site.program, site.test, site.origin, site.spawned) = (program, test, origin, spawned);
            (site.tasks, site.left, site.lived) = counts;
            site
        })
        .boxed()
}

fn suspect() -> BoxedStrategy<Suspect> {
    (
        text(),
        place(),
        text(),
        text(),
        vec(text(), 0..2),
        of(any::<bool>()),
        of(text()),
    )
        .prop_map(|(rule, at, why, fix, confirmed_by, reached, silenced)| {
            let mut suspect = Suspect::default();
            (suspect.rule, suspect.at, suspect.why, suspect.fix) = (rule, at, why, fix);
            (suspect.confirmed_by, suspect.reached, suspect.silenced) = (confirmed_by, reached, silenced);
            suspect
        })
        .boxed()
}

fn baseline() -> BoxedStrategy<Baseline> {
    let entry = (text(), text(), text()).prop_map(|(id, about, reason)| Entry { id, about, reason });
    (text(), vec(entry, 0..3), any::<u32>())
        .prop_map(|(path, gone, matched)| Baseline {
            path,
            gone,
            matched: matched as usize,
            ..Baseline::default()
        })
        .boxed()
}

fn report() -> BoxedStrategy<Report> {
    let what = (text(), text(), any::<bool>());
    let found = (
        vec(program(), 0..3),
        vec(finding(), 0..6),
        vec(site(), 0..4),
        vec(suspect(), 0..3),
    );
    (what, found, vec(text(), 0..3), of(baseline()))
        .prop_map(|(what, found, unjudged, baseline)| {
            let mut report = Report::default();
            report.schema = SCHEMA;
            (report.version, report.command, report.deny_third_party) = what;
            (report.programs, report.findings, report.sites, report.suspects) = found;
            (report.unjudged, report.baseline) = (unjudged, baseline);
            report
        })
        .boxed()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_a_report_holds_every_output_is_sound(report in report()) {
        formats::check(&report);
    }
}
