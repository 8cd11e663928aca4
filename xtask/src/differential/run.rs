//! What is asked for, done.

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, ensure};
use kfake_differential::compare::{Verdict, wanted};
use kfake_differential::corpus::{self, by_setup};
use kfake_differential::text::scenario::{File, Scenario, Setup};
use kfake_differential::transcript::{Golden, Transcript};

use super::clusters::{self, Running};
use super::random;
use super::steadiness::Steadiness;
use crate::flags::{Against, Differential};

/// Scenarios on one cluster at a time. They mostly wait: for Apache Kafka itself, and for times that they set.
const AT_ONCE: usize = 4;
const AT_ONCE_ON_KFAKE: usize = 16;

/// Runs it, and gives the exit code.
pub fn run(options: Differential) -> anyhow::Result<u8> {
    if let Some(seconds) = options.random {
        return random::run(seconds, options.seed);
    }
    let files = chosen(&options)?;
    let against = against(&options)?;
    let program = match &options.peer {
        Some(peer) => peer.clone(),
        None if against == Against::Refresh || against == Against::Itself => PathBuf::new(),
        None => clusters::build_kfake()?,
    };
    let version = clusters::kafka_version()?;
    let is_whole = options.files.is_empty() && options.filter.is_none();
    let mut sides: Vec<(String, Transcript, Transcript)> = Vec::new();
    let mut steadiness = Steadiness::default();
    let (mut written, mut broken) = (0, Vec::new());
    let setups: Vec<(Setup, Vec<&File>)> = by_setup(&files).into_iter().collect();
    let mut ahead = clusters::Ahead::default();
    for (place, (setup, files)) in setups.iter().enumerate() {
        let begin = Instant::now();
        let scenarios: Vec<&Scenario> = files.iter().flat_map(|file| &file.scenarios).collect();
        let at_once = |running: &Running, run, at_once| corpus::go(&running.side, &scenarios, run, at_once);
        let go = |running: &Running, run| at_once(running, run, AT_ONCE);
        // Of a slow file the kept answers do, unless it is named.
        let against = match against {
            Against::Live if setup.is_slow && options.files.is_empty() => Against::Golden,
            Against::Itself if setup.is_slow && options.files.is_empty() => continue,
            against => against,
        };
        let oracle = match against {
            Against::Golden => golden_answers(files)?,
            Against::Live | Against::Refresh => {
                let kafka = ahead.take(setup)?;
                // Not beside the first, which may be about to write the archive that the others start faster by. And not where brokers
                // are stopped: who gets no processor for a while is missed there.
                let stops = scenarios.iter().any(|scenario| scenario.stops());
                if let (1.., false, Some((next, _))) = (place, stops, setups.get(place + 1)) {
                    ahead.begin(next);
                }
                go(&kafka, 1)
            }
            Against::Itself => {
                // Each on a cluster of its own: some scenarios change what all later ones would meet.
                let first = go(&clusters::kafka(setup)?, 1);
                let second = go(&clusters::kafka(setup)?, 2);
                push(&mut sides, files, first, second);
                continue;
            }
        };
        if against == Against::Refresh {
            write_golden(files, &oracle, &version)?;
            written += oracle.len();
            broken.extend(
                oracle
                    .into_iter()
                    .filter_map(|t| Some(format!("{}: {}", t.title, t.failure?))),
            );
            continue;
        }
        if against == Against::Live && options.peer.is_none() {
            steadiness.answered(setup, files, sides.len());
        }
        let other = match options.peer.is_some() {
            false => at_once(&clusters::kfake(&program, setup, false)?, 3, AT_ONCE_ON_KFAKE),
            true => peer_answers(&program, setup, &scenarios)?,
        };
        eprintln!(
            "{} scenarios in {:.1} s",
            scenarios.len(),
            begin.elapsed().as_secs_f32()
        );
        push(&mut sides, files, oracle, other);
    }
    if against == Against::Refresh {
        ensure!(
            broken.is_empty(),
            "scenarios did not come to their end:\n{}",
            broken.join("\n")
        );
        println!("{written} scenarios' answers of Apache Kafka {version} written");
        return Ok(0);
    }
    drop(ahead);
    steadiness.settle(&mut sides)?;
    // What is listed is listed of kfake.
    let (name, listed) = match (against, &options.peer) {
        (Against::Itself, _) => ("again", Vec::new()),
        (_, Some(_)) => ("the peer", Vec::new()),
        _ => ("kfake", wanted()?),
    };
    let pairs = sides.iter().map(|(file, oracle, other)| (file.as_str(), oracle, other));
    let mut verdict = Verdict::of(pairs, &listed);
    if !is_whole {
        verdict.gone.clear();
    }
    let whole = is_whole.then_some(sides.len());
    let oracle = format!("Apache Kafka {version}");
    print!("{}{}", steadiness.text(&oracle, whole), verdict.text(&oracle, name));
    Ok(u8::from(!(verdict.holds() && steadiness.holds(whole))))
}

/// What to compare with: what was asked for, or else what there is.
fn against(options: &Differential) -> anyhow::Result<Against> {
    let missing = clusters::missing_for_kafka();
    let against = match options.against {
        Some(against) => against,
        None if missing.is_empty() => Against::Live,
        None => {
            eprintln!(
                "no {} here: comparing with the golden answers",
                missing.join(" and no ")
            );
            Against::Golden
        }
    };
    if against != Against::Golden {
        ensure!(missing.is_empty(), "Apache Kafka needs {}", missing.join(" and "));
    }
    Ok(against)
}

/// One scenario at a time: a peer that a scenario ends is started again for the next.
fn peer_answers(program: &Path, setup: &Setup, scenarios: &[&Scenario]) -> anyhow::Result<Vec<Transcript>> {
    let mut running = clusters::kfake(program, setup, true)?;
    let mut answers = Vec::new();
    for (run, scenario) in (0..).zip(scenarios) {
        if running.has_died() {
            eprintln!("the peer did not outlive the scenario before {:?}", scenario.title);
            running = clusters::kfake(program, setup, true)?;
        }
        answers.extend(corpus::go(&running.side, &[*scenario], run, 1));
    }
    Ok(answers)
}

fn chosen(options: &Differential) -> anyhow::Result<Vec<File>> {
    let mut files = corpus::read(&corpus::directory())?;
    for name in &options.files {
        ensure!(
            files.iter().any(|file| file.name == *name),
            "no file of scenarios is named {name:?}"
        );
    }
    files.retain(|file| options.files.is_empty() || options.files.contains(&file.name));
    if let Some(filter) = &options.filter {
        for file in &mut files {
            file.scenarios
                .retain(|scenario| scenario.title.contains(filter.as_str()));
        }
        files.retain(|file| !file.scenarios.is_empty());
        ensure!(!files.is_empty(), "no scenario's title contains {filter:?}");
        ensure!(
            options.against != Some(Against::Refresh),
            "--refresh writes whole files: no --filter"
        );
    }
    Ok(files)
}

fn push(
    sides: &mut Vec<(String, Transcript, Transcript)>,
    files: &[&File],
    oracle: Vec<Transcript>,
    other: Vec<Transcript>,
) {
    let names = files
        .iter()
        .flat_map(|file| file.scenarios.iter().map(|_| file.name.clone()));
    sides.extend(
        names
            .zip(oracle)
            .zip(other)
            .map(|((name, oracle), other)| (name, oracle, other)),
    );
}

/// The golden answers to these scenarios, in their order.
fn golden_answers(files: &[&File]) -> anyhow::Result<Vec<Transcript>> {
    let mut answers = Vec::new();
    for file in files {
        let golden = corpus::read_golden(&file.name)?;
        for scenario in &file.scenarios {
            let found = golden.of(&scenario.title);
            let found =
                found.with_context(|| format!("no golden answers to {}/{} (--refresh)", file.name, scenario.title))?;
            answers.push(found.clone());
        }
    }
    Ok(answers)
}

fn write_golden(files: &[&File], oracle: &[Transcript], version: &str) -> anyhow::Result<()> {
    let mut answers = oracle.iter();
    for file in files {
        let golden = Golden {
            kafka: version.to_owned(),
            transcripts: answers.by_ref().take(file.scenarios.len()).cloned().collect(),
        };
        let path = corpus::golden_path(&file.name);
        std::fs::write(&path, golden.to_string()).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}
