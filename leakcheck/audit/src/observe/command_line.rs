//! `leak-audit exec`: the same command line wherever it is called from.

use std::ffi::OsString;
use std::io::Write;
use std::process::Command;

use super::error::ObserveError;
use super::exec::Observation;
use super::render;

/// What `--help` prints.
pub const HELP: &str = "\
leak-audit exec [OPTIONS] -- COMMAND [ARGUMENTS]

Runs any command, and finds the tokio tasks that it and what it starts leave behind: their code needs no change.
Linux on x86_64 and aarch64.

  --format text|json     how to print the findings (text)
  --deny-third-party     tasks that dependencies left behind count as leaks too
  -h, --help             this

A cargo command is best given whole: leak-audit exec -- cargo test
Debug info with types shows where tasks wait: the default of cargo's dev and test profiles has them.

Exit codes: 0 clean, 1 leaks, 2 could not judge. The command's own exit code is named in the findings.
";

/// Runs `exec` with these arguments, prints the findings to stdout, and gives the exit code.
///
/// # Errors
///
/// Where arguments make no sense, or there is no verdict. The exit code for both is 2.
pub fn run_command_line(arguments: impl IntoIterator<Item = OsString>) -> Result<u8, ObserveError> {
    let wrong = |error: lexopt::Error| ObserveError::Arguments(error.to_string());
    let mut parser = lexopt::Parser::from_args(arguments);
    let (mut json, mut deny) = (false, false);
    let mut command = None;
    while let Some(argument) = parser.next().map_err(wrong)? {
        match argument {
            lexopt::Arg::Long("format") => match parser.value().map_err(wrong)?.to_str() {
                Some("text") => json = false,
                Some("json") => json = true,
                _ => return Err(ObserveError::Arguments("--format is text or json".to_owned())),
            },
            lexopt::Arg::Long("deny-third-party") => deny = true,
            lexopt::Arg::Short('h') | lexopt::Arg::Long("help") => {
                print(HELP);
                return Ok(0);
            }
            lexopt::Arg::Value(program) => {
                let mut found = Command::new(program);
                found.args(parser.raw_args().map_err(wrong)?);
                command = Some(found);
                break;
            }
            argument => return Err(wrong(argument.unexpected())),
        }
    }
    let command =
        command.ok_or_else(|| ObserveError::Arguments("which command? leak-audit exec -- cargo test".to_owned()))?;
    let mut observation = Observation::of(command);
    if deny {
        observation = observation.deny_third_party();
    }
    let verdict = observation.run()?;
    print(&if json {
        render::json(&verdict)
    } else {
        render::text(&verdict)
    });
    Ok(verdict.conclusion().exit_code())
}

/// A reader that has gone away is no reason to panic.
fn print(text: &str) {
    let _ = std::io::stdout().write_all(text.as_bytes());
}
