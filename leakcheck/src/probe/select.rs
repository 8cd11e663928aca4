//! Which branch of a `select!` waits, read from its source.
//!
//! The compiler gives everything that a macro expands to the line of the macro's call. The branches are told apart by the
//! function that each branch's future was made with; when two could be meant, none is.

use std::ops::RangeInclusive;

use super::tokens::{Token, group, tokens};

/// One branch of a `select!`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Branch {
    /// The line that it begins at.
    pub(super) line: u32,
    /// The lines of its future's expression.
    lines: RangeInclusive<u32>,
    /// The function that the expression calls last, so that its value is the future.
    call: Option<String>,
}

/// What is known of a branch that waits.
pub(super) enum Clue<'a> {
    /// A line of the same file that the branch's expression contains.
    Line(u32),
    /// The names under which the future may have been made.
    Calls(&'a [String]),
}

/// The only branch that `clue` can mean.
pub(super) fn find<'a>(branches: &'a [Branch], clue: &Clue<'_>) -> Option<&'a Branch> {
    let mut found = branches.iter().filter(|branch| match clue {
        Clue::Line(line) => branch.lines.contains(line),
        Clue::Calls(names) => branch.call.as_ref().is_some_and(|call| names.contains(call)),
    });
    found.next().filter(|_| found.next().is_none())
}

/// The branches of the `select!` that is called at `line` and `column` of `source`. The `else` branch is none of them.
/// `None` when there is no such call, or when it cannot be understood to its end.
pub(super) fn branches(source: &str, line: u32, column: u32) -> Option<Vec<Branch>> {
    let mut tokens = tokens(source)?;
    let call = tokens
        .iter()
        .position(|token| token.line == line && token.column >= column.max(1) && token.text == "select")?;
    let after = tokens.split_off(call + 1);
    let [bang, body @ ..] = after.as_slice() else {
        return None;
    };
    let body = (bang.text == "!").then(|| group(body))??;
    Parser { rest: body }.branches()
}

struct Parser<'a, 's> {
    rest: &'s [Token<'a>],
}

impl<'a, 's> Parser<'a, 's> {
    fn branches(mut self) -> Option<Vec<Branch>> {
        if self.at(&["biased", ";"]) {
            self.rest = &self.rest[2..];
        }
        let mut branches = Vec::new();
        while let Some(first) = self.rest.first() {
            if self.at(&["else", "=>"]) {
                break;
            }
            self.up_to(|parser| parser.at(&["="]))?;
            self.rest = self.rest.get(1..)?;
            let future = self.up_to(|parser| parser.at(&["=>"]) || parser.at(&[",", "if"]))?;
            self.up_to(|parser| parser.at(&["=>"]))?;
            self.rest = self.rest.get(1..)?;
            self.handler()?;
            branches.push(Branch {
                line: first.line,
                lines: future.first()?.line..=future.last()?.line,
                call: last_call(future),
            });
        }
        Some(branches)
    }

    /// A block, after which a comma is optional, or an expression up to a comma.
    fn handler(&mut self) -> Option<()> {
        let block = self.rest.first()?.text == "{";
        if block {
            self.skip()?;
        }
        if !block || self.at(&["."]) || self.at(&["?"]) {
            while !self.rest.is_empty() && !self.at(&[","]) {
                self.skip()?;
            }
        }
        if self.at(&[","]) {
            self.rest = &self.rest[1..];
        }
        Some(())
    }

    /// The tokens before the first place outside of delimiters where `end` is true.
    fn up_to(&mut self, end: impl Fn(&Self) -> bool) -> Option<&'s [Token<'a>]> {
        let begin = self.rest;
        while !end(self) {
            self.skip()?;
        }
        Some(&begin[..begin.len() - self.rest.len()])
    }

    /// Steps over one token, or over a delimiter with all that is inside, or over the arguments of a turbofish.
    fn skip(&mut self) -> Option<()> {
        let first = self.rest.first()?;
        let mut steps = 1 + first.closes_after;
        if self.at(&["::", "<"]) {
            let mut depth = 0_usize;
            steps = 1 + self.rest[1..].iter().position(|token| {
                match token.text {
                    "<" => depth += 1,
                    ">" => depth -= 1,
                    _ => {}
                }
                depth == 0
            })?;
            steps += 1;
        }
        self.rest = self.rest.get(steps..)?;
        Some(())
    }

    fn at(&self, texts: &[&str]) -> bool {
        self.rest.len() >= texts.len() && self.rest.iter().zip(texts).all(|(token, text)| token.text == *text)
    }
}

/// The function or method whose call is the last thing that the expression does.
fn last_call(expression: &[Token<'_>]) -> Option<String> {
    let close = expression
        .len()
        .checked_sub(1)
        .filter(|last| expression[*last].text == ")")?;
    let open = (0..close).find(|at| expression[*at].text == "(" && at + expression[*at].closes_after == close)?;
    let mut before = &expression[..open];
    if before.last()?.text == ">" {
        let turbofish = before
            .windows(2)
            .rposition(|pair| pair[0].text == "::" && pair[1].text == "<")?;
        before = &before[..turbofish];
    }
    let name = before.last()?.text;
    name.starts_with(|c: char| c.is_alphabetic() || c == '_')
        .then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: &str = r##"
async fn manage(mut rx: Receiver<'_, u32>) {
    let x = "select! { \" in a string"; // select! in a comment
    loop {
        tokio::select! {
            biased;
            Some(message) = rx.recv() => { handle(message).await }
            _ = quit.notified(), if !x.is_empty() => return,
            _ = tokio::time::sleep(Duration::from_secs(300)) => match x { _ => {} },
            value = async {
                let a = 1..=2; /* => , */
                inner(a, ')', 'b', "}").await
            } => drop(value),
            _ = &mut timer => {}
            r = next::<Vec<u8>, 3>(r#"} => "#) => {}.clone(),
            else => break,
        }
    }
}
"##;

    /// The branches of the first `select!` in `source`.
    fn parsed(source: &str) -> Option<Vec<Branch>> {
        let line = source.lines().position(|line| line.contains("tokio::select!")).unwrap();
        let column = source.lines().nth(line).unwrap().find("tokio").unwrap() + 1;
        branches(source, u32::try_from(line + 1).unwrap(), u32::try_from(column).unwrap())
    }

    fn line_by_call(branches: &[Branch], call: &str) -> Option<u32> {
        find(branches, &Clue::Calls(&[call.to_owned()])).map(|branch| branch.line)
    }

    #[test]
    fn each_branch_is_found_with_its_line_and_the_call_that_makes_its_future() {
        let branches = parsed(SOURCE).unwrap();
        let calls: Vec<_> = branches
            .iter()
            .map(|branch| (branch.line, branch.call.as_deref()))
            .collect();
        assert_eq!(
            calls,
            [
                (7, Some("recv")),
                (8, Some("notified")),
                (9, Some("sleep")),
                (10, None),
                (14, None),
                (15, Some("next")),
            ]
        );
        assert_eq!(line_by_call(&branches, "notified"), Some(8));
        assert_eq!(
            line_by_call(&branches, "from_secs"),
            None,
            "a call in an argument makes no future"
        );
    }

    #[test]
    fn a_line_inside_of_a_branchs_expression_means_that_branch() {
        let branches = parsed(SOURCE).unwrap();
        assert_eq!(find(&branches, &Clue::Line(12)).map(|branch| branch.line), Some(10));
        assert_eq!(find(&branches, &Clue::Line(5)), None);
    }

    #[test]
    fn two_branches_that_call_the_same_are_not_told_apart() {
        let branches = parsed("tokio::select! {\n a = x.recv() => {}\n b = y.recv() => {}\n}").unwrap();
        assert_eq!(branches.len(), 2);
        assert_eq!(line_by_call(&branches, "recv"), None);
    }

    #[test]
    fn what_cannot_be_understood_names_no_branch() {
        assert_eq!(parsed("tokio::select! { a = b() "), None);
        assert_eq!(parsed("tokio::select!(a, b)"), None);
        assert_eq!(branches("fn main() {}", 1, 1), None);
    }
}
