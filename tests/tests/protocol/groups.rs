//! Classic groups: joins, rebalances, sessions, offsets.

use std::time::Duration;

use kafka_protocol::error::ResponseError::{self, *};
use kafka_protocol::messages::delete_groups_request::DeleteGroupsRequest;
use kafka_protocol::messages::join_group_request::JoinGroupRequestProtocol;
use kafka_protocol::messages::offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use kafka_protocol::messages::offset_fetch_request::{OffsetFetchRequestGroup, OffsetFetchRequestTopics};
use kafka_protocol::messages::{
    DescribeGroupsRequest, GroupId, ListGroupsRequest, OffsetCommitRequest, OffsetFetchRequest, TopicName,
};
use kfake::{Cluster, EndGroupError, GroupState};
use kfake_tests::{Member, coordinator, text, until_idle};
use leakcheck::leakcheck;
use tokio::time::{Instant, advance};

async fn cluster() -> Cluster {
    cluster_with(&[]).await
}

async fn cluster_with(configs: &[(&str, &str)]) -> Cluster {
    let mut builder = Cluster::builder().in_memory().topic("orders", 3);
    for (name, value) in configs {
        builder = builder.broker_config(*name, *value);
    }
    builder.start().await.unwrap()
}

fn is(code: i16, error: ResponseError) -> bool {
    code == error.code()
}

/// A stable group of two: the leader and the other.
async fn two_members(cluster: &Cluster, group: &str) -> (Member, Member) {
    let mut leader = Member::of(cluster, group);
    leader.join_alone().await.unwrap();
    let mut other = Member::of(cluster, group);
    let joining = other.start_join().await.unwrap();
    cluster
        .wait_for_group(group, |g| g.state == GroupState::PreparingRebalance)
        .await
        .unwrap();
    let joined = leader.join().await.unwrap();
    assert_eq!(joined.members.len(), 2);
    let joined = other.finish_join(joining).await.unwrap();
    assert!(joined.members.is_empty(), "only the leader is told who the members are");
    assert_eq!(joined.leader, leader.id);
    let (leader_id, other_id) = (leader.id.clone(), other.id.clone());
    let syncing = other.client.start(other.sync_request(&[]), 5).await.unwrap();
    let synced = leader.sync(&[(&leader_id, b"a"), (&other_id, b"b")]).await.unwrap();
    assert_eq!(&synced.assignment[..], b"a");
    let synced = other.client.finish(syncing).await.unwrap();
    assert_eq!((synced.error_code, &synced.assignment[..]), (0, &b"b"[..]));
    (leader, other)
}

#[leakcheck(start_paused)]
async fn two_members_get_what_the_leader_assigns() {
    let cluster = cluster().await;
    let (leader, _other) = two_members(&cluster, "billing").await;
    let group = cluster.group("billing").unwrap();
    assert!(group.is_stable());
    assert_eq!((group.generation, group.members.len()), (2, 2));
    assert_eq!(group.leader.as_deref(), Some(&*leader.id));
    assert_eq!(
        (group.protocol_type.as_deref(), group.protocol.as_deref()),
        (Some("consumer"), Some("range"))
    );
    cluster.close().await;
}

#[leakcheck(start_paused)]
async fn members_learn_of_a_rebalance_by_their_heartbeat() {
    let cluster = cluster().await;
    let (mut leader, mut other) = two_members(&cluster, "billing").await;
    assert_eq!(leader.heartbeat().await.unwrap(), 0);
    assert_eq!(other.leave().await.unwrap(), 0);
    assert!(is(leader.heartbeat().await.unwrap(), RebalanceInProgress));
    let joined = leader.join().await.unwrap();
    assert_eq!((joined.generation_id, joined.members.len()), (3, 1));
    cluster.close().await;
}

#[leakcheck(start_paused)]
async fn a_member_without_heartbeats_is_out_after_its_session_timeout() {
    let cluster = cluster().await;
    let (mut leader, mut other) = two_members(&cluster, "billing").await;
    advance(Duration::from_secs(9)).await;
    assert_eq!(leader.heartbeat().await.unwrap(), 0);
    advance(Duration::from_secs(2)).await;
    let rebalancing = |g: &kfake::GroupView| g.state == GroupState::PreparingRebalance;
    let group = cluster.wait_for_group("billing", rebalancing).await.unwrap();
    assert_eq!(group.members.len(), 1);
    assert!(is(other.heartbeat().await.unwrap(), UnknownMemberId));
    assert!(is(leader.heartbeat().await.unwrap(), RebalanceInProgress));
    cluster.close().await;
}

#[leakcheck(start_paused)]
async fn a_rebalance_waits_for_the_longest_rebalance_timeout_and_goes_on_without_who_is_missing() {
    let cluster = cluster().await;
    let (mut leader, mut other) = two_members(&cluster, "billing").await;
    let started = Instant::now();
    let joining = leader.start_join().await.unwrap();
    // The other lives, and does not join.
    let beating = async {
        loop {
            tokio::time::sleep(Duration::from_secs(3)).await;
            assert!(started.elapsed() < Duration::from_secs(600), "the rebalance never ends");
            let code = other.heartbeat().await.unwrap();
            if !is(code, RebalanceInProgress) {
                return code;
            }
        }
    };
    let (joined, code) = tokio::join!(leader.finish_join(joining), beating);
    let joined = joined.unwrap();
    assert_eq!((joined.generation_id, joined.members.len()), (3, 1));
    assert!(is(code, UnknownMemberId), "{code}");
    let waited = started.elapsed();
    assert!((60..=64).contains(&waited.as_secs()), "{waited:?}");
    cluster.close().await;
}

#[leakcheck(start_paused)]
async fn a_member_that_joined_and_never_syncs_is_out_after_the_rebalance_timeout() {
    let cluster = cluster().await;
    let mut member = Member::of(&cluster, "billing");
    member.session_timeout = 1_800_000;
    member.join().await.unwrap();
    let started = Instant::now();
    let empty = cluster.wait_for_group("billing", |g| g.is_empty()).await.unwrap();
    assert!(empty.members.is_empty());
    assert!((60..=61).contains(&started.elapsed().as_secs()));
    cluster.close().await;
}

#[leakcheck(start_paused)]
async fn a_new_group_waits_for_its_initial_delay_and_again_while_members_come() {
    let cluster = cluster_with(&[("group.initial.rebalance.delay.ms", "3000")]).await;
    let started = Instant::now();
    let mut first = Member::of(&cluster, "billing");
    let mut second = Member::of(&cluster, "billing");
    let joining = first.start_join().await.unwrap();
    cluster
        .wait_for_group("billing", |g| g.members.len() == 1)
        .await
        .unwrap();
    advance(Duration::from_secs(2)).await;
    let late = second.start_join().await.unwrap();
    let joined = first.finish_join(joining).await.unwrap();
    assert_eq!((joined.generation_id, joined.members.len()), (1, 2));
    assert_eq!(second.finish_join(late).await.unwrap().generation_id, 1);
    assert_eq!(started.elapsed().as_secs(), 6);
    cluster.close().await;
}

#[leakcheck(start_paused)]
async fn an_id_that_is_given_out_and_not_used_expires() {
    let cluster = cluster().await;
    let mut member = Member::of(&cluster, "billing");
    let refused = member.client.send(member.join_request()).await.unwrap();
    assert!(is(refused.error_code, MemberIdRequired));
    assert_eq!(cluster.group("billing").unwrap().pending_members, 1);
    advance(Duration::from_secs(11)).await;
    cluster
        .wait_for_group("billing", |g| g.pending_members == 0)
        .await
        .unwrap();
    member.id = refused.member_id;
    let refused = member.client.send(member.join_request()).await.unwrap();
    assert!(is(refused.error_code, UnknownMemberId));
    cluster.close().await;
}

/// Apache Kafka 4.4 shows the last assignment during a rebalance, and no metadata; and it tells a waiting member that was
/// removed that it is unknown, without its id.
#[leakcheck(start_paused)]
async fn a_rebalance_shows_the_last_assignments_and_a_member_that_is_removed_in_it_is_told() {
    let cluster = cluster().await;
    let (leader, mut other) = two_members(&cluster, "billing").await;
    let mut third = Member::of(&cluster, "billing");
    let joining = third.start_join().await.unwrap();
    cluster
        .wait_for_group("billing", |g| g.members.len() == 3)
        .await
        .unwrap();
    let describe = DescribeGroupsRequest::default().with_groups(vec![GroupId(text("billing"))]);
    let described = other.client.send(describe).await.unwrap().groups.remove(0);
    assert_eq!(
        (&*described.group_state, &*described.protocol_data),
        ("PreparingRebalance", "")
    );
    let of_leader = described.members.iter().find(|m| m.member_id == leader.id).unwrap();
    assert_eq!(
        (&of_leader.member_assignment[..], of_leader.member_metadata.len()),
        (&b"a"[..], 0)
    );
    other.id = third.id.clone();
    assert_eq!(other.leave().await.unwrap(), 0);
    let removed = third.finish_join(joining).await.unwrap();
    assert!(is(removed.error_code, UnknownMemberId));
    assert!(removed.member_id.is_empty());
    cluster.close().await;
}

#[leakcheck(start_paused)]
async fn a_member_that_joins_again_for_nothing_is_told_its_generation() {
    let cluster = cluster().await;
    let (_leader, mut other) = two_members(&cluster, "billing").await;
    let joined = other.join().await.unwrap();
    assert_eq!((joined.error_code, joined.generation_id), (0, 2));
    assert!(cluster.group("billing").unwrap().is_stable());
    cluster.close().await;
}

#[leakcheck(start_paused)]
async fn a_member_that_joins_on_two_connections_is_answered_on_the_second_alone() {
    let cluster = cluster().await;
    let mut leader = Member::of(&cluster, "billing");
    leader.join_alone().await.unwrap();
    let mut first = Member::of(&cluster, "billing");
    let unanswered = first.start_join().await.unwrap();
    cluster
        .wait_for_group("billing", |g| g.members.len() == 2)
        .await
        .unwrap();
    let mut second = Member::of(&cluster, "billing");
    second.id = first.id.clone();
    let answered = second.start_join().await.unwrap();
    let joined = leader.join().await.unwrap();
    assert_eq!(joined.members.len(), 2);
    assert_eq!(second.finish_join(answered).await.unwrap().error_code, 0);
    let waited = tokio::time::timeout(Duration::from_secs(3600), first.client.finish(unanswered)).await;
    assert!(waited.is_err(), "{waited:?}");
    cluster.close().await;
}

#[leakcheck(start_paused)]
async fn protocols_are_chosen_by_votes_among_those_that_all_support() {
    let cluster = cluster_with(&[("group.initial.rebalance.delay.ms", "1000")]).await;
    let mut members: Vec<Member> = Vec::new();
    for protocols in [vec!["a", "b", "c"], vec!["c", "b"], vec!["b", "c"]] {
        let mut member = Member::of(&cluster, "billing");
        member.protocols = protocols;
        members.push(member);
    }
    let mut pending = Vec::new();
    for member in &mut members {
        pending.push(member.start_join().await.unwrap());
    }
    for (member, pending) in members.iter_mut().zip(pending) {
        let joined = member.finish_join(pending).await.unwrap();
        // The first two vote for b and c, the third for b: a is not supported by all.
        assert_eq!(joined.protocol_name.as_deref(), Some("b"));
    }
    let mut stranger = Member::of(&cluster, "billing");
    stranger.protocols = vec!["a"];
    let refused = stranger.client.send(stranger.join_request()).await.unwrap();
    assert!(is(refused.error_code, InconsistentGroupProtocol));
    cluster.close().await;
}

#[leakcheck(start_paused)]
async fn what_a_member_gets_wrong_has_kafkas_own_error() {
    let cluster = cluster_with(&[("group.max.size", "1")]).await;
    let mut member = Member::of(&cluster, "billing");
    member.join_alone().await.unwrap();

    member.generation += 1;
    assert!(is(member.heartbeat().await.unwrap(), IllegalGeneration));
    assert!(is(member.sync(&[]).await.unwrap().error_code, IllegalGeneration));
    member.generation -= 1;

    let mut request = member.sync_request(&[]);
    request.protocol_name = Some(text("sticky"));
    assert!(is(
        member.client.send(request).await.unwrap().error_code,
        InconsistentGroupProtocol
    ));
    let mut request = member.sync_request(&[]);
    request.protocol_type = None;
    assert!(is(
        member.client.send(request).await.unwrap().error_code,
        InconsistentGroupProtocol
    ));

    let mut stranger = Member::of(&cluster, "billing");
    stranger.version = 3;
    let joining = stranger.start_join().await.unwrap();
    assert!(is(
        stranger.client.finish(joining).await.unwrap().error_code,
        GroupMaxSizeReached
    ));
    stranger.id = text("nobody");
    assert!(is(stranger.heartbeat().await.unwrap(), UnknownMemberId));
    assert!(is(stranger.leave().await.unwrap(), UnknownMemberId));

    let mut request = member.join_request();
    request.session_timeout_ms = 5_999;
    assert!(is(
        member.client.send(request.clone()).await.unwrap().error_code,
        InvalidSessionTimeout
    ));
    request.session_timeout_ms = -1;
    assert!(is(
        member.client.send(request.clone()).await.unwrap().error_code,
        InvalidSessionTimeout
    ));
    request.group_id = GroupId(text(""));
    assert!(is(
        member.client.send(request.clone()).await.unwrap().error_code,
        InvalidGroupId
    ));

    let elsewhere = cluster
        .brokers()
        .iter()
        .find(|b| b.id != cluster.coordinator("billing"))
        .unwrap();
    let mut elsewhere = cluster.client(elsewhere.id).unwrap();
    assert!(is(
        elsewhere.send(member.join_request()).await.unwrap().error_code,
        NotCoordinator
    ));
    cluster.close().await;
}

fn commit(group: &str, partition: i32, offset: i64) -> OffsetCommitRequest {
    let partition = OffsetCommitRequestPartition::default()
        .with_partition_index(partition)
        .with_committed_offset(offset)
        .with_committed_leader_epoch(0)
        .with_committed_metadata(Some(text("note")));
    let topic = OffsetCommitRequestTopic::default()
        .with_name(TopicName(text("orders")))
        .with_partitions(vec![partition]);
    OffsetCommitRequest::default()
        .with_group_id(GroupId(text(group)))
        .with_generation_id_or_member_epoch(-1)
        .with_topics(vec![topic])
}

fn fetch(group: &str, partitions: &[i32]) -> OffsetFetchRequest {
    let topic = OffsetFetchRequestTopics::default()
        .with_name(TopicName(text("orders")))
        .with_partition_indexes(partitions.to_vec());
    let group = OffsetFetchRequestGroup::default()
        .with_group_id(GroupId(text(group)))
        .with_topics(Some(vec![topic]));
    OffsetFetchRequest::default().with_groups(vec![group])
}

async fn fetched(cluster: &Cluster, group: &str, partition: i32) -> i64 {
    let response = coordinator(cluster, group)
        .send(fetch(group, &[partition]))
        .await
        .unwrap();
    response.groups[0].topics[0].partitions[0].committed_offset
}

#[leakcheck(start_paused)]
async fn offsets_are_kept_without_membership_and_per_partition() {
    let cluster = cluster().await;
    let mut client = coordinator(&cluster, "billing");
    assert_eq!(fetched(&cluster, "billing", 0).await, -1);
    assert!(cluster.group("billing").is_none(), "a look makes no group");
    let committed = client.send(commit("billing", 0, 42)).await.unwrap();
    assert_eq!(committed.topics[0].partitions[0].error_code, 0);
    assert_eq!(fetched(&cluster, "billing", 0).await, 42);
    assert_eq!(fetched(&cluster, "billing", 1).await, -1);
    let mut all = fetch("billing", &[]);
    all.groups[0].topics = None;
    let all = client.send(all).await.unwrap();
    assert_eq!(all.groups[0].topics[0].partitions.len(), 1);
    assert_eq!(all.groups[0].topics[0].partitions[0].metadata, Some(text("note")));
    cluster.close().await;
}

#[leakcheck(start_paused)]
async fn a_commit_is_refused_from_who_is_not_of_the_generation() {
    let cluster = cluster().await;
    let mut member = Member::of(&cluster, "billing");
    member.join_alone().await.unwrap();
    let code = async |member: &mut Member, request: OffsetCommitRequest| {
        let response = member.client.send(request).await.unwrap();
        response.topics[0].partitions[0].error_code
    };
    let of_member = commit("billing", 0, 1)
        .with_member_id(member.id.clone())
        .with_generation_id_or_member_epoch(member.generation);
    assert_eq!(code(&mut member, of_member.clone()).await, 0);
    assert!(is(code(&mut member, commit("billing", 0, 1)).await, UnknownMemberId));
    let stale = of_member.clone().with_generation_id_or_member_epoch(0);
    assert!(is(code(&mut member, stale).await, IllegalGeneration));
    let missing_group = of_member.clone().with_group_id(GroupId(text("billing-2")));
    let mut elsewhere = coordinator(&cluster, "billing-2");
    let response = elsewhere.send_version(missing_group, 8).await.unwrap();
    assert!(is(response.topics[0].partitions[0].error_code, IllegalGeneration));
    let unknown = commit("other", 99, 1);
    let response = coordinator(&cluster, "other").send(unknown).await.unwrap();
    assert!(is(response.topics[0].partitions[0].error_code, UnknownTopicOrPartition));
    let mut long = commit("other", 0, 1);
    long.topics[0].partitions[0].committed_metadata = Some(text(&"x".repeat(4097)));
    let response = coordinator(&cluster, "other").send(long).await.unwrap();
    assert!(is(response.topics[0].partitions[0].error_code, OffsetMetadataTooLarge));
    cluster.close().await;
}

#[leakcheck(start_paused)]
async fn groups_are_described_listed_and_deleted() {
    let cluster = cluster().await;
    let (mut leader, mut other) = two_members(&cluster, "billing").await;
    let describe = DescribeGroupsRequest::default()
        .with_groups(vec![GroupId(text("billing"))])
        .with_include_authorized_operations(true);
    let described = leader.client.send(describe.clone()).await.unwrap().groups.remove(0);
    assert_eq!(
        (&*described.group_state, &*described.protocol_data),
        ("Stable", "range")
    );
    assert_eq!(&described.members[0].member_assignment[..], b"a");
    assert_eq!(&*described.members[0].client_host, "/127.0.0.1");
    assert_eq!(&*described.members[0].client_id, "kfake-client");

    let listed = leader.client.send(ListGroupsRequest::default()).await.unwrap();
    assert_eq!(
        (&*listed.groups[0].group_state, &*listed.groups[0].group_type),
        ("Stable", "classic")
    );
    let filtered = ListGroupsRequest::default().with_states_filter(vec![text("empty")]);
    assert!(leader.client.send(filtered).await.unwrap().groups.is_empty());

    let delete = DeleteGroupsRequest::default().with_groups_names(vec![GroupId(text("billing"))]);
    let refused = leader.client.send(delete.clone()).await.unwrap();
    assert!(is(refused.results[0].error_code, NonEmptyGroup));
    assert_eq!(other.leave().await.unwrap(), 0);
    assert_eq!(leader.leave().await.unwrap(), 0);
    assert!(cluster.group("billing").unwrap().is_empty());
    assert_eq!(
        leader.client.send(delete.clone()).await.unwrap().results[0].error_code,
        0
    );
    assert!(cluster.group("billing").is_none());
    let missing = leader.client.send(delete).await.unwrap();
    assert!(is(missing.results[0].error_code, GroupIdNotFound));

    let described = leader.client.send(describe.clone()).await.unwrap().groups.remove(0);
    assert!(is(described.error_code, GroupIdNotFound));
    assert_eq!(&*described.group_state, "Dead");
    let described = leader.client.send_version(describe, 5).await.unwrap().groups.remove(0);
    assert_eq!((described.error_code, &*described.group_state), (0, "Dead"));
    cluster.close().await;
}

#[leakcheck(start_paused)]
async fn the_task_of_an_empty_group_ends_on_request_and_the_next_request_starts_another() {
    let cluster = cluster().await;
    assert_eq!(cluster.end_group("billing").await, Err(EndGroupError::NotRunning));
    let mut member = Member::of(&cluster, "billing");
    member.join_alone().await.unwrap();
    assert_eq!(cluster.end_group("billing").await, Err(EndGroupError::NotEmpty));
    assert_eq!(member.leave().await.unwrap(), 0);
    let mut client = coordinator(&cluster, "billing");
    client.send(commit("billing", 0, 7)).await.unwrap();
    let tasks = cluster.task_count();
    assert_eq!(cluster.end_group("billing").await, Ok(()));
    assert_eq!(cluster.task_count(), tasks - 1);
    assert_eq!(cluster.end_group("billing").await, Err(EndGroupError::NotRunning));
    assert_eq!(fetched(&cluster, "billing", 0).await, 7);
    cluster.close().await;
}

#[leakcheck(start_paused)]
async fn deleting_a_group_ends_its_task_and_forgets_its_offsets() {
    let cluster = cluster().await;
    let mut client = coordinator(&cluster, "billing");
    client.send(commit("billing", 0, 7)).await.unwrap();
    let tasks = cluster.task_count();
    let delete = DeleteGroupsRequest::default().with_groups_names(vec![GroupId(text("billing"))]);
    assert_eq!(client.send(delete).await.unwrap().results[0].error_code, 0);
    until_idle().await;
    assert_eq!(cluster.task_count(), tasks - 1);
    assert_eq!(fetched(&cluster, "billing", 0).await, -1);
    cluster.close().await;
}

/// A group without members has no reason to keep its task: requests that wait in its queue are answered first, and a deletion
/// among them ends the task as well.
#[leakcheck(start_paused)]
async fn ending_a_group_comes_after_the_requests_in_its_queue() {
    for last_is_a_deletion in [false, true] {
        let cluster = cluster().await;
        let mut client = coordinator(&cluster, "billing");
        client.send(commit("billing", 0, 7)).await.unwrap();
        assert!(cluster.stall_group("billing", true));
        let mut second = coordinator(&cluster, "billing");
        let describe = DescribeGroupsRequest::default().with_groups(vec![GroupId(text("billing"))]);
        let described = client.start(describe, 6).await.unwrap();
        cluster.wait_for_group("billing", |g| g.queued == 1).await.unwrap();
        let delete = DeleteGroupsRequest::default().with_groups_names(vec![GroupId(text("billing"))]);
        let queued = if last_is_a_deletion { 2 } else { 1 };
        let deleted = match last_is_a_deletion {
            true => Some(second.start(delete, 2).await.unwrap()),
            false => None,
        };
        cluster.wait_for_group("billing", |g| g.queued == queued).await.unwrap();
        let (ended, ()) = tokio::join!(cluster.end_group("billing"), async {
            cluster.stall_group("billing", false);
        });
        assert_eq!(ended, Ok(()));
        assert_eq!(client.finish(described).await.unwrap().groups[0].error_code, 0);
        if let Some(deleted) = deleted {
            assert_eq!(second.finish(deleted).await.unwrap().results[0].error_code, 0);
        }
        // The group's task is gone. Another waits until the offset that was committed may be forgotten.
        let (connections, expiry) = (2, 1);
        assert_eq!(cluster.task_count(), connections + expiry);
        cluster.close().await;
    }
}

/// Kafka reschedules the heartbeat of a member whose sync it ends (`propagateAssignment`).
#[leakcheck(start_paused)]
async fn a_follower_that_waits_for_a_leader_that_died_survives_it() {
    let cluster = cluster().await;
    let mut leader = Member::of(&cluster, "billing");
    leader.join_alone().await.unwrap();
    let mut other = Member::of(&cluster, "billing");
    let joining = other.start_join().await.unwrap();
    cluster
        .wait_for_group("billing", |g| g.members.len() == 2)
        .await
        .unwrap();
    leader.join().await.unwrap();
    other.finish_join(joining).await.unwrap();
    // The leader says no more. The other cannot send a heartbeat: its sync is in the way.
    let synced = other.sync(&[]).await.unwrap();
    assert!(is(synced.error_code, RebalanceInProgress));
    let joined = other.join().await.unwrap();
    assert_eq!((joined.error_code, joined.members.len()), (0, 1));
    cluster.close().await;
}

/// `ClassicGroup.supportsProtocols`: none of no members is in the way.
#[leakcheck(start_paused)]
async fn a_group_that_lost_its_members_in_a_rebalance_takes_new_ones() {
    let cluster = cluster_with(&[("group.initial.rebalance.delay.ms", "3000")]).await;
    let mut first = Member::of(&cluster, "billing");
    let joining = first.start_join().await.unwrap();
    cluster
        .wait_for_group("billing", |g| g.members.len() == 1)
        .await
        .unwrap();
    let mut administrator = Member::of(&cluster, "billing");
    administrator.id = first.id.clone();
    assert_eq!(administrator.leave().await.unwrap(), 0);
    assert!(is(
        first.finish_join(joining).await.unwrap().error_code,
        UnknownMemberId
    ));
    let mut second = Member::of(&cluster, "billing");
    assert_eq!(second.join().await.unwrap().error_code, 0);
    cluster.close().await;
}

#[leakcheck(start_paused)]
async fn a_stalled_group_answers_once_it_goes_on() {
    let cluster = cluster().await;
    let mut member = Member::of(&cluster, "billing");
    member.join_alone().await.unwrap();
    assert!(!cluster.stall_group("unknown", true));
    assert!(cluster.stall_group("billing", true));
    let mut waiting = Box::pin(member.heartbeat());
    let early = tokio::time::timeout(Duration::from_secs(5), &mut waiting).await;
    assert!(early.is_err());
    cluster.stall_group("billing", false);
    assert_eq!(waiting.await.unwrap(), 0);
    cluster.close().await;
}

#[leakcheck(start_paused)]
async fn a_run_repeats_exactly() {
    let mut runs = Vec::new();
    for _ in 0..2 {
        let cluster = cluster().await;
        let (leader, other) = two_members(&cluster, "billing").await;
        runs.push((
            leader.id,
            other.id,
            format!("{:?}", cluster.group("billing")),
            cluster.cluster_id().to_owned(),
        ));
        cluster.close().await;
    }
    assert_eq!(runs[0], runs[1]);
}

/// Protocols' names, and the last of them once more.
fn very_many() -> Vec<JoinGroupRequestProtocol> {
    let names = (0..200_000).chain([199_999]);
    let protocol = |nth: i32| JoinGroupRequestProtocol::default().with_name(text(&format!("protocol-{nth}")));
    names.map(protocol).collect()
}

#[leakcheck(start_paused)]
async fn a_member_with_very_many_protocols_is_no_more_than_one_with_few() {
    let cluster = cluster().await;
    let mut many = Member::of(&cluster, "billing");
    many.version = 3;
    let request = many.join_request().with_protocols(very_many());
    let joined = many.client.send_version(request.clone(), 3).await.unwrap();
    assert_eq!((joined.error_code, joined.protocol_name), (0, Some(text("protocol-0"))));
    (many.id, many.generation) = (joined.member_id, joined.generation_id);
    // Another supports one of them alone, which is then the group's.
    let mut few = Member::of(&cluster, "billing");
    few.protocols = vec!["protocol-199999"];
    let pending = few.start_join().await.unwrap();
    until_idle().await;
    let again = many
        .client
        .send_version(request.with_member_id(many.id.clone()), 3)
        .await
        .unwrap();
    assert_eq!(
        (again.error_code, again.protocol_name),
        (0, Some(text("protocol-199999")))
    );
    assert_eq!(few.finish_join(pending).await.unwrap().error_code, 0);
    assert_eq!(many.leave().await.unwrap(), 0);
    cluster.close().await;
}
