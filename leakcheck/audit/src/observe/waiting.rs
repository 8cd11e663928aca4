//! Where a task waited, from the copy of its block.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};

use super::gather::gather;
use super::records::{Copy, NOTIFIED};
use crate::awaits::{self, AwaitTree, Kind, Program, Regions, State, TaskType, Why};
use crate::report::{Await, Place};

/// Programs whose debug info is kept open. What a process left behind is judged together, so more would only take memory.
const KEPT: usize = 2;
/// Futures inside of one another that are told of. JSON readers give up at some depth, people sooner.
const DEEPEST: usize = 40;

/// The programs whose debug info was asked for; why, where it says nothing.
pub(super) struct Waiting<'a> {
    workspace: &'a Path,
    /// The one that was asked for last comes first.
    programs: VecDeque<(PathBuf, Result<Program, String>)>,
    /// Debug info that had to be gathered first. It is gone with this.
    gathered: Option<tempfile::TempDir>,
}

/// A task whose awaits are asked for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked<'a> {
    /// The file that has the task's code.
    pub(super) object: &'a Path,
    /// What allocated the task: return addresses in the object, without `bias`.
    pub(super) stack: &'a [u64],
    /// By how much the object's addresses in memory were above those in its file.
    pub(super) bias: u64,
    /// The bytes of the task's block, where they were copied.
    pub(super) copy: Option<&'a Copy>,
    /// How it ended shows that it was in no queue.
    pub(super) waited: bool,
}

/// A thread polls the task, or runs its closure: tokio's `runtime/task/state.rs`.
const RUNNING: u64 = 0b1;

/// What became of a task between its copy and its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Since {
    /// Nothing that is known.
    Nothing,
    /// It was put into a queue. Whether it was polled and woken again before its end cannot be told by that.
    Woken,
    /// It was in a queue when it was copied, and at its end. Whether it was polled in between cannot be told by that.
    Due,
    /// It was in a queue when it was copied, and not at its end: it was polled, and may have waited elsewhere since.
    Gone,
    /// It is marked as due to run, and its end may be what marked it: what its future held was dropped.
    Unclear,
    /// A thread polled it.
    Polled,
}

/// What is known of where a task waited.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Waited {
    /// Its awaits. Either these are known or `unknown` says why they are not.
    pub(super) awaits: Option<Await>,
    /// Why they are not known.
    pub(super) unknown: Option<String>,
    /// Why it never ended, where that is certain. What [`Waited::waits_for`] says is not among it.
    pub(super) why: Vec<String>,
    /// The address (those of one process can be compared, no others) of the cell of the task whose end it waits for, and for nothing else. If that one was left behind too, it is the root.
    pub(super) waits_for: Option<u64>,
}

impl<'a> Waiting<'a> {
    pub(super) fn new(workspace: &'a Path) -> Self {
        Self {
            workspace,
            programs: VecDeque::new(),
            gathered: None,
        }
    }

    /// The future that was spawned, by its name, where the debug info tells.
    pub(super) fn future(&mut self, object: &Path, stack: &[u64]) -> Option<String> {
        let program = self.program(object).ok()?;
        task(program, stack).ok().map(|task| task.name().to_owned())
    }

    /// Where a task waited, as text and as data.
    pub(super) fn waiting(&mut self, asked: Asked<'_>) -> (Option<String>, Waited) {
        let decoded = self.decode(asked);
        let text = decoded.as_ref().ok().map(|(tree, ..)| tree.to_string());
        let (mut why, mut waits_for) = (Vec::new(), None);
        let (awaits, unknown) = match decoded {
            Ok((tree, since, still)) => {
                let mut awaits = told(&tree, DEEPEST);
                match since {
                    Since::Nothing | Since::Unclear => {}
                    Since::Woken => awaits.state.push_str(", and was woken since"),
                    Since::Due => awaits.state.push_str(", and was due to run"),
                    Since::Gone => awaits.state.push_str(", and was polled since"),
                    Since::Polled => awaits.state.push_str(", and was being polled"),
                }
                for reason in awaits::reasons(&tree) {
                    match reason {
                        // Where it waits still, that task's own end woke it, or what woke it was not what it waited for.
                        Why::WaitsForTask { task } if since == Since::Nothing || still => waits_for = task,
                        Why::WaitsForTask { .. } => {}
                        reason if since == Since::Nothing => why.push(reason.to_string()),
                        _ => {}
                    }
                }
                (Some(awaits), None)
            }
            Err(reason) => (None, Some(reason)),
        };
        let waited = Waited {
            awaits,
            unknown,
            why,
            waits_for,
        };
        (text, waited)
    }

    /// Whether it is certain that a task waited until its runtime ended, although another task's end has freed it: what it was looked at
    /// in was the last wait of a runtime of one thread. Nothing is polled between that and what ends such a runtime but what it was
    /// blocked on, and what that aborts is due to run.
    pub(super) fn waited_until_the_end(&mut self, asked: Asked<'_>) -> bool {
        let Some(copy) = asked.copy else { return false };
        let Ok(task) = self
            .program(asked.object)
            .and_then(|program| task(program, asked.stack))
        else {
            return false;
        };
        let was_due = copy.begin().is_none_or(|begin| begin & NOTIFIED != 0);
        !was_due && is_still(&task, copy, &memory(copy, asked.bias))
    }

    /// The file in which the future was written that was spawned by a stack, where that is an async function or block.
    pub(super) fn written_in(&mut self, object: &Path, stack: &[u64]) -> Option<String> {
        let program = self.program(object).ok()?;
        task(program, stack).ok()?.file()
    }

    /// The tree, what became of the task after it was copied, and whether one that is due to run is known to wait there still.
    fn decode(&mut self, asked: Asked<'_>) -> Result<(AwaitTree, Since, bool), String> {
        let workspace = self.workspace;
        let program = self.program(asked.object)?;
        let task = task(program, asked.stack)?;
        let copy = asked
            .copy
            .ok_or("its memory was not copied: it came and went between two looks, or there was no room")?;
        let memory = memory(copy, asked.bias);
        let mut tree = task.decode(&memory, copy.address);
        let is_unknown = tree.state == State::Unknown && tree.children.is_empty();
        if tree.kind == Kind::Async && is_unknown {
            return Err(format!(
                "{}: how far it had come stands in memory that was not copied",
                tree.type_name
            ));
        }
        if tree.kind == Kind::Unknown && is_unknown {
            let (copied, size) = (copy.bytes.len() as u64, task.cell_size());
            return Err(if copied < size {
                format!(
                    "{}: only the first {copied} of its {size} bytes were copied",
                    task.name()
                )
            } else if tree.type_name.is_empty() {
                "its type could not be understood".to_owned()
            } else {
                format!(
                    "{}: a future that is not looked into, or its memory changed while it was copied",
                    tree.type_name
                )
            });
        }
        if was_begun(&tree, copy) {
            tree.state = State::Running;
        } else if is_outdated(&tree, copy) {
            return Err(format!(
                "{}: it was polled only after it was looked at last",
                tree.type_name
            ));
        }
        if tree.state == State::Unresumed
            && tree.kind != Kind::Blocking
            && !copy.is_last
            && !task
                .waking_descriptor(&memory, copy.address)
                .is_some_and(|descriptor| copy.is_quiet(descriptor))
        {
            tree.state = State::NotYetPolled;
        }
        tree.map_files(&mut |file| {
            let own = Path::new(file).strip_prefix(workspace);
            own.map_or_else(|_| file.to_owned(), |own| own.display().to_string())
        });
        // What runs says so itself.
        let polled = tree.state != State::Running
            && tree.kind != Kind::Blocking
            && (was_running(copy) || task.is_being_polled(&memory, copy.address).unwrap_or(false));
        let since = match polled {
            true => Since::Polled,
            false => since(&tree, copy, asked.waited),
        };
        let still = matches!(since, Since::Woken | Since::Due) && is_still(&task, copy, &memory);
        Ok((tree, since, still))
    }

    fn opened(&mut self, object: &Path) -> Result<Program, String> {
        let error = match Program::open(object) {
            Ok(program) => return Ok(program),
            Err(error) => error,
        };
        if !matches!(error, awaits::Error::NotGathered { .. }) {
            return Err(error.to_string());
        }
        let gathered = match &self.gathered {
            Some(gathered) => gathered,
            None => {
                let made = tempfile::Builder::new().prefix("leak-audit-gathered-").tempdir();
                self.gathered.insert(made.map_err(|other| format!("{error}: {other}"))?)
            }
        };
        gather(object, gathered.path()).map_err(|why| format!("{error}: {why}"))?;
        Program::open_with(object, &[gathered.path().to_owned()]).map_err(|error| error.to_string())
    }

    fn program(&mut self, object: &Path) -> Result<&Program, String> {
        match self.programs.iter().position(|(path, _)| path == object) {
            Some(0) => {}
            Some(at) => {
                let known = self.programs.remove(at);
                self.programs.extend(known);
                self.programs.rotate_right(1);
            }
            None => {
                self.programs.truncate(KEPT - 1);
                let opened = self.opened(object);
                self.programs.push_front((object.to_owned(), opened));
            }
        }
        match self.programs.front() {
            Some((_, Ok(program))) => Ok(program),
            Some((_, Err(reason))) => Err(reason.clone()),
            None => Err("its debug info was not opened".to_owned()),
        }
    }
}

/// What was copied of a task, and of what it points to.
fn memory(copy: &Copy, bias: u64) -> Regions<'_> {
    let mut memory = Regions::new(bias);
    memory.add(copy.address, &copy.bytes);
    for region in &copy.more {
        memory.add(region.address, &region.bytes);
    }
    memory
}

/// Whether a task's runtime polled no task any more after the copy was made.
fn is_still(task: &TaskType<'_>, copy: &Copy, memory: &Regions<'_>) -> bool {
    let descriptor = task.waking_descriptor(memory, copy.address);
    descriptor.is_some_and(|descriptor| copy.is_still(descriptor))
}

/// Whether a task was being polled at its process' end. What is being polled is not copied: the copy is of before that.
fn was_running(copy: &Copy) -> bool {
    copy.end.is_some_and(|end| end & RUNNING != 0)
}

/// What became of a task that no thread polled at its end. A task that waited when it was shut down may be marked as due to run by what its
/// own future's end has woken.
fn since(tree: &AwaitTree, copy: &Copy, waited: bool) -> Since {
    let is_notified = |word: u64| word & NOTIFIED != 0;
    let (Some(before), Some(end)) = (copy.begin(), copy.end) else {
        return Since::Nothing;
    };
    if matches!(tree.state, State::Unresumed | State::NotYetPolled | State::Running) {
        return Since::Nothing;
    }
    match (is_notified(before), is_notified(end)) {
        (false, false) => Since::Nothing,
        _ if copy.is_last && is_notified(before) => Since::Nothing,
        (true, false) => Since::Gone,
        (_, true) if waited => Since::Unclear,
        (true, true) => Since::Due,
        (false, true) => Since::Woken,
    }
}

/// Whether a task that had not been polled when it was copied was in its first poll when its process ended: for a blocking
/// task, that is all of its life.
fn was_begun(tree: &AwaitTree, copy: &Copy) -> bool {
    tree.state == State::Unresumed && was_running(copy)
}

/// Whether a task that had not been polled when it was copied was polled later.
fn is_outdated(tree: &AwaitTree, copy: &Copy) -> bool {
    tree.state == State::Unresumed && copy.end.is_some_and(|end| end & NOTIFIED == 0)
}

fn task<'p>(program: &'p Program, stack: &[u64]) -> Result<TaskType<'p>, String> {
    if let Some(task) = stack.iter().find_map(|address| program.task_at(*address)) {
        return Ok(task);
    }
    let has_types = |address: &u64| {
        address
            .checked_sub(1)
            .is_some_and(|address| program.has_types_at(address))
    };
    Err(if stack.iter().any(has_types) {
        "the debug info does not say which future was spawned"
    } else {
        "what spawned it was compiled without types in its debug info: debug = true in the Cargo profile, for dependencies too, \
         would give it some"
    }
    .to_owned())
}

/// The tree as what a report holds.
fn told(tree: &AwaitTree, depth: usize) -> Await {
    let deeper = depth.checked_sub(1);
    let mut awaits: Vec<Await> = Vec::new();
    match deeper {
        Some(deeper) => awaits.extend(tree.children.iter().map(|child| told(child, deeper))),
        None if !tree.children.is_empty() => awaits.push(Await {
            future: "…".to_owned(),
            state: format!("{} more inside", tree.walk().count() - 1),
            ..Await::default()
        }),
        None => {}
    }
    let at = match &tree.state {
        State::Suspended { file, line, .. } => Some(Place {
            function: tree.type_name.clone(),
            file: Some(file.clone()),
            line: u32::try_from(*line).ok(),
        }),
        _ => None,
    };
    Await {
        future: tree.title().to_owned(),
        state: tree.condition(),
        at,
        awaits,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked<'a>(object: &'a Path, copy: Option<&'a Copy>) -> Asked<'a> {
        Asked {
            object,
            stack: &[],
            bias: 0,
            copy,
            waited: false,
        }
    }

    fn nested(depth: usize) -> AwaitTree {
        let mut tree = AwaitTree::new(Kind::Leaf, "leaf".to_owned());
        for _ in 0..depth {
            let mut outer = AwaitTree::new(Kind::Async, "outer".to_owned());
            outer.state = State::Suspended {
                file: "src/a.rs".to_owned(),
                line: 7,
                in_macro: false,
            };
            outer.children.push(tree);
            tree = outer;
        }
        tree
    }

    #[test]
    fn what_cannot_be_said_has_its_reason() {
        let mut waiting = Waiting::new(Path::new("/w"));
        // As this workspace builds its tests: with line tables alone.
        let own = std::env::current_exe().expect("a program");
        let (_, waited) = waiting.waiting(asked(&own, None));
        let reason = waited.unknown.expect("a reason");
        assert!(
            reason.contains("types are missing: build it with debug = true"),
            "{reason}"
        );
        assert_eq!((waited.awaits, waited.waits_for), (None, None));

        let (_, gone) = waiting.waiting(asked(Path::new("/nowhere"), None));
        assert!(gone.unknown.expect("a reason").starts_with("cannot read /nowhere"));
    }

    #[test]
    fn never_polled_is_said_only_of_what_was_not_polled_later() {
        let ended = |end| Copy { end, ..Copy::default() };
        let (queued, idle, alive) = (ended(Some(0x6e)), ended(Some(0x6a)), ended(Some(0xcc)));
        let running = ended(Some(0xc9));
        let mut tree = nested(1);
        tree.state = State::Unresumed;
        assert!(is_outdated(&tree, &idle));
        assert!(!is_outdated(&tree, &queued) && !is_outdated(&tree, &alive));
        assert!(!is_outdated(&nested(1), &idle));
        assert!(was_begun(&tree, &running) && !was_begun(&tree, &alive) && !was_begun(&nested(1), &running));
    }

    #[test]
    fn what_was_woken_after_its_copy_may_have_gone_on() {
        let of = |state: u64, end| Copy {
            bytes: state.to_ne_bytes().to_vec(),
            end: Some(end),
            ..Copy::default()
        };
        let tree = nested(1);
        assert_eq!(since(&tree, &of(0xc8, 0x6e), false), Since::Woken);
        assert_eq!(since(&tree, &of(0xcc, 0x6e), false), Since::Due);
        assert_eq!(since(&tree, &of(0xcc, 0x6a), false), Since::Gone);
        assert_eq!(since(&tree, &of(0xc8, 0x6a), true), Since::Nothing);
        assert_eq!(since(&tree, &Copy::default(), false), Since::Nothing);
        // It was in no queue, and its end has marked it.
        assert_eq!(since(&tree, &of(0xc8, 0x6e), true), Since::Unclear);
        assert_eq!(since(&tree, &of(0xcc, 0x6e), true), Since::Unclear);
        let last = Copy {
            is_last: true,
            ..of(0xcc, 0x6e)
        };
        assert_eq!(since(&tree, &last, false), Since::Nothing);
    }

    #[test]
    fn a_tree_is_told_with_its_places() {
        let told = told(&nested(2), DEEPEST);
        assert_eq!(told.future, "outer");
        assert_eq!(told.state, "suspended");
        let at = told.at.expect("a place");
        assert_eq!((at.location().as_str(), at.function.as_str()), ("src/a.rs:7", "outer"));
        assert_eq!(told.awaits[0].awaits[0].future, "leaf");
    }

    /// `serde_json` reads no more than 128 levels, and a future has two.
    #[test]
    fn a_deep_tree_can_be_read_back_from_json() {
        let told = told(&nested(150), DEEPEST);
        let text = serde_json::to_string(&told).expect("JSON");
        assert_eq!(serde_json::from_str::<Await>(&text).expect("the same"), told);
        assert!(text.contains("110 more inside"), "{text}");
    }

    #[test]
    fn no_more_programs_are_kept_than_said() {
        let mut waiting = Waiting::new(Path::new("/w"));
        for name in ["/a", "/b", "/a", "/c"] {
            waiting.waiting(asked(Path::new(name), None));
        }
        let kept: Vec<_> = waiting.programs.iter().map(|(path, _)| path.as_path()).collect();
        assert_eq!(kept, [Path::new("/c"), Path::new("/a")]);
    }
}
