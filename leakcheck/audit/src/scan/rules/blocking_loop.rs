//! `blocking-loop`: an endless loop on a thread or on the blocking pool that nothing leaves.
//!
//! A runtime that is dropped waits for its blocking tasks that have begun: one that never ends hangs the program
//! (tokio's documentation of `spawn_blocking`). A thread like that lives as long as the process.

use crate::scan::context::{Context, Raw};
use crate::scan::index::line;
use crate::scan::leave::exits;
use crate::scan::spawned::Kind;

pub(crate) const NAME: &str = "blocking-loop";

pub(crate) fn check(context: &Context<'_, '_>, found: &mut Vec<Raw>) {
    for task in &context.endless {
        let consequence = match context.spawns[task.spawn].kind {
            Kind::Task => continue,
            Kind::Blocking => "on the blocking pool it cannot be aborted, and a runtime that is dropped waits for it",
            Kind::Thread => "its thread lives as long as the process",
        };
        let accepts = task.endless.accepts || !exits(&task.endless).is_empty();
        let leaves = if accepts {
            "nothing leaves this loop but an error of accept, which nobody can bring about"
        } else {
            "nothing leaves this loop"
        };
        found.push(Raw {
            rule: NAME,
            function: task.function,
            line: line(task.endless.span),
            why: format!("{leaves}: {consequence}"),
            fix:
                "receive from a channel and leave at its end, or look at a flag that the owner sets when it is dropped"
                    .to_owned(),
            spawned_at: Some(context.started_by(task.spawn)),
            note: false,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::check;

    #[test]
    fn an_endless_loop_on_a_thread_is_found() {
        check(
            r#"
            use std::thread;
            fn a() {
                tokio::task::spawn_blocking(move || {
                    loop { poll_device(); } //~ blocking-loop
                });
            }
            fn b() { let worker = thread::Builder::new().name("b".into()).spawn(work).unwrap(); keep(worker); }
            fn work() {
                while true { thread::park(); } //~ blocking-loop
            }
            fn in_no_block() {
                thread::spawn(move || loop { thread::park(); }); //~ blocking-loop
                tokio::task::spawn_blocking(|| while true { poll_device() }); //~ blocking-loop
            }
            fn c(listener: std::net::TcpListener) {
                thread::spawn(move || {
                    for stream in listener.incoming() { serve(stream); } //~ blocking-loop
                });
            }
            "#,
        );
    }

    #[test]
    fn an_error_of_accept_is_told_of_as_the_only_way_out() {
        let why = |wait: &str| {
            let source = format!(
                "fn a(listener: std::net::TcpListener) {{ std::thread::spawn(move || {wait} {{ work(); }}); }}"
            );
            let suspects = crate::scan::scan_source(std::path::Path::new("src/lib.rs"), &source).suspects;
            suspects[0].why.clone()
        };
        assert_eq!(
            why("for peer in listener.incoming()"),
            "nothing leaves this loop but an error of accept, which nobody can bring about: its thread lives as long as the process"
        );
        assert_eq!(
            why("loop"),
            "nothing leaves this loop: its thread lives as long as the process"
        );
    }

    #[test]
    fn one_that_ends_is_left_alone() {
        check(
            r#"
            fn a(rx: std::sync::mpsc::Receiver<u8>) { std::thread::spawn(move || loop { let Ok(x) = rx.recv() else { break }; }); }
            fn b(rx: std::sync::mpsc::Receiver<u8>) { std::thread::spawn(move || loop { rx.recv().unwrap(); }); }
            fn c() { std::thread::spawn(move || while !STOP.load(Relaxed) { work(); }); }
            fn d() { std::thread::scope(|scope| { scope.spawn(|| work()); }); }
            fn e() { loop { work(); } }
            "#,
        );
    }
}
