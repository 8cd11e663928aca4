//! Which subcommand was asked for.

use std::ffi::OsString;
use std::path::PathBuf;

use lexopt::Parser;

use super::audit::{AuditRequest, audit};
use super::error::ArgumentError;
use super::exec::exec;
use super::judging::Judging;
use super::merge::merge;

/// What was asked for.
#[derive(Debug, Clone, PartialEq)]
pub enum Request {
    /// Print [`HELP`](super::HELP).
    Help,
    /// Print which version this is.
    Version,
    /// Run the tests, or one program.
    Audit(AuditRequest),
    /// Run any command.
    Exec {
        /// The program and its arguments.
        command: Vec<OsString>,
        /// How it is judged and printed.
        judging: Judging,
    },
    /// Put reports together.
    Merge {
        /// Their files.
        reports: Vec<PathBuf>,
        /// How they are judged and printed.
        judging: Judging,
    },
}

impl Request {
    /// Reads the arguments that follow `leak-audit`.
    ///
    /// # Errors
    ///
    /// Where they make no sense.
    pub fn from_arguments(arguments: impl IntoIterator<Item = OsString>) -> Result<Self, ArgumentError> {
        let mut arguments = arguments.into_iter().peekable();
        let first = arguments.peek().and_then(|first| first.to_str()).map(str::to_owned);
        match first.as_deref() {
            Some("exec") => exec(&mut Parser::from_args(arguments.skip(1))),
            Some("merge") => merge(&mut Parser::from_args(arguments.skip(1))),
            _ => audit(&mut Parser::from_args(arguments)),
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::command_line) fn parse(line: &str) -> Result<Request, String> {
        Request::from_arguments(line.split_whitespace().map(OsString::from)).map_err(|error| error.to_string())
    }

    pub(in crate::command_line) fn audit(line: &str) -> AuditRequest {
        match parse(line) {
            Ok(Request::Audit(audit)) => audit,
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn exec_and_merge_have_what_they_work_on() {
        assert!(matches!(
            parse("exec --format json -- cargo test --format x"),
            Ok(Request::Exec { command, .. }) if command == ["cargo", "test", "--format", "x"]
        ));
        assert!(matches!(
            parse("merge a.json --baseline b.toml c.json"),
            Ok(Request::Merge { reports, judging }) if reports.len() == 2 && judging.baseline.is_some()
        ));
        assert_eq!(
            audit("--bin shop --for 2m").run_for,
            Some(std::time::Duration::from_secs(120))
        );
    }

    #[test]
    fn the_version_is_asked_for_as_of_any_program() {
        assert_eq!(parse("--version"), Ok(Request::Version));
        assert_eq!(parse("-V"), Ok(Request::Version));
    }

    #[test]
    fn wrong_arguments_say_what_is_right() {
        for (line, said) in [
            ("closing", "test filters go behind --"),
            ("--format xml", "--format is text, json"),
            ("--no-plant", "invalid option '--no-plant'"),
            ("--package", "missing argument for option '--package'"),
            ("--shard 0/4", "--shard is INDEX/COUNT"),
            ("--shard 5/4", "--shard is INDEX/COUNT"),
            ("--bin a --shard 1/2", "--bin runs a program"),
            ("--for 1s", "--for and --until are for a program"),
            ("--bin a --for 1h", "a duration is"),
            ("--doc --lib", "--doc runs doc tests alone"),
            ("--format text --format json", "one format goes to stdout"),
            ("--reason x", "--reason is for --update-baseline"),
            ("--shard 1/2 --update-baseline", "from all shards"),
            ("--runner cargo", "--runner is libtest or nextest"),
            ("--runner nextest --doc", "nextest has no doc tests"),
            ("--runner nextest --bin a", "--bin runs a program"),
            ("exec", "which command?"),
            ("merge", "which reports?"),
        ] {
            let error = parse(line).expect_err(line);
            assert!(error.contains(said), "{line}: {error}");
            assert!(error.contains("--help"), "{line}: {error}");
        }
    }
}
