//! The live view when a signal asks for it.

use std::io::{self, Write as _};
use std::thread;
use std::time::{Duration, Instant};

use signal_hook::consts::SIGUSR1;
use signal_hook::iterator::Signals;

use crate::dump;
use crate::probe::block_on_until;

/// How long the tasks have to say where they wait.
const LIMIT: Duration = Duration::from_secs(1);

/// Prints the live view to stderr whenever this process gets SIGUSR1: `kill -USR1 <pid>`.
///
/// A thread of its own waits for the signal as long as the process lives, so that it is answered also while every worker
/// of a runtime is blocked. Each task is asked where it waits, as by [`Dump::ask`](crate::Dump::ask), for a second at most.
/// Another handler of the signal is still called.
///
/// To be called once, early; another call makes the process print twice.
///
/// ```no_run
/// fn main() -> std::io::Result<()> {
///     leakcheck::dump_on_sigusr1()?;
///     // …
///     Ok(())
/// }
/// ```
///
/// # Errors
///
/// When the operating system refuses the handler or the thread.
#[expect(
    clippy::disallowed_methods,
    reason = "the thread waits for signals as long as the process lives, whatever its runtimes do"
)]
pub fn dump_on_sigusr1() -> io::Result<()> {
    let mut signals = Signals::new([SIGUSR1])?;
    thread::Builder::new()
        .name("leakcheck-signal".to_owned())
        .spawn(move || signals.forever().for_each(|_| print()))?;
    Ok(())
}

fn print() {
    let known = dump();
    // The question has a limit of its own, and this one is for a thread that could not be had.
    let asked = block_on_until(Instant::now() + 2 * LIMIT, known.clone().ask(LIMIT));
    // Where stderr is closed, nobody reads it.
    let _ = io::stderr().write_all(asked.unwrap_or(known).to_string().as_bytes());
}
