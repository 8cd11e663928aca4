//! A thread or a file descriptor that was left behind.

use std::fmt;
use std::time::Duration;

/// A thread that lives on, or a file descriptor that is still open, although its test is over.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Resource {
    /// What it is.
    pub kind: ResourceKind,
    /// What it is, in words: `TCP listening on 127.0.0.1:9092`, `file /tmp/orders (write)`, `thread reaper`.
    pub description: String,
    /// The name of a thread, which the kernel cuts to 15 bytes; what a file descriptor points to: a path,
    /// `socket:[12345]`.
    pub target: String,
    /// The kernel's number of the thread, or the number of the file descriptor.
    pub number: u32,
    /// How long a thread has lived. Of a file descriptor nobody knows.
    pub alive: Option<Duration>,
    /// Whether a file descriptor was closed when the test's runtime was shut down: a task held it.
    pub with_runtime: bool,
    /// What may be done about it.
    pub help: Vec<String>,
}

/// What was left behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ResourceKind {
    /// A thread of the operating system.
    Thread,
    /// A file, a directory or a device.
    File,
    /// One end of a pipe.
    Pipe,
    /// A TCP socket.
    Tcp,
    /// A UDP socket.
    Udp,
    /// A unix socket.
    Unix,
    /// Another socket, an epoll instance, a pidfd.
    Other,
}

impl ResourceKind {
    /// The word that the JSON lines use.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Thread => "thread",
            Self::File => "file",
            Self::Pipe => "pipe",
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Unix => "unix",
            Self::Other => "other",
        }
    }
}

impl fmt::Display for Resource {
    /// Its lines of the report.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            kind,
            description,
            number,
            ..
        } = self;
        match kind {
            ResourceKind::Thread => write!(f, "  {description:<42} thread {number}")?,
            _ => write!(f, "  {description:<42} fd {number}")?,
        }
        match self.alive {
            Some(alive) => writeln!(f, ", alive {:.2} s", alive.as_secs_f64())?,
            None => writeln!(f)?,
        }
        if self.with_runtime {
            writeln!(
                f,
                "    held by      a task of the test: it was closed with the test's runtime"
            )?;
        }
        self.help
            .iter()
            .try_for_each(|help| writeln!(f, "    help         {help}"))
    }
}
