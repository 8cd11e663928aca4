//! Every scenario on kfake, held against what Apache Kafka answered. `cargo xtask differential` does the same with a running
//! Apache Kafka.

use std::net::SocketAddr;
use std::sync::Arc;

use kfake::{BrokerId, Cluster};
use kfake_differential::compare::{Verdict, wanted};
use kfake_differential::corpus::{self, by_setup};
use kfake_differential::side::{Side, Steering, own_loopback};
use kfake_differential::text::parse_file;
use kfake_differential::text::scenario::{Scenario, Setup};
use kfake_differential::transcript::Transcript;
use leakcheck::leakcheck;
use tokio::runtime::Handle;

async fn cluster(setup: &Setup) -> Cluster {
    let mut builder = Cluster::builder().brokers(setup.brokers).listen(own_loopback());
    for (key, value) in setup.all_configs() {
        builder = builder.broker_config(key, value);
    }
    for (key, value) in setup.internal_topics() {
        builder = builder.broker_config(key, value);
    }
    builder.start().await.unwrap()
}

/// The scenarios' threads are none of the runtime's.
#[derive(Debug)]
struct Steered(Arc<Cluster>, Handle);

impl Steered {
    fn broker(&self, place: usize) -> BrokerId {
        self.0.brokers()[place - 1].id
    }
}

impl Steering for Steered {
    fn stop(&self, place: usize) -> Result<(), String> {
        let stopped = self.1.block_on(self.0.stop_broker(self.broker(place)));
        stopped.map_err(|error| error.to_string())
    }

    fn start(&self, place: usize) -> Result<(), String> {
        let started = self.1.block_on(self.0.start_broker(self.broker(place)));
        started.map_err(|error| error.to_string())
    }
}

/// Runs scenarios on a cluster of their own. The connections are those of threads: the cluster's tasks run on the others.
async fn answers(setup: &Setup, scenarios: &[&Scenario]) -> Vec<Transcript> {
    let cluster = Arc::new(cluster(setup).await);
    let brokers = cluster.brokers().iter();
    let addresses: Vec<SocketAddr> = brokers
        .map(|b| format!("{}:{}", b.host, b.port).parse().unwrap())
        .collect();
    let transcripts = tokio::task::block_in_place(|| {
        let mut side = Side::ready(addresses).unwrap();
        side.shows_brokers = setup.shows_brokers;
        side.steering = Some(Arc::new(Steered(cluster.clone(), Handle::current())));
        corpus::go(&side, scenarios, 1, 16)
    });
    cluster.close().await;
    transcripts
}

#[leakcheck(flavor = "multi_thread", worker_threads = 4)]
async fn kfake_answers_as_apache_kafka_did() {
    let files = corpus::read(&corpus::directory()).unwrap();
    let mut pairs = Vec::new();
    for (setup, files) in by_setup(&files) {
        let scenarios: Vec<&Scenario> = files.iter().flat_map(|file| &file.scenarios).collect();
        let mut answered = answers(&setup, &scenarios).await.into_iter();
        for file in files {
            let golden = corpus::read_golden(&file.name).unwrap();
            let titles = |t: &Transcript| t.title.clone();
            assert_eq!(
                golden.transcripts.iter().map(titles).collect::<Vec<_>>(),
                file.scenarios.iter().map(|s| s.title.clone()).collect::<Vec<_>>(),
                "{}: the golden answers are to other scenarios (cargo xtask differential --refresh)",
                file.name
            );
            for oracle in golden.transcripts {
                pairs.push((file.name.clone(), oracle, answered.next().unwrap()));
            }
        }
    }
    assert!(pairs.len() >= 900, "only {} scenarios", pairs.len());
    let pairs = pairs.iter().map(|(file, oracle, other)| (file.as_str(), oracle, other));
    let verdict = Verdict::of(pairs, &wanted().unwrap());
    let text = verdict.text("Apache Kafka", "kfake");
    assert!(verdict.holds(), "{text}");
}

/// The check itself: an answer that is wrong, too few or of another order is found.
#[leakcheck(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_golden_answer_is_found() {
    let text = "== planted\ntopic ~t\na: Metadata 12 {topics: [{name: ~t}]}\na: Heartbeat 0 {groupId: ~g, generationId: 1, memberId: m}\n";
    let file = parse_file("planted", text).unwrap();
    let scenarios: Vec<&Scenario> = file.scenarios.iter().collect();
    let right = answers(&file.setup, &scenarios).await.remove(0);
    let again = answers(&file.setup, &scenarios).await.remove(0);
    assert!(
        Verdict::of([("planted", &right, &again)], &[]).holds(),
        "two clusters agree"
    );

    let planted = |plant: fn(&mut Transcript)| {
        let mut wrong = right.clone();
        plant(&mut wrong);
        assert_ne!(wrong, right, "the plant changes something");
        Verdict::of([("planted", &wrong, &right)], &[]).holds()
    };
    assert!(!planted(|t| drop(t.answers.pop())));
    assert!(!planted(|t| t.answers.swap(0, 1)));
    assert!(!planted(|t| t.answers[1].value = t.answers[0].value.clone()));
}
