//! Groups whose coordinator moves to another broker: who waits is told at once, and what the next coordinator knows of the group.

use std::time::Duration;

use kafka_protocol::error::ResponseError::{self, *};
use kafka_protocol::messages::{JoinGroupRequest, SyncGroupRequest};
use kfake::client::Pending;
use kfake::{BrokerId, Cluster, GroupState, GroupView};
use kfake_tests::{Member, coordinator, text};
use leakcheck::leakcheck;
use tokio::io::DuplexStream;
use tokio::time::advance;

const OFFSETS: &str = "__consumer_offsets";
const GROUP: &str = "billing";

/// Three brokers. One of them coordinates every group.
async fn cluster() -> Cluster {
    let builder = Cluster::builder().in_memory().brokers(3);
    let builder = builder.broker_config("offsets.topic.num.partitions", "1");
    // Who joins first waits for others.
    let builder = builder.broker_config("group.initial.rebalance.delay.ms", "3000");
    builder.start().await.unwrap()
}

/// Another broker coordinates from now on.
fn move_coordinator(cluster: &Cluster) {
    let BrokerId(before) = cluster.coordinator(GROUP);
    cluster.set_leader(OFFSETS, 0, BrokerId(before % 3 + 1)).unwrap();
    assert_ne!(cluster.coordinator(GROUP), BrokerId(before));
}

fn is(code: i16, error: ResponseError) -> bool {
    code == error.code()
}

fn view(cluster: &Cluster) -> GroupView {
    cluster.group(GROUP).unwrap()
}

fn ids(view: &GroupView) -> Vec<&str> {
    view.members.iter().map(|member| member.id.as_str()).collect()
}

/// A member whose JoinGroup waits.
async fn joining(cluster: &Cluster) -> (Member, Pending<JoinGroupRequest>) {
    let mut member = Member::of(cluster, GROUP);
    let pending = member.start_join().await.unwrap();
    let waits = |g: &GroupView| g.members.iter().any(|m| *m.id == *member.id && m.is_joining);
    cluster.wait_for_group(GROUP, waits).await.unwrap();
    (member, pending)
}

/// The leader of the second generation, and a member whose SyncGroup waits for its assignment.
async fn syncing(cluster: &Cluster) -> (Member, Member, Pending<SyncGroupRequest>) {
    let mut leader = Member::of(cluster, GROUP);
    leader.join_alone().await.unwrap();
    let (mut other, pending) = joining(cluster).await;
    leader.join().await.unwrap();
    other.finish_join(pending).await.unwrap();
    let pending = other.client.start(other.sync_request(&[]), 5).await.unwrap();
    let waits = |g: &GroupView| g.members.iter().any(|m| m.is_syncing);
    cluster.wait_for_group(GROUP, waits).await.unwrap();
    (leader, other, pending)
}

/// Asks the group's coordinator of now.
fn ask_again(cluster: &Cluster, member: &mut Member<DuplexStream>) {
    member.client = coordinator(cluster, GROUP);
}

#[leakcheck(start_paused)]
async fn a_join_that_waits_is_answered_at_once_and_not_known_to_the_next_coordinator() {
    let cluster = cluster().await;
    let mut first = Member::of(&cluster, GROUP);
    first.join_alone().await.unwrap();
    let (mut second, pending) = joining(&cluster).await;
    assert_eq!(view(&cluster).state, GroupState::PreparingRebalance);
    move_coordinator(&cluster);

    let refused = second.client.finish(pending).await.unwrap();
    assert!(is(refused.error_code, NotCoordinator));
    assert_eq!((refused.generation_id, &refused.member_id), (-1, &second.id));
    // The rebalance was never written: the group is what its leader has assigned last.
    let loaded = view(&cluster);
    assert_eq!((loaded.state, loaded.generation), (GroupState::Stable, 1));
    assert_eq!(ids(&loaded), [&*first.id]);
    assert_eq!(
        (loaded.protocol_type.as_deref(), loaded.protocol.as_deref()),
        (Some("consumer"), Some("range"))
    );
    ask_again(&cluster, &mut first);
    assert_eq!(first.heartbeat().await.unwrap(), 0);
    assert_eq!(&first.sync(&[]).await.unwrap().assignment[..], b"everything");
    ask_again(&cluster, &mut second);
    let unknown = second.client.send(second.join_request()).await.unwrap();
    assert!(is(unknown.error_code, UnknownMemberId));

    // It comes again, as any client does, and the group goes on from where it was.
    second.id = text("");
    let pending = second.start_join().await.unwrap();
    cluster.wait_for_group(GROUP, |g| g.members.len() == 2).await.unwrap();
    assert_eq!(first.join().await.unwrap().generation_id, 2);
    assert_eq!(second.finish_join(pending).await.unwrap().leader, first.id);
    cluster.close().await;
}

#[leakcheck(start_paused)]
async fn a_sync_that_waits_is_answered_at_once_and_the_generation_is_the_one_before() {
    let cluster = cluster().await;
    let (mut leader, mut other, pending) = syncing(&cluster).await;
    assert_eq!(view(&cluster).state, GroupState::CompletingRebalance);
    move_coordinator(&cluster);

    let refused = other.client.finish(pending).await.unwrap();
    assert!(is(refused.error_code, NotCoordinator));
    let loaded = view(&cluster);
    assert_eq!((loaded.state, loaded.generation), (GroupState::Stable, 1));
    assert_eq!(ids(&loaded), [&*leader.id]);
    ask_again(&cluster, &mut leader);
    ask_again(&cluster, &mut other);
    assert!(is(leader.heartbeat().await.unwrap(), IllegalGeneration));
    assert!(is(other.heartbeat().await.unwrap(), UnknownMemberId));
    assert!(is(leader.sync(&[]).await.unwrap().error_code, IllegalGeneration));
    cluster.close().await;
}

#[leakcheck(start_paused)]
async fn a_group_that_was_never_assigned_anything_is_empty_at_the_next_coordinator() {
    let cluster = cluster().await;
    let (mut member, pending) = joining(&cluster).await;
    move_coordinator(&cluster);
    let refused = member.client.finish(pending).await.unwrap();
    assert!(is(refused.error_code, NotCoordinator));
    let loaded = view(&cluster);
    assert_eq!((loaded.state, loaded.generation), (GroupState::Empty, 0));
    assert_eq!(loaded.protocol_type, None);

    // A member id that was given out, and not used, is forgotten.
    ask_again(&cluster, &mut member);
    member.id = text("");
    let given = member.client.send(member.join_request()).await.unwrap();
    assert!(is(given.error_code, MemberIdRequired));
    assert_eq!(view(&cluster).pending_members, 1);
    move_coordinator(&cluster);
    assert_eq!(view(&cluster).pending_members, 0);
    cluster.close().await;
}

#[leakcheck(start_paused)]
async fn who_has_left_since_the_last_assignment_is_a_member_again() {
    let cluster = cluster().await;
    let (mut leader, mut other, pending) = syncing(&cluster).await;
    let (leader_id, other_id) = (leader.id.clone(), other.id.clone());
    leader.sync(&[(&leader_id, b"a"), (&other_id, b"b")]).await.unwrap();
    other.client.finish(pending).await.unwrap();
    assert_eq!(other.leave().await.unwrap(), 0);
    assert_eq!(ids(&view(&cluster)), [&*leader_id]);
    move_coordinator(&cluster);
    assert_eq!(ids(&view(&cluster)), [&*leader_id, &*other_id]);
    ask_again(&cluster, &mut other);
    assert_eq!(&other.sync(&[]).await.unwrap().assignment[..], b"b");
    // Once the group has gone on without it, it is gone.
    assert_eq!(other.leave().await.unwrap(), 0);
    ask_again(&cluster, &mut leader);
    leader.join_alone().await.unwrap();
    move_coordinator(&cluster);
    assert_eq!(ids(&view(&cluster)), [&*leader_id]);
    // And so it is when the last one goes.
    ask_again(&cluster, &mut leader);
    assert_eq!(leader.leave().await.unwrap(), 0);
    move_coordinator(&cluster);
    let empty = view(&cluster);
    assert_eq!((empty.state, empty.generation), (GroupState::Empty, 4));
    assert_eq!(empty.protocol_type.as_deref(), Some("consumer"));
    cluster.close().await;
}

#[leakcheck(start_paused)]
async fn sessions_begin_anew_at_the_next_coordinator() {
    let cluster = cluster().await;
    let mut member = Member::of(&cluster, GROUP);
    member.join_alone().await.unwrap();
    advance(Duration::from_secs(9)).await;
    move_coordinator(&cluster);
    advance(Duration::from_secs(9)).await;
    assert_eq!(view(&cluster).members.len(), 1);
    advance(Duration::from_secs(2)).await;
    cluster.wait_for_group(GROUP, GroupView::is_empty).await.unwrap();
    assert_eq!(view(&cluster).generation, 2);
    cluster.close().await;
}

#[leakcheck(start_paused)]
async fn while_nobody_coordinates_no_session_times_out() {
    let builder = Cluster::builder().in_memory().brokers(1);
    let cluster = builder.start().await.unwrap();
    let mut member = Member::of(&cluster, GROUP);
    member.join_alone().await.unwrap();
    cluster.stop_broker(BrokerId(1)).await.unwrap();
    assert_eq!(cluster.coordinator(GROUP), BrokerId(-1));
    advance(Duration::from_secs(3600)).await;
    assert_eq!(view(&cluster).state, GroupState::Stable);
    cluster.start_broker(BrokerId(1)).await.unwrap();
    ask_again(&cluster, &mut member);
    assert_eq!(member.heartbeat().await.unwrap(), 0);
    advance(Duration::from_secs(11)).await;
    cluster.wait_for_group(GROUP, GroupView::is_empty).await.unwrap();
    cluster.close().await;
}

#[leakcheck(start_paused)]
async fn a_static_member_that_came_back_is_known_by_its_new_id() {
    let cluster = cluster().await;
    let mut before = Member::of(&cluster, GROUP).with_instance("till-1");
    before.join_alone().await.unwrap();
    let mut after = Member::of(&cluster, GROUP).with_instance("till-1");
    after.join().await.unwrap();
    assert_ne!(after.id, before.id);
    move_coordinator(&cluster);
    assert_eq!(ids(&view(&cluster)), [&*after.id]);
    ask_again(&cluster, &mut before);
    assert!(is(before.heartbeat().await.unwrap(), FencedInstanceId));
    ask_again(&cluster, &mut after);
    assert_eq!(after.heartbeat().await.unwrap(), 0);
    cluster.close().await;
}

/// The group's task is told to take nothing: the requests wait in its queue while the coordinator moves.
#[leakcheck(start_paused)]
async fn a_request_that_the_group_has_not_taken_yet_came_to_the_wrong_broker() {
    let cluster = cluster().await;
    let mut first = Member::of(&cluster, GROUP);
    first.join_alone().await.unwrap();
    assert!(cluster.stall_group(GROUP, true));
    let join = first.client.start(first.join_request(), 9).await.unwrap();
    let mut second = Member::of(&cluster, GROUP);
    second.id = first.id.clone();
    second.generation = 1;
    let sync = second.client.start(second.sync_request(&[]), 5).await.unwrap();
    cluster.wait_for_group(GROUP, |g| g.queued == 2).await.unwrap();
    move_coordinator(&cluster);
    cluster.stall_group(GROUP, false);
    let refused = first.client.finish(join).await.unwrap();
    assert!(is(refused.error_code, NotCoordinator));
    assert_eq!(refused.member_id, first.id);
    let refused = second.client.finish(sync).await.unwrap();
    assert!(is(refused.error_code, NotCoordinator));
    assert_eq!(view(&cluster).state, GroupState::Stable);
    cluster.close().await;
}

/// Groups of partitions that stay where they are notice nothing.
#[leakcheck(start_paused)]
async fn a_group_of_another_partition_stays_as_it_is() {
    let builder = Cluster::builder().in_memory().brokers(3);
    let builder = builder.broker_config("group.initial.rebalance.delay.ms", "3000");
    let cluster = builder.start().await.unwrap();
    let (mut member, pending) = joining(&cluster).await;
    let own = cluster.coordinator(GROUP);
    for partition in 0..50 {
        let BrokerId(leader) = cluster.partition(OFFSETS, partition).unwrap().leader.unwrap();
        // One of those that this broker leads is the group's.
        if BrokerId(leader) != own {
            cluster
                .set_leader(OFFSETS, partition, BrokerId(leader % 3 + 1))
                .unwrap();
        }
    }
    let joined = member.finish_join(pending).await.unwrap();
    assert_eq!((joined.error_code, joined.generation_id), (0, 1));
    cluster.close().await;
}
