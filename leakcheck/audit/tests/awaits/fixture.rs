//! The fixture, built.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

/// How the fixture is built.
#[derive(Debug, Clone, Copy)]
pub struct Build {
    pub profile: &'static str,
    /// A version requirement of tokio. The crates around tokio are left out where they need a newer one.
    pub tokio: Option<&'static str>,
    /// What is added to the profile, as cargo's `--config` takes it.
    pub settings: &'static [&'static str],
    /// What the compiler is given besides.
    pub flags: &'static str,
    /// With the crates around tokio, as long as tokio is the newest.
    pub ecosystem: bool,
}

impl Build {
    pub const DEV: Build = Build {
        profile: "dev",
        tokio: None,
        settings: &[],
        flags: "",
        ecosystem: true,
    };

    /// The newest tokio without the crates around it.
    pub const SMALL: Build = Build {
        ecosystem: false,
        ..Build::DEV
    };

    pub fn is_small(self) -> bool {
        self.tokio.is_some() || !self.ecosystem
    }

    /// Builds the fixture and gives its executable. What was built before is used again.
    pub fn run(self) -> PathBuf {
        // Every build of a profile has the same directory, so that what they have in common is built once. cargo lets one in at a time
        // anyway, and its copy of the executable is the one that was built last.
        static ONE_AT_A_TIME: [Mutex<()>; 2] = [const { Mutex::new(()) }; 2];
        let directory = &ONE_AT_A_TIME[usize::from(self.profile == "dev")];
        let _guard = directory.lock().unwrap_or_else(PoisonError::into_inner);
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/awaits");
        let temporary = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let mut project = source.clone();
        let mut name = self.tokio.unwrap_or("newest").replace(['=', '.'], "_");
        if let Some(version) = self.tokio {
            project = temporary.join("awaits/projects").join(&name);
            copy_with_tokio(&source, &project, version);
        }
        for setting in self.settings {
            name.push_str(&setting.replace(|other: char| !other.is_alphanumeric(), "_"));
        }
        name.push_str(&self.flags.replace(|other: char| !other.is_alphanumeric(), "_"));
        if self.is_small() {
            name.push_str("_small");
        }
        // As the other fixtures have it.
        let target = temporary.join("observed");
        let mut cargo = Command::new(env!("CARGO"));
        cargo
            .args(["build", "--quiet", "--profile", self.profile])
            .current_dir(&project);
        cargo
            .env("CARGO_TARGET_DIR", &target)
            .env("CARGO_INCREMENTAL", "0")
            .env_remove("RUSTFLAGS")
            .env_remove("CARGO_ENCODED_RUSTFLAGS");
        for setting in self.settings {
            cargo.args(["--config", &format!("profile.{}.{setting}", self.profile)]);
        }
        if self.is_small() {
            cargo.arg("--no-default-features");
        }
        if !self.flags.is_empty() {
            cargo.env("RUSTFLAGS", self.flags);
        }
        let status = cargo.status().expect("cargo starts");
        assert!(status.success(), "the fixture does not build as {self:?}");
        let built = target.join(if self.profile == "dev" { "debug" } else { self.profile });
        let kept = temporary.join("awaits").join(self.profile).join(name);
        std::fs::create_dir_all(&kept).expect("a directory");
        keep(&built.join("awaits-fixture"), &kept.join("awaits-fixture"));
        if self.settings.contains(&"split-debuginfo=\"packed\"") {
            keep(&built.join("awaits-fixture.dwp"), &kept.join("awaits-fixture.dwp"));
        }
        kept.join("awaits-fixture")
    }
}

/// Another name for a file that was built: cargo takes its own away before it gives that to another one.
fn keep(built: &Path, kept: &Path) {
    let _ = std::fs::remove_file(kept);
    std::fs::hard_link(built, kept).expect("the same file system");
}

fn copy_with_tokio(source: &Path, project: &Path, version: &str) {
    std::fs::create_dir_all(project.join("src")).expect("a directory for the project");
    for file in std::fs::read_dir(source.join("src")).expect("the fixture's source") {
        let file = file.expect("a source file").path();
        let to = project.join("src").join(file.file_name().expect("a name"));
        write_if_other(&to, &std::fs::read_to_string(&file).expect("source"));
    }
    let manifest = std::fs::read_to_string(source.join("Cargo.toml")).expect("a manifest");
    let tokio = manifest.replace(
        r#"tokio = { version = "1""#,
        &format!(r#"tokio = {{ version = "{version}""#),
    );
    let edition = source.join("edition-2018");
    let tokio = tokio.replace(
        r#"path = "edition-2018""#,
        &format!("path = {:?}", edition.display().to_string()),
    );
    // Nothing may ask for a newer tokio, not even an optional dependency.
    let kept: Vec<&str> = tokio
        .lines()
        .filter(|line| {
            ![
                "async-trait",
                "futures-",
                "tokio-stream",
                "tokio-util",
                "tower",
                "tracing",
            ]
            .iter()
            .any(|name| line.starts_with(name))
        })
        .map(|line| {
            if line.starts_with("ecosystem") {
                "ecosystem = []"
            } else {
                line
            }
        })
        .collect();
    write_if_other(&project.join("Cargo.toml"), &(kept.join("\n") + "\n"));
}

/// What is the same keeps its time, so that cargo builds nothing again.
fn write_if_other(path: &Path, text: &str) {
    if std::fs::read_to_string(path).ok().as_deref() != Some(text) {
        std::fs::write(path, text).expect("a file of the project");
    }
}
