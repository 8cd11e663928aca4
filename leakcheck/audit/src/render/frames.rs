//! A stack of calls, with those of dependencies folded.

use std::collections::BTreeSet;

use crate::report::{Finding, Place};

/// A row of a stack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Row<'a> {
    /// A call.
    Call(&'a Place),
    /// Calls inside dependencies, one after the other.
    Folded {
        /// How many.
        calls: usize,
        /// Of which: `hyper 1.4.1, tower 0.5.0`.
        of: String,
    },
    /// The rest, which is not shown.
    More(usize),
}

/// The rows of a stack: at most `limit` of them and one that counts the rest. Two or more calls of dependencies in a row are
/// one row, but for the innermost call, which is the spawn.
pub(super) fn rows(stack: &[Place], limit: usize) -> Vec<Row<'_>> {
    let mut rows = Vec::new();
    let mut at = 0;
    while at < stack.len() {
        if rows.len() >= limit.max(1) {
            rows.push(Row::More(stack.len() - at));
            break;
        }
        let run = if at == 0 {
            0
        } else {
            stack[at..]
                .iter()
                .take_while(|place| of_dependency(place).is_some())
                .count()
        };
        if run >= 2 {
            let of: BTreeSet<String> = stack[at..at + run].iter().filter_map(of_dependency).collect();
            let of = of.into_iter().collect::<Vec<_>>().join(", ");
            rows.push(Row::Folded { calls: run, of });
            at += run;
        } else {
            rows.push(Row::Call(&stack[at]));
            at += 1;
        }
    }
    rows
}

/// Where the workspace's own code led to the spawn; the innermost call where none is its own.
pub(super) fn own(finding: &Finding) -> Option<&Place> {
    own_of(&finding.spawned)
}

/// See [`own`].
pub(super) fn own_of(stack: &[Place]) -> Option<&Place> {
    let is_own = |place: &&Place| place.file.is_some() && of_dependency(place).is_none();
    stack.iter().find(is_own).or_else(|| stack.first())
}

/// A place as people are shown it: of a dependency's file what follows where cargo unpacked it, `hyper-1.4.1/src/lib.rs:8`.
pub(super) fn shown(place: &Place) -> String {
    let location = place.location();
    let Some(file) = place.file.as_deref().filter(|_| of_dependency(place).is_some()) else {
        return location;
    };
    let file = file.replace('\\', "/");
    let unpacked = ["/registry/src/", "/git/checkouts/", "/lib/rustlib/src/rust/"].iter();
    let shown = unpacked
        .filter_map(|marker| Some((*marker, file.split_once(marker)?.1)))
        .find_map(|(marker, path)| {
            // Below a registry's own directory, or a revision's.
            if marker == "/registry/src/" {
                path.split_once('/').map(|(_, path)| path)
            } else {
                Some(path)
            }
        });
    match (shown, place.line) {
        (Some(path), Some(line)) => format!("{path}:{line}"),
        (Some(path), None) => path.to_owned(),
        (None, _) => location,
    }
}

/// The dependency whose file this is, with its version: by where cargo unpacks registries and git repositories.
/// <https://doc.rust-lang.org/cargo/guide/cargo-home.html#directories>
fn of_dependency(place: &Place) -> Option<String> {
    let file = place.file.as_deref()?.replace('\\', "/");
    if let Some((_, path)) = file.split_once("/registry/src/") {
        let name = path.split('/').nth(1)?;
        let digit_after = |&(at, _): &(usize, &str)| name[at + 1..].starts_with(|next: char| next.is_ascii_digit());
        return Some(match name.match_indices('-').find(digit_after) {
            Some((at, _)) => format!("{} {}", &name[..at], &name[at + 1..]),
            None => name.to_owned(),
        });
    }
    if let Some((_, path)) = file.split_once("/git/checkouts/") {
        let mut parts = path.split('/');
        let name = parts.next()?;
        let name = name.rsplit_once('-').map_or(name, |(name, _hash)| name);
        return Some(
            format!("{name} {}", parts.next().unwrap_or_default())
                .trim_end()
                .to_owned(),
        );
    }
    (file.starts_with("/rustc/") || file.contains("/lib/rustlib/src/rust/")).then(|| "std".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(file: &str) -> Place {
        Place {
            function: "f".to_owned(),
            file: Some(file.to_owned()),
            line: Some(1),
        }
    }

    #[test]
    fn a_dependency_is_known_by_where_cargo_unpacked_it() {
        for (file, dependency) in [
            (
                "/home/a/.cargo/registry/src/index.crates.io-6f17/hyper-util-0.1.9/src/a.rs",
                Some("hyper-util 0.1.9"),
            ),
            (
                "/home/a/.cargo/registry/src/index.crates.io-6f17/a-b-1.0.0-rc.1/src/a.rs",
                Some("a-b 1.0.0-rc.1"),
            ),
            ("C:\\c\\registry\\src\\i-1\\h2-0.4.5\\src\\lib.rs", Some("h2 0.4.5")),
            (
                "/c/git/checkouts/tower-8f3a/0a1b2c3/tower/src/lib.rs",
                Some("tower 0a1b2c3"),
            ),
            ("/rustc/598/library/std/src/thread.rs", Some("std")),
            ("src/registry/src.rs", None),
            ("/home/a/elsewhere/src/lib.rs", None),
        ] {
            assert_eq!(of_dependency(&place(file)).as_deref(), dependency, "{file}");
        }
    }

    #[test]
    fn a_dependencys_file_is_shown_from_its_own_directory() {
        let [registry, git] = [
            place("/home/a/.cargo/registry/src/i-1/hyper-1.4.1/src/lib.rs"),
            place("/c/git/checkouts/tower-8f3a/0a1b2c3/tower/src/lib.rs"),
        ];
        assert_eq!(shown(&registry), "hyper-1.4.1/src/lib.rs:1");
        assert_eq!(shown(&git), "tower-8f3a/0a1b2c3/tower/src/lib.rs:1");
        assert_eq!(shown(&place("src/a.rs")), "src/a.rs:1");
    }

    #[test]
    fn a_run_of_dependencies_is_one_row_but_never_the_spawn() {
        let registry = |name: &str| place(&format!("/c/registry/src/i-1/{name}/src/lib.rs"));
        let stack = [
            registry("hyper-1.4.1"),
            place("src/a.rs"),
            registry("tower-0.5.0"),
            registry("hyper-1.4.1"),
            place("src/b.rs"),
            registry("axum-0.8.1"),
            place("src/c.rs"),
        ];

        let folded = rows(&stack, 5);

        assert_eq!(
            folded,
            [
                Row::Call(&stack[0]),
                Row::Call(&stack[1]),
                Row::Folded {
                    calls: 2,
                    of: "hyper 1.4.1, tower 0.5.0".to_owned()
                },
                Row::Call(&stack[4]),
                Row::Call(&stack[5]),
                Row::More(1),
            ]
        );
        assert_eq!(own_of(&stack), Some(&stack[1]));
        assert_eq!(
            own_of(&stack[..1]),
            Some(&stack[0]),
            "where nothing is own, the spawn itself"
        );
    }
}
