//! Whether an item is there in a build that tests nothing.

use syn::{Attribute, Meta, Token, punctuated::Punctuated};

/// Whether these attributes leave their item to tests alone: `#[cfg(test)]`, or a test function.
pub(crate) fn is_for_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let path = attribute.path();
        if path.is_ident("cfg") {
            return attribute
                .parse_args::<Meta>()
                .is_ok_and(|condition| holds(&condition) == Some(false));
        }
        // `#[test]`, `#[tokio::test]`, `#[rstest]`, `#[bench]` …
        path.segments.last().is_some_and(|last| {
            let name = last.ident.to_string();
            matches!(
                name.as_str(),
                "test" | "rstest" | "test_case" | "bench" | "leakcheck" | "test_log" | "traced_test"
            )
        })
    })
}

/// Whether a condition holds where `test` does not; `None` where that depends on something else.
fn holds(condition: &Meta) -> Option<bool> {
    let parts = |list: &syn::MetaList| {
        list.parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated)
            .map(|parts| parts.iter().map(holds).collect::<Vec<_>>())
            .unwrap_or_default()
    };
    match condition {
        Meta::Path(path) if path.is_ident("test") => Some(false),
        Meta::List(list) if list.path.is_ident("not") => parts(list).first().copied().flatten().map(|held| !held),
        Meta::List(list) if list.path.is_ident("all") => {
            let parts = parts(list);
            if parts.contains(&Some(false)) {
                Some(false)
            } else {
                parts.iter().all(|part| *part == Some(true)).then_some(true)
            }
        }
        Meta::List(list) if list.path.is_ident("any") => {
            let parts = parts(list);
            if parts.contains(&Some(true)) {
                Some(true)
            } else {
                parts.iter().all(|part| *part == Some(false)).then_some(false)
            }
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use syn::parse_quote;

    use super::*;

    #[test]
    fn an_item_for_tests_is_told_from_one_that_is_there_always() {
        for there in [
            parse_quote!(#[cfg(unix)]),
            parse_quote!(#[cfg(not(test))]),
            parse_quote!(#[cfg(any(test, feature = "testing"))]),
        ] {
            let attribute: Attribute = there;
            assert!(!is_for_tests(&[attribute]));
        }
        for gone in [
            parse_quote!(#[cfg(test)]),
            parse_quote!(#[cfg(all(test, unix))]),
            parse_quote!(#[cfg(any(test))]),
            parse_quote!(#[tokio::test]),
            parse_quote!(#[test]),
        ] {
            let attribute: Attribute = gone;
            assert!(is_for_tests(&[attribute]));
        }
    }
}
