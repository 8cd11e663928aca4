//! The results as tables: in Markdown, which is also readable on a terminal.

use std::fmt::Write;

use crate::results::{Measured, Results, Row};
use crate::server::Kind;

/// Every row, every server, medians with their spread, then the curves and what was left out.
pub fn render(results: &Results) -> String {
    let mut out = String::new();
    let kinds: Vec<_> = Kind::ALL
        .into_iter()
        .filter(|kind| results.rows.values().any(|servers| servers.contains_key(kind.name())))
        .collect();
    if !kinds.is_empty() {
        out += "| measured on the server process |";
        for kind in &kinds {
            let _ = write!(out, " {} |", kind.name());
        }
        out += " target |\n| --- |";
        out += &" ---: |".repeat(kinds.len() + 1);
        out.push('\n');
        for (row, servers) in &results.rows {
            let _ = write!(out, "| {} |", row.title);
            for kind in &kinds {
                let cell = servers.get(kind.name()).map_or_else(|| "–".to_owned(), cell);
                let _ = write!(out, " {cell} |");
            }
            let met = results.median(*row, Kind::Kfake).map(|median| median <= row.target);
            let verdict = match met {
                Some(true) => ", met",
                Some(false) => ", missed",
                None => "",
            };
            let _ = writeln!(out, " {}{verdict} |", number(row.target));
        }
        out.push('\n');
    }
    if let Some(widest) = results.curves.iter().map(|curve| curve.points.len()).max() {
        let counts = results.curves.iter().find(|curve| curve.points.len() == widest);
        out += "| CPU µs each, at |";
        for point in counts.iter().flat_map(|curve| &curve.points) {
            let _ = write!(out, " {} |", point.n);
        }
        out += " grows with |\n| --- |";
        out += &" ---: |".repeat(widest + 1);
        out.push('\n');
        for curve in &results.curves {
            let _ = write!(out, "| {} |", curve.name);
            for nth in 0..widest {
                let each = curve.points.get(nth).map(|point| point.cpu_us / point.n as f64);
                let _ = write!(out, " {} |", each.map_or_else(String::new, number));
            }
            let growth = curve
                .growth()
                .map_or_else(String::new, |growth| format!("n^{growth:.2}"));
            let _ = writeln!(out, " {growth} |");
        }
        out.push('\n');
    }
    if !results.observed.is_empty() {
        out += "| under the audit's observer | CPU ms alone | CPU ms observed | observing costs | target |\n";
        out += "| --- | ---: | ---: | ---: | ---: |\n";
        for observed in &results.observed {
            let in_ms = |measured: &Measured| cell(&Measured::of(measured.samples.iter().map(|us| us / 1e3).collect()));
            let (cost, target) = (observed.cost(), observed.target());
            let (cost, target) = match observed.tasks {
                Some(_) => (format!("{} µs a task", number(cost)), format!("{} µs", number(target))),
                None => (
                    format!("{} %", number(cost * 100.0)),
                    format!("{} %", number(target * 100.0)),
                ),
            };
            let verdict = if observed.cost() <= observed.target() {
                "met"
            } else {
                "missed"
            };
            let (alone, under) = (in_ms(&observed.alone), in_ms(&observed.observed));
            let _ = writeln!(
                out,
                "| {} | {alone} | {under} | {cost} | {target}, {verdict} |",
                observed.program
            );
        }
        out.push('\n');
    }
    if results.all_cores {
        out += "Client and server ran on all cores, not on one.\n";
    }
    for left in &results.left_out {
        let _ = writeln!(out, "Left out: {left}.");
    }
    out
}

fn cell(measured: &Measured) -> String {
    let Measured { median, min, max, .. } = *measured;
    if measured.samples.len() < 2 {
        return number(median);
    }
    format!("{} ({}–{})", number(median), number(min), number(max))
}

/// Three figures, as far as there are that many.
fn number(value: f64) -> String {
    match value.abs() {
        100.0.. => format!("{value:.0}"),
        10.0.. => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

/// The ids of all rows: for a message.
pub fn ids() -> String {
    Row::all().map(|row| row.id).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_shows_median_spread_and_whether_the_target_is_met() {
        let mut results = Results::default();
        let servers = [
            ("kfake".to_owned(), Measured::of(vec![0.30, 0.29, 0.33])),
            ("franz-go".to_owned(), Measured::of(vec![1.8])),
        ];
        results.rows.insert(Row::of("produce").unwrap(), servers.into());
        let text = render(&results);
        assert!(
            text.contains("| CPU s a GiB produced | 0.30 (0.29–0.33) | 1.80 | 0.35, met |"),
            "{text}"
        );
    }
}
