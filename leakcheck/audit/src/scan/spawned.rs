//! What starts a task or a thread, what becomes of its handle, and which code runs in it.

use std::collections::{HashMap, HashSet};

use proc_macro2::Span;
use syn::visit::{self, Visit};
use syn::{Block, Expr, Pat, Stmt};

use super::index::{Crate, FnId, last_segment, returns};
use super::lower::MacroCall;
use super::scope::Scope;
use super::select::Select;

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

/// A function of this crate that starts what it is given.
struct Spawner {
    parameter: usize,
    kind: Kind,
    fate: Fate,
}

/// Every place in a crate that starts something, tests left out.
pub(crate) fn spawns<'a>(krate: &Crate<'a>, scopes: &[Scope<'_, 'a>]) -> Vec<Spawn<'a>> {
    let none = HashMap::new();
    let mut spawners = HashMap::new();
    for (id, function) in krate.functions.iter().enumerate() {
        let id = FnId(id);
        let parameters: Vec<String> = krate.parameters(id).into_iter().map(|(name, _)| name).collect();
        for found in of_function(krate, scopes, id, &none) {
            let given = found.arguments.iter().find_map(|argument| {
                let name = plain_name(argument)?;
                parameters.iter().position(|parameter| *parameter == name)
            });
            if let Some(parameter) = given
                && function.name.contains("spawn")
            {
                let (kind, fate) = (found.kind, found.fate);
                spawners.insert(id, Spawner { parameter, kind, fate });
            }
        }
    }
    let mut all = Vec::new();
    for (id, function) in krate.functions.iter().enumerate() {
        if function.for_tests {
            continue;
        }
        for found in of_function(krate, scopes, FnId(id), &spawners) {
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
            });
        }
    }
    all
}

struct Found<'a> {
    span: Span,
    kind: Kind,
    fate: Fate,
    arguments: Vec<&'a Expr>,
}

fn plain_name(expression: &Expr) -> Option<String> {
    match expression {
        Expr::Path(path) => path.path.get_ident().map(ToString::to_string),
        Expr::MethodCall(call) => plain_name(&call.receiver),
        _ => None,
    }
}

fn of_function<'a>(
    krate: &Crate<'a>,
    scopes: &[Scope<'_, 'a>],
    id: FnId,
    spawners: &HashMap<FnId, Spawner>,
) -> Vec<Found<'a>> {
    let body = krate.function_of(id).body;
    let mut finder = Finder {
        scope: &scopes[id.0],
        spawners,
        fates: HashMap::new(),
        found: Vec::new(),
        body,
    };
    if let Some(Stmt::Expr(last, None)) = body.stmts.last() {
        finder.fate(last, Fate::Returned);
    }
    finder.visit_block(body);
    finder.found
}

struct Finder<'s, 'c, 'a> {
    scope: &'s Scope<'c, 'a>,
    spawners: &'s HashMap<FnId, Spawner>,
    /// What is done with the value of an expression, by its address.
    fates: HashMap<usize, Fate>,
    found: Vec<Found<'a>>,
    body: &'a Block,
}

/// The expression whose value this is, or the value's inside.
fn inside(expression: &Expr) -> &Expr {
    match expression {
        Expr::Paren(inner) => inside(&inner.expr),
        Expr::Try(inner) => inside(&inner.expr),
        Expr::MethodCall(call) if matches!(call.method.to_string().as_str(), "unwrap" | "expect" | "ok") => {
            inside(&call.receiver)
        }
        other => other,
    }
}

impl Finder<'_, '_, '_> {
    fn fate(&mut self, expression: &Expr, fate: Fate) {
        self.fates.insert(std::ptr::from_ref(inside(expression)).addr(), fate);
    }

    fn fate_of(&self, expression: *const Expr) -> Fate {
        self.fates.get(&expression.addr()).copied().unwrap_or(Fate::Kept)
    }
}

impl<'a> Visit<'a> for Finder<'_, '_, 'a> {
    fn visit_stmt(&mut self, statement: &'a Stmt) {
        match statement {
            Stmt::Expr(Expr::Assign(assign), Some(_)) if matches!(*assign.left, Expr::Infer(_)) => {
                self.fate(&assign.right, Fate::Dropped);
            }
            Stmt::Expr(expression, Some(_)) => self.fate(expression, Fate::Dropped),
            Stmt::Local(local) => {
                if let Some(init) = &local.init {
                    match &local.pat {
                        Pat::Wild(_) => self.fate(&init.expr, Fate::Dropped),
                        Pat::Ident(ident) if uses(&ident.ident.to_string(), self.body) == Some(0) => {
                            self.fate(&init.expr, Fate::Dropped);
                        }
                        _ => {}
                    }
                }
            }
            _ => {}
        }
        visit::visit_stmt(self, statement);
    }

    fn visit_expr(&mut self, expression: &'a Expr) {
        match expression {
            Expr::Call(call) => {
                if let Expr::Path(path) = &*call.func
                    && path.path.segments.last().is_some_and(|last| last.ident == "drop")
                    && let Some(dropped) = call.args.first()
                {
                    self.fate(dropped, Fate::Dropped);
                }
                let fate = self.fate_of(expression);
                if let Some(found) = self.call(call, fate) {
                    self.found.push(found);
                }
            }
            Expr::MethodCall(call) => {
                let fate = self.fate_of(expression);
                if let Some(found) = self.method(call, fate) {
                    self.found.push(found);
                }
            }
            _ => {}
        }
        visit::visit_expr(self, expression);
    }

    fn visit_item(&mut self, _: &'a syn::Item) {}
}

impl<'a> Finder<'_, '_, 'a> {
    fn call(&self, call: &'a syn::ExprCall, fate: Fate) -> Option<Found<'a>> {
        let Expr::Path(path) = &*call.func else { return None };
        let full = self.scope.krate.resolve(&path.path, self.scope.module());
        let span = path
            .path
            .segments
            .first()
            .map_or_else(Span::call_site, |first| first.ident.span());
        let found = |kind, fate, argument: &'a Expr| {
            Some(Found {
                span,
                kind,
                fate,
                arguments: vec![argument],
            })
        };
        let first = call.args.first()?;
        match full.as_str() {
            "tokio::spawn" | "tokio::task::spawn" | "tokio::task::spawn_local" => {
                return found(Kind::Task, fate, first);
            }
            "tokio::task::spawn_blocking" => return found(Kind::Blocking, fate, first),
            "std::thread::spawn" => return found(Kind::Thread, fate, first),
            _ => {}
        }
        if let [one] = self.scope.callees(call)[..]
            && let Some(spawner) = self.spawners.get(&one)
        {
            let fate = if spawner.fate == Fate::Returned {
                fate
            } else {
                spawner.fate
            };
            return found(spawner.kind, fate, call.args.iter().nth(spawner.parameter)?);
        }
        None
    }

    fn method(&self, call: &'a syn::ExprMethodCall, fate: Fate) -> Option<Found<'a>> {
        let name = call.method.to_string();
        if !name.starts_with("spawn") {
            return None;
        }
        let receiver = self.scope.infer(&call.receiver);
        let kind = if name.contains("blocking") {
            Kind::Blocking
        } else {
            Kind::Task
        };
        let full = receiver.clone().unwrap_or_default();
        let (kind, fate) = match full.as_str() {
            "std::thread::Builder" => (Kind::Thread, fate),
            "tokio::runtime::Handle" | "tokio::task::Builder" => (kind, fate),
            // A scope's threads have ended when it returns.
            "std::thread::Scope" => return None,
            _ => match last_segment(&full) {
                "JoinSet" | "JoinMap" | "Runtime" | "LocalSet" | "LocalRuntime" | "JoinQueue" => (kind, Fate::Owned),
                "TaskTracker" => (kind, Fate::Tracked),
                _ => {
                    let (methods, certain) = self.scope.methods(call);
                    if let [one] = methods[..]
                        && certain
                        && let Some(spawner) = self.spawners.get(&one)
                    {
                        let fate = if spawner.fate == Fate::Returned {
                            fate
                        } else {
                            spawner.fate
                        };
                        return Some(Found {
                            span: call.method.span(),
                            kind: spawner.kind,
                            fate,
                            arguments: call.args.iter().nth(spawner.parameter).into_iter().collect(),
                        });
                    }
                    (kind, Fate::Unknown)
                }
            },
        };
        Some(Found {
            span: call.method.span(),
            kind,
            fate,
            arguments: call.args.iter().collect(),
        })
    }
}

/// How often a name is used in a body; `None` where a macro that is not understood may use it.
fn uses(name: &str, body: &Block) -> Option<usize> {
    struct Uses<'n> {
        name: &'n str,
        count: usize,
        unknown: bool,
    }
    impl<'a> Visit<'a> for Uses<'_> {
        fn visit_expr_path(&mut self, path: &'a syn::ExprPath) {
            self.count += usize::from(path.path.is_ident(self.name));
        }
        fn visit_expr_call(&mut self, call: &'a syn::ExprCall) {
            self.unknown |= matches!(MacroCall::of(call), Some(MacroCall::Unknown));
            visit::visit_expr_call(self, call);
        }
    }
    let mut finder = Uses {
        name,
        count: 0,
        unknown: false,
    };
    finder.visit_block(body);
    (!finder.unknown).then_some(finder.count)
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
