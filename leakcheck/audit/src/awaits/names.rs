//! What a type is called in the source, made from what debug info calls it.
//!
//! rustc names the future of an async function `{async_fn_env#0}` inside a namespace with the function's name, and the methods of an impl
//! block stand in a namespace `{impl#3}`.

use std::collections::HashMap;

/// Longer names are cut: a chain of combinators has a type of kilobytes.
const LONGEST: usize = 240;
/// Type arguments deeper than this are left out.
const DEEPEST_ARGUMENTS: usize = 3;

/// What a `Box` has as its last argument.
const ALLOCATOR: &str = "alloc::alloc::Global";

/// The `Self` types of impl blocks, by the path of their namespace. `None` where two of one path differ.
pub(super) type Impls = HashMap<String, Option<String>>;

/// The name as a person writes it. `segments` are the names from the crate down to the type.
pub(super) fn clean(segments: &[String], impls: &Impls) -> String {
    let mut name = String::new();
    for (nth, segment) in segments.iter().enumerate() {
        if segment.starts_with(['(', '&', '*', '[']) {
            // A tuple, a reference, a slice: its name is made of others'.
            name.push_str(&shorten(segment));
            continue;
        }
        let (base, arguments) = split_arguments(segment);
        let written = match what(base) {
            Part::Impl => {
                if let Some(Some(own)) = impls.get(&segments[..=nth].join("::")) {
                    name.clone_from(own);
                }
                continue;
            }
            Part::AsyncFn => None,
            Part::Closure(written) => Some(written),
            Part::Named => Some(base),
        };
        if let Some(written) = written {
            if !name.is_empty() {
                name.push_str("::");
            }
            name.push_str(written);
        }
        if !arguments.is_empty() && nth + 1 == segments.len() && !matches!(what(base), Part::Closure(_)) {
            name.push_str(&shorten(arguments));
        }
    }
    cut(name)
}

/// The path alone, without type arguments, impl blocks and what the compiler adds: what tables are looked up by.
pub(super) fn plain(segments: &[String]) -> String {
    let mut path = String::new();
    for segment in segments {
        let (base, _) = split_arguments(segment);
        if matches!(what(base), Part::Impl | Part::AsyncFn) {
            continue;
        }
        if !path.is_empty() {
            path.push_str("::");
        }
        path.push_str(base);
    }
    path
}

/// The `Self` type in a demangled name of something `below` levels inside an impl block.
pub(super) fn own_type(demangled: &str, below: usize) -> Option<String> {
    let segments = split_path_of(demangled);
    let kept = segments.get(..segments.len().checked_sub(below)?)?;
    let last = *kept.last()?;
    // What is declared inside of a function is inside of its body's closure, where it is async.
    let without_closures = |path: &str| {
        let named = split_path(path).into_iter().filter(|segment| !segment.starts_with('{'));
        named.collect::<Vec<_>>().join("::")
    };
    let path = match last.strip_prefix('<').and_then(|inner| inner.strip_suffix('>')) {
        Some(inner) => {
            let inner = match top_level(inner, " for ") {
                Some(at) if inner.starts_with("impl ") => &inner[at + 5..],
                _ => inner.strip_prefix("impl ").unwrap_or(inner),
            };
            without_closures(top_level(inner, " as ").map_or(inner, |at| &inner[..at]))
        }
        None => {
            let named = kept.iter().filter(|segment| !segment.starts_with('{'));
            named.copied().collect::<Vec<_>>().join("::")
        }
    };
    let (base, _) = split_arguments(&path);
    let base = base.trim_end_matches("::");
    (!base.is_empty()).then(|| base.to_owned())
}

/// The future that a function polls, by the function's demangled name: an async function or what has an async block in it, or a type whose
/// `poll` it is.
pub(super) fn polled(function: &str) -> Option<String> {
    if let Some(body) = function
        .strip_suffix("::{{closure}}")
        .or(function.strip_suffix("::{closure#0}"))
    {
        let named = split_path_of(body)
            .into_iter()
            .filter(|segment| !segment.starts_with('{'));
        let named: Vec<&str> = named
            .enumerate()
            .map(|(nth, segment)| if nth == 0 { own(segment) } else { segment })
            .collect();
        return Some(cut(shorten_arguments(&named.join("::"))));
    }
    let of = function.strip_suffix(">::poll")?.strip_prefix('<')?;
    let (of, _) = of.split_at(top_level(of, " as core::future::future::Future")?);
    Some(cut(shorten_arguments(of)))
}

fn shorten_arguments(path: &str) -> String {
    let (base, arguments) = split_arguments(path);
    format!("{base}{}", shorten(arguments))
}

enum Part {
    Impl,
    AsyncFn,
    Closure(&'static str),
    Named,
}

fn what(base: &str) -> Part {
    let Some(inner) = base.strip_prefix('{') else {
        return Part::Named;
    };
    match inner.split(['#', '}']).next().unwrap_or_default() {
        "impl" => Part::Impl,
        "async_fn_env" | "async_fn" => Part::AsyncFn,
        "async_block_env" | "async_block" => Part::Closure("{async block}"),
        "async_closure_env" | "async_closure" => Part::Closure("{async closure}"),
        "closure_env" | "closure" => Part::Closure("{closure}"),
        _ => Part::Named,
    }
}

/// Whether the type is the state of something with awaits in it.
pub(super) fn is_coroutine(name: &str) -> bool {
    [
        "{async_fn_env#",
        "{async_block_env#",
        "{async_closure_env#",
        "{coroutine_env#",
        "{async_gen_",
    ]
    .iter()
    .any(|start| name.starts_with(start))
}

/// A name and its type arguments, brackets included.
fn split_arguments(segment: &str) -> (&str, &str) {
    match segment.find('<') {
        Some(at) if at > 0 => segment.split_at(at),
        _ => (segment, ""),
    }
}

/// Every path to its last name, and what is nested deeply left out.
fn shorten(text: &str) -> String {
    let mut short = String::new();
    let mut path = String::new();
    let mut depth = 0_usize;
    let mut left_out = false;
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        let is_name = character.is_alphanumeric() || matches!(character, '_' | '{' | '}' | '#' | '\'');
        if is_name {
            path.push(character);
            continue;
        }
        if character == ':' && characters.peek() == Some(&':') {
            characters.next();
            path.push_str("::");
            continue;
        }
        if path == ALLOCATOR && short.ends_with(", ") {
            // Nobody writes it, and nearly all have it.
            short.truncate(short.len() - 2);
        } else if depth <= DEEPEST_ARGUMENTS {
            short.push_str(&last_of(&path));
        }
        path.clear();
        let arrow = character == '>' && short.ends_with('-');
        match character {
            '<' => depth += 1,
            '>' if !arrow => depth = depth.saturating_sub(1),
            _ => {}
        }
        let opens = character == '<';
        if depth > DEEPEST_ARGUMENTS {
            if opens && depth == DEEPEST_ARGUMENTS + 1 && !left_out {
                short.push_str("<…>");
                left_out = true;
            }
            continue;
        }
        if left_out {
            // The bracket that closes what was left out.
            left_out = false;
            continue;
        }
        short.push(character);
    }
    short.push_str(&last_of(&path));
    without_brackets(short)
}

/// `Box<dyn A + B>`, where debug info has `Box<(dyn A + B)>`.
fn without_brackets(mut short: String) -> String {
    let mut from = 0;
    while let Some(found) = short[from..].find("<(dyn ") {
        let open = from + found + 1;
        from = open;
        let inside = &short[open + 1..];
        let Some(close) = top_level(inside, ")").map(|at| open + 1 + at) else {
            break;
        };
        if short[close + 1..].starts_with(['>', ',']) {
            short.remove(close);
            short.remove(open);
        }
    }
    short
}

fn last_of(path: &str) -> String {
    let mut written = Vec::new();
    for segment in path.rsplit("::") {
        match what(segment) {
            Part::Impl | Part::AsyncFn => {}
            Part::Closure(closure) => written.push(closure.to_owned()),
            _ => {
                written.push(segment.to_owned());
                break;
            }
        }
    }
    written.reverse();
    written.join("::")
}

fn cut(mut name: String) -> String {
    if let Some((at, _)) = name.char_indices().nth(LONGEST) {
        name.truncate(at);
        name.push('…');
    }
    name
}

/// Where a separator stands outside of all brackets.
fn top_level(text: &str, separator: &str) -> Option<usize> {
    let mut depth = 0_usize;
    let mut before = ' ';
    for (at, character) in text.char_indices() {
        if depth == 0 && text[at..].starts_with(separator) {
            return Some(at);
        }
        match character {
            '<' | '(' | '[' | '{' => depth += 1,
            '>' if before == '-' => {}
            '>' | ')' | ']' | '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        before = character;
    }
    None
}

fn split_path(mut path: &str) -> Vec<&str> {
    let mut segments = Vec::new();
    while let Some(at) = top_level(path, "::") {
        segments.push(&path[..at]);
        path = &path[at + 2..];
    }
    segments.push(path);
    segments
}

/// The segments of a function's demangled path. A function's own arguments are none: the newer mangling has them, as in
/// `a::b::run::<u8>::{closure#0}`, and the older one leaves them out.
fn split_path_of(function: &str) -> Vec<&str> {
    let mut segments = split_path(function);
    let mut nth = 0;
    segments.retain(|segment| {
        nth += 1;
        nth == 1 || !segment.starts_with('<') || segment.starts_with("<impl ")
    });
    segments
}

/// The type of `<a::b::Server>`, as the newer mangling begins the path of its methods; of a trait's, which both begin so, all.
fn own(segment: &str) -> &str {
    match segment.strip_prefix('<').and_then(|inner| inner.strip_suffix('>')) {
        Some(inner) if top_level(inner, " as ").is_none() => inner,
        _ => segment,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cleaned(path: &str) -> String {
        let mut impls = Impls::new();
        impls.insert("mini::db::{impl#3}".to_owned(), Some("mini::db::Db".to_owned()));
        let segments: Vec<String> = split_path(path).into_iter().map(str::to_owned).collect();
        clean(&segments, &impls)
    }

    #[test]
    fn names_are_what_the_user_wrote() {
        assert_eq!(cleaned("mini::db::purge::{async_fn_env#0}"), "mini::db::purge");
        assert_eq!(
            cleaned("mini::db::{impl#3}::get::{async_fn_env#0}"),
            "mini::db::Db::get"
        );
        assert_eq!(cleaned("mini::db::{impl#4}::get::{async_fn_env#0}"), "mini::db::get");
        assert_eq!(
            cleaned("mini::run::{async_fn#0}::{async_block_env#1}"),
            "mini::run::{async block}"
        );
        assert_eq!(
            cleaned("a::f::{async_fn_env#0}<core::option::Option<b::c::D>, &str>"),
            "a::f<Option<D>, &str>"
        );
        assert_eq!(cleaned("a::F<b::g::{closure_env#0}>"), "a::F<g::{closure}>");
        assert_eq!(cleaned("a::F<b::B<c::C<d::D<e::E>>>, z::Z>"), "a::F<B<C<D<…>>>, Z>");
        assert_eq!(cleaned("a::F<fn(b::B) -> c::C>"), "a::F<fn(B) -> C>");
        assert_eq!(
            cleaned("a::F<alloc::boxed::Box<(dyn b::B<C=u8> + core::marker::Send), alloc::alloc::Global>>"),
            "a::F<Box<dyn B<C=u8> + Send>>"
        );
        assert_eq!(cleaned("a::F<&(dyn b::B + c::C)>"), "a::F<&(dyn B + C)>");
        assert_eq!(cleaned("a::F<(dyn b::B"), "a::F<(dyn B");
        assert_eq!(cleaned("(a::{impl#0}::f::{async_fn_env#0}<u8>, b::B)"), "(f<u8>, B)");
    }

    #[test]
    fn what_is_polled_is_named_by_the_function_that_polls_it() {
        let of = |function| polled(function);
        assert_eq!(of("a::b::run::{{closure}}").as_deref(), Some("a::b::run"));
        assert_eq!(of("a::b::run::{{closure}}::{{closure}}").as_deref(), Some("a::b::run"));
        assert_eq!(
            of("<a::F<b::B> as core::future::future::Future>::poll").as_deref(),
            Some("a::F<B>")
        );
        // As the newer mangling has the same functions.
        assert_eq!(of("a::b::run::{closure#0}").as_deref(), Some("a::b::run"));
        assert_eq!(
            of("a::b::run::<u8, (b::C, d::E)>::{closure#0}::{closure#0}").as_deref(),
            Some("a::b::run")
        );
        assert_eq!(
            of("<a::b::Server>::run::{closure#0}").as_deref(),
            Some("a::b::Server::run")
        );
        assert_eq!(of("<a::F as a::Other>::poll"), None);
        assert_eq!(of("core::ptr::drop_in_place"), None);
    }

    #[test]
    fn an_impl_is_named_by_its_type() {
        let own = |name, below| own_type(name, below).unwrap();
        assert_eq!(own("a::b::Server::run::{{closure}}", 2), "a::b::Server");
        assert_eq!(own("a::b::Receiver<T>::recv::{{closure}}", 2), "a::b::Receiver");
        assert_eq!(own("<a::b::Server as a::Service<x::Y>>::serve", 1), "a::b::Server");
        assert_eq!(
            own("m::<impl a::Service for a::b::Server<X>>::serve", 1),
            "a::b::Server"
        );
        assert_eq!(own("a::f::{{closure}}::Local::run::{{closure}}", 2), "a::f::Local");
        assert_eq!(own_type("run", 3), None);
        // As the newer mangling has them.
        assert_eq!(own("<a::b::Server>::run::{closure#0}", 2), "a::b::Server");
        assert_eq!(
            own("<a::b::Receiver<x::Y>>::recv::<z::Z>::{closure#0}", 2),
            "a::b::Receiver"
        );
        assert_eq!(
            own("<a::b::Server as a::Service<x::Y>>::serve::<u8>", 1),
            "a::b::Server"
        );
        assert_eq!(own("<a::f::{closure#0}::Local>::run::{closure#0}", 2), "a::f::Local");
    }
}
