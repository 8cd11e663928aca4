//! From an allocation and its calls to a task and the user's lines that spawned it.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use once_cell::sync::Lazy;

use super::here;
use super::table::{Entry, entries};
use crate::cell;
use crate::info::TaskKind;
use crate::probe::{is_leakcheck, user_frame};
use crate::report::{Frame, UntrackedSpawn};
use crate::sync::lock;

/// A task that no tracker saw, by its allocation.
pub(crate) struct Candidate {
    entry: Entry,
    trace: Arc<Trace>,
}

/// What the calls of a spawn say.
#[derive(Debug)]
struct Trace {
    /// `None` when it is no task.
    kind: Option<TaskKind>,
    /// What allocated it makes tasks.
    is_task: bool,
    /// What allocated it does not.
    is_nothing: bool,
    /// It is one of a runtime's workers.
    is_tokios_own: bool,
    frames: Vec<Frame>,
}

/// One function at a return address. Those that were inlined into each other share one.
struct Symbol {
    name: String,
    file: String,
    line: u32,
    column: u32,
}

impl Candidate {
    /// How the task runs.
    pub(crate) fn kind(&self) -> TaskKind {
        self.trace.kind().unwrap_or(TaskKind::Async)
    }

    /// The number of the list of tasks that it is in, or zero, while it has not ended.
    pub(crate) fn alive_in(&self) -> Option<usize> {
        // SAFETY: `candidates` has only tasks.
        let (state, owner) = unsafe { self.entry.read() }?;
        (!state.is_complete()).then_some(owner)
    }

    /// Whether its memory is that of a task which has not ended.
    pub(crate) fn is_alive(&self) -> bool {
        self.alive_in().is_some()
    }

    /// Where the task's memory begins.
    pub(crate) fn address(&self) -> usize {
        self.entry.address()
    }

    /// Whether a thread allocated it that was spawning for that scope.
    pub(crate) fn is_of(&self, scope: u64) -> bool {
        self.entry.scope == scope
    }
}

/// The number of the current runtime's list of tasks.
#[expect(clippy::disallowed_methods, reason = "the task is aborted at once")]
pub(crate) fn owner_here() -> Option<usize> {
    // A scope for one task, so that it can be told from all others.
    static NEXT: AtomicU64 = AtomicU64::new(u64::MAX);
    let scope = NEXT.fetch_sub(1, Ordering::Relaxed);
    let outer = here::enter(scope);
    let task = tokio::spawn(std::future::pending::<()>());
    here::enter(outer);
    #[cfg(tokio_unstable)]
    super::hooks::forget(task.id());
    let found = candidates(scope).into_iter().find(|task| task.is_of(scope));
    // SAFETY: as in `alive_in`.
    let read = found.and_then(|found| unsafe { found.entry.read() });
    task.abort();
    read.map(|(_, owner)| owner).filter(|owner| *owner != 0)
}

/// The tasks that no tracker saw, of that scope or of nobody's that is known. Empty where tasks cannot be read.
pub(crate) fn candidates(scope: u64) -> Vec<Candidate> {
    let found = entries(|entry| entry.scope == scope || entry.scope == 0);
    if found.is_empty() || !cell::is_readable() {
        return Vec::new();
    }
    let mut traces: HashMap<Vec<usize>, Arc<Trace>> = HashMap::new();
    let candidate = |entry: Entry| {
        let trace = traces.entry(entry.calls().to_vec());
        let trace = trace.or_insert_with(|| Arc::new(Trace::of(entry.calls()))).clone();
        trace.kind().is_some().then_some(Candidate { entry, trace })
    };
    found.into_iter().filter_map(candidate).collect()
}

/// The tasks by where they were spawned, the most frequent first.
pub(crate) fn fold(tasks: &[Candidate]) -> Vec<UntrackedSpawn> {
    let mut spawns: Vec<UntrackedSpawn> = Vec::new();
    let mut known: HashMap<(TaskKind, &[Frame]), usize> = HashMap::new();
    for task in tasks {
        let frames = &task.trace.frames;
        let at = *known.entry((task.kind(), frames)).or_insert(spawns.len());
        match spawns.get_mut(at) {
            Some(spawn) => spawn.count += 1,
            None => spawns.push(UntrackedSpawn {
                kind: task.kind(),
                count: 1,
                frames: frames.clone(),
            }),
        }
    }
    spawns.sort_by_key(|spawn| std::cmp::Reverse(spawn.count));
    spawns
}

impl Trace {
    fn of(calls: &[usize]) -> Self {
        let mut trace = Self {
            kind: None,
            is_task: false,
            is_nothing: false,
            is_tokios_own: false,
            frames: Vec::new(),
        };
        for call in calls {
            for symbol in symbols(*call).iter() {
                trace.step(symbol);
            }
        }
        trace
    }

    /// Goes one call outwards.
    fn step(&mut self, symbol: &Symbol) {
        // Other things have the alignment of a task too. A task's memory is what tokio's own tasks allocate themselves.
        if !self.is_task {
            self.is_nothing |= !symbol.is_of_an_allocator() && !symbol.makes_a_task();
            self.is_task = !self.is_nothing && symbol.makes_a_task();
        }
        if self.is_nothing {
            return;
        }
        // What is outside of the user's first function may be the way to another task.
        if self.frames.is_empty() {
            match (self.kind, Part::of(symbol)) {
                (None, Part::Binding) => self.kind = Some(TaskKind::Async),
                (None, Part::Blocking) => self.kind = Some(TaskKind::Blocking),
                (None | Some(TaskKind::Async), Part::BindingLocal) => self.kind = Some(TaskKind::Local),
                (Some(TaskKind::Blocking), Part::Worker) => self.is_tokios_own = true,
                _ => {}
            }
        }
        if self.kind.is_none() {
            return;
        }
        let frame = user_frame(&symbol.name, &symbol.file, symbol.line, symbol.column);
        if let Some(frame) = frame
            && self.frames.last() != Some(&frame)
        {
            self.frames.push(frame);
        }
    }

    /// How the user's task runs.
    fn kind(&self) -> Option<TaskKind> {
        self.kind.filter(|_| !self.is_tokios_own)
    }
}

impl Symbol {
    /// Whether it only stands between an allocation and who wants it.
    fn is_of_an_allocator(&self) -> bool {
        let name = self.name.trim_start_matches('<');
        let roots = [
            "alloc::",
            "core::",
            "std::",
            "leakcheck::",
            "backtrace::",
            "__rust",
            "__rg",
            "_Unwind",
        ];
        roots.iter().any(|root| name.starts_with(root))
            || self.file.starts_with("/rustc/")
            || self.file.contains("/backtrace-")
            || is_leakcheck(&self.file)
    }

    /// Whether it is a part of tokio that makes tasks.
    fn makes_a_task(&self) -> bool {
        let name = self.name.trim_start_matches('<');
        name.starts_with("tokio::runtime::task::")
            || self.file.contains("tokio") && self.file.contains("/src/runtime/task/")
    }
}

/// What a call is to a spawn.
enum Part {
    /// A task is put into a runtime's list.
    Binding,
    /// A task is put into the list of a `LocalSet`.
    BindingLocal,
    /// A closure is made a task for the blocking threads.
    Blocking,
    /// A multi-thread runtime starts its workers.
    Worker,
    Other,
}

impl Part {
    /// By its name, or by its file where the name is a short one.
    fn of(symbol: &Symbol) -> Self {
        let (name, file) = (symbol.name.as_str(), symbol.file.as_str());
        let is_in = |end: &str| file.ends_with(end) && file.contains("tokio");
        let is_named = |part: &str| name.starts_with("tokio::") && name.contains(part);
        if is_named("::LocalOwnedTasks") && name.contains("::bind") || is_in("/src/task/local.rs") {
            Self::BindingLocal
        } else if is_named("::OwnedTasks") && name.contains("::bind") || is_in("/src/runtime/task/list.rs") {
            Self::Binding
        } else if is_named("::task::unowned") || is_in("/src/runtime/blocking/pool.rs") {
            Self::Blocking
        } else if is_named("::multi_thread::worker::") || is_in("/src/runtime/scheduler/multi_thread/worker.rs") {
            Self::Worker
        } else {
            Self::Other
        }
    }
}

/// The functions at a return address, the innermost first. Each is looked up once in a process.
fn symbols(call: usize) -> Arc<Vec<Symbol>> {
    static KNOWN: Lazy<Mutex<HashMap<usize, Arc<Vec<Symbol>>>>> = Lazy::new(Mutex::default);
    if let Some(known) = lock(&KNOWN).get(&call) {
        return known.clone();
    }
    let mut symbols = Vec::new();
    backtrace::resolve(call as *mut _, |symbol| {
        symbols.push(Symbol {
            name: symbol.name().map(|name| format!("{name:#}")).unwrap_or_default(),
            file: symbol
                .filename()
                .map(|file| file.display().to_string())
                .unwrap_or_default(),
            line: symbol.lineno().unwrap_or_default(),
            column: symbol.colno().unwrap_or_default(),
        });
    });
    let symbols = Arc::new(symbols);
    lock(&KNOWN).insert(call, symbols.clone());
    symbols
}
