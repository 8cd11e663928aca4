//! Shutting a scenario down at every step: what is planted is found at its steps, and what is clean passes.
#![cfg(all(feature = "track", feature = "test-util"))]

use std::future::{Future, pending};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use leakcheck::{Exploration, Explore, Shutdown, TaskTracker, ignore};
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::task::yield_now;

const SOON: Duration = Duration::from_secs(5);

fn explored<F: Future<Output = ()>>(scenario: impl FnMut(Shutdown) -> F) -> Exploration {
    Explore::new("a scenario").run(scenario)
}

/// Waits in three places, one after the other. The middle one may have forgotten the shutdown.
async fn three_waits(shutdown: Shutdown, forgets: bool, mut orders: mpsc::Receiver<u32>, _open: mpsc::Sender<u32>) {
    for wait in 0..3 {
        if wait == 1 && forgets {
            orders.recv().await; // forgets the shutdown
        } else if shutdown.run_until_cancelled(orders.recv()).await.is_none() {
            return;
        }
    }
}

async fn three_orders(shutdown: Shutdown, forgets: bool) {
    let tasks = TaskTracker::named("server");
    let (orders, incoming) = mpsc::channel(1);
    tasks.spawn_named(
        "manage",
        three_waits(shutdown.clone(), forgets, incoming, orders.clone()),
    );
    let sending = async {
        for order in 0..3 {
            let _ = orders.send(order).await;
            yield_now().await;
        }
    };
    shutdown.interrupt(sending).await;
    let _ = tokio::time::timeout(SOON, async {
        tasks.close();
        tasks.wait().await;
    })
    .await;
}

#[test]
fn a_clean_scenario_is_shut_down_after_each_of_its_steps() {
    let explored = explored(|shutdown| three_orders(shutdown, false));
    assert!(explored.is_clean(), "{explored}");
    assert!(explored.complete && explored.ended_by_itself, "{explored}");
    assert!(explored.steps > 5, "{explored}");
    assert!(
        explored.to_string().contains("steps, each shut down cleanly"),
        "{explored}"
    );
}

#[test]
fn a_task_that_misses_the_shutdown_in_one_of_three_waits_is_found_at_the_steps_of_that_wait() {
    let explored = explored(|shutdown| three_orders(shutdown, true));
    let failing = explored.failing();
    assert!(
        !failing.is_empty() && failing.len() < explored.steps as usize,
        "{explored}"
    );
    assert_eq!(explored.failures.len(), 1, "equal failures are one: {explored}");
    let failure = &explored.failures[0];
    assert!(failure.again, "{explored}");
    let leak = &failure.report.leaks[0];
    let line = include_str!("explore.rs")
        .lines()
        .position(|line| line.ends_with("// forgets the shutdown"))
        .map(|at| at as u32 + 1);
    assert_eq!(leak.waiting_at.as_ref().map(|at| at.line), line, "{explored}");
    let polled = failure.polled.as_ref().unwrap();
    assert!(
        polled.task == "server › manage" || polled.task == "the body",
        "{explored}"
    );
    assert!(polled.waits.is_some(), "{explored}");
    let text = explored.to_string();
    assert!(text.contains(&format!("LEAKCHECK_STEP={}", failing[0])), "{text}");
}

#[test]
fn steps_that_fail_alike_are_one_failure_whatever_numbers_their_messages_tell() {
    let mut runs = 0;
    let explored = explored(|shutdown| {
        runs += 1;
        let run = runs;
        async move {
            for _ in 0..3 {
                yield_now().await;
            }
            assert!(!shutdown.is_cancelled(), "task {run} took {run}.5 µs");
        }
    });
    assert_eq!(explored.failing(), [1, 2, 3], "{explored}");
    assert_eq!(explored.failures.len(), 1, "{explored}");
    assert!(explored.failures[0].again, "{explored}");
}

#[test]
fn a_step_is_taken_alone_by_its_number() {
    let failing = explored(|shutdown| three_orders(shutdown, true)).failing();
    let only = |step| {
        Explore::new("a scenario")
            .only(step)
            .run(|shutdown| three_orders(shutdown, true))
    };
    assert_eq!(only(failing[0]).failing(), [failing[0]]);
    let before = only(failing[0] - 1);
    assert!(before.is_clean() && before.steps == 1 && !before.complete, "{before}");
}

#[test]
fn the_steps_of_a_scenario_repeat() {
    let runs: Vec<_> = (0..5)
        .map(|_| explored(|shutdown| three_orders(shutdown, true)))
        .collect();
    for run in &runs {
        assert_eq!((run.steps, run.failing()), (runs[0].steps, runs[0].failing()), "{run}");
    }
}

#[test]
fn each_step_is_one_poll_of_a_task_or_of_the_body() {
    // The body is polled once for each of its three waits and once more, the task once for each of two and once more.
    let explored = explored(|_| async {
        let tasks = TaskTracker::new();
        let task = tasks.spawn(async {
            yield_now().await;
            yield_now().await;
        });
        yield_now().await;
        yield_now().await;
        task.await.unwrap();
    });
    assert!(explored.is_clean(), "{explored}");
    assert_eq!(explored.steps, 7, "{explored}");
}

#[test]
fn a_leak_at_one_step_only_is_found_there() {
    for step in 1..=6 {
        let explored = explored(|shutdown| async move {
            let tasks = TaskTracker::named("server");
            for now in 1..=7 {
                if shutdown.is_cancelled() {
                    if now == step + 1 {
                        tasks.spawn_named("stays", pending::<()>());
                    }
                    return;
                }
                yield_now().await;
            }
        });
        assert_eq!(explored.failing(), [step], "{explored}");
        assert_eq!(explored.failures[0].report.leaks[0].path(), "server › stays");
        assert_eq!(explored.report.leaks.len(), 1);
    }
}

#[test]
fn a_wakeup_that_is_lost_by_the_shutdown_is_a_hang() {
    let explored = explored(|shutdown| async move {
        let tasks = TaskTracker::named("server");
        let done = Arc::new(Notify::new());
        let (stop, finished) = (shutdown.clone(), done.clone());
        tasks.spawn_named("work", async move {
            yield_now().await;
            if !stop.is_cancelled() {
                finished.notify_one();
            }
        });
        done.notified().await; // waits for ever
    });
    assert!(!explored.is_clean());
    assert_eq!(explored.failing(), [1, 2], "{explored}");
    let failure = &explored.failures[0];
    let hung = failure.hung.as_ref().expect("it hangs");
    assert_eq!(hung.waited, Some(Duration::from_secs(3_600)));
    assert_eq!(hung.body.waiting[0].leaf, "Notify::notified");
    let line = include_str!("explore.rs")
        .lines()
        .position(|line| line.ends_with("// waits for ever"))
        .map(|at| at as u32 + 1);
    assert_eq!(hung.body.at.as_ref().map(|at| at.line), line, "{explored}");
}

#[test]
fn what_keeps_a_hanging_body_is_shown() {
    let explored = explored(|shutdown| async move {
        let tasks = TaskTracker::named("server");
        let (keeps, answer) = oneshot::channel::<()>();
        tasks.spawn_named("deaf", async move {
            let _keeps = keeps;
            pending::<()>().await;
        });
        shutdown.cancelled().await;
        drop(answer.await);
    });
    let failure = &explored.failures[0];
    assert!(failure.hung.is_some());
    assert_eq!(failure.report.leaks[0].path(), "server › deaf", "{explored}");
}

#[test]
fn tasks_that_spin_after_the_shutdown_are_a_hang_in_which_time_stands_still() {
    let explored = Explore::new("a scenario").only(1).run(|shutdown| async move {
        let tasks = TaskTracker::named("server");
        let stop = shutdown.clone();
        let spinning = tasks.spawn(async move {
            while stop.is_cancelled() {
                yield_now().await;
            }
        });
        drop(spinning.await);
    });
    let hung = explored.failures[0].hung.as_ref().expect("it hangs");
    assert_eq!(hung.waited, None, "{explored}");
}

#[test]
fn a_panic_by_the_shutdown_is_found_in_a_task_and_in_the_body() {
    let in_a_task = explored(|shutdown| async move {
        let tasks = TaskTracker::named("server");
        let stop = shutdown.clone();
        drop(tasks.spawn_named("work", async move {
            yield_now().await;
            assert!(!stop.is_cancelled(), "planted");
        }));
        tasks.close();
        tasks.wait().await;
    });
    assert_eq!(in_a_task.failures[0].panicked, ["server › work"], "{in_a_task}");
    assert_eq!(in_a_task.failing(), [1, 2], "{in_a_task}");

    let in_the_body = explored(|shutdown| async move {
        yield_now().await;
        yield_now().await;
        assert!(!shutdown.is_cancelled(), "planted");
    });
    assert_eq!(in_the_body.failing(), [1, 2], "{in_the_body}");
    assert_eq!(in_the_body.failures[0].panic.as_deref(), Some("planted"));
}

#[test]
fn a_panic_while_the_scenario_is_made_is_found_too() {
    let explored = Explore::new("a scenario").run(|_| {
        assert!(std::hint::black_box(false), "planted");
        std::future::ready(())
    });
    assert_eq!(explored.failures[0].panic.as_deref(), Some("planted"));
}

#[test]
fn an_error_is_a_failure_only_where_nothing_cut_the_scenario_short() {
    let scenario = |fails: bool| {
        Explore::new("a scenario").run(move |shutdown| async move {
            yield_now().await;
            match fails || shutdown.is_cancelled() {
                true => Err("no answer"),
                false => Ok(()),
            }
        })
    };
    let cut_short = scenario(false);
    assert!(cut_short.is_clean(), "{cut_short}");
    let failing = scenario(true);
    assert_eq!(failing.failing(), [failing.steps + 1], "{failing}");
    assert!(failing.failures[0].error && failing.failures[0].polled.is_none());
}

#[test]
fn a_scenario_that_waits_for_the_shutdown_is_shut_down_at_last() {
    let explored = explored(|shutdown| async move {
        yield_now().await;
        shutdown.cancelled().await;
    });
    assert!(
        explored.is_clean() && explored.complete && !explored.ended_by_itself,
        "{explored}"
    );
    assert_eq!(explored.steps, 2, "{explored}");
}

#[test]
fn a_scenario_that_calls_its_own_shutdown_has_no_step_after_that() {
    let explored = explored(|shutdown| async move {
        yield_now().await;
        shutdown.cancel();
        yield_now().await;
        yield_now().await;
    });
    assert!(explored.is_clean() && explored.ended_by_itself, "{explored}");
    assert_eq!(explored.steps, 1, "{explored}");
}

#[test]
fn what_ends_by_its_own_timers_is_not_hung() {
    let explored = explored(|shutdown| async move {
        let tasks = TaskTracker::named("server");
        tasks.spawn(async move {
            shutdown.cancelled().await;
            for _ in 0..100 {
                tokio::time::sleep(Duration::from_secs(30)).await;
            }
        });
        tasks.close();
        tasks.wait().await;
    });
    assert!(explored.is_clean(), "{explored}");
}

#[test]
fn what_takes_longer_to_end_than_it_may_is_hung() {
    let explored = Explore::new("a scenario")
        .ends_within(Duration::from_secs(10))
        .run(|shutdown| async move {
            for pause in [1, 30, 1] {
                let pause = Duration::from_secs(pause);
                if shutdown.run_until_cancelled(tokio::time::sleep(pause)).await.is_none() {
                    break;
                }
                tokio::time::sleep(pause).await; // forgets the shutdown
            }
        });
    let failure = &explored.failures[0];
    assert_eq!(failure.hung.as_ref().unwrap().waited, Some(Duration::from_secs(10)));
    assert_eq!(explored.failing(), [4], "{explored}");
}

#[test]
fn tasks_that_wait_for_the_shutdown_alone_end_with_the_body() {
    let explored = explored(|shutdown| async move {
        let tasks = TaskTracker::named("server");
        tasks.spawn(shutdown.clone().cancelled_owned_token());
        yield_now().await;
    });
    assert!(explored.is_clean() && explored.ended_by_itself, "{explored}");
}

trait Owned {
    fn cancelled_owned_token(self) -> impl Future<Output = ()> + Send + 'static;
}

impl Owned for Shutdown {
    async fn cancelled_owned_token(self) {
        self.cancelled().await;
    }
}

#[test]
fn the_other_side_goes_on_while_the_shutdown_is_under_way() {
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = calls.clone();
    let explored = Explore::new("a scenario").run(move |shutdown| {
        let counted = counted.clone();
        async move {
            let operation = async {
                for _ in 0..5 {
                    yield_now().await;
                }
                counted.fetch_add(1, Ordering::Relaxed);
                7
            };
            let (value, closed) = shutdown.alongside(operation, async { 8 }).await;
            assert_eq!((value, closed), (7, 8));
        }
    });
    assert!(explored.is_clean() && explored.ended_by_itself, "{explored}");
    assert_eq!(
        calls.load(Ordering::Relaxed) as u64,
        explored.steps + 1,
        "the operation ended in every run"
    );
}

#[test]
fn an_operation_that_is_interrupted_is_dropped_at_once() {
    let explored = explored(|shutdown| async move {
        let calls = Arc::new(AtomicUsize::new(0));
        let counted = calls.clone();
        let token = shutdown.clone();
        let cut = shutdown
            .interrupt(async move {
                loop {
                    assert!(!token.is_cancelled(), "not polled after the shutdown");
                    counted.fetch_add(1, Ordering::Relaxed);
                    if counted.load(Ordering::Relaxed) == 5 {
                        return;
                    }
                    yield_now().await;
                }
            })
            .await;
        assert_eq!(
            cut.is_none(),
            shutdown.is_cancelled() && calls.load(Ordering::Relaxed) < 5
        );
        assert_eq!(Arc::strong_count(&calls), 1);
    });
    assert!(explored.is_clean(), "{explored}");
}

#[test]
fn a_scenario_without_an_end_is_told_of_unless_there_is_a_limit() {
    let endless = |limit: Option<u64>| {
        let explore = limit.into_iter().fold(Explore::new("a scenario"), Explore::limit);
        explore.run(|shutdown| async move {
            while !shutdown.is_cancelled() {
                yield_now().await;
            }
        })
    };
    let limited = endless(Some(20));
    assert!(
        limited.is_clean() && !limited.complete && limited.steps == 20,
        "{limited}"
    );
}

#[test]
fn a_rule_holds_for_every_step_and_is_told_of_when_no_step_needs_it() {
    let explored = Explore::new("a scenario")
        .ignore(ignore::name("stays", "planted"))
        .ignore(ignore::name("nobody", "has left"))
        .run(|_| async {
            TaskTracker::new().spawn_named("stays", pending::<()>());
            yield_now().await;
        });
    assert!(explored.is_clean(), "{explored}");
    let matched: Vec<_> = explored.report.ignored.iter().map(|rule| rule.matched).collect();
    assert_eq!(matched, [explored.steps + 1, 0]);
    assert!(explored.to_string().contains("unused: nothing matched"), "{explored}");
}

#[test]
fn what_became_of_the_tasks_of_all_runs_is_added_up() {
    let explored = explored(|shutdown| async move {
        let tasks = TaskTracker::named("server").cancelled_by(&shutdown);
        tasks.spawn_named("work", yield_now());
        tasks.close();
        tasks.wait().await;
    });
    let [site] = &explored.report.sites[..] else {
        panic!("one place spawns: {explored}")
    };
    assert_eq!(site.seen, explored.steps + 1);
    assert_eq!(site.returned + site.cancelled, site.seen);
    assert!(site.cancelled > 0, "{site:?}");
}

#[test]
fn explorations_side_by_side_do_not_see_each_other() {
    std::thread::scope(|threads| {
        let handles: Vec<_> = (0..4)
            .map(|n| threads.spawn(move || explored(|shutdown| three_orders(shutdown, n % 2 == 1)).failing().len()))
            .collect();
        let failing: Vec<_> = handles.into_iter().map(|handle| handle.join().unwrap()).collect();
        assert_eq!((failing[0], failing[2]), (0, 0));
        assert!(failing[1] > 0 && failing[1] == failing[3]);
    });
}

/// Tests that do nothing unless they are asked to, and run in a process of their own.
mod fixture {
    use super::*;

    fn asked() -> bool {
        std::env::var_os("LEAKCHECK_TEST_FIXTURES").is_some()
    }

    #[test]
    fn leaks() {
        if asked() {
            leakcheck::explore(|shutdown| three_orders(shutdown, true));
        }
    }

    #[test]
    fn passes() {
        if asked() {
            leakcheck::explore(|shutdown| three_orders(shutdown, false));
        }
    }

    #[test]
    fn blocks() {
        if asked() {
            Explore::new("blocks")
                .stuck_after(Duration::from_millis(10))
                .conclude(|shutdown| async move {
                    let tasks = TaskTracker::named("server");
                    let stop = shutdown.clone();
                    tasks.spawn_named("busy", async move {
                        let (_keeps, never) = std::sync::mpsc::channel::<()>();
                        if stop.is_cancelled() {
                            never.recv().unwrap();
                        }
                    });
                    tasks.close();
                    tasks.wait().await;
                });
        }
    }
}

/// The outcome of a fixture, what it shows, and the lines that it wrote.
fn run(fixture: &str, step: Option<u64>) -> (bool, String, Vec<serde_json::Value>) {
    let directory = std::path::PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!(
        "explore-{}-{fixture}-{}",
        std::process::id(),
        step.unwrap_or_default()
    ));
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", &format!("fixture::{fixture}"), "--nocapture"])
        .env("LEAKCHECK_TEST_FIXTURES", "1")
        .env("LEAKCHECK_REPORT_DIR", &directory);
    if let Some(step) = step {
        command.env("LEAKCHECK_STEP", step.to_string());
    }
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    let lines = std::fs::read_dir(&directory)
        .unwrap()
        .flat_map(|file| {
            let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
            text.lines()
                .map(|line| serde_json::from_str(line).unwrap())
                .collect::<Vec<_>>()
        })
        .collect();
    std::fs::remove_dir_all(directory).unwrap();
    (output.status.success(), text, lines)
}

#[test]
fn a_failing_exploration_fails_its_test_and_is_one_line_of_the_records() {
    let (passed, text, lines) = run("leaks", None);
    assert!(!passed, "{text}");
    assert!(text.contains("explored explore::fixture::leaks: "), "{text}");
    let verdicts: Vec<_> = lines
        .iter()
        .map(|line| (&line["test"], &line["verdict"], &line["body"]))
        .collect();
    let expected = ("explore::fixture::leaks", "leaked", "passed");
    assert_eq!(verdicts, [(&expected.0.into(), &expected.1.into(), &expected.2.into())]);

    let (passed, _, lines) = run("passes", None);
    assert!(passed);
    assert_eq!((lines.len(), &lines[0]["verdict"]), (1, &"clean".into()));
}

#[test]
fn the_environment_asks_for_one_step() {
    let (passed, text, _) = run("leaks", Some(1));
    assert!(passed && text.contains("1 step, shut down cleanly"), "{text}");
    let step = explored(|shutdown| three_orders(shutdown, true)).failing()[0];
    let (passed, text, _) = run("leaks", Some(step));
    assert!(!passed && text.contains(&format!("step {step}: ")), "{text}");
}

#[test]
fn a_poll_that_does_not_return_ends_the_process_with_its_step() {
    let (passed, text, lines) = run("blocks", None);
    assert!(!passed);
    assert!(
        text.contains("explored blocks: step 1: one poll has not returned"),
        "{text}"
    );
    assert!(text.contains("LEAKCHECK_STEP=1"), "{text}");
    assert!(text.contains("server › busy"), "{text}");
    assert_eq!(lines[0]["test"], "blocks");
}
