//! `cargo xtask leak-audit`: arguments to an audit, its verdict to stdout.

use std::io::{Write, stderr, stdout};

use anyhow::Context;
use leakcheck_audit::{Audit, Baseline, Conclusion, render};

use crate::flags::{Format, LeakAudit};

/// Runs it, and gives the exit code.
pub fn run(options: LeakAudit) -> anyhow::Result<u8> {
    let manifest_path = options
        .manifest_path
        .unwrap_or_else(|| crate::workspace_root().join("Cargo.toml"));
    let mut audit = Audit::of(manifest_path);
    for package in options.packages {
        audit = audit.package(package);
    }
    for argument in options.test_arguments {
        audit = audit.argument(argument);
    }
    if let Some(path) = options.baseline {
        audit = audit.baseline(Baseline::read(&path)?);
    }
    if let Some(directory) = options.target_dir {
        audit = audit.target_dir(directory);
    }

    let (text, code) = match audit.run(&mut stderr()) {
        Ok(verdict) => {
            let text = match options.format {
                Format::Text => render::text::verdict(&verdict, options.by_test),
                Format::Json => render::json::verdict(&verdict),
            };
            (text, verdict.conclusion().exit_code())
        }
        Err(error) => {
            let text = match options.format {
                Format::Text => render::text::error(&error),
                Format::Json => render::json::error(&error),
            };
            (text, Conclusion::CannotJudge.exit_code())
        }
    };
    stdout()
        .write_all(text.as_bytes())
        .context("cannot write the findings")?;
    Ok(code)
}
