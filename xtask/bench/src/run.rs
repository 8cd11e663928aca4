//! A run: every load against every server in turn, round after round.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::SystemTime;

use crate::flags::Options;
use crate::load::{curve, groups, idle, inside, life, payload, single, start};
use crate::meter;
use crate::results::{Measured, Results, Row};
use crate::server::{Kind, Program, Server};

/// The sizes of the loads.
struct Sizes {
    payload: u64,
    singles: usize,
    idle: i32,
    polls: usize,
    lives: usize,
    groups: usize,
    connections: usize,
    starts: usize,
    curve: &'static [usize],
}

const WHOLE: Sizes = Sizes {
    payload: 1 << 30,
    singles: 20_000,
    idle: 1_000,
    polls: 20_000,
    lives: 2_000,
    groups: 10_000,
    connections: 1_000,
    starts: 15,
    curve: &[1, 10, 100, 1_000, 10_000],
};

const QUICK: Sizes = Sizes {
    payload: 64 << 20,
    singles: 1_000,
    idle: 1_000,
    polls: 1_000,
    lives: 100,
    groups: 500,
    connections: 50,
    starts: 3,
    curve: &[1, 10, 100],
};

/// The loads, by the rows that come out of each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Load {
    Payload,
    Single,
    Idle,
    Life,
    Groups,
    Start,
    Inside,
}

impl Load {
    const ALL: [(Self, &'static [Row]); 7] = [
        (Self::Payload, &[Row::Produce, Row::Consume, Row::Kept]),
        (Self::Single, &[Row::Single]),
        (Self::Idle, &[Row::Idle]),
        (Self::Life, &[Row::Life]),
        (Self::Groups, &[Row::PerGroup, Row::Stop]),
        (Self::Start, &[Row::Start]),
        (Self::Inside, &[Row::StartInside, Row::StopInside]),
    ];

    /// Why the load says nothing of a server.
    fn is_not_for(self, kind: Kind) -> Option<&'static str> {
        match (self, kind) {
            (Self::Single | Self::Life | Self::Groups | Self::Start | Self::Inside, Kind::Keeper) => {
                Some("is there for the payload alone")
            }
            (Self::Idle, Kind::Keeper | Kind::Loopback | Kind::MockRdkafka) => Some("keeps no fetch sessions"),
            (Self::Groups, Kind::Loopback) => Some("keeps no groups"),
            (Self::Groups, Kind::Kafka) => Some("keeps groups in a heap of fixed size"),
            (Self::Life | Self::Groups, Kind::MockRdkafka) => Some("waits three seconds in each group's first join"),
            (Self::Inside, Kind::KfakeGo | Kind::MockRdkafka | Kind::Kafka) => Some("is not written in Rust"),
            _ => None,
        }
    }
}

/// Measures what was asked for.
pub fn run(options: &Options, root: &Path) -> anyhow::Result<Results> {
    let files = usize::try_from(meter::raise_file_limit())?;
    let sizes = if options.quick { &QUICK } else { &WHOLE };
    let mut bench = Bench {
        sizes,
        options,
        programs: Vec::new(),
        kafka: None,
        samples: BTreeMap::new(),
        results: Results {
            processors: std::thread::available_parallelism().map_or(0, usize::from),
            rounds: options.rounds,
            quick: options.quick,
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
    for (load, rows) in Load::ALL {
        if rows.iter().any(|row| options.rows.contains(row)) {
            bench.load(load)?;
        }
    }
    bench.kafka = None;
    bench.curves(files)?;
    Ok(bench.finish())
}

struct Bench<'a> {
    sizes: &'a Sizes,
    options: &'a Options,
    programs: Vec<Program>,
    /// Apache Kafka is started once: it takes seconds, and it is fastest when it is warm.
    kafka: Option<Server>,
    samples: BTreeMap<(Row, Kind), Vec<f64>>,
    results: Results,
}

impl Bench<'_> {
    fn leave_out(&mut self, what: String) {
        eprintln!("left out: {what}");
        self.results.left_out.push(what);
    }

    /// One load: in each round every server, beginning with another one each time.
    fn load(&mut self, load: Load) -> anyhow::Result<()> {
        let mut programs = Vec::new();
        for program in self.programs.clone() {
            match load.is_not_for(program.kind) {
                None => programs.push(program),
                Some(why) => self.leave_out(format!("{}, {load:?}: it {why}", program.kind.name())),
            }
        }
        for round in 0..self.options.rounds {
            for nth in 0..programs.len() {
                let program = &programs[(nth + round) % programs.len()];
                eprintln!("{load:?}, round {}, {}", round + 1, program.kind.name());
                for (row, sample) in self.once(load, program, round)? {
                    if self.options.rows.contains(&row) {
                        self.samples.entry((row, program.kind)).or_default().push(sample);
                    }
                }
            }
        }
        Ok(())
    }

    fn once(&mut self, load: Load, program: &Program, round: usize) -> anyhow::Result<Vec<(Row, f64)>> {
        let sizes = self.sizes;
        let topics = [(payload::TOPIC, payload::PARTITIONS)];
        match load {
            Load::Start if program.kind == Kind::Kafka => {
                self.kafka = None;
                return start::run(program, 1);
            }
            Load::Start => return start::run(program, sizes.starts),
            Load::Inside => return inside::run(program.kind, sizes.groups, sizes.connections),
            Load::Groups => return groups::run(program.start(&topics)?, sizes.groups, sizes.connections),
            Load::Payload | Load::Single | Load::Idle | Load::Life => {}
        }
        let fresh;
        let server = if program.kind == Kind::Kafka {
            match &mut self.kafka {
                Some(server) => server,
                empty => empty.insert(program.start(&topics)?),
            }
        } else {
            fresh = program.start(&topics)?;
            &fresh
        };
        match load {
            Load::Payload => payload::run(server, sizes.payload, now_ms()),
            Load::Single => single::run(server, sizes.singles, now_ms()),
            Load::Idle => idle::run(server, sizes.idle, sizes.polls),
            _ => life::run(server, sizes.lives, round),
        }
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
            let counts: Vec<_> = self.sizes.curve.iter().copied().filter(|n| n + 100 < files).collect();
            if counts.len() < self.sizes.curve.len() {
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

fn now_ms() -> i64 {
    let since_1970 = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(since_1970.as_millis()).unwrap_or(i64::MAX)
}
