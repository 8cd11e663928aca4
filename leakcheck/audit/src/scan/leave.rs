//! Whether a loop can be left, and what it waits for.

use std::collections::HashSet;

use proc_macro2::Span;
use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{Block, Expr, Lit, Pat};

use super::lower::MacroCall;
use super::select::Select;

/// A loop that goes on until something in it leaves it.
pub(crate) struct Endless<'a> {
    pub span: Span,
    pub body: &'a Block,
    pub label: Option<String>,
    /// It ends with its own condition too: `while let Ok(…) = listener.accept().await`.
    pub accepts: bool,
}

/// How a loop is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// By a `break`, a `return`, a `?`, a panic, or a macro that may do any of it.
    Leaves,
    /// The same, but only where `accept` failed: a listener has no end, so nobody can bring that about.
    AcceptFailed,
}

/// The loops without a condition in a body, the innermost first. What closures and `async` blocks hold is not the body's own.
pub(crate) fn loops(body: &Block) -> Vec<Endless<'_>> {
    let mut finder = Loops(Vec::new());
    finder.visit_block(body);
    finder.0
}

/// The same of a body that is no block, as in `move || loop { … }`.
pub(crate) fn loops_of(body: &Expr) -> Vec<Endless<'_>> {
    let mut finder = Loops(Vec::new());
    finder.visit_expr(body);
    finder.0
}

struct Loops<'a>(Vec<Endless<'a>>);

impl<'a> Visit<'a> for Loops<'a> {
    fn visit_expr_loop(&mut self, inner: &'a syn::ExprLoop) {
        visit::visit_expr_loop(self, inner);
        self.0.push(Endless {
            span: inner.loop_token.span,
            body: &inner.body,
            label: inner.label.as_ref().map(|label| label.name.ident.to_string()),
            accepts: false,
        });
    }

    fn visit_expr_while(&mut self, inner: &'a syn::ExprWhile) {
        visit::visit_expr_while(self, inner);
        let always =
            matches!(&*inner.cond, Expr::Lit(literal) if matches!(&literal.lit, Lit::Bool(value) if value.value));
        let accepts = match &*inner.cond {
            Expr::Let(pattern) => is_accept(&pattern.expr, &HashSet::new()),
            _ => false,
        };
        if always || accepts {
            self.0.push(Endless {
                span: inner.while_token.span,
                body: &inner.body,
                label: inner.label.as_ref().map(|label| label.name.ident.to_string()),
                accepts,
            });
        }
    }

    fn visit_expr_for_loop(&mut self, inner: &'a syn::ExprForLoop) {
        visit::visit_expr_for_loop(self, inner);
        // `TcpListener::incoming` never returns `None` (its documentation).
        if matches!(&*inner.expr, Expr::MethodCall(call) if call.method == "incoming" && call.args.is_empty()) {
            self.0.push(Endless {
                span: inner.for_token.span,
                body: &inner.body,
                label: inner.label.as_ref().map(|label| label.name.ident.to_string()),
                accepts: true,
            });
        }
    }

    fn visit_expr_closure(&mut self, _: &'a syn::ExprClosure) {}
    fn visit_expr_async(&mut self, _: &'a syn::ExprAsync) {}
    fn visit_item(&mut self, _: &'a syn::Item) {}
}

/// The ways out of a loop.
pub(crate) fn exits(endless: &Endless<'_>) -> Vec<Exit> {
    exits_but(endless, &|_| false)
}

/// The ways out of a loop, but for what the branches of a `select!` do that wait for such a future.
pub(crate) fn exits_but(endless: &Endless<'_>, left_out: &dyn Fn(&Expr) -> bool) -> Vec<Exit> {
    let mut finder = Exits {
        left_out,
        inner: 0,
        labels: Vec::new(),
        own: endless.label.clone(),
        accepted: HashSet::new(),
        heard: HashSet::new(),
        accept_failed: 0,
        found: Vec::new(),
    };
    finder.visit_block(endless.body);
    finder.found
}

/// Whether nothing but a failing `accept` ends it.
pub(crate) fn never_ends(endless: &Endless<'_>) -> bool {
    exits(endless).iter().all(|exit| *exit == Exit::AcceptFailed)
}

struct Exits<'f> {
    /// Futures whose branches are left out.
    left_out: &'f dyn Fn(&Expr) -> bool,
    /// Loops within the loop: a `break` without a label leaves them alone.
    inner: usize,
    labels: Vec<String>,
    own: Option<String>,
    /// Names that hold what `accept` returned.
    accepted: HashSet<String>,
    /// Names that hold what came from elsewhere.
    heard: HashSet<String>,
    accept_failed: usize,
    found: Vec<Exit>,
}

impl Exits<'_> {
    fn leaves(&mut self) {
        self.found.push(if self.accept_failed > 0 {
            Exit::AcceptFailed
        } else {
            Exit::Leaves
        });
    }

    fn within(&mut self, label: Option<&syn::Label>, visit: impl FnOnce(&mut Self)) {
        self.inner += 1;
        let labelled = label.map(|label| label.name.ident.to_string());
        let pushed = labelled.is_some();
        self.labels.extend(labelled);
        visit(self);
        if pushed {
            self.labels.pop();
        }
        self.inner -= 1;
    }

    fn leaves_by(&mut self, of: &Expr) {
        if is_accept(of, &self.accepted) {
            self.found.push(Exit::AcceptFailed);
        } else {
            self.leaves();
        }
    }
}

impl<'a> Visit<'a> for Exits<'_> {
    fn visit_expr_break(&mut self, inner: &'a syn::ExprBreak) {
        let leaves = match &inner.label {
            Some(label) => !self.labels.contains(&label.ident.to_string()),
            None => self.inner == 0,
        };
        if leaves {
            self.leaves();
        }
        visit::visit_expr_break(self, inner);
    }

    fn visit_expr_continue(&mut self, inner: &'a syn::ExprContinue) {
        if let Some(label) = &inner.label {
            let label = label.ident.to_string();
            if !self.labels.contains(&label) && self.own.as_ref() != Some(&label) {
                self.leaves();
            }
        }
    }

    fn visit_expr_return(&mut self, inner: &'a syn::ExprReturn) {
        self.leaves();
        visit::visit_expr_return(self, inner);
    }

    fn visit_expr_try(&mut self, inner: &'a syn::ExprTry) {
        self.leaves_by(&inner.expr);
        visit::visit_expr_try(self, inner);
    }

    fn visit_expr_yield(&mut self, inner: &'a syn::ExprYield) {
        // Whoever drives a generator may stop.
        self.leaves();
        visit::visit_expr_yield(self, inner);
    }

    fn visit_expr_call(&mut self, inner: &'a syn::ExprCall) {
        if matches!(MacroCall::of(inner), Some(MacroCall::Leaving | MacroCall::Unknown)) {
            self.leaves();
        }
        if let Expr::Path(path) = &*inner.func {
            let names: Vec<String> = path
                .path
                .segments
                .iter()
                .map(|segment| segment.ident.to_string())
                .collect();
            let last = names.last().map(String::as_str);
            if matches!(last, Some("exit" | "abort" | "resume_unwind" | "panic_any")) {
                self.leaves();
            }
        }
        visit::visit_expr_call(self, inner);
    }

    fn visit_expr_method_call(&mut self, inner: &'a syn::ExprMethodCall) {
        let panics = matches!(
            inner.method.to_string().as_str(),
            "unwrap" | "expect" | "unwrap_unchecked"
        );
        // A lock's poison and a parse's error are no way out; what another end does to a channel or a socket is.
        let heard = match &*inner.receiver {
            Expr::Path(path) => path
                .path
                .get_ident()
                .is_some_and(|ident| self.heard.contains(&ident.to_string())),
            other => hears_from_outside(other),
        };
        if panics && heard {
            self.leaves_by(&inner.receiver);
        }
        visit::visit_expr_method_call(self, inner);
    }

    fn visit_expr_match(&mut self, inner: &'a syn::ExprMatch) {
        if let Some(select) = Select::of_match(inner) {
            // tokio's `select!` panics once no branch can come any more.
            if select.otherwise.is_none() && !select.never_waits && select.can_run_dry() {
                self.leaves();
            }
            for branch in &select.branches {
                if let Pat::Ident(ident) = branch.pattern {
                    self.heard.insert(ident.ident.to_string());
                    if is_accept(branch.future, &self.accepted) {
                        self.accepted.insert(ident.ident.to_string());
                    }
                }
            }
            let future = |arm: &'a syn::Arm| match &*arm.body {
                Expr::Tuple(pair) => pair.elems.first(),
                _ => None,
            };
            for arm in &inner.arms {
                if !future(arm).is_some_and(self.left_out) {
                    self.visit_arm(arm);
                }
            }
            return;
        }
        if !is_accept(&inner.expr, &self.accepted) {
            visit::visit_expr_match(self, inner);
            return;
        }
        self.visit_expr(&inner.expr);
        for arm in &inner.arms {
            let failed = is_error(&arm.pat);
            self.accept_failed += usize::from(failed);
            self.visit_arm(arm);
            self.accept_failed -= usize::from(failed);
        }
    }

    fn visit_local(&mut self, local: &'a syn::Local) {
        let Some(init) = &local.init else { return };
        self.visit_expr(&init.expr);
        let accepts = is_accept(&init.expr, &self.accepted);
        if let Pat::Ident(ident) = &local.pat {
            if accepts {
                self.accepted.insert(ident.ident.to_string());
            }
            if hears_from_outside(&init.expr) {
                self.heard.insert(ident.ident.to_string());
            }
        }
        if let Some((_, otherwise)) = &init.diverge {
            self.accept_failed += usize::from(accepts);
            self.visit_expr(otherwise);
            self.accept_failed -= usize::from(accepts);
        }
    }

    fn visit_expr_loop(&mut self, inner: &'a syn::ExprLoop) {
        self.within(inner.label.as_ref(), |finder| visit::visit_expr_loop(finder, inner));
    }

    fn visit_expr_while(&mut self, inner: &'a syn::ExprWhile) {
        self.within(inner.label.as_ref(), |finder| visit::visit_expr_while(finder, inner));
    }

    fn visit_expr_for_loop(&mut self, inner: &'a syn::ExprForLoop) {
        self.within(inner.label.as_ref(), |finder| visit::visit_expr_for_loop(finder, inner));
    }

    fn visit_expr_closure(&mut self, _: &'a syn::ExprClosure) {}
    fn visit_expr_async(&mut self, _: &'a syn::ExprAsync) {}
    fn visit_item(&mut self, _: &'a syn::Item) {}
}

fn is_error(pattern: &Pat) -> bool {
    match pattern {
        Pat::TupleStruct(variant) => variant.path.segments.last().is_some_and(|last| last.ident == "Err"),
        Pat::Or(or) => or.cases.iter().all(is_error),
        Pat::Wild(_) => true,
        _ => false,
    }
}

/// Whether this is what `accept` returned. It is the listener's, where it has no arguments: a connection that accepts
/// streams ends with its peer, but is not told from a listener by this name alone, so only an error of it is looked through.
fn is_accept(expression: &Expr, accepted: &HashSet<String>) -> bool {
    match expression {
        Expr::Await(inner) => is_accept(&inner.base, accepted),
        Expr::Paren(inner) => is_accept(&inner.expr, accepted),
        Expr::Reference(inner) => is_accept(&inner.expr, accepted),
        Expr::MethodCall(call) if call.method == "accept" && call.args.is_empty() => is_listener(&call.receiver),
        Expr::MethodCall(call)
            if matches!(call.method.to_string().as_str(), "map_err" | "context" | "with_context") =>
        {
            is_accept(&call.receiver, accepted)
        }
        Expr::Path(path) => path
            .path
            .get_ident()
            .is_some_and(|ident| accepted.contains(&ident.to_string())),
        _ => false,
    }
}

/// Whether this is called a listener.
fn is_listener(expression: &Expr) -> bool {
    let name = match expression {
        Expr::Path(path) => path.path.segments.last().map(|segment| segment.ident.to_string()),
        Expr::Field(field) => match &field.member {
            syn::Member::Named(name) => Some(name.to_string()),
            syn::Member::Unnamed(_) => None,
        },
        Expr::Reference(inner) => return is_listener(&inner.expr),
        _ => None,
    };
    name.is_some_and(|name| {
        let name = name.to_lowercase();
        name.contains("listener") || name.contains("acceptor") || name == "server"
    })
}

/// Whether a value depends on another task, thread or peer, so that it may be an error because that one is gone.
fn hears_from_outside(expression: &Expr) -> bool {
    match expression {
        // Whatever else is awaited: a tick and a lock have no errors to speak of.
        Expr::Await(inner) => match &*inner.base {
            Expr::MethodCall(call) => !matches!(
                call.method.to_string().as_str(),
                "tick" | "lock" | "read" | "write" | "acquire" | "acquire_owned"
            ),
            _ => true,
        },
        Expr::MethodCall(call) => {
            matches!(
                call.method.to_string().as_str(),
                "recv"
                    | "recv_timeout"
                    | "try_recv"
                    | "send"
                    | "try_send"
                    | "accept"
                    | "join"
                    | "upgrade"
                    | "read"
                    | "write_all"
                    | "next"
            ) && call.args.len() < 2
        }
        Expr::Paren(inner) => hears_from_outside(&inner.expr),
        _ => false,
    }
}

/// Something that a loop waits for, itself.
pub(crate) enum Wait<'a> {
    Select(Select<'a>),
    /// `future.await`.
    Await(&'a Expr, Span),
}

impl Wait<'_> {
    pub fn span(&self) -> Span {
        match self {
            Self::Select(select) => select.span,
            Self::Await(_, span) => *span,
        }
    }
}

/// What a body waits for itself, in the order of the source: not in closures and `async` blocks.
pub(crate) fn waits(body: &Block) -> Vec<Wait<'_>> {
    let mut finder = Waits(Vec::new());
    finder.visit_block(body);
    finder.0
}

struct Waits<'a>(Vec<Wait<'a>>);

impl<'a> Visit<'a> for Waits<'a> {
    fn visit_expr_match(&mut self, inner: &'a syn::ExprMatch) {
        if let Some(select) = Select::of_match(inner) {
            self.0.push(Wait::Select(select));
        }
        visit::visit_expr_match(self, inner);
    }

    fn visit_expr_await(&mut self, inner: &'a syn::ExprAwait) {
        visit::visit_expr_await(self, inner);
        self.0.push(Wait::Await(&inner.base, inner.await_token.span()));
    }

    fn visit_expr_closure(&mut self, _: &'a syn::ExprClosure) {}
    fn visit_expr_async(&mut self, _: &'a syn::ExprAsync) {}
    fn visit_item(&mut self, _: &'a syn::Item) {}
}
