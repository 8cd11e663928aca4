//! `detached-task`: a task without an end whose handle is dropped.
//!
//! A task that is spawned and forgotten is no finding by itself: most of them are finite. It is one where the task has a loop that
//! nothing leaves but an error of `accept`, awaits what never comes, or serves without a shutdown. What `select-without-exit`,
//! `interval-without-exit` and `end-ignored` say more precisely is left to them.

use std::collections::HashSet;

use syn::Expr;

use super::interval_without_exit::is_time;
use crate::scan::context::{Context, Raw};
use crate::scan::index::line;
use crate::scan::leave::{Wait, waits};
use crate::scan::spawned::{Fate, Kind, reached};

pub(crate) const NAME: &str = "detached-task";

pub(crate) fn check(context: &Context<'_, '_>, found: &mut Vec<Raw>) {
    let mut said: HashSet<usize> = HashSet::new();
    let spinning: HashSet<(usize, u32)> = found
        .iter()
        .map(|raw| (context.krate.function_of(raw.function).file, raw.line))
        .collect();
    for task in &context.endless {
        let spawn = &context.spawns[task.spawn];
        let more_precise = task.waits.iter().any(|wait| {
            let at = (context.krate.function_of(task.function).file, line(wait.span()));
            match wait {
                Wait::Select(select) => !select.never_waits,
                Wait::Await(future, _) => is_time(future) || spinning.contains(&at),
            }
        });
        if spawn.kind != Kind::Task
            || more_precise
            || (task.waits.is_empty() && !task.endless.accepts)
            || !said.insert(task.spawn)
        {
            continue;
        }
        let function = context.krate.function_of(task.function);
        let (file, at) = (&context.krate.files[function.file].path, line(task.endless.span));
        let place = file.file_name().unwrap_or_default().to_string_lossy();
        let why = if task.endless.accepts || !crate::scan::leave::exits(&task.endless).is_empty() {
            format!("this task loops at {place}:{at} until accept fails, which nobody can bring about")
        } else {
            format!("this task loops at {place}:{at}, and nothing leaves the loop")
        };
        push(context, task.spawn, why, found);
    }
    for (number, spawn) in context.spawns.iter().enumerate() {
        if spawn.kind != Kind::Task || !matches!(spawn.fate, Fate::Dropped | Fate::Tracked) || said.contains(&number) {
            continue;
        }
        let never = spawn
            .started
            .iter()
            .flat_map(|body| reached(body, context.scopes, false))
            .find_map(|body| {
                let scope = &context.scopes[body.function.0];
                waits(body.code.block()?).into_iter().find_map(|wait| match wait {
                    Wait::Await(future, _) => never_comes(future, |path| context.krate.resolve(path, scope.module())),
                    Wait::Select(_) => None,
                })
            });
        if let Some(never) = never {
            said.insert(number);
            push(context, number, never.to_owned(), found);
        }
    }
}

fn push(context: &Context<'_, '_>, spawn: usize, why: String, found: &mut Vec<Raw>) {
    let (function, line) = context.started_by(spawn);
    let handle = match context.spawns[spawn].fate {
        Fate::Dropped => "; its handle is dropped, so nobody can end it",
        Fate::Tracked => "; a TaskTracker waits for it in vain",
        _ => "; its handle is never aborted",
    };
    found.push(Raw {
        rule: NAME,
        function,
        line,
        why: why + handle,
        fix: "give the task a CancellationToken to listen to, or keep its handle and abort it, as a JoinSet does when it is dropped".to_owned(),
        spawned_at: Some((function, line)),
        note: false,
    });
}

/// Why this future never completes, where that is certain.
fn never_comes(future: &Expr, resolve: impl Fn(&syn::Path) -> String) -> Option<&'static str> {
    let Expr::Call(call) = future else { return None };
    let Expr::Path(path) = &*call.func else { return None };
    match resolve(&path.path).as_str() {
        "std::future::pending" | "core::future::pending" | "futures::future::pending" => {
            Some("this task awaits pending(), which never completes")
        }
        // "This future will never complete": axum's documentation of `Serve`, without `with_graceful_shutdown`.
        "axum::serve" => Some("this task serves without with_graceful_shutdown, and so never ends"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::check;

    #[test]
    fn a_detached_accept_loop_is_found() {
        check(
            r#"
            fn a(listener: tokio::net::TcpListener) {
                tokio::spawn(async move { //~ detached-task
                    while let Ok((stream, _)) = listener.accept().await { tokio::spawn(serve(stream)); }
                });
            }
            fn b(listener: tokio::net::TcpListener) {
                let _ = tokio::spawn(async move { //~ detached-task
                    loop { let (stream, _) = listener.accept().await?; serve(stream).await; }
                });
            }
            fn c(listener: tokio::net::TcpListener) {
                drop(tokio::task::spawn(accept(listener))); //~ detached-task
            }
            async fn accept(listener: tokio::net::TcpListener) {
                loop {
                    let accepted = listener.accept().await;
                    match accepted { Ok(stream) => serve(stream).await, Err(error) => { log::error!("{error}"); return; } }
                }
            }
            fn d(app: axum::Router, listener: L) {
                tokio::spawn(async move { axum::serve(listener, app).await.unwrap() }); //~ detached-task
            }
            fn e() {
                tokio::spawn(async { loop { work().await; } }); //~ detached-task
            }
            fn spawn_on<F: Future<Output = ()>>(future: F) { tokio::spawn(future); }
            fn f() {
                spawn_on(async { loop { work().await; } }); //~ detached-task
            }
            "#,
        );
    }

    #[test]
    fn a_finite_task_may_be_forgotten() {
        check(
            r#"
            fn a() { tokio::spawn(async move { work().await; }); }
            fn b(mut rx: tokio::sync::mpsc::Receiver<u8>) { tokio::spawn(async move { while let Some(x) = rx.recv().await {} }); }
            fn c() { tokio::spawn(async move { loop { if read().await == 0 { break; } } }); }
            fn d() { tokio::spawn(async move { loop { read().await?; } }); }
            fn e(app: axum::Router) { tokio::spawn(async move { axum::serve(l, app).with_graceful_shutdown(stop).await }); }
            fn f() { tokio::spawn(retry(|| async { loop { work().await; } })); }
            #[cfg(test)]
            mod tests { fn g() { tokio::spawn(async { loop { work().await; } }); } }
            #[tokio::test]
            async fn h() { tokio::spawn(async { loop { work().await; } }); }
            "#,
        );
    }
}
