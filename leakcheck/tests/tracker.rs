//! The tracker counts as tokio-util's does, in groups too, and the registry knows each of its tasks until its future
//! has been dropped.
#![cfg(feature = "track")]

use std::future::Future;
use std::panic::Location;
use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::Duration;

use leakcheck::{TaskInfo, TaskKind, TaskTracker};
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::task::LocalSet;

/// The live tasks of the group that this test alone uses.
fn live(group: &str) -> Vec<TaskInfo> {
    leakcheck::tasks()
        .into_iter()
        .filter(|task| &*task.group == group)
        .collect()
}

fn paths(group: &str) -> Vec<String> {
    live(group).iter().map(ToString::to_string).collect()
}

async fn serve(_until: oneshot::Receiver<()>) {
    std::future::pending::<()>().await;
}

#[tokio::test]
async fn a_task_is_known_by_its_group_its_name_and_the_line_that_spawned_it() {
    let tasks = TaskTracker::named("known");
    let line = Location::caller().line() + 1;
    let spawned = tasks.spawn_named("a", std::future::pending::<()>());

    let [task] = &live("known")[..] else {
        panic!("{:?}", live("known"))
    };
    assert_eq!(task.to_string(), "known › a");
    assert_eq!((task.spawned_at.file(), task.spawned_at.line()), (file!(), line));
    assert_eq!(task.runtime, Some(Handle::current().id()));
    assert_eq!((task.kind, task.polls, task.last_poll), (TaskKind::Async, 0, None));
    spawned.abort();
}

#[tokio::test]
async fn a_task_without_a_name_is_called_after_its_function() {
    let tasks = TaskTracker::named("unnamed");
    let (_end, until) = oneshot::channel();
    tasks.spawn(serve(until));
    tasks.spawn(async { std::future::pending::<()>().await });
    let (end, until) = oneshot::channel::<()>();
    tasks.spawn_blocking(move || drop(until.blocking_recv()));

    assert_eq!(
        paths("unnamed"),
        [
            "unnamed › serve",
            "unnamed › a_task_without_a_name_is_called_after_its_function",
            "unnamed › a_task_without_a_name_is_called_after_its_function",
        ]
    );
    drop(end);
}

#[tokio::test]
async fn a_groups_tasks_count_in_every_tracker_above_it_and_hold_their_waits() {
    let root = TaskTracker::named("counted");
    let outer = root.group("counted outer");
    let inner = outer.group("inner");
    let (end, until) = oneshot::channel::<()>();
    inner.spawn_named("a", async { drop(until.await) });
    assert_eq!((root.len(), outer.len(), inner.len()), (1, 1, 1));
    assert_eq!(paths("counted outer › inner"), ["counted outer › inner › a"]);

    for tracker in [&root, &outer, &inner] {
        assert!(tracker.close());
    }
    let waits = tokio::spawn({
        let root = root.clone();
        async move { root.wait().await }
    });
    tokio::task::yield_now().await;
    assert!(!waits.is_finished());
    drop(end);
    waits.await.unwrap();
    assert!(root.is_empty() && outer.is_empty() && inner.is_empty());
    assert!(live("counted outer › inner").is_empty());
}

#[tokio::test]
async fn closing_a_tracker_leaves_its_groups_open() {
    let root = TaskTracker::new();
    let group = root.group("g");
    root.close();
    assert!(root.is_closed() && !group.is_closed());
    assert!(root.reopen() && !root.is_closed());
    assert!(TaskTracker::ptr_eq(&root, &root.clone()) && !TaskTracker::ptr_eq(&root, &group));
}

#[tokio::test]
async fn a_token_counts_and_is_no_task() {
    let tasks = TaskTracker::named("token");
    let token = tasks.group("token group").token();
    let another = token.clone();
    assert_eq!((tasks.len(), token.task_tracker().len()), (2, 2));
    assert!(live("token group").is_empty());
    drop((token, another));
    assert!(tasks.is_empty());
}

#[tokio::test]
async fn a_future_that_somebody_else_polls_counts_until_it_is_dropped() {
    let tasks = TaskTracker::named("lent");
    let future = tasks.track_future_named("f", std::future::pending::<()>());
    assert_eq!((tasks.len(), live("lent")[0].kind), (1, TaskKind::Future));
    drop(future);
    assert!(tasks.is_empty() && live("lent").is_empty());
}

#[tokio::test]
async fn a_task_that_is_aborted_before_its_first_poll_stays_until_it_has_been_dropped() {
    let tasks = TaskTracker::named("never polled");
    let handle = tasks.spawn_named("a", std::future::pending::<()>());
    handle.abort();
    assert_eq!(
        (tasks.len(), live("never polled").len()),
        (1, 1),
        "told, but not dropped yet"
    );
    tasks.close();
    tasks.wait().await;
    assert!(live("never polled").is_empty());
    // Its handle lives on, and does not keep it.
    assert!(handle.await.unwrap_err().is_cancelled());
}

#[tokio::test]
async fn the_registry_forgets_a_task_before_the_trackers_wait_returns() {
    struct Slow(TaskTracker);
    impl Drop for Slow {
        fn drop(&mut self) {
            assert_eq!(
                (self.0.len(), live("dropped last").len()),
                (1, 1),
                "still there while its future is dropped"
            );
        }
    }
    let tasks = TaskTracker::named("dropped last");
    let slow = Slow(tasks.clone());
    let task = tasks.spawn(async move { drop(slow) });
    tasks.close();
    tasks.wait().await;
    assert!(live("dropped last").is_empty());
    task.await.unwrap();
}

#[tokio::test]
async fn a_task_knows_the_task_that_spawned_it_also_after_that_one_is_gone() {
    let tasks = TaskTracker::named("family");
    let child = tasks.clone();
    let parent = tasks.spawn_named("parent", async move {
        child.spawn_named("child", std::future::pending::<()>());
    });
    parent.await.unwrap();
    let [child] = &live("family")[..] else {
        panic!("{:?}", live("family"))
    };
    assert_eq!(
        child.parent.as_ref().map(ToString::to_string).as_deref(),
        Some("family › parent")
    );
}

#[tokio::test(start_paused = true)]
async fn ages_are_told_by_tokios_clock() {
    let tasks = TaskTracker::named("ages");
    tasks.spawn(async {
        tokio::time::sleep(Duration::from_secs(60)).await;
        std::future::pending::<()>().await;
    });
    tokio::time::sleep(Duration::from_secs(100)).await;
    let task = &live("ages")[0];
    assert_eq!(task.alive.as_secs(), 100);
    assert_eq!((task.polls, task.last_poll.map(|ago| ago.as_secs())), (2, Some(39 + 1)));
}

#[tokio::test]
async fn local_and_blocking_tasks_and_those_of_another_runtime_are_tracked_alike() {
    let tasks = TaskTracker::named("alike");
    let local = LocalSet::new();
    let line = Location::caller().line() + 1;
    let on_local = tasks.spawn_local_on(async { std::rc::Rc::new(1).to_string() }, &local);
    let inside = tasks.clone();
    local.spawn_local(async move { drop(inside.spawn_local_named("l", std::future::pending::<()>())) });
    let on_handle = tasks.spawn_on(async { 2 }, &Handle::current());
    let blocking = tasks.spawn_blocking_on(|| 3, &Handle::current());
    assert_eq!(live("alike")[0].spawned_at.line(), line);

    assert_eq!(local.run_until(on_local).await.unwrap(), "1");
    assert_eq!((on_handle.await.unwrap(), blocking.await.unwrap()), (2, 3));
    assert_eq!(paths("alike"), ["alike › l"]);
    assert_eq!(live("alike")[0].kind, TaskKind::Local);
    drop(local);
    assert!(live("alike").is_empty());
}

#[test]
fn a_future_that_tokio_does_not_poll_does_not_own_itself_through_its_waker() {
    struct Owner;
    impl std::task::Wake for Owner {
        fn wake(self: Arc<Self>) {}
    }
    let owner = Arc::new(Owner);
    let mut future = Box::pin(TaskTracker::new().track_future(std::future::pending::<()>()));
    let waker = Waker::from(owner.clone());
    assert!(future.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    drop(waker);
    let by_tokio_metrics = usize::from(cfg!(feature = "metrics"));
    assert_eq!(
        Arc::strong_count(&owner),
        1 + by_tokio_metrics,
        "the future that is polled keeps no waker"
    );
}
