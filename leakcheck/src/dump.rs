//! A live view: what runs right now, in production too.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::time::Duration;

use crate::info::TaskInfo;
use crate::registry;
use crate::report::{Frame, Wait, age, count};

/// So many tasks that one line spawned are shown one by one in a group.
const SHOWN: usize = 20;

/// Every tracked task of this process as it is right now. Works anywhere: in and out of runtimes, tests and production.
///
/// No task is polled or woken for it, and no lock is held that a task would wait for longer than its spawn takes. It says
/// how each task lives, and not where it waits: [`ask`](Dump::ask) finds that out, at the price of a poll.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// use std::time::Duration;
///
/// let tasks = leakcheck::TaskTracker::named("server");
/// tasks.group("connection").spawn_named("127.0.0.1:51234", std::future::pending::<()>());
/// tokio::task::yield_now().await;
///
/// // What an endpoint for operators would answer:
/// let dump = leakcheck::dump().ask(Duration::from_millis(100)).await;
/// println!("{dump}");
/// # #[cfg(feature = "track")]
/// assert_eq!(dump.tasks[0].info.to_string(), "connection › 127.0.0.1:51234");
/// # }
/// ```
///
/// It prints as a tree of groups and their tasks:
///
/// ```text
/// 3 tasks in 2 groups
/// connection
///   127.0.0.1:51234  alive 3.20 s, polled 17 times, last 0.40 s ago
///                    waiting at src/connection.rs:80 for TcpStream read
///   127.0.0.1:51236  alive 1.07 s, polled 4 times, last 0.99 s ago
/// group:orders
///   manage           alive 9.81 s, polled 44 times, being polled
/// ```
///
/// Without the feature `track` no task is known, and it says so.
#[must_use]
pub fn dump() -> Dump {
    Dump {
        tracked: cfg!(feature = "track"),
        tasks: registry::tasks()
            .into_iter()
            .map(|info| Dumped { info, waits: None })
            .collect(),
    }
}

/// Every tracked task of the process at one moment. Made by [`dump`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Dump {
    /// Whether tasks are tracked at all, that is, whether leakcheck was built with its feature `track`.
    pub tracked: bool,
    /// In the order in which they were spawned.
    pub tasks: Vec<Dumped>,
}

/// A task in a [`Dump`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Dumped {
    /// Who it is, and how it has lived so far.
    pub info: TaskInfo,
    /// Where it waits. `None` when it was not asked, or has not answered in time.
    pub waits: Option<Waits>,
}

/// Where a task waits.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Waits {
    /// The user's line that waits: the `select!` or `join!` when it waits for several things at once.
    pub at: Option<Frame>,
    /// How many branches the `select!` there has.
    pub select: Option<usize>,
    /// What it waits for: one entry for each branch that does.
    pub branches: Vec<Wait>,
}

impl fmt::Display for Waits {
    /// `src/server.rs:13 for mpsc::Receiver::recv`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let leaves: Vec<_> = self.branches.iter().map(|branch| branch.leaf.as_str()).collect();
        let leaves = leaves.join(if self.select.is_some() { " or " } else { ", " });
        match &self.at {
            _ if leaves.is_empty() => f.write_str("nothing that would ever wake it"),
            Some(at) => write!(f, "{at} for {leaves}"),
            None => f.write_str(&leaves),
        }
    }
}

impl Dump {
    /// Finds out where tasks wait, as a check does of leaks: each that is asked is polled once more than it would have
    /// been, which every future must allow for. Takes the time that the tasks need to answer, and no more than `limit`,
    /// by the wall clock; one that does not answer, as its thread is blocked, goes without.
    ///
    /// Of more than two hundred tasks some of each line that spawned them are asked. Tasks that run when the dump was made
    /// and have ended since keep their entries.
    ///
    /// It blocks no thread. In a test with a paused clock, time may move on meanwhile.
    pub async fn ask(mut self, limit: Duration) -> Self {
        #[cfg(feature = "track")]
        live::ask(&mut self, limit).await;
        #[cfg(not(feature = "track"))]
        let _ = limit;
        self.tracked = cfg!(feature = "track");
        self
    }

    /// Tells the tasks to `tracing`: one event each, of level debug and with the target `leakcheck`. Its fields are
    /// `task`, `group`, `name`, `alive_ms`, `polls`, `last_poll_ms`, `polling`, and, where they are known, `parent` and
    /// `waiting_at`.
    #[cfg(feature = "tracing")]
    pub fn emit(&self) {
        for Dumped { info, waits } in &self.tasks {
            let milliseconds = |duration: Duration| duration.as_secs_f64() * 1e3;
            tracing::debug!(
                target: "leakcheck",
                task = info.id,
                group = &*info.group,
                name = info.name.as_str(),
                alive_ms = milliseconds(info.alive),
                polls = info.polls,
                last_poll_ms = info.last_poll.map(milliseconds),
                polling = info.polling,
                parent = info.parent.as_ref().map(tracing::field::display),
                waiting_at = waits.as_ref().map(tracing::field::display),
                "alive",
            );
        }
    }

    /// The tasks of each group, by its path.
    fn groups(&self) -> BTreeMap<&str, Vec<&Dumped>> {
        let mut groups: BTreeMap<&str, Vec<&Dumped>> = BTreeMap::new();
        for task in &self.tasks {
            groups.entry(&task.info.group).or_default().push(task);
        }
        groups
    }
}

impl fmt::Display for Dump {
    /// Groups, and in each its tasks. Of a line that spawned many in a group the first ones are shown, and the number of
    /// the others.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.tracked {
            return f.write_str("nothing is known: leakcheck was built without its feature `track`\n");
        }
        let groups = self.groups();
        writeln!(
            f,
            "{} in {}",
            count(self.tasks.len(), "task"),
            count(groups.len(), "group")
        )?;
        for (path, tasks) in groups {
            let path = if path.is_empty() { "(no group)" } else { path };
            writeln!(f, "{path}")?;
            write_group(f, &tasks)?;
        }
        Ok(())
    }
}

fn write_group(f: &mut fmt::Formatter<'_>, tasks: &[&Dumped]) -> fmt::Result {
    let mut of_line: HashMap<_, (usize, &Dumped)> = HashMap::new();
    let mut shown: Vec<&Dumped> = Vec::new();
    for task in tasks {
        let (number, _) = of_line.entry(task.info.spawned_at).or_insert((0, task));
        *number += 1;
        if *number <= SHOWN {
            shown.push(task);
        }
    }
    let names = shown.iter().map(|task| task.info.name.chars().count());
    let width = names.max().unwrap_or(0).min(40);
    for task in shown {
        let Dumped { info, waits } = task;
        writeln!(f, "  {:<width$}  {}", info.name, life(info))?;
        if let Some(waits) = waits {
            writeln!(f, "  {:<width$}  waiting at {waits}", "")?;
        }
    }
    let mut more: Vec<_> = of_line.into_values().filter(|(number, _)| *number > SHOWN).collect();
    more.sort_by_key(|(_, first)| first.info.id);
    for (number, first) in more {
        let place = crate::report::Place::from(first.info.spawned_at);
        writeln!(f, "  and {} more that {place} spawned", count(number - SHOWN, "task"))?;
    }
    Ok(())
}

fn life(info: &TaskInfo) -> String {
    let polled = match (info.polls, info.last_poll) {
        (0, _) | (_, None) => "never polled".to_owned(),
        (polls, Some(_)) if info.polling => format!("polled {}, being polled", count(polls as usize, "time")),
        (polls, Some(ago)) => format!("polled {}, last {} ago", count(polls as usize, "time"), age(ago)),
    };
    format!("alive {}, {polled}", age(info.alive))
}

#[cfg(feature = "track")]
pub(crate) mod live {
    use std::collections::HashSet;
    use std::sync::Arc;
    use std::time::Duration;

    use super::{Dump, Waits};
    use crate::info::TaskKind;
    use crate::probe::{self, Answer};
    use crate::registry;
    use crate::settle::Alarm;
    use crate::task::Task;

    pub(super) async fn ask(dump: &mut Dump, limit: Duration) {
        let known: HashSet<u64> = dump.tasks.iter().map(|task| task.info.id).collect();
        let tasks = registry::live(|task| task.kind != TaskKind::Blocking && known.contains(&task.id()));
        let chosen = probe::choose(&tasks);
        let asked: Vec<Arc<Task>> = tasks
            .into_iter()
            .zip(chosen)
            .filter_map(|(task, chosen)| chosen.then_some(task))
            .collect();
        if asked.is_empty() {
            return;
        }
        let answers = probe::ask_by_the_way(&asked, Alarm::after(limit)).await;
        for (task, answer) in asked.iter().zip(answers) {
            let Answer::Waits(traces) = answer else { continue };
            let entry = dump.tasks.binary_search_by_key(&task.id(), |task| task.info.id);
            if let Ok(entry) = entry {
                let places = probe::read(&traces);
                dump.tasks[entry].waits = Some(Waits {
                    at: places.at,
                    select: places.select,
                    branches: places.waits,
                });
            }
        }
    }
}
