//! What may be set of a broker while it runs: `DynamicBrokerConfig.validate` (KIP-226).

use super::alter::{Alteration, Operation};
use super::error::AlterError;
use super::store::Values;
use super::table::{self, Definition, Kind, Scope, Type};
use crate::cluster::quotas::limits::{LISTENER, MAX_CONNECTIONS, MAX_CREATION_RATE};
use crate::hash_order::hash_map_order;

/// Numbers of threads, which change by no more than half or double at a time (`DynamicThreadPool`).
const THREADS: &[&str] = &[
    // Each listener's first, then the broker's.
    "num.network.threads",
    "num.io.threads",
    "num.replica.fetchers",
    "num.recovery.threads.per.data.dir",
    "background.threads",
];

const OVERRIDES: &str = "max.connections.per.ip.overrides";
const CLEANER_THREADS: &str = "log.cleaner.threads";
const DEDUPE_BUFFER: &str = "log.cleaner.dedupe.buffer.size";
const MIN_INSYNC_REPLICAS: &str = "min.insync.replicas";

/// What the broker itself says of the operations, before the controller is asked.
pub(crate) fn check_operations(one: &Alteration<'_>) -> Result<(), AlterError> {
    let mut operations = one.changes.iter().map(|change| change.operation);
    if let Some(Operation::Unknown(number)) = operations.find(|operation| matches!(operation, Operation::Unknown(_))) {
        return Err(AlterError::InvalidRequest(format!("Unknown operations type {number}")));
    }
    for change in &one.changes {
        let word = match change.operation {
            Operation::Set | Operation::Delete | Operation::Unknown(_) => continue,
            Operation::Append => "append",
            Operation::Subtract => "subtract",
        };
        let name = change.name;
        let why = match table::find(Kind::Broker, name) {
            Some(definition) if definition.of == Type::List => continue,
            Some(_) => format!("Config value {word} is not allowed for config key: {name}"),
            None => format!("Unknown config name: {name}"),
        };
        return Err(AlterError::InvalidConfig(why));
    }
    Ok(())
}

/// Checks everything that one broker, or all of them, would be set to. Names that Apache Kafka does not define pass: plug-ins
/// have some. `current` knows the values now.
pub(crate) fn check(
    set: &Values,
    one_broker: bool,
    current: impl Fn(&str) -> Option<String>,
) -> Result<(), AlterError> {
    let refused = |why: String| Err(AlterError::InvalidRequest(why));
    let those = |wanted: &dyn Fn(&str) -> bool| {
        let names = hash_map_order(set.keys().map(String::as_str).filter(|name| wanted(name)));
        (!names.is_empty()).then(|| names.join(", "))
    };
    let scope = |name: &str| table::find(Kind::Broker, name).map(|definition| definition.scope);
    if let Some(names) = those(&|name| scope(name) == Some(Scope::ReadOnly)) {
        return refused(format!("Cannot update these configs dynamically: [{names}]"));
    }
    if let Some(names) = those(&is_tls) {
        return refused(format!(
            "These security configs can be dynamically updated only per-listener using the listener prefix: [{names}]"
        ));
    }
    // `DynamicConfig.Broker.validate`: the quotas of replication are defined first.
    let names = || set.keys().map(String::as_str);
    let quotas = table::in_order(Kind::ReplicationQuota, names());
    let own = table::in_order(Kind::Broker, names());
    for (definition, name) in quotas.chain(own) {
        if let Some(value) = set.get(name) {
            definition.parse(value).map_err(AlterError::InvalidRequest)?;
        }
    }
    for (name, value) in set {
        if let Some(definition) = of_listener(name).and_then(|name| table::find(Kind::Broker, name)) {
            definition.parse(value).map_err(AlterError::InvalidRequest)?;
        }
    }
    if !one_broker
        && let Some(names) = those(&|name| scope(name) == Some(Scope::PerBroker) || is_for_one_listener(name))
    {
        return refused(format!(
            "Cannot update these configs at default cluster level, broker id must be specified: [{names}]"
        ));
    }
    let whole = |name: &str| {
        set.get(name)
            .cloned()
            .or_else(|| current(name))?
            .trim()
            .parse::<i64>()
            .ok()
    };
    // `KafkaConfig.validateValues`, of what the broker would have then.
    let own = |name: &str| set.get(name)?.trim().parse::<i64>().ok();
    if own("log.roll.ms").is_some_and(|ms| ms < 1) {
        return refused("requirement failed: log.roll.ms must be greater than or equal to 1".to_owned());
    }
    if own("log.roll.jitter.ms").is_some_and(|ms| ms < 0) {
        return refused("requirement failed: log.roll.jitter.ms must be greater than or equal to 0".to_owned());
    }
    // Whatever is below zero is no limit.
    if own("log.retention.ms") == Some(0) {
        let why = "requirement failed: log.retention.ms must be unlimited (-1) or, greater than or equal to 1";
        return refused(why.to_owned());
    }
    if whole(CLEANER_THREADS) == Some(0) {
        return refused("/ by zero".to_owned());
    }
    if let (Some(bytes), Some(threads)) = (whole(DEDUPE_BUFFER), whole(CLEANER_THREADS))
        && bytes.checked_div(threads).is_some_and(|each| each <= 1024 * 1024)
    {
        return refused(format!(
            "requirement failed: {DEDUPE_BUFFER} must be at least 1MB per cleaner thread."
        ));
    }
    if let Some(why) = set.get(OVERRIDES).and_then(|value| overrides_refused(value)) {
        return refused(why);
    }
    for name in [MAX_CONNECTIONS, MAX_CREATION_RATE] {
        if let Some(why) = listener_refused(name, set, &current) {
            return refused(format!(
                "Invalid value org.apache.kafka.common.config.ConfigException: {why} for configuration Invalid dynamic configuration"
            ));
        }
    }
    for name in THREADS {
        if let Some(wanted) = set.get(*name).and_then(|value| value.trim().parse::<i64>().ok())
            && let Some(current) = current(name).and_then(|value| value.parse::<i64>().ok())
            && let Some(why) = threads_refused(wanted, current)
        {
            return refused(format!(
                "Invalid value org.apache.kafka.common.config.ConfigException: Dynamic thread count update validation failed for {name}={wanted}, {why} for configuration Invalid dynamic configuration"
            ));
        }
    }
    if let (Some(wanted), Some(now)) = (
        set.get(CLEANER_THREADS)
            .and_then(|value| value.trim().parse::<i64>().ok()),
        current(CLEANER_THREADS).and_then(|value| value.parse::<i64>().ok()),
    ) && let Some(why) = cleaners_refused(wanted, now)
    {
        return refused(format!(
            "Invalid value org.apache.kafka.common.config.ConfigException: {why} for configuration Invalid dynamic configuration"
        ));
    }
    Ok(())
}

/// `ListenerConnectionQuota.validateReconfiguration`: what the listener would have, its own or the broker's.
fn listener_refused(name: &str, set: &Values, current: &impl Fn(&str) -> Option<String>) -> Option<String> {
    let own = format!("{LISTENER}{name}");
    if !set.contains_key(name) && !set.contains_key(&own) {
        return None;
    }
    let value = |name: &str| set.get(name).cloned().or_else(|| current(name));
    let value = value(&own).or_else(|| value(name))?;
    (value.trim() == "0").then(|| format!("Invalid {name} {value}"))
}

/// How many connections addresses may have: `Csv.parseCsvMap`, and what `KafkaConfig` makes of it.
fn overrides_refused(value: &str) -> Option<String> {
    // As Java splits: what is empty at the end is none.
    let pairs: Vec<&str> = value.trim().split(',').map(str::trim).collect();
    let pairs = &pairs[..pairs
        .iter()
        .rposition(|pair| !pair.is_empty())
        .map_or(0, |last| last + 1)];
    let mut addresses = Vec::new();
    for pair in pairs {
        let Some((address, _)) = pair.rsplit_once(':') else {
            let length = pair.encode_utf16().count();
            return Some(format!(
                "Error parsing configuration property '{OVERRIDES}': begin 0, end -1, length {length}"
            ));
        };
        addresses.push(address.trim());
    }
    for pair in pairs {
        let number = pair.rsplit_once(':').map_or("", |(_, number)| number.trim());
        if number.parse::<i32>().is_err() {
            return Some(format!("For input string: \"{number}\""));
        }
    }
    let is_valid = |address: &&str| {
        address
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "-%._:".contains(c))
    };
    let invalid: Vec<&str> = addresses.into_iter().filter(|address| !is_valid(address)).collect();
    (!invalid.is_empty()).then(|| format!("{OVERRIDES} contains invalid addresses : {}", invalid.join(",")))
}

/// `LogCleaner.validateReconfiguration`.
fn cleaners_refused(wanted: i64, now: i64) -> Option<String> {
    if wanted < 1 {
        return Some("Log cleaner threads should be at least 1".to_owned());
    }
    if wanted < now / 2 {
        return Some(format!(
            "Log cleaner threads cannot be reduced to less than half the current value {now}"
        ));
    }
    (wanted > now * 2)
        .then(|| format!("Log cleaner threads cannot be increased to more than double the current value {now}"))
}

fn threads_refused(wanted: i64, current: i64) -> Option<String> {
    if wanted <= 0 {
        return Some("value should be at least 1".to_owned());
    }
    if wanted < current / 2 {
        return Some(format!("value should be at least half the current value {current}"));
    }
    (wanted > current * 2).then(|| format!("value should not be greater than double the current value {current}"))
}

/// The controller's rules for this one, since the eligible leader replicas rest on it (KIP-966).
pub(crate) fn check_in_sync(before: &Values, set: &Values, one_broker: bool) -> Result<(), AlterError> {
    let (before, after) = (before.get(MIN_INSYNC_REPLICAS), set.get(MIN_INSYNC_REPLICAS));
    let why = match (one_broker, before, after) {
        (true, before, after) if before != after => {
            "Broker-level min.insync.replicas cannot be altered while ELR is enabled."
        }
        (false, Some(_), None) => "Cluster-level min.insync.replicas cannot be removed while ELR is enabled.",
        _ => return Ok(()),
    };
    Err(AlterError::InvalidConfig(why.to_owned()))
}

/// `SslConfigs.RECONFIGURABLE_CONFIGS`: keys and certificates belong to a listener.
fn is_tls(name: &str) -> bool {
    matches!(
        name,
        "ssl.keystore.type"
            | "ssl.keystore.location"
            | "ssl.keystore.password"
            | "ssl.key.password"
            | "ssl.truststore.type"
            | "ssl.truststore.location"
            | "ssl.truststore.password"
            | "ssl.keystore.certificate.chain"
            | "ssl.keystore.key"
            | "ssl.truststore.certificates"
    )
}

/// The configuration in `listener.name.NAME.CONFIGURATION`.
pub(super) fn of_listener(name: &str) -> Option<&str> {
    let (_, configuration) = name.strip_prefix("listener.name.")?.split_once('.')?;
    Some(configuration)
}

fn is_for_one_listener(name: &str) -> bool {
    of_listener(name).is_some_and(|configuration| {
        !matches!(
            configuration,
            MAX_CONNECTIONS | MAX_CREATION_RATE | "num.network.threads"
        )
    })
}

/// The name that comes nearest to one that Apache Kafka does not know: what a misspelt name was meant to be.
pub(crate) fn nearest(name: &str) -> Option<&'static str> {
    let distance = |definition: &'static Definition| (distance(name, definition.name), definition.name);
    let (edits, found) = table::all(Kind::Broker).map(distance).min()?;
    (edits <= name.len().max(3) / 3).then_some(found)
}

/// Levenshtein's: how many letters to insert, delete or replace.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, left) in a.bytes().enumerate() {
        let mut corner = row[0];
        row[0] = i + 1;
        for (j, right) in b.bytes().enumerate() {
            let replaced = corner + usize::from(left != right);
            corner = row[j + 1];
            row[j + 1] = replaced.min(corner + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(name: &str, value: &str, one_broker: bool) -> Option<String> {
        let set = Values::from([(name.to_owned(), value.to_owned())]);
        let current = |name: &str| (name == "num.io.threads").then(|| "8".to_owned());
        check(&set, one_broker, current).err().map(|error| error.to_string())
    }

    #[test]
    fn threads_change_by_half_or_double_at_most() {
        assert_eq!(said("num.io.threads", "16", true), None);
        assert_eq!(said("num.io.threads", "4", true), None);
        assert!(
            said("num.io.threads", "17", true)
                .unwrap()
                .contains("double the current value 8")
        );
        assert!(
            said("num.io.threads", "3", true)
                .unwrap()
                .contains("half the current value 8")
        );
    }

    #[test]
    fn a_listeners_value_is_checked_as_what_it_is() {
        assert_eq!(said("listener.name.a.max.connections", "5", false), None);
        assert!(
            said("listener.name.a.max.connections", "x", false)
                .unwrap()
                .contains("Not a number")
        );
        assert!(
            said("listener.name.a.ssl.protocol", "x", false)
                .unwrap()
                .contains("broker id must be specified")
        );
        assert_eq!(said("listener.name.a.ssl.key.password", "x", true), None);
    }

    #[test]
    fn the_nearest_name_is_found() {
        assert_eq!(nearest("num.partition"), Some("num.partitions"));
        assert_eq!(nearest("log.retention.mss"), Some("log.retention.ms"));
        assert_eq!(nearest("completely.different.from.all.of.them.xyzzy"), None);
    }
}
