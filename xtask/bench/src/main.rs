//! What `cargo xtask bench` runs: the load client, and the two processes that are measured besides the servers.
//!
//! To add a row: a file in `load/`, and a line in [`load::ALL`]. To add a server: a variant of [`server::Kind`], and a few lines
//! in `tests/peers`.

mod awake;
mod check;
mod client;
mod cores;
mod flags;
mod load;
mod loopback;
mod meter;
mod plot;
mod results;
mod run;
mod server;
mod table;
mod wire;

use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;

use flags::{Command, Options};
use results::Results;

/// Where the results are committed, and what the docs show.
const RESULTS: &str = "kfake/benches/results.json";
const PAGE: &str = "kfake/docs/speed.md";
const ROWS_PLOT: &str = "kfake/docs/speed-rows.svg";
const CURVES_PLOT: &str = "kfake/docs/speed-curves.svg";
/// What the table on the page is between.
const MARKS: [&str; 2] = ["<!-- table -->\n", "<!-- end of the table -->"];

fn main() -> ExitCode {
    match Command::from_arguments(std::env::args_os().skip(1)).and_then(execute) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("bench: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn execute(command: Command) -> anyhow::Result<u8> {
    match command {
        Command::Help => print!("{}", flags::HELP),
        Command::Loopback(partitions, keeps) => loopback::run(partitions, keeps)?,
        Command::Spawns(tasks) => load::observer::spawns(tasks)?,
        Command::Inside(kind, groups, connections) => load::inside::main(kind, groups, connections)?,
        Command::Run(options) => return measure(&options),
    }
    Ok(0)
}

fn measure(options: &Options) -> anyhow::Result<u8> {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = package.ancestors().nth(2).context("no workspace above this package")?;
    let results = match &options.from {
        None => run::run(options, root)?,
        Some(file) => read(file)?,
    };
    let text = table::render(&results);
    print!("{text}");
    let json = serde_json::to_string_pretty(&results)? + "\n";
    if let Some(file) = &options.json {
        std::fs::write(file, &json).with_context(|| format!("writing {}", file.display()))?;
    }
    let committed = root.join(RESULTS);
    let worse = match options.check {
        false => Vec::new(),
        true => check::compare(&read(&committed)?, &results, &options.rows),
    };
    for worse in &worse {
        println!("worse: {worse}");
    }
    if options.write {
        let page = root.join(PAGE);
        let written = with_table(&std::fs::read_to_string(&page)?, &text)?;
        std::fs::write(page, written)?;
        std::fs::write(committed, json)?;
        std::fs::write(root.join(ROWS_PLOT), plot::rows(&results))?;
        std::fs::write(root.join(CURVES_PLOT), plot::curves(&results.curves))?;
    }
    Ok(u8::from(!worse.is_empty()))
}

fn read(file: &Path) -> anyhow::Result<Results> {
    let text = std::fs::read_to_string(file).with_context(|| format!("reading {}", file.display()))?;
    serde_json::from_str(&text).with_context(|| format!("{} holds no results", file.display()))
}

/// The page with another table between its marks.
fn with_table(page: &str, table: &str) -> anyhow::Result<String> {
    let (before, rest) = page.split_once(MARKS[0]).context("the page has no mark of its table")?;
    let (_, after) = rest.split_once(MARKS[1]).context("the page's table has no end")?;
    Ok(format!("{before}{}\n{table}\n{}{after}", MARKS[0], MARKS[1]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_takes_the_place_of_the_one_before() {
        let page = "# Speed\n<!-- table -->\nold\n<!-- end of the table -->\nrest\n";
        let once = with_table(page, "new\n").unwrap();
        assert!(once.contains("new\n") && !once.contains("old") && once.ends_with("rest\n"));
        assert_eq!(with_table(&once, "new\n").unwrap(), once);
    }

    #[test]
    fn the_committed_results_can_be_read_and_are_of_a_whole_run() {
        let results: Results = serde_json::from_str(include_str!("../../../kfake/benches/results.json")).unwrap();
        assert!(!results.quick && results.rounds >= 3 && results.curves.len() == load::curve::NAMES.len());
        for row in results::Row::all() {
            assert!(results.median(row, server::Kind::Kfake).is_some(), "{}", row.id);
        }
    }
}
