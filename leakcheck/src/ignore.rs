//! What a check may overlook. Each rule carries its reason.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() {
//! use leakcheck::{TaskTracker, ignore};
//!
//! let tasks = TaskTracker::named("metrics");
//! tasks.spawn_named("flush", std::future::pending::<()>());
//! leakcheck::verify_none_ignoring([ignore::group("metrics", "lives as long as the process")]);
//! # }
//! ```
//!
//! A pattern matches a whole text; a `*` in it stands for any text, also for none. The report counts the tasks that
//! stayed because of a rule, and names each rule that matched nothing.
//!
//! # Rules that a library publishes
//!
//! A library whose tasks outlive a test by design says so once, for all of its users:
//!
//! ```
//! mod my_pool {
//!     use leakcheck::ignore::{self, Rules};
//!
//!     /// What a test may overlook of this library's tasks.
//!     pub fn leakcheck_rules() -> Rules {
//!         ignore::published_by("my-pool", [
//!             ignore::group("my-pool", "one reaper for each process"),
//!             ignore::spawned_by("my_pool::dns::resolver", "the resolver is shared"),
//!         ])
//!     }
//! }
//!
//! // A user's test: #[leakcheck(ignore = my_pool::leakcheck_rules())], or
//! leakcheck::verify_none_ignoring(my_pool::leakcheck_rules());
//! ```
//!
//! Not every user's test has every task of a library, so that a published rule is not told of when it matches nothing.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;

use crate::info::SEPARATOR;
#[cfg(feature = "track")]
use crate::report::{Resource, ResourceKind};

/// A rule that lets tasks outlive a test.
#[must_use = "a rule does nothing until a check is given it"]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ignore {
    subject: Subject,
    pattern: Cow<'static, str>,
    reason: Cow<'static, str>,
    optional: bool,
    publisher: Option<Cow<'static, str>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Subject {
    Name,
    Group,
    File,
    Function,
    TopFunction,
    SpawnedBy,
    Current(Arc<BTreeSet<u64>>),
    Thread,
    Fd,
}

/// Rules that belong together, as a library publishes them. Whatever takes a rule takes them too.
#[must_use = "rules do nothing until a check is given them"]
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rules(Vec<Ignore>);

impl IntoIterator for Rules {
    type Item = Ignore;
    type IntoIter = std::vec::IntoIter<Ignore>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl FromIterator<Ignore> for Rules {
    fn from_iter<I: IntoIterator<Item = Ignore>>(rules: I) -> Self {
        Self(rules.into_iter().collect())
    }
}

impl From<Ignore> for Rules {
    fn from(rule: Ignore) -> Self {
        Self(vec![rule])
    }
}

impl From<Vec<Ignore>> for Rules {
    fn from(rules: Vec<Ignore>) -> Self {
        Self(rules)
    }
}

impl<const N: usize> From<[Ignore; N]> for Rules {
    fn from(rules: [Ignore; N]) -> Self {
        Self(rules.into())
    }
}

/// The rules that a library publishes for its users' tests. Each is [`optional`](Ignore::optional), and the report names
/// the library where one is used.
pub fn published_by(library: impl Into<Cow<'static, str>>, rules: impl IntoIterator<Item = Ignore>) -> Rules {
    let library = library.into();
    let publish = |rule: Ignore| Ignore {
        optional: true,
        publisher: Some(library.clone()),
        ..rule
    };
    rules.into_iter().map(publish).collect()
}

/// Ignores the tasks of that name, in whatever group.
pub fn name(pattern: impl Into<Cow<'static, str>>, reason: impl Into<Cow<'static, str>>) -> Ignore {
    Ignore::new(Subject::Name, pattern, reason)
}

/// Ignores the tasks of the group whose path that is, and of the groups below it.
pub fn group(pattern: impl Into<Cow<'static, str>>, reason: impl Into<Cow<'static, str>>) -> Ignore {
    Ignore::new(Subject::Group, pattern, reason)
}

/// Ignores the tasks that were spawned in that file. The pattern may be the end of its path: `src/pool.rs`.
pub fn file(pattern: impl Into<Cow<'static, str>>, reason: impl Into<Cow<'static, str>>) -> Ignore {
    Ignore::new(Subject::File, pattern, reason)
}

/// Ignores the tasks that wait in that function, or in one that it calls: `my_crate::pool::reap`.
pub fn function(pattern: impl Into<Cow<'static, str>>, reason: impl Into<Cow<'static, str>>) -> Ignore {
    Ignore::new(Subject::Function, pattern, reason)
}

/// Ignores the tasks that wait in that function itself, and not in one that it calls: for whatever such a task waits, it is
/// the innermost function of the user's.
pub fn top_function(pattern: impl Into<Cow<'static, str>>, reason: impl Into<Cow<'static, str>>) -> Ignore {
    Ignore::new(Subject::TopFunction, pattern, reason)
}

/// Ignores the tasks that were spawned in that function: `my_crate::pool::start`, or `my_crate::pool::Pool::start` for a
/// method.
///
/// The function is found by reading the source file of the call that spawned the task. Its path is made of the file's path:
/// modules within a file are not part of it. Where the source is not there to be read, the rule does not match, and the
/// report says so.
pub fn spawned_by(pattern: impl Into<Cow<'static, str>>, reason: impl Into<Cow<'static, str>>) -> Ignore {
    Ignore::new(Subject::SpawnedBy, pattern, reason)
}

/// Ignores the tasks of the whole process that live now, at the time of this call. They are remembered one by one: a task
/// that is spawned later is not ignored, whatever it is called. It is not told of when there was none.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// use leakcheck::{TaskTracker, ignore};
///
/// let shared = TaskTracker::named("shared");
/// shared.spawn(std::future::pending::<()>());
/// let before = ignore::current("the fixture lives as long as the process");
/// // … what is tested …
/// leakcheck::verify_none_ignoring([before]);
/// # }
/// ```
pub fn current(reason: impl Into<Cow<'static, str>>) -> Ignore {
    let tasks = crate::tasks().iter().map(|task| task.id).collect();
    Ignore::new(Subject::Current(Arc::new(tasks)), "", reason).optional()
}

/// Ignores the threads of that name, where a check looks at [`threads`](crate::Check::threads). The kernel cuts a name to
/// 15 bytes: a longer pattern is cut so too.
pub fn thread(pattern: impl Into<Cow<'static, str>>, reason: impl Into<Cow<'static, str>>) -> Ignore {
    Ignore::new(Subject::Thread, pattern, reason)
}

/// Ignores the file descriptors that are so described, or that point there, where a check looks at
/// [`fds`](crate::Check::fds): `TCP listening on *:9092`, `/var/log/*`.
pub fn fd(pattern: impl Into<Cow<'static, str>>, reason: impl Into<Cow<'static, str>>) -> Ignore {
    Ignore::new(Subject::Fd, pattern, reason)
}

impl Ignore {
    fn new(subject: Subject, pattern: impl Into<Cow<'static, str>>, reason: impl Into<Cow<'static, str>>) -> Self {
        Self {
            subject,
            pattern: pattern.into(),
            reason: reason.into(),
            optional: false,
            publisher: None,
        }
    }

    /// The report does not tell of it when it matches nothing.
    pub fn optional(mut self) -> Self {
        self.optional = true;
        self
    }

    pub(crate) fn is_optional(&self) -> bool {
        self.optional
    }

    /// Why.
    #[must_use]
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// What it matches, in words.
    #[must_use]
    pub fn describe(&self) -> String {
        let subject = match &self.subject {
            Subject::Name => "name",
            Subject::Group => "group",
            Subject::File => "spawned in",
            Subject::Function => "waits in",
            Subject::TopFunction => "waits in the very function",
            Subject::SpawnedBy => "spawned by",
            Subject::Current(tasks) => return self.signed(format!("there before, as one of {}", tasks.len())),
            Subject::Thread => "thread",
            Subject::Fd => "fd",
        };
        self.signed(format!("{subject} `{}`", self.pattern))
    }

    fn signed(&self, text: String) -> String {
        match &self.publisher {
            Some(publisher) => format!("{text}, published by {publisher}"),
            None => text,
        }
    }

    /// Whether it matches by what is known of a task before it is asked where it waits. `unread` is called when the source
    /// of the line that spawned it could not be read.
    #[cfg(feature = "track")]
    pub(crate) fn matches_unasked(
        &self,
        task: u64,
        group: &str,
        name: &str,
        (file, line): (&str, u32),
        unread: impl FnOnce(),
    ) -> bool {
        self.matches_identity(group, name, file) || self.matches_origin(task, file, line, unread)
    }

    /// Whether it matches by a task's group, name or file.
    fn matches_identity(&self, group: &str, task: &str, file: &str) -> bool {
        match &self.subject {
            Subject::Name => like(task, &self.pattern),
            Subject::Group => group_and_above(group).any(|path| like(path, &self.pattern)),
            Subject::File => like(file, &self.pattern) || path_ends(file).any(|end| like(end, &self.pattern)),
            Subject::Function
            | Subject::TopFunction
            | Subject::SpawnedBy
            | Subject::Current(_)
            | Subject::Thread
            | Subject::Fd => false,
        }
    }

    /// Whether it matches a thread or a file descriptor.
    #[cfg(feature = "track")]
    pub(crate) fn matches_resource(&self, resource: &Resource) -> bool {
        let is_thread = resource.kind == ResourceKind::Thread;
        match self.subject {
            Subject::Thread => is_thread && like(&resource.target, cut(&self.pattern)),
            Subject::Fd => {
                !is_thread && (like(&resource.target, &self.pattern) || like(&resource.description, &self.pattern))
            }
            _ => false,
        }
    }

    /// Whether it can only be known of a task that was asked where it waits.
    #[cfg(feature = "track")]
    pub(crate) fn needs_waits(&self) -> bool {
        matches!(self.subject, Subject::Function | Subject::TopFunction)
    }

    /// Whether it matches by the task's number, or by the line that spawned it. `unread` is called when the source of that
    /// line could not be read.
    #[cfg(feature = "track")]
    fn matches_origin(&self, task: u64, file: &str, line: u32, unread: impl FnOnce()) -> bool {
        match &self.subject {
            Subject::Current(tasks) => tasks.contains(&task),
            Subject::SpawnedBy => match crate::probe::enclosing(file, line) {
                Some(function) => like(&function, &self.pattern),
                None => {
                    unread();
                    false
                }
            },
            _ => false,
        }
    }

    /// Whether it matches by the functions that a task waits in: for each thing that it waits for, from the innermost
    /// function to the task's own.
    pub(crate) fn matches_waits<'a, W: Iterator<Item = &'a str>>(&self, waits: impl Iterator<Item = W>) -> bool {
        let mut waits = waits.peekable();
        match self.subject {
            Subject::Function => waits.flatten().any(|function| like(function, &self.pattern)),
            Subject::TopFunction => {
                let mut top = |mut wait: W| wait.next().is_some_and(|function| like(function, &self.pattern));
                waits.peek().is_some() && waits.all(&mut top)
            }
            _ => false,
        }
    }
}

/// What the kernel keeps of a thread's name.
#[cfg(feature = "track")]
fn cut(name: &str) -> &str {
    const LONGEST: usize = 15;
    match name.char_indices().find(|(at, c)| at + c.len_utf8() > LONGEST) {
        Some((at, _)) if !name.contains('*') => &name[..at],
        _ => name,
    }
}

/// `a › b › c`, `a › b`, `a`
fn group_and_above(path: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(path), |path| path.rsplit_once(SEPARATOR).map(|(above, _)| above))
}

/// `src/a.rs` and `a.rs` of `x/src/a.rs`
fn path_ends(path: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(path), |path| path.split_once('/').map(|(_, end)| end)).skip(1)
}

/// Whether the whole of `text` is like `pattern`.
fn like(text: &str, pattern: &str) -> bool {
    match pattern.split_once('*') {
        None => text == pattern,
        Some((start, rest)) => text.strip_prefix(start).is_some_and(|text| {
            text.char_indices()
                .map(|(at, _)| at)
                .chain([text.len()])
                .any(|at| like(&text[at..], rest))
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_is_for_the_whole_text() {
        for (text, pattern, expected) in [
            ("manage", "manage", true),
            ("manage", "man", false),
            ("manage", "man*", true),
            ("manage", "*age", true),
            ("manage", "m*n*e", true),
            ("manage", "m*x*e", false),
            ("", "*", true),
            ("", "", true),
            ("ä›b", "*b", true),
        ] {
            assert_eq!(like(text, pattern), expected, "{text} {pattern}");
        }
    }

    #[test]
    fn the_top_function_is_the_innermost_of_every_wait() {
        let matches =
            |rule: &Ignore, waits: &[&[&str]]| rule.matches_waits(waits.iter().map(|wait| wait.iter().copied()));
        let (top, any) = (top_function("a::reap", "r"), function("a::reap", "r"));
        for (waits, by_top, by_any) in [
            (&[&["a::reap", "a::run"][..]][..], true, true),
            (&[&["a::inner", "a::reap"]], false, true),
            (&[&["a::reap"], &["a::reap", "a::run"]], true, true),
            (&[&["a::reap"], &["a::other"]], false, true),
            (&[&[]], false, false),
            (&[], false, false),
        ] {
            assert_eq!(
                (matches(&top, waits), matches(&any, waits)),
                (by_top, by_any),
                "{waits:?}"
            );
        }
    }

    #[test]
    fn published_rules_name_their_library_and_are_optional() {
        let rules: Vec<_> = published_by("pool", [name("a", "r"), name("b", "r")])
            .into_iter()
            .collect();
        assert!(rules.iter().all(Ignore::is_optional));
        assert_eq!(rules[0].describe(), "name `a`, published by pool");
    }

    #[test]
    fn a_rule_for_a_group_holds_for_the_groups_below_it() {
        let rule = group("group:*", "r");
        assert!(rule.matches_identity("group:a › member", "x", ""));
        assert!(!rule.matches_identity("outer › group:a", "x", ""));
        assert!(group("outer › group:a", "r").matches_identity("outer › group:a › deeper", "x", ""));
    }

    #[test]
    fn a_rule_for_a_file_may_name_the_end_of_its_path() {
        let rule = file("src/pool.rs", "r");
        assert!(rule.matches_identity("", "", "a/b/src/pool.rs"));
        assert!(!rule.matches_identity("", "", "a/b/src/carpool.rs"));
        assert!(!rule.matches_identity("", "", "a/b/mysrc/pool.rs"));
    }
}
