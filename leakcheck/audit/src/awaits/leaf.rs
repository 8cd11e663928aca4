//! What everything waits for in the end: the futures of tokio, tokio-util and the standard library.
//!
//! Only names are kept here, never layouts. A version of tokio that names something otherwise makes a leaf that is not known, and is
//! shown by its type.

use std::fmt;

/// What a future of tokio, tokio-util or the standard library waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Leaf {
    /// A message of an mpsc channel, or its end.
    MpscReceive,
    /// Room in an mpsc channel, or its receiver's end.
    MpscSend,
    /// The value of a oneshot channel, or its sender's end.
    OneshotReceive,
    /// A new value in a watch channel, or its sender's end.
    WatchChange,
    /// A message of a broadcast channel, or its end.
    BroadcastReceive,
    /// The end of a channel's other side.
    ChannelClosed,
    /// A `Notify`.
    Notified,
    /// A permit of a `Semaphore`.
    Semaphore,
    /// A tokio `Mutex`.
    Mutex,
    /// A tokio `RwLock`, to read.
    RwLockRead,
    /// A tokio `RwLock`, to write.
    RwLockWrite,
    /// The other tasks at a `Barrier`.
    Barrier,
    /// A `OnceCell` or `SetOnce` that another task sets.
    Once,
    /// A moment.
    Sleep,
    /// The next tick of an interval.
    Interval,
    /// The end of another task.
    JoinHandle {
        /// The address of that task's cell, where it could be read.
        task: Option<u64>,
    },
    /// The next end of a task in a `JoinSet`, whose handles are shown where their memory is at hand.
    JoinSet,
    /// The end of all tasks of a `TaskTracker`.
    TaskTracker,
    /// A `CancellationToken`.
    Cancelled,
    /// A socket, pipe or file, to be ready or to be done.
    Io,
    /// A connection to a listening socket.
    Accept,
    /// A signal of the operating system.
    Signal,
    /// The end of a child process.
    Process,
    /// The tasks of a `LocalSet`.
    LocalSet,
    /// The futures of a collection, which are shown where their memory is at hand.
    Collection,
    /// Its next turn, which it has asked for itself.
    Yield,
    /// What a closure says, which a person wrote and `poll_fn` made a future of. What that waits for only its code knows.
    Closure,
    /// `std::future::pending`: nothing at all.
    Never,
}

impl fmt::Display for Leaf {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plainly = match self {
            Leaf::MpscReceive => "waits for a message of an mpsc channel, or its end",
            Leaf::MpscSend => "waits for room in an mpsc channel",
            Leaf::OneshotReceive => "waits for a oneshot channel's value",
            Leaf::WatchChange => "waits for a watch channel's new value",
            Leaf::BroadcastReceive => "waits for a broadcast message",
            Leaf::ChannelClosed => "waits for a channel to be closed",
            Leaf::Notified => "waits for a Notify",
            Leaf::Semaphore => "waits for a semaphore's permit",
            Leaf::Mutex => "waits for a tokio Mutex",
            Leaf::RwLockRead => "waits to read a tokio RwLock",
            Leaf::RwLockWrite => "waits to write a tokio RwLock",
            Leaf::Barrier => "waits for the others at a barrier",
            Leaf::Once => "waits for a cell to be set",
            Leaf::Sleep => "sleeps",
            Leaf::Interval => "waits for the next tick of an interval",
            Leaf::JoinHandle { task: None } => "waits for another task to end",
            Leaf::JoinHandle { task: Some(task) } => return write!(to, "waits for the task at {task:#x} to end"),
            Leaf::JoinSet => "waits for a task of a JoinSet",
            Leaf::TaskTracker => "waits for the tasks of a TaskTracker",
            Leaf::Cancelled => "waits for a CancellationToken",
            Leaf::Io => "waits for I/O",
            Leaf::Accept => "waits for a connection",
            Leaf::Signal => "waits for a signal",
            Leaf::Process => "waits for a child process",
            Leaf::LocalSet => "waits for the tasks of a LocalSet",
            Leaf::Collection => "waits for the futures of a collection",
            Leaf::Yield => "waits for its next turn",
            Leaf::Closure => "ends when its own code says so",
            Leaf::Never => "waits for nothing at all, for ever",
        };
        to.write_str(plainly)
    }
}

/// Every type in the module.
const ALL: &[&str] = &["*"];
/// Every async function in the module: its types may be sockets and buffers, which wait for nothing.
const FUNCTIONS: &[&str] = &["()"];
/// This type alone.
const ITSELF: &[&str] = &[""];

/// A type is known by the start and the end of its path. The first that fits counts.
const KNOWN: &[(&str, &[&str], Leaf)] = &[
    (
        "tokio::sync::mpsc::",
        &["::recv", "::recv_many", "::Recv"],
        Leaf::MpscReceive,
    ),
    ("tokio::sync::mpsc::", &["::closed"], Leaf::ChannelClosed),
    (
        "tokio::sync::mpsc::",
        &[
            "::send",
            "::send_timeout",
            "::reserve",
            "::reserve_many",
            "::reserve_owned",
            "::reserve_inner",
        ],
        Leaf::MpscSend,
    ),
    ("tokio::sync::oneshot::Receiver", ITSELF, Leaf::OneshotReceive),
    ("tokio::sync::oneshot::", &["::closed"], Leaf::ChannelClosed),
    (
        "tokio::sync::watch::",
        &["::changed", "::changed_impl", "::wait_for", "::wait_for_inner"],
        Leaf::WatchChange,
    ),
    ("tokio::sync::watch::", &["::closed"], Leaf::ChannelClosed),
    (
        "tokio::sync::broadcast::",
        &["::recv", "::Recv"],
        Leaf::BroadcastReceive,
    ),
    ("tokio::sync::broadcast::", &["::closed"], Leaf::ChannelClosed),
    (
        "tokio::sync::notify::",
        &["::Notified", "::OwnedNotified"],
        Leaf::Notified,
    ),
    (
        "tokio::sync::semaphore::",
        &["::acquire", "::acquire_many", "::acquire_owned", "::acquire_many_owned"],
        Leaf::Semaphore,
    ),
    ("tokio::sync::batch_semaphore::Acquire", ITSELF, Leaf::Semaphore),
    (
        "tokio::sync::mutex::",
        &["::lock", "::lock_owned", "::acquire"],
        Leaf::Mutex,
    ),
    ("tokio::sync::rwlock::", &["::read", "::read_owned"], Leaf::RwLockRead),
    (
        "tokio::sync::rwlock::",
        &["::write", "::write_owned"],
        Leaf::RwLockWrite,
    ),
    ("tokio::sync::barrier::", &["::wait", "::wait_internal"], Leaf::Barrier),
    ("tokio::sync::once_cell::", FUNCTIONS, Leaf::Once),
    ("tokio::sync::set_once::", &["::wait"], Leaf::Once),
    ("tokio::time::sleep::Sleep", ITSELF, Leaf::Sleep),
    ("tokio::time::driver::sleep::Sleep", ITSELF, Leaf::Sleep),
    ("tokio::time::interval::", &["::tick"], Leaf::Interval),
    (
        "tokio::runtime::task::join::JoinHandle",
        ITSELF,
        Leaf::JoinHandle { task: None },
    ),
    (
        "tokio::task::join_set::",
        &["::join_next", "::join_next_with_id", "::join_all", "::shutdown"],
        Leaf::JoinSet,
    ),
    ("tokio::task::local::", &["::LocalSet"], Leaf::LocalSet),
    ("tokio::task::yield_now::", &["::yield_now", "::YieldNow"], Leaf::Yield),
    ("tokio::net::", &["::accept"], Leaf::Accept),
    ("tokio::net::", FUNCTIONS, Leaf::Io),
    ("tokio::io::", FUNCTIONS, Leaf::Io),
    ("tokio::io::util::read_int::", ALL, Leaf::Io),
    ("tokio::io::util::write_int::", ALL, Leaf::Io),
    (
        "tokio::io::util::",
        &[
            "::Read",
            "::ReadBuf",
            "::ReadExact",
            "::ReadLine",
            "::ReadToEnd",
            "::ReadToString",
            "::ReadUntil",
            "::FillBuf",
        ],
        Leaf::Io,
    ),
    (
        "tokio::io::util::",
        &[
            "::Write",
            "::WriteBuf",
            "::WriteAll",
            "::WriteAllBuf",
            "::WriteVectored",
            "::Flush",
            "::Shutdown",
        ],
        Leaf::Io,
    ),
    ("tokio::io::", &["::Copy", "::CopyBuf", "::Seek"], Leaf::Io),
    ("tokio::fs::", FUNCTIONS, Leaf::Io),
    ("tokio::runtime::io::", FUNCTIONS, Leaf::Io),
    ("tokio::signal::", FUNCTIONS, Leaf::Signal),
    ("tokio::process::", FUNCTIONS, Leaf::Process),
    (
        "tokio_util::sync::cancellation_token::",
        &["::WaitForCancellationFuture", "::WaitForCancellationFutureOwned"],
        Leaf::Cancelled,
    ),
    (
        "tokio_util::task::task_tracker::TaskTrackerWaitFuture",
        ITSELF,
        Leaf::TaskTracker,
    ),
    ("core::future::pending::Pending", ITSELF, Leaf::Never),
    ("futures_util::future::pending::Pending", ITSELF, Leaf::Never),
    (
        "futures_util::stream::futures_unordered::FuturesUnordered",
        ITSELF,
        Leaf::Collection,
    ),
    (
        "futures_util::stream::futures_ordered::FuturesOrdered",
        ITSELF,
        Leaf::Collection,
    ),
    ("futures_channel::oneshot::Receiver", ITSELF, Leaf::OneshotReceive),
    ("futures_channel::oneshot::Cancellation", ITSELF, Leaf::ChannelClosed),
    ("futures_channel::mpsc::Receiver", ITSELF, Leaf::MpscReceive),
    ("futures_channel::mpsc::UnboundedReceiver", ITSELF, Leaf::MpscReceive),
    // What is streamed.
    (
        "tokio_stream::wrappers::mpsc_bounded::ReceiverStream",
        ITSELF,
        Leaf::MpscReceive,
    ),
    (
        "tokio_stream::wrappers::mpsc_unbounded::UnboundedReceiverStream",
        ITSELF,
        Leaf::MpscReceive,
    ),
    (
        "tokio_stream::wrappers::interval::IntervalStream",
        ITSELF,
        Leaf::Interval,
    ),
    ("tokio_stream::wrappers::watch::WatchStream", ITSELF, Leaf::WatchChange),
    (
        "tokio_stream::wrappers::broadcast::BroadcastStream",
        ITSELF,
        Leaf::BroadcastReceive,
    ),
    (
        "tokio_stream::wrappers::tcp_listener::TcpListenerStream",
        ITSELF,
        Leaf::Accept,
    ),
];

/// What a type with this path waits for: see [`names::plain`](super::names::plain). An async function's path is its future's.
pub(super) fn known(path: &str, is_function: bool) -> Option<Leaf> {
    // What is inside a function of these is not the function.
    if path.contains('{') {
        return None;
    }
    let fits = |(start, ends, _): &&(&str, &[&str], Leaf)| {
        path.strip_prefix(start).is_some_and(|rest| {
            ends.iter().any(|end| match *end {
                "" => rest.is_empty(),
                "*" => true,
                "()" => is_function,
                end => path.ends_with(end),
            })
        })
    };
    KNOWN.iter().find(fits).map(|(.., leaf)| *leaf)
}

/// What is no future, and is polled by methods of its own from futures that were written by hand: by which, and what for.
const POLLED: &[(&str, Leaf)] = &[
    // poll_recv
    ("tokio::sync::mpsc::bounded::Receiver", Leaf::MpscReceive),
    ("tokio::sync::mpsc::unbounded::UnboundedReceiver", Leaf::MpscReceive),
    ("tokio::signal::unix::Signal", Leaf::Signal),
    // poll_tick
    ("tokio::time::interval::Interval", Leaf::Interval),
    // poll_join_next
    ("tokio::task::join_set::JoinSet", Leaf::JoinSet),
    // poll_accept
    ("tokio::net::tcp::listener::TcpListener", Leaf::Accept),
    ("tokio::net::unix::listener::UnixListener", Leaf::Accept),
    // poll_read, poll_write and the like
    ("tokio::net::tcp::stream::TcpStream", Leaf::Io),
    ("tokio::net::tcp::split_owned::OwnedReadHalf", Leaf::Io),
    ("tokio::net::tcp::split_owned::OwnedWriteHalf", Leaf::Io),
    ("tokio::net::unix::stream::UnixStream", Leaf::Io),
    ("tokio::net::udp::UdpSocket", Leaf::Io),
];

/// What a type with this path waits for that is no future, where a future polls it.
pub(super) fn polled(path: &str) -> Option<Leaf> {
    let known = POLLED.iter().find(|(polled, _)| *polled == path);
    known.map(|(_, leaf)| *leaf)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leaves_are_known_by_their_paths() {
        assert_eq!(known("tokio::sync::mpsc::bounded::recv", true), Some(Leaf::MpscReceive));
        assert_eq!(
            known("tokio::sync::oneshot::Receiver", false),
            Some(Leaf::OneshotReceive)
        );
        assert_eq!(known("tokio::net::tcp::listener::accept", true), Some(Leaf::Accept));
        assert_eq!(known("tokio::net::udp::recv_from", true), Some(Leaf::Io));
        assert_eq!(known("tokio::net::tcp::stream::TcpStream", false), None);
        assert_eq!(known("tokio::time::sleep::Sleeper", false), None);
        assert_eq!(known("mine::sync::mpsc::recv", true), None);
        assert_eq!(known("tokio::sync::mpsc::bounded::recv::{closure_env#0}", false), None);
    }
}
