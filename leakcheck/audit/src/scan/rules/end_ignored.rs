//! `end-ignored`: an endless loop that goes on receiving from a channel after its end.
//!
//! Once a channel has ended, `recv` returns at once, every time: a loop that nothing leaves then spins for ever and keeps its
//! thread busy. It does not matter who runs the loop. The receiver has to be one of tokio's or the standard library's channels by
//! its type; a branch of `select!` whose pattern does not match the end does not spin, and is `select-without-exit`'s business.

use std::collections::HashSet;

use syn::Expr;
use syn::visit::{self, Visit};

use crate::scan::context::{Context, Raw, awaited_method};
use crate::scan::index::{FnId, line};
use crate::scan::leave::{self, Wait};
use crate::scan::scope::Scope;
use crate::scan::select::is_refutable;

pub(crate) const NAME: &str = "end-ignored";

pub(crate) fn check(context: &Context<'_, '_>, found: &mut Vec<Raw>) {
    let mut seen = HashSet::new();
    for (id, function) in context.krate.functions.iter().enumerate() {
        if function.for_tests {
            continue;
        }
        let scope = &context.scopes[id];
        for block in blocks(function.body) {
            for endless in leave::loops(block) {
                if !leave::exits(&endless).is_empty() {
                    continue;
                }
                for wait in leave::waits(endless.body) {
                    let spins = match &wait {
                        Wait::Await(future, _) => is_receive(future, scope),
                        Wait::Select(select) => select
                            .branches
                            .iter()
                            .any(|branch| !is_refutable(branch.pattern) && is_receive(branch.future, scope)),
                    };
                    let at = line(wait.span());
                    if spins && seen.insert((function.file, at)) {
                        found.push(Raw {
                            rule: NAME,
                            function: FnId(id),
                            line: at,
                            why: "once the channel has ended this returns at once, every time: the loop spins, and nothing leaves it".to_owned(),
                            fix: "leave the loop at the channel's end: `while let Some(x) = rx.recv().await`, or break on `None` (`Closed`, `Err`)".to_owned(),
                            spawned_at: None,
                            note: false,
                        });
                    }
                }
            }
        }
    }
    // Where the loop spins it need not be said that it has no exit.
    let spinning: HashSet<(usize, u32)> = found
        .iter()
        .filter(|raw| raw.rule == NAME)
        .map(|raw| (context.krate.function_of(raw.function).file, raw.line))
        .collect();
    found.retain(|raw| {
        raw.rule == NAME || !spinning.contains(&(context.krate.function_of(raw.function).file, raw.line))
    });
}

/// Whether this receives from a channel that may end.
fn is_receive(future: &Expr, scope: &Scope<'_, '_>) -> bool {
    let Some(call) = awaited_method(future) else {
        return false;
    };
    if !call.args.is_empty() {
        return false;
    }
    let Some(ty) = scope.infer(&call.receiver) else {
        return false;
    };
    match call.method.to_string().as_str() {
        "recv" => matches!(
            ty.as_str(),
            "tokio::sync::mpsc::Receiver" | "tokio::sync::mpsc::UnboundedReceiver" | "tokio::sync::broadcast::Receiver"
        ),
        "changed" => ty == "tokio::sync::watch::Receiver",
        _ => false,
    }
}

/// A function's block, and those of the `async` blocks and closures in it.
fn blocks(body: &syn::Block) -> Vec<&syn::Block> {
    struct Blocks<'a>(Vec<&'a syn::Block>);
    impl<'a> Visit<'a> for Blocks<'a> {
        fn visit_expr_async(&mut self, inner: &'a syn::ExprAsync) {
            self.0.push(&inner.block);
            visit::visit_expr_async(self, inner);
        }
        fn visit_expr_closure(&mut self, inner: &'a syn::ExprClosure) {
            if let Expr::Block(block) = &*inner.body {
                self.0.push(&block.block);
            }
            visit::visit_expr_closure(self, inner);
        }
        fn visit_item(&mut self, _: &'a syn::Item) {}
    }
    let mut finder = Blocks(vec![body]);
    finder.visit_block(body);
    finder.0
}

#[cfg(test)]
mod tests {
    use super::super::testing::check;

    #[test]
    fn a_loop_that_spins_after_the_end_is_found() {
        check(
            r#"
            use tokio::sync::{mpsc, watch};
            async fn relay(mut rx: mpsc::Receiver<u8>) {
                loop {
                    if let Some(value) = rx.recv().await { println!("{value}"); } //~ end-ignored
                }
            }
            struct Follower { changes: watch::Receiver<u8> }
            impl Follower {
                async fn follow(&mut self) {
                    loop {
                        let _ = self.changes.changed().await; //~ end-ignored
                    }
                }
            }
            fn start() {
                let (tx, mut rx) = mpsc::unbounded_channel();
                tokio::spawn(async move {
                    loop {
                        tokio::select! { //~ end-ignored
                            message = rx.recv() => { handle(message); }
                            _ = ticks.tick() => {}
                        }
                    }
                });
            }
            "#,
        );
    }

    #[test]
    fn one_that_ends_with_its_channel_is_left_alone() {
        check(
            r#"
            use tokio::sync::mpsc;
            async fn a(mut rx: mpsc::Receiver<u8>) { while let Some(value) = rx.recv().await {} }
            async fn b(mut rx: mpsc::Receiver<u8>) { loop { match rx.recv().await { Some(_) => {} None => break } } }
            async fn c(mut rx: mpsc::Receiver<u8>) -> Option<()> { loop { rx.recv().await?; } }
            async fn d(mut rx: mpsc::Receiver<u8>) { loop { rx.recv().await.expect("open"); } }
            async fn e(mut rx: Own) { loop { rx.recv().await; } }
            async fn f(mut rx: std::sync::mpsc::Receiver<u8>) { for _ in rx.iter() {} }
            "#,
        );
    }
}
