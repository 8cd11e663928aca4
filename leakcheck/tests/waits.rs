//! A report names the line that each leaked task waits at, and each branch of its `select!`.
#![cfg(feature = "track")]

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use leakcheck::report::LeakState;
use leakcheck::{Check, Leak, TaskTracker};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

/// Leaves one task behind that runs `body`, and returns its leak.
fn leak_of<F>(body: F) -> Leak
where
    F: Future<Output = ()> + Send + 'static,
{
    let outcome = Check::new("waits").grace(Duration::from_millis(1)).run(async {
        TaskTracker::named("waits").spawn_named("task", body);
    });
    outcome.body.unwrap();
    let [leak] = outcome.report.leaks.try_into().unwrap();
    println!("{leak}");
    leak
}

/// The line of this file that ends with `// label`.
fn line_of(label: &str) -> u32 {
    let mut lines = include_str!("waits.rs").lines().zip(1..);
    let (_, line) = lines
        .find(|(line, _)| line.ends_with(&format!("// {label}")))
        .expect("the label");
    line
}

fn waits(leak: &Leak) -> Vec<(&str, Option<u32>)> {
    let mut waits: Vec<_> = leak
        .waiting
        .iter()
        .map(|wait| (wait.leaf.as_str(), wait.line))
        .collect();
    waits.sort();
    waits
}

/// The name of the function that waits, its file and its line.
fn at(leak: &Leak) -> (&str, &str, u32) {
    let at = leak.waiting_at.as_ref().expect("a line that waits");
    (at.function.rsplit("::").next().unwrap(), &at.file, at.line)
}

#[test]
fn a_task_that_waits_for_one_thing_is_told_with_its_line() {
    async fn receive(mut messages: mpsc::Receiver<u32>) {
        messages.recv().await;
    }
    let line = line!() - 2;
    let (_sender, messages) = mpsc::channel(1);

    let leak = leak_of(receive(messages));
    assert_eq!(leak.state, LeakState::Waiting);
    assert_eq!(at(&leak), ("receive", file!(), line));
    assert_eq!(waits(&leak), [("mpsc::Receiver::recv", None)]);
    assert_eq!(leak.select, None);
}

#[test]
fn every_branch_of_a_select_is_told_with_its_own_line() {
    async fn inner(quit: &Notify) {
        quit.notified().await; // inner
    }
    async fn manage(mut messages: mpsc::Receiver<u32>, token: CancellationToken) {
        let quit = Notify::new();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        loop {
            // The select is below.
            tokio::select! { // select
                Some(message) = messages.recv() => assert_eq!(message, 0), // receives
                () = quit.notified(), if !token.is_cancelled() => return, // notified
                () = inner(&quit) => return, // calls inner
                () = tokio::time::sleep(Duration::from_secs(300)) => {} // sleeps
                _ = listener.accept() => {} // accepts
                () = async { // block
                    inner(&quit).await;
                } => {}
                _ = async { 1 }, if token.is_cancelled() => {}
            }
        }
    }
    let (_sender, messages) = mpsc::channel(1);

    let leak = leak_of(manage(messages, CancellationToken::new()));
    assert_eq!(at(&leak), ("manage", file!(), line_of("select")));
    assert_eq!(leak.select, Some(7));
    assert_eq!(
        waits(&leak),
        [
            ("Notify::notified", Some(line_of("notified"))),
            ("Notify::notified", Some(line_of("calls inner"))),
            ("Notify::notified", Some(line_of("block"))),
            ("Sleep", Some(line_of("sleeps"))),
            ("TcpListener::accept", Some(line_of("accepts"))),
            ("mpsc::Receiver::recv", Some(line_of("receives"))),
        ]
    );
    let inside = leak
        .waiting
        .iter()
        .find(|wait| wait.line == Some(line_of("calls inner")))
        .unwrap();
    assert_eq!(
        inside.frames[0].line,
        line_of("inner"),
        "a function that a branch calls is told with its own line"
    );
    assert_eq!(leak.help.len(), 1);
    assert!(
        leak.help[0].starts_with("no branch waits for cancellation"),
        "{:?}",
        leak.help
    );
}

#[test]
fn a_select_that_can_be_cancelled_is_not_told_to_add_that() {
    let token = CancellationToken::new();
    let select_line = line!() + 2;
    let leak = leak_of(async move {
        tokio::select! {
            () = token.cancelled() => {}
            () = std::future::pending() => {}
        }
    });
    assert_eq!(waits(&leak), [("CancellationToken::cancelled", Some(select_line + 1))]);
    assert_eq!((at(&leak).2, leak.select), (select_line, Some(2)));
    assert!(
        leak.help.iter().all(|help| !help.contains("no branch")),
        "{:?}",
        leak.help
    );
}

#[test]
fn branches_that_cannot_be_told_apart_are_told_at_the_line_of_the_select() {
    let leak = leak_of(async {
        let (_a, mut one) = watch::channel(1);
        let (_b, mut two) = watch::channel(2);
        let mut timer = Box::pin(tokio::time::sleep(Duration::from_secs(300)));
        tokio::select! { // ambiguous
            _ = one.changed() => {}
            _ = two.changed() => {}
            _ = &mut timer => {}
        }
    });
    assert_eq!(
        waits(&leak),
        [
            ("Sleep", None),
            ("watch::Receiver::changed", None),
            ("watch::Receiver::changed", None)
        ]
    );
    assert!(
        leak.waiting
            .iter()
            .all(|wait| wait.frames[0].line == line_of("ambiguous"))
    );
    assert_eq!(leak.select, Some(3));
}

#[test]
fn a_select_inside_of_a_branch_is_read_too() {
    async fn step(token: &CancellationToken, quit: &Notify) {
        tokio::select! {
            () = token.cancelled() => {} // inner cancelled
            () = quit.notified() => {} // inner notified
        }
    }
    let leak = leak_of(async {
        let (token, quit) = (CancellationToken::new(), Notify::new());
        tokio::select! { // outer
            () = step(&token, &quit) => {} // outer step
            () = tokio::time::sleep(Duration::from_secs(1)) => {} // outer sleeps
        }
    });
    assert_eq!((at(&leak).2, leak.select), (line_of("outer"), Some(2)));
    let mut lines: Vec<_> = leak
        .waiting
        .iter()
        .map(|wait| (wait.leaf.as_str(), wait.line.unwrap(), wait.frames[0].line))
        .collect();
    lines.sort();
    assert_eq!(
        lines,
        [
            (
                "CancellationToken::cancelled",
                line_of("outer step"),
                line_of("inner cancelled")
            ),
            ("Notify::notified", line_of("outer step"), line_of("inner notified")),
            ("Sleep", line_of("outer sleeps"), line_of("outer sleeps")),
        ]
    );
}

#[test]
fn a_timeout_is_told_with_what_it_waits_for() {
    let leak = leak_of(async {
        let (_never, receiver) = oneshot::channel::<()>();
        let _ = tokio::time::timeout(Duration::from_secs(300), receiver).await;
    });
    assert_eq!(
        waits(&leak),
        [("Sleep (of a timeout)", None), ("oneshot::Receiver", None)]
    );
    assert_eq!(leak.select, None, "two waits, but no select");
}

#[test]
fn sockets_and_other_tasks_are_told_by_name() {
    let leak = leak_of(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let server = listener.accept().await.unwrap();
        let mut byte = [0];
        tokio::io::AsyncReadExt::read_exact(&mut client, &mut byte)
            .await
            .unwrap();
        drop(server);
    });
    assert_eq!(waits(&leak), [("TcpStream read", None)]);

    let leak = leak_of(async {
        tokio::spawn(std::future::pending::<()>()).await.unwrap();
    });
    assert_eq!(waits(&leak), [("JoinHandle", None)]);
}

#[test]
fn a_task_that_nothing_can_wake_is_told_as_such() {
    let leak = leak_of(std::future::pending());
    assert_eq!(
        (leak.state, waits(&leak).len(), leak.waiting_at.clone()),
        (LeakState::Waiting, 0, None)
    );
    assert!(leak.to_string().contains("nothing that would ever wake it"), "{leak}");
}

#[test]
fn a_future_of_the_users_own_is_told_with_its_poll() {
    struct Own(Option<std::task::Waker>);
    impl Future for Own {
        type Output = ();
        fn poll(mut self: Pin<&mut Self>, cx: &mut std::task::Context<'_>) -> std::task::Poll<()> {
            self.0 = Some(cx.waker().clone()); // keeps
            std::task::Poll::Pending
        }
    }
    let leak = leak_of(async {
        Own(None).await;
    });
    assert_eq!(at(&leak).2, line_of("keeps"));
    assert_eq!(leak.waiting[0].frames.len(), 2, "{:?}", leak.waiting);
}
