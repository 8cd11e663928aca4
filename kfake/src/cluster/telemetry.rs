//! Clients' metrics (KIP-714): who is to send which, and what was sent last. Kafka's `ClientMetricsManager`.

use std::collections::BTreeMap;
use std::io::Read;
use std::time::Duration;

use bytes::Bytes;
use indexmap::IndexMap;
use kafka_protocol::error::ResponseError;
use parking_lot::Mutex;
use tokio::time::Instant;
use uuid::Uuid;

use super::configs::store::Values;
use super::configs::subscription::{self, Subscription};
use super::topics::BrokerId;
use crate::log::Codec;

/// The codecs that a client may use, the best first: zstd, lz4, gzip, snappy.
pub(crate) const CODECS: [i8; 4] = [4, 3, 1, 2];

/// The most clients that are remembered (`ClientMetricsManager.CACHE_MAX_SIZE`).
const REMEMBERED: usize = 16_384;

/// How long a client is remembered at least.
const LEAST_MEMORY: Duration = Duration::from_secs(60);

/// Metrics that a client has pushed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientMetrics {
    /// The client's id of its own making, or that it was given by its first GetTelemetrySubscriptions.
    pub instance_id: Uuid,
    /// The client's name, `client.id`.
    pub client_id: String,
    /// Whether the client said that these are its last.
    pub terminating: bool,
    /// The metrics as the client encoded them: OpenTelemetry's `MetricsData`, decompressed.
    pub metrics: Bytes,
}

/// Who asks.
#[derive(Debug)]
pub(crate) struct Client<'a> {
    pub broker: BrokerId,
    pub instance_id: Uuid,
    pub id: &'a str,
    pub software: (String, String),
    pub host: &'a str,
    pub port: u16,
}

/// What a client is to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Asked {
    pub subscription_id: i32,
    pub interval: Duration,
    /// Prefixes of names, in no order; `*` for all.
    pub metrics: Vec<String>,
}

/// What a client sends.
#[derive(Debug)]
pub(crate) struct Push {
    pub subscription_id: i32,
    pub terminating: bool,
    pub codec: i8,
    pub metrics: Bytes,
}

#[derive(Debug)]
struct Instance {
    /// What the subscriptions were when `asked` was found.
    subscriptions: BTreeMap<String, Values>,
    asked: Asked,
    got: Option<Instant>,
    pushed: Option<Instant>,
    terminating: bool,
    /// The last answer was an error after which the client may ask again at once.
    may_ask_again: bool,
    expires: Instant,
}

/// Every client that has asked for subscriptions, by broker.
#[derive(Debug, Default)]
pub(crate) struct Telemetry {
    clients: Mutex<IndexMap<(BrokerId, Uuid), Instance>>,
    pushed: Mutex<IndexMap<Uuid, ClientMetrics>>,
}

impl Telemetry {
    /// What a client is to send. It may ask once in an interval.
    pub fn ask(&self, client: &Client<'_>, subscriptions: &BTreeMap<String, Values>) -> Result<Asked, ResponseError> {
        let now = Instant::now();
        self.with(client, subscriptions, now, |instance| {
            let last = instance.got.max(instance.pushed);
            let waited = last.is_none_or(|last| now.duration_since(last) >= instance.asked.interval);
            if waited {
                instance.got = Some(now);
            } else if !instance.may_ask_again {
                return Err(ResponseError::ThrottlingQuotaExceeded);
            }
            instance.may_ask_again = false;
            Ok(instance.asked.clone())
        })
    }

    /// Takes what a client sends.
    pub fn push(
        &self,
        client: &Client<'_>,
        subscriptions: &BTreeMap<String, Values>,
        push: Push,
        most_bytes: usize,
    ) -> Result<(), ResponseError> {
        if is_reserved(client.instance_id) {
            return Err(ResponseError::InvalidRequest);
        }
        let now = Instant::now();
        let checked = self.with(client, subscriptions, now, |instance| {
            let checked = instance.check(&push, now, most_bytes);
            // A client that ends never comes again, whether or not its last metrics were taken.
            instance.terminating = push.terminating;
            instance.may_ask_again = matches!(
                checked,
                Err(ResponseError::UnknownSubscriptionId | ResponseError::UnsupportedCompressionType)
            );
            checked
        });
        checked?;
        if push.metrics.is_empty() {
            return Ok(());
        }
        let metrics = decompressed(push.codec, &push.metrics, most_bytes)?;
        let mut pushed = self.pushed.lock();
        if pushed.len() >= REMEMBERED && !pushed.contains_key(&client.instance_id) {
            pushed.shift_remove_index(0);
        }
        pushed.insert(
            client.instance_id,
            ClientMetrics {
                instance_id: client.instance_id,
                client_id: client.id.to_owned(),
                terminating: push.terminating,
                metrics,
            },
        );
        Ok(())
    }

    /// Forgets the clients that have asked a broker.
    pub fn forget_of(&self, broker: BrokerId) {
        self.clients.lock().retain(|(of, _), _| *of != broker);
    }

    /// What each client has pushed last.
    pub fn pushed(&self) -> Vec<ClientMetrics> {
        self.pushed.lock().values().cloned().collect()
    }

    fn with<T>(
        &self,
        client: &Client<'_>,
        subscriptions: &BTreeMap<String, Values>,
        now: Instant,
        act: impl FnOnce(&mut Instance) -> T,
    ) -> T {
        let key = (client.broker, client.instance_id);
        let mut clients = self.clients.lock();
        if clients.len() >= REMEMBERED && !clients.contains_key(&key) {
            clients.retain(|_, instance| instance.expires > now);
            if clients.len() >= REMEMBERED {
                clients.shift_remove_index(0);
            }
        }
        let known = clients.get(&key);
        let current = known.is_some_and(|known| known.expires > now && known.subscriptions == *subscriptions);
        if !current {
            clients.insert(key, Instance::new(client, subscriptions, now));
        }
        let instance = &mut clients[&key];
        instance.expires = now + LEAST_MEMORY.max(instance.asked.interval * 3);
        act(instance)
    }
}

impl Instance {
    fn new(client: &Client<'_>, subscriptions: &BTreeMap<String, Values>, now: Instant) -> Self {
        Self {
            subscriptions: subscriptions.clone(),
            asked: asked(client, subscriptions),
            got: None,
            pushed: None,
            terminating: false,
            may_ask_again: false,
            expires: now,
        }
    }

    /// `ClientMetricsManager.validatePushRequest`.
    fn check(&mut self, push: &Push, now: Instant, most_bytes: usize) -> Result<(), ResponseError> {
        if self.terminating {
            return Err(ResponseError::InvalidRequest);
        }
        let has_asked = self.got > self.pushed;
        let waited = self
            .pushed
            .is_none_or(|last| now.duration_since(last) >= self.asked.interval);
        if has_asked || waited {
            self.pushed = Some(now);
        } else if !push.terminating {
            return Err(ResponseError::ThrottlingQuotaExceeded);
        }
        if push.subscription_id != self.asked.subscription_id {
            return Err(ResponseError::UnknownSubscriptionId);
        }
        if !(0..=4).contains(&push.codec) {
            return Err(ResponseError::UnsupportedCompressionType);
        }
        match push.metrics.len() > most_bytes {
            true => Err(ResponseError::TelemetryTooLarge),
            false => Ok(()),
        }
    }
}

/// The zero and the one id stand for none (`Uuid.RESERVED`).
fn is_reserved(id: Uuid) -> bool {
    id.as_u128() <= 1
}

/// What the subscriptions that match a client ask of it together.
fn asked(client: &Client<'_>, subscriptions: &BTreeMap<String, Values>) -> Asked {
    let mut interval_ms = subscription::DEFAULT_INTERVAL_MS;
    let mut metrics: Vec<String> = Vec::new();
    for subscription in subscriptions.values().map(Subscription::of) {
        if !subscription.fits(|key| attribute(client, key)) {
            continue;
        }
        interval_ms = interval_ms.min(subscription.interval_ms);
        for metric in subscription.metrics {
            if !metrics.contains(&metric) {
                metrics.push(metric);
            }
        }
    }
    if metrics.iter().any(|metric| metric == "*") {
        metrics = vec!["*".to_owned()];
    }
    let text = format!("[{}]{interval_ms}", metrics.join(", "));
    let subscription_id = crc32c::crc32c(text.as_bytes()).cast_signed() ^ java_hash(client.instance_id);
    Asked {
        subscription_id,
        interval: Duration::from_millis(interval_ms.into()),
        metrics,
    }
}

/// `Uuid.hashCode`.
fn java_hash(id: Uuid) -> i32 {
    let (most, least) = id.as_u64_pair();
    let both = most ^ least;
    ((both >> 32) ^ both) as u32 as i32
}

fn attribute(client: &Client<'_>, key: &str) -> String {
    match key {
        "client_instance_id" => kafka_id(client.instance_id),
        "client_id" => client.id.to_owned(),
        "client_software_name" => client.software.0.clone(),
        "client_software_version" => client.software.1.clone(),
        "client_source_address" => client.host.to_owned(),
        _ => client.port.to_string(),
    }
}

/// `Uuid.toString`: URL-safe base64 without padding.
fn kafka_id(id: Uuid) -> String {
    super::builder::base64_of(id.as_u128())
}

fn decompressed(codec: i8, metrics: &Bytes, most_bytes: usize) -> Result<Bytes, ResponseError> {
    let bits = u8::try_from(codec).map_err(|_| ResponseError::UnsupportedCompressionType)?;
    let codec = Codec::from_bits(bits).map_err(|_| ResponseError::UnsupportedCompressionType)?;
    let reader = codec.reader(metrics).map_err(|_| ResponseError::InvalidRecord)?;
    let mut all = Vec::new();
    let limit = u64::try_from(most_bytes).unwrap_or(u64::MAX).saturating_add(1);
    reader
        .take(limit)
        .read_to_end(&mut all)
        .map_err(|_| ResponseError::InvalidRecord)?;
    match all.len() > most_bytes {
        true => Err(ResponseError::TelemetryTooLarge),
        false => Ok(all.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOST: usize = 1000;

    fn client(id: u128) -> Client<'static> {
        Client {
            broker: BrokerId(1),
            instance_id: Uuid::from_u128(id),
            id: "me",
            software: ("apache-kafka-java".to_owned(), "4.4.0".to_owned()),
            host: "127.0.0.1",
            port: 7,
        }
    }

    fn subscribed(pairs: &[(&str, &str)]) -> BTreeMap<String, Values> {
        let values = pairs.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        BTreeMap::from([("s".to_owned(), values)])
    }

    fn push(asked: &Asked, metrics: &'static [u8]) -> Push {
        Push {
            subscription_id: asked.subscription_id,
            terminating: false,
            codec: 0,
            metrics: Bytes::from_static(metrics),
        }
    }

    #[test]
    fn a_subscriptions_id_is_kafkas() {
        // Asked of Apache Kafka 4.4.0, where nothing is subscribed to.
        let id = Uuid::from_u128(0x0000_0000_0000_4000_8000_0000_0000_0001);
        let client = Client {
            instance_id: id,
            ..client(0)
        };
        assert_eq!(asked(&client, &BTreeMap::new()).subscription_id, 1_422_334_943);
    }

    #[test]
    fn a_client_is_asked_for_what_the_subscriptions_that_match_it_want() {
        let mut all = subscribed(&[("metrics", "a,b"), ("interval.ms", "1000"), ("match", "client_id=m.")]);
        all.extend(BTreeMap::from([(
            "t".to_owned(),
            subscribed(&[("metrics", "*"), ("match", "client_id=you")])["s"].clone(),
        )]));
        let asked = asked(&client(2), &all);
        assert_eq!(asked.metrics, ["a", "b"]);
        assert_eq!(asked.interval, Duration::from_secs(1));
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_pushes_once_an_interval_and_what_it_was_asked_for() {
        let (telemetry, client) = (Telemetry::default(), client(2));
        let subscriptions = subscribed(&[("metrics", "*"), ("interval.ms", "1000")]);
        let asked = telemetry.ask(&client, &subscriptions).unwrap();
        let again = || telemetry.ask(&client, &subscriptions);
        assert_eq!(again(), Err(ResponseError::ThrottlingQuotaExceeded));
        let send = |push| telemetry.push(&client, &subscriptions, push, MOST);
        assert_eq!(send(push(&asked, b"metrics")), Ok(()));
        assert_eq!(send(push(&asked, b"more")), Err(ResponseError::ThrottlingQuotaExceeded));
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(send(push(&asked, b"more")), Ok(()));
        let pushed = telemetry.pushed();
        assert_eq!((pushed.len(), &pushed[0].metrics[..]), (1, &b"more"[..]));
    }

    #[tokio::test(start_paused = true)]
    async fn other_subscriptions_have_another_id_and_the_client_may_ask_at_once() {
        let (telemetry, client) = (Telemetry::default(), client(2));
        let before = subscribed(&[("metrics", "a")]);
        let asked = telemetry.ask(&client, &before).unwrap();
        let after = subscribed(&[("metrics", "b")]);
        let sent = telemetry.push(&client, &after, push(&asked, b"x"), MOST);
        assert_eq!(sent, Err(ResponseError::UnknownSubscriptionId));
        let asked = telemetry.ask(&client, &after).unwrap();
        assert_eq!(asked.metrics, ["b"]);
    }

    #[tokio::test(start_paused = true)]
    async fn what_expands_to_too_much_or_cannot_be_read_is_refused() {
        let telemetry = Telemetry::default();
        let subscriptions = subscribed(&[("metrics", "*")]);
        let zeros = zstd::encode_all(&[0; MOST + 1][..], 3).unwrap();
        for (id, metrics, error) in [
            (2, zeros, ResponseError::TelemetryTooLarge),
            (3, b"no zstd".to_vec(), ResponseError::InvalidRecord),
        ] {
            let client = client(id);
            let asked = telemetry.ask(&client, &subscriptions).unwrap();
            let push = Push {
                codec: 4,
                metrics: metrics.into(),
                ..push(&asked, b"")
            };
            assert_eq!(telemetry.push(&client, &subscriptions, push, MOST), Err(error));
        }
        assert!(telemetry.pushed().is_empty());
    }
}
