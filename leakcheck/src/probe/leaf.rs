//! Plain names for the library functions that a task waits in.

use std::fmt;

use once_cell::sync::Lazy;

use crate::report::{DEPENDENCY, shorten};

/// What a backtrace has for a function that is not in the binary's symbols.
const UNKNOWN: &str = "<unknown>";

/// The parts of a function's symbol that a person knows it by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Function {
    /// Its path without generic arguments and closures; for a method of a trait, the path of the type.
    path: Vec<String>,
    /// The method, when it is one of a trait.
    of_trait: Option<String>,
}

impl Function {
    /// Reads symbols like `tokio::sync::mpsc::bounded::Receiver<T>::recv::{{closure}}` and
    /// `<tokio::time::sleep::Sleep as core::future::future::Future>::poll`.
    pub(super) fn parse(symbol: &str) -> Self {
        if symbol == UNKNOWN {
            return Self {
                path: vec![symbol.to_owned()],
                of_trait: None,
            };
        }
        if let Some((of, method)) = symbol.strip_prefix('<').and_then(split_at_closing) {
            let of = split_as(of);
            return Self {
                path: segments(of),
                of_trait: segments(method).pop(),
            };
        }
        Self {
            path: segments(symbol),
            of_trait: None,
        }
    }

    /// A function found in a source file: its modules, perhaps its type, and its name.
    pub(super) fn in_source(path: Vec<String>, of_trait: Option<String>) -> Self {
        Self { path, of_trait }
    }

    /// Whether the symbol named it in full. With debug information that is for lines only, some are but a
    /// `recv<u32>` or `{async_fn#0}`.
    pub(super) fn is_qualified(&self) -> bool {
        self.path.len() > 1 || self.of_trait.is_some()
    }

    /// The crate that it was written in, as far as its name tells: for a type parameter, that parameter.
    pub(super) fn root(&self) -> &str {
        self.path.first().map_or("", String::as_str)
    }

    /// The last name of its path: the type, for a method of a trait, or else the function.
    fn last(&self) -> &str {
        self.path.last().map_or("", String::as_str)
    }

    fn type_name(&self) -> Option<&str> {
        match self.of_trait {
            Some(_) => self.path.last(),
            None => self
                .path
                .iter()
                .rev()
                .nth(1)
                .filter(|name| name.starts_with(char::is_uppercase)),
        }
        .map(String::as_str)
    }

    fn method(&self) -> &str {
        self.of_trait.as_deref().unwrap_or_else(|| self.last())
    }

    /// The functions that somebody may have called to get this future.
    pub(super) fn called_as(&self) -> Vec<String> {
        match (self.of_trait.as_deref(), self.last()) {
            (Some("poll"), "Sleep") => ["sleep", "sleep_until"].map(Into::into).to_vec(),
            (Some("poll"), "Timeout") => ["timeout", "timeout_at"].map(Into::into).to_vec(),
            (Some("poll"), "Notified" | "OwnedNotified") => ["notified", "notified_owned"].map(Into::into).to_vec(),
            (Some("poll"), "WaitForCancellationFuture") => vec!["cancelled".into()],
            (Some("poll"), "WaitForCancellationFutureOwned") => vec!["cancelled_owned".into()],
            (Some("poll"), "TaskTrackerWaitFuture") => vec!["wait".into()],
            (Some("poll"), "JoinHandle" | "Receiver") => Vec::new(),
            (Some("poll"), name) => vec![snake_case(name)],
            (_, _) => vec![self.method().trim_start_matches("poll_").to_owned()],
        }
    }

    /// The name of a known leaf future.
    fn known(&self) -> Option<String> {
        let name = match (self.type_name()?, self.method()) {
            ("Sleep", _) => "Sleep".to_owned(),
            ("Notified" | "OwnedNotified", _) => "Notify::notified".to_owned(),
            ("WaitForCancellationFuture" | "WaitForCancellationFutureOwned" | "CancellationToken", _) => {
                "CancellationToken::cancelled".to_owned()
            }
            ("TaskTrackerWaitFuture", _) => "TaskTracker::wait".to_owned(),
            (name, "poll") if WAITS_ITSELF.contains(&name) => format!("{}{name}", self.qualifier()),
            (name, method) if READS_AND_WRITES.contains(&name) && method.starts_with("poll_") => {
                format!(
                    "{name} {}",
                    method.trim_start_matches("poll_").trim_end_matches("_priv")
                )
            }
            (name, method) if WAITS_ITSELF.contains(&name) || READS_AND_WRITES.contains(&name) => {
                format!("{}{name}::{}", self.qualifier(), method.trim_start_matches("poll_"))
            }
            _ => return None,
        };
        Some(name)
    }

    /// What any function looks like that is not known by name.
    fn described(&self) -> String {
        match (self.type_name(), self.method()) {
            (Some(name), "poll") => name.to_owned(),
            (Some(name), method) => format!("{name}::{}", method.trim_start_matches("poll_")),
            (None, method) => method.to_owned(),
        }
    }

    /// Several modules have a `Receiver`.
    fn qualifier(&self) -> &'static str {
        ["mpsc::", "oneshot::", "broadcast::", "watch::"]
            .into_iter()
            .find(|module| {
                self.path
                    .iter()
                    .any(|name| Some(name.as_str()) == module.strip_suffix("::"))
            })
            .unwrap_or("")
    }
}

impl fmt::Display for Function {
    /// `kfake::group::Group::manage`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.path.join("::"))?;
        self.of_trait.as_ref().map_or(Ok(()), |method| write!(f, "::{method}"))
    }
}

/// Types whose methods, or whose own `poll`, are what a task waits in.
const WAITS_ITSELF: &[&str] = &[
    "Barrier",
    "Child",
    "Interval",
    "JoinHandle",
    "JoinMap",
    "JoinSet",
    "LocalSet",
    "Mutex",
    "OnceCell",
    "Receiver",
    "RwLock",
    "Semaphore",
    "Sender",
    "Signal",
    "SetOnce",
    "UnboundedReceiver",
];

/// Types that wait in reads, writes and the like.
const READS_AND_WRITES: &[&str] = &[
    "ChildStderr",
    "ChildStdin",
    "ChildStdout",
    "DuplexStream",
    "File",
    "SimplexStream",
    "Stdin",
    "TcpListener",
    "TcpSocket",
    "TcpStream",
    "UdpSocket",
    "UnixDatagram",
    "UnixListener",
    "UnixStream",
];

/// The crates whose functions are no place of the user's.
const LIBRARIES: &[&str] = &[
    "alloc",
    "core",
    "futures",
    "futures_channel",
    "futures_core",
    "futures_executor",
    "futures_io",
    "futures_lite",
    "futures_sink",
    "futures_task",
    "futures_util",
    "leakcheck",
    "pin_project",
    "pin_project_lite",
    "pin_utils",
    "std",
    "tokio",
    "tokio_metrics",
    "tokio_stream",
    "tokio_util",
];

/// Whether nobody needs to see this function to know where the task waits. Its file, as `shorten` has it, says so even
/// where its symbol does not.
pub(super) fn is_of_a_library(function: &Function, file: &str) -> bool {
    let root = function.root();
    LIBRARIES.contains(&root)
        || root.starts_with("__rust")
        || root == UNKNOWN
        || file.starts_with("/rustc/")
        || !(file.is_empty() || file.ends_with(".rs"))
        || dependency(file).is_some_and(|name| LIBRARIES.contains(&name.as_str()))
        || is_leakcheck(file)
}

/// `tokio_util` of `~crate/tokio-util-0.7.20/src/lib.rs`
pub(super) fn dependency(file: &str) -> Option<String> {
    let (directory, _) = file.strip_prefix(DEPENDENCY)?.split_once('/')?;
    let (name, _version) = directory.rsplit_once('-')?;
    Some(name.replace('-', "_"))
}

/// Whether this crate's own sources have the file.
pub(super) fn is_leakcheck(file: &str) -> bool {
    static SOURCES: Lazy<String> =
        Lazy::new(|| shorten(file!().strip_suffix("probe/leaf.rs").unwrap_or("leakcheck/src/")));
    file.starts_with(SOURCES.as_str())
}

/// Whether this is `waker::lend`: what is outside of it polled the task.
pub(super) fn is_the_probe(symbol: &str, file: &str) -> bool {
    let name = symbol.split('<').next().unwrap_or(symbol);
    (name == "lend" || name.ends_with("::lend")) && is_leakcheck(file) && file.ends_with("/probe/waker.rs")
        || symbol.starts_with("leakcheck::probe::waker::lend")
}

/// Whether this is a wrapper around a future that says nothing about it.
pub(super) fn is_transparent(function: &Function, file: &str) -> bool {
    matches!(
        function.root(),
        "core" | "std" | "alloc" | "leakcheck" | "F" | "P" | "T" | "Fut" | ""
    ) || file.starts_with("/rustc/")
        || is_leakcheck(file)
        || function.path.iter().any(|name| name == "coop")
}

/// The name of what waits below the user's first frame, given the library's functions there, the innermost first.
pub(super) fn name(functions: &[Function]) -> String {
    let of_a_timeout = functions.iter().any(|function| function.last() == "poll_delay");
    match functions.iter().rev().find_map(Function::known) {
        Some(known) if of_a_timeout && known == "Sleep" => "Sleep (of a timeout)".to_owned(),
        Some(known) => known,
        None => functions
            .iter()
            .rev()
            .find(|function| !is_transparent(function, ""))
            .map_or_else(|| "a future of its own".to_owned(), Function::described),
    }
}

/// Whether a wait for cancellation is among these functions.
pub(super) fn is_cancellation(function: &Function) -> bool {
    let is = |name: &str| {
        name.starts_with("WaitForCancellationFuture")
            || name == "CancellationToken"
            || name.starts_with("RunUntilCancelled")
            || name.starts_with("run_until_cancelled")
    };
    matches!(function.root(), "tokio_util") && (function.path.iter().any(|name| is(name)) || is(function.method()))
}

/// `T as U>::method` at the bracket that closes the one before it.
fn split_at_closing(text: &str) -> Option<(&str, &str)> {
    let mut depth = 1_usize;
    let mut before = ' ';
    for (at, character) in text.char_indices() {
        match character {
            '<' => depth += 1,
            '>' if before != '-' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Some((&text[..at], text[at + 1..].trim_start_matches(':')));
        }
        before = character;
    }
    None
}

/// The type of `type as trait`.
fn split_as(text: &str) -> &str {
    let mut depth = 0_usize;
    for (at, character) in text.char_indices() {
        match character {
            '<' => depth += 1,
            '>' => depth = depth.saturating_sub(1),
            ' ' if depth == 0 && text[at..].starts_with(" as ") => return &text[..at],
            _ => {}
        }
    }
    text
}

/// The names of a path, without references, generic arguments and closures.
fn segments(path: &str) -> Vec<String> {
    let path = path.trim_start_matches(['&', '*', '<']);
    let path = ["mut ", "const ", "dyn "]
        .iter()
        .fold(path, |path, word| path.strip_prefix(word).unwrap_or(path));
    let mut bare = String::with_capacity(path.len());
    let mut depth = 0_usize;
    for character in path.chars() {
        match character {
            '<' => depth += 1,
            '>' => depth = depth.saturating_sub(1),
            _ if depth == 0 => bare.push(character),
            _ => {}
        }
    }
    bare.split("::")
        .filter(|name| !name.is_empty() && !name.starts_with('{'))
        .map(str::to_owned)
        .collect()
}

fn snake_case(name: &str) -> String {
    let mut snake = String::with_capacity(name.len() + 4);
    for character in name.chars() {
        if character.is_uppercase() && !snake.is_empty() {
            snake.push('_');
        }
        snake.extend(character.to_lowercase());
    }
    snake
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(symbols: &[&str]) -> String {
        name(&symbols.iter().map(|symbol| Function::parse(symbol)).collect::<Vec<_>>())
    }

    #[test]
    fn a_leaf_has_the_name_that_a_person_would_give_it() {
        const POLL_FN: &str = "<core::future::poll_fn::PollFn<F> as core::future::future::Future>::poll";
        for (symbols, expected) in [
            (
                &[
                    "tokio::sync::mpsc::chan::Rx<T,S>::recv",
                    "tokio::sync::mpsc::bounded::Receiver<T>::recv::{{closure}}::{{closure}}",
                    POLL_FN,
                    "tokio::sync::mpsc::bounded::Receiver<T>::recv::{{closure}}",
                ][..],
                "mpsc::Receiver::recv",
            ),
            (
                &["<tokio::sync::notify::Notified as core::future::future::Future>::poll"],
                "Notify::notified",
            ),
            (
                &[
                    "tokio::time::sleep::Sleep::poll_elapsed",
                    "<tokio::time::sleep::Sleep as core::future::future::Future>::poll",
                    "<core::pin::Pin<P> as core::future::future::Future>::poll",
                    "<&mut F as core::future::future::Future>::poll",
                ],
                "Sleep",
            ),
            (
                &[
                    "<tokio::time::sleep::Sleep as core::future::future::Future>::poll",
                    "tokio::time::timeout::poll_delay",
                    "<tokio::time::timeout::Timeout<T> as core::future::future::Future>::poll",
                ],
                "Sleep (of a timeout)",
            ),
            (
                &[
                    "tokio::sync::mpsc::unbounded::UnboundedReceiver<T>::recv::{{closure}}",
                    "<tokio::time::timeout::Timeout<T> as core::future::future::Future>::poll",
                ],
                "mpsc::UnboundedReceiver::recv",
            ),
            (
                &["<tokio::runtime::task::join::JoinHandle<T> as core::future::future::Future>::poll"],
                "JoinHandle",
            ),
            (
                &["<tokio::sync::oneshot::Receiver<T> as core::future::future::Future>::poll"],
                "oneshot::Receiver",
            ),
            (
                &["tokio::sync::watch::Receiver<T>::changed::{closure#0}"],
                "watch::Receiver::changed",
            ),
            (
                &["tokio::sync::semaphore::Semaphore::acquire::{{closure}}"],
                "Semaphore::acquire",
            ),
            (
                &["tokio::net::tcp::listener::TcpListener::accept::{{closure}}"],
                "TcpListener::accept",
            ),
            (
                &[
                    "tokio::net::tcp::stream::TcpStream::poll_read_priv",
                    "<tokio::net::tcp::split_owned::OwnedReadHalf as tokio::io::async_read::AsyncRead>::poll_read",
                    "<tokio::io::util::read::Read<R> as core::future::future::Future>::poll",
                ],
                "TcpStream read",
            ),
            (
                &[
                    "<tokio_util::sync::cancellation_token::WaitForCancellationFuture as core::future::future::Future>::poll",
                ],
                "CancellationToken::cancelled",
            ),
            (
                &["<futures_util::stream::stream::next::Next<St> as core::future::future::Future>::poll"],
                "Next",
            ),
            (&[POLL_FN], "a future of its own"),
        ] {
            assert_eq!(named(symbols), expected);
        }
    }

    #[test]
    fn a_function_of_the_users_is_not_a_librarys() {
        for (symbol, file, library) in [
            ("kfake::group::manage::{{closure}}", "./src/group.rs", false),
            (
                "<kfake::Wait<T> as core::future::future::Future>::poll",
                "./src/wait.rs",
                false,
            ),
            (
                "<&mut F as core::future::future::Future>::poll",
                "/rustc/5980/library/core/src/future/future.rs",
                true,
            ),
            ("tokio::sync::notify::Notified::poll_notified", "", true),
            ("recv<u32>", "~crate/tokio-1.47.0/src/sync/mpsc/bounded.rs", true),
            ("{async_fn#0}", "kfake/src/group.rs", false),
            ("poll<u32>", file!(), true),
            ("start_thread", "./nptl/pthread_create.c", true),
            ("__rust_try", "", true),
            ("<unknown>", "", true),
        ] {
            assert_eq!(is_of_a_library(&Function::parse(symbol), file), library, "{symbol}");
        }
    }

    #[test]
    fn only_a_cancellation_token_counts_as_cancellation() {
        for (symbol, expected) in [
            (
                "<tokio_util::sync::cancellation_token::WaitForCancellationFuture as core::future::future::Future>::poll",
                true,
            ),
            (
                "tokio_util::sync::cancellation_token::CancellationToken::run_until_cancelled::{{closure}}",
                true,
            ),
            ("tokio_util::task::task_tracker::TaskTracker::wait", false),
            ("kfake::CancellationToken::wait", false),
        ] {
            assert_eq!(is_cancellation(&Function::parse(symbol)), expected, "{symbol}");
        }
    }
}
