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

use std::borrow::Cow;

use crate::info::SEPARATOR;

/// A rule that lets tasks outlive a test.
#[must_use = "a rule does nothing until a check is given it"]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ignore {
    subject: Subject,
    pattern: Cow<'static, str>,
    reason: Cow<'static, str>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Subject {
    Name,
    Group,
    File,
    Function,
}

/// Ignores the tasks of that name, in whatever group.
pub fn name(pattern: impl Into<Cow<'static, str>>, reason: impl Into<Cow<'static, str>>) -> Ignore {
    Ignore {
        subject: Subject::Name,
        pattern: pattern.into(),
        reason: reason.into(),
    }
}

/// Ignores the tasks of the group whose path that is, and of the groups below it.
pub fn group(pattern: impl Into<Cow<'static, str>>, reason: impl Into<Cow<'static, str>>) -> Ignore {
    Ignore {
        subject: Subject::Group,
        pattern: pattern.into(),
        reason: reason.into(),
    }
}

/// Ignores the tasks that were spawned in that file. The pattern may be the end of its path: `src/pool.rs`.
pub fn file(pattern: impl Into<Cow<'static, str>>, reason: impl Into<Cow<'static, str>>) -> Ignore {
    Ignore {
        subject: Subject::File,
        pattern: pattern.into(),
        reason: reason.into(),
    }
}

/// Ignores the tasks that wait in that function, or in one that it calls: `my_crate::pool::reap`.
pub fn function(pattern: impl Into<Cow<'static, str>>, reason: impl Into<Cow<'static, str>>) -> Ignore {
    Ignore {
        subject: Subject::Function,
        pattern: pattern.into(),
        reason: reason.into(),
    }
}

impl Ignore {
    /// Why.
    #[must_use]
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// What it matches, in words.
    #[must_use]
    pub fn describe(&self) -> String {
        let subject = match self.subject {
            Subject::Name => "name",
            Subject::Group => "group",
            Subject::File => "spawned in",
            Subject::Function => "waits in",
        };
        format!("{subject} `{}`", self.pattern)
    }

    /// Whether it matches by what is known of a task before it is asked where it waits.
    pub(crate) fn matches_identity(&self, group: &str, task: &str, file: &str) -> bool {
        match self.subject {
            Subject::Name => like(task, &self.pattern),
            Subject::Group => group_and_above(group).any(|path| like(path, &self.pattern)),
            Subject::File => like(file, &self.pattern) || path_ends(file).any(|end| like(end, &self.pattern)),
            Subject::Function => false,
        }
    }

    /// Whether it can only be known of a task that was asked where it waits.
    pub(crate) fn needs_waits(&self) -> bool {
        self.subject == Subject::Function
    }

    /// Whether it matches by a function that a task waits in.
    pub(crate) fn matches_function(&self, function: &str) -> bool {
        self.subject == Subject::Function && like(function, &self.pattern)
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
