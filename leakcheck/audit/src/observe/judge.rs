//! From what processes recorded to findings.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::classify::{self, Ending, Kind};
use super::preload;
use super::program::Program;
use super::records::{Copy, Process};
use super::symbols::{Frame, Symbols};
use super::waiting::{Asked, Waited, Waiting};
use crate::judge::Conclusion;
use crate::owners::Owners;
use crate::report::{self, Origin, Place};

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

/// Tasks that were left behind alike.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Finding {
    /// The verdict.
    pub what: What,
    /// When it ended.
    pub how: &'static str,
    /// How many tasks.
    pub count: u64,
    /// The program's file name, without cargo's hash.
    pub program: String,
    /// The test that spawned it, where a test did.
    pub test: Option<String>,
    /// Where the code that spawned it is from.
    pub origin: Origin,
    /// The calls that led to the spawn, the innermost first, without tokio's and std's.
    pub spawned: Vec<Place>,
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
    /// What kind of task it was.
    #[serde(skip)]
    pub kind: report::Kind,
}

/// A verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum What {
    /// The workspace's own code spawned it, and it outlived its runtime.
    Leaked,
    /// A blocking task that never ended.
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

type Key = (
    What,
    &'static str,
    String,
    Option<String>,
    Origin,
    Vec<Place>,
    report::Kind,
);

pub(super) fn judge(evidence: Evidence<'_>) -> ObservedVerdict {
    let mut judging = Judging {
        workspace: evidence.workspace,
        owners: evidence.owners,
        symbols: Symbols::default(),
        found: BTreeMap::new(),
        sites: BTreeMap::new(),
        unjudged: BTreeSet::new(),
        tasks: 0,
        process: 0,
        kinds: HashMap::new(),
        waiting: Waiting::new(evidence.workspace),
    };
    let mut programs = HashMap::new();
    let mut observed = 0;
    let mut names = BTreeSet::new();
    for (process, replaced) in evidence.processes {
        let process = &process;
        judging.process += 1;
        judging.kinds.clear();
        let executable = Path::new(&process.executable);
        if is_tool(executable, evidence.command) {
            continue;
        }
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
        processes: observed,
        sites: judging.sites.into_iter().map(|(key, sums)| site(key, sums)).collect(),
        programs: names.into_iter().collect(),
        ..ObservedVerdict::default()
    }
}

fn site((program, test, origin, spawned): SiteKey, (tasks, left): (u64, u64)) -> report::SpawnSite {
    report::SpawnSite {
        program,
        test,
        origin,
        spawned,
        tasks,
        left,
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
            |(((what, how, program, test, origin, spawned, kind), found), root)| Finding {
                what,
                how,
                count: found.count,
                program,
                test,
                origin,
                spawned,
                awaits: found.text,
                tree: found.waited.awaits,
                awaits_unknown: found.waited.unknown,
                why: found.waited.why,
                root,
                kind,
            },
        )
        .collect()
}

/// What is known of tasks that were left behind alike.
#[derive(Default)]
struct Found {
    count: u64,
    text: Option<String>,
    waited: Waited,
    /// Its tasks' addresses, with the number of their process.
    cells: Vec<(usize, u64)>,
    /// The task whose end the one waits for of which `waited` tells.
    waits_for: Option<(usize, u64)>,
    /// How many copies were looked into, without an answer.
    tried: u32,
}

type SiteKey = (String, Option<String>, Origin, Vec<Place>);

/// How many copies of tasks that were left behind alike are looked into until one tells where it waits.
const TRIES: u32 = 4;
/// How many addresses of tasks that were left behind alike are kept: a root is one task, seldom one of hundreds.
const CELLS: usize = 64;

struct Judging<'a> {
    workspace: &'a Path,
    owners: &'a Owners,
    symbols: Symbols,
    found: BTreeMap<Key, Found>,
    /// How many tasks, and how many of them outlived their test.
    sites: BTreeMap<SiteKey, (u64, u64)>,
    /// A program, and what is to be said of it.
    unjudged: BTreeSet<(String, String)>,
    tasks: u64,
    /// The number of the process that is being judged.
    process: usize,
    /// Of that process, by the stack's node.
    kinds: HashMap<u64, Kind>,
    waiting: Waiting<'a>,
}

impl Judging<'_> {
    fn cannot(&mut self, process: &Process, why: impl Into<String>) {
        self.unjudged.insert((name(process), why.into()));
    }

    fn process(&mut self, process: &Process, program: &Program, replaced: bool) {
        if let Some(version) = program.too_old() {
            self.cannot(
                process,
                format!("uses tokio {version}, whose tasks cannot be told from other memory: 1.29 is the first"),
            );
            return;
        }
        if process.folds.is_empty() && process.live.is_empty() && program.has_own_allocator {
            self.cannot(process, "has an allocator of its own: its tasks could not be observed");
            return;
        }
        let seen = self.tasks;
        if program.is_stripped {
            self.cannot(process, "is stripped: what it allocated could not be told apart");
            return;
        }
        if process.dropped > 0 {
            self.cannot(
                process,
                format!("did more than there was room to record ({} records)", process.dropped),
            );
        }
        for fold in &process.folds {
            let kind = self.kind(process, fold.allocated);
            if !self.is_task(process, kind, fold.count) {
                continue;
            }
            let freed = self.symbols.stack(process, &process.stack(fold.freed));
            if freed
                .iter()
                .any(|frame| is_short(frame) && classify::may_decide(&frame.path))
            {
                self.cannot(process, UNTOLD);
                continue;
            }
            let ending = classify::ending(freed.iter().map(|frame| frame.path.as_str()), fold.complete);
            let states = fold.copies.iter().filter_map(|copy| copy.bytes.first_chunk());
            let ending = classify::queued(ending, states.map(|word| u64::from_ne_bytes(*word)));
            self.found(
                process,
                kind,
                ending,
                fold.allocated,
                fold.lineage,
                fold.count,
                fold.copies.first(),
            );
        }
        for live in &process.live {
            let kind = self.kind(process, live.allocated);
            if !self.is_task(process, kind, 1) {
                continue;
            }
            if process.exited {
                self.found(
                    process,
                    kind,
                    if live.complete {
                        Ending::Ended
                    } else {
                        Ending::AliveAtExit
                    },
                    live.allocated,
                    live.lineage,
                    1,
                    live.copy.as_ref(),
                );
            }
        }
        // Some allocators pass tasks on to libc in a way that cannot be recognized: that none was seen says nothing then.
        if self.tasks == seen && program.has_own_allocator && program.has_tokio() {
            self.cannot(
                process,
                "has an allocator of its own and showed no task: its tasks could not be observed",
            );
        }
        if !process.exited && !replaced {
            self.cannot(process, "did not come to its end: it was killed or it aborted");
        }
    }

    fn kind(&mut self, process: &Process, stack: u64) -> Kind {
        if let Some(kind) = self.kinds.get(&stack) {
            return *kind;
        }
        let frames = self.symbols.stack(process, &process.stack(stack));
        let mut kind = classify::kind(frames.iter().map(|frame| frame.path.as_str()));
        let is_unsure = |frame: &Frame| is_short(frame) && classify::may_be_other_than(kind, &frame.path);
        if frames.iter().any(is_unsure) {
            kind = Kind::Unknown;
        }
        self.kinds.insert(stack, kind);
        kind
    }

    /// Whether it is a task of the user's, which is counted.
    fn is_task(&mut self, process: &Process, kind: Kind, count: u64) -> bool {
        match kind {
            Kind::Task | Kind::Blocking => {
                self.tasks += count;
                true
            }
            Kind::Unknown => {
                self.cannot(process, UNTOLD);
                false
            }
            Kind::Worker | Kind::Other => false,
        }
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "one caller for what was freed, one for what was not"
    )]
    fn found(
        &mut self,
        process: &Process,
        kind: Kind,
        ending: Ending,
        allocated: u64,
        lineage: u64,
        count: u64,
        copy: Option<&Copy>,
    ) {
        let how = match (ending, kind) {
            (Ending::Ended, _) => "",
            (Ending::AliveAtExit, Kind::Blocking) => "it was running when the process ended",
            (Ending::AliveAtExit, _) => "it was alive when the process ended: its runtime was never dropped",
            (Ending::Outlived, _) => "it was waiting when its runtime was dropped",
            (Ending::OutlivedQueued, _) => "it was due to run when its runtime was dropped",
            (Ending::QueuedOrAborted, _) => {
                "it was due to run when its runtime was dropped, perhaps because it had been aborted"
            }
            (Ending::Unsure, _) => "another task held it that outlived the runtime",
        };
        let stack = process.stack(allocated);
        let frames = self.symbols.stack(process, &stack);
        let spawned = self.spawned(&frames);
        let origin = spawned.first().map_or(Origin::Own, |(_, origin)| origin.clone());
        let what = match (ending, kind, &origin) {
            (Ending::Unsure | Ending::QueuedOrAborted, ..) => What::Unsure,
            (Ending::AliveAtExit, Kind::Blocking, _) => What::Blocked,
            (_, _, Origin::Own) => What::Leaked,
            (_, _, Origin::Dependency { .. }) => What::ThirdParty,
        };
        let test = test_of(&frames).or_else(|| {
            let creators = process.creators(lineage).into_iter();
            creators
                .map(|creator| self.symbols.stack(process, &process.stack(creator)))
                .find_map(|frames| test_of(&frames))
        });
        let spawned: Vec<Place> = spawned.into_iter().map(|(place, _)| place).collect();
        let site = self
            .sites
            .entry((name(process), test.clone(), origin.clone(), spawned.clone()))
            .or_default();
        site.0 += count;
        if ending == Ending::Ended {
            return;
        }
        site.1 += if ending == Ending::Unsure { 0 } else { count };
        let named = match kind {
            Kind::Blocking => report::Kind::Blocking,
            _ => report::Kind::Task,
        };
        let key = (what, how, name(process), test, origin, spawned, named);
        let mut found = self.found.remove(&key).unwrap_or_default();
        found.count += count;
        if let Some(copy) = copy.filter(|_| found.cells.len() < CELLS) {
            found.cells.push((self.process, copy.address));
        }
        if found.waited.awaits.is_none() && found.tried < TRIES {
            found.tried += 1;
            if let Some((text, waited)) = self.waited(process, &stack, copy) {
                found.waits_for = waited.waits_for.map(|cell| (self.process, cell));
                (found.text, found.waited) = (text, waited);
            }
        }
        self.found.insert(key, found);
    }

    /// Where a task waited, as text and as data. `None` where no object that was loaded has its code.
    fn waited(&mut self, process: &Process, stack: &[u64], copy: Option<&Copy>) -> Option<(Option<String>, Waited)> {
        // The object that the future's type is in: what called libc.
        let mut objects = stack
            .iter()
            .filter_map(|address| process.object(address.wrapping_sub(1)));
        let object = objects.find(|object| !object.path.ends_with(preload::FILE))?;
        let path = if object.path.is_empty() {
            &process.executable
        } else {
            &object.path
        };
        let inside = stack.iter().filter(|address| object.range.contains(*address));
        let addresses: Vec<u64> = inside.map(|address| address.wrapping_sub(object.base)).collect();
        let asked = Asked {
            object: Path::new(path),
            stack: &addresses,
            bias: object.base,
            copy,
        };
        Some(self.waiting.waiting(asked))
    }

    /// The calls of a stack that are not tokio's, std's or the test harness', and whose they are.
    fn spawned(&self, frames: &[Frame]) -> Vec<(Place, Origin)> {
        let named = frames
            .iter()
            .filter(|frame| !frame.path.is_empty() && !is_below(&frame.path));
        let placed = named.filter_map(|frame| {
            let (file, line) = frame.source.as_ref()?;
            // A line of a macro of tokio's is not where the user's function is.
            let origin = self.owners.origin(file).filter(|origin| !is_runtime(origin))?;
            let file = Path::new(file);
            let place = Place {
                function: readable(&frame.name),
                file: Some(file.strip_prefix(self.workspace).unwrap_or(file).display().to_string()),
                line: Some(*line),
            };
            Some((place, origin))
        });
        let mut places: Vec<(Place, Origin)> = placed.collect();
        places.dedup();
        places.truncate(24);
        places
    }
}

/// Functions that lead to a spawn, but are not why it happened.
fn is_below(path: &str) -> bool {
    let first = path.split("::").next().unwrap_or_default();
    // The harness' own functions are known by their files: a project's crate may be named `test` too.
    ["tokio", "tokio_util", "leakcheck", "std", "core", "alloc"].contains(&first)
        || path.starts_with("__rust")
        || path == "main"
        || path.ends_with("::main")
}

/// Why a program is not judged whose functions have no names that say whose they are.
const UNTOLD: &str = "has no debug info, or line tables alone: what tokio allocated or freed could not be told apart";

/// Whether it is a function of tokio's whose type is not known, as in optimised code with line tables alone.
fn is_short(frame: &Frame) -> bool {
    frame.is_short && frame.path.starts_with("tokio::")
}

/// Whether it is the runtime that a task was spawned through.
fn is_runtime(origin: &Origin) -> bool {
    matches!(origin, Origin::Dependency { name, .. } if name == "tokio" || name == "tokio-util")
}

/// The test whose stack this is: what libtest's `__rust_begin_short_backtrace` calls, without the crate's name.
fn test_of(frames: &[Frame]) -> Option<String> {
    let harness = frames
        .iter()
        .position(|frame| frame.path == "test::__rust_begin_short_backtrace")?;
    let below = frames[..harness].iter().rev();
    let test = below
        .map(|frame| &frame.path)
        .find(|path| !path.ends_with("::call_once"))?;
    let test = test.trim_end_matches("::{{closure}}").trim_end_matches("::{closure#0}");
    test.split_once("::").map(|(_, name)| name.to_owned())
}

/// A function's name as its author thinks of it.
fn readable(name: &str) -> String {
    let name = super::paths::plain(name);
    name.replace("{{closure}}", "{closure}")
        .replace("{closure#0}", "{closure}")
}

/// The name of a process' program, without the hash that cargo appends.
fn name(process: &Process) -> String {
    crate::cargo::stem(Path::new(&process.executable))
}

/// Whether a program is part of the system or of Rust, and so none that a project's tasks run in.
fn is_tool(executable: &Path, command: Option<&Path>) -> bool {
    let file = executable
        .file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default();
    if ["cargo", "rustc", "rustup", "rustdoc", "clippy-driver"].contains(&&*file) || file.starts_with("cargo-") {
        return true;
    }
    if command == Some(executable) {
        return false;
    }
    let homes = ["CARGO_HOME", "RUSTUP_HOME"]
        .into_iter()
        .filter_map(std::env::var_os)
        .map(PathBuf::from);
    let user = std::env::var_os("HOME").map(PathBuf::from).into_iter();
    let user = user.flat_map(|home| [home.join(".cargo/bin"), home.join(".rustup")]);
    let system = ["/usr", "/bin", "/sbin", "/lib", "/nix/store"]
        .into_iter()
        .map(PathBuf::from);
    let mut directories = homes.map(|home| {
        if home.ends_with(".cargo") {
            home.join("bin")
        } else {
            home
        }
    });
    directories.any(|directory| executable.starts_with(directory))
        || user.chain(system).any(|directory| executable.starts_with(directory))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(path: &str) -> Frame {
        Frame {
            path: path.to_owned(),
            ..Frame::default()
        }
    }

    #[test]
    fn a_test_is_what_the_harness_calls() {
        let frames = [
            "tokio::task::spawn::spawn",
            "suite::module::leaks::{{closure}}",
            "suite::module::leaks",
            "suite::module::leaks::{{closure}}",
            "core::ops::function::FnOnce::call_once",
            "test::__rust_begin_short_backtrace",
        ];
        assert_eq!(test_of(&frames.map(frame)).as_deref(), Some("module::leaks"));
        assert_eq!(test_of(&[frame("suite::main")]), None);
    }

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
            awaits: None,
            tree: None,
            awaits_unknown: None,
            why: Vec::new(),
            root: None,
            kind: report::Kind::Task,
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
