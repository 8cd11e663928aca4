//! Goes through one scenario on one cluster.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::canonical::{Canonical, base64};
use crate::codec;
use crate::connection::{Connection, Reply, body_of, correlation_id};
use crate::records;
use crate::schema::{self, Api};
use crate::side::{PATIENCE, Side};
use crate::text::scenario::{Action, Connection as Named, Request, Scenario, Target};
use crate::transcript::{Answer, Transcript};
use crate::tree::{Field, Value};

/// How long nothing must come before it counts as no answer. Longer than any answer that a scenario waits for.
const SILENCE: Duration = Duration::from_secs(8);
/// How long nothing must come where a scenario says that nothing will.
const SHORT_SILENCE: Duration = Duration::from_secs(1);
/// The requests of a `repeat` that wait for their answers.
const AT_ONCE: usize = 64;

/// Between two questions of an `until`.
const PAUSE: Duration = Duration::from_millis(10);

/// What the name of everything that a scenario makes begins with, in place of `~`. Always as long.
pub fn prefix(run: u16, scenario: usize) -> String {
    format!("d{run:04x}x{scenario:05}-")
}

/// Goes through a scenario, whose names are made with the prefix.
pub fn run(side: &Side, scenario: &Scenario, prefix: &str) -> Transcript {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let now_ms = i64::try_from(now.as_millis()).unwrap_or(0);
    let mut run = Run {
        side,
        stopped: BTreeSet::new(),
        has_stopped: false,
        prefix,
        canonical: Canonical::new(side, prefix, now_ms),
        variables: BTreeMap::from([("now".to_owned(), Value::Int(now_ms))]),
        connections: BTreeMap::new(),
        pending: BTreeMap::new(),
        last: None,
        answers: Vec::new(),
    };
    let failure = scenario.steps.iter().find_map(|step| {
        let failed = run.step(step.line, &step.action).err()?;
        Some(format!("line {}: {failed}", step.line))
    });
    let restored = run.restore();
    let failure = failure.or(restored.err());
    Transcript {
        title: scenario.title.clone(),
        answers: run.answers,
        failure,
    }
}

/// A request that was sent: where, and how its answer is known.
struct Pending {
    connection: String,
    correlation_id: i32,
    api: &'static Api,
    version: i16,
}

struct Run<'a> {
    side: &'a Side,
    /// The brokers that the scenario has stopped, and whether it has stopped any yet.
    stopped: BTreeSet<usize>,
    has_stopped: bool,
    prefix: &'a str,
    canonical: Canonical<'a>,
    variables: BTreeMap<String, Value>,
    connections: BTreeMap<String, Connection>,
    pending: BTreeMap<String, Pending>,
    last: Option<Value>,
    answers: Vec<Answer>,
}

/// An answer before it is masked.
enum Came {
    Body(Value),
    Other(&'static str),
    Unreadable(String),
}

impl Run<'_> {
    fn step(&mut self, line: usize, action: &Action) -> Result<(), String> {
        match action {
            Action::Topic {
                name,
                partitions,
                replicas,
                configs,
            } => self
                .side
                .create_topic(&self.named(name), *partitions, *replicas, configs),
            Action::Ask(request) => {
                let pending = self.send(request)?;
                let came = self.receive(&pending, SILENCE)?;
                self.keep(line, label(request), pending.api, came);
                Ok(())
            }
            Action::Send(name, request) => {
                let pending = self.send(request)?;
                self.pending.insert(name.clone(), pending);
                Ok(())
            }
            Action::Receive(name) => {
                let pending = self
                    .pending
                    .remove(name)
                    .ok_or_else(|| format!("{name} was not sent"))?;
                let came = self.receive(&pending, SILENCE)?;
                let label = format!("{name}: {} {}", pending.api.name, pending.version);
                self.keep(line, label, pending.api, came);
                Ok(())
            }
            Action::Until(request, condition) => {
                let wanted = self.resolved(&condition.value)?;
                let holds = |body: &Value| condition.relation.holds(body.at(&condition.path), &wanted);
                self.until(line, request, &format!("not {condition}"), holds)
            }
            Action::Repeat(times, request) => self.repeat(line, *times, request),
            Action::Settle(request) => self.until(line, request, "a transaction does not end", |body| {
                // PrepareCommit, PrepareAbort and, in a refused answer, nothing.
                let state = body.at("transactionStates[0].transactionState");
                !matches!(state, Some(Value::Text(state)) if state.starts_with("Prepare"))
            }),
            Action::Let(name, path) => {
                let value = self.last.as_ref().and_then(|last| last.at(path)).cloned();
                let value = value.ok_or_else(|| format!("the answer has no {path}: {}", self.last_text()))?;
                self.variables.insert(name.clone(), value);
                Ok(())
            }
            Action::Expect(path, expected) => {
                let expected = self.resolved(expected)?;
                match self.last.as_ref().and_then(|last| last.at(path)) {
                    Some(value) if *value == expected => Ok(()),
                    Some(value) => Err(format!("{path} is {value}, not {expected}: {}", self.last_text())),
                    None => Err(format!("the answer has no {path}: {}", self.last_text())),
                }
            }
            Action::Stop(place) => {
                self.stopped.insert(*place);
                self.has_stopped = true;
                self.side.stop(*place, &self.stopped)
            }
            Action::Start(place) => {
                self.stopped.remove(place);
                self.side.start(*place, &self.stopped)
            }
            Action::Close(name) => {
                self.connections.remove(name);
                Ok(())
            }
            Action::Silent(on) => self.silent(line, on),
            Action::Part(on, bytes) => {
                let Value::Bytes(part) = self.resolved(bytes)? else {
                    return Err("part takes bytes".to_owned());
                };
                self.connection(on)?.send_bytes(&part);
                Ok(())
            }
            Action::Raw(on, bytes) => {
                let Value::Bytes(frame) = self.resolved(bytes)? else {
                    return Err("raw takes bytes".to_owned());
                };
                let connection = self.connection(on)?;
                connection.send_frame(&frame);
                let value = match connection.receive(SILENCE) {
                    Reply::Frame(frame) => Value::Bytes(frame),
                    Reply::Closed => Value::Masked("closed".to_owned()),
                    Reply::Nothing => Value::Masked("no answer".to_owned()),
                };
                self.last = Some(value.clone());
                let label = format!("{}: raw", on.name);
                self.answers.push(Answer { label, line, value });
                Ok(())
            }
        }
    }

    /// Asks until the answer is one that is waited for.
    fn until(
        &mut self,
        line: usize,
        request: &Request,
        otherwise: &str,
        holds: impl Fn(&Value) -> bool,
    ) -> Result<(), String> {
        let begin = Instant::now();
        loop {
            let pending = self.send(request)?;
            let came = self.receive(&pending, SILENCE)?;
            let holds = matches!(&came, Came::Body(body) if holds(body));
            if holds || begin.elapsed() > PATIENCE || !matches!(came, Came::Body(_)) {
                self.keep(line, label(request), pending.api, came);
                return match holds {
                    true => Ok(()),
                    false => Err(format!("{otherwise}: {}", self.last_text())),
                };
            }
            std::thread::sleep(PAUSE);
        }
    }

    /// Asks the same again and again, and keeps the last answer, or the first that is none.
    fn repeat(&mut self, line: usize, times: usize, request: &Request) -> Result<(), String> {
        let mut sent = VecDeque::new();
        for nth in 0..times {
            sent.push_back(self.send(request)?);
            while sent.len() >= AT_ONCE || (nth + 1 == times && !sent.is_empty()) {
                let Some(pending) = sent.pop_front() else { break };
                let came = self.receive(&pending, SILENCE)?;
                let is_last = nth + 1 == times && sent.is_empty();
                if is_last || !matches!(came, Came::Body(_)) {
                    self.keep(line, label(request), pending.api, came);
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// The next scenario finds every broker running, and every partition led by its first replica.
    fn restore(&mut self) -> Result<(), String> {
        while let Some(place) = self.stopped.pop_first() {
            self.side.start(place, &self.stopped)?;
        }
        match self.has_stopped {
            true => self.side.elect_preferred(),
            false => Ok(()),
        }
    }

    /// The answer to a request sent now is the next that comes.
    fn silent(&mut self, line: usize, on: &Named) -> Result<(), String> {
        let api = schema::by_key(18).ok_or("no ApiVersions")?;
        let connection = self.connection(on)?;
        let expected = connection.send(api, 0, &[]);
        let what = match connection.receive(SHORT_SILENCE) {
            Reply::Frame(frame) if correlation_id(&frame) == Some(expected) => "silent",
            Reply::Frame(_) => "answered",
            Reply::Closed => "closed",
            Reply::Nothing => "stuck",
        };
        let value = Value::Masked(what.to_owned());
        let label = format!("{}: silent", on.name);
        self.answers.push(Answer { label, line, value });
        Ok(())
    }

    fn last_text(&self) -> String {
        self.last
            .as_ref()
            .map_or_else(|| "there is none".to_owned(), Value::to_string)
    }

    fn send(&mut self, request: &Request) -> Result<Pending, String> {
        let api = schema::by_name(&request.api).ok_or_else(|| format!("no API {}", request.api))?;
        self.canonical.written(&request.body);
        let body = self.resolved(&request.body)?;
        let bytes = codec::encode(&api.request, request.version, &body).map_err(|error| error.to_string())?;
        let correlation_id = self.connection(&request.on)?.send(api, request.version, &bytes);
        Ok(Pending {
            connection: request.on.name.clone(),
            correlation_id,
            api,
            version: request.version,
        })
    }

    fn receive(&mut self, pending: &Pending, patience: Duration) -> Result<Came, String> {
        let connection = self.connections.get_mut(&pending.connection);
        let connection = connection.ok_or_else(|| format!("{} was closed", pending.connection))?;
        Ok(match connection.receive(patience) {
            Reply::Closed => {
                // The next use of its name opens another.
                self.connections.remove(&pending.connection);
                Came::Other("closed")
            }
            Reply::Nothing => {
                // Nothing else would be answered on it either; and what comes late would be taken for another's.
                self.connections.remove(&pending.connection);
                Came::Other("no answer")
            }
            Reply::Frame(frame) if correlation_id(&frame) != Some(pending.correlation_id) => {
                Came::Other("the answer to another request")
            }
            Reply::Frame(frame) => match body_of(pending.api, pending.version, &frame) {
                Ok(body) => Came::Body(body),
                Err(error) => Came::Unreadable(error),
            },
        })
    }

    fn keep(&mut self, line: usize, label: String, api: &Api, came: Came) {
        let value = match came {
            Came::Body(body) => {
                let masked = self.canonical.answer(&api.name, &body);
                self.last = Some(body);
                masked
            }
            Came::Other(what) => Value::Masked(what.to_owned()),
            Came::Unreadable(error) => Value::text(format!("unreadable: {error}")),
        };
        self.answers.push(Answer { label, line, value });
    }

    fn connection(&mut self, on: &Named) -> Result<&mut Connection, String> {
        if !self.connections.contains_key(&on.name) {
            let place = self.place(&on.target)?;
            let address = *self
                .side
                .brokers
                .get(place - 1)
                .ok_or_else(|| format!("there is no broker {place}"))?;
            let connection = Connection::open(address).map_err(|error| format!("{address}: {error}"))?;
            self.connections.insert(on.name.clone(), connection);
        }
        self.connections
            .get_mut(&on.name)
            .ok_or_else(|| "no connection".to_owned())
    }

    fn place(&self, target: &Target) -> Result<usize, String> {
        let other = |place: usize| place % self.side.brokers.len() + 1;
        match target {
            Target::Default => Ok(1),
            Target::Broker(place) => Ok(*place),
            Target::Leader(topic, partition, is) => {
                let leader = self.side.leader(&self.named(topic), *partition)?;
                Ok(if *is { leader } else { other(leader) })
            }
            Target::Coordinator(group, is) => {
                let coordinator = self.side.coordinator(&self.named(group))?;
                Ok(if *is { coordinator } else { other(coordinator) })
            }
            Target::Transactions(id, is) => {
                let coordinator = self.side.transactions(&self.named(id))?;
                Ok(if *is { coordinator } else { other(coordinator) })
            }
        }
    }

    fn named(&self, text: &str) -> String {
        match text.strip_prefix('~') {
            Some(rest) => format!("{}{rest}", self.prefix),
            None => text.to_owned(),
        }
    }

    /// Names, variables and calls made into what is sent.
    fn resolved(&self, value: &Value) -> Result<Value, String> {
        Ok(match value {
            Value::Text(text) => Value::Text(self.named(text)),
            Value::Variable(name) => {
                let found = self.variables.get(name);
                found.cloned().ok_or_else(|| format!("nothing was kept as ${name}"))?
            }
            Value::List(list) => Value::List(list.iter().map(|v| self.resolved(v)).collect::<Result<_, _>>()?),
            Value::Struct(fields) => {
                let resolve = |f: &Field| {
                    Ok(Field {
                        value: self.resolved(&f.value)?,
                        ..f.clone()
                    })
                };
                Value::Struct(fields.iter().map(resolve).collect::<Result<_, String>>()?)
            }
            Value::Call(name, argument) => call(name, &self.resolved(argument)?)?,
            other => other.clone(),
        })
    }
}

fn label(request: &Request) -> String {
    format!("{}: {} {}", request.on.name, request.api, request.version)
}

/// What a call stands for.
fn call(name: &str, argument: &Value) -> Result<Value, String> {
    let wrong = || format!("{name} does not take {argument}");
    match (name, argument) {
        ("batch", Value::Struct(_)) => records::batch(argument).map(Value::Bytes).map_err(|e| e.to_string()),
        ("message", Value::Struct(_)) => records::message(argument).map(Value::Bytes).map_err(|e| e.to_string()),
        // Bytes one after the other.
        ("concat", Value::List(list)) => {
            let mut bytes = Vec::new();
            for part in list {
                match part {
                    Value::Bytes(part) => bytes.extend(part),
                    Value::Text(part) => bytes.extend(part.as_bytes()),
                    _ => return Err(wrong()),
                }
            }
            Ok(Value::Bytes(bytes))
        }
        // Text, or an element of a list, many times.
        ("repeat", Value::List(list)) => match &list[..] {
            [Value::Text(text), Value::Int(times)] => {
                Ok(Value::Text(text.repeat(usize::try_from(*times).map_err(|_| wrong())?)))
            }
            [element, Value::Int(times)] => {
                let times = usize::try_from(*times).map_err(|_| wrong())?;
                Ok(Value::List(vec![element.clone(); times]))
            }
            _ => Err(wrong()),
        },
        ("join", Value::List(list)) => {
            let texts = list.iter().map(|part| match part {
                Value::Text(text) => Ok(text.as_str()),
                _ => Err(wrong()),
            });
            Ok(Value::Text(texts.collect::<Result<String, _>>()?))
        }
        ("sum", Value::List(list)) => {
            let numbers = list.iter().map(|part| match part {
                Value::Int(n) => Ok(*n),
                _ => Err(wrong()),
            });
            Ok(Value::Int(numbers.sum::<Result<i64, _>>()?))
        }
        ("base64", Value::Text(uuid)) => Ok(Value::Text(base64(uuid))),
        _ => Err(format!("nothing is called {name}")),
    }
}
