//! Groups and transactions whose coordinators have too few replicas in sync.

use std::time::Duration;

use kafka_protocol::error::ResponseError::{
    self, CoordinatorNotAvailable, NotCoordinator, NotLeaderOrFollower, RequestTimedOut,
};
use kafka_protocol::messages::add_partitions_to_txn_request::AddPartitionsToTxnTopic;
use kafka_protocol::messages::{
    AddPartitionsToTxnRequest, DeleteTopicsRequest, DescribeGroupsRequest, DescribeTransactionsRequest,
    FindCoordinatorRequest, GroupId, InitProducerIdRequest, ListGroupsRequest, OffsetDeleteRequest, ProducerId,
    TopicName, TransactionalId,
};
use kfake::messages::offset_fetch_request::OffsetFetchRequestGroup;
use kfake::messages::write_txn_markers_request::{WritableTxnMarker, WritableTxnMarkerTopic};
use kfake::messages::{DeleteGroupsRequest, OffsetFetchRequest, WriteTxnMarkersRequest};
use kfake::{BrokerId, Cluster, GroupState};
use kfake_tests::{Member, commit_of, coordinator, first_broker, text, until_idle};
use leakcheck::leakcheck;
use tokio::time::{Instant, advance, sleep};

const OFFSETS: &str = "__consumer_offsets";
const TRANSACTIONS: &str = "__transaction_state";
const GROUP: &str = "billing";
/// `offsets.commit.timeout.ms`
const TIMEOUT: Duration = Duration::from_secs(5);
const MINUTE: Duration = Duration::from_secs(60);

/// Three brokers, each of which has to have what a group writes. One of them coordinates every group.
async fn cluster() -> Cluster {
    let builder = Cluster::builder().in_memory().topic("orders", 1).brokers(3);
    builder
        .broker_config("offsets.topic.num.partitions", "1")
        .broker_config("min.insync.replicas", "3")
        .broker_config("offsets.retention.minutes", "10")
        .start()
        .await
        .unwrap()
}

/// The broker that is so many further than the groups' coordinator.
fn other(cluster: &Cluster, further: i32) -> BrokerId {
    let BrokerId(leader) = cluster.coordinator(GROUP);
    BrokerId((leader - 1 + further) % 3 + 1)
}

/// A broker falls behind: two are too few.
fn lose_one(cluster: &Cluster) -> BrokerId {
    let lagging = other(cluster, 2);
    cluster.shrink_isr(OFFSETS, 0, lagging).unwrap();
    lagging
}

/// Commits as who is no member, and waits.
async fn commit(cluster: &Cluster, group: &str, offset: i64) -> i16 {
    let mut client = coordinator(cluster, GROUP);
    let answer = client.send_version(commit_of(group, offset), 8).await.unwrap();
    answer.topics[0].partitions[0].error_code
}

/// The offset that is committed; none where the group has none.
async fn committed(cluster: &Cluster, group: &str) -> Option<i64> {
    let group = OffsetFetchRequestGroup::default()
        .with_group_id(GroupId(text(group)))
        .with_topics(None);
    let request = OffsetFetchRequest::default().with_groups(vec![group]);
    let answer = coordinator(cluster, GROUP).send_version(request, 8).await.unwrap();
    let topic = answer.groups[0].topics.first()?;
    Some(topic.partitions[0].committed_offset)
}

/// The groups that there are, with their states as both ListGroups and DescribeGroups have them.
async fn listed(cluster: &Cluster) -> Vec<(String, String)> {
    let mut client = coordinator(cluster, GROUP);
    let answer = client.send(ListGroupsRequest::default()).await.unwrap();
    let mut groups = Vec::new();
    for group in answer.groups {
        let request = DescribeGroupsRequest::default().with_groups(vec![group.group_id.clone()]);
        let described = client.send(request).await.unwrap().groups;
        assert_eq!(described[0].group_state, group.group_state);
        groups.push((group.group_id.to_string(), group.group_state.to_string()));
    }
    groups.sort();
    groups
}

async fn delete_topic(cluster: &Cluster, name: &str) {
    let request = DeleteTopicsRequest::default().with_topic_names(vec![TopicName(text(name))]);
    let deleted = first_broker(cluster).send_version(request, 5).await.unwrap();
    assert_eq!(deleted.responses[0].error_code, 0);
}

fn is(code: i16, error: ResponseError) -> bool {
    code == error.code()
}

#[leakcheck(start_paused)]
async fn what_a_group_writes_is_answered_once_its_replicas_are_in_sync_or_when_the_time_is_over() {
    let cluster = cluster().await;
    assert_eq!(commit(&cluster, GROUP, 1).await, 0);
    let lagging = lose_one(&cluster);
    let begin = Instant::now();
    assert!(is(commit(&cluster, GROUP, 2).await, CoordinatorNotAvailable));
    assert_eq!(begin.elapsed(), TIMEOUT);
    assert_eq!(committed(&cluster, GROUP).await, Some(1));

    // The next waits, and is answered as soon as it can be.
    let mut client = coordinator(&cluster, GROUP);
    let waiting = client.start(commit_of(GROUP, 3), 8).await.unwrap();
    until_idle().await;
    assert_eq!(committed(&cluster, GROUP).await, Some(1));
    cluster.expand_isr(OFFSETS, 0, lagging).unwrap();
    let answer = client.finish(waiting).await.unwrap();
    assert_eq!(answer.topics[0].partitions[0].error_code, 0);
    assert!(begin.elapsed() < 2 * TIMEOUT);
    assert_eq!(committed(&cluster, GROUP).await, Some(3));
    cluster.close().await;
}

#[leakcheck(start_paused)]
async fn who_waits_for_replicas_is_told_when_the_coordinator_moves_and_the_next_has_what_was_written() {
    let cluster = cluster().await;
    assert_eq!(commit(&cluster, "shipping", 1).await, 0);
    let mut member = Member::of(&cluster, GROUP);
    member.join_alone().await.unwrap();
    let lagging = lose_one(&cluster);
    let mut client = coordinator(&cluster, GROUP);
    let waiting = client.start(commit_of("shipping", 2), 8).await.unwrap();
    until_idle().await;
    let (heartbeat, ()) = tokio::join!(member.heartbeat(), async {
        until_idle().await;
        cluster.set_leader(OFFSETS, 0, other(&cluster, 1)).unwrap();
    });
    assert!(is(heartbeat.unwrap(), NotCoordinator));
    let refused = client.finish(waiting).await.unwrap();
    assert!(is(refused.topics[0].partitions[0].error_code, NotCoordinator));

    // It is not committed there either, and not lost.
    assert_eq!(committed(&cluster, "shipping").await, Some(1));
    assert!(is(commit(&cluster, "shipping", 3).await, CoordinatorNotAvailable));
    cluster.expand_isr(OFFSETS, 0, lagging).unwrap();
    assert_eq!(committed(&cluster, "shipping").await, Some(3));
    member.client = coordinator(&cluster, GROUP);
    assert_eq!(member.heartbeat().await.unwrap(), 0);
    cluster.close().await;
}

#[leakcheck(start_paused)]
async fn what_a_leader_lacks_that_takes_over_is_lost() {
    let cluster = cluster().await;
    assert_eq!(commit(&cluster, "deleted", 1).await, 0);
    assert_eq!(commit(&cluster, "shipping", 1).await, 0);
    let mut member = Member::of(&cluster, GROUP);
    member.join_alone().await.unwrap();
    let lagging = lose_one(&cluster);

    let delete = DeleteGroupsRequest::default().with_groups_names(vec![GroupId(text("deleted"))]);
    let deleted = coordinator(&cluster, GROUP).send(delete).await.unwrap();
    assert!(is(deleted.results[0].error_code, CoordinatorNotAvailable));
    assert_eq!(cluster.group("deleted").map(|group| group.state), None);
    assert!(is(commit(&cluster, "shipping", 2).await, CoordinatorNotAvailable));
    assert!(is(commit(&cluster, "new", 2).await, CoordinatorNotAvailable));
    assert!(is(commit(&cluster, "deleted", 7).await, CoordinatorNotAvailable));
    let delete = OffsetDeleteRequest::default().with_group_id(GroupId(text("new")));
    let deleted = coordinator(&cluster, GROUP).send(delete).await.unwrap();
    assert!(is(deleted.error_code, CoordinatorNotAvailable));
    assert!(is(member.leave().await.unwrap(), CoordinatorNotAvailable));
    // Who only reads sees what is committed, and of members what the coordinator has in mind.
    let groups = |state: &str| {
        [(GROUP, state), ("deleted", "Empty"), ("shipping", "Empty")]
            .map(|(id, state)| (id.to_owned(), state.to_owned()))
    };
    assert_eq!(listed(&cluster).await, groups("Empty"));
    assert_eq!(committed(&cluster, "deleted").await, Some(1));

    cluster.set_leader(OFFSETS, 0, lagging).unwrap();
    assert_eq!(listed(&cluster).await, groups("Stable"));
    assert_eq!(committed(&cluster, "deleted").await, Some(1));
    assert_eq!(committed(&cluster, "shipping").await, Some(1));
    assert_eq!(committed(&cluster, "new").await, None);
    member.client = coordinator(&cluster, GROUP);
    assert_eq!(member.heartbeat().await.unwrap(), 0);

    // All are in sync with the new leader, which a test alone keeps from being seen.
    for broker in [1, 2].map(|further| other(&cluster, further)) {
        let _ = cluster.expand_isr(OFFSETS, 0, broker);
    }
    assert_eq!(commit(&cluster, "new", 4).await, 0);
    assert_eq!(committed(&cluster, "new").await, Some(4));
    cluster.close().await;
}

#[leakcheck(start_paused)]
async fn offsets_that_expire_are_seen_until_that_is_committed() {
    let cluster = cluster().await;
    assert_eq!(commit(&cluster, GROUP, 1).await, 0);
    let lagging = lose_one(&cluster);
    advance(11 * MINUTE).await;
    cluster.expire_offsets();
    assert_eq!(cluster.group(GROUP).map(|group| group.state), None);
    assert_eq!(committed(&cluster, GROUP).await, Some(1));
    assert_eq!(listed(&cluster).await.len(), 1);
    cluster.expand_isr(OFFSETS, 0, lagging).unwrap();
    assert_eq!(
        (committed(&cluster, GROUP).await, listed(&cluster).await.len()),
        (None, 0)
    );
    cluster.close().await;
}

#[leakcheck(start_paused)]
async fn offsets_of_a_topic_that_is_deleted_are_seen_until_that_is_committed() {
    let cluster = cluster().await;
    assert_eq!(commit(&cluster, GROUP, 1).await, 0);
    let lagging = lose_one(&cluster);
    delete_topic(&cluster, "orders").await;
    assert_eq!(committed(&cluster, GROUP).await, Some(1));
    cluster.expand_isr(OFFSETS, 0, lagging).unwrap();
    assert_eq!(committed(&cluster, GROUP).await, None);
    cluster.close().await;
}

#[leakcheck(start_paused)]
async fn nobody_waits_for_the_replicas_of_a_topic_that_is_deleted() {
    let cluster = cluster().await;
    assert_eq!(commit(&cluster, GROUP, 1).await, 0);
    lose_one(&cluster);
    let mut client = coordinator(&cluster, GROUP);
    let waiting = client.start(commit_of(GROUP, 2), 8).await.unwrap();
    until_idle().await;
    delete_topic(&cluster, OFFSETS).await;
    let answer = client.finish(waiting).await.unwrap();
    assert_eq!(answer.topics[0].partitions[0].error_code, 0);
    assert_eq!(commit(&cluster, GROUP, 3).await, 0);
    assert_eq!(committed(&cluster, GROUP).await, Some(3));
    cluster.close().await;
}

#[leakcheck(start_paused)]
async fn a_group_of_which_the_replicas_are_in_sync_again_goes_on_by_its_own_deadlines() {
    let cluster = cluster().await;
    let mut member = Member::of(&cluster, GROUP);
    member.join_alone().await.unwrap();
    let lagging = lose_one(&cluster);
    // Its session ends: a group that is empty then is written, and nobody waits for that.
    sleep(2 * MINUTE).await;
    assert_eq!(cluster.group(GROUP).unwrap().state, GroupState::Empty);
    assert!(is(member.heartbeat().await.unwrap(), ResponseError::UnknownMemberId));
    assert!(is(commit(&cluster, GROUP, 1).await, CoordinatorNotAvailable));
    cluster.expand_isr(OFFSETS, 0, lagging).unwrap();
    member.id = text("");
    member.join_alone().await.unwrap();
    assert_eq!(member.heartbeat().await.unwrap(), 0);
    cluster.close().await;
}

#[leakcheck(start_paused)]
async fn the_marker_of_a_groups_offsets_is_answered_once_it_is_taken_or_when_the_time_is_over() {
    let cluster = cluster().await;
    assert_eq!(commit(&cluster, GROUP, 1).await, 0);
    let lagging = lose_one(&cluster);
    let marker = || {
        let topic = WritableTxnMarkerTopic::default()
            .with_name(TopicName(text(OFFSETS)))
            .with_partition_indexes(vec![0]);
        let marker = WritableTxnMarker::default()
            .with_producer_id(ProducerId(7))
            .with_topics(vec![topic]);
        WriteTxnMarkersRequest::default().with_markers(vec![marker])
    };
    let mut client = coordinator(&cluster, GROUP);
    let begin = Instant::now();
    let late = client.send(marker()).await.unwrap();
    assert_eq!(begin.elapsed(), TIMEOUT);
    assert!(is(late.markers[0].topics[0].partitions[0].error_code, RequestTimedOut));

    let waiting = client.start(marker(), 1).await.unwrap();
    until_idle().await;
    cluster.set_leader(OFFSETS, 0, other(&cluster, 1)).unwrap();
    let moved = client.finish(waiting).await.unwrap();
    assert!(is(
        moved.markers[0].topics[0].partitions[0].error_code,
        NotLeaderOrFollower
    ));

    let mut client = coordinator(&cluster, GROUP);
    let waiting = client.start(marker(), 1).await.unwrap();
    until_idle().await;
    cluster.expand_isr(OFFSETS, 0, lagging).unwrap();
    let taken = client.finish(waiting).await.unwrap();
    assert_eq!(taken.markers[0].topics[0].partitions[0].error_code, 0);
    cluster.close().await;
}

/// `TransactionCoordinator.abortTimedOutTransactions`
#[leakcheck(start_paused)]
async fn what_is_due_of_transactions_is_put_off_until_it_can_be_kept() {
    let builder = Cluster::builder().in_memory().topic("orders", 1).brokers(3);
    let cluster = builder
        .broker_config("transaction.state.log.num.partitions", "1")
        .broker_config("transaction.state.log.min.isr", "3")
        .broker_config("transactional.id.expiration.ms", "600000")
        .start()
        .await
        .unwrap();
    let find = FindCoordinatorRequest::default().with_key_type(1);
    let find = find.with_coordinator_keys(vec![text("transfers")]);
    let found = first_broker(&cluster).send(find).await.unwrap();
    let BrokerId(leader) = BrokerId(found.coordinators[0].node_id.0);
    let mut client = cluster.client(BrokerId(leader)).unwrap();
    let id = TransactionalId(text("transfers"));
    let initialize = InitProducerIdRequest::default()
        .with_transactional_id(Some(id.clone()))
        .with_transaction_timeout_ms(1000)
        .with_producer_id(ProducerId(-1))
        .with_producer_epoch(-1);
    let producer = client.send(initialize).await.unwrap();
    assert_eq!(producer.error_code, 0);
    let topic = AddPartitionsToTxnTopic::default()
        .with_name(TopicName(text("orders")))
        .with_partitions(vec![0]);
    let add = AddPartitionsToTxnRequest::default()
        .with_v3_and_below_transactional_id(id.clone())
        .with_v3_and_below_producer_id(producer.producer_id)
        .with_v3_and_below_topics(vec![topic]);
    client.send_version(add, 3).await.unwrap();

    let lagging = BrokerId(leader % 3 + 1);
    cluster.shrink_isr(TRANSACTIONS, 0, lagging).unwrap();
    let mut state = async || {
        let request = DescribeTransactionsRequest::default().with_transactional_ids(vec![id.clone()]);
        let mut answer = client.send(request).await.unwrap();
        let described = answer.transaction_states.remove(0);
        (described.transaction_state.to_string(), described.producer_epoch)
    };
    sleep(MINUTE).await;
    cluster.sweep_transactions();
    assert_eq!(state().await, ("Ongoing".to_owned(), 0));
    cluster.expand_isr(TRANSACTIONS, 0, lagging).unwrap();
    until_idle().await;
    assert_eq!(state().await, ("CompleteAbort".to_owned(), 1));

    // It is not forgotten either, as long as nobody would know.
    cluster.shrink_isr(TRANSACTIONS, 0, lagging).unwrap();
    sleep(20 * MINUTE).await;
    assert_eq!(state().await.0, "CompleteAbort");
    cluster.expand_isr(TRANSACTIONS, 0, lagging).unwrap();
    until_idle().await;
    assert_eq!(state().await.0, "", "it is not known any more");
    cluster.close().await;
}
