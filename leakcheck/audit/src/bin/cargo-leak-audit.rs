//! `cargo leak-audit`: finds the tokio tasks that a project's tests leave behind. `--help` tells how.

use std::process::ExitCode;

use leakcheck_audit::{Defaults, run_command_line};

fn main() -> ExitCode {
    // cargo gives the subcommand's name as the first argument.
    let mut arguments = std::env::args_os().skip(1).peekable();
    let _ = arguments.next_if(|argument| argument == "leak-audit");
    ExitCode::from(run_command_line(arguments, &Defaults::default()))
}
