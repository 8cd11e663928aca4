//! From what processes recorded to findings.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;

use serde::Serialize;

use super::builds;
use super::judging::{Found, Judging, SiteKey, Spawned};
use super::places::{is_tool, name};
use super::program::Program;
use super::records::Process;
use crate::judge::Conclusion;
use crate::owners::Owners;
use crate::report::{self, Lifetime, Origin, Place};

const BUILT_AGAIN: &str = "was built again since it ran: its addresses mean something else by now";

/// What an observed command left behind.
#[derive(Debug, Clone, Default, Serialize)]
#[non_exhaustive]
pub struct ObservedVerdict {
    /// What was left behind, by program and test.
    pub findings: Vec<Finding>,
    /// Why something could not be judged. Nothing is clean while this is not empty.
    pub unjudged: Vec<String>,
    /// Spawned tasks seen, blocking ones among them.
    pub tasks: u64,
    /// Threads that the workspace's own code created in those processes.
    pub threads: u64,
    /// Processes that used tokio and were observed.
    pub processes: u64,
    /// How the command ended: its exit code, or `None` where a signal killed it.
    pub command: Option<i32>,
    /// Findings in dependencies count as leaks too.
    pub deny_third_party: bool,
    /// The programs whose tasks could not be observed, and why. `unjudged` says it too.
    #[serde(skip)]
    pub unobserved: Vec<(String, String)>,
    /// Every line that spawned, with what became of its tasks.
    #[serde(skip)]
    pub sites: Vec<report::SpawnSite>,
    /// The programs that used tokio and were observed, in which the tasks are.
    #[serde(skip)]
    pub programs: Vec<String>,
}

impl ObservedVerdict {
    /// The verdict in one word. A leak that was seen counts although something else could not be judged.
    #[must_use]
    pub fn conclusion(&self) -> Conclusion {
        if self.findings.iter().any(|finding| self.fails(finding)) {
            Conclusion::Leaked
        } else if self.unjudged.is_empty() {
            Conclusion::Clean
        } else {
            Conclusion::CannotJudge
        }
    }

    fn fails(&self, finding: &Finding) -> bool {
        match finding.what {
            What::Leaked | What::Blocked => true,
            What::ThirdParty => self.deny_third_party,
            What::Unsure => false,
        }
    }
}

/// Tasks or threads that were left behind alike.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Finding {
    /// The verdict.
    pub what: What,
    /// When it ended.
    pub how: &'static str,
    /// How many.
    pub count: u64,
    /// The program's file name, without cargo's hash.
    pub program: String,
    /// The test that spawned it, where a test did.
    pub test: Option<String>,
    /// Where the code that spawned it is from.
    pub origin: Origin,
    /// The calls that led to the spawn, the innermost first, without tokio's and std's.
    pub spawned: Vec<Place>,
    /// The future that was spawned, where the program's debug info names it.
    #[serde(skip)]
    pub future: Option<String>,
    /// Where it waited, where the program's debug info says so.
    pub awaits: Option<String>,
    /// The same as data.
    #[serde(skip)]
    pub tree: Option<report::Await>,
    /// Why it is not known where it waited.
    pub awaits_unknown: Option<String>,
    /// Why it never ended, where that is certain.
    pub why: Vec<String>,
    /// Which of the findings is of the task that this one waits for, by its place among them.
    pub root: Option<usize>,
    /// What it was.
    #[serde(skip)]
    pub kind: report::Kind,
    /// When some of them lived.
    #[serde(skip)]
    pub lifetimes: Vec<Lifetime>,
}

/// A verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum What {
    /// The workspace's own code spawned it, and it outlived its runtime.
    Leaked,
    /// A blocking task or a thread that never ended.
    Blocked,
    /// A dependency spawned it, and it outlived its runtime.
    ThirdParty,
    /// Whether it had ended, or was aborted, cannot be told: a leaked task held it, or it was due to run. Never counts.
    Unsure,
}

/// What a judgement is made of.
pub(super) struct Evidence<'a> {
    /// What each process recorded, and whether another program took its place. Each is dropped before the next is read.
    pub(super) processes: &'a mut dyn Iterator<Item = (Process, bool)>,
    /// Whose each source file is.
    pub(super) owners: &'a Owners,
    /// The root of the user's own code.
    pub(super) workspace: &'a Path,
    /// The command's own program is judged wherever its file is.
    pub(super) command: Option<&'a Path>,
}

/// What findings are told apart by.
pub(super) type Key = (
    What,
    &'static str,
    String,
    Option<String>,
    Origin,
    Vec<Place>,
    report::Kind,
    Option<String>,
);

pub(super) fn judge(evidence: Evidence<'_>) -> ObservedVerdict {
    let mut judging = Judging::new(evidence.workspace, evidence.owners);
    let mut programs = HashMap::new();
    let mut observed = 0;
    let mut names = BTreeSet::new();
    for (mut process, replaced) in evidence.processes {
        judging.next_process();
        if is_tool(Path::new(&process.executable), evidence.command) {
            continue;
        }
        let is_there = builds::locate(&mut process);
        let process = &process;
        if !is_there {
            judging.cannot(process, BUILT_AGAIN);
            continue;
        }
        let executable = Path::new(&process.executable);
        let saw_blocks = !process.folds.is_empty() || !process.live.is_empty();
        if saw_blocks && !executable.exists() {
            judging.cannot(
                process,
                "is gone, and its debug info with it: a doc test is deleted after it has run",
            );
            continue;
        }
        let program = programs
            .entry(executable.to_owned())
            .or_insert_with(|| Program::inspect(executable));
        if program.is_none() && saw_blocks {
            judging.cannot(process, "cannot be read: its file is damaged");
            continue;
        }
        let Some(program) = program.as_ref().filter(|program| !program.tokio.is_empty()) else {
            continue;
        };
        let own = process.objects.iter().find(|object| object.path.is_empty());
        if let Some(ran) = own.and_then(|own| own.uuid)
            && program.uuid != Some(ran)
        {
            judging.cannot(process, BUILT_AGAIN);
            continue;
        }
        observed += 1;
        names.insert(name(process));
        judging.process(process, program, replaced);
        // Without it every block is one that nobody knows.
        if !judging.symbols.is_readable(executable) {
            judging.cannot(process, "has debug info that cannot be read: build it again");
        }
    }
    if let Some(command) = evidence.command
        && Program::inspect(command).is_some_and(|program| program.is_static && !program.tokio.is_empty())
    {
        let reason = "is linked statically: its tasks could not be observed";
        judging
            .unjudged
            .insert((crate::cargo::stem(command), reason.to_owned()));
    }
    let findings = findings(judging.found);
    let unobserved: Vec<_> = judging.unjudged.into_iter().collect();
    ObservedVerdict {
        findings,
        unjudged: unobserved.iter().map(|(name, why)| format!("{name} {why}")).collect(),
        unobserved,
        tasks: judging.tasks,
        threads: judging.threads,
        processes: observed,
        sites: judging.sites.into_iter().map(|(key, sums)| site(key, sums)).collect(),
        programs: names.into_iter().collect(),
        ..ObservedVerdict::default()
    }
}

fn site((program, test, origin, spawned): SiteKey, became: Spawned) -> report::SpawnSite {
    report::SpawnSite {
        program,
        test,
        origin,
        spawned,
        tasks: became.tasks,
        left: became.left,
        lived: became.lived,
        ..report::SpawnSite::default()
    }
}

/// The findings, each with its root: the one of whose task's end it waits for.
fn findings(found: BTreeMap<Key, Found>) -> Vec<Finding> {
    let root = |key: &Key, found: &Found, all: &BTreeMap<Key, Found>| {
        let awaited = found.waits_for?;
        // A handle keeps its task's memory. Within one test, a task that has that address was there when this one was copied.
        let mut roots = all
            .iter()
            .enumerate()
            .filter(|(_, (other, of))| other.2 == key.2 && other.3 == key.3 && of.cells.contains(&awaited));
        match (roots.next(), roots.next()) {
            (Some((at, _)), None) => Some(at),
            _ => None,
        }
    };
    let roots: Vec<_> = found.iter().map(|(key, of)| root(key, of, &found)).collect();
    let findings = found.into_iter().zip(roots);
    findings
        .map(
            |(((what, how, program, test, origin, spawned, kind, future), found), root)| Finding {
                what,
                how,
                count: found.count,
                program,
                test,
                origin,
                spawned,
                future,
                awaits: found.text,
                tree: found.waited.awaits,
                awaits_unknown: found.waited.unknown,
                why: found.waited.why,
                root,
                kind,
                lifetimes: found.lifetimes,
            },
        )
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leak_counts_more_than_what_could_not_be_judged() {
        let finding = |what| Finding {
            what,
            how: "",
            count: 1,
            program: String::new(),
            test: None,
            origin: Origin::Own,
            spawned: Vec::new(),
            future: None,
            awaits: None,
            tree: None,
            awaits_unknown: None,
            why: Vec::new(),
            root: None,
            kind: report::Kind::Task,
            lifetimes: Vec::new(),
        };
        let mut verdict = ObservedVerdict::default();
        assert_eq!(verdict.conclusion(), Conclusion::Clean);
        verdict.findings = vec![finding(What::Unsure), finding(What::ThirdParty)];
        assert_eq!(verdict.conclusion(), Conclusion::Clean);
        verdict.unjudged.push(String::new());
        assert_eq!(verdict.conclusion(), Conclusion::CannotJudge);
        verdict.deny_third_party = true;
        assert_eq!(verdict.conclusion(), Conclusion::Leaked);
        verdict.findings = vec![finding(What::Blocked)];
        assert_eq!(verdict.conclusion(), Conclusion::Leaked);
    }
}
