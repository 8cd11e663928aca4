//! What a task waits for, as data and as text.

use std::fmt;

use super::leaf::Leaf;

/// A future and what it waits for.
///
/// ```text
/// mini_redis::server::Handler::run  suspended at src/server.rs:250 (in a macro)
///   select! of
///     mini_redis::connection::Connection::read_frame  suspended at src/connection.rs:69
///       tokio::io::util::read_buf::ReadBuf<BufWriter<TcpStream>, BytesMut>  waits for I/O
///     mini_redis::shutdown::Shutdown::recv  suspended at src/shutdown.rs:44
///       tokio::sync::broadcast::Receiver::recv<()>  waits for a broadcast message
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct AwaitTree {
    /// What kind of future it is.
    pub kind: Kind,
    /// What it is called in the source, with modules but without those of its type arguments. At most some hundred characters.
    pub type_name: String,
    /// How far it has come.
    pub state: State,
    /// What it waits for: the future awaited, or the branches of a `select!` or `join!` in their order.
    pub children: Vec<AwaitTree>,
    /// What it waits for in the end, where that is tokio's or the standard library's.
    pub leaf: Option<Leaf>,
    /// Whether it is a branch of a `select!` that is not polled any more: it has ended without a match, or its `if` was false.
    pub disabled: bool,
    /// How many there are alike in a collection: this one and those that stood beside it. One for all others.
    pub count: u64,
    /// The channel that it waits for, of tokio's leaves.
    pub channel: Option<Channel>,
}

/// A channel that is waited for.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Channel {
    /// Where that stands in memory which the ends of the channel share. It tells channels apart.
    pub address: u64,
    /// What holds a sender of this channel, and is held by the waiting task itself: the type and the field. None where there is no such
    /// thing, or it is not certain that the sender is still there.
    pub own_sender: Option<String>,
}

/// What kind of future it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// An `async fn` or `async` block.
    Async,
    /// `tokio::select!`, which has no name, or a future that ends with the first of its children.
    Select,
    /// `tokio::join!` and `tokio::try_join!`, which have no name, or a future that waits for all of its children.
    Join,
    /// A future with a deadline. Its child is the future.
    Timeout,
    /// A future of the user's own, written by hand. Its children are the futures that it holds. Which of them it waits for is not
    /// known.
    Holds,
    /// What everything waits for in the end: see [`AwaitTree::leaf`].
    Leaf,
    /// A closure for the blocking pool.
    Blocking,
    /// A type that is not looked into, or could not be understood.
    Unknown,
}

/// How far a future has come.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum State {
    /// It was never polled.
    Unresumed,
    /// It had not been polled when its memory was copied. Whether it was later is not known. Whoever copies says so: in the memory it looks as
    /// [`State::Unresumed`].
    NotYetPolled,
    /// It is suspended at an await.
    Suspended {
        /// The source file, as the compiler knew it.
        file: String,
        /// The line, counted from one.
        line: u64,
        /// The await stands in a macro of another file: file and line are where the function begins.
        in_macro: bool,
    },
    /// It has returned. The state of a task whose output nobody has taken yet, and of a finished branch.
    Returned,
    /// It has panicked.
    Panicked,
    /// It was aborted, and has been dropped.
    Aborted,
    /// It has ended, and how is not known any more.
    Ended,
    /// There is none: it was taken out of the option that it was in, or was not put there yet.
    Absent,
    /// A blocking closure that has been started.
    Running,
    /// Not known: there is no state to see, its memory is not there, or it makes no sense.
    Unknown,
}

const NOT_YET_POLLED: &str = "not polled yet when it was last looked at";

impl AwaitTree {
    pub(crate) fn new(kind: Kind, type_name: String) -> AwaitTree {
        AwaitTree {
            kind,
            type_name,
            state: State::Unknown,
            children: Vec::new(),
            leaf: None,
            disabled: false,
            count: 1,
            channel: None,
        }
    }

    /// Whether another is the same but for which channel it is and how many there are.
    pub(super) fn is_alike(&self, other: &AwaitTree) -> bool {
        self.kind == other.kind
            && self.type_name == other.type_name
            && self.state == other.state
            && self.children.len() == other.children.len()
            && self
                .children
                .iter()
                .zip(&other.children)
                .all(|(own, other)| own.is_alike(other))
            && self.leaf == other.leaf
            && self.disabled == other.disabled
    }

    /// Changes each source file's name, such as to make it relative to the workspace.
    pub fn map_files(&mut self, rename: &mut dyn FnMut(&str) -> String) {
        if let State::Suspended { file, .. } = &mut self.state {
            *file = rename(file);
        }
        for child in &mut self.children {
            child.map_files(rename);
        }
    }

    pub(super) fn each_channel(&mut self, change: &mut dyn FnMut(&mut Channel)) {
        self.channel.iter_mut().for_each(&mut *change);
        for child in &mut self.children {
            child.each_channel(change);
        }
    }

    /// The tree and everything below, in the order in which it is printed.
    pub fn walk(&self) -> impl Iterator<Item = &AwaitTree> {
        let mut left = vec![self];
        std::iter::from_fn(move || {
            let next = left.pop()?;
            left.extend(next.children.iter().rev());
            Some(next)
        })
    }

    /// What the future is called: its type's name, or `select!` and `join!`, which have none.
    ///
    /// ```
    /// # use leakcheck_audit::awaits::AwaitTree;
    /// fn print(tree: &AwaitTree) {
    ///     println!("{}: {}", tree.title(), tree.condition());
    /// }
    /// ```
    pub fn title(&self) -> &str {
        match self.kind {
            Kind::Select if self.type_name.is_empty() => "select!",
            Kind::Join if self.type_name.is_empty() => "join!",
            _ => &self.type_name,
        }
    }

    /// How far it has come or what it waits for, in words and without the place. Empty where there is nothing to say.
    pub fn condition(&self) -> String {
        let words = match (&self.state, &self.leaf) {
            (State::Unresumed, _) => "never polled".to_owned(),
            (State::NotYetPolled, _) => NOT_YET_POLLED.to_owned(),
            (State::Returned, _) => "returned".to_owned(),
            (State::Panicked, _) => "panicked".to_owned(),
            (State::Aborted, _) => "aborted".to_owned(),
            (State::Ended, _) => "ended".to_owned(),
            (State::Absent, _) => "there is none now".to_owned(),
            (State::Running, _) => "running".to_owned(),
            (_, Some(leaf)) => leaf.to_string(),
            (State::Suspended { in_macro: false, .. }, None) => "suspended".to_owned(),
            (State::Suspended { in_macro: true, .. }, None) => "suspended in a macro, in the function".to_owned(),
            (State::Unknown, None) => match self.kind {
                Kind::Select if self.type_name.is_empty() => String::new(),
                Kind::Join if self.type_name.is_empty() => String::new(),
                Kind::Select => "waits for the first of".to_owned(),
                Kind::Join => "waits for all of".to_owned(),
                Kind::Timeout => "has a deadline".to_owned(),
                Kind::Holds => "holds".to_owned(),
                Kind::Async | Kind::Leaf | Kind::Blocking | Kind::Unknown => "state unknown".to_owned(),
            },
        };
        let words = match self.kind {
            Kind::Blocking => format!("on the blocking pool, {words}"),
            _ => words,
        };
        let mut words = vec![words];
        words.retain(|words| !words.is_empty());
        if self.disabled {
            words.push("(disabled)".to_owned());
        }
        if self.count > 1 {
            words.push(format!("({} alike)", self.count));
        }
        words.join(" ")
    }

    fn line(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nested = matches!(self.kind, Kind::Select | Kind::Join | Kind::Timeout | Kind::Holds);
        to.write_str(self.title())?;
        match self.kind {
            Kind::Select if self.type_name.is_empty() => write!(to, " of")?,
            Kind::Join if self.type_name.is_empty() => write!(to, " of")?,
            Kind::Timeout => write!(to, ", with a deadline, of")?,
            Kind::Holds => write!(to, ", which holds")?,
            Kind::Select => write!(to, ", the first of")?,
            Kind::Join => write!(to, ", all of")?,
            Kind::Blocking => write!(to, "  on the blocking pool")?,
            Kind::Async | Kind::Leaf | Kind::Unknown => {}
        }
        match (&self.state, &self.leaf) {
            (State::Unresumed, _) => write!(to, "  never polled")?,
            (State::NotYetPolled, _) => write!(to, "  {NOT_YET_POLLED}")?,
            (State::Returned, _) => write!(to, "  returned")?,
            (State::Panicked, _) => write!(to, "  panicked")?,
            (State::Aborted, _) => write!(to, "  aborted")?,
            (State::Ended, _) => write!(to, "  ended")?,
            (State::Absent, _) => write!(to, "  there is none now")?,
            (State::Running, _) => write!(to, "  running")?,
            (_, Some(leaf)) => write!(to, "  {leaf}")?,
            (State::Suspended { file, line, in_macro }, _) => {
                let at = if *in_macro {
                    "suspended in a macro, in the function at"
                } else {
                    "suspended at"
                };
                write!(to, "  {at} {file}:{line}")?;
            }
            (State::Unknown, None) if nested => {}
            (State::Unknown, None) => write!(to, "  state unknown")?,
        }
        if self.disabled {
            write!(to, "  (disabled)")?;
        }
        if self.count > 1 {
            write!(to, "  ({} alike)", self.count)?;
        }
        Ok(())
    }
}

/// A line for each future, what it waits for below it and two spaces further in.
impl fmt::Display for AwaitTree {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut left = vec![(self, 0)];
        while let Some((tree, depth)) = left.pop() {
            if depth > 0 {
                writeln!(to)?;
            }
            write!(to, "{:1$}", "", depth * 2)?;
            tree.line(to)?;
            left.extend(tree.children.iter().rev().map(|child| (child, depth + 1)));
        }
        Ok(())
    }
}
