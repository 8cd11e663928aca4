//! `--random`: sequences that nobody wrote, on both clusters, for as long as told.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use kfake_differential::compare::{Outcome, Verdict};
use kfake_differential::random::{scenario, sequence, shrink};
use kfake_differential::run;
use kfake_differential::text::scenario::{Scenario, Setup};

use super::clusters::{self, Running};

/// A difference that does not come again this many times is a race between the clusters' own threads.
const TIMES: usize = 3;

/// The two clusters, and how many sequences they have had: names are never used again.
struct Both {
    kafka: Running,
    kfake: Running,
    runs: Cell<usize>,
}

impl Both {
    fn judge(&self, scenario: &Scenario) -> Verdict {
        self.runs.set(self.runs.get() + 1);
        let prefix = run::prefix(9, self.runs.get());
        let oracle = run::run(&self.kafka.side, scenario, &prefix);
        let other = run::run(&self.kfake.side, scenario, &prefix);
        Verdict::of([("random", &oracle, &other)], &[])
    }

    /// Whether the lines are answered differently, each time. Lines that cannot be gone through show nothing.
    fn differ(&self, lines: &[String]) -> bool {
        let Ok(scenario) = scenario(lines) else { return false };
        (0..TIMES).all(|_| self.judge(&scenario).count(&Outcome::Different) > 0)
    }
}

/// Sends sequences for some seconds, prints what differs, and gives the exit code.
pub fn run(seconds: u64, seed: Option<u64>) -> anyhow::Result<u8> {
    let setup = Setup {
        brokers: 1,
        shows_brokers: false,
        is_slow: false,
        configs: BTreeMap::new(),
    };
    let both = Both {
        kafka: clusters::kafka(&setup)?,
        kfake: clusters::kfake(&clusters::build_kfake()?, &setup, false)?,
        runs: Cell::new(0),
    };
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?;
    let first = seed.unwrap_or(now.as_secs());
    let begin = Instant::now();
    let (mut identical, mut different) = (0, 0);
    for seed in first.. {
        if begin.elapsed() > Duration::from_secs(seconds) {
            break;
        }
        let lines = sequence(seed);
        if !both.differ(&lines) {
            identical += 1;
            continue;
        }
        different += 1;
        let small = shrink(&lines, |lines| both.differ(lines));
        println!(
            "\n# --seed {seed}\n== found by chance, seed {seed}\n{}",
            small.join("\n")
        );
        print!("{}", both.judge(&scenario(&small)?).text("Apache Kafka", "kfake"));
    }
    println!("\nseeds from {first}: {identical} identical, {different} different");
    Ok(u8::from(different > 0))
}
