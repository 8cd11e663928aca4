//! What clippy said of one function's calls, while that function is walked.

use proc_macro2::Span;
use syn::spanned::Spanned;
use syn::{Attribute, Expr, Stmt};

use super::calls::{Callee, Calls, Expansion, Extent, InFile, Position};
use crate::scan::index::{Crate, FnId};

/// What a call is.
pub(crate) enum Meaning<'r> {
    /// It is what clippy says.
    Is(&'r Callee),
    /// It was compiled, and is none of what spawns.
    Other,
    /// It was not compiled as far as is known, or nobody was asked.
    NotResolved,
}

/// A function's calls.
pub(crate) struct Sites<'r> {
    file: Option<&'r InFile>,
    is_compiled: bool,
    /// How many conditions stand around what is walked: `#[cfg(…)]`, or a macro that may do anything with what it is given.
    conditions: usize,
}

impl<'r> Sites<'r> {
    pub fn of(krate: &Crate<'_>, function: FnId, calls: Option<&'r Calls>) -> Self {
        let function = krate.function_of(function);
        let file = calls.and_then(|calls| calls.in_file(&krate.files[function.file].path));
        Self {
            file,
            is_compiled: file.is_some_and(|file| file.is_compiled(position(function.signature.fn_token.span))),
            conditions: 0,
        }
    }

    /// Whether what is walked now was compiled.
    pub fn is_compiled(&self) -> bool {
        self.is_compiled && self.conditions == 0
    }

    pub fn enter(&mut self, is_conditional: bool) {
        self.conditions += usize::from(is_conditional);
    }

    pub fn leave(&mut self, is_conditional: bool) {
        self.conditions -= usize::from(is_conditional);
    }

    /// What a call is whose function is named at a place.
    pub fn meaning(&self, name: Span, whole: &impl Spanned) -> Meaning<'r> {
        let Some(file) = self.file else {
            return Meaning::NotResolved;
        };
        let whole = whole.span();
        let extent = Extent {
            from: position(whole),
            to: end(whole),
        };
        match file.callee(position(name), extent) {
            Some(callee) => Meaning::Is(callee),
            None if self.is_compiled() => Meaning::Other,
            None => Meaning::NotResolved,
        }
    }

    /// What comes out of a macro that is invoked here.
    pub fn expansion(&self, invoked: Span) -> Option<&'r Expansion> {
        self.file?.expansion(position(invoked))
    }
}

fn position(span: Span) -> Position {
    let start = span.start();
    (start.line as u32, start.column as u32 + 1)
}

fn end(span: Span) -> Position {
    let end = span.end();
    (end.line as u32, end.column as u32 + 1)
}

/// Whether attributes may take away what they are on.
fn is_conditional(attributes: &[Attribute]) -> bool {
    let conditional = |attribute: &Attribute| attribute.path().is_ident("cfg") || attribute.path().is_ident("cfg_attr");
    attributes.iter().any(conditional)
}

/// Whether a statement is there only under a condition. Of one that is an expression, the expression says so.
pub(crate) fn is_conditional_statement(statement: &Stmt) -> bool {
    matches!(statement, Stmt::Local(local) if is_conditional(&local.attrs))
}

/// Whether a match's arm is there only under a condition.
pub(crate) fn is_conditional_arm(arm: &syn::Arm) -> bool {
    is_conditional(&arm.attrs)
}

/// Whether a field's value is there only under a condition.
pub(crate) fn is_conditional_field(field: &syn::FieldValue) -> bool {
    is_conditional(&field.attrs)
}

/// Whether an expression is there only under a condition.
pub(crate) fn is_conditional_expression(expression: &Expr) -> bool {
    macro_rules! attributes {
        ($($variant:ident)*) => {
            match expression {
                $(Expr::$variant(inner) => is_conditional(&inner.attrs),)*
                _ => false,
            }
        };
    }
    attributes!(
        Array Assign Async Await Binary Block Break Call Cast Closure Const Continue Field ForLoop Group If Index Infer Let Lit
        Loop Macro Match MethodCall Paren Path Range RawAddr Reference Repeat Return Struct Try TryBlock Tuple Unary Unsafe While
        Yield
    )
}
