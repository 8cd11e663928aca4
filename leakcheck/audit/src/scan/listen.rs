//! What a shutdown is, and whether a wait listens to one.
//!
//! Two measures. To say that code *has* a shutdown takes its type, or a channel's type and its name. To say that a wait
//! *listens* takes no more than a name that sounds like it, so that in doubt nobody is accused.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};

use syn::Expr;
use syn::visit::{self, Visit};

use super::index::{Crate, FnId, last_segment, returns};
use super::leave::{Wait, waits};
use super::lower::MacroCall;
use super::scope::Scope;
use super::select::{Select, Waiting};

/// Whether a wait hears of a shutdown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Listens {
    No,
    /// It waits for something that is not known.
    Unknown,
    Yes,
}

/// A shutdown within reach of a function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Access {
    /// As it is written: `exits`, `self.token`.
    pub written: String,
}

/// The words of a name, in lower case: `shutdownRx_token` has three.
fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut before = 'a';
    for character in name.chars() {
        if character == '_' || (character.is_uppercase() && before.is_lowercase()) {
            words.push(String::new());
        }
        if character != '_'
            && let Some(last) = words.last_mut()
        {
            last.extend(character.to_lowercase());
        }
        before = character;
    }
    words
}

/// Whether a name is a shutdown's.
pub(crate) fn is_shutdown_name(name: &str) -> bool {
    const BEGINS: &[&str] = &["shutdown", "cancel", "stop", "quit", "exit", "terminat", "kill"];
    words(name)
        .iter()
        .any(|word| BEGINS.iter().any(|begin| word.starts_with(begin)))
}

/// Whether a name sounds like an end of any kind.
pub(crate) fn sounds_like_an_end(name: &str) -> bool {
    const BEGINS: &[&str] = &[
        "shut",
        "clos",
        "done",
        "drain",
        "abort",
        "finish",
        "ctrl",
        "signal",
        "sigint",
        "sigterm",
        "term",
        "goaway",
        "disconnect",
        "dead",
        "die",
        "drop",
        "end",
        "eof",
        "interrupt",
        "expire",
        "halt",
        "destroy",
        "complete",
        "evict",
        "lost",
        "gone",
    ];
    is_shutdown_name(name)
        || words(name)
            .iter()
            .any(|word| BEGINS.iter().any(|begin| word.starts_with(begin)))
}

/// Whether source mentions anything that sounds like an end.
fn mentions_an_end(visit: impl FnOnce(&mut Names)) -> bool {
    let mut names = Names(false);
    visit(&mut names);
    names.0
}

struct Names(bool);

impl<'a> Visit<'a> for Names {
    fn visit_ident(&mut self, ident: &'a syn::Ident) {
        self.0 |= sounds_like_an_end(&ident.to_string());
    }
}

fn last_name(written: &str) -> &str {
    written.rsplit('.').next().unwrap_or(written)
}

/// Answers whether waits listen, and remembers it.
pub(crate) struct Listening<'c, 'a> {
    krate: &'c Crate<'a>,
    scopes: &'c [Scope<'c, 'a>],
    functions: RefCell<HashMap<FnId, Listens>>,
}

impl<'c, 'a> Listening<'c, 'a> {
    pub fn of(krate: &'c Crate<'a>, scopes: &'c [Scope<'c, 'a>]) -> Self {
        Self {
            krate,
            scopes,
            functions: RefCell::default(),
        }
    }

    /// Whether something of this type and name is a shutdown.
    pub fn is_shutdown(&self, ty: &str, name: &str) -> bool {
        match last_segment(ty) {
            "CancellationToken" => true,
            "Receiver" | "UnboundedReceiver" | "Notify" => ty.contains("::") && is_shutdown_name(name),
            own => is_shutdown_name(own) && self.is_waited_for(own),
        }
    }

    /// Whether a type of this crate has a method that waits for a shutdown.
    fn is_waited_for(&self, own: &str) -> bool {
        self.krate.structs.contains_key(own)
            && self.krate.functions.iter().any(|function| {
                function.owner.as_deref() == Some(own)
                    && function.signature.receiver().is_some()
                    && (returns(function.signature, "WaitForCancellation")
                        || (function.is_async()
                            && (is_shutdown_name(&function.name)
                                || matches!(function.name.as_str(), "recv" | "wait" | "changed"))))
            })
    }

    /// The shutdowns that a function has at hand: parameters, locals, its own type's fields, and the fields of each of these.
    pub fn access(&self, id: FnId) -> Vec<Access> {
        let scope = &self.scopes[id.0];
        let mut at_hand: Vec<(String, String)> = scope
            .names()
            .filter_map(|(name, ty)| Some((name.to_owned(), ty?.to_owned())))
            .collect();
        let has_self = self.krate.function_of(id).signature.receiver().is_some();
        if let Some(owner) = scope.owner().filter(|_| has_self) {
            at_hand.extend(self.fields("self", owner, scope.module()));
        }
        let deeper: Vec<(String, String)> = at_hand
            .iter()
            .filter(|(written, ty)| !self.is_shutdown(ty, last_name(written)))
            .flat_map(|(written, ty)| self.fields(written, ty, scope.module()))
            .collect();
        at_hand.extend(deeper);
        let mut found: Vec<Access> = at_hand
            .into_iter()
            .filter(|(written, ty)| self.is_shutdown(ty, last_name(written)))
            .map(|(written, _)| Access { written })
            .collect();
        // What is nearest is said.
        found.sort_by_key(|access| (access.written.matches('.').count(), access.written.clone()));
        found
    }

    fn fields(&self, of: &str, ty: &str, module: usize) -> Vec<(String, String)> {
        let declared = self.krate.struct_of(ty, module);
        declared
            .into_iter()
            .flat_map(|declared| &declared.fields)
            .map(|(name, ty)| (format!("{of}.{name}"), ty.clone()))
            .collect()
    }

    /// Whether any branch of a `select!` listens, or may.
    pub fn select(&self, select: &Select<'a>, scope: &Scope<'c, 'a>) -> Listens {
        self.select_within(select, scope, &mut HashSet::new())
    }

    fn select_within(&self, select: &Select<'a>, scope: &Scope<'c, 'a>, seen: &mut HashSet<usize>) -> Listens {
        let branches = select
            .branches
            .iter()
            .map(|branch| self.branch(branch, scope, seen))
            .max();
        let otherwise = select
            .otherwise
            .is_some_and(|handler| mentions_an_end(|names| names.visit_expr(handler)));
        if otherwise {
            return Listens::Yes;
        }
        branches.unwrap_or(Listens::Unknown)
    }

    fn branch(&self, branch: &Waiting<'a>, scope: &Scope<'c, 'a>, seen: &mut HashSet<usize>) -> Listens {
        // A message may be the shutdown.
        let told = mentions_an_end(|names| {
            names.visit_pat(branch.pattern);
            names.visit_expr(branch.handler);
        });
        if told {
            Listens::Yes
        } else {
            self.future_within(branch.future, scope, seen)
        }
    }

    /// Whether a future hears of a shutdown. What has been looked at adds nothing: a name that is bound again to what waits for the
    /// earlier one would be looked at for ever.
    fn future_within(&self, future: &'a Expr, scope: &Scope<'c, 'a>, seen: &mut HashSet<usize>) -> Listens {
        if !seen.insert(std::ptr::from_ref(future).addr()) {
            return Listens::No;
        }
        match future {
            Expr::Async(block) => self.block(&block.block, scope, seen),
            Expr::Reference(inner) => self.future_within(&inner.expr, scope, seen),
            Expr::Paren(inner) => self.future_within(&inner.expr, scope, seen),
            Expr::Unary(inner) => self.future_within(&inner.expr, scope, seen),
            _ if mentions_an_end(|names| names.visit_expr(future)) => Listens::Yes,
            Expr::Path(path) => {
                let Some(name) = path.path.get_ident().map(ToString::to_string) else {
                    return Listens::Unknown;
                };
                // A name that is bound again, `let answer = select! { answer = answer => … }`, has the type of the first.
                match (known_leaf_type(scope.infer(future).as_deref()), scope.value(&name)) {
                    (Listens::Unknown, Some(value)) => self.future_within(value, scope, seen),
                    (known, _) => known,
                }
            }
            Expr::Field(_) => known_leaf_type(scope.infer(future).as_deref()),
            Expr::Call(call) => match scope.callees(call)[..] {
                [] if MacroCall::of(call).is_some() => Listens::Unknown,
                [] => {
                    let Expr::Path(path) = &*call.func else {
                        return Listens::Unknown;
                    };
                    match path.path.segments.last().map(|last| last.ident.to_string()).as_deref() {
                        Some("sleep" | "sleep_until") => Listens::No,
                        Some("pin" | "timeout" | "timeout_at") => call
                            .args
                            .last()
                            .map_or(Listens::Unknown, |inner| self.future_within(inner, scope, seen)),
                        _ => Listens::Unknown,
                    }
                }
                [one] => self.function(one),
                _ => Listens::Unknown,
            },
            Expr::MethodCall(call) => {
                let name = call.method.to_string();
                if matches!(name.as_str(), "as_mut" | "instrument" | "fuse" | "boxed") {
                    return self.future_within(&call.receiver, scope, seen);
                }
                let (own, certain) = scope.methods(call);
                match own[..] {
                    [one] if certain => self.function(one),
                    [] if is_leaf(&name) => Listens::No,
                    _ if is_leaf(&name) && scope.infer(&call.receiver).is_some_and(|ty| ty.starts_with("tokio::")) => {
                        Listens::No
                    }
                    _ => Listens::Unknown,
                }
            }
            _ => Listens::Unknown,
        }
    }

    fn block(&self, block: &'a syn::Block, scope: &Scope<'c, 'a>, seen: &mut HashSet<usize>) -> Listens {
        waits(block)
            .iter()
            .map(|wait| match wait {
                Wait::Select(select) => self.select_within(select, scope, seen),
                Wait::Await(future, _) => self.future_within(future, scope, seen),
            })
            .max()
            .unwrap_or(Listens::No)
    }

    /// Whether a function listens somewhere.
    pub fn function(&self, id: FnId) -> Listens {
        if let Some(known) = self.functions.borrow().get(&id) {
            return *known;
        }
        // One that calls itself listens where the rest of it does.
        self.functions.borrow_mut().insert(id, Listens::No);
        let function = self.krate.function_of(id);
        let scope = &self.scopes[id.0];
        let own = self.block(function.body, scope, &mut HashSet::new());
        let inner = if function.is_async() && function.signature.asyncness.is_none() {
            // What it returns is what is awaited.
            let mut blocks = AsyncBlocks(Vec::new());
            blocks.visit_block(function.body);
            let inner = blocks
                .0
                .iter()
                .map(|block| self.block(block, scope, &mut HashSet::new()))
                .max();
            inner.unwrap_or(Listens::Unknown)
        } else {
            Listens::No
        };
        let polls = function.name.starts_with("poll");
        let answer = if polls { Listens::Unknown } else { own.max(inner) };
        self.functions.borrow_mut().insert(id, answer);
        answer
    }
}

struct AsyncBlocks<'a>(Vec<&'a syn::Block>);

impl<'a> Visit<'a> for AsyncBlocks<'a> {
    fn visit_expr_async(&mut self, inner: &'a syn::ExprAsync) {
        self.0.push(&inner.block);
        visit::visit_expr_async(self, inner);
    }
}

/// Methods that wait for one thing, and that is no shutdown unless its name says so.
fn is_leaf(name: &str) -> bool {
    matches!(
        name,
        "recv"
            | "recv_many"
            | "notified"
            | "notified_owned"
            | "tick"
            | "changed"
            | "accept"
            | "next"
            | "reserve"
            | "reserve_owned"
            | "acquire"
            | "acquire_owned"
            | "join_next"
            | "read"
            | "read_buf"
            | "read_line"
            | "next_line"
            | "recv_from"
            | "readable"
    )
}

fn known_leaf_type(ty: Option<&str>) -> Listens {
    match ty {
        Some(
            "tokio::sync::oneshot::Receiver" | "tokio::task::JoinHandle" | "tokio::time::Sleep" | "tokio::sync::Notify",
        ) => Listens::No,
        _ => Listens::Unknown,
    }
}

/// Whether a branch is a deadline: it comes by itself.
pub(crate) fn is_deadline<'a>(future: &'a Expr, scope: &Scope<'_, 'a>) -> bool {
    match future {
        Expr::Call(call) => matches!(&*call.func, Expr::Path(path)
            if path.path.segments.last().is_some_and(|last| matches!(last.ident.to_string().as_str(), "sleep" | "sleep_until" | "timeout" | "timeout_at" | "delay_for"))),
        Expr::Reference(inner) => is_deadline(&inner.expr, scope),
        Expr::MethodCall(call) if call.method == "as_mut" => is_deadline(&call.receiver, scope),
        Expr::Path(path) => path.path.get_ident().is_some_and(|ident| {
            let name = ident.to_string();
            let by_name = words(&name)
                .iter()
                .any(|word| matches!(word.as_str(), "sleep" | "timeout" | "deadline" | "delay" | "timer"));
            by_name
                || scope
                    .value(&name)
                    .is_some_and(|value| matches!(value, Expr::Call(_)) && is_deadline(value, scope))
        }),
        _ => false,
    }
}
