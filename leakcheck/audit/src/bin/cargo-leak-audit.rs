//! `cargo leak-audit exec -- COMMAND`: finds the tokio tasks that any command leaves behind.

use std::process::ExitCode;

use leakcheck_audit::observe;

fn main() -> ExitCode {
    // cargo gives the subcommand's name as the first argument.
    let mut arguments = std::env::args_os().skip(1).peekable();
    let _ = arguments.next_if(|argument| argument == "leak-audit");
    let command = arguments.next();
    let done = match command.as_deref().and_then(|command| command.to_str()) {
        Some("exec") => observe::run_command_line(arguments),
        Some("-h" | "--help") => observe::run_command_line(["--help".into()]),
        _ => {
            eprint!("{}", observe::HELP);
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
