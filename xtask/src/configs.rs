//! `cargo xtask configs`: Apache Kafka's own definitions of its configurations, into the table that kfake reads.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, ensure};

use crate::flags::Generate;
use crate::workspace_root;

/// What the Java program writes, by its argument, and where it is kept.
const FILES: &[(&str, &str)] = &[
    ("table", "kfake/src/cluster/configs/table.txt"),
    ("docs", "kfake/src/cluster/configs/docs.txt"),
];

/// Writes the files, or says which of them is another than Apache Kafka's: exit code 1.
pub fn run(options: &Generate) -> anyhow::Result<u8> {
    let oracle = workspace_root().join("tests/oracle");
    let classpath = classpath(&oracle)?;
    let mut differ = 0;
    for (argument, file) in FILES {
        let output = Command::new("java")
            .args(["-XX:TieredStopAtLevel=1", "-cp", &classpath])
            .arg(oracle.join("Configs.java"))
            .arg(argument)
            .output()
            .context("cannot start java")?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "Configs.java {argument} failed:\n{said}");
        ensure!(!output.stdout.is_empty(), "Configs.java {argument} wrote nothing");
        let path = workspace_root().join(file);
        if fs::read(&path).is_ok_and(|kept| kept == output.stdout) {
            println!("{file}: as in Apache Kafka");
        } else if options.check {
            println!("{file}: other than in Apache Kafka");
            differ += 1;
        } else {
            fs::write(&path, &output.stdout).with_context(|| format!("cannot write {file}"))?;
            println!("{file}: written");
        }
    }
    Ok(u8::from(differ > 0))
}

/// Every jar that pom.xml names, with what they need.
fn classpath(oracle: &Path) -> anyhow::Result<String> {
    let directory = workspace_root().join("target/oracle");
    fs::create_dir_all(&directory)?;
    let file = directory.join("classpath-of-configs.txt");
    let status = Command::new("mvn")
        .args(["-q", "-B", "-f"])
        .arg(oracle.join("pom.xml"))
        .arg("org.apache.maven.plugins:maven-dependency-plugin:3.6.1:build-classpath")
        .arg(format!("-Dmdep.outputFile={}", file.display()))
        .status()
        .context("cannot start mvn")?;
    ensure!(status.success(), "Maven cannot assemble Apache Kafka");
    fs::read_to_string(&file).context("Maven wrote no class path")
}
