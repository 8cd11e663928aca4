//! The live view: every task as it is, without disturbing it; and where each waits, when that is asked for.
#![cfg(feature = "track")]

use std::future::pending;
use std::sync::{Mutex, MutexGuard, PoisonError, mpsc};
use std::time::Duration;

use leakcheck::report::LeakState;
use leakcheck::{Check, Dump, Dumped, TaskTracker, dump};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::Notify;

/// So long that only a task which never answers would use it up.
const LONG: Duration = Duration::from_secs(60);

/// Other tests' tasks are in a dump too: those of one group of its own.
fn of_group<'a>(dump: &'a Dump, group: &str) -> Vec<&'a Dumped> {
    let tasks = dump.tasks.iter();
    tasks.filter(|task| &*task.info.group == group).collect()
}

/// A dump asks the tasks of every test in the process, which counts as a poll.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn current_thread() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

#[test]
fn a_dump_tells_every_task_and_polls_none() {
    let _alone = alone();
    current_thread().block_on(async {
        let tasks = TaskTracker::named("a dump");
        tasks.spawn_named("first", pending::<()>());
        tasks.group("a dump's group").spawn_named("second", pending::<()>());
        tokio::task::yield_now().await;
        for _ in 0..3 {
            tokio::task::yield_now().await;
            let dump = dump();
            assert!(dump.tracked);
            for (group, name) in [("a dump", "first"), ("a dump's group", "second")] {
                let [task] = of_group(&dump, group)[..] else {
                    panic!("{dump}")
                };
                assert_eq!((task.info.name.as_str(), task.info.polls), (name, 1), "{dump}");
                assert_eq!(task.waits, None);
                assert!(
                    dump.to_string().contains(&format!("{group}\n  {name}  alive ")),
                    "{dump}"
                );
            }
        }
    });
}

#[test]
fn a_task_that_is_asked_says_where_it_waits_and_is_polled_once_more() {
    let _alone = alone();
    current_thread().block_on(async {
        TaskTracker::named("asked").spawn_named("waits", async {
            let notify = Notify::new();
            tokio::select! {
                () = notify.notified() => {}
                () = tokio::time::sleep(LONG * 60) => {}
            }
        });
        tokio::task::yield_now().await;
        let asked = dump().ask(LONG).await;
        let [task] = of_group(&asked, "asked")[..] else {
            panic!("{asked}")
        };
        let waits = task.waits.as_ref().expect("an answer");
        assert_eq!((waits.select, waits.branches.len()), (Some(2), 2));
        assert_eq!(waits.at.as_ref().unwrap().file, file!());
        let shown = asked.to_string();
        assert!(shown.contains("for Notify::notified or Sleep"), "{shown}");
        assert_eq!(of_group(&dump(), "asked")[0].info.polls, 2);
    });
}

#[test]
fn a_task_whose_thread_is_blocked_goes_without_an_answer() {
    let _alone = alone();
    let (release, released) = mpsc::channel::<()>();
    let (blocks, blocked) = tokio::sync::oneshot::channel();
    let mut runtime = Builder::new_multi_thread();
    let runtime = runtime.worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let tasks = TaskTracker::named("blocked");
        tasks.spawn_named("blocks", async move {
            blocks.send(()).unwrap();
            released.recv().unwrap_err();
        });
        blocked.await.unwrap();
        let dump = dump().ask(Duration::from_millis(1)).await;
        let [task] = of_group(&dump, "blocked")[..] else {
            panic!("{dump}")
        };
        assert!(task.waits.is_none() && task.info.polling, "{dump}");
        assert!(dump.to_string().contains("being polled"), "{dump}");
    });
    drop(release);
}

#[test]
fn a_task_may_dump_itself_among_the_others() {
    let _alone = alone();
    let dump = current_thread().block_on(async {
        let tasks = TaskTracker::named("itself");
        tasks.spawn_named("handler", dump().ask(LONG)).await.unwrap();
        let handler = async { dump().ask(LONG).await };
        tasks.spawn_named("handler", handler).await.unwrap()
    });
    let [task] = of_group(&dump, "itself")[..] else {
        panic!("{dump}")
    };
    assert!(task.waits.is_some(), "{dump}");
}

#[test]
fn two_that_ask_at_once_both_have_their_answers() {
    let _alone = alone();
    let (one, other) = current_thread().block_on(async {
        TaskTracker::named("asked twice").spawn_named("waits", pending::<()>());
        tokio::task::yield_now().await;
        tokio::join!(dump().ask(LONG), dump().ask(LONG))
    });
    for dump in [one, other] {
        assert!(of_group(&dump, "asked twice")[0].waits.is_some(), "{dump}");
    }
}

#[test]
fn many_tasks_of_one_line_are_counted() {
    let _alone = alone();
    let dump = current_thread().block_on(async {
        let tasks = TaskTracker::named("many");
        for number in 0..1_000 {
            tasks.spawn_named(number.to_string(), pending::<()>());
        }
        tokio::task::yield_now().await;
        dump().ask(LONG).await
    });
    assert_eq!(of_group(&dump, "many").len(), 1_000);
    let text = dump.to_string();
    assert!(
        text.contains("and 980 tasks more that leakcheck/tests/dump.rs:"),
        "{text}"
    );
}

#[test]
fn a_check_has_its_answers_whoever_else_asks() {
    let _alone = alone();
    let (done, is_done) = mpsc::channel::<()>();
    let others = std::thread::spawn(move || {
        let runtime = current_thread();
        while is_done.try_recv() == Err(mpsc::TryRecvError::Empty) {
            let _ = runtime.block_on(dump().ask(Duration::from_millis(1)));
        }
    });
    for _ in 0..20 {
        let mut runtime = Builder::new_multi_thread();
        runtime.worker_threads(2);
        let check = Check::new("asked by two").runtime(runtime).grace(Duration::ZERO);
        let outcome = check.run(async {
            for _ in 0..20 {
                TaskTracker::named("asked by two").spawn(async { Notify::new().notified().await });
            }
        });
        let report = outcome.report;
        assert_eq!(report.leaks.len(), 20);
        assert!(
            report
                .leaks
                .iter()
                .all(|leak| leak.state == LeakState::Waiting && leak.waiting.len() == 1),
            "{report}"
        );
    }
    drop(done);
    others.join().unwrap();
}

#[cfg(feature = "tracing")]
mod events {
    use std::collections::BTreeMap;
    use std::sync::{Arc, Mutex};

    use tracing::field::{Field, Visit};
    use tracing::span::{Attributes, Id, Record};
    use tracing::{Event, Level, Metadata, Subscriber};

    use super::*;

    #[derive(Clone, Default)]
    struct Events(Arc<Mutex<Vec<BTreeMap<String, String>>>>);

    struct Fields<'a>(&'a mut BTreeMap<String, String>);

    impl Visit for Fields<'_> {
        fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
            self.0.insert(field.name().to_owned(), format!("{value:?}"));
        }
    }

    impl Subscriber for Events {
        fn enabled(&self, metadata: &Metadata<'_>) -> bool {
            *metadata.level() == Level::DEBUG && metadata.target() == "leakcheck"
        }
        fn new_span(&self, _: &Attributes<'_>) -> Id {
            Id::from_u64(1)
        }
        fn record(&self, _: &Id, _: &Record<'_>) {}
        fn record_follows_from(&self, _: &Id, _: &Id) {}
        fn event(&self, event: &Event<'_>) {
            let mut fields = BTreeMap::new();
            event.record(&mut Fields(&mut fields));
            self.0.lock().unwrap().push(fields);
        }
        fn enter(&self, _: &Id) {}
        fn exit(&self, _: &Id) {}
    }

    #[test]
    fn a_dump_is_emitted_as_an_event_a_task() {
        let _alone = alone();
        let dump = current_thread().block_on(async {
            TaskTracker::named("emitted").spawn_named("waits", async { Notify::new().notified().await });
            tokio::task::yield_now().await;
            dump().ask(LONG).await
        });
        let events = Events::default();
        tracing::subscriber::with_default(events.clone(), || dump.emit());
        let events = events.0.lock().unwrap();
        assert_eq!(events.len(), dump.tasks.len());
        let ours = events.iter().find(|fields| fields["group"] == "\"emitted\"");
        let ours = ours.expect("an event");
        assert_eq!((ours["name"].as_str(), ours["polls"].as_str()), ("\"waits\"", "1"));
        assert!(ours["waiting_at"].starts_with("leakcheck/tests/dump.rs:"), "{ours:?}");
        assert!(ours["waiting_at"].ends_with("for Notify::notified"), "{ours:?}");
    }
}

#[cfg(all(unix, feature = "signal"))]
mod signal {
    use std::io::{BufRead, BufReader, Read};
    use std::process::{Command, Stdio};

    use super::*;

    const ASK: &str = "LEAKCHECK_TEST_SIGNAL";

    /// Does nothing unless it is asked to: then it is a process that hangs.
    #[test]
    fn a_process_that_hangs() {
        if std::env::var_os(ASK).is_none() {
            return;
        }
        leakcheck::dump_on_sigusr1().unwrap();
        let runtime = Builder::new_multi_thread().worker_threads(1).build().unwrap();
        let tasks = TaskTracker::named("hangs");
        let (blocks, blocked) = mpsc::channel();
        tasks.spawn_named_on("waits", pending::<()>(), runtime.handle());
        tasks.spawn_named_on(
            "blocks",
            async move {
                blocks.send(()).unwrap();
                let _ = std::io::stdin().read(&mut [0]);
            },
            runtime.handle(),
        );
        blocked.recv().unwrap();
        println!("\nready");
        runtime.shutdown_timeout(LONG);
    }

    #[test]
    fn a_signal_shows_what_runs_in_a_process_that_hangs() {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "signal::a_process_that_hangs", "--nocapture"])
            .env(ASK, "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        assert!(lines.any(|line| line.unwrap() == "ready"), "it begins to hang");
        let kill = format!("kill -USR1 {}", child.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
        let mut shown = Vec::new();
        for line in BufReader::new(child.stderr.take().unwrap()).lines() {
            shown.push(line.unwrap());
            if shown.last().is_some_and(|line| line.starts_with("  blocks")) {
                break;
            }
        }
        drop(child.stdin.take());
        assert!(child.wait().unwrap().success());
        let shown = shown.join("\n");
        assert!(
            shown.starts_with("2 tasks in 1 group\nhangs\n  waits   alive "),
            "{shown}"
        );
        assert!(shown.contains("being polled"), "{shown}");
    }
}
