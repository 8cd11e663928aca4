//! Rust source without what the compiler does not take for code.

/// The source without its comments, and with nothing inside of its string literals.
pub fn of(source: &str) -> String {
    let mut code = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(next) = rest.chars().next() {
        let skipped = match next {
            '/' if rest.starts_with("//") => rest.find('\n').unwrap_or(rest.len()),
            '/' if rest.starts_with("/*") => block_comment(rest),
            '"' => 1 + string(&rest[1..]),
            '\'' => character(rest),
            'r' if !code.ends_with(is_of_a_name) => raw_string(rest),
            _ => 0,
        };
        if skipped == 0 {
            code.push(next);
            rest = &rest[next.len_utf8()..];
        } else {
            // Two tokens stay two.
            code.push(' ');
            rest = &rest[skipped..];
        }
    }
    code
}

fn is_of_a_name(character: char) -> bool {
    character == '_' || character.is_alphanumeric()
}

/// The length of a block comment, which may hold others.
fn block_comment(text: &str) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    while at < text.len() {
        let rest = &text.as_bytes()[at..];
        if rest.starts_with(b"/*") {
            (depth, at) = (depth + 1, at + 2);
        } else if rest.starts_with(b"*/") {
            (depth, at) = (depth - 1, at + 2);
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    text.len()
}

/// The length of what follows a string's first quotation mark, with the last.
fn string(text: &str) -> usize {
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// The length of a character literal. None: it is a lifetime.
fn character(text: &str) -> usize {
    let mut inside = text.char_indices().skip(1);
    match (inside.next(), inside.next()) {
        // The escaped character itself may be a quotation mark.
        (Some((_, '\\')), Some((at, escaped))) => {
            let behind = at + escaped.len_utf8();
            text[behind..].find('\'').map_or(0, |end| behind + end + 1)
        }
        (Some(_), Some((at, '\''))) => at + 1,
        _ => 0,
    }
}

/// The length of a raw string from its `r` on. None: it is a name that begins so.
fn raw_string(text: &str) -> usize {
    let marks = text[1..].bytes().take_while(|byte| *byte == b'#').count();
    let Some(inside) = text[1 + marks..].strip_prefix('"') else {
        return 0;
    };
    let end = format!("\"{}", "#".repeat(marks));
    inside
        .find(&end)
        .map_or(text.len(), |at| 1 + marks + 1 + at + end.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_texts_are_no_code() {
        for source in [
            "// gone",
            "//! gone\n",
            "/* gone */",
            "/* a /* gone */ gone */",
            "/* gone",
            "\"gone\"",
            r#""a \" gone""#,
            "r\"gone\"",
            "r#\"a \" gone\"#",
            "b\"gone\"",
            "br#\"gone\"#",
        ] {
            assert!(!of(source).contains("gone"), "{source}: {}", of(source));
        }
    }

    #[test]
    fn everything_else_is_code() {
        for source in [
            "stays",
            "\"http://\" stays",
            "'\"' stays // \"",
            r"'\'' stays",
            r"'\\' stays",
            "&'a stays",
            "/* a /* b */ c */ stays",
            "for\"a\" stays",
            "r#stays",
            "r#\"a\"# stays",
            "r\"\\\" stays",
            "a / b * stays",
        ] {
            assert!(of(source).contains("stays"), "{source}: {}", of(source));
        }
    }
}
