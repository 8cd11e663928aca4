//! How deeply source nests, told before it is parsed.
//!
//! syn parses by recursive descent, and what it returns is dropped by recursion too. How deep either can go is bounded by how
//! many tokens stand one behind the other without a separator, summed over the groups that enclose each other: in `!!!a`, in
//! `a.b.c.d` and in `(((a)))` each token can be a level.

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// The deepest that is parsed. The thread that parses has a stack of 50 KiB for each level.
pub(crate) const DEEPEST: usize = 10_000;

/// The stack that [`DEEPEST`] needs, in bytes.
pub(crate) const STACK: usize = DEEPEST * 50 * 1024;

/// How deep a recursive parser can go in these tokens, at the most.
pub(crate) fn depth(tokens: TokenStream) -> usize {
    struct Level {
        rest: proc_macro2::token_stream::IntoIter,
        /// Levels outside, and tokens since the last separator.
        outside: usize,
        run: usize,
        /// A block has ended: what follows is a statement or an item of its own, unless it goes on with `else` or an operator.
        ended: bool,
    }
    let level = |tokens: TokenStream, outside| Level {
        rest: tokens.into_iter(),
        outside,
        run: 0,
        ended: false,
    };
    let (mut stack, mut deepest) = (vec![level(tokens, 0)], 0);
    while let Some(top) = stack.last_mut() {
        let Some(token) = top.rest.next() else {
            stack.pop();
            continue;
        };
        let begins_anew = match &token {
            TokenTree::Punct(punct) => punct.as_char() == '#',
            TokenTree::Ident(ident) => ident != "else" && ident != "as",
            TokenTree::Literal(_) | TokenTree::Group(_) => true,
        };
        if top.ended && begins_anew {
            top.run = 0;
        }
        top.ended = false;
        top.run += 1;
        let here = top.outside + top.run;
        deepest = deepest.max(here);
        match token {
            TokenTree::Punct(punct) if matches!(punct.as_char(), ';' | ',') => top.run = 0,
            TokenTree::Group(group) => {
                top.ended = group.delimiter() == Delimiter::Brace;
                stack.push(level(group.stream(), here));
            }
            _ => {}
        }
    }
    deepest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> usize {
        depth(text.parse().unwrap())
    }

    #[test]
    fn each_token_that_may_be_a_level_counts() {
        assert_eq!(of("a"), 1);
        assert_eq!(of("!!!a"), 4);
        assert_eq!(of("((a))"), 3);
        assert!(
            of(&"("
                .repeat(500)
                .chars()
                .chain(")".repeat(500).chars())
                .collect::<String>())
                >= 500
        );
        assert!(of(&"if a {} else ".repeat(300)) >= 900);
    }

    #[test]
    fn what_stands_beside_does_not_count() {
        assert!(of(&"a; ".repeat(1000)) < 4);
        assert!(of(&"fn f() { a(); } ".repeat(1000)) < 10);
        assert!(of(&"a, ".repeat(1000)) < 4);
    }
}
