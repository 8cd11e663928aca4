//! The library to preload: its source is part of this crate, and the user's own `rustc` builds it once.

use std::ffi::OsString;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;

use super::error::ObserveError;

/// The whole library: its files by name. The first is its root.
pub const SOURCES: [(&str, &str); 33] = [
    ("preload.rs", include_str!("../../preload/preload.rs")),
    ("active.rs", include_str!("../../preload/active.rs")),
    ("active_macos.rs", include_str!("../../preload/active_macos.rs")),
    ("begins.rs", include_str!("../../preload/begins.rs")),
    ("blocked.rs", include_str!("../../preload/blocked.rs")),
    ("boxes.rs", include_str!("../../preload/boxes.rs")),
    ("cells.rs", include_str!("../../preload/cells.rs")),
    ("chain.rs", include_str!("../../preload/chain.rs")),
    ("events.rs", include_str!("../../preload/events.rs")),
    ("hooks.rs", include_str!("../../preload/hooks.rs")),
    ("hooks_macos.rs", include_str!("../../preload/hooks_macos.rs")),
    ("libc.rs", include_str!("../../preload/libc.rs")),
    ("libc_macos.rs", include_str!("../../preload/libc_macos.rs")),
    ("macho.rs", include_str!("../../preload/macho.rs")),
    ("memory.rs", include_str!("../../preload/memory.rs")),
    ("memory_macos.rs", include_str!("../../preload/memory_macos.rs")),
    ("notes.rs", include_str!("../../preload/notes.rs")),
    ("objects.rs", include_str!("../../preload/objects.rs")),
    ("objects_macos.rs", include_str!("../../preload/objects_macos.rs")),
    ("own.rs", include_str!("../../preload/own.rs")),
    ("own_macos.rs", include_str!("../../preload/own_macos.rs")),
    ("programs.rs", include_str!("../../preload/programs.rs")),
    ("programs_macos.rs", include_str!("../../preload/programs_macos.rs")),
    ("start.rs", include_str!("../../preload/start.rs")),
    ("state.rs", include_str!("../../preload/state.rs")),
    ("table.rs", include_str!("../../preload/table.rs")),
    ("tables.rs", include_str!("../../preload/tables.rs")),
    ("threads.rs", include_str!("../../preload/threads.rs")),
    ("traces.rs", include_str!("../../preload/traces.rs")),
    ("unwind.rs", include_str!("../../preload/unwind.rs")),
    ("waits.rs", include_str!("../../preload/waits.rs")),
    ("walk.rs", include_str!("../../preload/walk.rs")),
    ("walk_macos.rs", include_str!("../../preload/walk_macos.rs")),
];

/// The end of the built library's file name.
pub(super) const FILE: &str = if cfg!(target_os = "macos") {
    "libleak_audit_preload.dylib"
} else {
    "libleak_audit_preload.so"
};

/// The variable by which the loader is told of the library, and of others behind it.
pub const VARIABLE: &str = if cfg!(target_os = "macos") {
    "DYLD_INSERT_LIBRARIES"
} else {
    "LD_PRELOAD"
};

/// What is to be known of an observation on this system before its verdict is believed.
pub const CAUTION: Option<&str> = if cfg!(target_os = "macos") {
    Some(
        "observing tasks on macOS is compiled and tested as far as that can be done without a Mac, and has not been run on one: \
         please report what it gets wrong",
    )
} else {
    None
};

/// Where built files are kept: `LEAK_AUDIT_CACHE`, else `leak-audit` in the user's cache directory.
pub(super) fn cache() -> PathBuf {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    set("LEAK_AUDIT_CACHE").map_or_else(
        || {
            set("XDG_CACHE_HOME")
                .map(PathBuf::from)
                .or_else(|| set("HOME").map(|home| Path::new(&home).join(".cache")))
                .unwrap_or_else(std::env::temp_dir)
                .join("leak-audit")
        },
        PathBuf::from,
    )
}

/// `rustc`, as cargo would choose it.
pub(super) struct Rustc {
    program: OsString,
    version: String,
}

impl Rustc {
    pub(super) fn find() -> Result<Self, ObserveError> {
        let program = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
        let output = Command::new(&program)
            .arg("-vV")
            .output()
            .map_err(|source| ObserveError::NoRustc {
                rustc: program.clone().into(),
                source,
            })?;
        let version = String::from_utf8_lossy(&output.stdout).into_owned();
        Ok(Self { program, version })
    }

    /// Builds sources, each with arguments of its own, unless this version has built it before. The result is put in place at once, so that audits
    /// that run at the same time do not see half a file.
    pub(super) fn build(
        &self,
        what: &'static str,
        sources: &[(&str, &str)],
        steps: &[(&str, &[&str])],
        result: &str,
    ) -> Result<PathBuf, ObserveError> {
        let mut hasher = DefaultHasher::new();
        (&self.version, sources, steps).hash(&mut hasher);
        let cache = cache();
        let built = cache.join(format!("{:016x}-{result}", hasher.finish()));
        if built.exists() {
            return Ok(built);
        }
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source| ObserveError::Files { path, source }
        };
        std::fs::create_dir_all(&cache).map_err(failed(&cache))?;
        let room = tempfile::tempdir_in(&cache).map_err(failed(&cache))?;
        for (name, text) in sources {
            let path = room.path().join(name);
            std::fs::write(&path, text).map_err(failed(&path))?;
        }
        for (source, arguments) in steps {
            self.compile(what, room.path(), source, arguments)?;
        }
        // The debug info of a program, where the compiler puts it into a bundle beside it: that is found by the program's UUID.
        let bundle = format!("{result}.dSYM");
        if room.path().join(&bundle).is_dir() {
            let kept = cache.join(format!("{:016x}-{bundle}", hasher.finish()));
            let moved = std::fs::rename(room.path().join(&bundle), &kept);
            // Another audit was first.
            moved.or_else(|source| {
                if kept.is_dir() {
                    Ok(())
                } else {
                    Err(failed(&kept)(source))
                }
            })?;
        }
        std::fs::rename(room.path().join(result), &built).map_err(failed(&built))?;
        Ok(built)
    }

    fn compile(
        &self,
        what: &'static str,
        directory: &Path,
        source: &str,
        arguments: &[&str],
    ) -> Result<(), ObserveError> {
        let output = Command::new(&self.program)
            .current_dir(directory)
            .args(["--edition", "2021", "--cap-lints", "allow"])
            .args(arguments)
            .arg(source)
            .env_remove(VARIABLE)
            .output()
            .map_err(|source| ObserveError::NoRustc {
                rustc: self.program.clone().into(),
                source,
            })?;
        if output.status.success() {
            return Ok(());
        }
        Err(ObserveError::DoesNotBuild {
            what,
            version: self.version.lines().next().unwrap_or("rustc").to_owned(),
            output: String::from_utf8_lossy(&output.stderr).into_owned(),
        })
    }
}

/// The built library, from the cache where it is there.
///
/// # Errors
///
/// Where the system is not supported, `rustc` is missing or fails, or the cache cannot be written.
pub fn library() -> Result<PathBuf, ObserveError> {
    supported(std::env::consts::OS, std::env::consts::ARCH)?;
    Rustc::find()?.build(
        "the library to preload",
        &SOURCES,
        &[("preload.rs", &["--crate-type", "cdylib", "-O", "-o", FILE])],
        FILE,
    )
}

/// Whether the library knows a system: its allocator's names, how its stacks are walked, and its calls.
fn supported(system: &str, processor: &str) -> Result<(), ObserveError> {
    match (system, processor) {
        ("linux" | "macos", "x86_64" | "aarch64") => Ok(()),
        _ => Err(ObserveError::Unsupported {
            system: format!("{system} {processor}"),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_system_that_is_not_known_is_named() {
        for system in ["linux", "macos"] {
            assert!(supported(system, "x86_64").is_ok() && supported(system, "aarch64").is_ok());
        }
        for (system, processor) in [("freebsd", "x86_64"), ("windows", "x86_64"), ("linux", "riscv64")] {
            let error = supported(system, processor).expect_err(system).to_string();
            assert!(error.ends_with(&format!("and this is {system} {processor}")), "{error}");
        }
    }
}
