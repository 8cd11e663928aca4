//! One run of a scenario, shut down after one step.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::process::{ExitCode, Termination};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::call::Shutdown;
use super::found::{Failure, HungRun, Polled, Waits};
use super::steps::Steps;
use super::stuck::Stuck;
use crate::Begun;
use crate::check::{Caught, LONGEST, Panic, Terms};
use crate::report::Report;
use crate::sync::lock;

/// What a run is told.
pub(super) struct Order<'a> {
    pub(super) name: &'a str,
    /// The step after which the shutdown is called.
    pub(super) step: u64,
    /// Whether it is asked where each task waits after each step.
    pub(super) traced: bool,
    pub(super) terms: &'a Terms,
    pub(super) patience: Duration,
    pub(super) ends_within: Duration,
}

/// What came of a run.
pub(super) struct Run {
    /// Whether it came to the step after which it was to be shut down.
    pub(super) reached: bool,
    /// Whether it ended although nothing had shut it down.
    pub(super) ended_by_itself: bool,
    polled: Option<Polled>,
    panic: Option<String>,
    error: bool,
    hung: Option<HungRun>,
    pub(super) report: Report,
}

impl Run {
    /// What went wrong.
    pub(super) fn failure(&self, step: u64) -> Option<Failure> {
        let panicked: Vec<String> = self
            .report
            .sites
            .iter()
            .filter(|site| site.panicked > 0)
            .map(|site| crate::info::path(&site.group, &site.name))
            .collect();
        let failed = self.panic.is_some()
            || !panicked.is_empty()
            || self.error
            || self.hung.is_some()
            || !self.report.is_clean();
        failed.then(|| Failure {
            steps: vec![step],
            polled: self.polled.clone(),
            panic: self.panic.clone(),
            panicked,
            error: self.error,
            hung: self.hung.clone(),
            report: self.report.clone(),
            again: false,
        })
    }
}

/// How the body of a run came to its end.
enum Came<T> {
    Ended(T),
    /// It had not ended by then. Where it waited is seen by one more poll.
    Hung(Option<Duration>, Waits),
}

/// Runs the scenario once.
pub(super) fn run<F>(order: &Order<'_>, scenario: &mut impl FnMut(Shutdown) -> F, stuck: &Stuck) -> Run
where
    F: Future,
    F::Output: Termination,
{
    let token = CancellationToken::new();
    let steps = Steps::new(order.step, &token, order.traced, stuck.progress());
    let mut begun = Begun::exploring(order.name, &steps);
    let runtime = build();
    begun.made(runtime.handle().id());
    stuck.runs(order.step, &begun);
    let (came, ended_by_itself, report) = runtime.block_on(async {
        let body = async { scenario(Shutdown::new(&token)).await };
        let mut body = Body::new(Caught::new(body), &steps);
        let (came, ended_by_itself) = body.drive(&token, order).await;
        steps.end();
        // Whoever listens to the shutdown itself may stay until the body has ended, and not for longer.
        token.cancel();
        // A body that hangs is there while its tasks are asked: dropped, it might take them with it.
        let report = begun.verify(order.terms, None).await;
        drop(body);
        (came, ended_by_itself, report)
    });
    stuck.rests();
    match report.is_clean() {
        true => runtime.shutdown_timeout(order.terms.grace.min(LONGEST)),
        false => runtime.shutdown_background(),
    }
    let mut run = Run {
        reached: steps.is_reached(),
        ended_by_itself,
        polled: steps.polled(),
        panic: None,
        error: false,
        hung: None,
        report,
    };
    match came {
        // An error is what a scenario makes of being cut short. When nothing has, it is one.
        Came::Ended(Ok(value)) => run.error = ended_by_itself && value.report() != ExitCode::SUCCESS,
        Came::Ended(Err(panic)) => run.panic = Some(panic.message().unwrap_or("not a text").to_owned()),
        Came::Hung(waited, body) => run.hung = Some(HungRun { waited, body }),
    }
    run
}

#[expect(clippy::expect_used, reason = "an exploration without a runtime can only fail")]
fn build() -> Runtime {
    let mut builder = Builder::new_current_thread();
    builder.enable_all().start_paused(true);
    #[cfg(tokio_unstable)]
    builder.rng_seed(tokio::runtime::RngSeed::from_bytes(b"leakcheck"));
    builder.build().expect("the scenario's runtime could not be built")
}

/// The scenario's body, which is polled when it was woken and at no other time: what else the run waits for is no step.
struct Body<'a, F> {
    future: Caught<F>,
    steps: &'a Steps,
    woken: Arc<Woken>,
}

struct Woken {
    woken: AtomicBool,
    outer: Mutex<Option<Waker>>,
}

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.woken.store(true, Ordering::Release);
        let outer = lock(&self.outer).clone();
        if let Some(outer) = outer {
            outer.wake();
        }
    }
}

impl<'a, F: Future> Body<'a, F> {
    fn new(future: Caught<F>, steps: &'a Steps) -> Self {
        Self {
            future,
            steps,
            woken: Arc::new(Woken {
                woken: AtomicBool::new(true),
                outer: Mutex::default(),
            }),
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<F::Output, Panic>> {
        lock(&self.woken.outer).get_or_insert_with(|| cx.waker().clone());
        if !self.woken.woken.swap(false, Ordering::AcqRel) {
            return Poll::Pending;
        }
        let waker = Waker::from(self.woken.clone());
        let future = Pin::new(&mut self.future);
        let polled = self
            .steps
            .traced(&mut Context::from_waker(&waker), |cx| future.poll(cx));
        self.steps.stepped_body();
        polled
    }

    /// Runs it to its end. Where it has none, the shutdown is called once the patience is over, and it is given up when it
    /// does not end within its time after that. Also says whether it ended although nothing had shut it down.
    async fn drive(&mut self, token: &CancellationToken, order: &Order<'_>) -> (Came<Result<F::Output, Panic>>, bool) {
        if let Some(ended) = self.until(token.cancelled(), order.patience).await {
            return (Came::Ended(ended), !self.steps.is_reached());
        }
        // Otherwise a step has called it, or the scenario itself.
        let is_due = !token.is_cancelled();
        token.cancel();
        let mut watched = Instant::now();
        let until = watched + order.ends_within;
        self.steps.watch();
        loop {
            if let Some(ended) = self.until(self.steps.many.notified(), until - Instant::now()).await {
                return (Came::Ended(ended), !is_due && !self.steps.is_reached());
            }
            let now = Instant::now();
            if now >= until {
                return (Came::Hung(Some(order.ends_within), self.inspect()), false);
            }
            if now == watched {
                return (Came::Hung(None, self.inspect()), false);
            }
            watched = now;
            self.steps.watch();
        }
    }

    /// Runs it until it ends, or `event` comes, or so much time has gone.
    async fn until(&mut self, event: impl Future, time: Duration) -> Option<Result<F::Output, Panic>> {
        let mut event = pin!(event);
        let mut timer = pin!(sleep_until(Instant::now() + time));
        poll_fn(|cx| {
            if let Poll::Ready(ended) = self.poll(cx) {
                return Poll::Ready(Some(ended));
            }
            if event.as_mut().poll(cx).is_ready() || timer.as_mut().poll(cx).is_ready() {
                return Poll::Ready(None);
            }
            Poll::Pending
        })
        .await
    }

    /// Where it waits.
    #[cfg(feature = "track")]
    fn inspect(&mut self) -> Waits {
        let waker = Waker::from(self.woken.clone());
        let future = Pin::new(&mut self.future);
        let (polled, traces) = crate::probe::lend(&waker, |waker| future.poll(&mut Context::from_waker(waker)));
        match polled {
            Poll::Pending => Waits::of(crate::probe::read(&traces)),
            Poll::Ready(_) => Waits::default(),
        }
    }

    #[cfg(not(feature = "track"))]
    fn inspect(&mut self) -> Waits {
        Waits::default()
    }
}
