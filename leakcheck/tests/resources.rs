//! Threads and file descriptors that outlive a test, and those that do not.
#![cfg(all(feature = "track", target_os = "linux"))]

use std::fs::File;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::process::Command;
use std::sync::mpsc;
use std::time::Duration;

use leakcheck::{TaskTracker, ignore, leakcheck};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

#[leakcheck(threads, fds)]
async fn sockets_that_are_closed_are_no_leaks() {
    let tasks = TaskTracker::named("server");
    for _ in 0..20 {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        tasks.spawn(async move {
            let (mut socket, _) = listener.accept().await.unwrap();
            socket.write_all(b"hello").await.unwrap();
        });
        let mut text = String::new();
        let mut socket = tokio::net::TcpStream::connect(at).await.unwrap();
        socket.read_to_string(&mut text).await.unwrap();
        assert_eq!(text, "hello");
    }
}

#[leakcheck(threads, fds, flavor = "multi_thread")]
async fn files_that_are_closed_are_no_leaks() {
    let path = std::env::temp_dir().join(format!("leakcheck-files-{}", std::process::id()));
    tokio::fs::write(&path, "text").await.unwrap();
    let mut files = Vec::new();
    for _ in 0..20 {
        files.push(tokio::fs::File::open(&path).await.unwrap());
    }
    let mut text = String::new();
    files[0].read_to_string(&mut text).await.unwrap();
    tokio::fs::remove_file(&path).await.unwrap();
    assert_eq!(text, "text");
}

#[leakcheck(threads, fds)]
async fn threads_that_are_joined_are_no_leaks() {
    let threads: Vec<_> = (0..8).map(|n| std::thread::spawn(move || n)).collect();
    let sum: i32 = threads.into_iter().map(|thread| thread.join().unwrap()).sum();
    assert_eq!(sum, 28);
    let closures: Vec<_> = (0..8).map(|n| tokio::task::spawn_blocking(move || n)).collect();
    for closure in closures {
        closure.await.unwrap();
    }
}

#[leakcheck(threads, fds)]
async fn a_name_that_is_looked_up_is_no_leak() {
    let found = tokio::net::lookup_host("localhost:80").await;
    drop(found.map(Iterator::count));
}

#[leakcheck(threads, fds)]
async fn a_signal_that_is_listened_for_is_no_leak() {
    let kind = tokio::signal::unix::SignalKind::user_defined2();
    let signal = tokio::signal::unix::signal(kind).unwrap();
    drop(signal);
}

#[leakcheck(threads, fds)]
async fn a_child_process_that_is_waited_for_is_no_leak() {
    let output = tokio::process::Command::new("true").output().await.unwrap();
    assert!(output.status.success());
    let mut child = tokio::process::Command::new("cat")
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdin.take());
    assert!(child.wait().await.unwrap().success());
}

#[leakcheck(threads, fds)]
#[test]
fn a_runtime_that_is_dropped_is_no_leak() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async { tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap() });
}

#[tokio::test]
#[leakcheck(threads, fds)]
async fn the_runtime_of_a_tokio_test_is_no_leak() {
    tokio::time::sleep(Duration::from_millis(1)).await;
}

#[leakcheck(threads, fds, start_paused)]
async fn a_paused_clock_is_no_matter() {
    let socket = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    // No tracker sees it; it closes its socket a while after the test.
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(500)).await;
        drop(socket);
    });
}

#[leakcheck(threads, fds)]
#[should_panic(expected = "the body's own panic")]
async fn a_test_that_should_panic_may_look_too() {
    panic!("the body's own panic");
}

#[leakcheck(threads, timeout = "10m")]
async fn what_watches_the_time_is_no_leak() {}

#[leakcheck(threads, grace = "100ms", ignore = ignore::name("blocks", "known"))]
async fn a_closure_that_a_rule_allows_may_stay_on_its_thread() {
    let (keep, never) = mpsc::channel::<()>();
    std::mem::forget(keep);
    TaskTracker::named("jobs").spawn_blocking_named("blocks", move || never.recv().is_err());
}

#[leakcheck(threads, fds, repeat = 5)]
async fn a_repeated_test_may_look_too() -> Result<(), std::io::Error> {
    File::open("/proc/self/stat")?
        .read_to_string(&mut String::new())
        .map(drop)
}

#[leakcheck(threads, fds, ignore = [ignore::thread("a-name-longer-than-fifteen", "known"), ignore::fd("/dev/null", "known")])]
async fn what_a_rule_allows_may_stay() {
    stay("a-name-longer-than-fifteen");
    std::mem::forget(File::open("/dev/null").unwrap());
}

/// Starts a thread that never ends.
fn stay(name: &str) {
    let (keep, never) = mpsc::channel::<()>();
    std::mem::forget(keep);
    let thread = std::thread::Builder::new().name(name.to_owned());
    thread.spawn(move || never.recv().is_err()).unwrap();
}

/// Tests that do nothing unless they are asked to, and then leave behind what their names say.
mod fixture {
    use super::*;

    pub const ASK: &str = "LEAKCHECK_TEST_FIXTURES";

    fn asked() -> bool {
        std::env::var_os(ASK).is_some()
    }

    #[leakcheck(threads, fds, grace = "100ms")]
    async fn a_thread() {
        if asked() {
            stay("reaper");
            println!("the test's own words");
        }
    }

    #[leakcheck(threads, fds, grace = "100ms")]
    #[should_panic]
    async fn a_thread_and_a_panic() {
        if asked() {
            stay("reaper");
        }
        panic!("as it should");
    }

    #[leakcheck(fds, grace = "100ms")]
    async fn a_listener() {
        if asked() {
            std::mem::forget(TcpListener::bind("127.0.0.1:0").unwrap());
        }
    }

    #[leakcheck(fds, grace = "100ms")]
    async fn a_file() {
        if asked() {
            std::mem::forget(File::open("/etc/passwd").unwrap());
        }
    }

    #[leakcheck(fds, grace = "100ms")]
    async fn a_pipe() -> Result<(), std::io::Error> {
        if asked() {
            let (read, mut write) = std::io::pipe()?;
            write.write_all(b"x")?;
            std::mem::forget(read);
        }
        Ok(())
    }

    #[leakcheck(fds, grace = "100ms")]
    #[test]
    fn sockets_of_every_kind() {
        if asked() {
            let listener = TcpListener::bind("[::1]:0").unwrap_or_else(|_| TcpListener::bind("127.0.0.1:0").unwrap());
            let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            std::mem::forget((UdpSocket::bind("127.0.0.1:0").unwrap(), client, listener));
            std::mem::forget(std::os::unix::net::UnixStream::pair().unwrap());
        }
    }

    #[leakcheck(threads, fds, grace = "100ms")]
    async fn a_listener_of_a_leaked_task() {
        if asked() {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            TaskTracker::named("server").spawn_named("accept", async move { listener.accept().await.is_ok() });
            tokio::task::yield_now().await;
        }
    }

    #[leakcheck(threads, fds, grace = "100ms")]
    async fn a_tracked_closure() {
        if asked() {
            let (keep, never) = mpsc::channel::<()>();
            std::mem::forget(keep);
            TaskTracker::named("jobs").spawn_blocking_named("blocks", move || never.recv().is_err());
        }
    }

    #[leakcheck(threads, fds, grace = "100ms")]
    async fn a_closure_that_no_tracker_saw() {
        if asked() {
            let (keep, never) = mpsc::channel::<()>();
            std::mem::forget(keep);
            tokio::task::spawn_blocking(move || never.recv().is_err());
        }
    }

    #[leakcheck(threads)]
    async fn the_end_of_its_process() {
        if asked() {
            std::process::exit(0);
        }
    }
}

/// Whether it passed, what it showed, and the lines it left.
fn run(fixture: &str, environment: &[(&str, &str)]) -> (bool, String, Vec<Value>) {
    let directory = std::path::PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!(
        "resources-{}-{fixture}-{}",
        std::process::id(),
        environment.len()
    ));
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", &format!("fixture::{fixture}")])
        .env(fixture::ASK, "1")
        .env("LEAKCHECK_REPORT_DIR", &directory)
        .envs(environment.iter().copied())
        .output()
        .unwrap();
    let files = std::fs::read_dir(&directory).into_iter().flatten();
    let texts = files.map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap());
    let lines: String = texts.collect();
    let _ = std::fs::remove_dir_all(directory);
    let shown = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    let lines = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    (output.status.success(), shown, lines)
}

fn resources(line: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let resources = line["resources"].as_array().unwrap().iter();
    resources
        .map(|resource| (text(&resource["kind"]), text(&resource["description"])))
        .collect()
}

#[test]
fn what_stays_is_named() {
    for (fixture, expected) in [
        ("a_thread", &[("thread", "thread reaper")][..]),
        ("a_thread_and_a_panic", &[("thread", "thread reaper")]),
        ("a_listener", &[("tcp", "TCP listening on 127.0.0.1:")]),
        ("a_file", &[("file", "file /etc/passwd (read)")]),
        ("a_pipe", &[("pipe", "read end of a pipe")]),
        (
            "sockets_of_every_kind",
            &[
                ("tcp", "TCP listening on "),
                ("tcp", "TCP "),
                ("udp", "UDP 127.0.0.1:"),
                ("unix", "unix socket without a name"),
                ("unix", "unix socket without a name"),
            ],
        ),
        ("a_listener_of_a_leaked_task", &[("tcp", "TCP listening on 127.0.0.1:")]),
        ("a_tracked_closure", &[]),
        ("a_closure_that_no_tracker_saw", &[("thread", "thread tokio-rt-worker")]),
    ] {
        let (passed, shown, lines) = run(fixture, &[]);
        assert!(!passed, "{fixture}: {shown}");
        let [line] = &lines[..] else {
            panic!("one line, the child's: {lines:?}\n{shown}")
        };
        assert_eq!(line["verdict"], "leaked");
        let found = resources(line);
        assert_eq!(found.len(), expected.len(), "{fixture}: {found:?}");
        for ((kind, description), (expected_kind, start)) in found.iter().zip(expected) {
            assert_eq!(kind, expected_kind, "{fixture}: {found:?}");
            assert!(description.starts_with(start), "{fixture}: {found:?}");
            assert!(
                shown.contains(description.as_str()),
                "{description:?} is not in:\n{shown}"
            );
        }
    }
}

#[test]
fn a_listener_of_a_task_is_told_beside_the_task() {
    let (_, shown, lines) = run("a_listener_of_a_leaked_task", &[("A", "B")]);
    assert_eq!(lines[0]["leaks"][0]["name"], "accept");
    assert_eq!(lines[0]["resources"][0]["with_runtime"], true);
    assert!(shown.contains("held by      a task of the test"), "{shown}");
}

#[test]
fn a_closure_that_blocks_is_told_once_as_the_task_it_is() {
    let (_, shown, lines) = run("a_tracked_closure", &[("A", "B")]);
    assert_eq!(lines[0]["leaks"][0]["state"], "blocking");
    assert!(!shown.contains("thread tokio-rt-worker"), "{shown}");
}

#[test]
fn the_output_is_passed_on_without_the_harnesss_own() {
    let (_, shown, _) = run("a_thread", &[("A", "B")]);
    assert!(shown.contains("the test's own words"), "{shown}");
    assert_eq!(shown.matches("running 1 test").count(), 1, "{shown}");
    assert_eq!(shown.matches("test result:").count(), 1, "{shown}");
}

#[test]
fn a_process_that_ends_too_early_has_not_passed() {
    let (passed, shown, _) = run("the_end_of_its_process", &[]);
    assert!(
        !passed && shown.contains("ended its process before it was checked"),
        "{shown}"
    );
}

#[test]
fn under_nextest_the_test_runs_where_it_is() {
    let mode = [("NEXTEST_EXECUTION_MODE", "process-per-test")];
    let (passed, shown, lines) = run("a_file", &mode);
    assert!(!passed && !shown.contains("in a process of its own"), "{shown}");
    assert_eq!(
        resources(&lines[0]),
        [("file".to_owned(), "file /etc/passwd (read)".to_owned())]
    );
}

#[test]
fn a_check_that_no_test_is_called_after_is_not_passed() {
    let conclude = || {
        leakcheck::Check::new("resources::no such test")
            .fds(true)
            .conclude(async {})
    };
    let panic = std::panic::catch_unwind(conclude).unwrap_err();
    let text = panic.downcast_ref::<String>().unwrap();
    assert!(text.contains("no test is called `no such test`"), "{text}");
}

#[leakcheck(threads, ignore = [
    ignore::published_by("a library", [ignore::name("nothing", "not there")]).into_iter().next().unwrap(),
    ignore::thread("kept", "lives as long as the process"),
])]
async fn a_thread_that_a_rule_behind_an_unneeded_one_allows_may_stay() {
    std::thread::Builder::new()
        .name("kept".to_owned())
        .spawn(|| {
            loop {
                std::thread::park();
            }
        })
        .unwrap();
}
