//! Closing a cluster with groups in every state, and no DeleteGroups.

use std::net::IpAddr;
use std::time::Duration;

use kfake::client::{Client, ClientError};
use kfake::{BrokerId, Builder, Cluster, ClusterClosed, GroupState};
use kfake_tests::{Member, until_idle};
use leakcheck::leakcheck;
use tokio::io::DuplexStream;
use tokio::net::{TcpListener, TcpStream};

use super::scenario::Waiting;

fn builder() -> Builder {
    Cluster::builder()
        .topic("orders", 3)
        .broker_config("group.initial.rebalance.delay.ms", "50")
}

async fn memory() -> Cluster {
    builder().in_memory().start().await.unwrap()
}

async fn tcp() -> Cluster {
    builder().start().await.unwrap()
}

#[leakcheck(start_paused)]
async fn closing_ends_groups_in_every_state() {
    let cluster = memory().await;
    let mut waiting = Waiting::<DuplexStream>::new();
    waiting.every_state(&cluster).await;
    cluster.close().await;
    assert_eq!(cluster.task_count(), 0);
}

#[leakcheck(start_paused)]
async fn closing_ends_a_group_in_its_initial_delay() {
    let cluster = builder()
        .in_memory()
        .broker_config("group.initial.rebalance.delay.ms", "300000")
        .start()
        .await
        .unwrap();
    let mut waiting = Waiting::<DuplexStream>::new();
    waiting.joining(&cluster, "joining").await;
    let group = cluster.group("joining").unwrap();
    assert!(group.state == GroupState::PreparingRebalance && group.members[0].is_joining);
    cluster.close().await;
}

#[leakcheck]
async fn closing_ends_groups_in_every_state_over_tcp() {
    let cluster = tcp().await;
    let mut waiting = Waiting::<TcpStream>::new();
    waiting.every_state(&cluster).await;
    cluster.close().await;
    assert_eq!(cluster.task_count(), 0);
}

#[leakcheck(flavor = "multi_thread", worker_threads = 4)]
async fn closing_ends_groups_in_every_state_on_many_threads() {
    let cluster = tcp().await;
    let mut waiting = Waiting::<TcpStream>::new();
    waiting.every_state(&cluster).await;
    cluster.close().await;
    assert_eq!(cluster.task_count(), 0);
}

#[leakcheck(start_paused)]
async fn closing_ends_groups_whose_members_have_vanished() {
    let cluster = memory().await;
    let mut waiting = Waiting::<DuplexStream>::new();
    waiting.every_state(&cluster).await;
    waiting.vanish();
    cluster.close().await;
}

#[leakcheck(flavor = "multi_thread", worker_threads = 2)]
async fn closing_ends_groups_whose_members_have_vanished_over_tcp() {
    let cluster = tcp().await;
    let mut waiting = Waiting::<TcpStream>::new();
    waiting.every_state(&cluster).await;
    waiting.vanish();
    cluster.close().await;
}

#[leakcheck(start_paused)]
async fn connections_of_members_that_vanished_end_while_the_cluster_lives() {
    let cluster = memory().await;
    let mut waiting = Waiting::<DuplexStream>::new();
    waiting.stable(&cluster, "stable").await;
    waiting.awaiting_sync(&cluster, "awaiting-sync").await;
    waiting.rebalancing(&cluster, "rebalancing").await;
    waiting.vanish();
    // What remains are the three groups' own tasks, and the one that would have forgotten a group whose member never came.
    until_idle().await;
    assert_eq!(cluster.task_count(), 4);
    cluster.close().await;
}

#[leakcheck(start_paused)]
async fn closing_ends_a_group_whose_offsets_are_about_to_expire() {
    for week in [
        Duration::ZERO,
        Duration::from_secs(7 * 24 * 3600 - 1),
        Duration::from_secs(7 * 24 * 3600),
    ] {
        let cluster = memory().await;
        let mut waiting = Waiting::<DuplexStream>::new();
        waiting.simple(&cluster, "simple").await;
        tokio::time::sleep(week).await;
        assert!(cluster.group("simple").is_some(), "{week:?}");
        cluster.close().await;
        assert_eq!(cluster.task_count(), 0, "{week:?}");
    }
}

/// A thousand groups, as many in each of four states, and the members that keep them there.
async fn a_thousand_groups() -> (Cluster, Waiting<DuplexStream>) {
    let cluster = builder()
        .in_memory()
        .broker_config("group.initial.rebalance.delay.ms", "0")
        .start()
        .await
        .unwrap();
    let mut waiting = Waiting::new();
    for n in 0..250 {
        waiting.stable(&cluster, &format!("stable-{n}")).await;
        waiting.rebalancing(&cluster, &format!("rebalancing-{n}")).await;
        waiting.awaiting_sync(&cluster, &format!("awaiting-sync-{n}")).await;
        waiting.empty(&cluster, &format!("empty-{n}")).await;
    }
    assert!(cluster.task_count() > 1000);
    (cluster, waiting)
}

#[leakcheck(start_paused)]
async fn closing_ends_a_thousand_groups() {
    let (cluster, _waiting) = a_thousand_groups().await;
    cluster.close().await;
    assert_eq!(cluster.task_count(), 0);
}

#[leakcheck(flavor = "multi_thread", worker_threads = 2)]
async fn closing_ends_a_thousand_groups_on_many_threads() {
    let (cluster, _waiting) = a_thousand_groups().await;
    cluster.close().await;
    assert_eq!(cluster.task_count(), 0);
}

#[leakcheck(start_paused)]
async fn dropping_a_cluster_without_closing_it_ends_its_tasks_too() {
    let cluster = memory().await;
    let mut waiting = Waiting::<DuplexStream>::new();
    waiting.every_state(&cluster).await;
    drop(cluster);
}

#[leakcheck(flavor = "multi_thread", worker_threads = 2)]
async fn dropping_a_cluster_over_tcp_ends_its_tasks_too() {
    let cluster = tcp().await;
    let mut waiting = Waiting::<TcpStream>::new();
    waiting.every_state(&cluster).await;
    drop(cluster);
}

#[leakcheck(start_paused)]
async fn closing_ends_a_stalled_group_and_who_waits_for_it() {
    let cluster = memory().await;
    let mut member = Member::of(&cluster, "billing");
    member.join_alone().await.unwrap();
    cluster.stall_group("billing", true);
    let (answer, ()) = tokio::join!(member.heartbeat(), async {
        cluster.wait_for_group("billing", |g| g.queued == 1).await.unwrap();
        cluster.close().await;
    });
    assert!(matches!(answer, Err(error) if error.is_closed()));
}

#[leakcheck(flavor = "multi_thread", worker_threads = 4)]
async fn closing_twice_and_at_once_is_the_same_as_once() {
    let cluster = tcp().await;
    let mut waiting = Waiting::<TcpStream>::new();
    waiting.every_state(&cluster).await;
    tokio::join!(cluster.close(), cluster.close(), cluster.close());
    assert_eq!(cluster.task_count(), 0);
    cluster.close().await;
}

#[leakcheck]
async fn after_closing_no_port_listens_and_the_same_ports_can_be_bound_at_once() {
    // An address of its own, where loopback has more than one: no other test binds a port there that is given up here.
    let own: IpAddr = if cfg!(target_os = "linux") {
        [127, 0, 0, 4]
    } else {
        [127, 0, 0, 1]
    }
    .into();
    let cluster = builder().listen(own).start().await.unwrap();
    let ports: Vec<u16> = cluster.brokers().iter().map(|b| b.port).collect();
    let mut waiting = Waiting::<TcpStream>::new();
    waiting.every_state(&cluster).await;
    cluster.close().await;
    for port in &ports {
        let refused = TcpStream::connect((own, *port)).await.unwrap_err();
        assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
    }
    let again = builder().listen(own).ports(ports.clone()).start().await.unwrap();
    assert_eq!(again.brokers().iter().map(|b| b.port).collect::<Vec<_>>(), ports);
    again.close().await;
}

#[leakcheck]
async fn a_start_on_a_port_that_is_taken_says_so_and_leaves_nothing_behind() {
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = taken.local_addr().unwrap();
    let error = builder().ports([0, address.port()]).start().await.unwrap_err();
    assert_eq!(error.to_string(), format!("address in use: {address}"));
}

#[leakcheck(start_paused)]
async fn a_closed_cluster_refuses_connections_and_those_who_wait_for_a_group_hear_of_it() {
    let cluster = memory().await;
    let (waited, ()) = tokio::join!(cluster.wait_for_group("never", |_| true), async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        cluster.close().await;
    });
    assert_eq!(waited.unwrap_err(), ClusterClosed);
    let refused = cluster.connect(BrokerId(1)).unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
}

#[leakcheck(start_paused)]
async fn a_client_that_waits_sees_its_connection_closed_and_never_half_a_reply() {
    let cluster = memory().await;
    let mut member = Member::of(&cluster, "billing");
    member.join_alone().await.unwrap();
    let mut second = Member::of(&cluster, "billing");
    let joining = second.start_join().await.unwrap();
    cluster
        .wait_for_group("billing", |g| g.members.len() == 2)
        .await
        .unwrap();
    cluster.close().await;
    match second.client.finish(joining).await {
        Err(error @ ClientError::Io(_)) => assert!(error.is_closed()),
        other => panic!("{other:?}"),
    }
    second.client.closed().await.unwrap();
    let _: Client<DuplexStream> = member.client;
}
