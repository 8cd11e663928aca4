//! `blocking-loop`: an endless loop on a thread or on the blocking pool that nothing leaves.
//!
//! A runtime that is dropped waits for its blocking tasks that have begun: one that never ends hangs the program
//! (tokio's documentation of `spawn_blocking`). A thread like that lives as long as the process.

use crate::scan::context::{Context, Raw};
use crate::scan::index::line;
use crate::scan::spawned::Kind;

pub(crate) const NAME: &str = "blocking-loop";

pub(crate) fn check(context: &Context<'_, '_>, found: &mut Vec<Raw>) {
    for task in &context.endless {
        let why = match context.spawns[task.spawn].kind {
            Kind::Task => continue,
            Kind::Blocking => {
                "nothing leaves this loop on the blocking pool: it cannot be aborted, and a runtime that is dropped waits for it"
            }
            Kind::Thread => "nothing leaves this loop: its thread lives as long as the process",
        };
        found.push(Raw {
            rule: NAME,
            function: task.function,
            line: line(task.endless.span),
            why: why.to_owned(),
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
            fn c(listener: std::net::TcpListener) {
                thread::spawn(move || {
                    for stream in listener.incoming() { serve(stream); } //~ blocking-loop
                });
            }
            "#,
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
