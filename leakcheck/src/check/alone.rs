//! A test in a process of its own, where no other test starts threads or opens files.

use std::io::{BufRead, BufReader, Read, Write as _};
use std::path::PathBuf;
use std::process::{Child, Command, ExitCode, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::time::Duration;
use std::{env, fs, io, process, thread};

use super::{Check, Panic};

/// Tells a process which test it was started for, as `<parent's number>:<test>`: what that process starts inherits it, and
/// is not meant.
const TEST: &str = "LEAKCHECK_ALONE";

/// Where that process notes what became of the test: what its harness prints cannot be told from what the test prints.
const NOTE: &str = "LEAKCHECK_ALONE_NOTE";

/// What nextest calls a process for each test.
const NEXTEST: (&str, &str) = ("NEXTEST_EXECUTION_MODE", "process-per-test");

/// The test's output stands between these; what its harness prints around it does not.
const BEGINS: &str = "\u{1}leakcheck: begins\u{1}";
const ENDS: &str = "\u{1}leakcheck: ends\u{1}";

/// What the note says when the test has begun, and when it has ended.
const BEGUN: &str = "begun";
const ENDED: &str = "ended\n";

/// How long the output of a process is waited for that has ended: what it has left behind may keep the pipe open.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// A test that ran in a process of its own.
pub(super) struct Elsewhere {
    test: String,
    status: ExitStatus,
    note: String,
}

/// Why a test could not be run in a process of its own.
#[derive(Debug, thiserror::Error)]
pub(super) enum AloneError {
    #[error("leakcheck: {test} looks at its whole process, and could not be started in one of its own: {source}")]
    NotStarted { test: String, source: io::Error },
    #[error(
        "leakcheck: {test} looks at its whole process, and was started in the one that is for {other}: its harness must \
         run one test alone when it is given `NAME --exact`, as libtest and nextest do"
    )]
    NotAlone { test: String, other: String },
}

/// Runs the test of that check in a process of its own, when it looks at its whole process and has none for itself.
pub(super) fn run(check: &Check) -> Result<Option<Elsewhere>, AloneError> {
    if !looks_at_the_process(check) || env::var(NEXTEST.0).is_ok_and(|mode| mode == NEXTEST.1) {
        return Ok(None);
    }
    match meant() {
        Some(meant) if meant == check.name => {
            note(BEGUN);
            mark(BEGINS);
            return Ok(None);
        }
        Some(other) => {
            return Err(AloneError::NotAlone {
                test: check.name.to_string(),
                other,
            });
        }
        None => {}
    }
    start(&check.name).map(Some).map_err(|source| AloneError::NotStarted {
        test: check.name.to_string(),
        source,
    })
}

fn looks_at_the_process(check: &Check) -> bool {
    let possible = cfg!(feature = "track") && cfg!(target_os = "linux") && !cfg!(miri);
    possible && (check.terms.threads || check.terms.fds)
}

/// The test that this process was started for.
fn meant() -> Option<String> {
    let text = env::var(TEST).ok()?;
    let (parent, test) = text.split_once(':')?;
    (parent.parse() == Ok(parent_id())).then(|| test.to_owned())
}

#[cfg(unix)]
fn parent_id() -> u32 {
    std::os::unix::process::parent_id()
}

#[cfg(not(unix))]
fn parent_id() -> u32 {
    0
}

/// Notes that the test has ended, in the process that was started for it.
pub(super) fn ended(test: &str, panic: Option<&Panic>) {
    if meant().is_some_and(|meant| meant == test) {
        note(&format!(
            "{ENDED}{}",
            panic.and_then(Panic::message).unwrap_or_default()
        ));
        mark(ENDS);
    }
}

fn note(text: &str) {
    // Who waits for it takes a note that is missing for a failure.
    let path = env::var_os(NOTE).unwrap_or_default();
    let _ = fs::write(path, text);
}

fn mark(mark: &str) {
    let mut stdout = io::stdout();
    let _ = writeln!(stdout, "\n{mark}").and_then(|()| stdout.flush());
}

/// The name that the test harness knows the test by: records name a test with its crate in front.
fn name_in_the_harness(test: &str) -> &str {
    test.split_once("::").map_or(test, |(_crate, name)| name)
}

fn start(test: &str) -> io::Result<Elsewhere> {
    static STARTED: AtomicU32 = AtomicU32::new(0);
    let started = STARTED.fetch_add(1, Ordering::Relaxed);
    let path = Note(env::temp_dir().join(format!("leakcheck-{}-{started}", process::id())));
    let child = Command::new(env::current_exe()?)
        .args([name_in_the_harness(test), "--exact", "--nocapture", "--include-ignored"])
        .arg("--test-threads=1")
        .env(TEST, format!("{}:{test}", process::id()))
        .env(NOTE, &path.0)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let status = relay(child)?;
    let note = fs::read_to_string(&path.0).unwrap_or_default();
    Ok(Elsewhere {
        test: test.to_owned(),
        status,
        note,
    })
}

/// A file that is removed with this.
struct Note(PathBuf);

impl Drop for Note {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

enum Event {
    Out(Vec<u8>),
    Err(Vec<u8>),
    Ended(io::Result<ExitStatus>),
}

/// Prints what the process prints, as this test, until it has ended.
fn relay(mut child: Child) -> io::Result<ExitStatus> {
    let (send, events) = mpsc::channel();
    let (out, err) = (child.stdout.take(), child.stderr.take());
    if let Some(out) = out {
        read(out, send.clone(), Event::Out)?;
    }
    if let Some(err) = err {
        read(err, send.clone(), Event::Err)?;
    }
    detach(move || drop(send.send(Event::Ended(child.wait()))))?;
    let (mut status, mut shows) = (None, false);
    loop {
        let event = match &status {
            None => events.recv().map_err(|_| RecvTimeoutError::Disconnected),
            Some(_) => events.recv_timeout(LAST_WORDS),
        };
        match event {
            Ok(Event::Out(line)) => match String::from_utf8_lossy(&line).trim_end() {
                BEGINS => shows = true,
                ENDS => shows = false,
                _ if shows => print!("{}", String::from_utf8_lossy(&line)),
                _ => {}
            },
            Ok(Event::Err(line)) => eprint!("{}", String::from_utf8_lossy(&line)),
            Ok(Event::Ended(how)) => status = Some(how),
            Err(_) => return status.unwrap_or_else(|| Err(io::ErrorKind::BrokenPipe.into())),
        }
    }
}

fn read(pipe: impl Read + Send + 'static, to: Sender<Event>, event: fn(Vec<u8>) -> Event) -> io::Result<()> {
    detach(move || {
        let mut pipe = BufReader::new(pipe);
        let mut line = Vec::new();
        while pipe.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
            if to.send(event(std::mem::take(&mut line))).is_err() {
                return;
            }
        }
    })
}

#[expect(
    clippy::disallowed_methods,
    reason = "it ends with the process that it waits for, or with the pipe that it reads"
)]
fn detach(work: impl FnOnce() + Send + 'static) -> io::Result<()> {
    thread::Builder::new()
        .name("leakcheck-relay".to_owned())
        .spawn(work)
        .map(drop)
}

impl Elsewhere {
    /// Passes on what became of the test: it has judged itself, printed its report and written its line.
    #[track_caller]
    pub(super) fn conclude(self, should_panic: bool) -> ExitCode {
        let Self { test, status, note } = self;
        let message = note.strip_prefix(ENDED);
        match (status.success(), message) {
            (true, Some(message)) if should_panic => Panic(Box::new(message.to_owned())).resume(),
            (true, Some(_)) => ExitCode::SUCCESS,
            (success, message) => {
                let how = match message {
                    Some(_) => format!("failed ({status})"),
                    None if note == BEGUN && success => "ended its process before it was checked".to_owned(),
                    None if note == BEGUN => format!("ended its process: {status}"),
                    None => format!(
                        "was not run: no test is called `{}` there ({status})",
                        name_in_the_harness(&test)
                    ),
                };
                let text = format!("leakcheck: {test}, in a process of its own as it looks at threads or fds, {how}");
                if should_panic {
                    eprintln!("{text}");
                    return ExitCode::FAILURE;
                }
                panic!("{text}")
            }
        }
    }
}
