//! Running the tests: as `cargo test` does, with the output shown while it comes, and read.

use std::io::{self, PipeReader, Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use crate::build::TestBinary;
use crate::cargo::{Cargo, Selection};
use crate::error::AuditError;
use crate::transcript::{BinaryOutcome, Transcript};

/// Where leakcheck writes its records.
pub const REPORT_DIR: &str = "LEAKCHECK_REPORT_DIR";

/// One run of the selected tests.
#[derive(Debug)]
pub(crate) struct Run<'a> {
    pub(crate) cargo: &'a Cargo,
    pub(crate) selection: &'a Selection,
    /// What was built for this selection.
    pub(crate) binaries: &'a [TestBinary],
    /// Test filters and arguments of the test harness.
    pub(crate) arguments: &'a [String],
    /// Variables to set (or, without a value, to remove) for the tests.
    pub(crate) environment: &'a [(&'a str, Option<&'a str>)],
    /// What makes the tests observed.
    pub(crate) observed: &'a [(&'static str, std::ffi::OsString)],
    /// What makes cargo start the tests through this program.
    pub(crate) runner: &'a [std::ffi::OsString],
    pub(crate) report_dir: &'a Path,
}

impl Run<'_> {
    /// How each binary ended. What cargo and the tests print goes to `live` as it comes.
    ///
    /// # Errors
    ///
    /// When cargo did not run every binary that was built, or failed without naming a failing one.
    pub(crate) fn run(&self, live: &mut dyn Write) -> Result<Vec<BinaryOutcome>, AuditError> {
        let mut command = self.cargo.command("test");
        self.selection.apply(&mut command);
        command.args(self.runner);
        command.arg("--no-fail-fast").arg("--").args(self.arguments);
        command.env(REPORT_DIR, self.report_dir);
        command.envs(self.observed.iter().map(|(name, value)| (name, value)));
        for (name, value) in self.environment {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }

        let mut transcript = Transcript::of(self.binaries);
        let status = run_with_output(command, live, &mut |line, live| {
            if let Some(begun) = transcript.line(line) {
                tell(live, &format!("test program {begun} of {}", self.binaries.len()));
            }
        })?;
        let outcomes = transcript.finish()?;
        if !status.success() && outcomes.iter().all(BinaryOutcome::passed) {
            return Err(AuditError::UnexplainedFailure { status });
        }
        Ok(outcomes)
    }
}

/// What is called with each line that was shown, and with where lines are shown.
pub(crate) type OnLine<'a> = dyn FnMut(&str, &mut dyn Write) + 'a;

/// Says how far the audit is, between what cargo and the tests print. Nobody has to read it.
pub(crate) fn tell(live: &mut dyn Write, text: &str) {
    let _ = writeln!(live, "leak-audit: {text}").and_then(|()| live.flush());
}

/// Runs a command with both its streams in one pipe, so that their order is kept.
pub(crate) fn run_with_output(
    mut command: Command,
    live: &mut dyn Write,
    line: &mut OnLine<'_>,
) -> Result<std::process::ExitStatus, AuditError> {
    let (mut reader, mut writer) = io::pipe().map_err(AuditError::CargoOutput)?;
    let pipe = |writer: &io::PipeWriter| writer.try_clone().map_err(AuditError::CargoOutput);
    command
        .stdin(Stdio::null())
        .stdout(pipe(&writer)?)
        .stderr(pipe(&writer)?);
    let mut child = command.spawn().map_err(AuditError::CargoUnavailable)?;
    // The command holds this process's copies of the pipe's writing end.
    drop(command);

    // A process that a test left behind holds the pipe open, so its end may never come. What ends the reading is a
    // mark that follows everything which was written before cargo exited.
    let mark = format!("\n\u{0}end of the tests run by {}\u{0}\n", std::process::id());
    std::thread::scope(|scope| {
        let waiter = scope.spawn({
            let mark = mark.as_bytes();
            move || {
                let status = child.wait();
                writer.write_all(mark).and(status)
            }
        });
        let read = tee::<PipeReader>(&mut reader, live, Some(mark.as_bytes()), line);
        let status = match waiter.join() {
            Ok(status) => status.map_err(AuditError::CargoOutput)?,
            Err(panic) => std::panic::resume_unwind(panic),
        };
        read.map_err(AuditError::CargoOutput)?;
        Ok(status)
    })
}

/// Copies what `from` gives to `live` as it comes, and calls `line` with each line, up to `mark` or the end.
///
/// A `live` that cannot be written to (a closed terminal) does not stop the reading.
pub(crate) fn tee<R: Read>(
    from: &mut R,
    live: &mut dyn Write,
    mark: Option<&[u8]>,
    line: &mut OnLine<'_>,
) -> io::Result<()> {
    let mut chunk = [0; 8192];
    // What is not shown yet (it may be the beginning of the mark), and the line that is not complete yet.
    let (mut held, mut partial) = (Vec::new(), Vec::new());
    loop {
        let length = match from.read(&mut chunk) {
            Ok(length) => length,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        held.extend_from_slice(&chunk[..length]);
        let marked = mark.and_then(|mark| held.windows(mark.len()).position(|window| window == mark));
        let ended = length == 0 || marked.is_some();
        let ready = match (marked, mark) {
            (Some(position), _) => position,
            (None, Some(mark)) if !ended => held.len() - held_back(&held, mark),
            _ => held.len(),
        };
        // Line by line, so that what is said of a line stands behind it.
        for piece in held[..ready].split_inclusive(|byte| *byte == b'\n') {
            let shown = live.write_all(piece);
            drop(shown);
            partial.extend_from_slice(piece);
            if let Some(complete) = partial.strip_suffix(b"\n") {
                line(String::from_utf8_lossy(complete).trim_end_matches('\r'), live);
                partial.clear();
            }
        }
        let shown = live.flush();
        drop(shown);
        held.drain(..ready);
        if ended {
            if !partial.is_empty() {
                line(&String::from_utf8_lossy(&partial), live);
            }
            return Ok(());
        }
    }
}

/// How many bytes at the end of `held` may be the beginning of `mark`.
fn held_back(held: &[u8], mark: &[u8]) -> usize {
    (1..mark.len().min(held.len() + 1))
        .rev()
        .find(|length| held.ends_with(&mark[..*length]))
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives one byte a read: the worst way to split lines and the mark.
    struct ByteByByte<'a>(&'a [u8]);

    impl Read for ByteByByte<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let length = self.0.len().min(1);
            buffer[..length].copy_from_slice(&self.0[..length]);
            self.0 = &self.0[length..];
            Ok(length)
        }
    }

    fn read(input: &str, mark: Option<&str>) -> (String, Vec<String>) {
        let (mut live, mut lines) = (Vec::new(), Vec::new());
        let read = tee(
            &mut ByteByByte(input.as_bytes()),
            &mut live,
            mark.map(str::as_bytes),
            &mut |line, _| {
                lines.push(line.to_owned());
            },
        );
        assert!(read.is_ok(), "{read:?}");
        (String::from_utf8_lossy(&live).into_owned(), lines)
    }

    #[test]
    fn everything_up_to_the_end_is_shown_and_read() {
        let (live, lines) = read("one\r\ntwo\nthree", None);

        assert_eq!(live, "one\r\ntwo\nthree");
        assert_eq!(lines, ["one", "two", "three"]);
    }

    #[test]
    fn what_is_said_of_a_line_stands_behind_it_though_more_has_come() {
        let mut live = Vec::new();
        let read = tee(&mut "one\ntwo\nthr".as_bytes(), &mut live, None, &mut |line, live| {
            tell(live, line);
        });
        assert!(read.is_ok(), "{read:?}");
        let expected = "one\nleak-audit: one\ntwo\nleak-audit: two\nthrleak-audit: thr\n";
        assert_eq!(String::from_utf8_lossy(&live), expected);
    }

    #[test]
    fn nothing_after_the_mark_is_shown_or_read() {
        let (live, lines) = read(
            "one\ntwo\n\0end\0\nfrom a process that was left behind\n",
            Some("\n\0end\0\n"),
        );

        assert_eq!(live, "one\ntwo");
        assert_eq!(lines, ["one", "two"]);
    }

    #[test]
    fn what_only_begins_like_the_mark_is_shown() {
        let (live, _) = read("one\n\0en", Some("\n\0end\0\n"));

        assert_eq!(live, "one\n\0en");
    }

    #[cfg(unix)]
    #[test]
    fn a_process_that_keeps_the_pipe_open_does_not_hold_the_run_up() {
        // The inner `cat` waits until somebody opens the pipe for writing, and so outlives its parent.
        let directory = tempfile::tempdir().expect("a directory");
        let fifo = directory.path().join("fifo");
        assert!(
            Command::new("mkfifo")
                .arg(&fifo)
                .status()
                .is_ok_and(|status| status.success())
        );
        let mut command = Command::new("sh");
        command.args(["-c", "cat \"$0\" & echo done"]).arg(&fifo);
        let (mut live, mut lines) = (Vec::new(), Vec::new());

        let status = run_with_output(command, &mut live, &mut |line, _| lines.push(line.to_owned()));

        assert!(status.is_ok_and(|status| status.success()));
        assert_eq!(lines, ["done"]);
        std::fs::write(&fifo, "the end").expect("the process that was left behind reads");
    }
}
