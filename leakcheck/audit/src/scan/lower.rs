//! Macros made into ordinary expressions, so that every rule sees through them.
//!
//! `select!` becomes what [`Select`](super::select::Select) reads, the `join!`s and every macro whose tokens are expressions
//! become a call of a marker, and a macro around items (`cfg_net! { … }`) becomes its items. What is not understood stays a
//! macro, and a rule that depends on what it may do is silent.

use syn::parse::Parser;
use syn::punctuated::Punctuated;
use syn::spanned::Spanned;
use syn::visit_mut::{self, VisitMut};
use syn::{Expr, ExprCall, Item, Macro, Stmt, Token, token};

use super::select;

/// Macros that neither leave a loop nor wait.
const HARMLESS: &[&str] = &[
    "addr_of",
    "assert",
    "assert_eq",
    "assert_matches",
    "assert_ne",
    "cfg",
    "concat",
    "counter",
    "crit",
    "dbg",
    "debug",
    "debug_assert",
    "debug_assert_eq",
    "debug_assert_ne",
    "debug_span",
    "env",
    "eprint",
    "eprintln",
    "error",
    "error_span",
    "event",
    "file",
    "format",
    "format_args",
    "gauge",
    "hashmap",
    "histogram",
    "include_bytes",
    "include_str",
    "info",
    "info_span",
    "json",
    "line",
    "log",
    "matches",
    "module_path",
    "option_env",
    "pin",
    "pin_mut",
    "print",
    "println",
    "smallvec",
    "span",
    "stringify",
    "trace",
    "trace_span",
    "vec",
    "warn",
    "warn_span",
    "write",
    "writeln",
];

/// Macros that end the task or leave the function.
const LEAVING: &[&str] = &["bail", "panic", "todo", "unimplemented", "unreachable"];

/// What a call of a marker stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MacroCall {
    Join,
    Harmless,
    Leaving,
    /// It may do anything.
    Unknown,
}

const JOIN: &str = "__leak_audit_join";
const HARMLESS_CALL: &str = "__leak_audit_macro";
const LEAVING_CALL: &str = "__leak_audit_leaving";
const UNKNOWN_CALL: &str = "__leak_audit_unknown";

impl MacroCall {
    /// What this call stands for, if it is a marker's.
    pub fn of(call: &ExprCall) -> Option<Self> {
        let Expr::Path(path) = &*call.func else { return None };
        let ident = path.path.get_ident()?;
        [
            (JOIN, Self::Join),
            (HARMLESS_CALL, Self::Harmless),
            (LEAVING_CALL, Self::Leaving),
            (UNKNOWN_CALL, Self::Unknown),
        ]
        .into_iter()
        .find_map(|(name, kind)| (ident == name).then_some(kind))
    }
}

/// Lowers every macro of a file.
pub(crate) fn lower(file: &mut syn::File) {
    Lowering.visit_file_mut(file);
}

struct Lowering;

impl VisitMut for Lowering {
    fn visit_file_mut(&mut self, file: &mut syn::File) {
        splice(&mut file.items);
        visit_mut::visit_file_mut(self, file);
    }

    fn visit_item_mod_mut(&mut self, module: &mut syn::ItemMod) {
        if let Some((_, items)) = &mut module.content {
            splice(items);
        }
        visit_mut::visit_item_mod_mut(self, module);
    }

    fn visit_stmt_mut(&mut self, statement: &mut Stmt) {
        if let Stmt::Macro(inner) = statement {
            let expression = lowered(&inner.mac, std::mem::take(&mut inner.attrs));
            // Without a semicolon it may be the block's value.
            *statement = Stmt::Expr(expression, inner.semi_token);
        }
        visit_mut::visit_stmt_mut(self, statement);
    }

    fn visit_expr_mut(&mut self, expression: &mut Expr) {
        if let Expr::Macro(inner) = expression {
            *expression = lowered(&inner.mac, std::mem::take(&mut inner.attrs));
        }
        visit_mut::visit_expr_mut(self, expression);
    }
}

/// Puts the items of macros around items in the macros' place.
fn splice(items: &mut Vec<Item>) {
    // A macro around a macro: each turn opens one level, and there are no more levels than the nesting allows.
    loop {
        let before = std::mem::take(items);
        let mut opened = false;
        for item in before {
            if let Item::Macro(around) = &item
                && around.ident.is_none()
                && let Ok(inner) = syn::parse2::<syn::File>(around.mac.tokens.clone())
                && !inner.items.is_empty()
            {
                opened = true;
                items.extend(inner.items);
            } else {
                items.push(item);
            }
        }
        if !opened {
            return;
        }
    }
}

/// `attributes` may say when the macro is there.
fn lowered(invocation: &Macro, attributes: Vec<syn::Attribute>) -> Expr {
    let span = invocation.path.span();
    let name = invocation
        .path
        .segments
        .last()
        .map(|segment| segment.ident.to_string())
        .unwrap_or_default();
    let tokens = invocation.tokens.clone();
    if matches!(name.as_str(), "select" | "select_biased")
        && let Ok(found) = syn::parse2::<select::Tokens>(tokens.clone())
    {
        return found.into_expression(span, attributes);
    }
    let arguments = arguments(&name, tokens);
    let marker = match name.as_str() {
        "join" | "try_join" => JOIN,
        name if HARMLESS.contains(&name) => HARMLESS_CALL,
        name if LEAVING.contains(&name) => LEAVING_CALL,
        _ => UNKNOWN_CALL,
    };
    let ident = syn::Ident::new(marker, span);
    Expr::Call(ExprCall {
        attrs: attributes,
        func: Box::new(Expr::Path(syn::ExprPath {
            attrs: Vec::new(),
            qself: None,
            path: ident.into(),
        })),
        paren_token: token::Paren(span),
        args: arguments,
    })
}

/// The macro's arguments, where its tokens are expressions; else none.
fn arguments(name: &str, tokens: proc_macro2::TokenStream) -> Punctuated<Expr, Token![,]> {
    let whole = Punctuated::<Expr, Token![,]>::parse_terminated;
    let first = |input: syn::parse::ParseStream<'_>| {
        let first: Expr = input.parse()?;
        input.parse::<proc_macro2::TokenStream>()?;
        Ok([first].into_iter().collect())
    };
    match whole.parse2(tokens.clone()) {
        Ok(arguments) => arguments,
        // A pattern or a length follows.
        Err(_) if matches!(name, "matches" | "assert_matches" | "vec") => first.parse2(tokens).unwrap_or_default(),
        Err(_) => Punctuated::new(),
    }
}
