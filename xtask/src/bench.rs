//! `cargo xtask bench`: builds kfake and the load client for release, and hands over to the latter.

use std::ffi::OsString;
use std::process::Command;

use anyhow::{Context, ensure};

use crate::workspace_root;

/// Runs it. The exit code is that of the client, whose command line is in `xtask/bench/src/flags.rs`.
pub fn run(arguments: Vec<OsString>) -> anyhow::Result<u8> {
    let root = workspace_root();
    let target = root.join("target");
    let built = Command::new(env!("CARGO"))
        .args([
            "build",
            "--release",
            "--package",
            "kfake",
            "--package",
            "xtask-bench",
            "--target-dir",
        ])
        .arg(&target)
        .current_dir(root)
        .status()
        .context("cannot run cargo")?;
    ensure!(built.success(), "the release build failed");
    let mut client = Command::new(target.join("release/xtask-bench"));
    match leakcheck_audit::observe::preload::library() {
        Ok(library) => {
            client.env("XTASK_BENCH_PRELOAD", library);
        }
        Err(error) => eprintln!("the audit's observer is left out: {error}"),
    }
    let status = client
        .args(arguments)
        .current_dir(root)
        .status()
        .context("cannot run the load client")?;
    let code = status.code().context("the load client was killed")?;
    Ok(u8::try_from(code)?)
}
