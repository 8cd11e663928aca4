//! What the brokers of each release of Apache Kafka offer: `kfake/src/cluster/releases.txt`.
//!
//! It is asked of each release's own artifacts, by a small Java program (`tests/oracle/Release.java`).

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::flags::Generate;
use crate::workspace_root;

/// Every minor release from 0.11 on, by its first patch release: those behind it change nothing of the protocol. A new one is
/// a line here, and `cargo xtask releases`.
const RELEASES: &[(&str, &str)] = &[
    ("0.11", "0.11.0.0"),
    ("1.0", "1.0.0"),
    ("1.1", "1.1.0"),
    ("2.0", "2.0.0"),
    ("2.1", "2.1.0"),
    ("2.2", "2.2.0"),
    ("2.3", "2.3.0"),
    ("2.4", "2.4.0"),
    ("2.5", "2.5.0"),
    ("2.6", "2.6.0"),
    ("2.7", "2.7.0"),
    ("2.8", "2.8.0"),
    ("3.0", "3.0.0"),
    ("3.1", "3.1.0"),
    ("3.2", "3.2.0"),
    ("3.3", "3.3.0"),
    ("3.4", "3.4.0"),
    ("3.5", "3.5.0"),
    ("3.6", "3.6.0"),
    ("3.7", "3.7.0"),
    ("3.8", "3.8.0"),
    ("3.9", "3.9.0"),
    ("4.0", "4.0.0"),
    ("4.1", "4.1.0"),
    ("4.2", "4.2.0"),
    ("4.3", "4.3.0"),
    ("4.4", "4.4.0"),
];

/// The first release with features of its own: KRaft was ready for production.
const FIRST_WITH_FEATURES: &str = "3.3";

const HEAD: &str = "\
# What a broker offers, release by release. `cargo xtask releases` writes this file from the released artifacts.
# NAME | KEY:LOWEST-HIGHEST of each API | NAME:LOWEST-HIGHEST:FINALIZED of each feature
";

/// What Maven calls the plugin that fetches artifacts.
const FETCH: &str = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:get";

/// Writes the table, or checks that it is as it would be written.
pub fn run(options: Generate) -> Result<u8> {
    let mut table = HEAD.to_owned();
    let mut has_features = false;
    for (name, version) in RELEASES {
        has_features |= *name == FIRST_WITH_FEATURES;
        let line = ask(version, has_features).with_context(|| format!("asking the artifacts of {version}"))?;
        table.push_str(&format!("{name} | {}\n", line.trim()));
    }
    let path = workspace_root().join("kfake/src/cluster/releases.txt");
    if std::fs::read_to_string(&path).is_ok_and(|old| old == table) {
        return Ok(0);
    }
    if options.check {
        println!("stale {}", path.display());
        return Ok(1);
    }
    std::fs::write(&path, table).with_context(|| format!("writing {}", path.display()))?;
    println!("wrote {}", path.display());
    Ok(0)
}

/// What one release's artifacts say.
fn ask(version: &str, has_features: bool) -> Result<String> {
    let mut class_path = vec![fetched("org.apache.kafka", "kafka-clients", version)?];
    if has_features {
        class_path.push(fetched("org.apache.kafka", "kafka-server-common", version)?);
    }
    // What the classes of some releases cannot be loaded without.
    for (group, artifact, version) in [
        ("org.slf4j", "slf4j-api", "1.7.36"),
        ("com.fasterxml.jackson.core", "jackson-databind", "2.16.2"),
        ("com.fasterxml.jackson.core", "jackson-core", "2.16.2"),
        ("com.fasterxml.jackson.core", "jackson-annotations", "2.16.2"),
    ] {
        class_path.push(fetched(group, artifact, version)?);
    }
    let class_path = std::env::join_paths(class_path)?;
    let output = Command::new("java")
        .arg("-cp")
        .arg(class_path)
        .arg(workspace_root().join("tests/oracle/Release.java"))
        .output()
        .context("starting java")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "java failed:\n{said}");
    Ok(String::from_utf8(output.stdout)?)
}

/// An artifact's file in Maven's local repository, fetched if it is not there.
fn fetched(group: &str, artifact: &str, version: &str) -> Result<PathBuf> {
    let home = std::env::var_os("HOME").context("HOME is not set")?;
    let file = Path::new(&home)
        .join(".m2/repository")
        .join(group.replace('.', "/"))
        .join(artifact)
        .join(version)
        .join(format!("{artifact}-{version}.jar"));
    if !file.exists() {
        let status = Command::new("mvn")
            .args(["-q", "-B", FETCH, "-Dtransitive=false"])
            .arg(format!("-Dartifact={group}:{artifact}:{version}"))
            .status()
            .context("starting mvn")?;
        ensure!(status.success(), "mvn cannot fetch {group}:{artifact}:{version}");
    }
    ensure!(file.exists(), "{} is not there", file.display());
    Ok(file)
}
