//! What `#[leakcheck]` makes of a test, with each of its arguments and beside other attributes.
#![cfg(feature = "track")]

use std::time::Duration;

use leakcheck::{TaskTracker, ignore, leakcheck};
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::time::Instant;

/// A task that ends by itself after that time of tokio's clock.
fn spawn_for(time: Duration) {
    TaskTracker::named("timed").spawn_named("sleeper", tokio::time::sleep(time));
}

fn spawn_forever(group: &'static str) {
    TaskTracker::named(group).spawn_named("forever", std::future::pending::<()>());
}

#[leakcheck]
async fn a_test_runs_on_a_current_thread_runtime_of_its_own() {
    assert_eq!(Handle::current().runtime_flavor(), RuntimeFlavor::CurrentThread);
    assert_eq!(Handle::current().metrics().num_alive_tasks(), 0);
}

#[leakcheck(flavor = "multi_thread", worker_threads = 3)]
async fn a_test_may_ask_for_worker_threads() {
    assert_eq!(Handle::current().runtime_flavor(), RuntimeFlavor::MultiThread);
    assert_eq!(Handle::current().metrics().num_workers(), 3);
}

#[leakcheck(flavor = "current_thread", start_paused = true)]
async fn a_test_may_start_with_a_paused_clock() {
    let begun = Instant::now();
    tokio::time::sleep(Duration::from_secs(86_400)).await;
    assert_eq!(begun.elapsed(), Duration::from_secs(86_400));
}

#[leakcheck(start_paused, grace = "10m")]
async fn tasks_that_end_within_the_grace_are_no_leaks() {
    spawn_for(Duration::from_secs(599));
}

#[leakcheck(start_paused = false)]
async fn tasks_that_need_only_to_be_polled_are_no_leaks() {
    let tasks = TaskTracker::new();
    tasks.spawn(async {
        for _ in 0..5 {
            tokio::task::yield_now().await;
        }
    });
}

#[leakcheck]
async fn a_test_may_return_a_result() -> Result<(), Box<dyn std::error::Error>> {
    let number: u32 = "7".parse()?;
    assert_eq!(number, 7);
    Ok(())
}

#[leakcheck(ignore = ignore::group("kept", "this test is about rules"))]
async fn a_task_may_stay_when_a_rule_says_so() {
    spawn_forever("kept");
}

#[leakcheck(ignore = [ignore::name("forever", "one"), ignore::file("attribute.rs", "two")], ignore = ignore::name("x*", "three"))]
async fn rules_may_be_given_as_a_list_and_several_times() {
    spawn_forever("also kept");
}

#[leakcheck]
#[tokio::test]
async fn it_takes_the_place_of_a_tokio_test() {
    assert_eq!(Handle::current().runtime_flavor(), RuntimeFlavor::CurrentThread);
}

#[leakcheck(grace = "1500ms")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_takes_over_the_arguments_of_a_tokio_test() {
    assert_eq!(Handle::current().metrics().num_workers(), 2);
}

#[leakcheck]
#[tokio::test(start_paused = true)]
async fn it_takes_over_a_paused_clock() -> Result<(), std::fmt::Error> {
    tokio::time::sleep(Duration::from_secs(86_400)).await;
    Ok(())
}

#[tokio::test]
#[leakcheck]
async fn it_checks_around_a_tokio_test_that_it_is_behind() {
    TaskTracker::new().spawn(async {}).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
#[leakcheck(grace = "1s")]
async fn it_checks_around_a_tokio_test_that_returns_a_result() -> Result<(), std::num::ParseIntError> {
    TaskTracker::new().spawn(async {}).await.unwrap();
    "7".parse::<u32>().map(drop)
}

#[leakcheck]
#[test]
fn it_checks_around_a_plain_test() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime
        .block_on(TaskTracker::new().spawn_on(async {}, runtime.handle()))
        .unwrap();
}

#[leakcheck]
#[should_panic(expected = "the body's own panic")]
async fn a_test_may_be_expected_to_panic() {
    panic!("the body's own panic");
}
