//! A run: every load against every server in turn, round after round.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context;

use crate::awake::Awake;
use crate::cores::OneCore;
use crate::flags::Options;
use crate::load;
use crate::load::{Given, Load, curve, now_ms, observer};
use crate::meter;
use crate::results::{Measured, Results, Row};
use crate::server::{Kind, Program, Server};

/// Up to how many the curves go.
const COUNTS: [&[usize]; 2] = [&[1, 10, 100, 1_000, 10_000], &[1, 10, 100]];

/// Measures what was asked for.
pub fn run(options: &Options, root: &Path) -> anyhow::Result<Results> {
    let files = usize::try_from(meter::raise_file_limit())?;
    let mut bench = Bench {
        options,
        programs: Vec::new(),
        kafka: None,
        samples: BTreeMap::new(),
        results: Results {
            processors: std::thread::available_parallelism().map_or(0, usize::from),
            rounds: options.rounds,
            quick: options.quick,
            all_cores: options.all_cores,
            ..Results::default()
        },
    };
    for &kind in &options.peers {
        match Program::find(kind, root) {
            Ok(program) => bench.programs.push(program),
            Err(error) if kind == Kind::Kfake => return Err(error),
            Err(error) => bench.leave_out(format!("{}: {error:#}", kind.name())),
        }
    }
    let awake = Awake::keep(bench.results.processors);
    if let Err(error) = &awake {
        bench.leave_out(format!("cores that are kept awake: {error}"));
    }
    for load in load::ALL {
        if load
            .rows
            .iter()
            .any(|row| options.rows.iter().any(|asked| asked.id == row.id))
        {
            bench.load(load)?;
        }
    }
    bench.kafka = None;
    let one_core = bench.one_core(true);
    bench.curves(files)?;
    drop(one_core);
    drop(awake);
    if options.observer {
        match observer::run(options, root)? {
            Ok(observed) => bench.results.observed = observed,
            Err(why) => bench.leave_out(format!("the audit's observer: {why}")),
        }
    }
    Ok(bench.finish())
}

struct Bench<'a> {
    options: &'a Options,
    programs: Vec<Program>,
    kafka: Option<Server>,
    samples: BTreeMap<(Row, Kind), Vec<f64>>,
    results: Results,
}

impl Bench<'_> {
    fn leave_out(&mut self, what: String) {
        eprintln!("left out: {what}");
        self.results.left_out.push(what);
    }

    /// One core for client and server, if that is how a load is measured.
    fn one_core(&mut self, wanted: bool) -> Option<OneCore> {
        if !wanted || self.options.all_cores {
            return None;
        }
        OneCore::take()
            .inspect_err(|error| {
                let what = format!("one core for client and server: {error}");
                if !self.results.left_out.contains(&what) {
                    self.leave_out(what);
                }
            })
            .ok()
    }

    /// One load: in each round every server, beginning with another one each time.
    fn load(&mut self, load: &Load) -> anyhow::Result<()> {
        let name = load.rows[0].id;
        let mut programs = Vec::new();
        for program in self.programs.clone() {
            match (load.not_for)(program.kind) {
                None => programs.push(program),
                Some(why) => self.leave_out(format!("{}, {name}: it {why}", program.kind.name())),
            }
        }
        let one_core = self.one_core(load.one_core);
        for round in 0..self.options.rounds {
            for nth in 0..programs.len() {
                let program = &programs[(nth + round) % programs.len()];
                eprintln!("{name}, round {}, {}", round + 1, program.kind.name());
                let samples = (load.run)(&mut Given {
                    program,
                    round,
                    quick: self.options.quick,
                    kafka: &mut self.kafka,
                })?;
                for (id, sample) in samples {
                    let row = Row::of(id).with_context(|| format!("no row is named {id}"))?;
                    if self.options.rows.contains(&row) {
                        self.samples.entry((row, program.kind)).or_default().push(sample);
                    }
                }
            }
        }
        drop(one_core);
        Ok(())
    }

    fn curves(&mut self, files: usize) -> anyhow::Result<()> {
        let Some(kfake) = self
            .programs
            .iter()
            .find(|program| program.kind == Kind::Kfake)
            .cloned()
        else {
            return Ok(());
        };
        for name in &self.options.curves {
            let wanted = COUNTS[usize::from(self.options.quick)];
            let counts: Vec<_> = wanted.iter().copied().filter(|n| n + 100 < files).collect();
            if counts.len() < wanted.len() {
                let what = format!("points of the curves above {counts:?}: at most {files} files may be open");
                self.leave_out(what);
            }
            eprintln!("curve of {name}");
            let curve = curve::run(&kfake, name, &counts, now_ms())?;
            self.results.curves.push(curve);
        }
        Ok(())
    }

    fn finish(mut self) -> Results {
        for ((row, kind), samples) in self.samples {
            let servers = self.results.rows.entry(row).or_default();
            servers.insert(kind.name().to_owned(), Measured::of(samples));
        }
        self.results
    }
}
