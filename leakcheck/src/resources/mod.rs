//! Threads and file descriptors that a test leaves behind, on Linux: what /proc has of this process, before and after.

mod blocking;
mod fds;
mod sockets;
mod threads;
mod watch;

pub(crate) use blocking::on_this_thread;
pub(crate) use watch::Watch;
