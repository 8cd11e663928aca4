//! Why a program's debug info cannot be used.

use std::io;
use std::path::{Path, PathBuf};

/// Why no await can be read from a program.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file could not be opened or mapped.
    #[error("cannot read {}: {source}", path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The file is no object file, or a broken one.
    #[error("{} is no object file that can be read: {source}", path.display())]
    NoObject {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: object::Error,
    },
    /// The file has no debug info at all: it was built without, or stripped.
    #[error("{} has no debug info: build it with {}, and without strip", path.display(), debug_info_in(path))]
    NoDebugInfo {
        /// Which.
        path: PathBuf,
    },
    /// The debug info was left in the object files that the program was linked from, as `split-debuginfo = "unpacked"` does.
    #[error(
        "the debug info of {} is in the object files that it was linked from: no await stack; set split-debuginfo = \"packed\" in its \
         Cargo profile, or have dsymutil gather it",
        path.display()
    )]
    NotGathered {
        /// Which.
        path: PathBuf,
    },
    /// The debug info knows lines, and no types.
    #[error("{} has line tables alone, types are missing: build it with {}", path.display(), debug_info_in(path))]
    NoTypes {
        /// Which.
        path: PathBuf,
    },
    /// The debug info is broken.
    #[error("cannot understand the debug info of {}: {source}", path.display())]
    BrokenDebugInfo {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: gimli::Error,
    },
    /// The strings of the debug info are none: whoever looks for the end of each would look for minutes.
    #[error("cannot understand the debug info of {}: its strings have no end", path.display())]
    EndlessStrings {
        /// Which.
        path: PathBuf,
    },
}

/// What to write into which profile, as far as cargo's directories tell.
fn debug_info_in(path: &Path) -> String {
    let mut directories = path.ancestors().skip(1).filter_map(Path::file_name);
    let directory = directories.find(|name| *name != "deps" && *name != "examples");
    let profile = match directory.map(|name| name.to_string_lossy()).as_deref() {
        Some("debug") => "dev",
        Some("release") => "release",
        _ => return "debug = true in its Cargo profile".to_owned(),
    };
    format!(
        "debug = true in [profile.{profile}] of the workspace's Cargo.toml, or CARGO_PROFILE_{}_DEBUG=true in the environment",
        profile.to_uppercase()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_profile_to_change_is_named() {
        let says = |path| debug_info_in(Path::new(path));
        assert!(says("/w/target/debug/deps/a-0123").contains("[profile.dev]"));
        assert!(says("/w/target/release/examples/a").contains("CARGO_PROFILE_RELEASE_DEBUG=true"));
        assert_eq!(says("/bin/a"), "debug = true in its Cargo profile");
    }
}
