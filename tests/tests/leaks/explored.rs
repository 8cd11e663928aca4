//! A cluster that is closed after each single step of what its clients do. What a client has under way is dropped before the
//! close, or stands still while the cluster closes, or goes on meanwhile.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::{
    DeleteGroupsRequest, FetchRequest, GroupId, OffsetCommitRequest, ProduceRequest, TopicName,
};
use kfake::client::{Client, ClientError};
use kfake::{Cluster, Plant};
use kfake_tests::{Member, batch_of, first_broker, record, text};
use leakcheck::{Exploration, Explore, Shutdown};
use tokio::io::DuplexStream;

use super::planted::start;
use super::transactions::transaction;

/// What becomes of the operation when the cluster closes.
#[derive(Clone, Copy, Debug)]
enum Way {
    /// The clients are gone before the cluster closes.
    Dropped,
    /// The clients are there, and do nothing more.
    Still,
    /// The clients go on with what they do.
    GoesOn,
}

/// How long a close may take. Sessions and rebalances end by their timers, too, but that is no close.
const AT_ONCE: Duration = Duration::from_secs(1);

/// An exploration in which the cluster must close at once.
fn strict(explore: Explore, way: Way) -> Explore {
    match way {
        Way::Dropped | Way::Still => explore.ends_within(AT_ONCE),
        // What the client does may take its time.
        Way::GoesOn => explore,
    }
}

async fn scenario(
    shutdown: Shutdown,
    way: Way,
    plant: Option<Plant>,
    operation: impl AsyncFnOnce(&Cluster) -> Result<(), ClientError>,
) {
    let cluster = start(plant).await;
    match way {
        Way::Dropped => {
            if let Some(done) = shutdown.interrupt(operation(&cluster)).await {
                done.expect("the cluster is open");
            }
            cluster.close().await;
        }
        Way::Still => {
            let mut operation = pin!(operation(&cluster));
            let mut stops = pin!(shutdown.cancelled());
            let done = poll_fn(|cx| match stops.as_mut().poll(cx) {
                Poll::Ready(()) => Poll::Ready(Ok(())),
                Poll::Pending => operation.as_mut().poll(cx),
            });
            done.await.expect("the cluster is open");
            cluster.close().await;
        }
        Way::GoesOn => {
            let close = async { tokio::time::timeout(AT_ONCE, cluster.close()).await };
            let (done, closed) = shutdown.alongside(operation(&cluster), close).await;
            closed.expect("the cluster closes at once");
            if let Err(error) = done {
                assert!(error.is_closed(), "{error:?}");
            }
        }
    }
    assert_eq!(cluster.task_count(), 0);
}

/// A member gets its id, joins, and becomes the leader after the initial delay.
async fn join(cluster: &Cluster) -> Result<(), ClientError> {
    Member::of(cluster, "billing").join().await.map(drop)
}

/// One member waits for its assignment until the other, the leader, brings it.
async fn sync(cluster: &Cluster) -> Result<(), ClientError> {
    let (mut one, mut other) = (Member::of(cluster, "billing"), Member::of(cluster, "billing"));
    let first = one.start_join().await?;
    let second = other.start_join().await?;
    let leader = one.finish_join(first).await?.leader;
    other.finish_join(second).await?;
    let (leader, mut follower) = match leader == one.id {
        true => (one, other),
        false => (other, one),
    };
    let waits = follower.client.start(follower.sync_request(&[]), 5).await?;
    let mut leader = leader;
    let (mine, its) = (leader.id.clone(), follower.id.clone());
    leader.sync(&[(&mine, b"a"), (&its, b"b")]).await?;
    follower.client.finish(waits).await.map(drop)
}

/// A member that heartbeats, and then does not until its session times out.
async fn heartbeat(cluster: &Cluster) -> Result<(), ClientError> {
    let mut member = Member::of(cluster, "billing");
    member.join_alone().await?;
    for _ in 0..3 {
        tokio::time::sleep(Duration::from_secs(3)).await;
        member.heartbeat().await?;
    }
    // Its session lasts ten seconds.
    tokio::time::sleep(Duration::from_secs(11)).await;
    member.heartbeat().await.map(drop)
}

async fn commit(cluster: &Cluster) -> Result<(), ClientError> {
    let mut member = Member::of(cluster, "billing");
    member.join_alone().await?;
    for offset in 1..4 {
        let partition = OffsetCommitRequestPartition::default().with_committed_offset(offset);
        let topic = OffsetCommitRequestTopic::default()
            .with_name(TopicName(text("orders")))
            .with_partitions(vec![partition]);
        let request = OffsetCommitRequest::default()
            .with_group_id(member.group.clone())
            .with_generation_id_or_member_epoch(member.generation)
            .with_member_id(member.id.clone())
            .with_topics(vec![topic]);
        member.client.send_version(request, 8).await?;
    }
    Ok(())
}

/// A batch with one record.
async fn send_batch(client: &mut Client<DuplexStream>) -> Result<(), ClientError> {
    let partition = PartitionProduceData::default()
        .with_index(0)
        .with_records(Some(batch_of(&record(1, Bytes::from_static(b"a book")))));
    let topic = TopicProduceData::default()
        .with_name(TopicName(text("orders")))
        .with_partition_data(vec![partition]);
    let request = ProduceRequest::default()
        .with_acks(-1)
        .with_timeout_ms(1_000)
        .with_topic_data(vec![topic]);
    let produced = client.send_version(request, 9).await?;
    assert_eq!(produced.responses[0].partition_responses[0].error_code, 0);
    Ok(())
}

async fn produce(cluster: &Cluster) -> Result<(), ClientError> {
    let mut client = first_broker(cluster);
    for _ in 0..3 {
        send_batch(&mut client).await?;
    }
    Ok(())
}

/// One fetch waits for records until somebody produces them, the next one until its time is over.
async fn fetch(cluster: &Cluster) -> Result<(), ClientError> {
    let (mut reader, mut writer) = (first_broker(cluster), first_broker(cluster));
    let request = |offset: i64, wait: i32| {
        let partition = FetchPartition::default()
            .with_partition(0)
            .with_fetch_offset(offset)
            .with_partition_max_bytes(1 << 20);
        let topic = FetchTopic::default()
            .with_topic(TopicName(text("orders")))
            .with_partitions(vec![partition]);
        FetchRequest::default()
            .with_max_wait_ms(wait)
            .with_min_bytes(1)
            .with_topics(vec![topic])
    };
    let waits = reader.start(request(0, 60_000), 12).await?;
    send_batch(&mut writer).await?;
    let fetched = reader.finish(waits).await?;
    let records = fetched.responses[0].partitions[0].records.as_ref();
    assert!(records.is_some_and(|records| !records.is_empty()));
    let waits = reader.start(request(1, 500), 12).await?;
    let fetched = reader.finish(waits).await?;
    let records = fetched.responses[0].partitions[0].records.as_ref();
    assert!(records.is_none_or(Bytes::is_empty));
    Ok(())
}

/// A group that is stable, then joined by a second member, then by the first again.
async fn rebalance(cluster: &Cluster) -> Result<(), ClientError> {
    let (mut one, mut other) = (Member::of(cluster, "billing"), Member::of(cluster, "billing"));
    one.join_alone().await?;
    let waits = other.start_join().await?;
    // Told to join again.
    one.heartbeat().await?;
    one.join().await?;
    other.finish_join(waits).await?;
    one.leave().await.map(drop)
}

/// A group whose last member leaves, and that is deleted then.
async fn delete(cluster: &Cluster) -> Result<(), ClientError> {
    let mut member = Member::of(cluster, "billing");
    member.join_alone().await?;
    member.leave().await?;
    let request = DeleteGroupsRequest::default().with_groups_names(vec![GroupId(text("billing"))]);
    member.client.send(request).await.map(drop)
}

/// Sees that every step is clean.
fn clean(way: Way, operation: impl AsyncFn(&Cluster) -> Result<(), ClientError> + Copy) {
    strict(Explore::default(), way).conclude(|shutdown| scenario(shutdown, way, None, operation));
}

/// A test for each operation and each way: the cluster is closed after each of its steps.
macro_rules! explored {
    ($($operation:ident),*) => {$(
        mod $operation {
            use super::Way;

            #[test]
            fn dropped_before_the_close() {
                super::clean(Way::Dropped, super::$operation);
            }

            #[test]
            fn still_while_the_cluster_closes() {
                super::clean(Way::Still, super::$operation);
            }

            #[test]
            fn going_on_while_the_cluster_closes() {
                super::clean(Way::GoesOn, super::$operation);
            }
        }
    )*};
}

explored!(
    join,
    sync,
    heartbeat,
    commit,
    produce,
    fetch,
    rebalance,
    delete,
    transaction
);

/// Closes a cluster with a planted bug after each step of the operation, or after that one alone.
fn planted(
    plant: Plant,
    way: Way,
    only: Option<u64>,
    operation: impl AsyncFn(&Cluster) -> Result<(), ClientError> + Copy,
) -> Exploration {
    let explore = strict(Explore::new("a cluster with a planted bug"), way);
    let explore = only.into_iter().fold(explore, Explore::only);
    explore.run(|shutdown| scenario(shutdown, way, Some(plant), operation))
}

/// Sees that the bug is found as a close that does not return, with the task that holds it up, and again by the step alone.
fn found(
    plant: Plant,
    way: Way,
    path: &str,
    operation: impl AsyncFn(&Cluster) -> Result<(), ClientError> + Copy,
) -> Exploration {
    let explored = planted(plant, way, None, operation);
    let failing = explored.failing();
    assert!(!failing.is_empty(), "{plant:?}: {explored}");
    for failure in &explored.failures {
        assert!(failure.hung.is_some(), "{plant:?}: {explored}");
        let leak = failure.report.leaks.iter().find(|leak| leak.path() == path);
        assert!(leak.is_some(), "{plant:?}: {explored}");
    }
    // In the middle: chance in a `select!` moves where it begins.
    let step = failing[failing.len() / 2];
    let alone = planted(plant, way, Some(step), operation);
    assert_eq!(alone.failing(), [step], "{plant:?}: {alone}");
    explored
}

#[test]
fn a_session_timeout_without_shutdown_is_found_at_the_steps_of_a_member_that_is_watched() {
    for way in [Way::Dropped, Way::Still] {
        let explored = found(Plant::Session, way, "group:billing › manage", heartbeat);
        // Before there is a member to watch, and once it is gone, the cluster closes.
        let failing = explored.failing();
        assert!(failing[0] > 1 && failing.len() < explored.steps as usize, "{explored}");
    }
}

#[test]
fn a_rebalance_timer_without_shutdown_is_found_at_the_steps_of_a_rebalance() {
    let explored = found(Plant::Rebalance, Way::Still, "group:billing › manage", rebalance);
    assert!(explored.failing().len() < explored.steps as usize, "{explored}");
}

#[test]
fn a_manage_loop_without_shutdown_is_found_at_the_steps_of_a_group_without_members() {
    found(Plant::Manage, Way::Dropped, "group:billing › manage", delete);
}

#[test]
fn a_fetch_without_shutdown_is_found_while_its_client_stays_and_not_when_it_goes() {
    let path = "connection › memory to broker 1";
    found(Plant::Fetch, Way::Still, path, fetch_for_long);
    let explored = planted(Plant::Fetch, Way::Dropped, None, fetch_for_long);
    assert!(explored.is_clean(), "{explored}");
}

/// Waits for records that nobody produces.
async fn fetch_for_long(cluster: &Cluster) -> Result<(), ClientError> {
    let topic = FetchTopic::default()
        .with_topic(TopicName(text("orders")))
        .with_partitions(vec![FetchPartition::default().with_partition_max_bytes(1 << 20)]);
    let request = FetchRequest::default()
        .with_max_wait_ms(i32::MAX)
        .with_min_bytes(1)
        .with_topics(vec![topic]);
    first_broker(cluster).send_version(request, 12).await.map(drop)
}
