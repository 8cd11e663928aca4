//! A readable name from a type's path.

/// Names a task after its future's type: `kfake::group::manage::{{closure}}` is the task `manage`, and
/// `tracing::Instrumented<kfake::group::manage::{{closure}}>` is `Instrumented<manage>`.
pub(crate) fn of_type(path: &str) -> String {
    let mut name = String::with_capacity(path.len());
    let mut rest = path;
    while let Some(first) = rest.chars().next() {
        let end = rest.find(|c: char| !is_in_path(c)).unwrap_or(rest.len());
        if end == 0 {
            name.push(first);
            rest = &rest[first.len_utf8()..];
        } else {
            name.push_str(last_segment(&rest[..end]));
            rest = &rest[end..];
        }
    }
    unbox(&name).to_owned()
}

fn is_in_path(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | ':' | '{' | '}' | '#')
}

/// The last segment that a person wrote.
fn last_segment(path: &str) -> &str {
    path.split("::")
        .filter(|segment| !segment.is_empty() && !segment.starts_with('{'))
        .last()
        .unwrap_or(path)
}

/// Boxes say nothing about the task.
fn unbox(name: &str) -> &str {
    ["Pin<Box<", "Box<", "Pin<"]
        .iter()
        .find_map(|open| {
            name.strip_prefix(open)?
                .strip_suffix(&">".repeat(open.matches('<').count()))
        })
        .map_or(name, unbox)
}

#[cfg(test)]
mod tests {
    use super::of_type;

    #[test]
    fn a_task_is_named_after_the_function_that_a_person_wrote() {
        for (path, name) in [
            ("kfake::group::manage::{{closure}}", "manage"),
            ("kfake::group::manage::{closure#0}::{closure#1}", "manage"),
            ("kfake::Cluster::start::{{closure}}::{{closure}}", "start"),
            (
                "tracing::instrument::Instrumented<kfake::group::manage::{{closure}}>",
                "Instrumented<manage>",
            ),
            (
                "core::pin::Pin<alloc::boxed::Box<dyn core::future::future::Future<Output = ()>>>",
                "dyn Future<Output = ()>",
            ),
            (
                "futures_util::future::join::Join<a::x::{{closure}}, a::y::{{closure}}>",
                "Join<x, y>",
            ),
            ("core::future::pending::Pending<()>", "Pending<()>"),
            ("", ""),
        ] {
            assert_eq!(of_type(path), name, "{path}");
        }
    }
}
