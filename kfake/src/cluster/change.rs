//! How a partition changes: replicas, those in sync, and the leader that follows from both. Kafka's
//! `PartitionChangeBuilder`, with eligible leader replicas (KIP-966) as a new cluster of Kafka 4 has them.

use super::partition::Partition;
use super::topics::BrokerId;

/// Which replica is to lead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Election {
    /// The first replica, if it may; else who leads already.
    Preferred,
    /// Who leads already, if it may; else the first that may.
    Online,
    /// As `Online`, and where none may, the first that is alive: committed records may be lost.
    Unclean,
}

/// A change of one partition.
pub(crate) struct Change<'a> {
    before: &'a Partition,
    pub isr: Vec<BrokerId>,
    pub replicas: Vec<BrokerId>,
    pub adding: Vec<BrokerId>,
    pub removing: Vec<BrokerId>,
    pub election: Election,
    /// Replicas that have come to have all that the log has.
    pub caught_up: Vec<BrokerId>,
    /// A broker that was killed and comes back: what it had may be lost (`ReplicationControlManager.handleUncleanBrokerShutdown`).
    pub was_killed: Option<BrokerId>,
    min_isr: usize,
    is_alive: &'a dyn Fn(BrokerId) -> bool,
}

impl<'a> Change<'a> {
    /// A change that changes nothing yet. `min_isr` is the topic's `min.insync.replicas`.
    pub fn of(before: &'a Partition, min_isr: usize, is_alive: &'a dyn Fn(BrokerId) -> bool) -> Self {
        Self {
            before,
            isr: before.isr.clone(),
            replicas: before.replicas.clone(),
            adding: before.adding.clone(),
            removing: before.removing.clone(),
            election: Election::Online,
            caught_up: Vec::new(),
            was_killed: None,
            min_isr: before.effective_min_isr(min_isr),
            is_alive,
        }
    }

    /// The partition after it; `None` where nothing changes.
    pub fn build(mut self) -> Option<Partition> {
        if !self.caught_up.is_empty() {
            self.isr.extend(&self.caught_up);
            // The leader's AlterPartition has them as a set, whatever their order was.
            self.isr.sort_unstable();
        }
        self.complete_reassignment();
        let mut elr = self.eligible();
        let before = self.before;
        let (leader, is_unclean) = self.elect(&elr);
        if let Some(leader) = leader
            && elr.contains(&leader)
        {
            self.isr = vec![leader];
            elr.retain(|replica| *replica != leader);
        }
        if let Some(leader) = leader.filter(|_| is_unclean) {
            self.isr = vec![leader];
            elr.clear();
        }
        let last_known_elr = match (leader, before.leader) {
            (Some(_), _) => Vec::new(),
            (None, Some(last)) => vec![last],
            (None, None) => before.last_known_elr.clone(),
        };
        // A replica that was taken away must not be taken for one that follows (KAFKA-12158).
        let has_lost_replicas = before.replicas.iter().any(|r| !self.replicas.contains(r));
        let is_led_anew = leader != before.leader || has_lost_replicas;
        let partition = Partition {
            index: before.index,
            leader,
            leader_epoch: before.leader_epoch + i32::from(is_led_anew),
            partition_epoch: before.partition_epoch + 1,
            replicas: self.replicas,
            isr: self.isr,
            elr,
            last_known_elr,
            adding: self.adding,
            removing: self.removing,
            behind: {
                let mut behind = before.behind.clone();
                behind.retain(|replica, _| !self.caught_up.contains(replica));
                behind
            },
            log: before.log.clone(),
        };
        let is_same = !is_led_anew
            && partition.replicas == before.replicas
            && partition.isr == before.isr
            && partition.elr == before.elr
            && partition.last_known_elr == before.last_known_elr
            && partition.adding == before.adding
            && partition.removing == before.removing;
        (!is_same).then_some(partition)
    }

    /// A reassignment is complete once every replica that stays is in sync
    /// (`PartitionReassignmentReplicas.maybeCompleteReassignment`).
    fn complete_reassignment(&mut self) {
        if self.adding.is_empty() && self.removing.is_empty() {
            return;
        }
        let stays = |replicas: &[BrokerId]| -> Vec<_> {
            replicas
                .iter()
                .copied()
                .filter(|r| !self.removing.contains(r))
                .collect()
        };
        let (isr, replicas) = (stays(&self.isr), stays(&self.replicas));
        if !isr.is_empty() && replicas.iter().all(|replica| isr.contains(replica)) {
            self.isr = isr;
            self.replicas = replicas;
            self.adding.clear();
            self.removing.clear();
        }
    }

    /// Who would be eligible to lead although not in sync (`maybePopulateTargetElr`).
    fn eligible(&self) -> Vec<BrokerId> {
        if self.isr.len() >= self.min_isr.min(self.replicas.len()) {
            return Vec::new();
        }
        let mut eligible: Vec<_> = self.before.elr.iter().chain(&self.before.isr).copied().collect();
        eligible.retain(|replica| !self.isr.contains(replica) && Some(*replica) != self.was_killed);
        eligible.sort_unstable();
        eligible.dedup();
        eligible
    }

    /// Who leads, and whether that may lose records.
    fn elect(&self, elr: &[BrokerId]) -> (Option<BrokerId>, bool) {
        let may_lead = |replica: &BrokerId| {
            let knows = self.isr.contains(replica) || (self.isr.is_empty() && elr.contains(replica));
            knows && (self.is_alive)(*replica)
        };
        let leads = self.before.leader.filter(may_lead);
        let first = self.replicas.iter().copied().find(may_lead);
        let preferred = self.replicas.first().copied().filter(may_lead);
        let clean = match self.election {
            Election::Preferred => preferred.or(leads).or(first),
            Election::Online | Election::Unclean => leads.or(first),
        };
        if clean.is_none()
            && let Some(last) = self.last_known_leader(elr)
        {
            return (Some(last), true);
        }
        match self.election {
            Election::Unclean if clean.is_none() => {
                let alive = self.replicas.iter().copied().find(|r| (self.is_alive)(*r));
                (alive, alive.is_some())
            }
            _ => (clean, false),
        }
    }

    /// Who led last, where it is up and nobody has more: nobody is in sync, or eligible (`canElectLastKnownLeader`).
    fn last_known_leader(&self, elr: &[BrokerId]) -> Option<BrokerId> {
        match *self.before.last_known_elr {
            [last] if self.isr.is_empty() && elr.is_empty() && (self.is_alive)(last) => Some(last),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(ids: &[i32]) -> Vec<BrokerId> {
        ids.iter().copied().map(BrokerId).collect()
    }

    fn partition(replicas: &[i32], isr: &[i32]) -> Partition {
        Partition::new(0, ids(replicas), ids(isr))
    }

    fn everybody(_: BrokerId) -> bool {
        true
    }

    #[test]
    fn nothing_changes_where_nothing_is_changed() {
        let before = partition(&[1, 2, 3], &[1, 2, 3]);
        assert!(Change::of(&before, 1, &everybody).build().is_none());
        let mut preferred = Change::of(&before, 1, &everybody);
        preferred.election = Election::Preferred;
        assert!(preferred.build().is_none());
    }

    #[test]
    fn the_first_replica_in_sync_follows_a_leader_that_is_gone() {
        let before = partition(&[1, 2, 3], &[1, 2, 3]);
        let alive = |broker| broker != BrokerId(1);
        let mut change = Change::of(&before, 1, &alive);
        change.isr = ids(&[2, 3]);
        let after = change.build().unwrap();
        assert_eq!(
            (after.leader, after.leader_epoch, after.partition_epoch),
            (Some(BrokerId(2)), 1, 1)
        );
        assert_eq!(after.isr, ids(&[2, 3]));
    }

    #[test]
    fn a_follower_that_leaves_the_isr_raises_the_partitions_epoch_alone() {
        let before = partition(&[1, 2, 3], &[1, 2, 3]);
        let mut change = Change::of(&before, 2, &everybody);
        change.isr = ids(&[1]);
        let after = change.build().unwrap();
        assert_eq!((after.leader_epoch, after.partition_epoch), (0, 1));
        // One is too few for two: the others have all that is committed.
        assert_eq!(after.elr, ids(&[2, 3]));
    }

    #[test]
    fn the_last_replica_in_sync_stays_eligible_when_it_goes_and_leads_when_it_comes_back() {
        let before = partition(&[1, 2], &[1]);
        let alive = |broker| broker != BrokerId(1);
        let mut change = Change::of(&before, 1, &alive);
        change.isr = ids(&[]);
        let gone = change.build().unwrap();
        assert_eq!((gone.leader, gone.leader_epoch), (None, 1));
        assert_eq!((&gone.elr, &gone.last_known_elr), (&ids(&[1]), &ids(&[1])));

        let back = Change::of(&gone, 1, &everybody).build().unwrap();
        assert_eq!((back.leader, back.leader_epoch), (Some(BrokerId(1)), 2));
        assert_eq!(
            (back.isr, back.elr, back.last_known_elr),
            (ids(&[1]), ids(&[]), ids(&[]))
        );
    }

    #[test]
    fn who_was_killed_is_eligible_no_more_and_leads_again_where_it_led_last_and_nobody_else_is_eligible() {
        let nobody = |_| false;
        let second = |broker| broker == BrokerId(2);
        // The first of two that have to be in sync went, and then the second, which led.
        let mut gone = partition(&[1, 2], &[]);
        (gone.leader, gone.elr, gone.last_known_elr) = (None, ids(&[1, 2]), ids(&[2]));
        let mut first_is_back = Change::of(&gone, 2, &nobody);
        first_is_back.was_killed = Some(BrokerId(1));
        let after = first_is_back.build().unwrap();
        assert_eq!((after.leader, &after.elr), (None, &ids(&[2])));
        assert!(Change::of(&after, 2, &|broker| broker == BrokerId(1)).build().is_none());
        let mut second_is_back = Change::of(&after, 2, &nobody);
        second_is_back.was_killed = Some(BrokerId(2));
        let after = second_is_back.build().unwrap();
        assert_eq!(
            (after.leader, &after.elr, &after.last_known_elr),
            (None, &ids(&[]), &ids(&[2]))
        );
        let led = Change::of(&after, 2, &second).build().unwrap();
        assert_eq!(
            (led.leader, &led.isr, &led.last_known_elr),
            (Some(BrokerId(2)), &ids(&[2]), &ids(&[]))
        );
        // While the other is eligible, who led last is not enough.
        let mut second_first = Change::of(&gone, 2, &nobody);
        second_first.was_killed = Some(BrokerId(2));
        let after = second_first.build().unwrap();
        assert_eq!((after.leader, &after.elr), (None, &ids(&[1])));
        assert!(Change::of(&after, 2, &second).build().is_none());
    }

    #[test]
    fn an_unclean_election_takes_who_is_alive_and_only_where_nobody_else_may_lead() {
        let before = partition(&[1, 2], &[1]);
        let alive = |broker| broker != BrokerId(1);
        let mut gone = Change::of(&before, 1, &alive);
        gone.isr = ids(&[]);
        let gone = gone.build().unwrap();
        let mut unclean = Change::of(&gone, 1, &alive);
        unclean.election = Election::Unclean;
        let after = unclean.build().unwrap();
        assert_eq!((after.leader, after.isr), (Some(BrokerId(2)), ids(&[2])));

        let mut clean = Change::of(&before, 1, &everybody);
        clean.election = Election::Unclean;
        assert!(clean.build().is_none());
    }

    #[test]
    fn a_reassignment_waits_for_its_new_replicas_and_then_drops_the_old() {
        let before = partition(&[1, 2], &[1, 2]);
        let mut change = Change::of(&before, 1, &everybody);
        change.replicas = ids(&[3, 1, 2]);
        change.adding = ids(&[3]);
        change.removing = ids(&[1, 2]);
        let held = change.build().unwrap();
        assert_eq!((held.leader, held.leader_epoch), (Some(BrokerId(1)), 0));
        assert!(held.is_reassigning());

        let mut caught_up = Change::of(&held, 1, &everybody);
        caught_up.caught_up = ids(&[3]);
        let done = caught_up.build().unwrap();
        assert_eq!((done.replicas.clone(), done.isr.clone()), (ids(&[3]), ids(&[3])));
        assert_eq!((done.leader, done.leader_epoch), (Some(BrokerId(3)), 1));
        assert!(!done.is_reassigning());
    }

    #[test]
    fn a_replica_that_is_taken_away_raises_the_leader_epoch_though_the_leader_stays() {
        let before = partition(&[1, 2], &[1, 2]);
        let mut change = Change::of(&before, 1, &everybody);
        change.removing = ids(&[2]);
        let after = change.build().unwrap();
        assert_eq!((after.leader, after.leader_epoch), (Some(BrokerId(1)), 1));
        assert_eq!(after.replicas, ids(&[1]));
    }
}
