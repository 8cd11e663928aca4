//! Silencing: `// leak-audit: allow(rule) — reason`.
//!
//! The comment stands on the finding's line, or above it with nothing but comments, attributes and blank lines between; above
//! a function it is for the whole function. One without a reason silences nothing.

use proc_macro2::{TokenStream, TokenTree};

/// A comment that silences.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Allow {
    /// The comment's line.
    pub line: u32,
    /// The first line of code that it stands on or above.
    pub code: u32,
    pub rules: Vec<String>,
    /// `None` where there is none.
    pub reason: Option<String>,
    /// A mistake in it.
    pub wrong: Option<&'static str>,
}

const MARK: &str = "leak-audit:";

/// The comments of a file that silence something, or try to.
pub(crate) fn allows(text: &str) -> Vec<Allow> {
    if !text.contains(MARK) {
        return Vec::new();
    }
    let code = Code::of(text);
    text.lines()
        .enumerate()
        .filter_map(|(index, line)| {
            let line_number = index as u32 + 1;
            let at = line.find(MARK)?;
            let before = line[..at].trim_end();
            // Only a line comment silences, and only where the mark is the first thing in it. In a string there is no comment.
            let before = before.strip_suffix("//")?;
            if code.covers(line_number, before.chars().count()) {
                return None;
            }
            let own_line = before.trim().is_empty();
            let (rules, reason, wrong) = parse(line[at + MARK.len()..].trim());
            Some(Allow {
                line: line_number,
                code: if own_line {
                    code.next_line(line_number)
                } else {
                    line_number
                },
                rules,
                reason,
                wrong,
            })
        })
        .collect()
}

fn parse(text: &str) -> (Vec<String>, Option<String>, Option<&'static str>) {
    let Some((rules, rest)) = text
        .strip_prefix("allow")
        .map(str::trim_start)
        .and_then(|rest| rest.strip_prefix('('))
        .and_then(|rest| rest.split_once(')'))
    else {
        return (
            Vec::new(),
            None,
            Some("it is not of the form `leak-audit: allow(rule) — reason`"),
        );
    };
    let rules: Vec<String> = rules
        .split(',')
        .map(|rule| rule.trim().to_owned())
        .filter(|rule| !rule.is_empty())
        .collect();
    let reason = rest.trim_start_matches(|character: char| {
        character.is_whitespace() || matches!(character, '—' | '–' | '-' | ':' | ',')
    });
    let reason = (!reason.trim().is_empty()).then(|| reason.trim().to_owned());
    let wrong = if rules.is_empty() {
        Some("it names no rule")
    } else if reason.is_none() {
        Some("it gives no reason")
    } else {
        None
    };
    (rules, reason, wrong)
}

/// Where there is code: what a comment is told from a string by.
struct Code {
    /// Begin and end of each token: line and column.
    tokens: Vec<((u32, usize), (u32, usize))>,
}

impl Code {
    fn of(text: &str) -> Self {
        let mut tokens = Vec::new();
        let mut pending: Vec<TokenStream> = text.parse().into_iter().collect();
        while let Some(stream) = pending.pop() {
            for token in stream {
                let span = match &token {
                    TokenTree::Group(group) => {
                        pending.push(group.stream());
                        for span in [group.span_open(), group.span_close()] {
                            tokens.push((position(span.start()), position(span.end())));
                        }
                        continue;
                    }
                    token => token.span(),
                };
                tokens.push((position(span.start()), position(span.end())));
            }
        }
        tokens.sort_unstable();
        Self { tokens }
    }

    /// Whether a token covers this place. A doc comment is a token.
    fn covers(&self, line: u32, column: usize) -> bool {
        let at = (line, column);
        let upto = self.tokens.partition_point(|(from, _)| *from <= at);
        self.tokens[..upto].iter().rev().take(4).any(|(_, to)| at < *to)
    }

    /// The line of the first code below, attributes and doc comments passed over; the line itself where there is none.
    fn next_line(&self, line: u32) -> u32 {
        let from = self.tokens.partition_point(|((at, _), _)| *at <= line);
        self.tokens.get(from).map_or(line, |((at, _), _)| *at)
    }
}

fn position(at: proc_macro2::LineColumn) -> (u32, usize) {
    (at.line as u32, at.column)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comment_with_a_reason_is_for_the_code_on_its_line_or_below() {
        let found = allows(
            "fn f() {\n    // leak-audit: allow(detached-task, blocking-loop) — lives as long as the process\n\n    g();\n    h(); // leak-audit: allow(detached-task): why not\n}\n",
        );
        assert_eq!(found.len(), 2);
        assert_eq!((found[0].line, found[0].code), (2, 4));
        assert_eq!(found[0].rules, ["detached-task", "blocking-loop"]);
        assert_eq!(found[0].reason.as_deref(), Some("lives as long as the process"));
        assert_eq!((found[1].line, found[1].code), (5, 5));
        assert_eq!(found[1].reason.as_deref(), Some("why not"));
    }

    #[test]
    fn one_without_a_reason_or_a_rule_says_so() {
        let found = allows(
            "// leak-audit: allow(detached-task)\n// leak-audit: allow() — because\n// leak-audit: ignore\nfn f() {}\n",
        );
        assert_eq!(
            found.iter().map(|allow| allow.wrong.is_some()).collect::<Vec<_>>(),
            [true, true, true]
        );
    }

    #[test]
    fn a_string_is_no_comment() {
        assert!(allows("const A: &str = \"\n// leak-audit: allow(detached-task) — no\n\";").is_empty());
        assert!(allows("/// // leak-audit: allow(detached-task) — no\nfn f() {}").is_empty());
    }
}
