//! Frames that no client should send.

use bytes::{BufMut, Bytes, BytesMut};
use kafka_protocol::messages::alter_partition_reassignments_request::{ReassignablePartition, ReassignableTopic};
use kafka_protocol::messages::describe_client_quotas_request::ComponentData;
use kafka_protocol::messages::elect_leaders_request::TopicPartitions;
use kafka_protocol::messages::{
    AlterPartitionReassignmentsRequest, ApiKey, ApiVersionsRequest, ApiVersionsResponse, DescribeClientQuotasRequest,
    ElectLeadersRequest, MetadataRequest, TopicName,
};
use kafka_protocol::protocol::{Decodable, StrBytes};
use kfake::Cluster;
use kfake::client::encode;
use kfake_tests::{first_broker, text, until_idle};
use leakcheck::leakcheck;

use crate::warnings::Warnings;

async fn cluster() -> Cluster {
    Cluster::builder().in_memory().topic("orders", 1).start().await.unwrap()
}

/// Sends bytes, sees that the broker closes that connection without an answer, and that another still works.
async fn closes_that_connection_alone(bytes: &[u8]) {
    let warnings = Warnings::collect();
    let cluster = cluster().await;
    let mut other = first_broker(&cluster);
    let mut client = first_broker(&cluster);
    client.send_bytes(bytes).await.unwrap();
    client.closed().await.unwrap();
    let metadata = other.send(MetadataRequest::default().with_topics(None)).await.unwrap();
    assert_eq!(metadata.topics.len(), 1);
    cluster.close().await;
    let warnings = warnings.take();
    let warnings: Vec<_> = warnings.lines().collect();
    assert!(
        warnings.len() == 1 && warnings[0].contains("closing the connection"),
        "{warnings:?}"
    );
}

fn frame(key: i16, version: i16, rest: &[u8]) -> Bytes {
    let mut frame = BytesMut::new();
    frame.put_i32(8 + rest.len() as i32);
    frame.put_i16(key);
    frame.put_i16(version);
    frame.put_i32(7);
    frame.put_slice(rest);
    frame.freeze()
}

#[leakcheck(start_paused)]
async fn a_size_over_the_limit_closes_that_connection_alone() {
    closes_that_connection_alone(&i32::MAX.to_be_bytes()).await;
}

#[leakcheck(start_paused)]
async fn a_negative_size_closes_the_connection() {
    closes_that_connection_alone(&(-1_i32).to_be_bytes()).await;
}

#[leakcheck(start_paused)]
async fn the_limit_is_a_broker_configuration() {
    let cluster = Cluster::builder()
        .in_memory()
        .broker_config("socket.request.max.bytes", "1000")
        .start()
        .await
        .unwrap();
    let mut client = first_broker(&cluster);
    client.send_bytes(&1001_i32.to_be_bytes()).await.unwrap();
    client.closed().await.unwrap();
    cluster.close().await;
}

#[leakcheck(start_paused)]
async fn an_empty_frame_closes_the_connection() {
    closes_that_connection_alone(&0_i32.to_be_bytes()).await;
}

#[leakcheck(start_paused)]
async fn an_unknown_api_key_closes_the_connection() {
    closes_that_connection_alone(&frame(9999, 0, &[0xff, 0xff])).await;
    closes_that_connection_alone(&frame(-1, 0, &[0xff, 0xff])).await;
}

#[leakcheck(start_paused)]
async fn an_unsupported_version_closes_the_connection() {
    closes_that_connection_alone(&frame(ApiKey::Metadata as i16, 99, &[0xff, 0xff])).await;
    closes_that_connection_alone(&frame(ApiKey::Metadata as i16, -1, &[0xff, 0xff])).await;
}

#[leakcheck(start_paused)]
async fn a_body_that_ends_early_closes_the_connection() {
    // A null client id, then an array of one topic and no topic.
    closes_that_connection_alone(&frame(ApiKey::Metadata as i16, 1, &[0xff, 0xff, 0, 0, 0, 1])).await;
}

#[leakcheck(start_paused)]
async fn an_array_that_claims_two_billion_elements_closes_the_connection() {
    closes_that_connection_alone(&frame(
        ApiKey::Metadata as i16,
        1,
        &[0xff, 0xff, 0x7f, 0xff, 0xff, 0xff],
    ))
    .await;
}

#[leakcheck(start_paused)]
async fn text_that_is_not_utf_8_closes_the_connection() {
    closes_that_connection_alone(&frame(ApiKey::Metadata as i16, 1, &[0, 2, 0xc3, 0x28, 0, 0, 0, 0])).await;
    closes_that_connection_alone(&frame(
        ApiKey::Metadata as i16,
        1,
        &[0xff, 0xff, 0, 0, 0, 1, 0, 2, 0xc3, 0x28],
    ))
    .await;
}

#[leakcheck(start_paused)]
async fn a_frame_that_is_cut_off_ends_its_connection() {
    let warnings = Warnings::collect();
    let cluster = cluster().await;
    {
        let mut client = first_broker(&cluster);
        client.send_bytes(&[0, 0, 0, 100, 0, 3]).await.unwrap();
    }
    // The connection's task is gone once the peer is: a memory cluster has no others.
    until_idle().await;
    assert_eq!(cluster.task_count(), 0);
    cluster.close().await;
    let warnings = warnings.take();
    let warnings: Vec<_> = warnings.lines().collect();
    assert!(
        warnings.len() == 1 && warnings[0].contains("6 bytes into a frame"),
        "{warnings:?}"
    );
}

#[leakcheck(start_paused)]
async fn an_unknown_version_of_api_versions_is_answered_in_version_0() {
    let cluster = cluster().await;
    let mut client = first_broker(&cluster);
    client
        .send_bytes(&frame(ApiKey::ApiVersions as i16, 99, &[0xff, 0xff, 0]))
        .await
        .unwrap();
    let mut answer = client.receive_frame().await.unwrap();
    let _correlation = answer.split_to(4);
    let response = ApiVersionsResponse::decode(&mut answer, 0).unwrap();
    assert_eq!(response.error_code, 35);
    let offered: Vec<_> = response
        .api_keys
        .iter()
        .map(|k| (k.api_key, k.min_version, k.max_version))
        .collect();
    assert_eq!(offered, [(18, 0, 5)]);
    // KIP-511: the connection stays, for the client to ask again.
    let again = client
        .send(
            ApiVersionsRequest::default()
                .with_client_software_name("test".into())
                .with_client_software_version("1".into()),
        )
        .await
        .unwrap();
    assert_eq!(again.error_code, 0);
    cluster.close().await;
}

#[leakcheck(start_paused)]
async fn a_client_software_name_with_spaces_is_an_invalid_request() {
    let cluster = cluster().await;
    let request = ApiVersionsRequest::default()
        .with_client_software_name("my client".into())
        .with_client_software_version("1".into());
    let response = first_broker(&cluster).send_version(request, 3).await.unwrap();
    assert_eq!(response.error_code, 42);
    cluster.close().await;
}

#[leakcheck(start_paused)]
async fn requests_sent_at_once_are_answered_in_order() {
    let cluster = cluster().await;
    let mut client = first_broker(&cluster);
    let name = StrBytes::from_static_str("test");
    let mut burst = BytesMut::new();
    for correlation_id in 1..=100 {
        burst.extend_from_slice(&encode(&MetadataRequest::default(), 12, correlation_id, &name).unwrap());
    }
    client.send_bytes(&burst).await.unwrap();
    for correlation_id in 1..=100_i32 {
        let answer = client.receive_frame().await.unwrap();
        assert_eq!(answer[..4], correlation_id.to_be_bytes());
    }
    cluster.close().await;
}

/// A request for 70,000 partitions of a topic that there is not, each of which would be answered with the topic's long name.
#[leakcheck(start_paused)]
async fn an_answer_that_no_frame_can_hold_is_given_up_before_it_is_made() {
    let name = TopicName(text(&"x".repeat(i16::MAX as usize)));
    let partitions = 0..70_000;
    let elected = TopicPartitions::default()
        .with_topic(name.clone())
        .with_partitions(partitions.clone().collect());
    let elect = ElectLeadersRequest::default().with_topic_partitions(Some(vec![elected]));
    let moved = ReassignableTopic::default().with_name(name).with_partitions(
        partitions
            .map(|index| ReassignablePartition::default().with_partition_index(index))
            .collect(),
    );
    let moves = AlterPartitionReassignmentsRequest::default().with_topics(vec![moved]);
    let client = text("test");
    closes_that_connection_alone(&encode(&elect, 2, 1, &client).unwrap()).await;
    closes_that_connection_alone(&encode(&moves, 1, 1, &client).unwrap()).await;
}

/// Apache Kafka fails over the answer to its own failure, and its client waits for nothing. What is here is the answer that it meant.
#[leakcheck(start_paused)]
async fn quotas_of_a_kind_that_cannot_be_said_are_an_unknown_server_error() {
    let cluster = cluster().await;
    let component = ComponentData::default().with_entity_type(text(&"x".repeat(i16::MAX as usize)));
    let request = DescribeClientQuotasRequest::default().with_components(vec![component]);
    for version in [0, 1] {
        let answer = first_broker(&cluster)
            .send_version(request.clone(), version)
            .await
            .unwrap();
        assert_eq!((answer.error_code, answer.entries), (-1, None));
    }
    cluster.close().await;
}
