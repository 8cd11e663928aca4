//! `leak-audit exec -- ANY COMMAND`.

use lexopt::{Arg, Parser};

use super::error::{ArgumentError, wrong};
use super::judging::Reading;
use super::request::Request;

/// Reads what follows `exec`.
pub(super) fn exec(parser: &mut Parser) -> Result<Request, ArgumentError> {
    let mut reading = Reading::default();
    while let Some(argument) = parser.next()? {
        match argument {
            Arg::Short('h') | Arg::Long("help") => return Ok(Request::Help),
            Arg::Value(program) => {
                let command = std::iter::once(program).chain(parser.raw_args()?).collect();
                let judging = reading.finish()?;
                return Ok(Request::Exec { command, judging });
            }
            Arg::Long(name) => {
                let name = name.to_owned();
                reading.option(&name, parser)?;
            }
            Arg::Short('q') => reading.judging.quiet = true,
            other => return Err(other.unexpected().into()),
        }
    }
    wrong("which command? leak-audit exec -- cargo test")
}
