//! The loads. One file each: what is sent, and which rows come out of it. A load is in [`ALL`], and nowhere else.

pub mod curve;
pub mod groups;
pub mod idle;
pub mod inside;
pub mod life;
pub mod observer;
pub mod payload;
pub mod single;
pub mod start;
pub mod transaction;
pub mod wide;

use std::ops::Deref;
use std::time::SystemTime;

use crate::results::Spec;
use crate::server::{Kind, Program, Server};

/// Every load, in the order in which they are run and shown.
pub const ALL: [&Load; 9] = [
    &payload::LOAD,
    &single::LOAD,
    &idle::LOAD,
    &life::LOAD,
    &transaction::LOAD,
    &groups::LOAD,
    &start::LOAD,
    &inside::LOAD,
    &wide::LOAD,
];

/// A load: what it measures, whom, and how.
#[derive(Debug)]
pub struct Load {
    pub rows: &'static [Spec],
    /// Why it says nothing of a server; `None` where it does.
    pub not_for: fn(Kind) -> Option<&'static str>,
    /// Whether client and server take turns on one core: where processor time is measured. Wall time is that of all cores.
    pub one_core: bool,
    /// Runs it once. A sample for each row that it has something to say of, by the row's id.
    pub run: fn(&mut Given<'_>) -> anyhow::Result<Samples>,
}

pub type Samples = Vec<(&'static str, f64)>;

/// What one run of a load is given.
#[derive(Debug)]
pub struct Given<'a> {
    pub program: &'a Program,
    /// Which round it is, from 0: Apache Kafka sees all of them.
    pub round: usize,
    /// Small loads are enough.
    pub quick: bool,
    /// Apache Kafka is started once: it takes seconds, and it is fastest when it is warm.
    pub kafka: &'a mut Option<Server>,
}

impl Given<'_> {
    /// How much of something: in a whole run, and in a quick one.
    pub fn size<T>(&self, whole: T, quick: T) -> T {
        if self.quick { quick } else { whole }
    }

    /// A server that has the topic of the payload.
    pub fn server(&mut self) -> anyhow::Result<Lent<'_>> {
        let topics = [(payload::TOPIC, payload::PARTITIONS)];
        if self.program.kind != Kind::Kafka {
            return Ok(Lent::Fresh(self.program.start(&topics)?));
        }
        Ok(Lent::Kept(match &mut *self.kafka {
            Some(server) => server,
            empty => empty.insert(self.program.start(&topics)?),
        }))
    }
}

/// A server, which ends with this if it is a fresh one.
#[derive(Debug)]
pub enum Lent<'a> {
    Fresh(Server),
    Kept(&'a Server),
}

impl Deref for Lent<'_> {
    type Target = Server;

    fn deref(&self) -> &Server {
        match self {
            Self::Fresh(server) => server,
            Self::Kept(server) => server,
        }
    }
}

/// The time of day, as records have it.
pub fn now_ms() -> i64 {
    let since_1970 = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(since_1970.as_millis()).unwrap_or(i64::MAX)
}
