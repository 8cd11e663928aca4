//! Which of a group's offsets are too old, and when the next will be: `ClassicGroup.offsetExpirationCondition` and
//! `OffsetMetadataManager.cleanupExpiredOffsets` (KIP-211).

use std::time::Duration;

use super::classic::ClassicGroup;
use super::offsets::Committed;
use super::view::GroupState;
use crate::log::Marker;

/// What a look for old offsets has found.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Kept {
    /// Nothing is left, and nobody is there: the group is dead.
    Nothing,
    /// Something is left. Of what can expire as the group is now, the first will at this time, in milliseconds since 1970.
    Until(Option<i64>),
}

impl ClassicGroup {
    /// Forgets the offsets that are too old at `now_ms`, and dies if it is empty and none is left.
    pub(super) fn expire_offsets(&mut self, now_ms: i64, retention: Duration) -> Kept {
        if self.uncommitted.is_some() && self.expires_first(now_ms, retention).is_some_and(|at| at <= now_ms) {
            self.before_write();
        }
        let mut offsets = std::mem::take(&mut self.offsets);
        let mut next: Option<i64> = None;
        offsets.retain(|topic, committed| {
            let Some(until) = self.expires_at(topic, committed, retention) else {
                return true;
            };
            let stays = now_ms < until;
            if stays {
                next = Some(next.map_or(until, |next| next.min(until)));
            }
            stays
        });
        self.offsets = offsets;
        if self.is_without_purpose() {
            self.state = GroupState::Dead;
            return Kept::Nothing;
        }
        Kept::Until(next)
    }

    /// When the first thing of the group can expire, as the group is now.
    pub(crate) fn expires_first(&self, now_ms: i64, retention: Duration) -> Option<i64> {
        if self.is_without_purpose() {
            return Some(now_ms);
        }
        let offsets = self.offsets.all();
        let offsets =
            offsets.flat_map(|(topic, partitions)| partitions.values().map(move |committed| (topic, committed)));
        offsets
            .filter_map(|(topic, committed)| self.expires_at(topic, committed, retention))
            .min()
    }

    /// A marker decides the offsets of its producer's transaction. When the first thing of the group can expire then.
    pub(crate) fn decide(&mut self, marker: &Marker, now_ms: i64, retention: Duration) -> Option<i64> {
        self.offsets.decide(marker.producer_id, marker.committed);
        self.expires_first(now_ms, retention)
    }

    /// Empty and without offsets, also of transactions: gone when somebody looks next.
    fn is_without_purpose(&self) -> bool {
        self.state == GroupState::Empty && self.offsets.len() == 0 && !self.offsets.has_pending()
    }

    /// When an offset expires, as the group is now; none while it cannot.
    pub(super) fn expires_at(&self, topic: &str, committed: &Committed, retention: Duration) -> Option<i64> {
        let is_of_consumers = self.protocol_type.as_deref() == Some("consumer");
        let since_ms = match (&self.protocol_type, self.state) {
            // A consumer without membership.
            (None, _) => committed.at_ms,
            (Some(_), GroupState::Empty) => self.state_since_ms.unwrap_or(committed.at_ms),
            (Some(_), GroupState::Stable) if is_of_consumers && self.subscribed.topics().is_some() => committed.at_ms,
            _ => return None,
        };
        let is_subscribed = match self.subscribed.topics() {
            Some(topics) => topics.contains(topic),
            None => is_of_consumers,
        };
        if is_subscribed {
            return None;
        }
        let retention = i64::try_from(retention.as_millis()).unwrap_or(i64::MAX);
        // Before OffsetCommit 5 a client could say how long.
        Some(
            committed
                .expires_ms
                .unwrap_or_else(|| since_ms.saturating_add(retention)),
        )
    }
}

#[cfg(test)]
mod tests {
    use kafka_protocol::protocol::StrBytes;
    use uuid::Uuid;

    use super::super::subscription::Subscribed;
    use super::*;

    const WEEK: Duration = Duration::from_secs(7 * 24 * 3600);
    const WEEK_MS: i64 = 7 * 24 * 3600 * 1000;

    fn group(offsets: &[(&str, i64, Option<i64>)]) -> ClassicGroup {
        let mut group = ClassicGroup::new("g".into());
        for (topic, at_ms, expires_ms) in offsets {
            let committed = Committed {
                offset: 5,
                leader_epoch: -1,
                metadata: StrBytes::new(),
                topic_id: Uuid::nil(),
                at_ms: *at_ms,
                expires_ms: *expires_ms,
            };
            group.offsets.commit(topic, 0, committed);
        }
        group
    }

    #[test]
    fn offsets_of_a_consumer_without_membership_live_from_their_commit() {
        let mut group = group(&[("a", 100, None), ("b", 200, None)]);
        assert_eq!(
            group.expire_offsets(WEEK_MS + 99, WEEK),
            Kept::Until(Some(WEEK_MS + 100))
        );
        assert_eq!(group.offsets.len(), 2);
        assert_eq!(
            group.expire_offsets(WEEK_MS + 100, WEEK),
            Kept::Until(Some(WEEK_MS + 200))
        );
        assert_eq!(group.offsets.len(), 1);
        assert_eq!(group.expire_offsets(WEEK_MS + 200, WEEK), Kept::Nothing);
        assert_eq!(group.state, GroupState::Dead);
    }

    #[test]
    fn offsets_of_a_group_that_has_been_left_live_from_then_on() {
        let mut group = group(&[("a", 100, None)]);
        group.protocol_type = Some(StrBytes::from_static_str("consumer"));
        group.subscribed = Subscribed::by(Vec::new());
        group.state_since_ms = Some(5000);
        assert_eq!(
            group.expire_offsets(WEEK_MS + 4999, WEEK),
            Kept::Until(Some(WEEK_MS + 5000))
        );
        assert_eq!(group.expire_offsets(WEEK_MS + 5000, WEEK), Kept::Nothing);
    }

    #[test]
    fn what_a_stable_group_is_subscribed_to_stays_and_the_rest_does_not() {
        let mut group = group(&[("a", 100, None), ("b", 100, None)]);
        group.protocol_type = Some(StrBytes::from_static_str("consumer"));
        group.subscribed = Subscribed::by(vec![b"\0\0\0\0\0\x01\0\x01b\xff\xff\xff\xff"[..].into()]);
        group.state = GroupState::Stable;
        assert_eq!(group.expire_offsets(WEEK_MS + 100, WEEK), Kept::Until(None));
        assert!(group.offsets.get_of("b", Uuid::nil(), 0).is_some());
        assert_eq!(group.offsets.len(), 1);
    }

    #[test]
    fn nothing_expires_while_a_group_rebalances_or_is_not_one_of_consumers() {
        for (kind, state) in [
            ("consumer", GroupState::PreparingRebalance),
            ("connect", GroupState::Stable),
        ] {
            let mut group = group(&[("a", 100, None)]);
            group.protocol_type = Some(StrBytes::from_static_str(kind));
            group.subscribed = Subscribed::by(Vec::new());
            group.state = state;
            assert_eq!(group.expire_offsets(i64::MAX, WEEK), Kept::Until(None), "{kind}");
            assert_eq!(group.offsets.len(), 1, "{kind}");
        }
    }

    #[test]
    fn a_time_that_the_client_gave_goes_before_the_brokers() {
        let mut group = group(&[("a", 100, Some(150)), ("b", 100, None)]);
        assert_eq!(group.expire_offsets(150, WEEK), Kept::Until(Some(WEEK_MS + 100)));
        assert_eq!(group.offsets.len(), 1);
    }

    #[test]
    fn an_empty_group_without_offsets_goes_at_the_first_look() {
        assert_eq!(group(&[]).expire_offsets(0, WEEK), Kept::Nothing);
    }
}
