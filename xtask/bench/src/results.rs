//! What was measured, as data: the rows, their samples, the curves.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt;

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::load;
use crate::server::Kind;

/// A row of the table, as its load's file describes it.
#[derive(Debug)]
pub struct Spec {
    /// As options and results call it.
    pub id: &'static str,
    /// What is measured.
    pub title: &'static str,
    /// What kfake is to reach.
    pub target: f64,
    /// How much a ratio may grow before `--check` calls it worse.
    pub tolerance: f64,
    /// What `--check` divides kfake's number by.
    pub anchor: Anchor,
}

/// How far processor time may differ: it repeats to a few percent.
pub const CPU: f64 = 0.35;
/// How far wall time may differ: on a shared machine it does not repeat.
pub const WALL: f64 = 1.0;
/// How far memory may differ.
pub const MEMORY: f64 = 0.15;

/// What tells how fast the machine is.
#[derive(Debug)]
pub enum Anchor {
    /// The loopback's number for the same row.
    Loopback,
    /// The number of the loopback that keeps what it receives: new memory is the most of what producing costs.
    Keeper,
    /// The loopback's number for another row, by its id.
    LoopbackIn(&'static str),
    /// Nothing: it is the same on any machine.
    Nothing,
}

/// One of the rows that there are.
#[derive(Clone, Copy)]
pub struct Row(&'static Spec);

impl Row {
    /// Every row, in the order of the table.
    pub fn all() -> impl Iterator<Item = Self> {
        load::ALL.iter().flat_map(|load| load.rows).map(Self)
    }

    pub fn of(id: &str) -> Option<Self> {
        Self::all().find(|row| row.id == id)
    }

    fn place(self) -> Option<usize> {
        Self::all().position(|row| row == self)
    }
}

impl std::ops::Deref for Row {
    type Target = Spec;

    fn deref(&self) -> &Spec {
        self.0
    }
}

impl fmt::Debug for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id)
    }
}

impl PartialEq for Row {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

impl Eq for Row {}

impl PartialOrd for Row {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Row {
    fn cmp(&self, other: &Self) -> Ordering {
        self.place().cmp(&other.place())
    }
}

impl Serialize for Row {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.id)
    }
}

impl<'de> Deserialize<'de> for Row {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let id = String::deserialize(deserializer)?;
        Self::of(&id).ok_or_else(|| D::Error::custom(format!("no row is named {id}")))
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

/// What a program costs alone and under the audit's observer: microseconds of its processor time, all together.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Observed {
    pub program: String,
    /// How many tasks it spawns, where its cost is told by the task.
    pub tasks: Option<usize>,
    pub alone: Measured,
    pub observed: Measured,
}

impl Observed {
    /// What observing costs: microseconds a task, or else the part of the program's own cost that comes on top.
    pub fn cost(&self) -> f64 {
        match self.tasks {
            Some(tasks) => (self.observed.median - self.alone.median) / tasks as f64,
            None => self.observed.median / self.alone.median - 1.0,
        }
    }

    /// What the cost is to stay under.
    pub fn target(&self) -> f64 {
        match self.tasks {
            Some(_) => 3.0,
            None => 0.10,
        }
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
    /// Programs alone and under the audit's observer.
    #[serde(default)]
    pub observed: Vec<Observed>,
    /// Whether processor time was measured with client and server on all cores.
    #[serde(default)]
    pub all_cores: bool,
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
        for row in Row::all() {
            assert_eq!(Row::of(row.id), Some(row));
            assert_eq!(
                Row::all().filter(|other| *other == row).count(),
                1,
                "two have the id {row:?}"
            );
            assert_eq!(serde_json::to_value(row).unwrap(), row.id);
            assert_eq!(serde_json::from_value::<Row>(row.id.into()).unwrap(), row);
        }
        assert!(serde_json::from_value::<Row>("speed".into()).is_err());
    }

    #[test]
    fn a_row_that_another_is_an_anchor_of_is_there() {
        for row in Row::all() {
            if let Anchor::LoopbackIn(id) = row.anchor {
                assert!(Row::of(id).is_some(), "{row:?}");
            }
        }
    }
}
