//! One report out of what the preloaded library saw and what leakcheck wrote.

use std::collections::BTreeMap;

use crate::identity::identify;
use crate::judge::{self, Problem};
use crate::observe::{self, ObservedVerdict, What};
use crate::records::{Body, CheckVerdict, Leak, Record};
use crate::report::{Finding, Kind, Outcome, Place, Program, Report, Seen, TestRun, Tracked, Verdict};
use crate::transcript::{BinaryOutcome, BinaryResult};

/// Adds what the preloaded library saw.
pub(crate) fn observed(report: &mut Report, verdict: ObservedVerdict) {
    let mut findings: Vec<Finding> = verdict.findings.iter().map(plain).collect();
    identify(&mut [&mut findings]);
    let ids: Vec<_> = findings.iter().map(|finding| finding.id.clone()).collect();
    for (finding, observed) in findings.iter_mut().zip(&verdict.findings) {
        finding.root = observed.root.and_then(|root| ids.get(root).cloned());
    }
    report.findings.append(&mut findings);
    for name in verdict.programs {
        program(report, &name);
    }
    for (name, why) in verdict.unobserved {
        let program = program(report, &name);
        let said = program.unobserved.get_or_insert_default();
        if !said.is_empty() {
            said.push_str("; ");
        }
        said.push_str(&why);
    }
    for site in &verdict.sites {
        let Some(name) = &site.test else { continue };
        let program = program_of_test(report, &site.program, name);
        let test = match program.tests.iter_mut().find(|test| test.name == *name) {
            Some(test) => test,
            None => {
                program.tests.push(TestRun {
                    name: name.clone(),
                    ..TestRun::default()
                });
                program.tests.last_mut().expect("one was pushed")
            }
        };
        test.tasks = test.tasks.saturating_add(site.tasks);
        test.left = test.left.saturating_add(site.left);
    }
    let names = report.programs.iter().map(|program| program.name.as_str());
    let names: Vec<_> = names.collect();
    // What is said of a program stands with the program; the rest with the report.
    let rest = verdict.unjudged.into_iter();
    let rest = rest.filter(|reason| {
        !names
            .iter()
            .any(|name| reason.strip_prefix(name).is_some_and(|rest| rest.starts_with(' ')))
    });
    report.unjudged.extend(rest);
    report.sites.extend(verdict.sites);
    report.totals.tasks = report.totals.tasks.saturating_add(verdict.tasks);
    report.totals.threads = report.totals.threads.saturating_add(verdict.threads);
    report.totals.processes = report.totals.processes.saturating_add(verdict.processes);
}

fn plain(finding: &observe::Finding) -> Finding {
    Finding {
        verdict: match finding.what {
            What::Leaked => Verdict::Leaked,
            What::Blocked => Verdict::Blocked,
            What::ThirdParty => Verdict::ThirdParty,
            What::Unsure => Verdict::Unsure,
        },
        kind: finding.kind,
        how: finding.how.to_owned(),
        count: finding.count,
        program: finding.program.clone(),
        test: finding.test.clone(),
        origin: finding.origin.clone(),
        spawned: finding.spawned.clone(),
        future: finding.future.clone(),
        awaits: finding.tree.clone(),
        awaits_unknown: finding.awaits_unknown.clone(),
        why: finding.why.clone(),
        lifetimes: finding.lifetimes.clone(),
        ..Finding::default()
    }
}

/// The program of that name, which is added where it is not there.
fn program<'r>(report: &'r mut Report, name: &str) -> &'r mut Program {
    let at = report.programs.iter().position(|program| program.name == name);
    let at = at.unwrap_or_else(|| {
        report.programs.push(Program {
            name: name.to_owned(),
            target: "command".to_owned(),
            ..Program::default()
        });
        report.programs.len() - 1
    });
    &mut report.programs[at]
}

/// The program of that name which has the test: a library's tests and those of a file in `tests` may be called alike.
fn program_of_test<'r>(report: &'r mut Report, name: &str, test: &str) -> &'r mut Program {
    let has = |program: &Program| program.name == name && program.tests.iter().any(|run| run.name == test);
    match report.programs.iter().position(has) {
        Some(at) => &mut report.programs[at],
        None => program(report, name),
    }
}

/// Adds how the test binaries ended.
pub(crate) fn outcomes(report: &mut Report, outcomes: &[BinaryOutcome]) {
    for outcome in outcomes {
        let mut tests: BTreeMap<&str, Outcome> = outcome.tests.iter().map(|(name, how)| (&**name, *how)).collect();
        if let BinaryResult::Failed(failed) = &outcome.result {
            for name in failed {
                let outcome = tests.entry(name).or_insert(Outcome::Failed);
                if *outcome != Outcome::Aborted {
                    *outcome = Outcome::Failed;
                }
            }
        }
        report.programs.push(Program {
            name: outcome.binary.name.clone(),
            package: Some(outcome.binary.package.clone()),
            target: outcome.binary.kind.clone(),
            tests: tests
                .into_iter()
                .map(|(name, outcome)| TestRun {
                    name: name.to_owned(),
                    outcome,
                    ..TestRun::default()
                })
                .collect(),
            ended: match &outcome.result {
                BinaryResult::Died(how) => Some(how.clone()),
                BinaryResult::Passed | BinaryResult::Failed(_) => None,
            },
            ..Program::default()
        });
        report.totals.tests = report.totals.tests.saturating_add(outcome.ran);
        report.totals.failed += match &outcome.result {
            BinaryResult::Failed(failed) => failed.len() as u64,
            _ => 0,
        };
    }
}

/// Adds what leakcheck wrote. `is_observed`: the library was preloaded, so that the absence of a record leaves nothing unseen.
pub(crate) fn tracked(report: &mut Report, verdict: judge::Verdict, is_observed: bool) {
    for record in &verdict.tests {
        ended(report, record);
        spared(report, record);
        untracked(report, record);
        for resource in &record.resources {
            let finding = Finding {
                verdict: Verdict::Blocked,
                seen: Seen::Tracked,
                kind: if resource.kind == "thread" {
                    Kind::Thread
                } else {
                    Kind::Descriptor
                },
                how: resource.description.clone(),
                count: 1,
                program: record.binary.clone(),
                test: Some(test(record)),
                ..Finding::default()
            };
            report.findings.push(finding);
        }
        for panic in record.denied_panics() {
            let name = [panic.group.as_str(), &panic.name].join(" › ");
            let message = panic.message.as_deref().unwrap_or("no text");
            report.panics.push(format!("{name} of {}: {message}", record.test));
        }
    }
    let mut leaks: BTreeMap<_, Vec<(&Record, &Leak)>> = BTreeMap::new();
    for record in &verdict.tests {
        for leak in &record.leaks {
            let key = (&record.binary, &record.test, &leak.spawned_at, &leak.group);
            leaks.entry(key).or_default().push((record, leak));
        }
    }
    for leaks in leaks.into_values() {
        let (record, leak) = leaks[0];
        join_leak(report, record, leak, leaks.len() as u64);
    }
    identify(&mut [&mut report.findings]);
    let problems = verdict.problems.into_iter().filter(|problem| match problem {
        Problem::NoRecords => !is_observed,
        // They are findings.
        Problem::Resources { .. } => false,
        _ => true,
    });
    report.unjudged.extend(problems.map(|problem| problem.to_string()));
}

/// A test's name as libtest prints it: a record's has its crate in front.
fn test(record: &Record) -> String {
    let name = record
        .test
        .split_once("::")
        .map_or(record.test.as_str(), |(_, name)| name);
    name.to_owned()
}

/// leakcheck runs a test's body as a task, and holds its handle until after its runtime's end. What the preload cannot tell of that
/// task, the record can: it has ended.
fn ended(report: &mut Report, record: &Record) {
    if record.body == Body::Hung {
        return;
    }
    let is_body = |finding: &Finding| {
        finding.verdict == Verdict::Unsure
            && is_of(finding, record)
            && finding
                .spawned
                .first()
                .is_some_and(|place| place.function == record.test)
    };
    report.findings.retain(|finding| !is_body(finding));
}

fn is_of(finding: &Finding, record: &Record) -> bool {
    finding.program == record.binary && finding.test.as_deref() == Some(&*test(record))
}

/// What leakcheck's own rules let stay is accepted where they account for all that was observed; otherwise it is not known
/// which task they were about.
fn spared(report: &mut Report, record: &Record) {
    let matched = record.ignored.iter().map(|rule| rule.matched);
    let matched = matched.fold(0, u64::saturating_add);
    if matched == 0 || record.verdict != CheckVerdict::Clean {
        return;
    }
    let fails = |finding: &&mut Finding| is_of(finding, record) && finding.verdict != Verdict::Unsure;
    let stayed = report
        .findings
        .iter_mut()
        .filter(fails)
        .map(|finding| finding.count)
        .fold(0, u64::saturating_add);
    if stayed > matched {
        return;
    }
    let used = record.ignored.iter().filter(|rule| rule.matched > 0);
    let reasons: Vec<_> = used.map(|rule| rule.reason.as_str()).collect();
    for finding in report.findings.iter_mut().filter(fails) {
        finding.accepted.get_or_insert_with(|| reasons.join("; "));
        finding.seen = Seen::Both;
    }
}

/// The tasks that failed a test although no tracker saw them, where the preload did not see them either.
fn untracked(report: &mut Report, record: &Record) {
    let Some(untracked) = record.untracked.as_ref().filter(|untracked| untracked.denied) else {
        return;
    };
    if report
        .findings
        .iter()
        .any(|finding| is_of(finding, record) && finding.seen != Seen::Tracked)
    {
        return;
    }
    let mut named = 0_u64;
    let mut found = Vec::new();
    for spawn in &untracked.spawned {
        named = named.saturating_add(spawn.count);
        found.push((spawn.count, spawn.kind == "blocking", &spawn.frames[..]));
    }
    if untracked.count > named {
        found.push((untracked.count - named, false, &[]));
    }
    for (count, blocking, frames) in found {
        let finding = Finding {
            seen: Seen::Tracked,
            kind: if blocking { Kind::Blocking } else { Kind::Task },
            how: "it was there when its test was over, and no tracker saw it".to_owned(),
            count,
            program: record.binary.clone(),
            test: Some(test(record)),
            spawned: frames
                .iter()
                .map(|frame| place(&frame.function, &frame.file, frame.line))
                .collect(),
            ..Finding::default()
        };
        report.findings.push(finding);
    }
}

/// How many of the innermost calls a tracker's caller may be behind.
const NEAR: usize = 3;

fn join_leak(report: &mut Report, record: &Record, leak: &Leak, count: u64) {
    let is_there = |place: &Place| {
        place.file.as_deref() == Some(&leak.spawned_at.file) && place.line == Some(leak.spawned_at.line)
    };
    let same = report.findings.iter_mut().find(|finding| {
        is_of(finding, record)
            && finding.seen == Seen::Observed
            && finding.verdict != Verdict::Unsure
            && finding.spawned.iter().take(NEAR).any(is_there)
    });
    if let Some(finding) = same {
        finding.seen = Seen::Both;
        finding.count = finding.count.max(count);
        finding.tracked = Some(knows(leak));
        return;
    }
    let is_blocking = leak.state == crate::records::State::Blocking;
    let finding = Finding {
        seen: Seen::Tracked,
        verdict: if is_blocking { Verdict::Blocked } else { Verdict::Leaked },
        kind: if is_blocking { Kind::Blocking } else { Kind::Task },
        how: match record.body {
            Body::Passed => "it was there when its test was over",
            Body::Panicked | Body::Error | Body::Hung => "it was there when its test had failed",
        }
        .to_owned(),
        count,
        program: record.binary.clone(),
        test: Some(test(record)),
        spawned: vec![place("", &leak.spawned_at.file, leak.spawned_at.line)],
        tracked: Some(knows(leak)),
        ..Finding::default()
    };
    report.findings.push(finding);
}

fn place(function: &str, file: &str, line: u32) -> Place {
    Place {
        function: function.to_owned(),
        file: Some(file.to_owned()),
        line: Some(line),
    }
}

fn knows(leak: &Leak) -> Tracked {
    let at = leak.waiting_at.iter();
    let branches = leak.branches.iter().map(|branch| {
        let frame = branch.frames.first();
        Place {
            function: branch.leaf.clone(),
            file: frame.map(|frame| frame.file.clone()),
            line: branch.line.or(frame.map(|frame| frame.line)),
        }
    });
    Tracked {
        group: leak.group.clone(),
        name: leak.name.clone(),
        parent: leak.parent.as_ref().map(|parent| {
            let parts = [parent.group.as_str(), &parent.name];
            parts
                .into_iter()
                .filter(|part| !part.is_empty())
                .collect::<Vec<_>>()
                .join(" › ")
        }),
        alive_ms: Some(leak.alive_ms),
        polls: Some(leak.polls),
        waiting: at
            .map(|at| place(&at.function, &at.file, at.line))
            .chain(branches)
            .collect(),
        help: (!leak.help.is_empty()).then(|| leak.help.join("; ")),
    }
}

/// Puts everything in its order, which is the same in every run.
pub(crate) fn sort(report: &mut Report) {
    report
        .programs
        .sort_by(|a, b| (&a.package, &a.name).cmp(&(&b.package, &b.name)));
    for program in &mut report.programs {
        program.tests.sort();
    }
    let order = |a: &Finding, b: &Finding| {
        let key = |f: &Finding| (f.program.clone(), f.test.clone(), f.verdict, f.id.clone());
        key(a).cmp(&key(b))
    };
    report.findings.sort_by(order);
    for texts in [&mut report.unjudged, &mut report.panics, &mut report.notes] {
        texts.sort();
        texts.dedup();
    }
}
