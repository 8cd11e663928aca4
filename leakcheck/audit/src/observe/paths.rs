//! The plain path of a function: `tokio::task::list::OwnedTasks::bind` of `<…::OwnedTasks<S>>::bind::<F>`.

/// A name whose brackets nest deeper was not made by rustc, whose own demanglers stop at 500.
const DEEPEST: usize = 500;

/// The path without generic arguments, traits and hashes, in either of rustc's manglings. What nests too deep is left as it is.
pub(super) fn plain(name: &str) -> String {
    match depth(name) {
        ..=DEEPEST => shallow(name),
        _ => name.to_owned(),
    }
}

/// How deep the brackets nest.
fn depth(name: &str) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    for byte in name.bytes() {
        match byte {
            b'<' => depth += 1,
            b'>' => depth = depth.saturating_sub(1),
            _ => (),
        }
        deepest = deepest.max(depth);
    }
    deepest
}

fn shallow(name: &str) -> String {
    let mut plain = String::with_capacity(name.len());
    let bytes = name.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'<' => {
                let end = closing(bytes, at);
                let inner = &name[at + 1..end.min(name.len())];
                // At the beginning of a path it is the type whose method this is, and after a segment its arguments.
                let head = plain.is_empty() || plain.ends_with("::") && !is_arguments(bytes, end);
                if head {
                    plain.push_str(&shallow(without_trait(inner)));
                }
                at = end + 1;
                if !head && plain.ends_with("::") {
                    plain.truncate(plain.len() - 2);
                }
            }
            _ => {
                let rest = &name[at..];
                let length = rest.find('<').unwrap_or(rest.len());
                plain.push_str(&rest[..length]);
                at += length;
            }
        }
    }
    plain
}

/// Where the bracket that opens at `at` is closed. The arrow of a function type closes nothing.
fn closing(bytes: &[u8], at: usize) -> usize {
    let mut depth = 0_usize;
    for (index, byte) in bytes.iter().enumerate().skip(at) {
        match byte {
            b'<' => depth += 1,
            b'>' if bytes[index - 1] != b'-' => depth -= 1,
            _ => (),
        }
        if depth == 0 {
            return index;
        }
    }
    bytes.len()
}

/// Whether these are the arguments of a function: nothing follows, or a closure in it.
fn is_arguments(bytes: &[u8], end: usize) -> bool {
    let rest = bytes.get(end + 1..).unwrap_or_default();
    rest.is_empty() || rest.starts_with(b"::")
}

/// `A` of `A as B`.
fn without_trait(inner: &str) -> &str {
    let mut depth = 0_usize;
    let bytes = inner.as_bytes();
    for (index, byte) in bytes.iter().enumerate() {
        match byte {
            b'<' | b'(' => depth += 1,
            b'>' if index > 0 && bytes[index - 1] == b'-' => (),
            b'>' | b')' => depth = depth.saturating_sub(1),
            b' ' if depth == 0 && inner[index..].starts_with(" as ") => return &inner[..index],
            _ => (),
        }
    }
    inner
}

#[cfg(test)]
mod tests {
    use super::plain;

    #[test]
    fn both_manglings_give_the_same_path() {
        for name in [
            "tokio::runtime::task::list::OwnedTasks<S>::bind",
            "<tokio::runtime::task::list::OwnedTasks<alloc::sync::Arc<a::Handle>>>::bind::<a::b::{closure#0}>",
        ] {
            assert_eq!(plain(name), "tokio::runtime::task::list::OwnedTasks::bind");
        }
        for name in [
            "<tokio::runtime::runtime::Runtime as core::ops::drop::Drop>::drop",
            "<tokio::runtime::runtime::Runtime as core::ops::drop::Drop<fn() -> u8>>::drop",
        ] {
            assert_eq!(plain(name), "tokio::runtime::runtime::Runtime::drop");
        }
    }

    #[test]
    fn what_is_no_path_is_left_alone() {
        assert_eq!(plain("main"), "main");
        assert_eq!(
            plain("core::ptr::drop_in_place<a::B<fn() -> C>>"),
            "core::ptr::drop_in_place"
        );
        assert_eq!(plain("a::b::<C>::{closure#0}"), "a::b::{closure#0}");
        assert_eq!(plain("<<a"), "a");
        assert_eq!(plain(">"), ">");
    }

    /// Any program may have such a symbol, and the stack is not endless.
    #[test]
    fn what_nests_deeper_than_rustc_writes_is_left_as_it_is() {
        let deep = |depth: usize| format!("{}a::B{}", "<".repeat(depth), "::c>".repeat(depth));
        assert_eq!(plain(&deep(3)), "a::B::c::c::c");
        for deep in [deep(100_000), "<".repeat(100_000)] {
            assert!(plain(&deep) == deep);
        }
    }
}
