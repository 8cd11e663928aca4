//! From backtraces to the lines that a task waits at.

use std::backtrace::Backtrace;
use std::collections::HashMap;

use super::leaf::{self, Function};
use super::outline;
use super::select::{self, Branch, Clue};
use super::symbols::{self, Symbol};
use crate::report::{Frame, Places as Sources, Wait, shorten};

/// Where one task waits.
#[derive(Debug, Default)]
pub(crate) struct Places {
    /// The line that waits, or the call of the `select!` that does.
    pub(crate) at: Option<Frame>,
    /// How many branches that `select!` has.
    pub(crate) select: Option<usize>,
    /// What it waits for there.
    pub(crate) waits: Vec<Wait>,
    /// Whether one of the waits is for a cancellation token.
    pub(crate) for_cancellation: bool,
}

/// Reads the traces that one probing poll left.
pub(crate) fn read(traces: &[Backtrace]) -> Places {
    arrange(traces.iter().map(|trace| Trace::of(symbols::of(trace))).collect())
}

/// Whether this crate's own sources have the file.
#[cfg(feature = "install")]
pub(crate) fn is_leakcheck(file: &str) -> bool {
    !file.is_empty() && leaf::is_leakcheck(&shorten(file))
}

/// The user's function at a place in a backtrace. `None` when it is a library's.
#[cfg(feature = "install")]
pub(crate) fn user_frame(function: &str, file: &str, line: u32, column: u32) -> Option<Frame> {
    if file.is_empty() {
        return None;
    }
    let symbol = Symbol {
        function: function.to_owned(),
        file: file.to_owned(),
        line,
        column,
    };
    let file = shorten(file);
    let function = outline::function(&symbol, &file);
    (!leaf::is_of_a_library(&function, &file)).then(|| Frame {
        function: function.to_string(),
        file,
        line,
        column,
    })
}

/// The way from a leaf future out to the task's own.
#[derive(Clone, Debug)]
struct Trace {
    /// The library's functions below the user's first one, the innermost first.
    inner: Vec<(Function, u32)>,
    /// The innermost first.
    steps: Vec<Step>,
    for_cancellation: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    /// A function of the user's.
    User(Frame),
    /// The branches of a `select!`, in the user's function that the next step is.
    Select(Below),
}

/// What a branch's future is.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Below {
    Nothing,
    Library(Function),
    User(Frame, Function),
}

impl Trace {
    fn of(symbols: Vec<Symbol>) -> Self {
        let mut trace = Self {
            inner: Vec::new(),
            steps: Vec::new(),
            for_cancellation: false,
        };
        let mut below = Below::Nothing;
        for symbol in symbols {
            let file = if symbol.file.is_empty() {
                String::new()
            } else {
                shorten(&symbol.file)
            };
            if leaf::is_the_probe(&symbol.function, &file) {
                break;
            }
            if is_in_select(&file) {
                trace
                    .steps
                    .push(Step::Select(std::mem::replace(&mut below, Below::Nothing)));
                continue;
            }
            let function = outline::function(&symbol, &file);
            trace.for_cancellation |= leaf::is_cancellation(&function);
            if leaf::is_of_a_library(&function, &file) {
                if !leaf::is_transparent(&function, &file) {
                    below = Below::Library(function.clone());
                }
                if trace.steps.is_empty() {
                    trace.inner.push((function, symbol.line));
                }
            } else {
                let frame = Frame {
                    function: function.to_string(),
                    file,
                    line: symbol.line,
                    column: symbol.column,
                };
                below = Below::User(frame.clone(), function);
                trace.steps.push(Step::User(frame));
            }
        }
        trace
    }

    fn frames(&self) -> impl DoubleEndedIterator<Item = &Frame> {
        self.steps.iter().filter_map(|step| match step {
            Step::User(frame) => Some(frame),
            Step::Select(_) => None,
        })
    }

    /// The call of the outermost `select!` that this wait is a branch of.
    fn outermost_select(&self) -> Option<&Frame> {
        let at = self.steps.iter().rposition(|step| matches!(step, Step::Select(_)))?;
        self.steps[at..].iter().find_map(|step| match step {
            Step::User(frame) => Some(frame),
            Step::Select(_) => None,
        })
    }

    /// Whether both come from one poll of one leaf: some leaves clone the waker twice, at different lines of their own.
    fn is_of_the_same_leaf(&self, other: &Self) -> bool {
        self.steps == other.steps && leaf_name(&self.inner) == leaf_name(&other.inner) && self.inner != other.inner
    }
}

fn leaf_name(inner: &[(Function, u32)]) -> String {
    leaf::name(&inner.iter().map(|(function, _)| function.clone()).collect::<Vec<_>>())
}

/// Whether this is where `select!` keeps the code that polls the branches.
fn is_in_select(file: &str) -> bool {
    leaf::dependency(file).as_deref() == Some("tokio") && file.ends_with("/src/macros/select.rs")
}

/// Leaves one trace of each leaf. A trace that is repeated to the last line is another branch's, not the same leaf again.
fn one_of_each_leaf(traces: Vec<Trace>) -> Vec<Trace> {
    let mut leaves: Vec<Vec<Trace>> = Vec::new();
    for trace in traces {
        match leaves.last_mut() {
            Some(leaf) if leaf.iter().all(|known| known.is_of_the_same_leaf(&trace)) => {
                leaf.push(trace);
            }
            _ => leaves.push(vec![trace]),
        }
    }
    leaves.into_iter().map(|mut leaf| leaf.swap_remove(0)).collect()
}

fn arrange(traces: Vec<Trace>) -> Places {
    let traces = one_of_each_leaf(traces);
    let for_cancellation = traces.iter().any(|trace| trace.for_cancellation);
    let mut sources = Selects::default();
    let select = in_one_select(&traces).cloned();
    let mut waits: Vec<Wait> = traces.iter().map(|trace| wait(trace, &mut sources)).collect();
    // `select!` asks its branches in an order of its own, another each time. The report keeps that of the source.
    waits.sort_by_key(|wait| wait.line.unwrap_or(u32::MAX));
    let (at, branches) = match select {
        Some(call) => {
            let branches = sources.branches(&call).map_or(traces.len(), <[Branch]>::len);
            (Some(call), Some(branches))
        }
        None => (common_frame(&traces), None),
    };
    let at = match (&at, waits.as_slice()) {
        (_, [wait]) if branches.is_none() => wait.at().cloned(),
        _ => at,
    };
    Places {
        at,
        select: branches,
        waits,
        for_cancellation,
    }
}

/// The `select!` that every one of these waits is a branch of.
fn in_one_select(traces: &[Trace]) -> Option<&Frame> {
    let call = traces.first()?.outermost_select()?;
    traces
        .iter()
        .all(|trace| trace.outermost_select() == Some(call))
        .then_some(call)
}

/// The innermost frame that all of these pass through.
fn common_frame(traces: &[Trace]) -> Option<Frame> {
    let first = traces.first()?;
    let common = first.frames().rev().enumerate().take_while(|(depth, frame)| {
        traces
            .iter()
            .all(|trace| trace.frames().rev().nth(*depth) == Some(*frame))
    });
    common.last().map(|(_, frame)| frame.clone())
}

fn wait(trace: &Trace, sources: &mut Selects) -> Wait {
    let mut frames: Vec<Frame> = Vec::new();
    let mut line = None;
    let mut branch_of_next = None;
    for step in &trace.steps {
        match step {
            Step::Select(below) => branch_of_next = Some(below),
            Step::User(frame) => {
                let mut frame = frame.clone();
                if let Some(below) = branch_of_next.take() {
                    line = sources.branch(&frame, below);
                    frame.line = line.unwrap_or(frame.line);
                }
                frames.push(frame);
            }
        }
    }
    Wait {
        leaf: leaf_name(&trace.inner),
        line,
        frames,
    }
}

/// The sources of the `select!` calls that were looked at.
#[derive(Default)]
struct Selects(HashMap<(String, u32, u32), Option<Vec<Branch>>>);

impl Selects {
    fn branches(&mut self, call: &Frame) -> Option<&[Branch]> {
        self.0
            .entry((call.file.clone(), call.line, call.column))
            .or_insert_with(|| select::branches(&Sources::read(&call.file)?, call.line, call.column))
            .as_deref()
    }

    /// The line of the branch of the `select!` at `call` whose future is `below`.
    fn branch(&mut self, call: &Frame, below: &Below) -> Option<u32> {
        let branches = self.branches(call)?;
        let by_calls = |function: &Function| select::find(branches, &Clue::Calls(&function.called_as()));
        let branch = match below {
            Below::Nothing => None,
            Below::Library(function) => by_calls(function),
            Below::User(frame, function) if frame.file == call.file => {
                select::find(branches, &Clue::Line(frame.line)).or_else(|| by_calls(function))
            }
            Below::User(_, function) => by_calls(function),
        };
        branch.map(|branch| branch.line)
    }
}
