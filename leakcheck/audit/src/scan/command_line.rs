//! `leak-audit scan`: the same command line wherever it is called from.

use std::ffi::OsString;
use std::io::Write;
use std::path::PathBuf;

use super::engine::Scan;
use super::error::ScanError;
use super::text::{by_type, text};
use crate::report::{Report, SCHEMA};

/// What `--help` prints.
pub const HELP: &str = "\
leak-audit scan [OPTIONS] [PATH]…

Reads the source of a workspace's libraries and binaries, and names the tasks that cannot end. Without a path, the workspace of
the current directory.

  -p, --package NAME            this package; may be given several times
      --manifest-path FILE      the workspace's manifest (Cargo.toml)
      --examples                examples too
      --clippy                  compile it, and let clippy say which calls spawn
      --features LIST, --all-features, --no-default-features
                                with --clippy: the features to compile
      --format text|json|github how to print the findings (text)
      --deny                    what could not be parsed is an error too
  -h, --help                    this

A finding is silenced by a comment on its line, or above it or its function:

  // leak-audit: allow(detached-task) — it lives as long as the process

Exit codes: 0 nothing found, 1 findings, 2 could not scan; with --clippy, also where there is no clippy or it does not compile.
";

#[derive(Clone, Copy, PartialEq, Eq)]
enum Format {
    Text,
    Json,
    Github,
}

/// Runs `scan` with these arguments, prints the findings to stdout, and gives the exit code.
///
/// # Errors
///
/// Where arguments make no sense, or nothing could be scanned. The exit code for both is 2.
pub fn run_command_line(arguments: impl IntoIterator<Item = OsString>) -> Result<u8, ScanError> {
    let wrong = |error: lexopt::Error| ScanError::Arguments(error.to_string());
    let mut parser = lexopt::Parser::from_args(arguments);
    let (mut format, mut deny, mut examples) = (Format::Text, false, false);
    let (mut manifest, mut packages, mut paths) = (None, Vec::new(), Vec::new());
    let (mut clippy, mut features) = (false, Vec::new());
    while let Some(argument) = parser.next().map_err(wrong)? {
        match argument {
            lexopt::Arg::Short('p') | lexopt::Arg::Long("package") => {
                packages.push(parser.value().map_err(wrong)?.to_string_lossy().into_owned());
            }
            lexopt::Arg::Long("manifest-path") => manifest = Some(PathBuf::from(parser.value().map_err(wrong)?)),
            lexopt::Arg::Long("examples") => examples = true,
            lexopt::Arg::Long("clippy") => clippy = true,
            lexopt::Arg::Long("features") => {
                let list = parser.value().map_err(wrong)?.to_string_lossy().into_owned();
                features.extend(["--features".to_owned(), list]);
            }
            lexopt::Arg::Long("all-features") => features.push("--all-features".to_owned()),
            lexopt::Arg::Long("no-default-features") => features.push("--no-default-features".to_owned()),
            lexopt::Arg::Long("format") => {
                format = match parser.value().map_err(wrong)?.to_str() {
                    Some("text") => Format::Text,
                    Some("json") => Format::Json,
                    Some("github") => Format::Github,
                    _ => return Err(ScanError::Arguments("--format is text, json or github".to_owned())),
                };
            }
            lexopt::Arg::Long("deny") => deny = true,
            lexopt::Arg::Short('h') | lexopt::Arg::Long("help") => {
                print(HELP)?;
                return Ok(0);
            }
            lexopt::Arg::Value(path) => paths.push(PathBuf::from(path)),
            argument => return Err(wrong(argument.unexpected())),
        }
    }
    if !paths.is_empty() && !packages.is_empty() {
        return Err(ScanError::Arguments("either packages or paths".to_owned()));
    }
    if !features.is_empty() && !clippy {
        return Err(ScanError::Arguments(
            "features are for --clippy: without it all are read".to_owned(),
        ));
    }
    let mut scan = match (manifest, paths.is_empty()) {
        (None, true) => Scan::workspace("Cargo.toml"),
        (Some(manifest), _) => Scan::workspace(manifest),
        (None, false) => Scan::default(),
    };
    for package in packages {
        scan = scan.package(package);
    }
    for path in paths {
        scan = scan.and_path(path);
    }
    if examples {
        scan = scan.examples();
    }
    if clippy {
        scan = scan.by_type(features);
    }
    let outcome = scan.run()?;
    let failed = outcome.open().next().is_some() || (deny && !outcome.unparsed.is_empty());
    print(&match format {
        Format::Text => text(&outcome),
        Format::Json => json(&outcome),
        Format::Github => github(&outcome),
    })?;
    // Where nothing at all could be parsed there is no verdict.
    Ok(if outcome.files == 0 { 2 } else { u8::from(failed) })
}

/// The report that the other outputs render, with what was scanned alone.
fn json(outcome: &super::Outcome) -> String {
    let report = Report {
        schema: SCHEMA,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        command: "leak-audit scan".to_owned(),
        suspects: outcome.suspects.clone(),
        unjudged: outcome
            .unparsed
            .iter()
            .map(|unparsed| format!("{} was not scanned: {}", unparsed.path.display(), unparsed.why))
            .collect(),
        notes: outcome.types.iter().flat_map(by_type).collect(),
        ..Report::default()
    };
    serde_json::to_string_pretty(&report).unwrap_or_default() + "\n"
}

/// Workflow commands of GitHub Actions, one a finding. `%`, line ends, `:` and `,` are escaped as its documentation says.
fn github(outcome: &super::Outcome) -> String {
    let data = |text: &str| text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A");
    let property = |text: &str| data(text).replace(':', "%3A").replace(',', "%2C");
    outcome
        .suspects
        .iter()
        .filter(|suspect| suspect.silenced.is_none())
        .map(|suspect| {
            format!(
                "::{} file={},line={},title={}::{}; {}\n",
                if suspect.note { "notice" } else { "error" },
                property(suspect.at.file.as_deref().unwrap_or_default()),
                suspect.at.line.unwrap_or(1),
                property(&suspect.rule),
                data(&suspect.why),
                data(&suspect.fix),
            )
        })
        .collect()
}

/// A reader that has gone away is no reason to fail.
fn print(text: &str) -> Result<(), ScanError> {
    match std::io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(ScanError::Output(error)),
        _ => Ok(()),
    }
}
