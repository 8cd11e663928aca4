//! `--check`: this run against the committed one. What is compared are ratios to the bare loopback of the same run, so that a
//! slower machine, or a busy one, is not taken for slower code.

use std::fmt;

use crate::results::{Anchor, Results, Row};
use crate::server::Kind;

/// The power of n above which a curve is worse than linear: it leaves room for caches that no longer fit, not for n log n twice.
pub const GROWTH_LIMIT: f64 = 1.25;

/// Something that has become worse.
#[derive(Debug, Clone, PartialEq)]
pub enum Worse {
    /// kfake's ratio to its anchor has grown.
    Row {
        row: Row,
        before: f64,
        now: f64,
        limit: f64,
    },
    /// The committed run has it and this one, which was asked for it, has not.
    Missing(Row),
    /// A curve rises more steeply than it may.
    Curve { name: String, growth: f64 },
}

impl fmt::Display for Worse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Row {
                row,
                before,
                now,
                limit,
            } => write!(
                f,
                "{}: {now:.2} times its anchor, {before:.2} in the committed results, at most {limit:.2} allowed",
                row.id
            ),
            Self::Missing(row) => write!(f, "{}: not measured", row.id),
            Self::Curve { name, growth } => write!(f, "{name}: grows with n^{growth:.2}, n^{GROWTH_LIMIT} allowed"),
        }
    }
}

/// What the row's number is divided by. Memory is what it is.
fn anchor(results: &Results, row: Row) -> Option<f64> {
    match row.anchor {
        Anchor::Nothing => Some(1.0),
        Anchor::Loopback => results.median(row, Kind::Loopback),
        Anchor::Keeper => results.median(row, Kind::Keeper),
        Anchor::LoopbackIn(id) => results.median(Row::of(id)?, Kind::Loopback),
    }
}

/// What is worse in `now` than in `committed`, of the rows asked for.
pub fn compare(committed: &Results, now: &Results, asked: &[Row]) -> Vec<Worse> {
    let ratio = |results, row| Some(Results::median(results, row, Kind::Kfake)? / anchor(results, row)?);
    let mut worse = Vec::new();
    for &row in asked {
        match (ratio(committed, row), ratio(now, row)) {
            (None, _) => {}
            (Some(_), None) => worse.push(Worse::Missing(row)),
            (Some(before), Some(now)) => {
                let limit = before * (1.0 + row.tolerance);
                // A ratio that is no number passes nothing.
                if now.is_nan() || now > limit {
                    worse.push(Worse::Row {
                        row,
                        before,
                        now,
                        limit,
                    });
                }
            }
        }
    }
    for curve in &now.curves {
        if let Some(growth) = curve.growth()
            && growth > GROWTH_LIMIT
        {
            let name = curve.name.clone();
            worse.push(Worse::Curve { name, growth });
        }
    }
    worse
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::{Curve, Measured, Point};

    fn row(id: &str) -> Row {
        Row::of(id).unwrap()
    }

    fn all() -> Vec<Row> {
        Row::all().collect()
    }

    /// A run on a machine so many times slower, where kfake's produce is so many times slower besides.
    fn run(machine: f64, produce: f64) -> Results {
        let mut results = Results::default();
        for (row, loopback, kfake) in [
            (row("produce"), 0.17, 0.34 * produce),
            (row("single"), 8.0, 16.0),
            (row("start"), 1.0, 2.0),
        ] {
            let of = |value: f64| Measured::of(vec![value * machine]);
            let servers = ["loopback", "loopback-keeps"].map(|name| (name.to_owned(), of(loopback)));
            let kfake = ("kfake".to_owned(), of(kfake));
            results.rows.insert(row, servers.into_iter().chain([kfake]).collect());
        }
        let kept = [("kfake".to_owned(), Measured::of(vec![1.04]))];
        results.rows.insert(row("kept"), kept.into());
        results
    }

    #[test]
    fn a_slower_machine_is_not_slower_code() {
        assert_eq!(compare(&run(1.0, 1.0), &run(3.0, 1.0), &all()), []);
    }

    #[test]
    fn a_planted_slowness_is_caught_on_any_machine() {
        for machine in [0.5, 1.0, 3.0] {
            let worse = compare(&run(1.0, 1.0), &run(machine, 1.5), &all());
            assert!(
                matches!(worse.as_slice(), [Worse::Row { row, .. }] if row.id == "produce"),
                "machine {machine}: {worse:?}"
            );
        }
    }

    #[test]
    fn memory_that_grew_is_caught() {
        let mut now = run(1.0, 1.0);
        let kept = [("kfake".to_owned(), Measured::of(vec![1.6]))];
        now.rows.insert(row("kept"), kept.into());
        assert!(matches!(
            compare(&run(1.0, 1.0), &now, &all())[..],
            [Worse::Row { row, .. }] if row.id == "kept"
        ));
    }

    #[test]
    fn a_row_that_was_asked_for_and_is_gone_is_caught_and_one_not_asked_for_is_not() {
        let mut now = run(1.0, 1.0);
        now.rows.remove(&row("single"));
        assert_eq!(compare(&run(1.0, 1.0), &now, &all()), [Worse::Missing(row("single"))]);
        assert_eq!(compare(&run(1.0, 1.0), &now, &[row("produce")]), []);
    }

    #[test]
    fn a_number_that_is_none_passes_nothing() {
        assert_eq!(compare(&run(1.0, 1.0), &run(1.0, f64::NAN), &all()).len(), 1);
    }

    #[test]
    fn a_planted_quadratic_curve_is_caught_and_a_linear_one_is_not() {
        let curve = |power: f64| Curve {
            name: "members".to_owned(),
            points: [1_usize, 10, 100, 1000]
                .map(|n| Point {
                    n,
                    cpu_us: 30.0 * (n as f64).powf(power),
                    memory_kib: 0.0,
                })
                .to_vec(),
        };
        let with = |power| Results {
            curves: vec![curve(power)],
            ..run(1.0, 1.0)
        };
        assert_eq!(compare(&run(1.0, 1.0), &with(1.05), &all()), []);
        assert!(matches!(
            compare(&run(1.0, 1.0), &with(1.9), &all())[..],
            [Worse::Curve { .. }]
        ));
    }
}
