//! librdkafka: what most of Kafka's clients in other languages are made of.

use kfake::{BrokerId, Cluster};
use leakcheck::leakcheck;
use rdkafka::admin::{AdminOptions, NewTopic, TopicReplication};
use rdkafka::types::RDKafkaErrorCode;

use super::given::{Codec, stored, value};
use super::librdkafka::{Consumer, admin, blocking, produce, producer};

/// Produces with a codec and consumes the same again.
async fn carries(codec: Codec, name: &str) {
    let cluster = Cluster::builder().topic("orders", 1).start().await.unwrap();
    let producer = producer(&cluster, &[("compression.codec", name), ("linger.ms", "10")]);
    let offsets = produce(&producer, 0, (0..50).map(value)).await;
    assert_eq!(offsets, (0..50).collect::<Vec<_>>());

    let mut consumer = Consumer::of(&cluster, "billing");
    for (offset, consumed) in consumer.take(50).await.into_iter().enumerate() {
        assert_eq!((consumed.offset, consumed.value), (offset as i64, value(offset)));
    }
    let batches = stored(&cluster, BrokerId(1), "orders", 0).await;
    assert_eq!(batches.iter().map(|b| b.records).sum::<i32>(), 50);
    assert!(batches.iter().all(|b| b.codec == codec as i16), "{batches:?}");
    assert!(consumer.close().await.is_empty());
    cluster.close().await;
}

#[leakcheck]
async fn records_come_back_as_they_went_uncompressed() {
    carries(Codec::None, "none").await;
}

#[leakcheck]
async fn records_come_back_as_they_went_with_gzip() {
    carries(Codec::Gzip, "gzip").await;
}

#[leakcheck]
async fn records_come_back_as_they_went_with_snappy() {
    carries(Codec::Snappy, "snappy").await;
}

#[leakcheck]
async fn records_come_back_as_they_went_with_lz4() {
    carries(Codec::Lz4, "lz4").await;
}

#[leakcheck]
async fn records_come_back_as_they_went_with_zstd() {
    carries(Codec::Zstd, "zstd").await;
}

#[leakcheck]
async fn an_idempotent_producer_is_given_an_id_and_numbers_its_records() {
    let cluster = Cluster::builder().brokers(3).topic("orders", 3).start().await.unwrap();
    let settings = [
        ("enable.idempotence", "true"),
        ("batch.num.messages", "7"),
        ("linger.ms", "1"),
    ];
    let producer = producer(&cluster, &settings);
    let (a, b, c) = tokio::join!(
        produce(&producer, 0, (0..100).map(value)),
        produce(&producer, 1, (0..100).map(value)),
        produce(&producer, 2, (0..100).map(value)),
    );
    let expected: Vec<_> = (0..100).collect();
    assert_eq!((&a, &b, &c), (&expected, &expected, &expected));
    let mut ids = Vec::new();
    for (partition, leader) in [(0, 1), (1, 2), (2, 3)] {
        let mut next = 0;
        for batch in stored(&cluster, BrokerId(leader), "orders", partition).await {
            assert_eq!(batch.base_sequence, next);
            next += batch.records;
            ids.push(batch.producer_id);
        }
        assert_eq!(next, 100);
    }
    assert!(ids.len() > 3, "several batches a partition: {ids:?}");
    ids.dedup();
    assert_eq!(ids.len(), 1, "one producer: {ids:?}");
    assert!(ids[0] >= 0);
    cluster.close().await;
}

#[leakcheck]
async fn metadata_names_the_brokers_and_the_leaders() {
    let cluster = Cluster::builder().brokers(3).topic("orders", 6).start().await.unwrap();
    let admin = admin(&cluster);
    let (admin, metadata) = blocking(move || {
        let metadata = admin.inner().fetch_metadata(None, None).unwrap();
        (admin, metadata)
    })
    .await;
    let mut brokers: Vec<_> = metadata.brokers().iter().map(|b| (b.id(), b.port())).collect();
    brokers.sort_unstable();
    let expected: Vec<_> = cluster.brokers().iter().map(|b| (b.id.0, i32::from(b.port))).collect();
    assert_eq!(brokers, expected);
    let [topic] = metadata.topics() else {
        panic!("one topic")
    };
    assert_eq!(topic.name(), "orders");
    let mut leaders: Vec<_> = topic.partitions().iter().map(|p| (p.id(), p.leader())).collect();
    leaders.sort_unstable();
    assert_eq!(leaders, [(0, 1), (1, 2), (2, 3), (3, 1), (4, 2), (5, 3)]);
    let (_admin, id) = blocking(move || {
        let id = admin.inner().fetch_cluster_id(None);
        (admin, id)
    })
    .await;
    assert_eq!(id.as_deref(), Some(cluster.cluster_id()));
    cluster.close().await;
}

#[leakcheck]
async fn an_admin_client_creates_and_deletes_topics() {
    let cluster = Cluster::builder().start().await.unwrap();
    let admin = admin(&cluster);
    let options = AdminOptions::new();
    let topics = [
        NewTopic::new("orders", 3, TopicReplication::Fixed(1)),
        NewTopic::new("refunds", 1, TopicReplication::Fixed(3)).set("cleanup.policy", "compact"),
    ];
    let created = admin.create_topics(&topics, &options).await.unwrap();
    assert_eq!(created, [Ok("orders".to_owned()), Ok("refunds".to_owned())]);
    let again = admin.create_topics(&topics[..1], &options).await.unwrap();
    assert_eq!(
        again,
        [Err(("orders".to_owned(), RDKafkaErrorCode::TopicAlreadyExists))]
    );

    let producer = producer(&cluster, &[]);
    assert_eq!(produce(&producer, 2, [value(0)]).await, [0]);
    let deleted = admin.delete_topics(&["orders", "payments"], &options).await.unwrap();
    let unknown = ("payments".to_owned(), RDKafkaErrorCode::UnknownTopicOrPartition);
    assert_eq!(deleted, [Ok("orders".to_owned()), Err(unknown)]);
    cluster.close().await;
}

#[leakcheck]
async fn an_admin_client_lists_describes_and_deletes_groups() {
    let cluster = Cluster::builder().topic("orders", 2).start().await.unwrap();
    let consumer = Consumer::with(&cluster, "billing", &[("client.id", "biller")]);
    consumer.assigned(2).await;
    let admin = admin(&cluster);
    let expected = cluster.group("billing").unwrap().members[0].id.clone();
    let admin = blocking(move || {
        let groups = admin.inner().fetch_group_list(None, None).unwrap();
        let [group] = groups.groups() else { panic!("one group") };
        let kind = (group.name(), group.state(), group.protocol_type(), group.protocol());
        assert_eq!(kind, ("billing", "Stable", "consumer", "range"));
        let [member] = group.members() else {
            panic!("one member")
        };
        assert_eq!((member.id(), member.client_id()), (expected.as_str(), "biller"));
        assert!(member.assignment().is_some_and(|bytes| !bytes.is_empty()));
        admin
    })
    .await;

    let options = AdminOptions::new();
    let refused = admin.delete_groups(&["billing"], &options).await.unwrap();
    assert_eq!(refused, [Err(("billing".to_owned(), RDKafkaErrorCode::NonEmptyGroup))]);
    consumer.close().await;
    cluster.wait_for_group("billing", |g| g.is_empty()).await.unwrap();
    let deleted = admin.delete_groups(&["billing"], &options).await.unwrap();
    assert_eq!(deleted, [Ok("billing".to_owned())]);
    assert!(cluster.group("billing").is_none());
    cluster.close().await;
}
