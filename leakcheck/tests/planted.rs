//! A leak that is there when it is asked for, so that whoever judges by leakcheck can see first that it catches one.
#![cfg(feature = "track")]

use leakcheck::{TaskTracker, leakcheck};
use tokio_util::sync::CancellationToken;

/// Set to `1`, it plants the leak.
const PLANT: &str = "LEAKCHECK_PLANT";

#[leakcheck]
async fn a_planted_leak_is_caught_when_asked_for() {
    let token = CancellationToken::new();
    let tasks = TaskTracker::named("planted").cancelled_by(&token);
    let waits = token.clone();
    let task = tasks.spawn_named("waits for its token", async move { waits.cancelled().await });
    if std::env::var_os(PLANT).is_none_or(|plant| plant != "1") {
        token.cancel();
        task.await.expect("the task that was told to stop");
    }
}
