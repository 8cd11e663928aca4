//! Closing a cluster while brokers are stopped, reassignments are held, and fetches wait for what does not come.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use kafka_protocol::messages::alter_partition_reassignments_request::{ReassignablePartition, ReassignableTopic};
use kafka_protocol::messages::{
    AlterPartitionReassignmentsRequest, BrokerId as WireBrokerId, MetadataRequest, TopicName,
};
use kfake::client::Client;
use kfake::{BrokerId, Cluster, GroupState, GroupView};
use kfake_tests::records::{TOPIC, fetch};
use kfake_tests::{Member, text, until_idle};
use leakcheck::leakcheck;
use tokio::io::DuplexStream;
use tokio::net::TcpStream;
use tokio::runtime::Handle;

use crate::scenario::Waiting;

const ONE: BrokerId = BrokerId(1);
const TWO: BrokerId = BrokerId(2);

/// One partition on brokers 1 and 2, led by 1.
async fn memory() -> Cluster {
    let builder = Cluster::builder().in_memory().topic_spec(TOPIC, Some(1), Some(2));
    builder.start().await.unwrap()
}

async fn until_fetches_wait(cluster: &Cluster, fetches: usize) {
    until_idle().await;
    assert_eq!(cluster.partition(TOPIC, 0).unwrap().waiting_fetches, fetches);
}

/// A consumer that waits for records at the leader, and one that does at a follower.
async fn waiting(cluster: &Cluster) -> Vec<Client<DuplexStream>> {
    let mut clients = Vec::new();
    for broker in [ONE, TWO] {
        let mut client = cluster.client(broker).unwrap();
        drop(client.start(fetch(0, i32::MAX), 12).await.unwrap());
        clients.push(client);
    }
    until_fetches_wait(cluster, 2).await;
    clients
}

#[leakcheck(start_paused)]
async fn closing_ends_fetches_while_a_reassignment_is_held() {
    let cluster = memory().await;
    cluster.hold_reassignments(true);
    let partition = ReassignablePartition::default().with_replicas(Some(vec![WireBrokerId(3)]));
    let topic = ReassignableTopic::default()
        .with_name(TopicName(text(TOPIC)))
        .with_partitions(vec![partition]);
    let request = AlterPartitionReassignmentsRequest::default().with_topics(vec![topic]);
    cluster.client(ONE).unwrap().send(request).await.unwrap();
    assert_eq!(cluster.partition(TOPIC, 0).unwrap().adding, [BrokerId(3)]);
    let _clients = waiting(&cluster).await;
    cluster.close().await;
    assert_eq!(cluster.task_count(), 0);
}

#[leakcheck(start_paused)]
async fn stopping_a_broker_ends_its_connections_alone() {
    let cluster = memory().await;
    let _clients = waiting(&cluster).await;
    assert_eq!(cluster.task_count(), 2);
    cluster.stop_broker(ONE).await.unwrap();
    assert_eq!(cluster.task_count(), 1);
    until_fetches_wait(&cluster, 1).await;
    cluster.stop_broker(TWO).await.unwrap();
    assert_eq!(cluster.task_count(), 0);
    cluster.start_broker(ONE).await.unwrap();
    cluster.close().await;
    // A cluster that is closed starts nothing.
    cluster.start_broker(TWO).await.unwrap();
    assert_eq!(cluster.task_count(), 0);
}

#[leakcheck(start_paused)]
async fn closing_ends_a_fetch_at_a_follower_while_the_leader_is_stopped() {
    let cluster = memory().await;
    let _clients = waiting(&cluster).await;
    cluster.shrink_isr(TOPIC, 0, TWO).unwrap();
    cluster.stop_broker(ONE).await.unwrap();
    let stopped = cluster.partition(TOPIC, 0).unwrap();
    assert_eq!((stopped.leader, stopped.in_sync), (None, vec![]));
    assert_eq!(cluster.task_count(), 1);
    cluster.close().await;
    assert_eq!(cluster.task_count(), 0);
}

#[leakcheck(start_paused)]
async fn closing_ends_the_wait_for_a_broker_that_is_being_stopped() {
    let cluster = memory().await;
    let _clients = waiting(&cluster).await;
    // The broker's connection has not been dropped when the cluster begins to close.
    let (stopped, ()) = tokio::join!(cluster.stop_broker(ONE), cluster.close());
    stopped.unwrap();
    assert_eq!(cluster.task_count(), 0);
}

#[leakcheck(flavor = "multi_thread", worker_threads = 4)]
async fn closing_while_brokers_stop_and_start_leaves_no_task_and_no_port() {
    let builder = Cluster::builder().topic_spec(TOPIC, Some(3), Some(3));
    let cluster = builder.start().await.unwrap();
    let mut clients = Vec::new();
    for broker in cluster.brokers() {
        clients.push(TcpStream::connect((broker.host.clone(), broker.port)).await.unwrap());
    }
    let stir = async {
        for _ in 0..8 {
            for id in [ONE, TWO] {
                cluster.stop_broker(id).await.unwrap();
                cluster.start_broker(id).await.unwrap();
            }
        }
    };
    let (_, ()) = tokio::join!(stir, async {
        tokio::task::yield_now().await;
        cluster.close().await;
    });
    assert_eq!(cluster.task_count(), 0);
    for broker in cluster.brokers() {
        let refused = TcpStream::connect((broker.host.clone(), broker.port))
            .await
            .unwrap_err();
        assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
    }
}

/// Both find the broker stopped. One of them starts it, and neither takes the port away from the other. They are on threads of their
/// own, and the broker's tasks on this one: each that has ended is out of the tracker before anything else happens here.
#[leakcheck]
async fn of_two_that_start_a_broker_at_once_each_finds_it_running() {
    let builder = Cluster::builder().topic_spec(TOPIC, Some(1), Some(1));
    let cluster = Arc::new(builder.start().await.unwrap());
    let broker = &cluster.brokers()[0];
    let address = (broker.host.clone(), broker.port);
    for _ in 0..300 {
        cluster.stop_broker(ONE).await.unwrap();
        let missing = Arc::new(AtomicUsize::new(2));
        let starting: Vec<_> = (0..2)
            .map(|_| {
                let (cluster, missing, runtime) = (cluster.clone(), missing.clone(), Handle::current());
                tokio::task::spawn_blocking(move || {
                    // In the same moment: whoever is woken by the other comes too late to disturb it.
                    missing.fetch_sub(1, Ordering::SeqCst);
                    while missing.load(Ordering::SeqCst) > 0 {
                        std::thread::yield_now();
                    }
                    runtime.block_on(cluster.start_broker(ONE))
                })
            })
            .collect();
        for started in starting {
            started.await.unwrap().unwrap();
        }
        // Led, and reached: by a connection that the next stop breaks.
        assert_eq!(cluster.partition(TOPIC, 0).unwrap().leader, Some(ONE));
        let mut client = Client::new(TcpStream::connect(address.clone()).await.unwrap());
        client.send(MetadataRequest::default()).await.unwrap();
        // Three listeners and the connection: nothing of an earlier life.
        assert_eq!(cluster.task_count(), 3 + 1);
    }
    cluster.close().await;
    assert_eq!(cluster.task_count(), 0);
}

/// The broker's port is still bound when it is to be started again.
#[leakcheck]
async fn who_starts_a_broker_that_is_being_stopped_waits_for_its_end() {
    let cluster = Cluster::builder().brokers(1).start().await.unwrap();
    let broker = &cluster.brokers()[0];
    let stream = TcpStream::connect((broker.host.clone(), broker.port)).await.unwrap();
    let mut client = Client::new(stream);
    client.send(MetadataRequest::default()).await.unwrap();
    let (stopped, also_stopped, started) = tokio::join!(
        cluster.stop_broker(ONE),
        cluster.stop_broker(ONE),
        cluster.start_broker(ONE)
    );
    stopped.and(also_stopped).and(started).unwrap();
    assert!(client.send(MetadataRequest::default()).await.unwrap_err().is_closed());
    let stream = TcpStream::connect((broker.host.clone(), broker.port)).await.unwrap();
    Client::new(stream).send(MetadataRequest::default()).await.unwrap();
    cluster.close().await;
    assert_eq!(cluster.task_count(), 0);
}

/// Every group is left by its coordinator while its members wait, and the cluster is closed over what the next one has loaded.
#[leakcheck(start_paused)]
async fn closing_ends_groups_whose_coordinator_has_moved() {
    let builder = Cluster::builder().in_memory().topic("orders", 1).brokers(3);
    let cluster = builder
        .broker_config("offsets.topic.num.partitions", "1")
        .broker_config("group.initial.rebalance.delay.ms", "3000")
        .start()
        .await
        .unwrap();
    let mut waiting: Waiting<DuplexStream> = Waiting::new();
    waiting.every_state(&cluster).await;
    let BrokerId(before) = cluster.coordinator("stable");
    cluster
        .set_leader("__consumer_offsets", 0, BrokerId(before % 3 + 1))
        .unwrap();
    let loaded = |group: &str| cluster.group(group).unwrap().members.len();
    assert_eq!(
        ["awaiting-sync", "stable", "rebalancing", "empty", "joining"].map(loaded),
        [1, 1, 1, 0, 0]
    );
    // Those of the next coordinator wait again, and nobody leads when the cluster closes.
    waiting.joining(&cluster, "stable").await;
    for broker in [ONE, TWO, BrokerId(3)] {
        cluster.stop_broker(broker).await.unwrap();
    }
    cluster.close().await;
    assert_eq!(cluster.task_count(), 0);
    drop(waiting);
}

/// The coordinator moves to and fro while members join, on other threads, and then the cluster closes.
#[leakcheck(flavor = "multi_thread", worker_threads = 4)]
async fn closing_while_coordinators_move_leaves_nobody_waiting() {
    let builder = Cluster::builder().in_memory().brokers(3);
    let builder = builder.broker_config("offsets.topic.num.partitions", "1");
    let cluster = Arc::new(builder.start().await.unwrap());
    let joining: Vec<_> = (0..4)
        .map(|_| {
            let cluster = cluster.clone();
            tokio::spawn(async move {
                // Until the cluster is closed.
                while let Ok(client) = cluster.client(cluster.coordinator("stirred").max(ONE)) {
                    let mut member = Member::over(client, "stirred");
                    member.version = 3;
                    let _ = member.join().await;
                }
            })
        })
        .collect();
    cluster
        .wait_for_group("stirred", |g| !g.members.is_empty())
        .await
        .unwrap();
    for turn in 0..200 {
        cluster
            .set_leader("__consumer_offsets", 0, BrokerId(turn % 3 + 1))
            .unwrap();
        tokio::task::yield_now().await;
    }
    cluster.close().await;
    for joined in joining {
        joined.await.unwrap();
    }
    assert_eq!(cluster.task_count(), 0);
}

/// Whoever can wait for the replicas of a group's offsets does so: a connection with what was answered by the group, and members whose
/// join, assignment and return are not committed.
#[leakcheck(start_paused)]
async fn closing_ends_what_waits_for_the_replicas_of_offsets() {
    let builder = Cluster::builder().in_memory().topic("orders", 1).brokers(3);
    let cluster = builder
        .broker_config("offsets.topic.num.partitions", "1")
        .broker_config("min.insync.replicas", "3")
        .start()
        .await
        .unwrap();
    let mut assigned = Member::of(&cluster, "assigned");
    assigned.join().await.unwrap();
    let mut joined = Member::of(&cluster, "joined");
    joined.join_alone().await.unwrap();
    let mut returned = Member::of(&cluster, "returned").with_instance("one");
    returned.join_alone().await.unwrap();
    let BrokerId(leader) = cluster.coordinator("joined");
    let lagging = BrokerId(leader % 3 + 1);
    cluster.shrink_isr("__consumer_offsets", 0, lagging).unwrap();

    let sync = assigned.sync_request(&[]);
    drop(assigned.client.start(sync, 5).await.unwrap());
    let mut joining = Member::of(&cluster, "joined");
    drop(joining.start_join().await.unwrap());
    let mut back = Member::of(&cluster, "returned").with_instance("one");
    drop(back.start_join().await.unwrap());
    let heartbeat = joined.heartbeat();
    let (closed, ()) = tokio::join!(heartbeat, async {
        until_idle().await;
        assert_eq!(cluster.group("joined").unwrap().members.len(), 2);
        cluster.close().await;
    });
    assert!(closed.unwrap_err().is_closed());
    assert_eq!(cluster.task_count(), 0);
}

/// A follower lags and catches up while groups commit and members join and assign, on other threads: whatever waits for replicas is
/// answered when they are there, which nobody may miss.
#[leakcheck(flavor = "multi_thread", worker_threads = 4)]
async fn nobody_misses_that_the_replicas_of_offsets_are_in_sync_again() {
    let builder = Cluster::builder().in_memory().topic("orders", 1).brokers(3);
    let builder = builder
        .broker_config("offsets.topic.num.partitions", "1")
        .broker_config("min.insync.replicas", "3")
        // Whoever misses it waits for longer than any test may take.
        .broker_config("offsets.commit.timeout.ms", "2147483647");
    let cluster = Arc::new(builder.start().await.unwrap());
    let mut first = Member::of(&cluster, "group-0");
    first.join_alone().await.unwrap();
    let BrokerId(leader) = cluster.coordinator("group-0");
    let lagging = BrokerId(leader % 3 + 1);
    let is_over = Arc::new(AtomicUsize::new(0));
    let members: Vec<_> = (1..5)
        .map(|nth| {
            let (cluster, is_over) = (cluster.clone(), is_over.clone());
            tokio::spawn(async move {
                let mut turns = 0;
                while is_over.load(Ordering::SeqCst) == 0 || turns == 0 {
                    let mut member = Member::of(&cluster, &format!("group-{nth}"));
                    member.join_alone().await.unwrap();
                    assert_eq!(member.heartbeat().await.unwrap(), 0);
                    assert_eq!(member.leave().await.unwrap(), 0);
                    turns += 1;
                }
            })
        })
        .collect();
    for _ in 0..200 {
        cluster.shrink_isr("__consumer_offsets", 0, lagging).unwrap();
        // Somebody has written: an assignment, or that the last member has left.
        let writes = |group: GroupView| group.state == GroupState::Empty || group.members.iter().any(|m| m.is_syncing);
        while !(1..5).any(|nth| cluster.group(&format!("group-{nth}")).is_some_and(writes)) {
            tokio::task::yield_now().await;
        }
        cluster.expand_isr("__consumer_offsets", 0, lagging).unwrap();
        tokio::task::yield_now().await;
    }
    is_over.store(1, Ordering::SeqCst);
    for member in members {
        member.await.unwrap();
    }
    assert_eq!(first.heartbeat().await.unwrap(), 0);
    cluster.close().await;
    assert_eq!(cluster.task_count(), 0);
}
