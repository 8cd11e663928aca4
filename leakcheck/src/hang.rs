//! Tests that do not end in time: where the body waits, and what each task waits for.

use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use crate::check::LONGEST;
use crate::check::Limit;
use crate::info::{TaskInfo, TaskKind};
use crate::panics;
use crate::probe::{self, Answer, Places, lend};
use crate::report::{Body, Hung, Leak, LeakState, Report};
use crate::scope::{Begun, Scope};
use crate::task::nanos;
use crate::verify::{Found, answer, end_process, leak, sites, to_ask};
use crate::watchdog::{Leash, Watchdog};

impl Begun {
    /// Polls the body to its end, or says what it waits for when its time is over.
    pub(crate) async fn limited<F: Future>(&self, limit: Limit, body: F) -> Result<F::Output, Box<Report>> {
        let Some(timeout) = limit.timeout else {
            return Ok(body.await);
        };
        let mut body = Box::pin(body);
        let watched = Arc::new(Watched::new(self.scope.clone(), timeout, limit));
        let bell = Arc::new(Notify::new());
        let rings = bell.clone();
        let at_stall = watched.clone();
        let watchdog = Watchdog::over(
            timeout.min(LONGEST),
            move |_| rings.notify_one(),
            move |leash, _| at_stall.end(leash),
        );
        let mut rang = pin!(bell.notified());
        let ended = poll_fn(|cx| match watched.poll(|| body.as_mut().poll(cx)) {
            Poll::Ready(value) => Poll::Ready(Some(value)),
            Poll::Pending => rang.as_mut().poll(cx).map(|()| None),
        });
        if let Some(value) = ended.await {
            return Ok(value);
        }
        watchdog.beat();
        let info = watched.info();
        let asked = poll_fn(|cx| {
            let (polled, traces) = lend(cx.waker(), |waker| body.as_mut().poll(&mut Context::from_waker(waker)));
            Poll::Ready(match polled {
                Poll::Ready(value) => Ok(value),
                Poll::Pending => Err(traces),
            })
        });
        let places = match asked.await {
            Ok(value) => return Ok(value),
            Err(traces) => probe::read(&traces),
        };
        watchdog.beat();
        let mut found: Vec<Found> = self.scope.tasks().into_iter().map(Found::new).collect();
        let answers = probe::ask(&to_ask(&found), probe::Asker::Check, || watchdog.beat()).await;
        answer(&mut found, answers);
        // What its destructors do must not hide what it waited for.
        drop(catch_unwind(AssertUnwindSafe(|| drop(body))));
        let body = leak(info, LeakState::Waiting, places, false);
        Err(Box::new(watched.report(body, found)))
    }

    /// Runs the body to its end. When its time is over the process ends: nothing else can end a closure.
    pub(crate) fn limited_here<T>(&self, limit: Limit, body: impl FnOnce() -> T) -> T {
        let Some(timeout) = limit.timeout else {
            return body();
        };
        let watched = Arc::new(Watched::new(self.scope.clone(), timeout, limit));
        let when_due = watched.clone();
        let _watchdog = Watchdog::over(timeout.min(LONGEST), move |leash| when_due.end(leash), |_, _| ());
        match watched.poll(|| Poll::Ready(body())) {
            Poll::Ready(value) => value,
            Poll::Pending => unreachable!("it is ready"),
        }
    }
}

/// A body whose time is limited.
struct Watched {
    scope: Arc<Scope>,
    timeout: Duration,
    limit: Limit,
    born: Instant,
    polls: AtomicU64,
    /// Nanoseconds from `born` to the latest poll.
    last_poll: AtomicU64,
    busy: AtomicU64,
    polling: AtomicBool,
}

impl Watched {
    fn new(scope: Arc<Scope>, timeout: Duration, limit: Limit) -> Self {
        Self {
            scope,
            timeout,
            limit,
            born: Instant::now(),
            polls: AtomicU64::new(0),
            last_poll: AtomicU64::new(0),
            busy: AtomicU64::new(0),
            polling: AtomicBool::new(false),
        }
    }

    fn poll<T>(&self, poll: impl FnOnce() -> Poll<T>) -> Poll<T> {
        let begun = std::time::Instant::now();
        let age = Instant::now().saturating_duration_since(self.born);
        self.last_poll.store(nanos(age), Ordering::Relaxed);
        self.polls.fetch_add(1, Ordering::Relaxed);
        self.polling.store(true, Ordering::Relaxed);
        let polled = poll();
        self.polling.store(false, Ordering::Relaxed);
        self.busy.fetch_add(nanos(begun.elapsed()), Ordering::Relaxed);
        polled
    }

    /// The body as if it were a task.
    fn info(&self) -> TaskInfo {
        let alive = Instant::now().saturating_duration_since(self.born);
        let last_poll = Duration::from_nanos(self.last_poll.load(Ordering::Relaxed));
        TaskInfo {
            id: 0,
            name: "test body".to_owned(),
            group: "".into(),
            kind: TaskKind::Async,
            spawned_at: self.limit.at,
            parent: None,
            runtime: None,
            scope: self.scope.name().cloned(),
            alive,
            polls: self.polls.load(Ordering::Relaxed),
            last_poll: Some(alive.saturating_sub(last_poll)),
            busy: Duration::from_nanos(self.busy.load(Ordering::Relaxed)),
            polling: self.polling.load(Ordering::Relaxed),
        }
    }

    fn report(&self, body: Leak, found: Vec<Found>) -> Report {
        let tasks = found.into_iter().filter(|found| !found.task.has_ended());
        let mut tasks: Vec<Leak> = std::iter::once(body).chain(tasks.map(Found::leak)).collect();
        // That a task cannot be cancelled is not what keeps it.
        tasks.iter_mut().for_each(|task| task.help.clear());
        Report {
            sites: sites(&self.scope, &[]),
            // A task that panicked may be what the others wait for.
            panics: panics::report(&self.scope, self.limit.panics),
            hung: Some(Hung {
                timeout: self.timeout,
                tasks,
            }),
            ..Report::new(self.scope.name().map_or("?", |name| name))
        }
    }

    /// Ends the process, from a thread that drives nothing, unless the check goes on meanwhile.
    fn end(&self, leash: &Leash) {
        let info = self.info();
        let state = match info.polling {
            true => LeakState::Silent,
            false => LeakState::Undriven,
        };
        let mut found: Vec<Found> = self.scope.tasks().into_iter().map(Found::new).collect();
        let answers: Vec<Answer> = probe::ask_and_wait(&to_ask(&found), probe::Asker::Check);
        answer(&mut found, answers);
        if leash.is_cut_within(Duration::ZERO) {
            return;
        }
        let report = self.report(leak(info, state, Places::default(), false), found);
        let wanted = self.limit.publishes.then_some(Body::Hung);
        end_process(&report, wanted, "the test's thread is blocked");
    }
}
