//! Shutting a tracker down tells its tasks to stop, waits for them, and says who stayed.

use std::time::Duration;

use leakcheck::TaskTracker;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

const LIMIT: Duration = Duration::from_secs(5);

#[tokio::test(start_paused = true)]
async fn it_returns_when_every_task_of_every_group_has_ended() {
    let token = CancellationToken::new();
    let tasks = TaskTracker::named("server");
    for group in ["a", "b"] {
        let token = token.clone();
        tasks.group(group).spawn(async move {
            token.cancelled().await;
            tokio::time::sleep(Duration::from_secs(3)).await;
        });
    }
    let begun = Instant::now();
    tasks.shutdown(&token, LIMIT).await.unwrap();
    assert_eq!(begun.elapsed().as_secs(), 3);
    assert!(tasks.is_closed() && tasks.is_empty());
}

#[tokio::test(start_paused = true)]
async fn it_gives_up_after_its_limit_and_says_how_many_stayed() {
    let token = CancellationToken::new();
    let tasks = TaskTracker::named("server");
    tasks.group("deaf").spawn_named("1", std::future::pending::<()>());
    tasks.spawn(token.clone().cancelled_owned());
    let begun = Instant::now();
    let error = tasks.shutdown(&token, LIMIT).await.unwrap_err();
    assert_eq!(begun.elapsed().as_secs(), LIMIT.as_secs());
    assert_eq!(error.left, 1);
    assert!(
        error.to_string().starts_with("1 task did not stop within 5s"),
        "{error}"
    );
    assert_eq!(
        format!("{error:?}"),
        error.to_string(),
        "what `unwrap` shows is for people"
    );
}

#[cfg(feature = "track")]
#[tokio::test(start_paused = true)]
async fn its_error_lists_who_stayed_and_where_each_waits() {
    let token = CancellationToken::new();
    let tasks = TaskTracker::named("server");
    let another = TaskTracker::named("server");
    another.spawn_named("of another tracker", std::future::pending::<()>());
    let line = line!() + 2;
    tasks.group("deaf").spawn_named("1", async {
        tokio::sync::Notify::new().notified().await;
    });
    let error = tasks.shutdown(&token, LIMIT).await.unwrap_err();
    let [stayed] = &error.stayed[..] else { panic!("{error}") };
    assert_eq!(
        (stayed.path().as_str(), stayed.waiting[0].leaf.as_str()),
        ("deaf › 1", "Notify::notified")
    );
    assert_eq!(stayed.waiting_at.as_ref().unwrap().line, line);
    assert!(error.to_string().contains("deaf › 1"), "{error}");
}
