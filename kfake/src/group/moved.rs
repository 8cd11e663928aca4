//! What becomes of a group when its coordinator moves to another broker: `GroupMetadataManager.onUnloaded`, and what the next
//! coordinator finds in `__consumer_offsets`.
//!
//! Apache Kafka writes a group there when its leader's assignment has come, when it has lost its last member, and when a static
//! member of a stable group has come back. Whatever has happened since is not known to the next coordinator.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use kafka_protocol::error::ResponseError;
use kafka_protocol::protocol::StrBytes;
use parking_lot::RwLockWriteGuard;
use tokio::time::Instant;

use super::classic::{ClassicGroup, answer_join, answer_sync, refused_sync};
use super::handle::Group;
use super::join::refused;
use super::member::{Member, Protocol};
use super::registry::Groups;
use super::request::ClientInfo;
use super::subscription::Subscribed;
use super::view::GroupState;
use crate::cluster::internal::Internal;
use crate::cluster::topics::{OffsetsMarker, Topics};
use crate::cluster::topology::{Coordinators, Woken};
use crate::cluster::unreplicated::Fate;
use crate::txn::complete::remember_marker;

/// A group as it was written last (`GroupMetadataValue`).
#[derive(Debug, Default, Clone)]
pub(super) struct Stored {
    generation: i32,
    protocol_type: Option<StrBytes>,
    protocol: Option<StrBytes>,
    leader: Option<StrBytes>,
    members: Vec<StoredMember>,
    /// When the group came to this state, in milliseconds since 1970; none until its task has taken note.
    pub since_ms: Option<i64>,
}

/// A member, with what it said of the protocol that was chosen: of the others nothing is written.
#[derive(Debug, Clone)]
struct StoredMember {
    id: StrBytes,
    instance_id: Option<StrBytes>,
    client: Arc<ClientInfo>,
    session_timeout_ms: u32,
    rebalance_timeout_ms: u32,
    metadata: Bytes,
    assignment: Bytes,
}

impl StoredMember {
    fn of(member: &Member, protocol: &str, assignment: Bytes) -> Self {
        Self {
            id: member.id.clone(),
            instance_id: member.instance_id.clone(),
            client: member.client.clone(),
            session_timeout_ms: whole_ms(member.session_timeout),
            rebalance_timeout_ms: whole_ms(member.rebalance_timeout),
            metadata: member.metadata(protocol),
            assignment,
        }
    }

    fn load(&self, protocol: &StrBytes, session_deadline: Option<Instant>) -> Member {
        Member {
            id: self.id.clone(),
            instance_id: self.instance_id.clone(),
            client: self.client.clone(),
            session_timeout: ms(self.session_timeout_ms),
            rebalance_timeout: ms(self.rebalance_timeout_ms),
            protocols: vec![Protocol {
                name: protocol.clone(),
                metadata: self.metadata.clone(),
            }],
            assignment: self.assignment.clone(),
            is_new: false,
            awaiting_join: None,
            awaiting_sync: None,
            session_deadline,
        }
    }
}

/// Requests have them in as many bytes.
fn whole_ms(timeout: Duration) -> u32 {
    u32::try_from(timeout.as_millis()).unwrap_or(u32::MAX)
}

fn ms(timeout_ms: u32) -> Duration {
    Duration::from_millis(timeout_ms.into())
}

impl ClassicGroup {
    /// Keeps the group as it is for the next coordinator. Called wherever Apache Kafka writes a `GroupMetadataValue`.
    pub(super) fn store(&mut self) {
        self.before_write();
        self.store_assigned(|member| member.assignment.clone());
    }

    /// The same, with assignments that the members do not have yet.
    pub(super) fn store_assigned(&mut self, assignment: impl Fn(&Member) -> Bytes) {
        let protocol = self.protocol.as_deref().unwrap_or_default();
        // Collected, they would have room for four: most groups have fewer members, and there may be many groups.
        let mut members = Vec::with_capacity(self.members.len());
        members.extend(
            self.members
                .values()
                .map(|member| StoredMember::of(member, protocol, assignment(member))),
        );
        self.stored = Some(Box::new(Stored {
            generation: self.generation,
            protocol_type: self.protocol_type.clone(),
            protocol: self.protocol.clone(),
            leader: self.leader.clone(),
            members,
            since_ms: None,
        }));
    }

    /// Whether the coordinator has moved since a request was asked, which then came to a broker that is none any more.
    pub(super) fn has_moved_since(&self, asked_at: u64) -> bool {
        self.moved_at > asked_at
    }

    /// Leaves the coordinator: who waits is told so, and the group is as it was stored last. The next coordinator gives each member
    /// its session anew (`onLoaded`); while there is none, nothing times out.
    ///
    /// Apache Kafka asks the members of a group that is larger than `group.max.size` by then to join again. The limit of kfake's
    /// brokers is the same and does not change.
    pub(super) fn move_coordinator(&mut self, moved_at: u64, is_led: bool, now: Instant, now_ms: i64) {
        self.moved_at = moved_at;
        if self.state == GroupState::Dead {
            return;
        }
        for (id, member) in self.members.iter_mut() {
            answer_join(member, |version| {
                refused(ResponseError::NotCoordinator, id.clone(), version)
            });
            answer_sync(member, || refused_sync(ResponseError::NotCoordinator));
        }
        let was_empty = self.state == GroupState::Empty;
        let stored = self.stored.take().unwrap_or_default();
        let protocol = stored.protocol.clone().unwrap_or_default();
        self.generation = stored.generation;
        self.protocol_type = stored.protocol_type.clone();
        self.protocol = stored.protocol.clone();
        self.leader = stored.leader.clone();
        let members = stored.members.iter().map(|member| {
            let session_deadline = is_led.then(|| now + ms(member.session_timeout_ms));
            let loaded = member.load(&protocol, session_deadline);
            (loaded.id.clone(), Box::new(loaded))
        });
        self.members = members.collect();
        self.state = match self.members.is_empty() {
            true => GroupState::Empty,
            false => GroupState::Stable,
        };
        let instances = self.members.values();
        let instances = instances.filter_map(|member| Some((member.instance_id.clone()?, member.id.clone())));
        self.instances = instances.collect();
        self.subscribed = match self.protocol_type.as_deref() {
            Some("consumer") => Subscribed::by(stored.members.iter().map(|m| m.metadata.clone()).collect()),
            _ => Subscribed::default(),
        };
        self.pending = BTreeMap::new();
        self.pending_sync = BTreeSet::new();
        self.forget_phases();
        if let Some(first) = self.members.values().filter_map(|m| m.session_deadline).min() {
            self.watch_session(first);
        }
        // Of a group that was never stored nothing is known but that it is empty.
        self.state_since_ms = match (stored.since_ms, was_empty) {
            (None, true) => self.state_since_ms,
            (since_ms, _) => since_ms.or(Some(now_ms)),
        };
        self.stored = Some(stored);
    }
}

impl Groups {
    /// Counts how often coordinators have moved. Who is about to ask whether its broker coordinates a group takes the number first:
    /// by it the group knows whether that has changed meanwhile.
    pub fn moves(&self) -> u64 {
        self.moves.load(Ordering::SeqCst)
    }

    /// Leaders have changed: the groups whose coordinators they were move, in the same step as clients see it, and those who wait for
    /// the partitions are woken.
    pub fn led_anew(self: &Arc<Self>, mut topics: RwLockWriteGuard<'_, Topics>, woken: Woken) {
        let moved = self.move_coordinators(&topics, &woken);
        let decided = self.decide_owed(&mut topics);
        drop(topics);
        if moved || decided {
            self.changed();
        }
        self.shared.led_anew(woken);
    }

    /// What groups have written is committed where enough replicas are in sync again, and the offsets are decided whose markers have
    /// waited for that. Whether there were any. Whoever may have
    /// let a partition go on calls it before the lock of the topics is released.
    pub fn decide_owed(self: &Arc<Self>, topics: &mut Topics) -> bool {
        let replicated = topics.take_replicated();
        for partition in &replicated {
            self.commit_writes(topics, *partition);
        }
        let owed = topics.take_offset_markers();
        for one in &owed {
            let topic = topics.by_name(Internal::Offsets.name());
            if let Some((topic, partition)) = topic.and_then(|topic| Some((topic, topic.partition(one.partition)?))) {
                let config = topic.log_config(partition);
                if let Err(error) = remember_marker(&self.shared, config, &mut partition.log.lock(), &one.marker) {
                    tracing::debug!(%error, "a partition of offsets refuses a marker");
                    continue;
                }
            }
            self.decide_in(one);
        }
        for partition in &replicated {
            self.unreplicated.end(*partition, Fate::Committed, false);
        }
        !owed.is_empty() || !replicated.is_empty()
    }

    /// A partition of `__consumer_offsets` has taken a marker: it decides the offsets of every group in it
    /// (`OffsetMetadataManager.replayEndTransactionMarker`).
    pub fn decide_in(self: &Arc<Self>, one: &OffsetsMarker) {
        let (now_ms, retention) = (self.shared.now_ms(), self.shared.config.offsets_retention.0);
        let groups = self.undecided.take(one.partition, one.marker.producer_id);
        for group in groups.into_iter().filter_map(|id| self.get(&id)) {
            let expires_ms = group.state.lock().decide(&one.marker, now_ms, retention);
            if let Some(at_ms) = expires_ms {
                self.expires_at(at_ms);
            }
        }
    }

    fn move_coordinators(&self, topics: &Topics, woken: &Woken) -> bool {
        if woken.coordinators.is_empty() {
            return false;
        }
        let moved_at = self.moves.fetch_add(1, Ordering::SeqCst) + 1;
        let (now, now_ms) = (Instant::now(), self.shared.now_ms());
        let mut moves: BTreeMap<i32, Coordinators> = BTreeMap::new();
        for to in &woken.coordinators {
            // The last change of a partition counts, but what was lost on the way stays lost.
            let before = moves.insert(to.partition, *to);
            if let Some(before) = before.filter(|before| before.lacks_writes)
                && let Some(last) = moves.get_mut(&to.partition)
            {
                last.lacks_writes |= before.lacks_writes;
            }
        }
        let moved = |group: &Group| {
            let partition = Internal::Offsets.partition_in(topics, &group.id)?;
            moves.get(&partition).copied()
        };
        for group in self.all() {
            let Some(to) = moved(&group) else { continue };
            let is_known = group.state.lock().writes_move(to.lacks_writes);
            match is_known {
                true => self.load(&group, to, moved_at, now, now_ms),
                false => {
                    group.perish(self);
                    group.control.notify_one();
                }
            }
        }
        for to in moves.values() {
            if to.lacks_writes {
                for deleted in self.forget_deleted(topics, to.partition) {
                    let group = self.get_or_create(&deleted.id);
                    let mut state = group.state.lock();
                    state.undelete(&mut deleted.state.lock());
                    for producer_id in state.offsets.producers() {
                        self.undecided.restore(to.partition, producer_id, &group.id);
                    }
                    drop(state);
                    self.load(&group, *to, moved_at, now, now_ms);
                }
            }
            self.unreplicated.end(to.partition, Fate::Moved, !to.lacks_writes);
        }
        true
    }

    /// The next coordinator finds a group as it was written last.
    fn load(&self, group: &Arc<Group>, to: Coordinators, moved_at: u64, now: Instant, now_ms: i64) {
        let mut state = group.state.lock();
        state.move_coordinator(moved_at, to.is_led, now, now_ms);
        let first = state.expires_first(now_ms, self.shared.config.offsets_retention.0);
        state.expires_first_ms = [state.expires_first_ms, first].into_iter().flatten().min();
        drop(state);
        // The task's deadlines are others now.
        group.control.notify_one();
    }
}
