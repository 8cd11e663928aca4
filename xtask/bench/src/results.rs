//! What was measured, as data: the rows, their samples, the curves.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::server::Kind;

/// A row of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Row {
    Produce,
    Consume,
    Single,
    Idle,
    Life,
    Kept,
    PerGroup,
    Start,
    StartInside,
    Stop,
    StopInside,
}

impl Row {
    pub const ALL: [Self; 11] = [
        Self::Produce,
        Self::Consume,
        Self::Single,
        Self::Idle,
        Self::Life,
        Self::Kept,
        Self::PerGroup,
        Self::Start,
        Self::StartInside,
        Self::Stop,
        Self::StopInside,
    ];

    /// As options and results call it.
    pub fn id(self) -> &'static str {
        match self {
            Self::Produce => "produce",
            Self::Consume => "consume",
            Self::Single => "single",
            Self::Idle => "idle",
            Self::Life => "life",
            Self::Kept => "kept",
            Self::PerGroup => "per-group",
            Self::Start => "start",
            Self::StartInside => "start-inside",
            Self::Stop => "stop",
            Self::StopInside => "stop-inside",
        }
    }

    pub fn of(id: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|row| row.id() == id)
    }

    /// What is measured.
    pub fn title(self) -> &'static str {
        match self {
            Self::Produce => "CPU s a GiB produced",
            Self::Consume => "CPU s a GiB consumed",
            Self::Single => "CPU µs a one-record synchronous produce",
            Self::Idle => "CPU µs a poll of a fetch session over 1,000 idle partitions",
            Self::Life => "CPU µs a classic group's life",
            Self::Kept => "GiB of memory kept a GiB of payload",
            Self::PerGroup => "KiB of memory a live group with a member",
            Self::Start => "ms from the process's start to the first answer",
            Self::StartInside => "µs from the start to the first answer, in-process",
            Self::Stop => "ms to stop the process, 10,000 groups, 1,000 connections",
            Self::StopInside => "ms to close, 10,000 groups, 1,000 connections, in-process",
        }
    }

    /// What kfake is to reach.
    pub fn target(self) -> f64 {
        match self {
            Self::Produce => 0.35,
            Self::Consume => 0.30,
            Self::Single => 15.0,
            Self::Idle => 20.0,
            Self::Life => 90.0,
            Self::Kept => 1.05,
            Self::PerGroup => 4.0,
            Self::Start => 2.0,
            Self::StartInside => 300.0,
            Self::Stop | Self::StopInside => 50.0,
        }
    }
}

/// The samples of a row for one server.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    pub median: f64,
    pub min: f64,
    pub max: f64,
    pub samples: Vec<f64>,
}

impl Measured {
    pub fn of(samples: Vec<f64>) -> Self {
        let mut sorted = samples.clone();
        let median = median(&mut sorted);
        let (min, max) = (sorted.first().copied(), sorted.last().copied());
        Self {
            median,
            min: min.unwrap_or(median),
            max: max.unwrap_or(median),
            samples,
        }
    }
}

/// The middle of the numbers, which it sorts; the mean of the two in the middle of an even count; NaN of none.
pub fn median(numbers: &mut [f64]) -> f64 {
    numbers.sort_by(f64::total_cmp);
    match (numbers.len(), numbers.len() / 2) {
        (0, _) => f64::NAN,
        (odd, middle) if odd % 2 == 1 => numbers[middle],
        (_, middle) => f64::midpoint(numbers[middle - 1], numbers[middle]),
    }
}

/// What a load of `n` of something cost.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Point {
    pub n: usize,
    /// Microseconds of the server's processor time, all together.
    pub cpu_us: f64,
    /// KiB that its memory grew by.
    pub memory_kib: f64,
}

/// A cost that grows with the number of something.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Curve {
    pub name: String,
    pub points: Vec<Point>,
}

impl Curve {
    /// The power of n that the processor time grows by over the last decade: 1 is linear.
    pub fn growth(&self) -> Option<f64> {
        let [.., before, last] = self.points.as_slice() else {
            return None;
        };
        let steps = (last.n as f64 / before.n as f64).log10();
        Some((last.cpu_us / before.cpu_us).log10() / steps)
    }
}

/// A whole run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Results {
    /// How many processors the machine has.
    pub processors: usize,
    pub rounds: usize,
    /// A short run: it shows that everything works, and its numbers are coarse.
    pub quick: bool,
    /// By row, then by server.
    pub rows: BTreeMap<Row, BTreeMap<String, Measured>>,
    pub curves: Vec<Curve>,
    /// Servers and rows that are not there, and why.
    pub left_out: Vec<String>,
}

impl Results {
    pub fn median(&self, row: Row, kind: Kind) -> Option<f64> {
        Some(self.rows.get(&row)?.get(kind.name())?.median)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_median_is_the_middle_one() {
        assert_eq!(median(&mut [9.0, 1.0, 5.0]), 5.0);
        assert_eq!(median(&mut [1.0, 2.0, 4.0, 9.0]), 3.0);
        assert!(median(&mut []).is_nan());
    }

    #[test]
    fn growth_is_the_exponent_of_the_last_decade() {
        let curve = |costs: &[(usize, f64)]| Curve {
            name: "groups".to_owned(),
            points: costs
                .iter()
                .map(|&(n, cpu_us)| Point {
                    n,
                    cpu_us,
                    memory_kib: 0.0,
                })
                .collect(),
        };
        let linear = curve(&[(1, 90.0), (1000, 5_000.0), (10_000, 50_000.0)])
            .growth()
            .unwrap();
        let square = curve(&[(1000, 5_000.0), (10_000, 500_000.0)]).growth().unwrap();
        assert!((linear - 1.0).abs() < 1e-9 && (square - 2.0).abs() < 1e-9);
        assert_eq!(curve(&[(1, 1.0)]).growth(), None);
    }

    #[test]
    fn every_row_is_found_by_its_id_and_written_under_it() {
        for row in Row::ALL {
            assert_eq!(Row::of(row.id()), Some(row));
            assert_eq!(serde_json::to_value(row).unwrap(), row.id());
        }
    }
}
