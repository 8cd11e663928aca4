//! What a file of scenarios says, and how it is written again.

use std::collections::BTreeMap;
use std::fmt::{self, Display, Formatter};

use crate::tree::Value;

/// What a file's scenarios are run on.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Setup {
    /// How many brokers.
    pub brokers: usize,
    /// Whether answers are compared with the brokers that they name. Where Apache Kafka places replicas by chance, they are not.
    pub shows_brokers: bool,
    /// Whether Apache Kafka takes so long that it is asked only where the file is named.
    pub is_slow: bool,
    /// Broker configurations by their Kafka names.
    pub configs: BTreeMap<String, String>,
}

/// What every cluster is told, since the defaults of the two differ or would cost time.
const COMMON: &[(&str, &str)] = &[
    ("auto.create.topics.enable", "false"),
    ("default.replication.factor", "1"),
    ("group.initial.rebalance.delay.ms", "0"),
    ("group.min.session.timeout.ms", "100"),
    ("num.partitions", "3"),
    // `start-kafka.sh` sets it.
    ("log.cleaner.dedupe.buffer.size", "16777216"),
];

impl Setup {
    /// How large the oracle's internal topics are (`start-kafka.sh`): a partition for each broker, and at most three replicas. What
    /// the file says itself counts.
    pub fn internal_topics(&self) -> impl Iterator<Item = (&'static str, String)> {
        let (partitions, replicas) = (self.brokers, self.brokers.min(3));
        let sizes = [
            ("offsets.topic.num.partitions", partitions),
            ("offsets.topic.replication.factor", replicas),
            ("transaction.state.log.num.partitions", partitions),
            ("transaction.state.log.replication.factor", replicas),
            ("transaction.state.log.min.isr", 1),
        ];
        let others = sizes.into_iter().filter(|(name, _)| !self.configs.contains_key(*name));
        others.map(|(name, size)| (name, size.to_string()))
    }

    /// Every broker configuration: what all clusters are told, and what this one is.
    pub fn all_configs(&self) -> impl Iterator<Item = (&str, &str)> {
        let own = self.configs.iter().map(|(key, value)| (key.as_str(), value.as_str()));
        let common = COMMON
            .iter()
            .copied()
            .filter(|(key, _)| !self.configs.contains_key(*key));
        common.chain(own)
    }
}

/// One file.
#[derive(Debug, Clone, PartialEq)]
pub struct File {
    /// Its name without the extension.
    pub name: String,
    /// What its scenarios are run on.
    pub setup: Setup,
    /// Its scenarios, a version each.
    pub scenarios: Vec<Scenario>,
}

/// One scenario at one version.
#[derive(Debug, Clone, PartialEq)]
pub struct Scenario {
    /// The title, with its version.
    pub title: String,
    /// Where it begins.
    pub line: usize,
    /// Whether no other scenario may be run on the cluster meanwhile.
    pub alone: bool,
    /// What happens.
    pub steps: Vec<Step>,
}

impl Scenario {
    /// Whether it stops a broker.
    #[must_use]
    pub fn stops(&self) -> bool {
        self.steps.iter().any(|step| matches!(step.action, Action::Stop(_)))
    }
}

/// A step and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// The line it begins on.
    pub line: usize,
    /// What to do.
    pub action: Action,
}

/// A connection's name, and the broker that it is opened to when it is first used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connection {
    /// Its name.
    pub name: String,
    /// Where it leads.
    pub target: Target,
}

/// A broker by its role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// The first, or where the connection already leads.
    Default,
    /// The n-th.
    Broker(usize),
    /// Who leads a partition, or (false) who does not.
    Leader(String, i32, bool),
    /// Who coordinates a group, or (false) who does not.
    Coordinator(String, bool),
    /// Who coordinates a transactional id, or (false) who does not.
    Transactions(String, bool),
}

/// A request.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// Where it is sent.
    pub on: Connection,
    /// The API's name.
    pub api: String,
    /// Its version.
    pub version: i16,
    /// Its body.
    pub body: Value,
}

/// What an answer has to be.
#[derive(Debug, Clone, PartialEq)]
pub struct Condition {
    /// Into the answer.
    pub path: String,
    /// How what is there relates to the value.
    pub relation: Relation,
    /// What it is compared with.
    pub value: Value,
}

/// How what an answer has at a path relates to a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Relation {
    /// It is that value.
    Is,
    /// It is a list with a struct that has these fields.
    Has,
    /// It is a list without one.
    Lacks,
}

impl Relation {
    /// Whether this answer, or its absence, is so.
    pub fn holds(self, found: Option<&Value>, wanted: &Value) -> bool {
        match (self, found) {
            (Self::Is, found) => found == Some(wanted),
            (Self::Has, Some(Value::List(list))) => list.iter().any(|item| item.covers(wanted)),
            (Self::Lacks, Some(Value::List(list))) => !list.iter().any(|item| item.covers(wanted)),
            _ => false,
        }
    }
}

impl Display for Condition {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let relation = match self.relation {
            Relation::Is => "=",
            Relation::Has => "has",
            Relation::Lacks => "lacks",
        };
        write!(f, "{} {relation} {}", self.path, self.value)
    }
}

/// What a step does. What is answered in `Ask`, `Repeat` (the last time), `Receive`, `Until`, `Settle` and `Raw` is compared.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// Creates a topic and waits until each partition can be read.
    Topic {
        /// Its name.
        name: String,
        /// How many partitions.
        partitions: i64,
        /// How many replicas.
        replicas: i64,
        /// Its configurations.
        configs: Vec<(String, String)>,
    },
    /// Sends and waits for the answer.
    Ask(Request),
    /// Sends and goes on.
    Send(String, Request),
    /// Waits for the answer of what was sent.
    Receive(String),
    /// Asks until the answer is as wanted.
    Until(Request, Condition),
    /// Asks the same so many times, several at once, and compares what is answered to the last.
    Repeat(usize, Request),
    /// Asks who coordinates a transactional id until none of its transactions is being ended any more.
    Settle(Request),
    /// Keeps a value of the last answer.
    Let(String, String),
    /// The last answer has this value at this path, on both sides.
    Expect(String, Value),
    /// Closes a connection.
    Close(String),
    /// Nothing was answered on a connection: the answer to a request sent now comes first.
    Silent(Connection),
    /// Sends a frame's bytes behind its length, and waits for what comes.
    Raw(Connection, Value),
    /// Sends bytes as they are, a part of a frame maybe, and waits for nothing.
    Part(Connection, Value),
    /// Stops a broker, as a crash does, and waits until the others know.
    Stop(usize),
    /// Starts a broker that was stopped, and waits until every replica is in sync.
    Start(usize),
}

impl Display for Target {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => Ok(()),
            Self::Broker(number) => write!(f, "@{number}"),
            Self::Leader(topic, partition, is) => {
                write!(f, "@{}leader({topic}/{partition})", if *is { "" } else { "non" })
            }
            Self::Coordinator(group, is) => write!(f, "@{}coordinator({group})", if *is { "" } else { "non" }),
            Self::Transactions(id, is) => write!(f, "@{}transactions({id})", if *is { "" } else { "non" }),
        }
    }
}

impl Display for Connection {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.name, self.target)
    }
}

impl Display for Request {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} {} {}", self.on, self.api, self.version, self.body)
    }
}

impl Display for Action {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Topic {
                name,
                partitions,
                replicas,
                configs,
            } => {
                write!(f, "topic {name} {partitions} {replicas}")?;
                configs.iter().try_for_each(|(key, value)| write!(f, " {key}={value}"))
            }
            Self::Ask(request) => request.fmt(f),
            Self::Send(label, request) => write!(f, "send {label} {request}"),
            Self::Receive(label) => write!(f, "receive {label}"),
            Self::Repeat(times, request) => write!(f, "repeat {times} {request}"),
            Self::Until(request, condition) => write!(f, "until {condition} {request}"),
            Self::Settle(request) => write!(f, "settle {request}"),
            Self::Let(name, path) => write!(f, "let {name} = {path}"),
            Self::Expect(path, value) => write!(f, "expect {path} = {value}"),
            Self::Close(connection) => write!(f, "close {connection}"),
            Self::Silent(connection) => write!(f, "silent {connection}"),
            Self::Raw(connection, bytes) => write!(f, "raw {connection}: {bytes}"),
            Self::Part(connection, bytes) => write!(f, "part {connection}: {bytes}"),
            Self::Stop(place) => write!(f, "stop {place}"),
            Self::Start(place) => write!(f, "start {place}"),
        }
    }
}

impl Display for Scenario {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "== {}", self.title)?;
        if self.alone {
            writeln!(f, "alone")?;
        }
        self.steps.iter().try_for_each(|step| writeln!(f, "{}", step.action))
    }
}
