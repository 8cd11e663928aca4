//! librdkafka while leaders move, logs are cut, and brokers stop.

use kfake::{BrokerId, Cluster};
use leakcheck::leakcheck;

use super::given::value;
use super::librdkafka::{Consumer, produce, producer};

const ONE: BrokerId = BrokerId(1);
const TWO: BrokerId = BrokerId(2);
const THREE: BrokerId = BrokerId(3);

/// Topic `orders`: one partition on brokers 1, 2 and 3, led by 1.
async fn cluster() -> Cluster {
    let builder = Cluster::builder().brokers(3).topic_spec("orders", Some(1), Some(3));
    builder.start().await.unwrap()
}

/// What a producer is told, so that it writes each record once and goes on at once.
const IDEMPOTENT: [(&str, &str); 2] = [("enable.idempotence", "true"), ("retry.backoff.ms", "10")];

#[leakcheck]
async fn a_producer_and_a_consumer_follow_a_leader_that_moves() {
    let cluster = cluster().await;
    let producer = producer(&cluster, &IDEMPOTENT);
    let mut consumer = Consumer::of(&cluster, "billing");
    for (moves, broker) in [ONE, TWO, THREE, ONE].into_iter().enumerate() {
        let led = cluster.set_leader("orders", 0, broker).unwrap();
        assert_eq!((led.leader, led.leader_epoch), (Some(broker), moves as i32));
        let first = moves * 10;
        let offsets = produce(&producer, 0, (first..first + 10).map(value)).await;
        assert_eq!(offsets, (first as i64..first as i64 + 10).collect::<Vec<_>>());
        for (nth, consumed) in consumer.take(10).await.into_iter().enumerate() {
            assert_eq!(consumed.value, value(first + nth));
        }
    }
    assert!(consumer.close().await.is_empty());
    cluster.close().await;
}

#[leakcheck]
async fn a_producer_and_a_group_go_on_while_each_broker_stops_and_starts_again() {
    let cluster = cluster().await;
    let producer = producer(&cluster, &IDEMPOTENT);
    let settings = [("reconnect.backoff.ms", "10"), ("retry.backoff.ms", "10")];
    let mut consumer = Consumer::with(&cluster, "billing", &settings);
    consumer.assigned(1).await;
    let mut next = 0;
    for broker in [ONE, TWO, THREE] {
        cluster.stop_broker(broker).await.unwrap();
        let led = cluster.partition("orders", 0).unwrap();
        assert!(led.leader.is_some() && led.leader != Some(broker));
        produce(&producer, 0, (next..next + 10).map(value)).await;
        let consumed = consumer.take_while_brokers_stop(10).await;
        let values: Vec<_> = consumed.into_iter().map(|consumed| consumed.value).collect();
        assert_eq!(values, (next..next + 10).map(value).collect::<Vec<_>>());
        cluster.start_broker(broker).await.unwrap();
        assert_eq!(cluster.partition("orders", 0).unwrap().in_sync.len(), 3);
        next += 10;
    }
    assert_eq!(cluster.partition("orders", 0).unwrap().log_end_offset, 30);
    assert!(consumer.close().await.is_empty());
    cluster.close().await;
}

#[leakcheck]
async fn a_consumer_goes_on_where_a_leader_that_lacks_records_does() {
    let cluster = cluster().await;
    let producer = producer(&cluster, &[]);
    let mut consumer = Consumer::of(&cluster, "billing");
    produce(&producer, 0, (0..5).map(value)).await;
    cluster.shrink_isr("orders", 0, THREE).unwrap();
    produce(&producer, 0, (5..10).map(value)).await;
    assert_eq!(consumer.take(10).await.len(), 10);

    let cut = cluster.set_leader("orders", 0, THREE).unwrap();
    assert_eq!(cut.log_end_offset, 5);
    assert_eq!(produce(&producer, 0, [value(77)]).await, [5]);
    // The client asks where its epoch ended, and resets its offset as it is told to: it may read again what is left.
    let mut again = 0;
    loop {
        let consumed = consumer.next().await;
        if consumed.offset == 5 {
            assert_eq!(consumed.value, value(77));
            break;
        }
        assert_eq!((consumed.offset, consumed.value), (again, value(again as usize)));
        again += 1;
    }
    assert!(consumer.close().await.is_empty());
    cluster.close().await;
}
