//! Where a task waits, read from the bytes of its cell by someone outside of it.
//!
//! An `async fn` is compiled to a state machine, and debug info describes it: which number stands for which await, where in the
//! source that await is, and where the future lies that is awaited there. So the chain of awaits of a task can be read from a copy
//! of its memory: from the task's outermost function down to the channel or the socket that it waits for, with every branch of every
//! `select!`. The program need not have been prepared, but for having debug info.
//!
//! ```no_run
//! use leakcheck_audit::awaits::{Copied, Program};
//!
//! # let (return_address, address, bytes, bias) = (0, 0, Vec::new(), 0);
//! let program = Program::open("target/debug/deps/server-0123456789abcdef")?;
//! // A task is known by who allocated its cell: one of the return addresses at that moment.
//! if let Some(task) = program.task_at(return_address - bias) {
//!     println!("{}", task.decode(&Copied { address, bytes: &bytes, bias }, address));
//! }
//! # Ok::<(), leakcheck_audit::awaits::Error>(())
//! ```
//!
//! What is read:
//!
//! - the layout of everything comes from debug info, nothing of it from what versions of rustc and tokio are known to do. Names do come
//!   from there: of tokio's own futures, which are the leaves, and of the compiler's.
//! - Memory that is not there, a state that makes no sense, a type that is not understood: each is said to be unknown, and nothing is
//!   guessed. No bytes and no debug info make the decoder fail, run on, or overflow the stack.
//! - Debug info that is split off (`.dwp`, `.dwo`, `.dSYM`), moved to a file of its own, or compressed is found and read.
//!
//! What cannot be seen: a future in a `Box` whose memory is not at hand, which is shown by its type alone, and what a future does that
//! was written by hand. Functions that the linker or the compiler made one because their code is the same cannot be told apart.

mod adapters;
mod decode;
mod error;
mod index;
mod inside;
mod leaf;
mod memory;
mod names;
mod object_file;
mod owns;
mod polls;
mod program;
mod scheduler;
mod stage;
mod tree;
mod types;
mod units;
mod why;

/// What is read of which futures, what other tools do, and what it costs.
#[doc = include_str!("../../docs/awaits.md")]
pub mod guide {}

pub use error::Error;
pub use leaf::Leaf;
pub use memory::{Copied, Memory, Regions};
pub(crate) use object_file::{has_debug_info_beside, strings_end_in};
pub use program::{Program, TaskType};
pub use tree::{AwaitTree, Channel, Kind, State};
pub use why::{Why, reasons, root, why};
