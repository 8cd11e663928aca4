//! `join-set-not-drained`: a `JoinSet` that tasks are spawned into again and again, and that nobody joins.
//!
//! A `JoinSet` keeps each task, with its result, until somebody joins it: one that is only spawned into grows without bound.
//! Dropping it aborts its tasks, so a set that is filled a fixed number of times and kept as a guard is no finding.

use std::collections::{HashMap, HashSet};

use syn::visit::{self, Visit};
use syn::{Expr, Member};

use crate::scan::context::{Context, Raw};
use crate::scan::index::{FnId, last_segment, line};
use crate::scan::scope::Scope;

pub(crate) const NAME: &str = "join-set-not-drained";

/// A set by where it lives: a field by its struct, a local by its function.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Set {
    Field(String, String),
    Local(FnId, String),
}

#[derive(Default)]
struct Uses {
    /// Where it is spawned into again and again.
    grows: Vec<(FnId, u32)>,
    /// Something else is done with it: it is joined, lent, moved.
    other: bool,
}

pub(crate) fn check(context: &Context<'_, '_>, found: &mut Vec<Raw>) {
    let mut sets: HashMap<Set, Uses> = HashMap::new();
    for (id, function) in context.krate.functions.iter().enumerate() {
        let mut finder = Finder {
            scope: &context.scopes[id],
            sets: &mut sets,
            in_loop: 0,
            through_self: function.signature.receiver().is_some(),
            for_tests: function.for_tests,
            lookthrough: HashSet::new(),
        };
        finder.visit_block(function.body);
    }
    for (set, uses) in sets {
        if uses.other {
            continue;
        }
        let name = match &set {
            Set::Field(owner, name) => format!("the field `{name}` of `{owner}`"),
            Set::Local(_, name) => format!("`{name}`"),
        };
        for (function, line) in uses.grows {
            found.push(Raw {
                rule: NAME,
                function,
                line,
                why: format!("{name} keeps each task and its result until it is joined, and nothing joins it: it grows with every spawn"),
                fix: "join what has ended with `try_join_next` before each spawn or `join_next` in the loop's select!; or use a TaskTracker, which keeps nothing".to_owned(),
                spawned_at: Some((function, line)),
                note: false,
            });
        }
    }
}

struct Finder<'s, 'c, 'a> {
    scope: &'s Scope<'c, 'a>,
    sets: &'s mut HashMap<Set, Uses>,
    in_loop: usize,
    through_self: bool,
    for_tests: bool,
    /// Expressions that have been counted as part of their parent, by address.
    lookthrough: HashSet<usize>,
}

impl Finder<'_, '_, '_> {
    fn set(&self, expression: &Expr) -> Option<Set> {
        let ty = self.scope.infer(expression)?;
        if last_segment(&ty) != "JoinSet" {
            return None;
        }
        match expression {
            Expr::Path(path) => Some(Set::Local(self.scope.function, path.path.get_ident()?.to_string())),
            Expr::Field(field) => {
                let Member::Named(name) = &field.member else {
                    return None;
                };
                let owner = self.scope.infer(&field.base)?;
                Some(Set::Field(last_segment(&owner).to_owned(), name.to_string()))
            }
            // `self.tasks.lock()`, `self.tasks.lock().unwrap()`
            Expr::MethodCall(call) => self.set(&call.receiver),
            Expr::Await(inner) => self.set(&inner.base),
            Expr::Paren(inner) => self.set(&inner.expr),
            _ => None,
        }
    }

    fn look_through(&mut self, expression: &Expr) {
        self.lookthrough.insert(std::ptr::from_ref(expression).addr());
        match expression {
            Expr::MethodCall(call) => self.look_through(&call.receiver),
            Expr::Await(inner) => self.look_through(&inner.base),
            Expr::Paren(inner) => self.look_through(&inner.expr),
            _ => {}
        }
    }
}

impl<'a> Visit<'a> for Finder<'_, '_, 'a> {
    fn visit_expr(&mut self, expression: &'a Expr) {
        if let Expr::MethodCall(call) = expression
            && let Some(set) = self.set(&call.receiver)
            && call.method.to_string().starts_with("spawn")
        {
            let field = matches!(set, Set::Field(..));
            let grows = self.in_loop > 0 || (field && self.through_self);
            let uses = self.sets.entry(set).or_default();
            if grows && !self.for_tests {
                uses.grows.push((self.scope.function, line(call.method.span())));
            }
            self.look_through(&call.receiver);
        } else if !self.lookthrough.contains(&std::ptr::from_ref(expression).addr())
            && matches!(expression, Expr::Path(_) | Expr::Field(_))
            && let Some(set) = self.set(expression)
        {
            self.sets.entry(set).or_default().other = true;
        }
        visit::visit_expr(self, expression);
    }

    fn visit_expr_loop(&mut self, inner: &'a syn::ExprLoop) {
        self.in_loop += 1;
        visit::visit_expr_loop(self, inner);
        self.in_loop -= 1;
    }

    fn visit_expr_while(&mut self, inner: &'a syn::ExprWhile) {
        self.in_loop += 1;
        visit::visit_expr_while(self, inner);
        self.in_loop -= 1;
    }

    fn visit_item(&mut self, _: &'a syn::Item) {}
}

#[cfg(test)]
mod tests {
    use super::super::testing::check;

    #[test]
    fn a_set_that_only_grows_is_found() {
        check(
            r#"
            use tokio::task::JoinSet;
            async fn accept(listener: tokio::net::TcpListener) {
                let mut tasks = JoinSet::new();
                while let Ok((stream, _)) = listener.accept().await {
                    tasks.spawn(serve(stream)); //~ join-set-not-drained
                }
            }
            struct Server { tasks: JoinSet<()> }
            impl Server {
                fn serve(&mut self, stream: S) {
                    self.tasks.spawn(serve(stream)); //~ join-set-not-drained
                }
            }
            "#,
        );
    }

    #[test]
    fn one_that_is_joined_or_only_guards_is_left_alone() {
        check(
            r#"
            use tokio::task::JoinSet;
            async fn a() { let mut tasks = JoinSet::new(); for x in y { tasks.spawn(x); } while let Some(_) = tasks.join_next().await {} }
            async fn b() { let mut tasks = JoinSet::new(); loop { tasks.spawn(x); finish(&mut tasks).await; } }
            async fn c() -> JoinSet<()> { let mut tasks = JoinSet::new(); while more() { tasks.spawn(x); } tasks }
            async fn d() { let mut tasks = JoinSet::new(); tasks.spawn(x); wait().await; }
            struct Server { tasks: JoinSet<()>, guards: JoinSet<()> }
            impl Server {
                fn new() -> Self { let mut guards = JoinSet::new(); guards.spawn(x); Self { guards, tasks: JoinSet::new() } }
                fn serve(&mut self) { self.tasks.spawn(x); }
                async fn close(mut self) { self.tasks.shutdown().await; }
            }
            "#,
        );
    }
}
