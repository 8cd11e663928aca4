//! `--random`: sequences that nobody wrote, on both clusters, for as long as told.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::anyhow;
use kfake_differential::compare::{Outcome, Verdict, Wanted};
use kfake_differential::random::{Coverage, Offered, scenario, sequence, shrink};
use kfake_differential::run;
use kfake_differential::text::scenario::{Scenario, Setup};
use kfake_differential::transcript::Transcript;
use kfake_differential::tree::Value;

use super::clusters::{self, Running};

/// A difference that does not come again this many times is a race between the clusters' own threads.
const TIMES: usize = 3;
/// Sequences at a time: they mostly wait for Apache Kafka's disk.
const AT_ONCE: usize = 4;
/// So many sequences that did not come to their end are shown.
const SHOWN: usize = 3;

/// The two clusters, and how many sequences they have had: names are never used again.
struct Both {
    kafka: Running,
    kfake: Running,
    offered: Offered,
    /// What one of them does not offer differs in each answer to ApiVersions.
    wanted: Vec<Wanted>,
    runs: AtomicUsize,
}

impl Both {
    fn go(&self, scenario: &Scenario) -> (Transcript, Transcript) {
        let nth = self.runs.fetch_add(1, Ordering::Relaxed);
        // Five digits of a scenario's number: always as long.
        let prefix = run::prefix(9 + (nth / 100_000) as u16, nth % 100_000);
        let oracle = run::run(&self.kafka.side, scenario, &prefix);
        let other = run::run(&self.kfake.side, scenario, &prefix);
        // Each topic that is left makes Apache Kafka slower. One that cannot be deleted now does no harm.
        for side in [&self.kafka.side, &self.kfake.side] {
            let _ = side.delete_topics(&prefix);
        }
        (oracle, other)
    }

    fn judge(&self, scenario: &Scenario) -> Verdict {
        let (oracle, other) = self.go(scenario);
        self.verdict(&oracle, &other)
    }

    fn verdict(&self, oracle: &Transcript, other: &Transcript) -> Verdict {
        let mut oracle = oracle.clone();
        // It has failed inside: there is nothing to compare with.
        let unanswered = Value::Masked("no answer".to_owned());
        if let Some(answer) = oracle.answers.iter().find(|answer| answer.value == unanswered) {
            let failure = format!("line {}: no answer to {}", answer.line, answer.label);
            oracle.failure.get_or_insert(failure);
        }
        let mut verdict = Verdict::of([("random", &oracle, other)], &self.wanted);
        // Most sequences do not ask.
        verdict.gone.clear();
        verdict
    }

    /// Whether the lines are answered differently, each time. Lines that cannot be gone through show nothing.
    fn differ(&self, lines: &[String]) -> bool {
        let Ok(scenario) = scenario(lines) else { return false };
        (0..TIMES).all(|_| self.judge(&scenario).count(&Outcome::Different) > 0)
    }

    /// What is left of lines that differ: first steps are left out, then the lines of those that are several.
    fn smallest(&self, lines: &[String]) -> Vec<String> {
        let steps = shrink(lines, |lines| self.differ(lines));
        let lines = apart(&steps);
        match lines.len() > steps.len() {
            true => apart(&shrink(&lines, |lines| self.differ(lines))),
            false => lines,
        }
    }
}

/// Each line for itself, but for those that wait for what is before them.
fn apart(steps: &[String]) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for line in steps.iter().flat_map(|step| step.lines()) {
        let waits = ["until ", "settle ", "silent ", "close ", "topic ~z", "topic ~q"];
        match lines.last_mut() {
            Some(last) if waits.iter().any(|word| line.starts_with(word)) => *last = format!("{last}\n{line}"),
            _ => lines.push(line.to_owned()),
        }
    }
    lines
}

/// The APIs that one of two offers and the other does not.
fn not_offered(kafka: &Offered, both: &Offered) -> Vec<Wanted> {
    let missing = kafka
        .each()
        .filter(|(name, _)| both.each().all(|(known, _)| known != *name));
    let at = missing.map(|(name, _)| format!("apiKeys.{name}")).collect();
    vec![Wanted {
        scenario: "random/random".to_owned(),
        at,
        reason: "it is not offered by both".to_owned(),
    }]
}

/// What the sequences have come to.
#[derive(Default)]
struct Found {
    identical: usize,
    different: usize,
    /// Differences that did not come again.
    races: usize,
    /// Sequences that did not come to their end on Apache Kafka.
    broken: usize,
    coverage: Coverage,
}

fn sequence_of(both: &Both, seed: u64, found: &Mutex<Found>) -> anyhow::Result<()> {
    let lines = sequence(seed, &both.offered);
    let (oracle, other) = both.go(&scenario(&lines)?);
    let verdict = both.verdict(&oracle, &other);
    let failure = verdict.judged.iter().find_map(|judged| judged.failure.clone());
    let differs = verdict.count(&Outcome::Different) > 0;
    let again = differs && both.differ(&lines);
    {
        let mut found = found.lock().map_err(|error| anyhow!("{error}"))?;
        found.coverage.add(&oracle);
        if let Some(failure) = &failure {
            found.broken += 1;
            if found.broken <= SHOWN {
                println!("\n# --seed {seed} does not come to its end: {failure}");
                print!("{}", verdict.text("Apache Kafka", "kfake"));
            }
        } else if !differs {
            found.identical += 1;
        } else if !again {
            found.races += 1;
            println!("\n# --seed {seed} differed once, and not again");
            print!("{}", verdict.text("Apache Kafka", "kfake"));
        }
    }
    if again {
        let small = both.smallest(&lines);
        let mut found = found.lock().map_err(|error| anyhow!("{error}"))?;
        found.different += 1;
        println!(
            "\n# --seed {seed}\n== found by chance, seed {seed}\n{}",
            small.join("\n")
        );
        print!("{}", both.judge(&scenario(&small)?).text("Apache Kafka", "kfake"));
    }
    Ok(())
}

/// Sends sequences for some seconds, prints what differs and what was met, and gives the exit code.
pub fn run(seconds: u64, seed: Option<u64>) -> anyhow::Result<u8> {
    let setup = Setup {
        brokers: 1,
        shows_brokers: false,
        is_slow: false,
        configs: BTreeMap::new(),
    };
    let kafka = clusters::kafka(&setup)?;
    let kfake = clusters::kfake(&clusters::build_kfake()?, &setup, false)?;
    let offers = |running: &Running| running.side.offered().map_err(|error| anyhow!(error));
    let (all, kfakes) = (offers(&kafka)?, offers(&kfake)?);
    let offered = all.and(&kfakes);
    let both = Both {
        wanted: not_offered(&all, &offered),
        offered,
        kafka,
        kfake,
        runs: AtomicUsize::new(0),
    };
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?;
    let first = seed.unwrap_or(now.as_secs());
    let begin = Instant::now();
    let next = AtomicU64::new(first);
    let found = Mutex::new(Found::default());
    let work = || -> anyhow::Result<()> {
        while begin.elapsed() < Duration::from_secs(seconds) {
            sequence_of(&both, next.fetch_add(1, Ordering::Relaxed), &found)?;
        }
        Ok(())
    };
    thread::scope(|scope| {
        let workers: Vec<_> = (0..AT_ONCE).map(|_| scope.spawn(work)).collect();
        workers
            .into_iter()
            .try_for_each(|worker| worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    })?;
    let found = found.into_inner().map_err(|error| anyhow!("{error}"))?;
    println!("\n{}{}", found.coverage, found.coverage.met(&both.offered));
    if found.broken + found.races > 0 {
        println!(
            "{} sequences did not come to their end on Apache Kafka, {} differed once and not again",
            found.broken, found.races
        );
    }
    println!(
        "seeds from {first}: {} identical, {} different",
        found.identical, found.different
    );
    Ok(u8::from(found.different > 0))
}
