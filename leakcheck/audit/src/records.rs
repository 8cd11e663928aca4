//! The JSON lines that leakcheck writes, one for each finished check.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// The schema that this audit reads. Fields may be added under the same number; a change of meaning raises it.
pub const SCHEMA: u64 = 1;

/// What one check found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// The test's path, with its crate's name in front: `kfake::group::tests::closing_ends_every_group`.
    pub test: String,
    /// The package that cargo ran the test for, if it was cargo that ran it.
    pub package: Option<String>,
    /// The test binary's file name without its hash.
    pub binary: String,
    /// Whether a task outlived the test.
    pub verdict: CheckVerdict,
    /// How the test's own body ended.
    pub body: Body,
    /// How many rounds the check settled before it looked.
    pub rounds: u64,
    /// How long it settled, in milliseconds of the test's clock.
    pub settled_ms: f64,
    /// The tasks of the test, by group, name and spawn site.
    pub sites: Vec<Site>,
    /// The tasks that outlived it.
    pub leaks: Vec<Leak>,
    /// The rules by which tasks were overlooked.
    pub ignored: Vec<Ignored>,
    /// The tasks that no tracker saw, where there were any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub untracked: Option<Untracked>,
    /// The tracked tasks that panicked while nobody awaited them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub panics: Vec<Panic>,
    /// What the test waited for, when its body did not end in time.
    #[serde(default)]
    pub hung: Option<Hung>,
    /// The threads and file descriptors that the test left behind.
    #[serde(default)]
    pub resources: Vec<Resource>,
    /// How the runs went of a test that was repeated.
    #[serde(default)]
    pub repeated: Option<Repeated>,
}

impl Record {
    /// Whether tasks that no tracker saw failed the test.
    #[must_use]
    pub fn denies_untracked(&self) -> bool {
        self.untracked.as_ref().is_some_and(|untracked| untracked.denied)
    }

    /// The panics that failed the test.
    pub fn denied_panics(&self) -> impl Iterator<Item = &Panic> {
        self.panics.iter().filter(|panic| panic.denied)
    }

    /// What the verdict has to be by what else the record says.
    fn verdict_by_findings(&self) -> CheckVerdict {
        if self.hung.is_some() {
            CheckVerdict::Hung
        } else if !self.leaks.is_empty() || !self.resources.is_empty() || self.denies_untracked() {
            CheckVerdict::Leaked
        } else if self.denied_panics().next().is_some() {
            CheckVerdict::Panicked
        } else {
            CheckVerdict::Clean
        }
    }
}

/// Tasks that no tracker saw and that were there when the test was over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Untracked {
    /// How many.
    pub count: u64,
    /// How that is known: `counted`, `named` or `exact`.
    pub known: String,
    /// Whether they failed the test.
    pub denied: bool,
    /// Those whose spawn is known.
    pub spawned: Vec<UntrackedSpawn>,
}

/// Tasks that no tracker saw and that the same calls spawned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UntrackedSpawn {
    /// How they run: `async`, `local` or `blocking`.
    pub kind: String,
    /// How many there are.
    pub count: u64,
    /// The user's functions, innermost first.
    pub frames: Vec<WaitingAt>,
}

/// A tracked task that panicked while nobody awaited it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Panic {
    /// The task's number in its process.
    pub task: u64,
    /// The path of its groups, outermost first.
    pub group: String,
    /// Its own name.
    pub name: String,
    /// How it ran: `async`, `local` or `blocking`.
    pub kind: String,
    /// The line that spawned it.
    pub spawned_at: Place,
    /// The tracked task that spawned it.
    pub parent: Option<Parent>,
    /// What it panicked with, when that was a text.
    pub message: Option<String>,
    /// Whether nobody can ever see the panic.
    pub detached: bool,
    /// Whether it failed the test.
    pub denied: bool,
}

/// What a test waited for that did not end in time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Hung {
    /// How long it had, in milliseconds of the wall clock.
    pub timeout_ms: f64,
    /// Its body, then every tracked task.
    pub tasks: Vec<Leak>,
}

/// A thread or a file descriptor that outlived its test.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Resource {
    /// What it is, in one word: `thread`, `file`, `tcp` …
    pub kind: String,
    /// What it is, in words.
    pub description: String,
}

/// How the runs of one test went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Repeated {
    /// How many there were.
    pub runs: u32,
    /// The numbers of those that failed, counted from 1.
    pub failed: Vec<u32>,
    /// The seed of all of them.
    pub seed: u64,
}

/// A check's own verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckVerdict {
    /// No task outlived the test.
    Clean,
    /// At least one did, or a thread or a file descriptor.
    Leaked,
    /// None did, but a tracked task panicked and nobody awaited it.
    Panicked,
    /// The test did not end in time.
    Hung,
    /// Nobody looked: leakcheck was built without its feature `track`.
    Unchecked,
}

/// How the body of a test ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Body {
    /// It returned.
    Passed,
    /// It panicked.
    Panicked,
    /// It returned an error.
    Error,
    /// It did not end in time.
    Hung,
}

/// A place in a source file.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Place {
    /// The file as the compiler named it.
    pub file: String,
    /// Counted from 1.
    pub line: u32,
    /// Counted from 1.
    pub column: u32,
}

/// The tasks of one group and name that one line spawned, and how they ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Site {
    /// The path of the groups, outermost first.
    pub group: String,
    /// The task's own name.
    pub name: String,
    /// The line that spawned it.
    pub spawned_at: Place,
    /// How many tasks there were, and how each ended.
    #[serde(flatten)]
    pub ends: Ends,
    /// How long those took to end that ended after they were told to stop.
    #[serde(default)]
    pub stopping: Option<Stopping>,
}

/// How long tasks took to end once their token was cancelled, by the wall clock.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Stopping {
    /// How many tasks that is.
    pub count: u64,
    /// Half of them took no longer, in milliseconds.
    pub p50_ms: f64,
    /// Ninety-nine in a hundred took no longer.
    pub p99_ms: f64,
    /// The longest.
    pub worst_ms: f64,
    /// How many took how long, in ascending order.
    pub buckets: Vec<Bucket>,
}

/// Some of the durations of a [`Stopping`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bucket {
    /// No more microseconds than this, and more than the bucket before says.
    pub up_to_us: u64,
    /// How many.
    pub count: u64,
}

impl std::ops::AddAssign<&Stopping> for Stopping {
    fn add_assign(&mut self, other: &Self) {
        let mut buckets = BTreeMap::<u64, u64>::new();
        for bucket in self.buckets.iter().chain(&other.buckets) {
            let count = buckets.entry(bucket.up_to_us).or_default();
            *count = count.saturating_add(bucket.count);
        }
        self.buckets = buckets
            .into_iter()
            .map(|(up_to_us, count)| Bucket { up_to_us, count })
            .collect();
        let counts = self.buckets.iter().map(|bucket| bucket.count);
        self.count = counts.fold(0, u64::saturating_add);
        self.worst_ms = self.worst_ms.max(other.worst_ms);
        self.p50_ms = self.percentile(50);
        self.p99_ms = self.percentile(99);
    }
}

impl Stopping {
    /// In milliseconds: the bound of the bucket that it lies in, or the longest duration where that is less.
    fn percentile(&self, of_a_hundred: u64) -> f64 {
        let rank = (u128::from(self.count) * u128::from(of_a_hundred)).div_ceil(100);
        let mut passed = 0;
        let bucket = self.buckets.iter().find(|bucket| {
            passed += u128::from(bucket.count);
            passed >= rank
        });
        bucket.map_or(self.worst_ms, |bucket| {
            (bucket.up_to_us as f64 / 1e3).min(self.worst_ms)
        })
    }
}

/// How many tasks there were, and how they ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ends {
    /// All of them.
    pub seen: u64,
    /// Returned before they were told to stop.
    pub returned: u64,
    /// Returned after they were told to stop.
    pub cancelled: u64,
    /// Aborted through their handle.
    pub aborted: u64,
    /// Panicked.
    pub panicked: u64,
    /// Dropped with their runtime.
    pub dropped: u64,
    /// Still alive when the test was over.
    pub leaked: u64,
}

impl std::ops::AddAssign for Ends {
    fn add_assign(&mut self, other: Self) {
        self.seen = self.seen.saturating_add(other.seen);
        self.returned = self.returned.saturating_add(other.returned);
        self.cancelled = self.cancelled.saturating_add(other.cancelled);
        self.aborted = self.aborted.saturating_add(other.aborted);
        self.panicked = self.panicked.saturating_add(other.panicked);
        self.dropped = self.dropped.saturating_add(other.dropped);
        self.leaked = self.leaked.saturating_add(other.leaked);
    }
}

/// One task that outlived its test.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Leak {
    /// The task's number in its process.
    pub task: u64,
    /// The path of its groups, outermost first.
    pub group: String,
    /// Its own name.
    pub name: String,
    /// The line that spawned it.
    pub spawned_at: Place,
    /// The tracked task that spawned it.
    pub parent: Option<Parent>,
    /// Its age in milliseconds.
    pub alive_ms: f64,
    /// How often it was polled.
    pub polls: u64,
    /// How long ago it was last polled, in milliseconds.
    pub last_poll_ms: Option<f64>,
    /// How long all its polls took, in milliseconds.
    pub busy_ms: f64,
    /// What it was doing.
    pub state: State,
    /// The line of the user's code that it waits at.
    pub waiting_at: Option<WaitingAt>,
    /// The number of branches, where it waits in a `select!`.
    pub select: Option<u32>,
    /// What it waits for: one for each branch.
    pub branches: Vec<Branch>,
    /// What would help.
    pub help: Vec<String>,
}

/// What a leaked task was doing when it was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It waits, and said where.
    Waiting,
    /// It did not answer: its thread is blocked, or nobody drives its runtime.
    Silent,
    /// It runs on a blocking thread.
    Blocking,
    /// It was dropped with its runtime. Its tracker's token had not been cancelled, and no abort had taken effect.
    Dropped,
    /// It was not asked: there were thousands, of which some of each line that spawned them stood for the others.
    Unasked,
}

/// The task that spawned another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parent {
    /// Its number in its process.
    #[serde(default)]
    pub task: Option<u64>,
    /// The path of its groups.
    pub group: String,
    /// Its own name.
    pub name: String,
}

/// The line of the user's code that a task waits at.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct WaitingAt {
    /// The function.
    pub function: String,
    /// The file as the compiler named it.
    pub file: String,
    /// Counted from 1.
    pub line: u32,
}

/// One thing that a task waits for.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Branch {
    /// The primitive: `mpsc::Receiver::recv`, `Sleep` …
    pub leaf: String,
    /// The branch's own line, where it is known.
    pub line: Option<u32>,
    /// The user's functions, innermost first.
    pub frames: Vec<WaitingAt>,
}

/// A rule by which tasks were overlooked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ignored {
    /// Why.
    pub reason: String,
    /// How many tasks it matched.
    pub matched: u64,
}

/// Why what leakcheck wrote cannot be read. Each names the file, and the line counted from 1.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecordError {
    /// A file or the directory could not be read.
    #[error("cannot read the records in {}: {source}", path.display())]
    Unreadable {
        /// What was being read.
        path: PathBuf,
        /// Why it failed.
        source: std::io::Error,
    },
    /// The line is not a record: cut short, or not of this shape.
    #[error("{}:{line}: not a record: {source}", path.display())]
    Broken {
        /// The file.
        path: PathBuf,
        /// The line.
        line: usize,
        /// What the parser says.
        source: serde_json::Error,
    },
    /// The line is of a schema that this audit does not know.
    #[error("{}:{line}: schema {found}, but this audit reads schema {SCHEMA}: use the leak-audit of the same release as leakcheck", path.display())]
    UnknownSchema {
        /// The file.
        path: PathBuf,
        /// The line.
        line: usize,
        /// The schema it has.
        found: u64,
    },
    /// The line's verdict is not what its own findings say.
    #[error("{}:{line}: contradicts itself: the verdict is {verdict:?}, with {leaks} leaked tasks listed", path.display())]
    Contradiction {
        /// The file.
        path: PathBuf,
        /// The line.
        line: usize,
        /// The verdict it gives.
        verdict: CheckVerdict,
        /// The leaks it lists.
        leaks: usize,
    },
}

/// What a report directory holds.
#[derive(Debug, Default)]
pub struct Records {
    /// The records that can be read, in the order of file name and line.
    pub records: Vec<Record>,
    /// What cannot.
    pub errors: Vec<RecordError>,
}

/// Reads every `.jsonl` file of a report directory. A directory that does not exist holds no records.
///
/// An error does not end the reading: a leak in one file counts although another file is broken.
///
/// ```
/// let records = leakcheck_audit::records::read(std::path::Path::new("no such directory"));
/// assert!(records.records.is_empty() && records.errors.is_empty());
/// ```
#[must_use]
pub fn read(directory: &Path) -> Records {
    let mut found = Records::default();
    match files(directory) {
        Ok(files) => files.iter().for_each(|file| read_file(file, &mut found)),
        Err(source) => found.errors.push(RecordError::Unreadable {
            path: directory.to_owned(),
            source,
        }),
    }
    found
}

fn files(directory: &Path) -> std::io::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut files = entries
        .map(|entry| Ok(entry?.path()))
        .collect::<std::io::Result<Vec<_>>>()?;
    files.retain(|path| path.extension().is_some_and(|extension| extension == "jsonl"));
    files.sort();
    Ok(files)
}

fn read_file(path: &Path, found: &mut Records) {
    // Bytes, not a string: one line that is not UTF-8 is one broken line.
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(source) => {
            return found.errors.push(RecordError::Unreadable {
                path: path.to_owned(),
                source,
            });
        }
    };
    for (index, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
        if line.is_empty() {
            continue;
        }
        match parse(path, index + 1, line) {
            Ok(record) => found.records.push(record),
            Err(error) => found.errors.push(error),
        }
    }
}

/// One line. `path` and `number` are for the error.
fn parse(path: &Path, number: usize, line: &[u8]) -> Result<Record, RecordError> {
    #[derive(Deserialize)]
    struct Header {
        schema: u64,
    }

    let path = || path.to_owned();
    let broken = |source| RecordError::Broken {
        path: path(),
        line: number,
        source,
    };
    // The number first: a line of another schema is allowed to have another shape.
    let Header { schema: found } = serde_json::from_slice(line).map_err(broken)?;
    if found != SCHEMA {
        return Err(RecordError::UnknownSchema {
            path: path(),
            line: number,
            found,
        });
    }
    let record: Record = serde_json::from_slice(line).map_err(broken)?;
    let findings = record.verdict_by_findings();
    let unchecked = record.verdict == CheckVerdict::Unchecked && findings == CheckVerdict::Clean;
    if record.verdict != findings && !unchecked {
        return Err(RecordError::Contradiction {
            path: path(),
            line: number,
            verdict: record.verdict,
            leaks: record.leaks.len(),
        });
    }
    Ok(record)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A record says what it likes.
    #[test]
    fn counts_that_are_too_much_together_are_the_most_that_there_can_be() {
        let most = Bucket {
            up_to_us: 1000,
            count: u64::MAX,
        };
        let mut stopping = Stopping {
            buckets: vec![most],
            worst_ms: 5.0,
            ..Stopping::default()
        };
        let slower = Stopping {
            buckets: vec![Bucket { up_to_us: 2000, ..most }],
            ..stopping.clone()
        };
        stopping += &slower;
        assert_eq!((stopping.count, stopping.p50_ms, stopping.p99_ms), (u64::MAX, 1.0, 1.0));

        let mut ends = Ends {
            seen: u64::MAX,
            leaked: u64::MAX,
            ..Ends::default()
        };
        ends += ends;
        assert_eq!((ends.seen, ends.leaked, ends.returned), (u64::MAX, u64::MAX, 0));
    }
}
