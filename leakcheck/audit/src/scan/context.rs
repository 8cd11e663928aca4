//! What every rule looks at: one crate, with what is known of it.

use std::collections::HashSet;

use proc_macro2::Span;
use syn::Expr;
use syn::visit::{self, Visit};

use super::index::{Crate, FnId, line};
use super::leave::{self, Endless, Wait};
use super::listen::Listening;
use super::scope::Scope;
use super::spawned::{Body, Code, Fate, Kind, Spawn, reached};

/// One crate, with what is known of it.
pub(crate) struct Context<'c, 'a> {
    pub krate: &'c Crate<'a>,
    pub scopes: &'c [Scope<'c, 'a>],
    pub spawns: &'c [Spawn<'a>],
    pub listening: &'c Listening<'c, 'a>,
    /// Code that runs only in tasks which somebody ends: those of a `JoinSet`, or whose handle is kept.
    pub ended: Vec<Body<'a>>,
    /// The loops without an end that run in tasks which nobody can end, each once.
    pub endless: Vec<EndlessTask<'a>>,
    /// Whether the crate ends tasks through their handles anywhere.
    pub aborts: bool,
}

/// A loop without an end in a task or thread that nobody can end.
pub(crate) struct EndlessTask<'a> {
    pub spawn: usize,
    pub function: FnId,
    pub endless: Endless<'a>,
    /// What it waits for itself.
    pub waits: Vec<Wait<'a>>,
}

/// What a rule has found.
pub(crate) struct Raw {
    pub rule: &'static str,
    pub function: FnId,
    pub line: u32,
    pub why: String,
    pub fix: String,
    pub spawned_at: Option<(FnId, u32)>,
    pub note: bool,
}

/// Whether nobody but itself can end what was started.
pub(crate) fn is_on_its_own(spawn: &Spawn<'_>, aborts: bool) -> bool {
    match spawn.fate {
        Fate::Dropped | Fate::Tracked => true,
        // A thread cannot be ended from outside; a task can, where something in the crate does.
        Fate::Kept => spawn.kind != Kind::Task || !aborts,
        Fate::Returned => spawn.kind != Kind::Task,
        Fate::Owned | Fate::Unknown => false,
    }
}

impl<'c, 'a> Context<'c, 'a> {
    pub fn of(
        krate: &'c Crate<'a>,
        scopes: &'c [Scope<'c, 'a>],
        spawns: &'c [Spawn<'a>],
        listening: &'c Listening<'c, 'a>,
    ) -> Self {
        let aborts = mentions_abort(krate);
        let mut endless = Vec::new();
        let mut seen = HashSet::new();
        let (mut ended, mut on_its_own) = (Vec::new(), HashSet::new());
        for spawn in spawns {
            for body in spawn
                .started
                .iter()
                .flat_map(|body| reached(body, scopes, spawn.kind != Kind::Task))
            {
                if is_on_its_own(spawn, aborts) {
                    on_its_own.insert(body.code.key());
                } else {
                    ended.push(body);
                }
            }
        }
        ended.retain(|body| !on_its_own.contains(&body.code.key()));
        for (number, spawn) in spawns.iter().enumerate() {
            if !is_on_its_own(spawn, aborts) {
                continue;
            }
            for body in spawn
                .started
                .iter()
                .flat_map(|body| reached(body, scopes, spawn.kind != Kind::Task))
            {
                for found in endless_loops(&body) {
                    let place = (
                        krate.function_of(body.function).file,
                        line(found.span),
                        found.span.start().column,
                    );
                    if seen.insert(place) {
                        endless.push(EndlessTask {
                            spawn: number,
                            function: body.function,
                            waits: leave::waits(found.body),
                            endless: found,
                        });
                    }
                }
            }
        }
        Self {
            krate,
            scopes,
            spawns,
            listening,
            ended,
            endless,
            aborts,
        }
    }

    /// Whether a line of a function runs only in tasks that somebody ends.
    pub fn is_ended(&self, function: FnId, at: u32) -> bool {
        self.ended.iter().filter(|body| body.function == function).any(|body| {
            body.code.block().is_some_and(|block| {
                let braces = block.brace_token.span;
                (line(braces.open())..=line(braces.close())).contains(&at)
            })
        })
    }

    /// Where a spawn is, for people: `tokio::spawn at src/server.rs:12`.
    pub fn started_by(&self, spawn: usize) -> (FnId, u32) {
        let spawn = &self.spawns[spawn];
        (spawn.function, line(spawn.span))
    }
}

/// The loops of a body that never end; of loops within each other, the innermost.
fn endless_loops<'a>(body: &Body<'a>) -> Vec<Endless<'a>> {
    let candidates = match body.code {
        Code::Function(block) | Code::Block(block) => leave::loops(block),
        Code::Expression(expression) => leave::loops_of(expression),
    };
    let mut found: Vec<Endless<'a>> = Vec::new();
    for candidate in candidates {
        let (from, to) = (candidate.span.start(), {
            let close = candidate.body.brace_token.span.close().end();
            (close.line, close.column)
        });
        let holds_one = found.iter().any(|inner| {
            let at = inner.span.start();
            (at.line, at.column) > (from.line, from.column) && (at.line, at.column) < to
        });
        if !holds_one && leave::never_ends(&candidate) {
            found.push(candidate);
        }
    }
    found
}

/// Whether the crate ends tasks through their handles anywhere.
fn mentions_abort(krate: &Crate<'_>) -> bool {
    struct Aborts(bool);
    impl<'a> Visit<'a> for Aborts {
        fn visit_expr_method_call(&mut self, call: &'a syn::ExprMethodCall) {
            self.0 |= call.method.to_string().starts_with("abort");
            visit::visit_expr_method_call(self, call);
        }
        fn visit_ident(&mut self, ident: &'a syn::Ident) {
            self.0 |= ident.to_string().contains("Abort") || ident == "JoinHandle";
        }
    }
    let mut finder = Aborts(false);
    for function in &krate.functions {
        finder.visit_block(function.body);
    }
    for file in krate.files {
        for item in &file.ast.items {
            if let syn::Item::Struct(declared) = item {
                // A handle in a public place can be aborted by others.
                finder.visit_fields(&declared.fields);
            }
        }
    }
    finder.0
}

/// The last name of everything that is called within a loop, anywhere in the crate.
pub(crate) fn calls_in_loops(krate: &Crate<'_>) -> HashSet<String> {
    struct Calls {
        depth: usize,
        names: HashSet<String>,
    }
    impl<'a> Visit<'a> for Calls {
        fn visit_expr_loop(&mut self, inner: &'a syn::ExprLoop) {
            self.depth += 1;
            visit::visit_expr_loop(self, inner);
            self.depth -= 1;
        }
        fn visit_expr_while(&mut self, inner: &'a syn::ExprWhile) {
            self.depth += 1;
            visit::visit_expr_while(self, inner);
            self.depth -= 1;
        }
        fn visit_expr_call(&mut self, call: &'a syn::ExprCall) {
            if self.depth > 0
                && let Expr::Path(path) = &*call.func
                && let Some(last) = path.path.segments.last()
            {
                self.names.insert(last.ident.to_string());
            }
            visit::visit_expr_call(self, call);
        }
        fn visit_expr_method_call(&mut self, call: &'a syn::ExprMethodCall) {
            if self.depth > 0 {
                self.names.insert(call.method.to_string());
            }
            visit::visit_expr_method_call(self, call);
        }
    }
    let mut calls = Calls {
        depth: 0,
        names: HashSet::new(),
    };
    for function in &krate.functions {
        calls.visit_block(function.body);
    }
    calls.names
}

/// Spans of the loops of a body: from and to.
pub(crate) fn loop_ranges(body: &syn::Block) -> Vec<(Span, Span)> {
    struct Ranges(Vec<(Span, Span)>);
    impl<'a> Visit<'a> for Ranges {
        fn visit_expr_loop(&mut self, inner: &'a syn::ExprLoop) {
            self.0
                .push((inner.loop_token.span, inner.body.brace_token.span.close()));
            visit::visit_expr_loop(self, inner);
        }
        fn visit_expr_while(&mut self, inner: &'a syn::ExprWhile) {
            self.0
                .push((inner.while_token.span, inner.body.brace_token.span.close()));
            visit::visit_expr_while(self, inner);
        }
    }
    let mut ranges = Ranges(Vec::new());
    ranges.visit_block(body);
    ranges.0
}

/// Scopes for every function of a crate.
pub(crate) fn scopes<'c, 'a>(krate: &'c Crate<'a>) -> Vec<Scope<'c, 'a>> {
    (0..krate.functions.len())
        .map(|id| Scope::of(krate, FnId(id)))
        .collect()
}

/// What a plain method call awaits: its name, through references and parentheses.
pub(crate) fn awaited_method(future: &Expr) -> Option<&syn::ExprMethodCall> {
    match future {
        Expr::MethodCall(call) => Some(call),
        Expr::Paren(inner) => awaited_method(&inner.expr),
        Expr::Reference(inner) => awaited_method(&inner.expr),
        _ => None,
    }
}
