//! Planted bugs: each variant of the cluster has the shutdown missing from one of its waits, as franz-go's fake cluster had.
//! leakcheck has to fail each, and its report has to name the group, the spawn site and the waiting line.

use std::fs;
use std::path::Path;
use std::time::Duration;

use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::incremental_alter_configs_request::{AlterConfigsResource, AlterableConfig};
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::{
    FetchRequest, GroupId, HeartbeatRequest, IncrementalAlterConfigsRequest, MetadataRequest, ProduceRequest, TopicName,
};
use kfake::messages::OffsetCommitRequest;
use kfake::messages::offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use kfake::{BrokerId, Cluster, Plant};
use kfake_tests::{Member, batch_of, coordinator, first_broker, record, text, until_idle};
use leakcheck::{Check, Leak, Report};
use tokio::io::DuplexStream;

use super::scenario::Waiting;

const MANAGE: &str = "kfake/src/group/manage.rs";
const QUEUE: &str = "kfake/src/group/queue.rs";
const CONNECTION: &str = "kfake/src/net/connection.rs";
const FETCH: &str = "kfake/src/api/fetch.rs";
const EXPIRY: &str = "kfake/src/group/expiry.rs";
const UNCOMMITTED: &str = "kfake/src/group/uncommitted.rs";
const HOUSEKEEPING: &str = "kfake/src/cluster/housekeeping.rs";
const HANDLE: &str = "kfake/src/group/handle.rs";

/// The line of `what` behind `after`, in a file of the workspace.
pub(crate) fn line_of(file: &str, after: &str, what: &str) -> u32 {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(file);
    let text = fs::read_to_string(path).unwrap();
    let lines = text.lines().enumerate().skip_while(|(_, line)| !line.contains(after));
    let found = lines.into_iter().find(|(_, line)| line.contains(what));
    found
        .map(|(index, _)| index as u32 + 1)
        .unwrap_or_else(|| panic!("{what} behind {after} in {file}"))
}

/// A cluster with the planted bug, or without one.
pub(crate) async fn start(plant: Option<Plant>) -> Cluster {
    let mut builder = Cluster::builder()
        .in_memory()
        .topic("orders", 3)
        .broker_config("group.initial.rebalance.delay.ms", "50");
    if let Some(plant) = plant {
        builder = builder.plant(plant);
    }
    builder.start().await.unwrap()
}

/// Runs a scenario on a cluster with the planted bug, drops the cluster, and returns what leakcheck finds. What the
/// scenario returns, its clients, lives until the check is over.
fn check<T>(plant: Option<Plant>, scenario: impl AsyncFnOnce(&Cluster) -> T) -> Report {
    let check = Check::new("a cluster with a planted bug")
        .start_paused(true)
        .grace(Duration::from_secs(1));
    let outcome = check.run(async move {
        let cluster = start(plant).await;
        let clients = scenario(&cluster).await;
        drop(cluster);
        clients
    });
    outcome.body.expect("the scenario runs");
    outcome.report
}

/// Sees that the planted bug leaks exactly one task of that group and name, spawned there; and that the same scenario
/// without the bug leaks none.
pub(crate) fn caught<T>(
    plant: Plant,
    group: &str,
    spawned_in: (&str, u32),
    scenario: impl AsyncFn(&Cluster) -> T,
) -> Leak {
    let clean = check(None, &scenario);
    assert!(clean.is_clean(), "without the planted bug:\n{clean}");
    let report = check(Some(plant), &scenario);
    assert_eq!(report.leaks.len(), 1, "{plant:?}:\n{report}");
    let text = report.to_string();
    let leak = report.leaks.into_iter().next().unwrap();
    assert_eq!(&*leak.group, group, "{text}");
    assert_eq!(
        (leak.spawned_at.file.as_str(), leak.spawned_at.line),
        spawned_in,
        "{text}"
    );
    assert!(text.contains(&format!("{group} › {}", leak.name)), "{text}");
    assert!(text.contains(&format!("{}:{}", spawned_in.0, spawned_in.1)), "{text}");
    leak
}

/// Sees that the task waits in the `select!` of a function.
pub(crate) fn waits_in(leak: &Leak, file: &str, function: &str) {
    let line = line_of(file, function, "tokio::select!");
    let at = leak.waiting_at.as_ref().expect("the leak says where it waits");
    assert_eq!((at.file.as_str(), at.line), (file, line), "{leak}");
}

fn group_task() -> (&'static str, u32) {
    (HANDLE, line_of(HANDLE, "fn ensure_running", "spawn_named"))
}

fn connection_task() -> (&'static str, u32) {
    (CONNECTION, line_of(CONNECTION, "fn open", "spawn_named"))
}

async fn empty(cluster: &Cluster) -> Waiting<DuplexStream> {
    let mut waiting = Waiting::new();
    waiting.empty(cluster, "billing").await;
    waiting
}

async fn rebalancing(cluster: &Cluster) -> Waiting<DuplexStream> {
    let mut waiting = Waiting::new();
    waiting.rebalancing(cluster, "billing").await;
    waiting
}

async fn stable(cluster: &Cluster) -> Waiting<DuplexStream> {
    let mut waiting = Waiting::new();
    waiting.stable(cluster, "billing").await;
    waiting
}

#[test]
fn the_manage_loop_without_shutdown_is_caught() {
    let leak = caught(Plant::Manage, "group:billing", group_task(), empty);
    assert_eq!(leak.name, "manage");
    waits_in(&leak, MANAGE, "async fn idle");
    assert!(leak.help[0].contains("no branch waits for cancellation"), "{leak}");
}

#[test]
fn the_rebalance_timer_without_shutdown_is_caught() {
    let leak = caught(Plant::Rebalance, "group:billing", group_task(), rebalancing);
    waits_in(&leak, MANAGE, "async fn rebalancing");
    let timer = line_of(MANAGE, "async fn rebalancing", "sleep_until(until) =>");
    assert!(leak.waiting.iter().any(|wait| wait.line == Some(timer)), "{leak}");
}

#[test]
fn the_session_timeout_without_shutdown_is_caught() {
    let leak = caught(Plant::Session, "group:billing", group_task(), stable);
    waits_in(&leak, MANAGE, "async fn watching");
    let timer = line_of(MANAGE, "async fn watching", "sleep_until(until) =>");
    assert!(leak.waiting.iter().any(|wait| wait.line == Some(timer)), "{leak}");
}

/// A line of a report without its line numbers, which change with every edit above them, and without columns.
fn without_numbers(line: &str) -> String {
    let words = line.split_whitespace().map(|word| match word.rsplit_once(':') {
        Some((file, number)) if number.parse::<u32>().is_ok() => file,
        _ => word,
    });
    words.collect::<Vec<_>>().join(" ")
}

/// The README's report is this one, but for its clock and the numbers of its lines.
#[test]
fn the_readme_shows_the_report_of_a_session_timeout_without_shutdown() {
    let leak = caught(Plant::Session, "group:billing", group_task(), stable);
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md")).unwrap();
    let report = leak.to_string();
    for line in report.lines().skip(1).filter(|line| !line.is_empty()) {
        let shown = readme
            .lines()
            .any(|shown| without_numbers(shown) == without_numbers(line));
        assert!(shown, "README.md has no line\n{line}\nof\n{report}");
    }
}

#[test]
fn a_connection_that_waits_for_the_groups_answer_without_shutdown_is_caught() {
    let leak = caught(Plant::Join, "connection", connection_task(), rebalancing);
    let answer = line_of(QUEUE, "let answer = tokio::select!", "answer = answer =>");
    let text = leak.to_string();
    assert!(text.contains(&format!("{QUEUE}:")), "{leak}");
    let in_queue = leak
        .waiting
        .iter()
        .flat_map(|wait| &wait.frames)
        .find(|frame| frame.file == QUEUE);
    let select = line_of(QUEUE, "let answer = tokio::select!", "tokio::select!");
    assert!((select..=answer).contains(&in_queue.unwrap().line), "{leak}");
}

#[test]
fn a_connection_that_waits_for_room_in_the_groups_queue_without_shutdown_is_caught() {
    let leak = caught(
        Plant::Hijack,
        "connection",
        connection_task(),
        async |cluster: &Cluster| {
            let mut member = Member::of(cluster, "billing");
            member.join_alone().await.unwrap();
            assert!(cluster.stall_group("billing", true));
            let request = HeartbeatRequest::default()
                .with_group_id(member.group.clone())
                .with_generation_id(member.generation)
                .with_member_id(member.id.clone());
            // As many as the queue holds, and one more.
            let mut clients = Vec::new();
            for _ in 0..65 {
                let mut client = coordinator(cluster, "billing");
                let pending = client.start(request.clone(), 4).await.unwrap();
                clients.push((client, pending));
            }
            cluster.wait_for_group("billing", |g| g.queued == 64).await.unwrap();
            (member, clients)
        },
    );
    let room = line_of(QUEUE, "let room = tokio::select!", "room = group.queue.reserve()");
    let select = line_of(QUEUE, "let room = tokio::select!", "tokio::select!");
    let in_queue = leak
        .waiting
        .iter()
        .flat_map(|wait| &wait.frames)
        .find(|frame| frame.file == QUEUE);
    assert!((select..=room).contains(&in_queue.unwrap().line), "{leak}");
}

#[test]
fn a_fetch_that_waits_for_records_without_shutdown_is_caught() {
    let leak = caught(
        Plant::Fetch,
        "connection",
        connection_task(),
        async |cluster: &Cluster| {
            let mut client = first_broker(cluster);
            let partition = FetchPartition::default()
                .with_partition(0)
                .with_partition_max_bytes(1 << 20);
            let topic = FetchTopic::default()
                .with_topic(TopicName(text("orders")))
                .with_partitions(vec![partition]);
            let request = FetchRequest::default()
                .with_max_wait_ms(i32::MAX)
                .with_min_bytes(1)
                .with_topics(vec![topic]);
            let pending = client.start(request, 12).await.unwrap();
            // Who asks next on another connection is answered: the fetch has been read by then, and waits.
            first_broker(cluster).send(MetadataRequest::default()).await.unwrap();
            (client, pending)
        },
    );
    let branch = line_of(FETCH, "async fn wait_for_records", "notify.notified() =>");
    let timer = line_of(FETCH, "async fn wait_for_records", "sleep_until(deadline) =>");
    let text = leak.to_string();
    assert!(
        text.contains(&format!("{FETCH}:{branch}")) && text.contains(&format!("{FETCH}:{timer}")),
        "{leak}"
    );
}

#[test]
fn the_wait_for_old_records_without_shutdown_is_caught() {
    let spawned_in = (HOUSEKEEPING, line_of(HOUSEKEEPING, "fn schedule", "spawn_named"));
    let leak = caught(
        Plant::Housekeeping,
        "housekeeping",
        spawned_in,
        async |cluster: &Cluster| {
            // A record that will be a week old.
            let data = PartitionProduceData::default().with_records(Some(batch_of(&record(0, "kept".into()))));
            let topic = TopicProduceData::default()
                .with_name(TopicName(text("orders")))
                .with_partition_data(vec![data]);
            let request = ProduceRequest::default().with_acks(-1).with_topic_data(vec![topic]);
            let mut client = first_broker(cluster);
            let produced = client.send_version(request, 9).await.unwrap();
            assert_eq!(produced.responses[0].partition_responses[0].error_code, 0);
            client
        },
    );
    assert_eq!(leak.name, "logs");
    waits_in(&leak, HOUSEKEEPING, "async fn run");
    let timer = line_of(HOUSEKEEPING, "async fn run", "sleep_until(");
    assert!(leak.waiting.iter().any(|wait| wait.line == Some(timer)), "{leak}");
}

#[test]
fn the_wait_for_old_offsets_without_shutdown_is_caught() {
    let spawned_in = (EXPIRY, line_of(EXPIRY, "fn expires_at", "spawn_named"));
    let leak = caught(Plant::Expiry, "offset-expiry", spawned_in, async |cluster: &Cluster| {
        let mut waiting = Waiting::<DuplexStream>::new();
        waiting.simple(cluster, "billing").await;
        waiting
    });
    waits_in(&leak, EXPIRY, "async fn run");
}

#[test]
fn the_wait_for_the_replicas_of_offsets_without_shutdown_is_caught() {
    let leak = caught(
        Plant::Replicas,
        "connection",
        connection_task(),
        async |cluster: &Cluster| {
            let partition = OffsetCommitRequestPartition::default().with_committed_offset(1);
            let topic = OffsetCommitRequestTopic::default()
                .with_name(TopicName(text("orders")))
                .with_partitions(vec![partition]);
            let commit = OffsetCommitRequest::default()
                .with_group_id(GroupId(text("billing")))
                .with_topics(vec![topic]);
            let mut client = coordinator(cluster, "billing");
            let committed = client.send_version(commit.clone(), 8).await.unwrap();
            assert_eq!(committed.topics[0].partitions[0].error_code, 0);

            // All replicas have to have what a group writes, and one of them lags.
            let config = AlterableConfig::default()
                .with_name(text("min.insync.replicas"))
                .with_value(Some(text("3")));
            let offsets = AlterConfigsResource::default()
                .with_resource_type(2)
                .with_resource_name(text("__consumer_offsets"))
                .with_configs(vec![config]);
            let alter = IncrementalAlterConfigsRequest::default().with_resources(vec![offsets]);
            let altered = client.send(alter).await.unwrap();
            assert_eq!(altered.responses[0].error_code, 0);
            let mut index = 0;
            while let Some(partition) = cluster.partition("__consumer_offsets", index) {
                let BrokerId(leader) = partition.leader.unwrap();
                let lagging = BrokerId(leader % 3 + 1);
                cluster.shrink_isr("__consumer_offsets", index, lagging).unwrap();
                index += 1;
            }
            let pending = client.start(commit, 8).await.unwrap();
            until_idle().await;
            (client, pending)
        },
    );
    let branch = line_of(UNCOMMITTED, "async fn replicated_in", "fate.wait_for(");
    let timer = line_of(UNCOMMITTED, "async fn replicated_in", "sleep_until(until) =>");
    let text = leak.to_string();
    assert!(
        text.contains(&format!("{UNCOMMITTED}:{branch}")) && text.contains(&format!("{UNCOMMITTED}:{timer}")),
        "{leak}"
    );
}

#[test]
fn a_cluster_in_which_only_delete_groups_ends_a_group_is_caught_with_every_group_it_leaves() {
    let scenario = async |cluster: &Cluster| {
        let mut waiting = Waiting::<DuplexStream>::new();
        waiting.every_state(cluster).await;
        waiting
    };
    assert!(check(None, scenario).is_clean());
    let report = check(Some(Plant::OnlyDeleteGroups), scenario);
    let mut groups: Vec<_> = report.leaks.iter().map(|leak| leak.group.to_string()).collect();
    groups.sort();
    // All but the deleted one.
    let left = ["awaiting-sync", "empty", "joining", "rebalancing", "simple", "stable"];
    assert_eq!(groups, left.map(|id| format!("group:{id}")), "{report}");
    for leak in &report.leaks {
        assert_eq!((leak.spawned_at.file.as_str(), leak.spawned_at.line), group_task());
        assert_eq!(leak.waiting_at.as_ref().unwrap().file, MANAGE, "{leak}");
    }
}
