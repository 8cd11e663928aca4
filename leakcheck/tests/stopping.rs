//! How long tasks took to stop is measured from the cancellation of their token on, for those that it was for.
#![cfg(feature = "track")]

use std::future::pending;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use leakcheck::report::{SiteSummary, Stopping};
use leakcheck::{Check, TaskTracker};
use tokio::runtime::Builder;
use tokio_util::sync::CancellationToken;

fn stopping<'a>(sites: &'a [SiteSummary], name: &str) -> Option<&'a Stopping> {
    let site = sites.iter().find(|site| site.name == name).expect("a site");
    site.stopping.as_ref()
}

#[test]
fn the_time_to_stop_is_that_from_the_cancellation_to_the_end() {
    let (release, released) = mpsc::channel::<()>();
    let mut runtime = Builder::new_multi_thread();
    runtime.worker_threads(2);
    let outcome = Check::new("stopping").runtime(runtime).run(async move {
        let token = CancellationToken::new();
        // The token is one of the root's, and the tasks are below.
        let root = TaskTracker::named("server").cancelled_by(&token);
        let tasks = root.group("connection");
        tasks.spawn_named("returns before", async {}).await.unwrap();
        for _ in 0..3 {
            tasks.spawn_named("quick", token.clone().cancelled_owned());
        }
        let slow = tasks.spawn_blocking_named("slow", move || released.recv().unwrap());
        let aborted = tasks.spawn_named("aborted", pending::<()>());

        let before = Instant::now();
        token.cancel();
        let after = Instant::now();
        tasks.spawn_named("spawned after", async {}).await.unwrap();
        aborted.abort();
        aborted.await.unwrap_err();
        // That it takes long is waited for, by the wall clock as it is measured.
        while after.elapsed() < Duration::from_millis(20) {
            std::thread::yield_now();
        }
        release.send(()).unwrap();
        slow.await.unwrap();
        before.elapsed()
    });
    let all = outcome.body.unwrap();
    assert!(outcome.report.is_clean(), "{}", outcome.report);
    let sites = &outcome.report.sites;
    assert_eq!(stopping(sites, "returns before"), None);
    assert_eq!(stopping(sites, "spawned after"), None);
    assert_eq!(stopping(sites, "quick").expect("three tasks").count, 3);
    assert_eq!(stopping(sites, "aborted").expect("one task").count, 1);
    let slow = stopping(sites, "slow").expect("one task");
    assert!(
        slow.worst >= Duration::from_millis(20) && slow.worst <= all,
        "{slow:?}, {all:?}"
    );
    assert_eq!((slow.p50, slow.p99), (slow.worst, slow.worst));
}

#[test]
fn a_shutdown_knows_the_moment_too() {
    let outcome = Check::new("stopping").run(async {
        let token = CancellationToken::new();
        let tasks = TaskTracker::named("server");
        tasks.spawn_named("serve", token.clone().cancelled_owned());
        tasks.shutdown(&token, Duration::from_secs(5)).await.unwrap();
    });
    let serve = stopping(&outcome.report.sites, "serve").expect("one task");
    assert!(serve.count == 1 && serve.worst > Duration::ZERO, "{serve:?}");
}
