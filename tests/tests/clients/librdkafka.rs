//! librdkafka's clients, as the tests have them.

use std::collections::BTreeSet;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use kfake::Cluster;
use leakcheck::TaskTracker;
use rdkafka::admin::AdminClient;
use rdkafka::client::DefaultClientContext;
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext, Rebalance, StreamConsumer};
use rdkafka::message::Message as _;
use rdkafka::producer::FutureProducer;
use rdkafka::util::AsyncRuntime;
use rdkafka::{ClientContext, TopicPartitionList};
use tokio::sync::watch;
use tokio::time::Sleep;

/// Has the clients' own tasks tracked, so that a test also shows that they ended.
pub struct Tracked;

impl AsyncRuntime for Tracked {
    type Delay = Sleep;

    fn spawn<T>(task: T)
    where
        T: Future<Output = ()> + Send + 'static,
    {
        TaskTracker::named("rdkafka").spawn(task);
    }

    fn delay_for(duration: Duration) -> Sleep {
        tokio::time::sleep(duration)
    }
}

pub type Producer = FutureProducer<DefaultClientContext, Tracked>;
pub type Admin = AdminClient<DefaultClientContext>;

/// What every client is told.
pub fn config(cluster: &Cluster) -> ClientConfig {
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", cluster.bootstrap_servers())
        .set_log_level(RDKafkaLogLevel::Emerg);
    config
}

pub fn producer(cluster: &Cluster, settings: &[(&str, &str)]) -> Producer {
    let mut config = config(cluster);
    config.extend(settings.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())));
    config.create().expect("a producer")
}

pub fn admin(cluster: &Cluster) -> Admin {
    config(cluster).create().expect("an admin client")
}

/// What a consumer is told of its assignment.
#[derive(Debug, Default)]
pub struct Watching {
    assigned: watch::Sender<BTreeSet<i32>>,
    revocations: watch::Sender<usize>,
}

impl ClientContext for Watching {}

impl ConsumerContext for Watching {
    fn post_rebalance(&self, _: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        let partitions = |list: &TopicPartitionList| -> Vec<i32> {
            list.elements().iter().map(|element| element.partition()).collect()
        };
        match rebalance {
            Rebalance::Assign(list) => self.assigned.send_modify(|assigned| assigned.extend(partitions(list))),
            Rebalance::Revoke(list) => {
                self.revocations.send_modify(|revocations| *revocations += 1);
                self.assigned
                    .send_modify(|assigned| assigned.retain(|p| !partitions(list).contains(p)));
            }
            Rebalance::Error(error) => panic!("{error}"),
        }
    }
}

/// A record as it was consumed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Consumed {
    pub partition: i32,
    pub offset: i64,
    pub value: String,
}

/// A consumer that commits when it is told to, and starts at the earliest offset.
pub struct Consumer {
    client: Arc<StreamConsumer<Watching, Tracked>>,
}

impl Consumer {
    /// Joins a group and subscribes to a topic.
    pub fn of(cluster: &Cluster, group: &str, topic: &str, settings: &[(&str, &str)]) -> Self {
        let mut config = config(cluster);
        config
            .set("group.id", group)
            .set("session.timeout.ms", "6000")
            .set("heartbeat.interval.ms", "100")
            .set("auto.offset.reset", "earliest")
            .set("enable.auto.commit", "false");
        config.extend(settings.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())));
        let client: StreamConsumer<Watching, Tracked> =
            config.create_with_context(Watching::default()).expect("a consumer");
        client.subscribe(&[topic]).expect("a subscription");
        Self {
            client: Arc::new(client),
        }
    }

    /// The next record.
    pub async fn next(&self) -> Consumed {
        let message = self.client.recv().await.expect("a record");
        let value = message.payload().expect("a value").to_vec();
        Consumed {
            partition: message.partition(),
            offset: message.offset(),
            value: String::from_utf8(value).expect("text"),
        }
    }

    /// The next so many records.
    pub async fn take(&self, count: usize) -> Vec<Consumed> {
        let mut taken = Vec::with_capacity(count);
        while taken.len() < count {
            taken.push(self.next().await);
        }
        taken
    }

    /// Runs a call that blocks on a thread that may block: the cluster has to go on meanwhile.
    pub async fn blocking<T: Send + 'static>(
        &self,
        call: impl FnOnce(&StreamConsumer<Watching, Tracked>) -> T + Send + 'static,
    ) -> T {
        let client = self.client.clone();
        tokio::task::spawn_blocking(move || call(&client))
            .await
            .expect("the call returns")
    }

    /// Leaves the group, unless it is a static member, and ends the client.
    pub async fn close(self) {
        tokio::task::spawn_blocking(move || drop(self))
            .await
            .expect("the client ends");
    }
}
