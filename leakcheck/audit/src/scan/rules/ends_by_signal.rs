//! `ends-by-signal`: a task whose only way out is a signal to the process, as Ctrl-C.
//!
//! The owner of such a task cannot end it, and neither can a test: it outlives whatever started it. Three shapes are told, in a
//! task that nobody ends from outside:
//!
//! - a loop that would never end but for the branches of a `select!` that wait for a signal;
//! - a `select!` of a signal and of code that never ends;
//! - a server whose graceful shutdown is a signal.
//!
//! A signal is `tokio::signal::ctrl_c()`, the `recv` of a `Signal` or of its kin on Windows, and a function or block of this crate
//! that awaits nothing else. A function that is given its shutdown as a future is no finding: its caller may give it another.

use std::collections::HashSet;

use syn::Expr;

use crate::scan::context::{Context, Raw, awaited_method, is_on_its_own};
use crate::scan::index::line;
use crate::scan::leave::{self, Exit, Wait, waits};
use crate::scan::scope::Scope;
use crate::scan::select::Select;
use crate::scan::spawned::{Body, Kind, bodies, reached};

pub(crate) const NAME: &str = "ends-by-signal";

/// How many functions are looked through for what they wait for.
const DEEPEST: usize = 4;

pub(crate) fn check(context: &Context<'_, '_>, found: &mut Vec<Raw>) {
    let mut said: HashSet<(usize, u32)> = HashSet::new();
    let endless: HashSet<usize> = context.endless.iter().map(|task| task.spawn).collect();
    for (number, spawn) in context.spawns.iter().enumerate() {
        // What has a loop without any way out has its finding, which is the graver one.
        if !is_on_its_own(spawn, context.aborts) || endless.contains(&number) {
            continue;
        }
        let sync = spawn.kind != Kind::Task;
        let all = spawn
            .started
            .iter()
            .flat_map(|body| reached(body, context.scopes, sync));
        let told = all.into_iter().find_map(|body| {
            let (at, why) = ends_by_signal(&body, context)?;
            Some((body.function, at, why))
        });
        let Some((function, at, why)) = told else { continue };
        if said.insert((context.krate.function_of(function).file, at)) {
            found.push(Raw {
                rule: NAME,
                function,
                line: at,
                why: format!("{why}: its owner cannot end it, and it outlives every test that starts it"),
                fix:
                    "wait for a CancellationToken of the owner's here, and cancel that in main once the signal has come"
                        .to_owned(),
                spawned_at: Some(context.started_by(number)),
                note: false,
            });
        }
    }
}

/// Where and why this code ends by a signal alone.
fn ends_by_signal(body: &Body<'_>, context: &Context<'_, '_>) -> Option<(u32, &'static str)> {
    let block = body.code.block()?;
    let scope = &context.scopes[body.function.0];
    let signalled = |future: &Expr| is_signal(future, scope, context, DEEPEST);
    for endless in leave::loops(block) {
        let leaves = |exits: Vec<Exit>| exits.contains(&Exit::Leaves);
        if leaves(leave::exits(&endless)) && !leaves(leave::exits_but(&endless, &signalled)) {
            return Some((line(endless.span), "only a signal to the process leaves this loop"));
        }
    }
    waits(block).into_iter().find_map(|wait| match wait {
        Wait::Select(select) => races_the_endless(&select, scope, context, &signalled).then(|| {
            let why = "this select! waits for a signal to the process, and otherwise for code that never ends";
            (line(select.span), why)
        }),
        Wait::Await(future, at) => serves_until(future)
            .is_some_and(signalled)
            .then(|| (line(at), "only a signal to the process shuts this server down")),
    })
}

/// Whether one branch waits for a signal, and all others for what never ends.
fn races_the_endless<'a>(
    select: &Select<'a>,
    scope: &Scope<'_, 'a>,
    context: &Context<'_, 'a>,
    signalled: &dyn Fn(&Expr) -> bool,
) -> bool {
    let (signals, others): (Vec<_>, Vec<_>) = select.branches.iter().partition(|branch| signalled(branch.future));
    let endless = |future: &'a Expr| {
        let started = bodies(future, scope, &mut HashSet::new());
        let mut run = started.iter().flat_map(|body| reached(body, context.scopes, false));
        run.any(|body| {
            let block = body.code.block();
            block.is_some_and(|block| leave::loops(block).iter().any(leave::never_ends))
        })
    };
    select.otherwise.is_none()
        && !select.never_waits
        && !signals.is_empty()
        && !others.is_empty()
        && others.iter().all(|branch| endless(branch.future))
}

/// What `with_graceful_shutdown` is given, in a chain of calls.
fn serves_until(future: &Expr) -> Option<&Expr> {
    let mut call = awaited_method(future)?;
    loop {
        if call.method == "with_graceful_shutdown" {
            return call.args.first();
        }
        call = awaited_method(&call.receiver)?;
    }
}

/// Whether this future waits for signals to the process, and for nothing else.
fn is_signal<'a>(future: &Expr, scope: &Scope<'_, 'a>, context: &Context<'_, 'a>, deeper: usize) -> bool {
    let Some(deeper) = deeper.checked_sub(1) else {
        return false;
    };
    match future {
        Expr::Paren(inner) => return is_signal(&inner.expr, scope, context, deeper),
        Expr::Reference(inner) => return is_signal(&inner.expr, scope, context, deeper),
        Expr::MethodCall(call) if call.method == "recv" && call.args.is_empty() => {
            return is_source(&call.receiver, scope);
        }
        // What is made of the signal's result.
        Expr::MethodCall(call) if matches!(call.method.to_string().as_str(), "map" | "fuse" | "boxed" | "as_mut") => {
            return is_signal(&call.receiver, scope, context, deeper);
        }
        Expr::Call(call) => {
            if let Expr::Path(path) = &*call.func {
                let full = scope.krate.resolve(&path.path, scope.module());
                // The module and the function `signal` may both be imported, and names have one meaning here.
                if full.starts_with("tokio::signal::") && full.ends_with("::ctrl_c") {
                    return true;
                }
                // `Box::pin(future)`
                if let (Some("pin"), Some(first)) = (full.rsplit("::").next(), call.args.first()) {
                    return is_signal(first, scope, context, deeper);
                }
                if let [one] = scope.callees(call)[..] {
                    let function = context.krate.function_of(one);
                    return function.is_async()
                        && waits_for_signals(function.body, &context.scopes[one.0], context, deeper);
                }
            }
        }
        Expr::Path(path) => {
            let value = path.path.get_ident().and_then(|name| scope.value(&name.to_string()));
            return value.is_some_and(|value| is_signal(value, scope, context, deeper));
        }
        Expr::Async(block) => return waits_for_signals(&block.block, scope, context, deeper),
        _ => {}
    }
    false
}

/// Whether a block awaits something, and nothing but signals: each alone, or the branches of a `select!`.
fn waits_for_signals<'a>(block: &syn::Block, scope: &Scope<'_, 'a>, context: &Context<'_, 'a>, deeper: usize) -> bool {
    let all = waits(block);
    // One after the other: the first that is no signal may end it. A loop may go on to anything.
    !all.is_empty()
        && leave::loops(block).is_empty()
        && all.iter().all(|wait| match wait {
            Wait::Await(future, _) => is_signal(future, scope, context, deeper),
            Wait::Select(select) => select.branches.iter().all(|branch| {
                is_signal(branch.future, scope, context, deeper) || never_comes(branch.future, scope, deeper)
            }),
        })
}

/// `pending()`, which stands in for a signal where a platform has none.
fn never_comes(future: &Expr, scope: &Scope<'_, '_>, deeper: usize) -> bool {
    match future {
        Expr::Call(call) => matches!(&*call.func, Expr::Path(path)
            if matches!(scope.krate.resolve(&path.path, scope.module()).as_str(),
                "std::future::pending" | "core::future::pending" | "futures::future::pending")),
        Expr::Path(path) if deeper > 0 => {
            let value = path.path.get_ident().and_then(|name| scope.value(&name.to_string()));
            value.is_some_and(|value| never_comes(value, scope, deeper - 1))
        }
        _ => false,
    }
}

/// Whether this is what tokio tells signals by: `signal(SignalKind::terminate())`, `windows::ctrl_c()`.
fn is_source(receiver: &Expr, scope: &Scope<'_, '_>) -> bool {
    let value = match receiver {
        Expr::Path(path) => path.path.get_ident().and_then(|name| scope.value(&name.to_string())),
        other => Some(other),
    };
    let mut value = match value {
        Some(value) => value,
        None => return false,
    };
    loop {
        value = match value {
            Expr::Try(inner) => &inner.expr,
            Expr::Paren(inner) => &inner.expr,
            Expr::Reference(inner) => &inner.expr,
            Expr::MethodCall(call)
                if matches!(
                    call.method.to_string().as_str(),
                    "unwrap" | "expect" | "context" | "map_err"
                ) =>
            {
                &call.receiver
            }
            Expr::Call(call) => {
                let Expr::Path(path) = &*call.func else { return false };
                let full = scope.krate.resolve(&path.path, scope.module());
                return full == "tokio::signal::unix::signal" || full.starts_with("tokio::signal::windows::");
            }
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::check;

    #[test]
    fn a_loop_that_only_a_signal_leaves_is_found() {
        check(
            r#"
            use tokio::signal::{self, unix::{signal, SignalKind}};
            fn a(mut ticks: tokio::time::Interval) {
                tokio::spawn(async move {
                    loop { //~ ends-by-signal
                        tokio::select! { _ = ticks.tick() => flush(), _ = signal::ctrl_c() => break }
                    }
                });
            }
            fn b(listener: tokio::net::TcpListener) {
                let _ = tokio::spawn(accept(listener));
            }
            async fn accept(listener: tokio::net::TcpListener) -> std::io::Result<()> {
                let mut stop = signal(SignalKind::terminate())?;
                let ended = tokio::signal::ctrl_c();
                tokio::pin!(ended);
                loop { //~ ends-by-signal
                    tokio::select! {
                        accepted = listener.accept() => { let (stream, _) = accepted?; serve(stream).await }
                        _ = stop.recv() => return Ok(()),
                        _ = &mut ended => return Ok(()),
                    }
                }
            }
            fn c(mut ticks: tokio::time::Interval) {
                tokio::spawn(async move {
                    loop { //~ ends-by-signal
                        tokio::select! { _ = ticks.tick() => flush(), _ = shutdown_signal() => return }
                    }
                });
            }
            async fn shutdown_signal() {
                let ctrl_c = async { signal::ctrl_c().await.expect("a handler"); };
                let terminate = async { signal(SignalKind::terminate()).unwrap().recv().await; };
                tokio::select! { _ = ctrl_c => {}, _ = terminate => {} }
            }
            "#,
        );
    }

    #[test]
    fn a_signal_beside_what_never_ends_is_found() {
        check(
            r#"
            struct Server { listener: tokio::net::TcpListener }
            impl Server {
                async fn run(&mut self) -> std::io::Result<()> {
                    loop { let (stream, _) = self.listener.accept().await?; tokio::spawn(serve(stream)); }
                }
            }
            fn a(mut server: Server) {
                tokio::spawn(async move {
                    tokio::select! { //~ ends-by-signal
                        result = server.run() => log(result),
                        _ = tokio::signal::ctrl_c() => {}
                    }
                });
            }
            fn b(app: axum::Router, listener: L) {
                tokio::spawn(async move {
                    axum::serve(listener, app).with_graceful_shutdown(stop()).await.unwrap() //~ ends-by-signal
                });
            }
            async fn stop() { tokio::signal::ctrl_c().await.ok(); }
            "#,
        );
    }

    #[test]
    fn another_way_out_is_enough() {
        for way_out in [
            "_ = token.cancelled() => break,",
            "x = rx.recv() => match x { Some(_) => {} None => break },",
            "x = rx.recv() => { if x.is_none() { return; } }",
        ] {
            check(&format!(
                "fn start() {{ tokio::spawn(async move {{ loop {{ tokio::select! {{ _ = ticks.tick() => {{}} {way_out} _ = tokio::signal::ctrl_c() => break }} }} }}); }}"
            ));
        }
        check(
            r#"
            async fn main() { loop { tokio::select! { _ = ticks.tick() => {} _ = tokio::signal::ctrl_c() => break } } }
            fn kept() -> tokio::task::JoinHandle<()> {
                tokio::spawn(async { loop { tokio::select! { _ = ticks.tick() => {} _ = tokio::signal::ctrl_c() => break } } })
            }
            fn given(stop: impl Future<Output = ()> + Send + 'static) {
                tokio::spawn(async move { loop { tokio::select! { _ = ticks.tick() => {} _ = &mut stop => break } } });
            }
            async fn finite() { work().await; }
            fn races_the_finite() { tokio::spawn(async { tokio::select! { _ = finite() => {} _ = tokio::signal::ctrl_c() => {} } }); }
            // What waits for the signal and tells others of it is how it should be done.
            fn tells(token: CancellationToken) { tokio::spawn(async move { tokio::signal::ctrl_c().await.ok(); token.cancel(); }); }
            async fn either(token: CancellationToken) { tokio::select! { _ = token.cancelled() => {} _ = tokio::signal::ctrl_c() => {} } }
            fn hears() { tokio::spawn(async { loop { tokio::select! { _ = ticks.tick() => {} _ = either(token) => break } } }); }
            fn ctrl_c() -> F { other() }
            fn another() { tokio::spawn(async { loop { tokio::select! { _ = ticks.tick() => {} _ = ctrl_c() => break } } }); }
            "#,
        );
    }
}
