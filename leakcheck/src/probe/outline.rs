//! Which function a line is in, read from its source.
//!
//! With `debug = "line-tables-only"`, a common setting, many symbols are without their paths, and those of async functions
//! without their names. Their files and lines are right, also those of dependencies.

use std::collections::HashMap;
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex};

use once_cell::sync::Lazy;

use super::leaf::{Function, dependency};
use super::symbols::Symbol;
use super::tokens::{Token, tokens};
use crate::report::Places;
use crate::sync::lock;

/// The function that a symbol stands for, by the symbol itself if that is complete, or else by its line in `file`.
pub(super) fn function(symbol: &Symbol, file: &str) -> Function {
    let named = Function::parse(&symbol.function);
    if named.is_qualified() || file.starts_with("/rustc/") {
        return named;
    }
    let items = items_of(file);
    // An outer function begins before those that are inside of it.
    let Some(item) = items.iter().rfind(|item| item.lines.contains(&symbol.line)) else {
        return named;
    };
    let mut path = module(file);
    path.extend(item.of.clone());
    match item.of_trait {
        true => Function::in_source(path, Some(item.name.clone())),
        false => {
            path.push(item.name.clone());
            Function::in_source(path, None)
        }
    }
}

/// The function that a line of `file` is in, by the path that the source gives. `None` when the source cannot be read, or
/// the line is in no function.
pub(crate) fn enclosing(file: &str, line: u32) -> Option<String> {
    let items = items_of(file);
    let item = items.iter().rfind(|item| item.lines.contains(&line))?;
    let mut path = module(file);
    path.extend(item.of.clone());
    path.push(item.name.clone());
    Some(path.join("::"))
}

/// The module that a file is, as far as its path says: `kfake/src/group/classic.rs` is `kfake::group::classic`.
fn module(file: &str) -> Vec<String> {
    let (package, below) = match file.split_once("/src/") {
        Some((package, below)) => (Some(package), below),
        None => (None, file.strip_prefix("src/").unwrap_or(file)),
    };
    let package = package.map(|package| {
        dependency(file).unwrap_or_else(|| package.rsplit('/').next().unwrap_or(package).replace('-', "_"))
    });
    let modules = match package {
        Some(_) => below,
        None => below.rsplit('/').next().unwrap_or(below),
    };
    let modules = modules.strip_suffix(".rs").unwrap_or(modules).split('/');
    package
        .into_iter()
        .chain(
            modules
                .filter(|name| !matches!(*name, "mod" | "lib" | "main"))
                .map(str::to_owned),
        )
        .collect()
}

/// A function in a source file.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Item {
    name: String,
    /// The type whose method it is.
    of: Option<String>,
    /// Whether it is so by a trait.
    of_trait: bool,
    lines: RangeInclusive<u32>,
}

fn items_of(file: &str) -> Arc<[Item]> {
    static KNOWN: Lazy<Mutex<HashMap<String, Arc<[Item]>>>> = Lazy::new(Mutex::default);
    let mut known = lock(&KNOWN);
    known
        .entry(file.to_owned())
        .or_insert_with(|| {
            let source = Places::read(file).unwrap_or_default();
            tokens(&source).map(|tokens| items(&tokens).into()).unwrap_or_default()
        })
        .clone()
}

/// Every function, in the order in which they begin.
fn items(tokens: &[Token<'_>]) -> Vec<Item> {
    let mut items = Vec::new();
    // The types that `impl` blocks around the current token are for, with where each block ends.
    let mut blocks: Vec<(usize, String, bool)> = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        blocks.retain(|(end, ..)| at < *end);
        match token.text {
            // After anything else, `impl Trait` is a type.
            "impl" | "trait" if at == 0 || matches!(tokens[at - 1].text, "{" | "}" | ";" | "]" | "pub" | "unsafe") => {
                if let Some((open, close)) = body(tokens, at)
                    && let Some((name, of_trait)) = implemented(&tokens[at..open])
                {
                    blocks.push((close, name, of_trait));
                }
            }
            "fn" => {
                let Some(name) = tokens.get(at + 1).filter(|name| is_name(name.text)) else {
                    continue;
                };
                let Some((_, close)) = body(tokens, at) else {
                    continue;
                };
                let block = blocks.last();
                items.push(Item {
                    name: name.text.to_owned(),
                    of: block.map(|(_, name, _)| name.clone()),
                    of_trait: block.is_some_and(|(.., of_trait)| *of_trait),
                    lines: token.line..=tokens[close].line,
                });
            }
            _ => {}
        }
    }
    items
}

/// The braces that belong to the item whose keyword is at `from`. `None` when it has none.
fn body(tokens: &[Token<'_>], from: usize) -> Option<(usize, usize)> {
    let mut at = from;
    loop {
        let token = tokens.get(at)?;
        match token.text {
            "{" => return Some((at, at + token.closes_after)),
            ";" | "}" | ")" | "]" => return None,
            _ => at += 1 + token.closes_after,
        }
    }
}

/// The type of `impl<T> Trait<U> for Type<T> where …`, and whether there is a trait.
fn implemented(head: &[Token<'_>]) -> Option<(String, bool)> {
    let mut depth = 0_usize;
    let mut name = None;
    let mut of_trait = false;
    let (keyword, rest) = head.split_first()?;
    for (at, token) in rest.iter().enumerate() {
        match token.text {
            "<" => depth += 1,
            ">" => depth = depth.saturating_sub(1),
            "where" | ":" if depth == 0 => break,
            "for" if depth == 0 && rest.get(at + 1).is_none_or(|next| next.text != "<") => {
                of_trait = true;
                name = None;
            }
            "dyn" | "mut" | "const" | "unsafe" => {}
            text if depth == 0 && is_name(text) => name = Some(text.to_owned()),
            _ => {}
        }
    }
    Some((name?, of_trait && keyword.text == "impl"))
}

fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outlined(source: &str) -> Vec<(String, RangeInclusive<u32>)> {
        let items = items(&tokens(source).unwrap());
        items
            .into_iter()
            .map(|item| {
                let by = if item.of_trait { " by a trait" } else { "" };
                (
                    format!("{}{}{by}", item.of.map(|of| of + "::").unwrap_or_default(), item.name),
                    item.lines,
                )
            })
            .collect()
    }

    #[test]
    fn every_function_is_found_with_its_type_and_its_lines() {
        let source = "\
mod a {
    fn free<T: Into<u32>>(f: fn(u32) -> u32) -> [u8; 4] where T: Sized {
        fn nested() {}
        loop {}
    }
    cfg_rt! {
        impl<'a, T> Future for Receiver<'a, T> where T: for<'b> Fn(&'b u8) {
            fn poll(self) -> Poll<()> {
                Poll::Pending
            }
        }
    }
    impl<T> sync::Receiver<T> { async fn recv<A, B>(&mut self) -> impl Fn(A) where A: I<X = B>, B: Sized {} }
    trait Wait { fn wait(&self); fn wait_long(&self) { self.wait() } }
}
fn last() {}
";
        let found = outlined(source);
        let found: Vec<_> = found
            .iter()
            .map(|(name, lines)| (name.as_str(), lines.clone()))
            .collect();
        assert_eq!(
            found,
            [
                ("free", 2..=5),
                ("nested", 3..=3),
                ("Receiver::poll by a trait", 8..=10),
                ("Receiver::recv", 13..=13),
                ("Wait::wait_long", 14..=14),
                ("last", 16..=16),
            ]
        );
    }

    #[test]
    fn a_file_is_a_module() {
        for (file, expected) in [
            ("kfake/src/group/classic.rs", "kfake::group::classic"),
            ("kfake/src/group/mod.rs", "kfake::group"),
            ("src/main.rs", ""),
            ("src/serve.rs", "serve"),
            ("leakcheck/tests/waits.rs", "waits"),
            (
                "~crate/tokio-util-0.7.20/src/sync/cancellation_token.rs",
                "tokio_util::sync::cancellation_token",
            ),
        ] {
            assert_eq!(module(file).join("::"), expected, "{file}");
        }
    }

    #[test]
    fn a_symbol_without_a_path_gets_it_from_the_source() {
        let line = line!();
        let symbol = Symbol {
            function: "{closure#0}<u32>".into(),
            file: String::new(),
            line,
            column: 1,
        };
        assert_eq!(
            function(&symbol, &crate::report::shorten(file!())).to_string(),
            "leakcheck::probe::outline::a_symbol_without_a_path_gets_it_from_the_source"
        );
    }
}
