//! `cargo xtask`: the tasks of this workspace that are programs. `cargo xtask --help` lists them.

mod bench;
mod configs;
mod differential;
mod flags;
mod interop;
mod lint_gate;
mod messages;
mod releases;

use std::path::Path;
use std::process::ExitCode;

use flags::Command;

/// A command could not do its work, or was given wrong arguments.
const EXIT_CANNOT: u8 = 2;

fn main() -> ExitCode {
    match Command::from_arguments(std::env::args_os().skip(1)).and_then(run) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::from(EXIT_CANNOT)
        }
    }
}

fn run(command: Command) -> anyhow::Result<u8> {
    match command {
        Command::Help(text) => {
            print!("{text}");
            Ok(0)
        }
        Command::Bench(arguments) => bench::run(arguments),
        Command::Configs(options) => configs::run(&options),
        Command::LeakAudit(arguments) => {
            let defaults = leakcheck_audit::Defaults {
                manifest_path: Some(workspace_root().join("Cargo.toml")),
            };
            Ok(leakcheck_audit::run_command_line(arguments, &defaults))
        }
        Command::Differential(options) => differential::run(options),
        Command::LintGate(options) => lint_gate::run(options),
        Command::Messages(options) => messages::run(options),
        Command::Releases(options) => releases::run(options),
        Command::Interop(options) => interop::run(options),
    }
}

/// The root of this workspace.
fn workspace_root() -> &'static Path {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.parent().unwrap_or(package)
}
