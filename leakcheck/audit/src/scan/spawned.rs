//! What starts a task or a thread, what becomes of its handle, and which code runs in it.

use std::collections::HashSet;

use proc_macro2::Span;
use syn::visit::{self, Visit};
use syn::{Block, Expr, Stmt};

use super::found::{of_function, spawners};
use super::index::{Crate, FnId, returns};
use super::lower::MacroCall;
use super::resolved::calls::Calls;
use super::scope::Scope;
use super::select::Select;
use crate::report::ByType;

/// What is started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Task,
    Blocking,
    Thread,
}

/// What becomes of the handle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It is dropped on the spot: nothing can end the task from outside, and nobody learns of its end.
    Dropped,
    /// It is the function's value.
    Returned,
    /// A `TaskTracker` waits for the task, and cannot end it.
    Tracked,
    /// Its owner ends the task when it is dropped: a `JoinSet`, a `Runtime`, a `LocalSet`.
    Owned,
    /// Something else is done with it.
    Kept,
    /// The receiver's type is not known, and so neither is what it does.
    Unknown,
}

/// A place that starts a task or a thread.
pub(crate) struct Spawn<'a> {
    pub span: Span,
    pub function: FnId,
    pub kind: Kind,
    pub fate: Fate,
    pub started: Vec<Body<'a>>,
    /// Whether that it starts something was confirmed by type, where clippy was asked.
    pub by_type: Option<ByType>,
}

/// Code that runs in a task or a thread.
#[derive(Clone, Copy)]
pub(crate) struct Body<'a> {
    pub function: FnId,
    pub code: Code<'a>,
}

#[derive(Clone, Copy)]
pub(crate) enum Code<'a> {
    /// The whole function.
    Function(&'a Block),
    /// An `async` block's or a closure's.
    Block(&'a Block),
    /// A closure's that is no block.
    Expression(&'a Expr),
}

impl<'a> Code<'a> {
    pub fn block(self) -> Option<&'a Block> {
        match self {
            Self::Function(block) | Self::Block(block) => Some(block),
            Self::Expression(Expr::Block(block)) => Some(&block.block),
            Self::Expression(_) => None,
        }
    }

    /// Tells it from other code.
    pub fn key(self) -> usize {
        match self {
            Self::Function(block) | Self::Block(block) => std::ptr::from_ref(block).addr(),
            Self::Expression(expression) => std::ptr::from_ref(expression).addr(),
        }
    }
}

/// Every place in a crate that starts something, tests left out. Where clippy was asked, what it said of the calls goes before
/// what their names seem to say.
pub(crate) fn spawns<'a>(krate: &Crate<'a>, scopes: &[Scope<'_, 'a>], calls: Option<&Calls>) -> Vec<Spawn<'a>> {
    let spawners = spawners(krate, scopes, calls);
    let mut all = Vec::new();
    for (id, function) in krate.functions.iter().enumerate() {
        if function.for_tests {
            continue;
        }
        for found in of_function(krate, scopes, FnId(id), &spawners, calls) {
            let scope = &scopes[id];
            let started: Vec<Body<'a>> = found
                .arguments
                .iter()
                .flat_map(|argument| bodies(argument, scope, &mut HashSet::new()))
                .collect();
            all.push(Spawn {
                span: found.span,
                function: FnId(id),
                kind: found.kind,
                fate: found.fate,
                started,
                by_type: found.by_type,
            });
        }
    }
    all
}

/// The paths of a crate's own functions that start what they are given.
pub(crate) fn wrappers(krate: &Crate<'_>, scopes: &[Scope<'_, '_>]) -> Vec<String> {
    let spawners = spawners(krate, scopes, None);
    spawners.keys().map(|id| krate.path_of(*id)).collect()
}

/// The code that runs when this future is polled or this closure is called; none where that is not known.
pub(crate) fn bodies<'a>(expression: &'a Expr, scope: &Scope<'_, 'a>, seen: &mut HashSet<usize>) -> Vec<Body<'a>> {
    if !seen.insert(std::ptr::from_ref(expression).addr()) {
        return Vec::new();
    }
    let krate = scope.krate;
    let function = scope.function;
    let whole = |ids: &[FnId]| {
        ids.iter()
            .map(|id| Body {
                function: *id,
                code: Code::Function(krate.function_of(*id).body),
            })
            .collect::<Vec<_>>()
    };
    match expression {
        Expr::Async(block) => vec![Body {
            function,
            code: Code::Block(&block.block),
        }],
        Expr::Closure(closure) => match &*closure.body {
            Expr::Async(block) => vec![Body {
                function,
                code: Code::Block(&block.block),
            }],
            body => vec![Body {
                function,
                code: Code::Expression(body),
            }],
        },
        Expr::Paren(inner) => bodies(&inner.expr, scope, seen),
        Expr::Reference(inner) => bodies(&inner.expr, scope, seen),
        Expr::Block(block) => match block.block.stmts.last() {
            Some(Stmt::Expr(last, None)) => bodies(last, scope, seen),
            _ => Vec::new(),
        },
        Expr::Path(path) => match path.path.get_ident().and_then(|name| scope.value(&name.to_string())) {
            Some(value) => bodies(value, scope, seen),
            None => match scope.named(&path.path)[..] {
                [one] => whole(&[one]),
                _ => Vec::new(),
            },
        },
        Expr::Call(call) => {
            if let [one] = scope.callees(call)[..] {
                return whole(&[one]);
            }
            // `Box::pin(future)`
            match (&*call.func, call.args.first()) {
                (Expr::Path(path), Some(first))
                    if path.path.segments.last().is_some_and(|last| last.ident == "pin") =>
                {
                    bodies(first, scope, seen)
                }
                _ => Vec::new(),
            }
        }
        Expr::MethodCall(call) => match call.method.to_string().as_str() {
            "instrument"
            | "in_current_span"
            | "with_subscriber"
            | "with_current_subscriber"
            | "boxed"
            | "boxed_local"
            | "fuse"
            | "map"
            | "as_mut"
            | "or_current" => bodies(&call.receiver, scope, seen),
            _ => match scope.methods(call) {
                (ids, true) if ids.len() == 1 => whole(&ids),
                _ => Vec::new(),
            },
        },
        _ => Vec::new(),
    }
}

/// A body and every one that it runs within its own task: what it awaits, and what those await. What a branch of a `select!`
/// awaits is left out: the other branches end it.
pub(crate) fn reached<'a>(start: &Body<'a>, scopes: &[Scope<'_, 'a>], sync: bool) -> Vec<Body<'a>> {
    let mut seen = HashSet::from([start.code.key()]);
    let (mut all, mut next) = (vec![*start], 0);
    while let Some(body) = all.get(next).copied() {
        next += 1;
        let scope = &scopes[body.function.0];
        let mut runs = Runs {
            scope,
            sync,
            found: Vec::new(),
        };
        match body.code {
            Code::Function(block) | Code::Block(block) => runs.visit_block(block),
            Code::Expression(expression) => runs.visit_expr(expression),
        }
        // A function that returns a future runs what it returns.
        if let Code::Function(block) = body.code {
            let signature = scope.krate.function_of(body.function).signature;
            if signature.asyncness.is_none()
                && returns(signature, "Future")
                && let Some(Stmt::Expr(last, None)) = block.stmts.last()
            {
                runs.found.extend(bodies(last, scope, &mut HashSet::new()));
            }
        }
        for found in runs.found {
            if seen.insert(found.code.key()) {
                all.push(found);
            }
        }
    }
    all
}

struct Runs<'s, 'c, 'a> {
    scope: &'s Scope<'c, 'a>,
    /// In a thread, every call runs; in a task, what is awaited.
    sync: bool,
    found: Vec<Body<'a>>,
}

impl<'a> Runs<'_, '_, 'a> {
    fn run(&mut self, expression: &'a Expr) {
        self.found.extend(bodies(expression, self.scope, &mut HashSet::new()));
    }
}

impl<'a> Visit<'a> for Runs<'_, '_, 'a> {
    fn visit_expr_await(&mut self, inner: &'a syn::ExprAwait) {
        self.run(&inner.base);
        visit::visit_expr_await(self, inner);
    }

    fn visit_expr_match(&mut self, inner: &'a syn::ExprMatch) {
        let Some(select) = Select::of_match(inner) else {
            return visit::visit_expr_match(self, inner);
        };
        for handler in select
            .branches
            .iter()
            .map(|branch| branch.handler)
            .chain(select.otherwise)
        {
            self.visit_expr(handler);
        }
    }

    fn visit_expr_call(&mut self, call: &'a syn::ExprCall) {
        if MacroCall::of(call) == Some(MacroCall::Join) {
            for argument in &call.args {
                self.run(argument);
            }
        } else if self.sync
            && let [one] = self.scope.callees(call)[..]
        {
            let krate = self.scope.krate;
            self.found.push(Body {
                function: one,
                code: Code::Function(krate.function_of(one).body),
            });
        }
        visit::visit_expr_call(self, call);
    }

    fn visit_expr_method_call(&mut self, call: &'a syn::ExprMethodCall) {
        if self.sync
            && call.method == "block_on"
            && let Some(future) = call.args.last()
        {
            self.run(future);
        }
        if self.sync
            && let (ids, true) = self.scope.methods(call)
            && let [one] = ids[..]
        {
            let krate = self.scope.krate;
            self.found.push(Body {
                function: one,
                code: Code::Function(krate.function_of(one).body),
            });
        }
        visit::visit_expr_method_call(self, call);
    }

    fn visit_expr_closure(&mut self, _: &'a syn::ExprClosure) {}
    fn visit_expr_async(&mut self, _: &'a syn::ExprAsync) {}
    fn visit_item(&mut self, _: &'a syn::Item) {}
}
