//! `cargo leak-audit exec -- COMMAND`: finds the tokio tasks that any command leaves behind. `scan` reads
//! the source instead.

use std::process::ExitCode;

use leakcheck_audit::{observe, scan};

fn main() -> ExitCode {
    // cargo gives the subcommand's name as the first argument.
    let mut arguments = std::env::args_os().skip(1).peekable();
    let _ = arguments.next_if(|argument| argument == "leak-audit");
    let command = arguments.next();
    let done = match command.as_deref().and_then(|command| command.to_str()) {
        Some("exec") => observe::run_command_line(arguments).map_err(|error| error.to_string()),
        Some("scan") => scan::run_command_line(arguments).map_err(|error| error.to_string()),
        Some("-h" | "--help") => {
            print!("{}\n{}", observe::HELP, scan::HELP);
            return ExitCode::SUCCESS;
        }
        _ => {
            eprint!("{}\n{}", observe::HELP, scan::HELP);
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("leak-audit: {error}");
            ExitCode::from(2)
        }
    }
}
