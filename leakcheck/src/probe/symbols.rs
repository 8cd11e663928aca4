//! A backtrace of the standard library's, as frames. It only prints itself.

use std::backtrace::Backtrace;

/// A function and the place in it that a trace passes through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Symbol {
    /// Its path, with generic arguments.
    pub(super) function: String,
    pub(super) file: String,
    pub(super) line: u32,
    pub(super) column: u32,
}

/// The frames of `trace`, the innermost first.
pub(super) fn of(trace: &Backtrace) -> Vec<Symbol> {
    parse(&trace.to_string())
}

/// Reads lines like these, the second of which is missing when there is no debug information:
///
/// ```text
///   12: kfake::group::manage::{{closure}}
///              at ./src/group/mod.rs:88:9
/// ```
fn parse(text: &str) -> Vec<Symbol> {
    let mut symbols: Vec<Symbol> = Vec::new();
    for line in text.lines().map(str::trim_start) {
        if let Some(place) = line.strip_prefix("at ") {
            if let Some(symbol) = symbols.last_mut() {
                (symbol.file, symbol.line, symbol.column) = parse_place(place);
            }
        } else if let Some(function) = after_number(line) {
            symbols.push(Symbol {
                function: function.to_owned(),
                file: String::new(),
                line: 0,
                column: 0,
            });
        }
    }
    symbols
}

/// `12: f` and `12: 0x55d0c0de - f`; a function that was inlined into the one before has no number of its own only in
/// the second form, where it has no use.
fn after_number(line: &str) -> Option<&str> {
    let (number, function) = line.split_once(": ")?;
    number.parse::<u32>().ok()?;
    let function = match function.split_once(" - ") {
        Some((address, function)) if address.trim_start().starts_with("0x") => function,
        _ => function,
    };
    Some(function.trim())
}

/// `file:line:column`, where the file may have colons and the column may be missing.
fn parse_place(place: &str) -> (String, u32, u32) {
    let place = place.trim_end();
    let Some((rest, last)) = split_number(place) else {
        return (place.to_owned(), 0, 0);
    };
    match split_number(rest) {
        Some((file, line)) => (file.to_owned(), line, last),
        None => (rest.to_owned(), last, 0),
    }
}

fn split_number(text: &str) -> Option<(&str, u32)> {
    let (rest, number) = text.rsplit_once(':')?;
    Some((rest, number.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn symbol(function: &str, file: &str, line: u32, column: u32) -> Symbol {
        Symbol {
            function: function.into(),
            file: file.into(),
            line,
            column,
        }
    }

    #[test]
    fn frames_are_read_with_and_without_their_places() {
        let text = "   0: std::backtrace::Backtrace::create\n   1: <a::B as c::D>::poll\n             at ./src/b.rs:12:34\n  \
                    10: 0x55d0 - kfake::x::{{closure}}\n             at C:\\w\\x.rs:7\n  11: <unknown>\n";
        assert_eq!(
            parse(text),
            [
                symbol("std::backtrace::Backtrace::create", "", 0, 0),
                symbol("<a::B as c::D>::poll", "./src/b.rs", 12, 34),
                symbol("kfake::x::{{closure}}", "C:\\w\\x.rs", 7, 0),
                symbol("<unknown>", "", 0, 0),
            ]
        );
    }

    #[test]
    #[cfg_attr(miri, ignore = "no backtraces are taken there")]
    fn a_real_backtrace_names_the_function_that_took_it_and_its_line() {
        let line = line!() + 1;
        let symbols = of(&Backtrace::force_capture());
        let here = symbols
            .iter()
            .find(|symbol| symbol.function.ends_with("and_its_line"))
            .expect("this function");
        assert!(here.file.ends_with("symbols.rs") && here.line == line, "{here:?}");
    }
}
