use uuid::Uuid;

use super::*;
use crate::cluster::configs::logs::Inherited;
use crate::cluster::topic_config::TopicConfig;
use crate::log::testing::BatchSpec;
use crate::log::{Isolation, Marker, Rules, TimestampType};

fn ids(ids: &[i32]) -> Vec<BrokerId> {
    ids.iter().copied().map(BrokerId).collect()
}

/// A topic `t` with one partition on these replicas, among brokers that are all up.
fn topics(replicas: &[i32], configs: &[(&str, &str)]) -> Topics {
    let mut topics = Topics::default();
    let configs = configs.iter().map(|(name, value)| (*name, Some(*value)));
    let configs = TopicConfig::read(configs, &Inherited::default()).unwrap();
    topics.insert("t", Uuid::from_u128(1), vec![ids(replicas)], configs);
    topics
}

fn partition(topics: &Topics) -> Arc<Partition> {
    topics.by_name("t").unwrap().partitions[0].clone()
}

/// Appends a batch of one record.
fn append(topics: &Topics) {
    let valid = Rules::default()
        .validate(BatchSpec::stamped(&[1]).bytes(), 9, 0)
        .unwrap();
    let _ = partition(topics).log.lock().append(valid).unwrap();
}

fn end(topics: &Topics) -> i64 {
    partition(topics).log.lock().end_offset()
}

#[test]
fn a_broker_that_goes_loses_its_leadership_and_gets_its_place_in_sync_back_when_it_returns() {
    let mut topics = topics(&[1, 2, 3], &[]);
    topics.fence(BrokerId(1)).notify();
    let gone = partition(&topics);
    assert_eq!((gone.leader, gone.leader_epoch), (Some(BrokerId(2)), 1));
    assert_eq!(gone.isr, ids(&[2, 3]));
    topics.unfence(BrokerId(1)).notify();
    let back = partition(&topics);
    assert_eq!((back.leader, back.leader_epoch), (Some(BrokerId(2)), 1));
    assert_eq!(back.isr, ids(&[1, 2, 3]));
}

#[test]
fn a_preferred_election_brings_the_first_replica_back() {
    let mut topics = topics(&[1, 2], &[]);
    assert_eq!(
        topics.elect("t", 0, Election::Preferred).unwrap_err(),
        Refused::NotNeeded
    );
    topics.fence(BrokerId(1)).notify();
    assert_eq!(
        topics.elect("t", 0, Election::Preferred).unwrap_err(),
        Refused::PreferredNotAvailable
    );
    topics.unfence(BrokerId(1)).notify();
    topics.elect("t", 0, Election::Preferred).unwrap().notify();
    let after = partition(&topics);
    assert_eq!((after.leader, after.leader_epoch), (Some(BrokerId(1)), 2));
}

#[test]
fn an_unclean_election_loses_what_the_new_leader_lacks() {
    let mut topics = topics(&[1, 2], &[]);
    append(&topics);
    topics.hold_back("t", 0, BrokerId(2)).unwrap().notify();
    append(&topics);
    topics.fence(BrokerId(1)).notify();
    assert_eq!(partition(&topics).leader, None);
    assert_eq!(end(&topics), 2);
    topics.elect("t", 0, Election::Unclean).unwrap().notify();
    let after = partition(&topics);
    assert_eq!((after.leader, after.isr.clone()), (Some(BrokerId(2)), ids(&[2])));
    assert_eq!(end(&topics), 1);
    // Epoch 0 ended where the log was cut.
    assert_eq!(after.log.lock().end_of_epoch(0), Some((0, 1)));
    assert_eq!(topics.elect("t", 0, Election::Unclean).unwrap_err(), Refused::NotNeeded);
}

#[test]
fn an_unclean_election_needs_a_broker_that_is_up() {
    let mut topics = topics(&[1], &[]);
    topics.fence(BrokerId(1)).notify();
    assert_eq!(
        topics.elect("t", 0, Election::Unclean).unwrap_err(),
        Refused::EligibleNotAvailable
    );
}

#[test]
fn a_topic_that_takes_unclean_leaders_elects_one_by_itself() {
    let mut topics = topics(&[1, 2], &[("unclean.leader.election.enable", "true")]);
    topics.hold_back("t", 0, BrokerId(2)).unwrap().notify();
    topics.fence(BrokerId(1)).notify();
    assert_eq!(partition(&topics).leader, Some(BrokerId(2)));
}

#[test]
fn with_too_few_in_sync_nothing_more_is_committed() {
    let mut topics = topics(&[1, 2], &[("min.insync.replicas", "2")]);
    append(&topics);
    topics.hold_back("t", 0, BrokerId(2)).unwrap().notify();
    append(&topics);
    let held = partition(&topics);
    assert_eq!(held.elr, ids(&[2]));
    assert_eq!(held.log.lock().high_watermark(), 1);
    assert_eq!(held.log.lock().visible_end(Isolation::Uncommitted), 1);
    topics.let_catch_up("t", 0, BrokerId(2)).unwrap().notify();
    let after = partition(&topics);
    assert_eq!(after.log.lock().high_watermark(), 2);
    assert_eq!((after.isr.clone(), after.elr.clone()), (ids(&[1, 2]), ids(&[])));
}

/// One that ends the transaction of producer 7.
fn marker() -> Marker {
    Marker {
        producer_id: 7,
        producer_epoch: 0,
        coordinator_epoch: 0,
        committed: true,
        bumps_epoch: false,
    }
}

/// Begins a transaction of producer 7.
fn begin(topics: &Topics) {
    let spec = BatchSpec {
        attributes: 0x10,
        producer_id: 7,
        producer_epoch: 0,
        base_sequence: 0,
        ..BatchSpec::stamped(&[1])
    };
    let valid = Rules::default().validate(spec.bytes(), 9, 0).unwrap();
    let _ = partition(topics).log.lock().append(valid).unwrap();
}

#[test]
fn a_marker_that_is_owed_is_forgotten_once_nobody_leads() {
    let mut topics = topics(&[1, 2], &[("min.insync.replicas", "2")]);
    begin(&topics);
    topics.fence(BrokerId(2)).notify();
    let held = partition(&topics);
    held.log.lock().owe_marker(&marker(), (TimestampType::CreateTime, 1));
    assert!(held.log.lock().owes_marker_of(7) && !held.log.lock().owes_marker_of(8));
    topics.fence(BrokerId(1)).notify();
    assert!(!held.log.lock().owes_marker_of(7));
    topics.unfence(BrokerId(1)).notify();
    topics.unfence(BrokerId(2)).notify();
    // Its transaction is open.
    let log = held.log.lock();
    assert_eq!((log.end_offset(), log.last_stable_offset()), (1, 0));
}

#[test]
fn a_marker_that_is_owed_waits_for_as_many_in_sync_as_the_topic_wants() {
    let mut topics = topics(&[1, 2], &[("min.insync.replicas", "2")]);
    begin(&topics);
    topics.hold_back("t", 0, BrokerId(2)).unwrap().notify();
    let held = partition(&topics);
    assert!(!held.takes_markers(&held.log.lock()));
    held.log.lock().owe_marker(&marker(), (TimestampType::CreateTime, 1));
    assert_eq!(held.log.lock().last_stable_offset(), 0);
    // Fewer are wanted now.
    let mut changed = Topic::clone(topics.by_name("t").unwrap());
    changed.config = TopicConfig::read(std::iter::empty(), &Inherited::default()).unwrap();
    topics.replace(Arc::new(changed));
    assert_eq!((end(&topics), held.log.lock().last_stable_offset()), (2, 2));
}

#[test]
fn a_topic_that_is_created_with_too_few_brokers_up_commits_nothing_until_they_come() {
    let mut topics = topics(&[1, 2], &[]);
    topics.fence(BrokerId(2)).notify();
    let configs = TopicConfig::read([("min.insync.replicas", Some("2"))].into_iter(), &Inherited::default());
    let before = topics.by_name("t").unwrap().id;
    topics.remove("t");
    topics.insert("t", Uuid::from_u128(2), vec![ids(&[1, 2])], configs.unwrap());
    assert_ne!(topics.by_name("t").unwrap().id, before);
    append(&topics);
    let held = partition(&topics);
    assert_eq!((held.isr.clone(), held.log.lock().high_watermark()), (ids(&[1]), 0));
    topics.unfence(BrokerId(2)).notify();
    assert_eq!(partition(&topics).log.lock().high_watermark(), 1);
}

#[test]
fn a_leader_that_is_moved_keeps_what_was_written_and_one_that_lags_does_not() {
    let mut topics = topics(&[1, 2, 3], &[]);
    append(&topics);
    topics.lead("t", 0, BrokerId(3)).unwrap().notify();
    assert_eq!(end(&topics), 1);
    assert_eq!(partition(&topics).isr, ids(&[1, 2, 3]));
    topics.hold_back("t", 0, BrokerId(1)).unwrap().notify();
    append(&topics);
    topics.lead("t", 0, BrokerId(1)).unwrap().notify();
    let after = partition(&topics);
    assert_eq!((after.leader, after.leader_epoch), (Some(BrokerId(1)), 2));
    assert_eq!(end(&topics), 1);
    // The others forget what they had, and follow.
    assert_eq!(after.isr, ids(&[1, 2, 3]));
    assert_eq!(
        topics.lead("t", 0, BrokerId(4)).unwrap_err(),
        MoveError::NoReplica(BrokerId(4))
    );
    assert_eq!(
        topics.hold_back("t", 0, BrokerId(1)).unwrap_err(),
        MoveError::Leads(BrokerId(1))
    );
}

#[test]
fn a_reassignment_that_is_held_waits_and_can_be_taken_back() {
    let mut topics = topics(&[1, 2], &[]);
    topics.hold_reassignments(true).notify();
    topics.reassign("t", 0, Some(&ids(&[3, 2]))).unwrap().notify();
    let held = partition(&topics);
    assert_eq!(held.replicas, ids(&[3, 2, 1]));
    assert_eq!((held.adding.clone(), held.removing.clone()), (ids(&[3]), ids(&[1])));
    assert_eq!(held.isr, ids(&[1, 2]));
    topics.reassign("t", 0, None).unwrap().notify();
    let back = partition(&topics);
    assert_eq!((back.replicas.clone(), back.isr.clone()), (ids(&[2, 1]), ids(&[1, 2])));
    assert_eq!(topics.reassign("t", 0, None).unwrap_err(), Refused::NoReassignment);
}

#[test]
fn a_reassignment_that_is_let_go_moves_the_leader_with_it() {
    let mut topics = topics(&[1, 2], &[]);
    append(&topics);
    topics.hold_reassignments(true).notify();
    topics.reassign("t", 0, Some(&ids(&[3]))).unwrap().notify();
    topics.hold_reassignments(false).notify();
    let done = partition(&topics);
    assert_eq!((done.replicas.clone(), done.isr.clone()), (ids(&[3]), ids(&[3])));
    assert_eq!((done.leader, done.leader_epoch), (Some(BrokerId(3)), 1));
    assert_eq!(end(&topics), 1);
}

#[test]
fn what_is_not_there_is_not_found_in_the_words_of_who_was_asked() {
    let mut topics = topics(&[1, 2], &[]);
    let unknown = |text: &str| Refused::Unknown(text.to_owned());
    assert_eq!(
        topics.elect("x", 0, Election::Preferred).unwrap_err(),
        unknown("No such topic as x")
    );
    assert_eq!(
        topics.elect("t", 7, Election::Preferred).unwrap_err(),
        unknown("No such partition as t-7")
    );
    assert_eq!(
        topics.reassign("x", 0, None).unwrap_err(),
        unknown("Unable to find a topic named x.")
    );
    assert_eq!(
        topics.reassign("t", 7, None).unwrap_err(),
        unknown("Unable to find partition t:7.")
    );
}
