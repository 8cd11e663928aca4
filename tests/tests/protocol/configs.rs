//! Configurations that take effect while the cluster runs, quotas that make clients wait, and clients' metrics.

use std::time::{Duration, UNIX_EPOCH};

use bytes::Bytes;
use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::alter_client_quotas_request::{EntityData, EntryData, OpData};
use kafka_protocol::messages::alter_replica_log_dirs_request::{AlterReplicaLogDir, AlterReplicaLogDirTopic};
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::incremental_alter_configs_request::{AlterConfigsResource, AlterableConfig};
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::update_features_request::FeatureUpdateKey;
use kafka_protocol::messages::{
    AlterClientQuotasRequest, AlterReplicaLogDirsRequest, ApiVersionsRequest, DescribeLogDirsRequest, FetchRequest,
    GetTelemetrySubscriptionsRequest, IncrementalAlterConfigsRequest, MetadataRequest, ProduceRequest,
    PushTelemetryRequest, TopicName, UpdateFeaturesRequest,
};
use kfake::client::Client;
use kfake::messages::ListOffsetsRequest;
use kfake::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kfake::{BrokerId, Cluster};
use kfake_tests::{batch_of, record, text};
use leakcheck::leakcheck;
use tokio::io::DuplexStream;
use tokio::time::{Instant, sleep};

const TOPIC: i8 = 2;
const BROKER: i8 = 4;
const SUBSCRIPTION: i8 = 16;

async fn cluster() -> Cluster {
    Cluster::builder().in_memory().topic("orders", 1).start().await.unwrap()
}

fn client(cluster: &Cluster) -> Client<DuplexStream> {
    cluster.client(BrokerId(1)).unwrap().with_client_id("me")
}

/// Sets a configuration, or deletes it where there is no value.
async fn set(client: &mut Client<DuplexStream>, kind: i8, resource: &str, name: &str, value: Option<&str>) {
    let config = AlterableConfig::default()
        .with_name(text(name))
        .with_config_operation(i8::from(value.is_none()))
        .with_value(value.map(text));
    let resource = AlterConfigsResource::default()
        .with_resource_type(kind)
        .with_resource_name(text(resource))
        .with_configs(vec![config]);
    let request = IncrementalAlterConfigsRequest::default().with_resources(vec![resource]);
    let response = client.send(request).await.unwrap();
    assert_eq!(
        response.responses[0].error_code, 0,
        "{:?}",
        response.responses[0].error_message
    );
}

/// The error and the throttle time.
async fn produce(client: &mut Client<DuplexStream>, value_bytes: usize) -> (i16, i32) {
    let data = PartitionProduceData::default().with_records(Some(batch_of(&record(0, vec![0; value_bytes].into()))));
    let topic = TopicProduceData::default()
        .with_name(TopicName(text("orders")))
        .with_partition_data(vec![data]);
    let request = ProduceRequest::default().with_acks(-1).with_topic_data(vec![topic]);
    let response = client.send_version(request, 9).await.unwrap();
    let code = response.responses[0].partition_responses[0].error_code;
    (code, response.throttle_time_ms)
}

async fn limit(client: &mut Client<DuplexStream>, key: &str, value: f64) {
    let entity = EntityData::default()
        .with_entity_type(text("client-id"))
        .with_entity_name(Some(text("me")));
    let op = OpData::default().with_key(text(key)).with_value(value);
    let entry = EntryData::default().with_entity(vec![entity]).with_ops(vec![op]);
    let request = AlterClientQuotasRequest::default().with_entries(vec![entry]);
    assert_eq!(client.send(request).await.unwrap().entries[0].error_code, 0);
}

#[leakcheck(start_paused)]
async fn a_topic_follows_the_brokers_in_what_it_does_not_set_itself() {
    let cluster = cluster().await;
    let mut client = client(&cluster);
    let too_large = ResponseError::MessageTooLarge.code();
    assert_eq!(produce(&mut client, 500).await.0, 0);
    set(&mut client, BROKER, "", "message.max.bytes", Some("200")).await;
    assert_eq!(produce(&mut client, 500).await.0, too_large);
    set(&mut client, TOPIC, "orders", "max.message.bytes", Some("1000")).await;
    assert_eq!(produce(&mut client, 500).await.0, 0);
    set(&mut client, TOPIC, "orders", "max.message.bytes", None).await;
    assert_eq!(produce(&mut client, 500).await.0, too_large);
    set(&mut client, BROKER, "", "message.max.bytes", None).await;
    assert_eq!(produce(&mut client, 500).await.0, 0);
    cluster.close().await;
}

/// Who leads a partition decides by its own values what becomes of the partition's records.
#[leakcheck(start_paused)]
async fn a_broker_lets_go_of_what_is_old_by_its_own_values() {
    let cluster = Cluster::builder()
        .brokers(2)
        .in_memory()
        .start_time(UNIX_EPOCH)
        .topic("orders", 2)
        .start()
        .await
        .unwrap();
    let mut first = client(&cluster);
    let topics = first
        .send_version(MetadataRequest::default().with_topics(None), 12)
        .await
        .unwrap();
    let partitions = &topics.topics[0].partitions;
    let led_by_first = partitions.iter().find(|partition| partition.leader_id.0 == 1);
    let led_by_first = led_by_first.unwrap().partition_index;
    for partition in partitions {
        let data = PartitionProduceData::default()
            .with_index(partition.partition_index)
            .with_records(Some(batch_of(&record(NOW_MS, "old".into()))));
        let topic = TopicProduceData::default()
            .with_name(TopicName(text("orders")))
            .with_partition_data(vec![data]);
        let request = ProduceRequest::default().with_acks(-1).with_topic_data(vec![topic]);
        let mut leader = cluster.client(BrokerId(partition.leader_id.0)).unwrap();
        let answer = leader.send_version(request, 9).await.unwrap();
        assert_eq!(answer.responses[0].partition_responses[0].error_code, 0);
    }
    set(&mut first, BROKER, "1", "log.retention.ms", Some("1000")).await;
    sleep(Duration::from_secs(3600)).await;
    for partition in partitions {
        let mut leader = cluster.client(BrokerId(partition.leader_id.0)).unwrap();
        let index = partition.partition_index;
        let gone = i64::from(index == led_by_first);
        assert_eq!(log_start(&mut leader, index).await, gone, "partition {index}");
    }
    // And all brokers' value is that of the other.
    set(&mut first, BROKER, "", "log.retention.ms", Some("1000")).await;
    sleep(Duration::from_secs(3600)).await;
    for partition in partitions {
        let mut leader = cluster.client(BrokerId(partition.leader_id.0)).unwrap();
        assert_eq!(log_start(&mut leader, partition.partition_index).await, 1);
    }
    cluster.close().await;
}

/// A time of day for records that are old soon.
const NOW_MS: i64 = 1_000;

async fn log_start(leader: &mut Client<DuplexStream>, index: i32) -> i64 {
    let partition = ListOffsetsPartition::default()
        .with_partition_index(index)
        .with_timestamp(-2);
    let topic = ListOffsetsTopic::default()
        .with_name(TopicName(text("orders")))
        .with_partitions(vec![partition]);
    let request = ListOffsetsRequest::default().with_topics(vec![topic]);
    leader.send(request).await.unwrap().topics[0].partitions[0].offset
}

#[leakcheck(start_paused)]
async fn who_produces_more_than_his_quota_is_told_and_not_listened_to_for_as_long() {
    let cluster = cluster().await;
    let mut client = client(&cluster);
    limit(&mut client, "producer_byte_rate", 1000.0).await;
    let (code, throttle_ms) = produce(&mut client, 15_000).await;
    assert_eq!(code, 0, "what was sent is taken");
    // Ten seconds' worth passes; the rest, and the request's own bytes, take their time.
    assert!((5000..5300).contains(&throttle_ms), "{throttle_ms} ms");
    let before = Instant::now();
    client.send(MetadataRequest::default()).await.unwrap();
    assert_eq!(before.elapsed().as_millis(), throttle_ms.unsigned_abs().into());
    cluster.close().await;
}

#[leakcheck(start_paused)]
async fn a_cluster_closes_while_a_client_is_made_to_wait() {
    let cluster = cluster().await;
    let mut client = client(&cluster);
    limit(&mut client, "producer_byte_rate", 1.0).await;
    let (_, throttle_ms) = produce(&mut client, 15_000).await;
    assert!(throttle_ms > 1_000_000, "{throttle_ms} ms");
    let before = Instant::now();
    cluster.close().await;
    assert_eq!(before.elapsed(), Duration::ZERO);
    assert_eq!(cluster.task_count(), 0);
}

#[leakcheck(start_paused)]
async fn who_has_fetched_his_quota_is_given_nothing_until_it_is_over() {
    let cluster = cluster().await;
    let mut client = client(&cluster);
    for _ in 0..3 {
        assert_eq!(produce(&mut client, 5000).await.0, 0);
    }
    limit(&mut client, "consumer_byte_rate", 1000.0).await;
    let fetch = |offset| {
        let partition = FetchPartition::default()
            .with_fetch_offset(offset)
            .with_partition_max_bytes(1 << 20);
        let topic = FetchTopic::default()
            .with_topic(TopicName(text("orders")))
            .with_partitions(vec![partition]);
        FetchRequest::default().with_max_bytes(1 << 20).with_topics(vec![topic])
    };
    // No more is read than ten seconds' worth: of the three batches one, and a part of the second.
    let response = client.send_version(fetch(0), 11).await.unwrap();
    assert_eq!(response.throttle_time_ms, 0);
    let records = response.responses[0].partitions[0].records.clone().unwrap();
    assert!((5000..=10_000).contains(&records.len()), "{}", records.len());
    let response = client.send_version(fetch(1), 11).await.unwrap();
    assert!(response.throttle_time_ms > 0 && response.responses.is_empty());
    let waited = Instant::now();
    let mut throttled = response.throttle_time_ms;
    while throttled > 0 {
        let response = client.send_version(fetch(1), 11).await.unwrap();
        throttled = response.throttle_time_ms;
        assert_eq!(response.responses.is_empty(), throttled > 0);
    }
    assert!(waited.elapsed() >= Duration::from_millis(100), "{:?}", waited.elapsed());
    cluster.close().await;
}

#[leakcheck(start_paused)]
async fn a_clients_metrics_are_asked_for_where_somebody_wants_them() {
    let offers =
        |response: kafka_protocol::messages::ApiVersionsResponse| response.api_keys.iter().any(|api| api.api_key == 71);
    let without = cluster().await;
    let response = client(&without).send(ApiVersionsRequest::default()).await.unwrap();
    assert!(!offers(response));
    without.close().await;

    let cluster = Cluster::builder()
        .in_memory()
        .broker_config("metric.reporters", "com.example.Reporter")
        .start()
        .await
        .unwrap();
    let mut client = client(&cluster);
    let software = ApiVersionsRequest::default()
        .with_client_software_name(text("mine"))
        .with_client_software_version(text("1"));
    assert!(offers(client.send(software).await.unwrap()));
    set(&mut client, SUBSCRIPTION, "all", "metrics", Some("org.apache.kafka.")).await;
    set(
        &mut client,
        SUBSCRIPTION,
        "all",
        "match",
        Some("client_software_name=mine"),
    )
    .await;
    let asked = client.send(GetTelemetrySubscriptionsRequest::default()).await.unwrap();
    assert_eq!(asked.requested_metrics, [text("org.apache.kafka.")]);
    let push = PushTelemetryRequest::default()
        .with_client_instance_id(asked.client_instance_id)
        .with_subscription_id(asked.subscription_id)
        .with_metrics(Bytes::from_static(b"metrics"));
    assert_eq!(client.send(push).await.unwrap().error_code, 0);
    let pushed = cluster.client_metrics();
    assert_eq!((&*pushed[0].client_id, &pushed[0].metrics[..]), ("me", &b"metrics"[..]));
    assert_eq!(pushed[0].instance_id, asked.client_instance_id);
    cluster.close().await;
}

#[leakcheck(start_paused)]
async fn a_feature_that_was_lowered_is_offered_at_its_new_level() {
    let cluster = cluster().await;
    let mut client = client(&cluster);
    let versions = || {
        ApiVersionsRequest::default()
            .with_client_software_name(text("mine"))
            .with_client_software_version(text("1"))
    };
    let before = client.send(versions()).await.unwrap();
    let lowered = FeatureUpdateKey::default()
        .with_feature(text("group.version"))
        .with_max_version_level(0)
        .with_upgrade_type(2);
    let request = UpdateFeaturesRequest::default().with_feature_updates(vec![lowered]);
    assert_eq!(client.send(request).await.unwrap().error_code, 0);
    let after = client.send(versions()).await.unwrap();
    let has = |response: &kafka_protocol::messages::ApiVersionsResponse| {
        let features = &response.finalized_features;
        features.iter().any(|feature| *feature.name == *"group.version")
    };
    assert!(has(&before) && !has(&after));
    assert!(after.finalized_features_epoch > before.finalized_features_epoch);
    cluster.close().await;
}

#[leakcheck(start_paused)]
async fn a_log_is_moved_to_where_it_is_and_nowhere_else() {
    let cluster = Cluster::builder()
        .in_memory()
        .broker_config("log.dirs", "/logs,/more")
        .topic("orders", 3)
        .start()
        .await
        .unwrap();
    let mut client = client(&cluster);
    let directory = client
        .send(DescribeLogDirsRequest::default().with_topics(None))
        .await
        .unwrap();
    assert_eq!(&*directory.results[0].log_dir, "/logs");
    // Each of three brokers has one of the three partitions.
    assert_eq!(directory.results[0].topics[0].partitions.len(), 1);
    let here = directory.results[0].topics[0].partitions[0].partition_index;
    let topic = AlterReplicaLogDirTopic::default()
        .with_name(TopicName(text("orders")))
        .with_partitions(vec![here, (here + 1) % 3, 9]);
    let to = |path: &str| {
        let directory = AlterReplicaLogDir::default()
            .with_path(text(path))
            .with_topics(vec![topic.clone()]);
        AlterReplicaLogDirsRequest::default().with_dirs(vec![directory])
    };
    let codes = |response: kafka_protocol::messages::AlterReplicaLogDirsResponse| {
        let partitions = response.results[0].partitions.iter();
        partitions.map(|partition| partition.error_code).collect::<Vec<_>>()
    };
    let moved = client.send(to("/logs")).await.unwrap();
    let not_here = ResponseError::ReplicaNotAvailable.code();
    assert_eq!(
        codes(moved),
        [0, not_here, ResponseError::UnknownTopicOrPartition.code()]
    );
    let moved = client.send(to("/more")).await.unwrap();
    assert_eq!(codes(moved), [ResponseError::LogDirNotFound.code(); 3]);
    cluster.close().await;
}
