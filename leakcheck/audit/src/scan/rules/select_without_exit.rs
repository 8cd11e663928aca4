//! `select-without-exit`: a task's endless loop around a `select!` that nothing leaves.
//!
//! The loop is a `loop` or `while true` without any way out: no `break`, `return`, `?` or panic. It runs in a task that nobody
//! can end: its handle is dropped, or kept where no code of the crate aborts anything.
//!
//! `Some(x) = rx.recv()` is no way out: where the pattern does not match, tokio disables the branch. Where *every* branch is
//! disabled and there is no `else`, `select!` panics, so that a loop whose branches all have such patterns ends, if badly, and is
//! not reported. `None => break`, `else => break` and `complete => break` are ways out.

use crate::scan::context::{Context, Raw};
use crate::scan::index::line;
use crate::scan::leave::Wait;
use crate::scan::select::is_refutable;
use crate::scan::spawned::Kind;

pub(crate) const NAME: &str = "select-without-exit";

pub(crate) fn check(context: &Context<'_, '_>, found: &mut Vec<Raw>) {
    for task in &context.endless {
        if context.spawns[task.spawn].kind != Kind::Task {
            continue;
        }
        let select = task.waits.iter().find_map(|wait| match wait {
            Wait::Select(select) if !select.never_waits => Some(select),
            _ => None,
        });
        let Some(select) = select else { continue };
        let disabled = select.branches.iter().any(|branch| {
            is_refutable(branch.pattern)
                && crate::scan::context::awaited_method(branch.future).is_some_and(|call| call.method == "recv")
        });
        let mut why = "no branch of this select! leaves the loop around it: none waits for cancellation, the end of a channel or a deadline that ends the task".to_owned();
        if disabled {
            why.push_str("; `Some(…) = recv()` only disables its branch once the channel has ended");
        }
        found.push(Raw {
            rule: NAME,
            function: task.function,
            line: line(select.span),
            why,
            fix: "add a branch that waits for the owner's CancellationToken and breaks, or match `None` of the channel and break".to_owned(),
            spawned_at: Some(context.started_by(task.spawn)),
            note: false,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::check;

    #[test]
    fn a_loop_whose_select_nothing_leaves_is_found() {
        check(
            r#"
            fn start(mut rx: tokio::sync::mpsc::Receiver<u8>) {
                let mut ticks = tokio::time::interval(SECOND);
                tokio::spawn(async move {
                    loop {
                        tokio::select! { //~ select-without-exit
                            Some(value) = rx.recv() => println!("{value}"),
                            _ = ticks.tick() => {}
                        }
                    }
                });
            }
            "#,
        );
    }

    #[test]
    fn it_is_found_in_a_function_that_a_spawned_one_awaits() {
        check(
            r#"
            use tokio::{select, time::Interval};
            struct Server { a: Interval, b: Interval }
            impl Server {
                fn start(mut self) { let _ = tokio::spawn(async move { self.run().await }); }
                async fn run(&mut self) { self.serve().await; }
                async fn serve(&mut self) {
                    while true {
                        select! { //~ select-without-exit
                            biased;
                            _ = self.a.tick(), if self.ready() => {}
                            _ = self.b.tick() => { for _ in 0..3 { break; } }
                        }
                    }
                }
            }
            "#,
        );
    }

    #[test]
    fn a_way_out_of_any_kind_is_enough() {
        for way_out in [
            "_ = token.cancelled() => break,",
            "message = rx.recv() => match message { Some(_) => {} None => return },",
            "message = rx.recv() => { let Some(_) = message else { break }; }",
            "_ = tokio::time::sleep(LONG) => panic!(\"too late\"),",
            "message = rx.recv() => { message.unwrap(); }",
            "_ = async {} => std::process::exit(1),",
            "Some(_) = rx.recv() => {} else => break,",
            "_ = async {} => bail!(\"over\"),",
            "_ = async {} => some_macro_of_others!(x),",
        ] {
            check(&format!(
                "fn start() {{ tokio::spawn(async move {{ loop {{ tokio::select! {{ _ = ticks.tick() => {{}} {way_out} }} }} }}); }}"
            ));
        }
    }

    #[test]
    fn a_select_whose_branches_can_all_be_disabled_panics_and_so_ends() {
        check(
            "fn start() { tokio::spawn(async move { loop { tokio::select! { Some(a) = one.recv() => {} Ok(b) = two.recv() => {} } } }); }",
        );
    }

    #[test]
    fn a_task_that_somebody_can_end_is_left_alone() {
        check(
            r#"
            fn owned() {
                let mut set = tokio::task::JoinSet::new();
                set.spawn(async { loop { tokio::select! { _ = a.tick() => {} _ = b.tick() => {} } } });
                set.shutdown();
            }
            fn kept() -> tokio::task::JoinHandle<()> {
                tokio::spawn(async { loop { tokio::select! { _ = a.tick() => {} _ = b.tick() => {} } } })
            }
            async fn not_spawned() { loop { tokio::select! { _ = a.tick() => {} _ = b.tick() => {} } } }
            fn bounded() { tokio::spawn(async { tokio::select! { _ = not_spawned() => {} _ = token.cancelled() => {} } }); }
            "#,
        );
    }

    #[test]
    fn the_select_of_futures_is_understood() {
        check(
            r#"
            fn start() {
                tokio::spawn(async {
                    loop {
                        futures::select! { //~ select-without-exit
                            a = one.next() => {}
                            b = two.next() => {}
                        }
                    }
                });
                tokio::spawn(async { loop { futures::select_biased! { a = one.next() => {} complete => break } } });
                tokio::spawn(async { loop { futures::select! { a = one.next() => {} default => break } } });
            }
            "#,
        );
    }
}
