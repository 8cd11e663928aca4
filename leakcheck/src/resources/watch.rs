//! What was there before a test, and what is there after it.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use tokio::runtime::Builder;

use super::blocking::Watched;
use super::fds::{self, Open};
use super::threads;
use crate::check::LONGEST;
use crate::check::Terms;
use crate::registry;
use crate::report::{Report, Resource};

/// How long the check sleeps at first, and at most, between two looks at /proc, which tells of no change by itself.
const SHORTEST_BREATH: Duration = Duration::from_millis(1);
const LONGEST_BREATH: Duration = Duration::from_millis(50);

/// Watches the threads and descriptors of this process during one test.
#[derive(Debug)]
pub(crate) struct Watch {
    threads: Option<(BTreeMap<u32, u64>, Watched)>,
    fds: Option<Open>,
    /// What was opened while the check's own runtime was made.
    of_runtime: Open,
    /// What was open although every task had had its time, while the runtime still ran.
    beside_runtime: Vec<Resource>,
    /// What was asked for and cannot be looked at.
    unchecked: Vec<&'static str>,
}

impl Watch {
    /// To be called before the test's runtime is made.
    pub(crate) fn begin(terms: &Terms) -> Self {
        let mut watch = Self {
            threads: None,
            fds: None,
            of_runtime: Open::new(),
            beside_runtime: Vec::new(),
            unchecked: Vec::new(),
        };
        if !terms.threads && !terms.fds {
            return watch;
        }
        if !cfg!(target_os = "linux") || cfg!(miri) {
            watch.unchecked.extend(terms.threads.then_some("threads"));
            watch.unchecked.extend(terms.fds.then_some("fds"));
            return watch;
        }
        // What tokio opens once a process, as for signals, is opened before it could be taken for the test's.
        drop(Builder::new_current_thread().enable_all().build());
        if terms.threads {
            match threads::live() {
                Ok(live) => watch.threads = Some((live, Watched::new())),
                Err(_) => watch.unchecked.push("threads"),
            }
        }
        if terms.fds {
            match fds::open() {
                Ok(open) => watch.fds = Some(open),
                Err(_) => watch.unchecked.push("fds"),
            }
        }
        watch
    }

    /// The check's own runtime was made just now.
    pub(crate) fn made_runtime(&mut self) {
        if let Some(before) = &self.fds {
            self.of_runtime = fds::new_since(&[before]).unwrap_or_default();
        }
    }

    /// Waits inside of the check's runtime until nothing is open that the test has opened, and its tasks may hold: first
    /// by tokio's clock, then by the wall clock.
    pub(crate) async fn settle_fds(&mut self, terms: &Terms) {
        let Some(before) = &self.fds else { return };
        let grace = terms.grace.min(LONGEST);
        let (begun, wall) = (tokio::time::Instant::now(), Instant::now());
        let mut breath = SHORTEST_BREATH;
        loop {
            let open = fds::new_since(&[before, &self.of_runtime]).unwrap_or_default();
            // Described now: of a socket that is closed nobody knows anything.
            self.beside_runtime = fds::describe(&open);
            if !self
                .beside_runtime
                .iter()
                .any(|resource| is_waited_for(resource, terms))
            {
                return;
            }
            if begun.elapsed() < grace {
                tokio::time::sleep(breath).await;
            } else if wall.elapsed() < grace {
                // A clock that was paused is at its end in a moment, and means nothing to other threads.
                tokio::task::yield_now().await;
                std::thread::sleep(breath);
            } else {
                return;
            }
            breath = (breath * 2).min(LONGEST_BREATH);
        }
    }

    /// Waits until what the test has started and opened is gone, and tells of what is not. To be called when the runtime
    /// is gone.
    pub(crate) fn finish(self, terms: &Terms, report: &mut Report) {
        report.unchecked.extend(self.unchecked.iter().copied());
        let grace = terms.grace.min(LONGEST);
        let begun = Instant::now();
        let mut breath = SHORTEST_BREATH;
        let (threads, open) = loop {
            let (threads, open) = self.left(terms, report);
            let pending = |resource: &Resource| is_waited_for(resource, terms);
            let done = !threads.iter().any(pending) && !fds::describe(&open).iter().any(pending);
            if done || begun.elapsed() >= grace {
                break (threads, open);
            }
            std::thread::sleep(breath);
            breath = (breath * 2).min(LONGEST_BREATH);
        };
        let mut resources = threads;
        resources.extend(fds::describe(&open));
        resources.extend(with_runtime(self.beside_runtime, &open));
        resources.retain(|resource| {
            let rule = terms.rules.iter().find(|rule| rule.matches_resource(resource));
            if let Some(rule) = rule {
                report.count_ignored(rule);
            }
            rule.is_none()
        });
        report.resources = resources;
    }

    fn left(&self, terms: &Terms, report: &mut Report) -> (Vec<Resource>, Open) {
        let leaks = std::mem::take(&mut report.leaks);
        let is_told = |task| leaks.iter().any(|leak| leak.task == task) || is_allowed(task, terms);
        let threads = self
            .threads
            .as_ref()
            .map(|(before, _)| threads::new_since(before, is_told));
        report.leaks = leaks;
        let fds = self
            .fds
            .as_ref()
            .map(|before| fds::new_since(&[before, &self.of_runtime]));
        let mut unchecked = |what| {
            if !report.unchecked.contains(&what) {
                report.unchecked.push(what);
            }
        };
        let threads = threads.unwrap_or(Ok(Vec::new())).unwrap_or_else(|_| {
            unchecked("threads");
            Vec::new()
        });
        let fds = fds.unwrap_or(Ok(Open::new())).unwrap_or_else(|_| {
            unchecked("fds");
            Open::new()
        });
        (threads, fds)
    }
}

/// Whether a rule allows that tracked task to stay.
fn is_allowed(task: u64, terms: &Terms) -> bool {
    registry::live(|live| live.id() == task)
        .iter()
        .any(|task| task.may_stay(&terms.rules))
}

/// For what a rule allows to stay it is not.
fn is_waited_for(resource: &Resource, terms: &Terms) -> bool {
    !terms.rules.iter().any(|rule| rule.matches_resource(resource))
}

/// What is not open any more, and was until the runtime went down: one of its tasks held it.
fn with_runtime(beside: Vec<Resource>, open: &Open) -> impl Iterator<Item = Resource> {
    let gone = |resource: &Resource| open.get(&resource.number) != Some(&resource.target);
    beside
        .into_iter()
        .filter(gone)
        .map(|resource| Resource {
            with_runtime: true,
            help: vec!["end the task that holds it, and wait for the task".to_owned()],
            ..resource
        })
        .collect::<Vec<_>>()
        .into_iter()
}
