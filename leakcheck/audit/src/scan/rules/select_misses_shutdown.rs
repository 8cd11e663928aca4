//! `select-misses-shutdown`: a `select!` that does not listen to the shutdown that its function has and that others beside it
//! listen to.
//!
//! This is how franz-go's fake Kafka cluster left a task behind for every group: each wait listed what it was about, one of them
//! did not list the cluster's shutdown, and a task in that wait stayed. Each `select!` of a long-lived task has to consider every
//! exit, one with a timer too: until the timer comes, the shutdown is not heard.
//!
//! All of this has to hold:
//!
//! - the function has a shutdown at hand: a parameter, a local, or a field of its own type. A shutdown is a `CancellationToken`, a
//!   channel's receiver or a `Notify` whose name says shutdown, cancel, stop, exit or the like, or a type of this crate that is
//!   named so and can be waited for;
//! - another `select!` of the same file or the same type listens to one;
//! - every branch of this one is known, and none listens: neither itself, nor what it calls, nor by what it is sent;
//! - a `select!` with a deadline is passed again: it stands in a loop, or its function is called in one;
//! - the function is not itself a branch of a `select!` that listens, and the task is not one that somebody ends, as a `JoinSet`
//!   does.

use std::collections::HashSet;

use syn::Expr;
use syn::visit::{self, Visit};

use crate::scan::context::{Context, Raw, calls_in_loops, loop_ranges};
use crate::scan::index::{FnId, line};
use crate::scan::listen::{Listens, is_deadline};
use crate::scan::scope::Scope;
use crate::scan::select::Select;

pub(crate) const NAME: &str = "select-misses-shutdown";

struct Seen<'a> {
    function: FnId,
    select: Select<'a>,
    listens: Listens,
}

pub(crate) fn check(context: &Context<'_, '_>, found: &mut Vec<Raw>) {
    let mut all = Vec::new();
    for (id, function) in context.krate.functions.iter().enumerate() {
        if function.for_tests {
            continue;
        }
        for select in selects(function.body) {
            all.push(Seen {
                function: FnId(id),
                listens: context.listening.select(&select, &context.scopes[id]),
                select,
            });
        }
    }
    if all.iter().all(|seen| seen.listens != Listens::Yes) {
        return;
    }
    let in_loops = calls_in_loops(context.krate);
    let covered = covered(context, &all);
    for seen in all
        .iter()
        .filter(|seen| seen.listens == Listens::No && !seen.select.never_waits)
    {
        let function = context.krate.function_of(seen.function);
        let Some(access) = context.listening.access(seen.function).into_iter().next() else {
            continue;
        };
        let beside = all.iter().find(|other| {
            let of = context.krate.function_of(other.function);
            other.listens == Listens::Yes
                && (of.file == function.file || (of.owner.is_some() && of.owner == function.owner))
                && !context.listening.access(other.function).is_empty()
        });
        let Some(beside) = beside else { continue };
        let scope = &context.scopes[seen.function.0];
        let deadline = seen
            .select
            .branches
            .iter()
            .any(|branch| is_deadline(branch.future, scope));
        let at = line(seen.select.span);
        let again = in_loops.contains(&function.name)
            || loop_ranges(function.body)
                .iter()
                .any(|(from, to)| (line(*from)..=line(*to)).contains(&at));
        if (deadline && !again) || covered.contains(&seen.function) || context.is_ended(seen.function, at) {
            continue;
        }
        let other = context.krate.function_of(beside.function);
        let place = context.krate.files[other.file]
            .path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy();
        found.push(Raw {
            rule: NAME,
            function: seen.function,
            line: at,
            why: format!(
                "`{}` is at hand here, and no branch listens to it, as the select! at {place}:{} does: a shutdown is not heard while this waits{}",
                access.written,
                line(beside.select.span),
                if deadline { ", until its deadline" } else { "" }
            ),
            fix: format!("add a branch that waits for `{}` and leaves", access.written),
            spawned_at: None,
            note: false,
        });
    }
    // A loop that has no exit at all is said by this rule, where both say it: it knows what is missing.
    let named: HashSet<(usize, u32)> = found
        .iter()
        .filter(|raw| raw.rule == NAME)
        .map(|raw| (context.krate.function_of(raw.function).file, raw.line))
        .collect();
    found.retain(|raw| raw.rule == NAME || !named.contains(&(context.krate.function_of(raw.function).file, raw.line)));
}

/// Every `select!` of a function, those of its `async` blocks and closures included.
fn selects(body: &syn::Block) -> Vec<Select<'_>> {
    struct Selects<'a>(Vec<Select<'a>>);
    impl<'a> Visit<'a> for Selects<'a> {
        fn visit_expr_match(&mut self, inner: &'a syn::ExprMatch) {
            self.0.extend(Select::of_match(inner));
            visit::visit_expr_match(self, inner);
        }
        fn visit_item(&mut self, _: &'a syn::Item) {}
    }
    let mut finder = Selects(Vec::new());
    finder.visit_block(body);
    finder.0
}

/// The functions that a `select!` ends which listens: what its other branches await, and what those await.
fn covered(context: &Context<'_, '_>, all: &[Seen<'_>]) -> HashSet<FnId> {
    let mut found = HashSet::new();
    for seen in all.iter().filter(|seen| seen.listens == Listens::Yes) {
        let scope = &context.scopes[seen.function.0];
        for branch in &seen.select.branches {
            called(branch.future, scope, &mut found);
            // `select! { result = &mut task => …`, where the task was made above.
            let mut future = branch.future;
            while let Expr::Reference(inner) = future {
                future = &inner.expr;
            }
            if let Expr::Path(path) = future
                && let Some(name) = path.path.get_ident()
                && let Some(value) = scope.value(&name.to_string())
            {
                called(value, scope, &mut found);
            }
        }
    }
    let mut pending: Vec<FnId> = found.iter().copied().collect();
    while let Some(id) = pending.pop() {
        let mut inner = HashSet::new();
        let mut calls = Calls {
            scope: &context.scopes[id.0],
            found: &mut inner,
        };
        calls.visit_block(context.krate.function_of(id).body);
        pending.extend(inner.into_iter().filter(|id| found.insert(*id)));
    }
    found
}

fn called(expression: &Expr, scope: &Scope<'_, '_>, found: &mut HashSet<FnId>) {
    Calls { scope, found }.visit_expr(expression);
}

struct Calls<'n, 'c, 'a> {
    scope: &'n Scope<'c, 'a>,
    found: &'n mut HashSet<FnId>,
}

impl Calls<'_, '_, '_> {
    fn add(&mut self, ids: &[FnId]) {
        let krate = self.scope.krate;
        self.found
            .extend(ids.iter().copied().filter(|id| krate.function_of(*id).is_async()));
    }
}

impl<'x> Visit<'x> for Calls<'_, '_, '_> {
    fn visit_expr_call(&mut self, call: &'x syn::ExprCall) {
        self.add(&self.scope.callees(call));
        visit::visit_expr_call(self, call);
    }

    fn visit_expr_method_call(&mut self, call: &'x syn::ExprMethodCall) {
        if let (ids, true) = self.scope.methods(call) {
            self.add(&ids);
        }
        visit::visit_expr_method_call(self, call);
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::check;

    #[test]
    fn the_select_that_forgets_the_shutdown_is_found() {
        check(
            r#"
            use tokio_util::sync::CancellationToken;
            use tokio::sync::{mpsc, Notify};
            use tokio::time::sleep;
            async fn run(token: CancellationToken, mut rx: mpsc::Receiver<u8>, wake: Notify) {
                loop {
                    tokio::select! { _ = token.cancelled() => return, _ = rx.recv() => {} }
                    rebalance(&token, &mut rx).await;
                    tokio::select! { //~ select-misses-shutdown
                        message = rx.recv() => { if message.is_none() { return; } }
                        () = wake.notified() => {}
                    }
                }
            }
            async fn rebalance(token: &CancellationToken, rx: &mut mpsc::Receiver<u8>) {
                tokio::select! { //~ select-misses-shutdown
                    _ = rx.recv() => {}
                    _ = sleep(MINUTES) => {}
                }
            }
            "#,
        );
    }

    #[test]
    fn one_that_listens_in_any_way_is_left_alone() {
        let beside = r#"
            use tokio_util::sync::CancellationToken;
            use tokio::sync::mpsc::Receiver;
            async fn listens(token: CancellationToken, mut rx: Receiver<u8>) {
                loop { tokio::select! { _ = token.cancelled() => return, _ = rx.recv() => {} } }
            }
        "#;
        for other in [
            // By what it calls, by a local future, by a message, by another name.
            "async fn f(token: CancellationToken, mut rx: Receiver<u8>) { tokio::select! { _ = over(&token) => {} _ = rx.recv() => {} } } async fn over(token: &CancellationToken) { token.cancelled().await }",
            "async fn f(token: CancellationToken, mut rx: Receiver<u8>) { let over = async { token.cancelled().await }; tokio::select! { _ = over => {} _ = rx.recv() => {} } }",
            "async fn f(token: CancellationToken, mut rx: Receiver<Told>) { tokio::select! { told = rx.recv() => match told { Some(Told::Stop) => {} _ => {} } } }",
            // By what is not known.
            "async fn f(token: CancellationToken, other: O) { tokio::select! { _ = other.serve() => {} _ = elsewhere(token) => {} } }",
            // It has a deadline, and is not passed again.
            "async fn once(token: CancellationToken, mut rx: Receiver<u8>) { tokio::select! { _ = rx.recv() => {} _ = tokio::time::sleep(S) => {} } }",
            // It has no shutdown.
            "async fn f(mut rx: Receiver<u8>, mut other: Receiver<u8>) { tokio::select! { _ = rx.recv() => {} _ = other.recv() => {} } }",
            // Its name is bound to what waits for the one before.
            "async fn f(next: F, mut rx: Receiver<u8>) { let next = async move { tokio::select! { _ = next => {} _ = rx.recv() => {} } }; next.await }",
            // It is a branch of one that listens.
            "async fn outer(token: CancellationToken, rx: Receiver<u8>) { tokio::select! { _ = token.cancelled() => {} _ = inner(token.clone(), rx) => {} } }
             async fn inner(token: CancellationToken, mut rx: Receiver<u8>) { tokio::select! { _ = rx.recv() => {} _ = rx.recv() => {} } }",
            // A JoinSet ends it.
            "async fn f(token: CancellationToken, mut rx: Receiver<u8>) { let mut set = tokio::task::JoinSet::new(); set.spawn(async move { loop { tokio::select! { Some(_) = rx.recv() => {} Some(_) = rx.recv() => {} } } }); token.cancelled().await; set.abort_all(); }",
        ] {
            check(&format!("{beside}\n{other}"));
        }
    }
}
