//! The calls of a function that start something, as they are written, and what becomes of what they return.

use std::collections::{BTreeMap, HashMap};

use proc_macro2::Span;
use syn::visit::{self, Visit};
use syn::{Block, Expr, Pat, Stmt};

use super::index::{Crate, FnId, last_segment};
use super::lower::MacroCall;
use super::resolved::calls::{Callee, Calls};
use super::resolved::sites::{
    Meaning, Sites, is_conditional_arm, is_conditional_expression, is_conditional_field, is_conditional_statement,
};
use super::resolved::spawning::Spawning;
use super::scope::Scope;
use super::spawned::{Fate, Kind};
use crate::report::ByType;

/// A function of this crate that starts what it is given.
pub(crate) struct Spawner {
    parameter: usize,
    kind: Kind,
    fate: Fate,
    by_type: Option<ByType>,
}

/// The functions of a crate that start what they are given.
pub(crate) fn spawners(krate: &Crate<'_>, scopes: &[Scope<'_, '_>], calls: Option<&Calls>) -> BTreeMap<FnId, Spawner> {
    let none = BTreeMap::new();
    let mut spawners = BTreeMap::new();
    for (id, function) in krate.functions.iter().enumerate() {
        let id = FnId(id);
        let parameters: Vec<String> = krate.parameters(id).into_iter().map(|(name, _)| name).collect();
        for found in of_function(krate, scopes, id, &none, calls) {
            let given = found.arguments.iter().find_map(|argument| {
                let name = plain_name(argument)?;
                parameters.iter().position(|parameter| *parameter == name)
            });
            if let Some(parameter) = given
                && function.name.contains("spawn")
            {
                let spawner = Spawner {
                    parameter,
                    kind: found.kind,
                    fate: found.fate,
                    by_type: found.by_type,
                };
                spawners.insert(id, spawner);
            }
        }
    }
    spawners
}

/// A call that starts something.
pub(crate) struct Found<'a> {
    pub span: Span,
    pub kind: Kind,
    pub fate: Fate,
    pub arguments: Vec<&'a Expr>,
    pub by_type: Option<ByType>,
}

fn plain_name(expression: &Expr) -> Option<String> {
    match expression {
        Expr::Path(path) => path.path.get_ident().map(ToString::to_string),
        Expr::MethodCall(call) => plain_name(&call.receiver),
        _ => None,
    }
}

/// What a function starts itself.
pub(crate) fn of_function<'a>(
    krate: &Crate<'a>,
    scopes: &[Scope<'_, 'a>],
    id: FnId,
    spawners: &BTreeMap<FnId, Spawner>,
    calls: Option<&Calls>,
) -> Vec<Found<'a>> {
    let body = krate.function_of(id).body;
    let mut finder = Finder {
        scope: &scopes[id.0],
        spawners,
        sites: Sites::of(krate, id, calls),
        by_name: calls.map(|_| ByType::NotResolved),
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
    spawners: &'s BTreeMap<FnId, Spawner>,
    sites: Sites<'s>,
    /// What is said of a call that is taken for what its name says.
    by_name: Option<ByType>,
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
        let is_conditional = is_conditional_statement(statement);
        self.sites.enter(is_conditional);
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
        self.sites.leave(is_conditional);
    }

    fn visit_arm(&mut self, arm: &'a syn::Arm) {
        let is_conditional = is_conditional_arm(arm);
        self.sites.enter(is_conditional);
        visit::visit_arm(self, arm);
        self.sites.leave(is_conditional);
    }

    fn visit_field_value(&mut self, field: &'a syn::FieldValue) {
        let is_conditional = is_conditional_field(field);
        self.sites.enter(is_conditional);
        visit::visit_field_value(self, field);
        self.sites.leave(is_conditional);
    }

    fn visit_expr(&mut self, expression: &'a Expr) {
        let is_conditional = is_conditional_expression(expression);
        self.sites.enter(is_conditional);
        let mut is_unknown = false;
        match expression {
            Expr::Call(call) => {
                is_unknown = MacroCall::of(call) == Some(MacroCall::Unknown);
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
        // Nobody knows what such a macro leaves of what it is given.
        self.sites.enter(is_unknown);
        visit::visit_expr(self, expression);
        self.sites.leave(is_unknown);
        self.sites.leave(is_conditional);
    }

    fn visit_item(&mut self, _: &'a syn::Item) {}
}

impl<'a> Finder<'_, '_, 'a> {
    fn call(&self, call: &'a syn::ExprCall, fate: Fate) -> Option<Found<'a>> {
        let Expr::Path(path) = &*call.func else { return None };
        let first = path.path.segments.first()?;
        let span = first.ident.span();
        let arguments = || call.args.iter().collect::<Vec<_>>();
        if MacroCall::of(call).is_some() {
            let expansion = self.sites.expansion(span)?;
            // What else the macro does with the handle is not known.
            let fate = if expansion.is_all { fate } else { Fate::Unknown };
            let Callee::Spawning(spawning) = &expansion.callee else {
                return None;
            };
            return Some(confirmed(spawning, span, fate, arguments()));
        }
        let by_name = || {
            let full = self.scope.krate.resolve(&path.path, self.scope.module());
            let kind = match full.as_str() {
                "tokio::spawn" | "tokio::task::spawn" | "tokio::task::spawn_local" => Kind::Task,
                "tokio::task::spawn_blocking" => Kind::Blocking,
                "std::thread::spawn" => Kind::Thread,
                _ => return None,
            };
            Some(Found {
                span,
                kind,
                fate,
                arguments: vec![call.args.first()?],
                by_type: self.by_name,
            })
        };
        let wrapper = match self.sites.meaning(span, call) {
            Meaning::Is(Callee::Spawning(spawning)) => return Some(confirmed(spawning, span, fate, arguments())),
            Meaning::Is(Callee::Wrapper(path)) => Some(path),
            Meaning::Other => None,
            Meaning::NotResolved => {
                if let Some(found) = by_name() {
                    return Some(found);
                }
                None
            }
        };
        let one = match self.scope.callees(call)[..] {
            [one] => Some(one),
            _ => None,
        };
        self.wrapped(wrapper, one, span, fate, call.args.iter())
    }

    fn method(&self, call: &'a syn::ExprMethodCall, fate: Fate) -> Option<Found<'a>> {
        let (name, span) = (call.method.to_string(), call.method.span());
        let wrapper = match self.sites.meaning(span, call) {
            Meaning::Is(Callee::Spawning(spawning)) => {
                return Some(confirmed(spawning, span, fate, call.args.iter().collect()));
            }
            Meaning::Is(Callee::Wrapper(path)) => Some(path),
            Meaning::Other | Meaning::NotResolved if !name.starts_with("spawn") => return None,
            Meaning::Other | Meaning::NotResolved => None,
        };
        let is_resolved = wrapper.is_none() && matches!(self.sites.meaning(span, call), Meaning::Other);
        let receiver = self.scope.infer(&call.receiver);
        let kind = if name.contains("blocking") {
            Kind::Blocking
        } else {
            Kind::Task
        };
        let full = receiver.unwrap_or_default();
        let by_name = match full.as_str() {
            "std::thread::Builder" => Some((Kind::Thread, fate)),
            "tokio::runtime::Handle" | "tokio::task::Builder" => Some((kind, fate)),
            // A scope's threads have ended when it returns.
            "std::thread::Scope" => return None,
            _ => match last_segment(&full) {
                "JoinSet" | "JoinMap" | "Runtime" | "LocalSet" | "LocalRuntime" | "JoinQueue" => {
                    Some((kind, Fate::Owned))
                }
                "TaskTracker" => Some((kind, Fate::Tracked)),
                _ => None,
            },
        };
        if by_name.is_none() || wrapper.is_some() {
            let one = match self.scope.methods(call) {
                (methods, true) if methods.len() == 1 => methods.first().copied(),
                _ => None,
            };
            if let Some(found) = self.wrapped(wrapper, one, span, fate, call.args.iter()) {
                return Some(found);
            }
        }
        if is_resolved {
            return None;
        }
        let (kind, fate) = by_name.unwrap_or((kind, Fate::Unknown));
        Some(Found {
            span,
            kind,
            fate,
            arguments: call.args.iter().collect(),
            by_type: self.by_name,
        })
    }

    /// A call of a function of this crate that starts what it is given: of the one that clippy names, or of the one that its
    /// name means.
    fn wrapped(
        &self,
        resolved: Option<&String>,
        named: Option<FnId>,
        span: Span,
        fate: Fate,
        mut arguments: syn::punctuated::Iter<'a, Expr>,
    ) -> Option<Found<'a>> {
        let krate = self.scope.krate;
        let resolved = resolved.and_then(|path| self.spawners.keys().find(|id| krate.path_of(**id) == *path));
        let spawner = self.spawners.get(&resolved.copied().or(named)?)?;
        let fate = if spawner.fate == Fate::Returned {
            fate
        } else {
            spawner.fate
        };
        Some(Found {
            span,
            kind: spawner.kind,
            fate,
            arguments: vec![arguments.nth(spawner.parameter)?],
            by_type: if resolved.is_some() {
                spawner.by_type
            } else {
                self.by_name
            },
        })
    }
}

/// A call that clippy named.
fn confirmed<'a>(spawning: &Spawning, span: Span, fate: Fate, arguments: Vec<&'a Expr>) -> Found<'a> {
    Found {
        span,
        kind: spawning.kind,
        fate: spawning.fate.unwrap_or(fate),
        arguments,
        by_type: Some(ByType::Confirmed),
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
