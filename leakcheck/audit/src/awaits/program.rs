//! A program, and its types of tasks.

use std::path::{Path, PathBuf};

use super::adapters;
use super::decode::Decoder;
use super::error::Error;
use super::memory::Memory;
use super::names;
use super::tree::AwaitTree;
use super::types::TypeDef;
use super::units::{Debug, Place, Session};

/// The type that tokio allocates for each task.
const CELL: &str = "tokio::runtime::task::core::Cell";
/// How many adapters around a future are looked through for where it was written.
const DEEPEST_ADAPTERS: usize = 8;
/// From a function to where it is declared: what was inlined, its origin, and what that specifies.
pub(super) const MOST_STEPS: usize = 8;

/// A program's debug info. What has been asked for once is kept, so that asking again costs little.
///
/// It may be shared between threads.
pub struct Program {
    debug: Debug,
}

impl std::fmt::Debug for Program {
    fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        to.debug_struct("Program").finish_non_exhaustive()
    }
}

/// The type of a task: of the future that was spawned, and of the cell that tokio keeps it in.
#[derive(Clone)]
pub struct TaskType<'p> {
    debug: &'p Debug,
    cell: Place,
    future: Place,
    size: u64,
    name: String,
}

impl std::fmt::Debug for TaskType<'_> {
    fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        to.debug_struct("TaskType")
            .field("name", &self.name)
            .field("size", &self.size)
            .finish_non_exhaustive()
    }
}

impl Program {
    /// Opens an executable or a shared library. It is mapped, not read: what is not asked for stays on disk.
    ///
    /// # Errors
    ///
    /// Where it cannot be read, or has no debug info with types: [`Error::NoTypes`] says what to do about that.
    pub fn open(path: impl AsRef<Path>) -> Result<Program, Error> {
        Program::open_with(path, &[PathBuf::from("/usr/lib/debug")])
    }

    /// The same, with the directories where debug info is looked for that was moved to a file of its own: `.build-id/ab/cdef….debug` and
    /// the program's own path, inside of each. Beside the program it is found in any case.
    ///
    /// # Errors
    ///
    /// As [`Program::open`].
    pub fn open_with(path: impl AsRef<Path>, directories: &[PathBuf]) -> Result<Program, Error> {
        Ok(Program {
            debug: Debug::open(path.as_ref(), directories)?,
        })
    }

    /// The type of the task whose cell was allocated from here. `return_address` is one of the return addresses of the allocation, as
    /// the object's own virtual address, which is without the load bias.
    ///
    /// `None` where nothing at that address makes a task, which is so of all frames but one or two, and where that part of the program
    /// has no types: see [`Program::has_types_at`].
    pub fn task_at(&self, return_address: u64) -> Option<TaskType<'_>> {
        // The call is before the address to which it returns, which may be another function's.
        let address = return_address.checked_sub(1)?;
        let session = self.debug.session();
        self.debug.units_at(address).find_map(|unit| {
            let index = session.index(unit)?;
            let functions = index.functions_at(address);
            functions
                .into_iter()
                .find_map(|offset| self.task_of_function(&session, Place { unit, offset }))
        })
    }

    /// Whether the code at an address was compiled with types in its debug info, and not only with lines or without any.
    pub fn has_types_at(&self, address: u64) -> bool {
        self.debug.units_at(address).any(|unit| self.debug.has_types(unit))
    }

    fn task_of_function<'p>(&'p self, session: &Session<'p>, function: Place) -> Option<TaskType<'p>> {
        let function = session.declared(function)?;
        let parent = session.index(function.unit)?.parent(function.offset)?;
        // A cheap look before the whole type is read.
        let parent = Place {
            unit: function.unit,
            offset: parent,
        };
        if names::plain(&session.segments(parent)) != CELL {
            return None;
        }
        let cell = session.type_at(parent)?;
        let future = cell.arguments.iter().find(|(name, _)| name == "T")?.1;
        let of_future = session.type_at(future)?;
        Some(TaskType {
            debug: &self.debug,
            cell: cell.place,
            future,
            size: cell.size,
            name: name_of(session, &of_future),
        })
    }
}

impl TaskType<'_> {
    /// What the future is called in the source.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The size of the task's cell in bytes.
    pub fn cell_size(&self) -> u64 {
        self.size
    }

    /// The file in which the future was written, where it is an async function or block, or one in adapters that only hand on what it does.
    /// `None` where it is anything else: debug info does not say where types were written.
    pub fn file(&self) -> Option<String> {
        let session = self.debug.session();
        let mut of = session.type_at(self.future)?;
        for _ in 0..DEEPEST_ADAPTERS {
            if names::is_coroutine(&of.own_name) {
                return of.variants.as_ref()?.list.first()?.file.clone();
            }
            if !adapters::is_seen_through(&of.plain) {
                return None;
            }
            // Which of its types is the future is up to the adapter: with two that could be, neither is taken for it.
            let arguments = of
                .arguments
                .iter()
                .filter_map(|(_, argument)| session.type_at(*argument));
            let mut futures = arguments.filter(|argument| {
                names::is_coroutine(&argument.own_name) || adapters::is_seen_through(&argument.plain)
            });
            let (Some(future), None) = (futures.next(), futures.next()) else {
                return None;
            };
            of = future;
        }
        None
    }

    /// Whether a thread was polling the task whose cell stands at `cell`. What [`TaskType::decode`] says of such a task is from before that
    /// poll, or from its middle. `None` where the cell does not say.
    pub fn is_being_polled(&self, memory: &dyn Memory, cell: u64) -> Option<bool> {
        Decoder::new(self.debug.session(), memory).polled(self.cell, cell)
    }

    /// The descriptor that wakes the runtime of the task whose cell stands at `cell`: of a runtime of one thread that waits for input and
    /// output. `None` where it is another, or `memory` does not say.
    pub fn waking_descriptor(&self, memory: &dyn Memory, cell: u64) -> Option<u64> {
        Decoder::new(self.debug.session(), memory).waking_descriptor(self.cell, cell)
    }

    /// What the task waits for whose cell stands at `cell`.
    ///
    /// It looks at no more than some thousand futures, and no deeper than the stack allows: what is beyond is unknown.
    pub fn decode(&self, memory: &dyn Memory, cell: u64) -> AwaitTree {
        Decoder::new(self.debug.session(), memory).task(self.cell, self.future, cell)
    }
}

/// What a type is called in the source.
pub(super) fn name_of(session: &Session<'_>, of: &TypeDef) -> String {
    names::clean(&of.segments, &session.everywhere().impls)
}
