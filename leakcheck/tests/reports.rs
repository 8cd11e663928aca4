//! What a report shows of many leaks: each once, below the one that spawned it, and alike ones as one.
#![cfg(feature = "track")]

use std::future::pending;
use std::time::Duration;

use leakcheck::report::{LeakState, Style};
use leakcheck::{Check, Report, TaskTracker};
use tokio::sync::Notify;

fn leave<F: Future<Output = ()>>(body: F) -> Report {
    let outcome = Check::new("reports").grace(Duration::from_millis(1)).run(body);
    outcome.body.unwrap();
    outcome.report
}

/// The lines of a report without what changes from run to run: times, and lines of this file.
fn shape(text: &str) -> Vec<String> {
    let words = |line: &str| {
        let kept = line.split_whitespace().take_while(|word| *word != "alive");
        kept.collect::<Vec<_>>().join(" ")
    };
    let lines = text.lines().filter(|line| !line.trim().is_empty()).skip(1);
    lines
        .map(|line| {
            let indent = line.len() - line.trim_start().len();
            format!("{:indent$}{}", "", words(line))
        })
        .filter(|line| ["›", "below"].iter().any(|known| line.contains(known)))
        .collect()
}

/// Waits until some other task has come as far as this.
async fn turns() {
    for _ in 0..16 {
        tokio::task::yield_now().await;
    }
}

#[test]
fn a_leak_is_shown_once_below_the_one_that_spawned_it() {
    let report = leave(async {
        let tasks = TaskTracker::named("server");
        let (readers, writers) = (tasks.group("reader"), tasks.group("writer"));
        tasks.spawn_named("accept", async move {
            readers.spawn_named("reads", async move {
                writers.spawn_named("writes", pending::<()>());
                pending::<()>().await;
            });
            pending::<()>().await;
        });
        turns().await;
    });
    assert_eq!(report.leaks.len(), 3, "{report}");
    assert_eq!(
        shape(&report.to_string()),
        [
            "  server › accept",
            "    ↳ reader › reads".replacen("    ", "      ", 1).as_str(),
            "          ↳ writer › writes"
        ],
        "{report}"
    );
    assert!(
        !report.to_string().contains("by server"),
        "what a tree shows is not said again: {report}"
    );
}

#[test]
fn a_parent_that_has_ended_leaves_its_children_as_roots() {
    let report = leave(async {
        let tasks = TaskTracker::named("server");
        let inner = tasks.clone();
        tasks.spawn_named("starter", async move {
            inner.spawn_named("stays", pending::<()>());
        });
        turns().await;
    });
    let text = report.to_string();
    assert_eq!(shape(&text)[0], "  server › stays", "{text}");
    assert!(text.contains("by server › starter"), "{text}");
}

#[test]
fn alike_leaks_are_one_with_their_children_below() {
    let report = leave(async {
        let connections = TaskTracker::named("server").group("connection");
        for peer in 0..20 {
            let readers = connections.clone();
            connections.spawn_named(format!("peer-{peer}"), async move {
                for _ in 0..2 {
                    readers.spawn_named("reader", async { Notify::new().notified().await });
                }
                pending::<()>().await;
            });
        }
        turns().await;
    });
    assert_eq!(report.leaks.len(), 60);
    let text = report.to_string();
    assert_eq!(
        shape(&text),
        [
            "  connection › peer-* × 20,",
            "    these connection › peer-0, connection › peer-1, connection › peer-2 and 17 more",
            "      ↳ connection › reader × 40,",
        ],
        "{text}"
    );
    assert!(text.lines().count() < 20, "{text}");
}

#[test]
fn leaks_that_wait_at_different_lines_are_told_apart() {
    let report = leave(async {
        let tasks = TaskTracker::named("server");
        for number in 0..4 {
            tasks.spawn_named("serve", async move {
                match number % 2 {
                    0 => Notify::new().notified().await,
                    _ => tokio::time::sleep(Duration::from_secs(9)).await,
                }
            });
        }
    });
    let text = report.to_string();
    assert_eq!(text.matches("server › serve").count(), 2, "{text}");
    assert_eq!(text.matches("× 2, alive").count(), 2, "{text}");
    assert!(text.contains("Notify::notified") && text.contains("Sleep"), "{text}");
}

#[test]
fn a_chain_of_tasks_ends_in_a_count() {
    fn link(tasks: TaskTracker, left: u32) -> std::pin::Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(async move {
            if left > 1 {
                tasks.spawn_named("link", link(tasks.clone(), left - 1));
            }
            pending::<()>().await;
        })
    }
    let report = leave(async {
        let tasks = TaskTracker::named("chain");
        tasks.spawn_named("first", link(tasks.clone(), 300));
        for _ in 0..40 {
            turns().await;
        }
    });
    assert_eq!(report.leaks.len(), 300);
    let text = report.to_string();
    assert!(
        text.lines().count() < 100 && text.contains("294 more leaked tasks"),
        "{text}"
    );
}

#[test]
fn a_hundred_thousand_leaks_are_reported_under_a_hundred_lines() {
    const TASKS: usize = 100_000;
    let report = leave(async {
        let tasks = TaskTracker::named("many");
        for number in 0..TASKS / 2 {
            let group = tasks.group(format!("group:{number:05}"));
            group.spawn_named("manage", async { Notify::new().notified().await });
            group.spawn_named(format!("peer {number}"), pending::<()>());
        }
    });
    assert_eq!(report.leaks.len(), TASKS);
    let text = report.to_string();
    assert!(text.lines().count() < 100, "{text}");
    assert!(
        text.contains("leaked: 100,000 tasks") && text.contains("× 50,000, alive"),
        "{text}"
    );
    assert!(text.contains("Notify::notified"), "{text}");
}

#[test]
fn kinds_that_do_not_fit_are_counted() {
    let mut report = leave(async {
        TaskTracker::named("many").spawn_named("first", pending::<()>());
    });
    let first = report.leaks[0].clone();
    report.leaks = (0..1_000)
        .map(|number| {
            let mut leak = first.clone();
            leak.task = number + 1;
            leak.spawned_at.line = u32::try_from(number).unwrap() + 1;
            leak
        })
        .collect();
    let text = report.to_string();
    let shown = text.matches("many › first").count();
    assert!(text.lines().count() < 100 && shown > 10, "{text}");
    let rest = format!("not shown: {} tasks of {} kinds", 1_000 - shown, 1_000 - shown);
    assert!(text.contains(&rest), "{rest} is not in:\n{text}");
}

#[test]
fn no_line_is_wider_than_asked_and_no_path_is_cut() {
    let report = leave(async {
        let tasks = TaskTracker::named("server").group("a group whose name is as long as a sentence");
        let deeper = tasks.group("and one below it that is no shorter than that");
        deeper.spawn_named("a task with a long name", async {
            let notify = Notify::new();
            tokio::select! {
                () = notify.notified() => {}
                () = tokio::time::sleep(Duration::from_secs(60)) => {}
            }
        });
    });
    assert_eq!(report.leaks[0].state, LeakState::Waiting);
    for width in [50, 72, 100, 120] {
        let text = report.render(&Style::plain().width(width));
        let file = report.leaks[0].spawned_at.to_string();
        assert!(text.contains(&file), "{text}");
        for line in text.lines().skip(1) {
            assert!(
                line.chars().count() <= width || line.trim().starts_with(&file[..file.len() - 4]),
                "{width}: {line}"
            );
        }
    }
}

#[test]
fn a_report_has_colours_where_they_are_wanted_and_says_the_same() {
    let report = leave(async {
        TaskTracker::named("server").spawn_named("stays", pending::<()>());
    });
    let plain = report.to_string();
    let colored = report.render(&Style::plain().color(true));
    assert!(
        !plain.contains('\x1b') && colored.contains("\x1b[1;31mleaked:\x1b[0m"),
        "{colored}"
    );
    let mut bare = String::new();
    for (number, part) in colored.split('\x1b').enumerate() {
        bare.push_str(if number == 0 {
            part
        } else {
            part.split_once('m').unwrap().1
        });
    }
    assert_eq!(bare, plain);
}
