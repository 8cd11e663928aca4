//! The tokens of `select!`: tokio's, and those of the futures crates.
//!
//! tokio's grammar is in the documentation of `tokio::select!`: `pattern = future, if condition => handler`, `else => handler`,
//! `biased;`. That of futures adds `complete` and `default`, and knows no condition.

use syn::parse::{Parse, ParseStream};
use syn::{Arm, Block, Expr, ExprMatch, ExprTuple, Pat, Token, parse_quote_spanned, token};

/// A `select!` as its tokens say it.
pub(super) struct Tokens {
    branches: Vec<Branch>,
}

struct Branch {
    pattern: Option<Pat>,
    /// A future, or the marker of a branch that waits for nothing.
    future: Expr,
    condition: Option<Expr>,
    handler: Expr,
}

const SELECT: &str = "__leak_audit_select";
const ELSE: &str = "__leak_audit_else";
const COMPLETE: &str = "__leak_audit_complete";
const DEFAULT: &str = "__leak_audit_default";

fn marker(name: &str, span: proc_macro2::Span) -> Expr {
    let ident = syn::Ident::new(name, span);
    Expr::Path(syn::ExprPath {
        attrs: Vec::new(),
        qself: None,
        path: ident.into(),
    })
}

impl Parse for Tokens {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let ahead = input.fork();
        if ahead.parse::<syn::Ident>().is_ok_and(|ident| ident == "biased") && ahead.peek(Token![;]) {
            input.parse::<syn::Ident>()?;
            input.parse::<Token![;]>()?;
        }
        let mut branches = Vec::new();
        while !input.is_empty() {
            branches.push(branch(input)?);
            if input.peek(Token![,]) {
                input.parse::<Token![,]>()?;
            }
        }
        Ok(Self { branches })
    }
}

fn branch(input: ParseStream<'_>) -> syn::Result<Branch> {
    let span = input.span();
    let waits_for_nothing = if input.peek(Token![else]) {
        input.parse::<Token![else]>()?;
        Some(ELSE)
    } else if input.peek(syn::Ident) && input.peek2(Token![=>]) {
        match input.parse::<syn::Ident>()? {
            ident if ident == "complete" => Some(COMPLETE),
            ident if ident == "default" => Some(DEFAULT),
            ident => return Err(syn::Error::new(ident.span(), "a branch without a future")),
        }
    } else {
        None
    };
    if let Some(name) = waits_for_nothing {
        input.parse::<Token![=>]>()?;
        return Ok(Branch {
            pattern: None,
            future: marker(name, span),
            condition: None,
            handler: handler(input)?,
        });
    }
    let pattern = Pat::parse_multi_with_leading_vert(input)?;
    input.parse::<Token![=]>()?;
    let future = input.parse()?;
    let condition = if input.peek(Token![,]) {
        input.parse::<Token![,]>()?;
        input.parse::<Token![if]>()?;
        Some(input.parse()?)
    } else {
        None
    };
    input.parse::<Token![=>]>()?;
    Ok(Branch {
        pattern: Some(pattern),
        future,
        condition,
        handler: handler(input)?,
    })
}

/// A block needs no comma behind it, and ends there; but `{ … }.await` goes on.
fn handler(input: ParseStream<'_>) -> syn::Result<Expr> {
    if input.peek(token::Brace) {
        let ahead = input.fork();
        ahead.parse::<Block>()?;
        if !ahead.peek(Token![.]) && !ahead.peek(Token![?]) {
            return Ok(Expr::Block(syn::ExprBlock {
                attrs: Vec::new(),
                label: None,
                block: input.parse()?,
            }));
        }
    }
    input.parse()
}

impl Tokens {
    /// The `select!` as an ordinary expression, so that whatever walks over source walks over it too: a `match` on a marker,
    /// whose arms are pairs of future and handler. [`Select::of_match`] reads it.
    pub(super) fn into_expression(self, span: proc_macro2::Span, attributes: Vec<syn::Attribute>) -> Expr {
        let arms = self.branches.into_iter().map(|branch| Arm {
            attrs: Vec::new(),
            pat: branch.pattern.unwrap_or_else(|| parse_quote_spanned!(span=> _)),
            guard: branch
                .condition
                .map(|condition| (Token![if](span), Box::new(condition))),
            fat_arrow_token: Token![=>](span),
            body: Box::new(Expr::Tuple(ExprTuple {
                attrs: Vec::new(),
                paren_token: token::Paren(span),
                elems: [branch.future, branch.handler].into_iter().collect(),
            })),
            comma: None,
        });
        Expr::Match(ExprMatch {
            attrs: attributes,
            match_token: Token![match](span),
            expr: Box::new(marker(SELECT, span)),
            brace_token: token::Brace(span),
            arms: arms.collect(),
        })
    }
}

/// A `select!`.
pub(crate) struct Select<'a> {
    pub span: proc_macro2::Span,
    pub branches: Vec<Waiting<'a>>,
    /// `else`, or `complete` of futures: what is done once no branch can come any more.
    pub otherwise: Option<&'a Expr>,
    /// `default` of futures: it never waits.
    pub never_waits: bool,
}

/// A branch that waits.
pub(crate) struct Waiting<'a> {
    pub pattern: &'a Pat,
    pub future: &'a Expr,
    pub condition: Option<&'a Expr>,
    pub handler: &'a Expr,
}

fn is_marker(expression: &Expr, name: &str) -> bool {
    matches!(expression, Expr::Path(path) if path.path.is_ident(name))
}

impl<'a> Select<'a> {
    /// The `select!` that this `match` stands for.
    pub fn of_match(expression: &'a ExprMatch) -> Option<Self> {
        if !is_marker(&expression.expr, SELECT) {
            return None;
        }
        let mut select = Self {
            span: expression.match_token.span,
            branches: Vec::new(),
            otherwise: None,
            never_waits: false,
        };
        for arm in &expression.arms {
            let Expr::Tuple(pair) = &*arm.body else { continue };
            let (Some(future), Some(handler)) = (pair.elems.first(), pair.elems.last()) else {
                continue;
            };
            if is_marker(future, ELSE) || is_marker(future, COMPLETE) {
                select.otherwise = Some(handler);
            } else if is_marker(future, DEFAULT) {
                select.never_waits = true;
            } else {
                select.branches.push(Waiting {
                    pattern: &arm.pat,
                    future,
                    condition: arm.guard.as_ref().map(|(_, condition)| &**condition),
                    handler,
                });
            }
        }
        Some(select)
    }

    /// Whether tokio can disable every branch, so that without an `else` the `select!` panics: "panics if all branches are
    /// disabled and there is no else" (its documentation).
    pub fn can_run_dry(&self) -> bool {
        self.branches
            .iter()
            .all(|branch| is_refutable(branch.pattern) || branch.condition.is_some())
    }
}

/// Whether a pattern may not match: then tokio disables the branch. A name alone in capitals is a constant.
pub(crate) fn is_refutable(pattern: &Pat) -> bool {
    match pattern {
        Pat::Ident(ident) => {
            ident.subpat.as_ref().is_some_and(|(_, pattern)| is_refutable(pattern))
                || ident.ident.to_string().starts_with(char::is_uppercase)
        }
        Pat::Wild(_) | Pat::Rest(_) => false,
        Pat::Tuple(tuple) => tuple.elems.iter().any(is_refutable),
        Pat::Paren(paren) => is_refutable(&paren.pat),
        Pat::Reference(reference) => is_refutable(&reference.pat),
        Pat::Type(typed) => is_refutable(&typed.pat),
        // Of a struct it cannot be told without its type; a struct pattern is most often of a variant.
        _ => true,
    }
}
