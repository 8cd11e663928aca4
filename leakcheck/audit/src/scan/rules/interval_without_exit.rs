//! `interval-without-exit`: a task's endless loop that waits for time alone, and that nothing leaves.
//!
//! `loop { interval.tick().await; … }` and `loop { sleep(…).await; … }` in a task that nobody can end.

use syn::Expr;

use crate::scan::context::{Context, Raw, awaited_method};
use crate::scan::index::line;
use crate::scan::leave::Wait;
use crate::scan::spawned::Kind;

pub(crate) const NAME: &str = "interval-without-exit";

pub(crate) fn check(context: &Context<'_, '_>, found: &mut Vec<Raw>) {
    for task in &context.endless {
        if context.spawns[task.spawn].kind != Kind::Task
            || task.waits.iter().any(|wait| matches!(wait, Wait::Select(_)))
        {
            continue;
        }
        let Some(time) = task
            .waits
            .iter()
            .find(|wait| matches!(wait, Wait::Await(future, _) if is_time(future)))
        else {
            continue;
        };
        found.push(Raw {
            rule: NAME,
            function: task.function,
            line: line(time.span()),
            why: "this loop goes on by the clock, and nothing leaves it".to_owned(),
            fix: "wait for the tick and for the owner's CancellationToken in one select!, and break on the latter; or keep the handle and abort it on drop".to_owned(),
            spawned_at: Some(context.started_by(task.spawn)),
            note: false,
        });
    }
}

/// Whether this waits for time.
pub(crate) fn is_time(future: &Expr) -> bool {
    if awaited_method(future).is_some_and(|call| call.method == "tick" && call.args.is_empty()) {
        return true;
    }
    matches!(future, Expr::Call(call) if matches!(&*call.func, Expr::Path(path)
        if path.path.segments.last().is_some_and(|last| last.ident == "sleep" || last.ident == "sleep_until")))
}

#[cfg(test)]
mod tests {
    use super::super::testing::check;

    #[test]
    fn a_loop_by_the_clock_is_found() {
        check(
            r#"
            use tokio::time::{interval, sleep};
            fn ticks() {
                tokio::spawn(async move {
                    let mut interval = interval(PERIOD);
                    loop {
                        interval.tick().await; //~ interval-without-exit
                        if let Err(error) = save().await { log::warn!("{error}"); continue; }
                    }
                });
            }
            fn sleeps(handle: &tokio::runtime::Handle) {
                handle.spawn(purge());
            }
            async fn purge() {
                loop {
                    purge_once();
                    sleep(PERIOD).await; //~ interval-without-exit
                }
            }
            "#,
        );
    }

    #[test]
    fn one_that_stops_is_left_alone() {
        check(
            r#"
            fn upgrades(weak: std::sync::Weak<Db>) {
                tokio::spawn(async move { loop { interval.tick().await; let Some(db) = weak.upgrade() else { return }; db.purge(); } });
            }
            fn fails() { tokio::spawn(async move { loop { interval.tick().await; send().await?; } }); }
            fn polls() { tokio::spawn(async move { while !stopped() { interval.tick().await; } }); }
            fn counts() { tokio::spawn(async move { for _ in 0..3 { interval.tick().await; } }); }
            async fn main() { loop { interval.tick().await; } }
            struct Guard(tokio::task::JoinHandle<()>);
            impl Drop for Guard { fn drop(&mut self) { self.0.abort(); } }
            fn guarded() -> Guard { let task = tokio::spawn(async { loop { interval.tick().await; } }); Guard(task) }
            "#,
        );
    }
}
