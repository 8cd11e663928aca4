//! `leak-audit merge REPORT.json…`.

use lexopt::{Arg, Parser};

use super::error::{ArgumentError, wrong};
use super::judging::Reading;
use super::request::Request;

/// Reads what follows `merge`.
pub(super) fn merge(parser: &mut Parser) -> Result<Request, ArgumentError> {
    let (mut reading, mut reports) = (Reading::default(), Vec::new());
    while let Some(argument) = parser.next()? {
        match argument {
            Arg::Short('h') | Arg::Long("help") => return Ok(Request::Help),
            Arg::Value(path) => reports.push(path.into()),
            Arg::Long(name) => {
                let name = name.to_owned();
                reading.option(&name, parser)?;
            }
            Arg::Short('q') => reading.judging.quiet = true,
            other => return Err(other.unexpected().into()),
        }
    }
    if reports.is_empty() {
        return wrong("which reports? leak-audit merge a.json b.json");
    }
    let judging = reading.finish()?;
    Ok(Request::Merge { reports, judging })
}
