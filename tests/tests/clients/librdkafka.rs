//! librdkafka's clients, as the tests have them.

use std::collections::BTreeSet;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use kfake::Cluster;
use leakcheck::TaskTracker;
use rdkafka::admin::AdminClient;
use rdkafka::client::DefaultClientContext;
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer as _, ConsumerContext, Rebalance, StreamConsumer};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::message::Message as _;
use rdkafka::producer::{FutureProducer, FutureRecord};
use rdkafka::types::RDKafkaErrorCode;
use rdkafka::util::AsyncRuntime;
use rdkafka::{ClientContext, TopicPartitionList};
use tokio::process::{Child, Command};
use tokio::sync::{mpsc, watch};
use tokio::time::Sleep;
use tokio_util::sync::CancellationToken;

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

/// Produces these values to a partition of topic `orders`, in this order; the offsets they got.
pub async fn produce(producer: &Producer, partition: i32, values: impl IntoIterator<Item = String>) -> Vec<i64> {
    let mut sent = Vec::new();
    for value in values {
        let record = FutureRecord::<(), _>::to("orders").partition(partition).payload(&value);
        sent.push(producer.send_result(record).expect("the queue has room"));
    }
    let mut offsets = Vec::new();
    for delivery in sent {
        let delivery = delivery.await.expect("the producer lives").expect("a delivery");
        assert_eq!(delivery.partition, partition);
        offsets.push(delivery.offset);
    }
    offsets
}

/// What a consumer is told of its assignment.
#[derive(Debug, Default)]
pub struct Watching {
    assigned: watch::Sender<BTreeSet<i32>>,
    revocations: AtomicUsize,
}

impl ClientContext for Watching {}

impl ConsumerContext for Watching {
    fn post_rebalance(&self, _: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        let partitions = |list: &TopicPartitionList| -> Vec<i32> {
            list.elements().iter().map(|element| element.partition()).collect()
        };
        match rebalance {
            Rebalance::Assign(list) => {
                self.assigned.send_modify(|assigned| assigned.extend(partitions(list)));
            }
            Rebalance::Revoke(list) => {
                self.revocations.fetch_add(1, Relaxed);
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

type Client = StreamConsumer<Watching, Tracked>;

/// A member of a group that consumes topic `orders` from its beginning, polled by a task of its own. Commits when it is
/// told to.
pub struct Consumer {
    client: Arc<Client>,
    records: mpsc::UnboundedReceiver<KafkaResult<Consumed>>,
    polling: TaskTracker,
    stop: CancellationToken,
}

impl Consumer {
    /// Joins a group.
    pub fn of(cluster: &Cluster, group: &str) -> Self {
        Self::with(cluster, group, &[])
    }

    /// Joins a group, with settings of its own.
    pub fn with(cluster: &Cluster, group: &str, settings: &[(&str, &str)]) -> Self {
        let mut config = config(cluster);
        config
            .set("group.id", group)
            .set("heartbeat.interval.ms", "100")
            .set("auto.offset.reset", "earliest")
            .set("enable.auto.commit", "false");
        config.extend(settings.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())));
        let client: Client = config.create_with_context(Watching::default()).expect("a consumer");
        client.subscribe(&["orders"]).expect("a subscription");
        let client = Arc::new(client);
        let (sender, records) = mpsc::unbounded_channel();
        let polling = TaskTracker::named("polling");
        let stop = CancellationToken::new();
        polling.spawn(poll(client.clone(), sender, stop.clone()));
        Self {
            client,
            records,
            polling,
            stop,
        }
    }

    /// The next so many records.
    pub async fn take(&mut self, count: usize) -> Vec<Consumed> {
        let mut taken = Vec::with_capacity(count);
        while taken.len() < count {
            taken.push(self.records.recv().await.expect("it polls").expect("a record"));
        }
        taken
    }

    /// The next so many records, whatever connections break meanwhile: the client says so, and goes on.
    pub async fn take_while_brokers_stop(&mut self, count: usize) -> Vec<Consumed> {
        let mut taken = Vec::with_capacity(count);
        while taken.len() < count {
            match self.records.recv().await.expect("it polls") {
                Ok(consumed) => taken.push(consumed),
                Err(KafkaError::MessageConsumption(RDKafkaErrorCode::BrokerTransportFailure)) => {}
                Err(error) => panic!("{error}"),
            }
        }
        taken
    }

    /// The next record.
    pub async fn next(&mut self) -> Consumed {
        self.take(1).await.remove(0)
    }

    /// Waits until it has so many partitions.
    pub async fn assigned(&self, count: usize) -> BTreeSet<i32> {
        let mut assigned = self.client.context().assigned.subscribe();
        assigned
            .wait_for(|a| a.len() == count)
            .await
            .expect("the client lives")
            .clone()
    }

    /// How many partitions it has now.
    pub fn partitions(&self) -> usize {
        self.client.context().assigned.borrow().len()
    }

    /// How often partitions were taken from it.
    pub fn revocations(&self) -> usize {
        self.client.context().revocations.load(Relaxed)
    }

    /// Commits what it has consumed.
    pub async fn commit(&self) {
        let client = self.client.clone();
        blocking(move || client.commit_consumer_state(CommitMode::Sync))
            .await
            .expect("a commit");
    }

    /// Leaves the group, polled until its partitions are taken from it, and stays a client.
    pub async fn unsubscribe(&self) {
        let client = self.client.clone();
        blocking(move || client.unsubscribe()).await;
        self.assigned(0).await;
    }

    /// Leaves the group, unless it is a static member, and ends the client. The records that it got and nobody took.
    ///
    /// A client that ends while it has partitions throws away the records it has fetched, and counts them as consumed: where
    /// each record matters, [`unsubscribe`](Self::unsubscribe) first.
    pub async fn close(mut self) -> Vec<Consumed> {
        self.stop.cancel();
        self.polling.close();
        self.polling.wait().await;
        let client = Arc::into_inner(self.client).expect("nobody else uses it");
        blocking(move || drop(client)).await;
        let mut left = Vec::new();
        while let Some(record) = self.records.recv().await {
            left.extend(record);
        }
        left
    }
}

async fn poll(client: Arc<Client>, records: mpsc::UnboundedSender<KafkaResult<Consumed>>, stop: CancellationToken) {
    loop {
        let received = tokio::select! {
            biased;
            () = stop.cancelled() => return,
            received = client.recv() => received,
        };
        let consumed = received.map(|message| Consumed {
            partition: message.partition(),
            offset: message.offset(),
            value: String::from_utf8_lossy(message.payload().unwrap_or_default()).into_owned(),
        });
        if records.send(consumed).is_err() {
            return;
        }
    }
}

/// Makes a call that blocks on a thread that may: the cluster has to go on meanwhile.
pub async fn blocking<T: Send + 'static>(call: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(call).await.expect("the call returns")
}

/// A member in a process of its own, which can be killed. Its partitions are revoked only while it is polled.
pub fn process(cluster: &Cluster, group: &str, session_timeout: &str, mode: &str) -> Child {
    Command::new(env!("CARGO_BIN_EXE_member"))
        .args([&cluster.bootstrap_servers(), group, "orders", session_timeout, mode])
        .kill_on_drop(true)
        .spawn()
        .expect("the member starts")
}
