//! Rust source as tokens, as coarse as it may be to find one's way in it.

/// One token of Rust, as coarse as it may be here: no text of it ever matters but names and punctuation.
#[derive(Clone, Debug)]
pub(super) struct Token<'a> {
    pub(super) text: &'a str,
    pub(super) line: u32,
    pub(super) column: u32,
    /// For an opening delimiter, how many tokens after it the closing one is.
    pub(super) closes_after: usize,
}

/// The tokens inside of the delimiter that `tokens` begin with.
pub(super) fn group<'a, 's>(tokens: &'s [Token<'a>]) -> Option<&'s [Token<'a>]> {
    let open = tokens.first().filter(|open| open.closes_after > 0)?;
    tokens.get(1..open.closes_after)
}

/// Operators of which a part would read as something else here.
const LONG: &[&str] = &[
    "..=", "<<=", ">>=", "=>", "==", "<=", ">=", "!=", "->", "::", "+=", "-=", "*=", "/=", "%=", "^=", "&=", "|=",
];

/// Cuts `source` into tokens. `None` when its delimiters do not match.
pub(super) fn tokens(source: &str) -> Option<Vec<Token<'_>>> {
    let mut tokens: Vec<Token<'_>> = Vec::new();
    let mut open: Vec<usize> = Vec::new();
    let (mut line, mut line_start, mut at) = (1_u32, 0_usize, 0_usize);
    while at < source.len() {
        let rest = &source[at..];
        let (length, is_token) = next(rest);
        let text = &rest[..length];
        if is_token {
            let column = u32::try_from(at - line_start + 1).ok()?;
            match text {
                "(" | "[" | "{" => open.push(tokens.len()),
                ")" | "]" | "}" => {
                    let opening = open.pop()?;
                    tokens[opening].closes_after = tokens.len() - opening;
                }
                _ => {}
            }
            tokens.push(Token {
                text,
                line,
                column,
                closes_after: 0,
            });
        }
        if let Some(last) = text.rfind('\n') {
            line += u32::try_from(text.matches('\n').count()).ok()?;
            line_start = at + last + 1;
        }
        at += length;
    }
    open.is_empty().then_some(tokens)
}

/// The length of what `rest` begins with, and whether it is a token rather than a space or a comment.
fn next(rest: &str) -> (usize, bool) {
    let first = rest.chars().next().unwrap_or(' ');
    if rest.starts_with("//") {
        return (rest.find('\n').unwrap_or(rest.len()), false);
    }
    if rest.starts_with("/*") {
        return (block_comment(rest), false);
    }
    if first.is_whitespace() {
        return (first.len_utf8(), false);
    }
    if let Some(length) = string(rest) {
        return (length, true);
    }
    if first.is_alphanumeric() || first == '_' {
        return (
            rest.find(|c: char| !(c.is_alphanumeric() || c == '_'))
                .unwrap_or(rest.len()),
            true,
        );
    }
    if first == '\'' {
        return (character_or_lifetime(rest), true);
    }
    (
        LONG.iter()
            .find(|long| rest.starts_with(**long))
            .map_or(first.len_utf8(), |long| long.len()),
        true,
    )
}

fn block_comment(rest: &str) -> usize {
    let mut depth = 0_usize;
    let bytes = rest.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        match &bytes[at..] {
            [b'/', b'*', ..] => (depth, at) = (depth + 1, at + 2),
            [b'*', b'/', ..] if depth == 1 => return at + 2,
            [b'*', b'/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
    }
    rest.len()
}

/// The length of a string literal of any kind.
fn string(rest: &str) -> Option<usize> {
    let body = rest.trim_start_matches(['b', 'c', 'r']);
    let prefix = rest.len() - body.len();
    if prefix > 2 {
        return None;
    }
    if rest[..prefix].contains('r') {
        let hashes = body.len() - body.trim_start_matches('#').len();
        let text = body[hashes..].strip_prefix('"')?;
        let end = format!("\"{}", "#".repeat(hashes));
        return Some(
            text.find(&end)
                .map_or(rest.len(), |at| prefix + hashes + 1 + at + end.len()),
        );
    }
    let text = body.strip_prefix('"')?;
    let mut escaped = false;
    for (at, character) in text.char_indices() {
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return Some(prefix + 1 + at + 1),
            _ => {}
        }
    }
    Some(rest.len())
}

/// `'a'`, `'\n'`, `'\u{1f}'`, or the lifetime or label `'a`.
fn character_or_lifetime(rest: &str) -> usize {
    let mut inside = rest[1..].chars();
    match (inside.next(), inside.next()) {
        (Some('\\'), Some(escaped)) => {
            let from = 2 + escaped.len_utf8();
            rest[from..].find('\'').map_or(rest.len(), |at| from + at + 1)
        }
        (Some(character), Some('\'')) => 1 + character.len_utf8() + 1,
        _ => 1,
    }
}
