//! Incremental fetch sessions (KIP-227): what a broker remembers of a client's last fetch, so that the client need not
//! repeat it and the broker need not answer what has not changed. Kafka's `FetchSession` and `FetchManager`.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use indexmap::IndexMap;
use kafka_protocol::error::ResponseError;
use tokio::sync::Notify;
use tokio::time::Instant;
use uuid::Uuid;

use crate::log::{Isolation, Registration};

/// The session id that names none.
pub(crate) const NO_SESSION: i32 = 0;
/// The epoch of a request that begins a session.
const INITIAL_EPOCH: i32 = 0;
/// The epoch of a request that ends a session, or wants none.
pub(crate) const FINAL_EPOCH: i32 = -1;
/// How long a session must have been unused before another may take its slot (`FetchSession.scala`: two minutes).
const EVICTABLE_AFTER: Duration = Duration::from_secs(120);

/// A topic as a fetch names it: by id from version 13 on.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum TopicKey {
    Name(Arc<str>),
    Id(Uuid),
}

/// A partition as a fetch names it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct PartitionKey {
    pub topic: TopicKey,
    pub index: i32,
}

/// What a fetch wants of a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub offset: i64,
    pub max_bytes: i32,
    /// The leader epoch that the client knows; -1 when it does not say.
    pub leader_epoch: i32,
    /// The leader epoch of the last record that the client has; -1 when it does not say.
    pub last_fetched_epoch: i32,
    /// Whether the session has seen the topic that the id stands for: then it is missed by its name
    /// (`CachedPartition.maybeSetTopicName`).
    pub resolved: bool,
}

/// What an answer says of a partition, as far as it decides whether the next one repeats it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Seen {
    pub high_watermark: i64,
    pub log_start_offset: i64,
    pub failed: bool,
    pub has_records: bool,
    /// Whether the answer says that the log has diverged, or who should be asked instead.
    pub redirects: bool,
    /// Whether there is such a topic.
    pub topic_exists: bool,
}

/// A fetch request's part in a session.
#[derive(Debug, Clone)]
pub(crate) struct SessionRequest {
    pub id: i32,
    pub epoch: i32,
    /// Whether topics are named by id.
    pub by_id: bool,
    pub wanted: Vec<(PartitionKey, Wanted)>,
    pub forgotten: Vec<PartitionKey>,
}

/// How a request is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Round {
    /// Whole, and nothing is remembered.
    Sessionless,
    /// Whole, and a session begins.
    First { by_id: bool },
    /// Only what has changed.
    Incremental { id: i32, epoch: i32 },
}

/// A request that its session has taken: everything that is wanted, in order.
#[derive(Debug)]
pub(crate) struct Opened {
    pub round: Round,
    pub wanted: Vec<(PartitionKey, Wanted)>,
    /// Why nothing has to be read again, as long as nothing has changed. Then `wanted` is left empty, until
    /// [`FetchSessions::wanted`] is asked for it.
    pub quiet: Option<Quiet>,
}

/// A session of which the last answer was empty, and would be again: nothing has been read, and nothing failed. So a consumer of a
/// thousand idle partitions polls at the cost of one.
#[derive(Debug)]
pub(crate) struct Quiet {
    /// Notified when one of the logs changes.
    pub changed: Arc<Notify>,
    /// With each of the logs.
    pub _registrations: Vec<Registration>,
    /// What the last look could see.
    pub isolation: Isolation,
    /// [`Topics::version`](super::topics::Topics::version) of the last look.
    pub topics: u64,
}

/// A partition of a session.
#[derive(Debug)]
struct Cached {
    wanted: Wanted,
    /// Where the partition stands among the session's: those of the same turn in the order in which they came.
    turn: u64,
    high_watermark: i64,
    log_start_offset: i64,
}

impl Cached {
    fn new(wanted: Wanted, turn: u64) -> Self {
        Self {
            wanted,
            turn,
            high_watermark: -1,
            log_start_offset: -1,
        }
    }

    /// Whether the answer must name the partition; remembers what it says (`CachedPartition.maybeUpdateResponseData`).
    fn answer(&mut self, seen: &Seen) -> bool {
        let changed = seen.has_records
            || seen.redirects
            || seen.failed
            || self.high_watermark != seen.high_watermark
            || self.log_start_offset != seen.log_start_offset;
        // After an error the next good answer must say so, whatever the watermark is then.
        self.high_watermark = if seen.failed { -1 } else { seen.high_watermark };
        self.log_start_offset = seen.log_start_offset;
        self.wanted.resolved |= seen.topic_exists;
        changed
    }
}

#[derive(Debug)]
struct Session {
    epoch: i32,
    by_id: bool,
    last_used: Instant,
    partitions: IndexMap<PartitionKey, Cached>,
    /// The last one that a partition was given.
    turn: u64,
    /// What the topics were called that were asked for by their ids and were there.
    names: HashMap<Uuid, Arc<str>>,
    /// Of the last answer; gone while a request uses it.
    quiet: Option<Quiet>,
}

/// A broker's sessions.
#[derive(Debug)]
pub(crate) struct FetchSessions {
    slots: usize,
    sessions: HashMap<i32, Session>,
}

impl FetchSessions {
    /// Room for `slots` sessions (`max.incremental.fetch.session.cache.slots`).
    pub fn new(slots: usize) -> Self {
        Self {
            slots,
            sessions: HashMap::new(),
        }
    }

    /// Takes a request into its session (`FetchManager.newContext`).
    ///
    /// # Errors
    ///
    /// FETCH_SESSION_ID_NOT_FOUND, INVALID_FETCH_SESSION_EPOCH, or FETCH_SESSION_TOPIC_ID_ERROR.
    pub fn begin(&mut self, request: SessionRequest) -> Result<Opened, ResponseError> {
        let SessionRequest { id, epoch, by_id, .. } = request;
        if epoch == INITIAL_EPOCH || epoch == FINAL_EPOCH {
            self.sessions.remove(&id);
            let round = match epoch {
                FINAL_EPOCH => Round::Sessionless,
                _ => Round::First { by_id },
            };
            // A partition named twice keeps its first place and its last wish.
            let wanted: IndexMap<_, _> = request.wanted.into_iter().collect();
            let wanted = wanted.into_iter().collect();
            return Ok(Opened {
                round,
                wanted,
                quiet: None,
            });
        }
        let session = self
            .sessions
            .get_mut(&id)
            .ok_or(ResponseError::FetchSessionIdNotFound)?;
        if session.epoch != epoch {
            return Err(ResponseError::InvalidFetchSessionEpoch);
        }
        if session.by_id != by_id {
            return Err(ResponseError::FetchSessionTopicIdError);
        }
        let asks_for_the_same = request.wanted.is_empty() && request.forgotten.is_empty();
        let quiet = session.quiet.take().filter(|_| asks_for_the_same);
        let asked = match request.forgotten.is_empty() {
            true => Vec::new(),
            false => request.wanted.clone(),
        };
        for (key, wanted) in request.wanted {
            let cached = session.partitions.entry(key);
            let cached = cached.or_insert_with(|| Cached::new(wanted, session.turn));
            let resolved = cached.wanted.resolved;
            cached.wanted = Wanted { resolved, ..wanted };
        }
        if !request.forgotten.is_empty() {
            let forgotten: HashSet<_> = request.forgotten.iter().collect();
            session.partitions.retain(|key, _| !forgotten.contains(key));
        }
        if session.partitions.is_empty() {
            self.sessions.remove(&id);
            // What was named and forgotten in one request is answered all the same.
            let wanted: IndexMap<_, _> = asked.into_iter().collect();
            return Ok(Opened {
                round: Round::Sessionless,
                wanted: wanted.into_iter().collect(),
                quiet: None,
            });
        }
        session.epoch = next_epoch(epoch);
        session.last_used = Instant::now();
        Ok(Opened {
            round: Round::Incremental {
                id,
                epoch: session.epoch,
            },
            wanted: match quiet {
                Some(_) => Vec::new(),
                None => session.wanted(),
            },
            quiet,
        })
    }

    /// Everything that an incremental request wants; nothing where its session has gone.
    pub fn wanted(&self, round: Round) -> Vec<(PartitionKey, Wanted)> {
        match round {
            Round::Incremental { id, .. } => self.sessions.get(&id).map(Session::wanted).unwrap_or_default(),
            Round::Sessionless | Round::First { .. } => Vec::new(),
        }
    }

    /// Remembers that a session is quiet, unless another request has been there since.
    pub fn is_quiet(&mut self, id: i32, round: Round, quiet: Quiet) {
        let epoch = match round {
            Round::Sessionless => return,
            Round::First { .. } => next_epoch(INITIAL_EPOCH),
            Round::Incremental { epoch, .. } => epoch,
        };
        if let Some(session) = self.sessions.get_mut(&id).filter(|session| session.epoch == epoch) {
            session.quiet = Some(quiet);
        }
    }

    /// Decides what the answer names: its session id, and of each partition whether it is in
    /// (`FetchContext.updateAndGenerateResponseData`). A new session takes `new_id`, if a slot is free.
    ///
    /// # Errors
    ///
    /// The session has gone, or another request was faster.
    pub fn finish(
        &mut self,
        round: Round,
        answers: &[(PartitionKey, Wanted, Seen)],
        new_id: i32,
    ) -> Result<(i32, Vec<bool>), ResponseError> {
        let all = || vec![true; answers.len()];
        match round {
            Round::Sessionless => Ok((NO_SESSION, all())),
            Round::First { by_id } => {
                if self.sessions.contains_key(&new_id) || !self.make_room() {
                    return Ok((NO_SESSION, all()));
                }
                let mut session = Session {
                    epoch: next_epoch(INITIAL_EPOCH),
                    by_id,
                    last_used: Instant::now(),
                    partitions: IndexMap::with_capacity(answers.len()),
                    turn: 0,
                    names: HashMap::new(),
                    quiet: None,
                };
                for (key, wanted, seen) in answers {
                    let mut cached = Cached::new(*wanted, 0);
                    cached.answer(seen);
                    session.partitions.insert(key.clone(), cached);
                }
                self.sessions.insert(new_id, session);
                Ok((new_id, all()))
            }
            Round::Incremental { id, epoch } => {
                let session = self
                    .sessions
                    .get_mut(&id)
                    .ok_or(ResponseError::FetchSessionIdNotFound)?;
                if session.epoch != epoch {
                    return Err(ResponseError::InvalidFetchSessionEpoch);
                }
                Ok((id, session.answer(answers)))
            }
        }
    }

    /// Remembers what topics are called.
    pub fn learn(&mut self, id: i32, names: Vec<(Uuid, Arc<str>)>) {
        if let Some(session) = self.sessions.get_mut(&id) {
            session.names.extend(names);
        }
    }

    /// What a topic was called when an incremental request's session last saw it.
    pub fn name(&self, round: Round, topic: &Uuid) -> Option<Arc<str>> {
        match round {
            Round::Incremental { id, .. } => self.sessions.get(&id)?.names.get(topic).cloned(),
            Round::Sessionless | Round::First { .. } => None,
        }
    }

    /// Whether there is a slot for one more session, which may be that of the one unused for longest.
    fn make_room(&mut self) -> bool {
        if self.sessions.len() < self.slots {
            return true;
        }
        let oldest = self.sessions.iter().min_by_key(|(_, session)| session.last_used);
        match oldest.map(|(id, session)| (*id, session.last_used.elapsed())) {
            Some((id, unused)) if unused > EVICTABLE_AFTER => self.sessions.remove(&id).is_some(),
            _ => false,
        }
    }
}

impl Session {
    fn wanted(&self) -> Vec<(PartitionKey, Wanted)> {
        self.partitions.iter().map(|(k, c)| (k.clone(), c.wanted)).collect()
    }

    /// Of each partition whether the answer names it.
    fn answer(&mut self, answers: &[(PartitionKey, Wanted, Seen)]) -> Vec<bool> {
        let before = self.turn;
        let included = answers.iter().map(|(key, _, seen)| {
            self.partitions.get_mut(key).is_some_and(|cached| {
                // Who got records goes to the end, so that with little room every partition has its turn.
                if seen.has_records {
                    self.turn += 1;
                    cached.turn = self.turn;
                }
                cached.answer(seen)
            })
        });
        let included = included.collect();
        // All at once: to move one alone moves each that is behind it.
        if self.turn > before {
            self.partitions.sort_by(|_, a, _, b| a.turn.cmp(&b.turn));
        }
        included
    }
}

/// `FetchMetadata.nextEpoch`: 1 follows the largest.
fn next_epoch(epoch: i32) -> i32 {
    match epoch {
        FINAL_EPOCH => FINAL_EPOCH,
        _ => epoch.checked_add(1).unwrap_or(1),
    }
}

#[cfg(test)]
mod tests;
