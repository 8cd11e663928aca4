//! Topic configurations: Apache Kafka's names, types and defaults (`LogConfig`).

use std::collections::BTreeMap;

/// `CreatableTopicConfigs.config_source`: set on the topic itself.
const DYNAMIC_TOPIC_CONFIG: i8 = 1;
/// `CreatableTopicConfigs.config_source`: set for every broker while the cluster runs.
const DYNAMIC_DEFAULT_BROKER_CONFIG: i8 = 3;
/// `CreatableTopicConfigs.config_source`: nobody set it.
const DEFAULT_CONFIG: i8 = 5;

#[derive(Debug, Clone, Copy)]
enum Type {
    Int(i64),
    /// Between the two, or exactly the third.
    Level(i32, i32, Option<i32>),
    Long(i64),
    Replicas,
    Ratio,
    Boolean,
    OneOf(&'static [&'static str]),
    ListOf(&'static [&'static str]),
}

struct Definition {
    name: &'static str,
    default: &'static str,
    of: Type,
}

const fn define(name: &'static str, default: &'static str, of: Type) -> Definition {
    Definition { name, default, of }
}

const MAX: &str = "9223372036854775807";

/// In the order of their names. A number's type carries its least value.
static DEFINITIONS: &[Definition] = &[
    define("cleanup.policy", "delete", Type::ListOf(&["compact", "delete"])),
    define("compression.gzip.level", "-1", Type::Level(1, 9, Some(-1))),
    define("compression.lz4.level", "9", Type::Level(1, 17, None)),
    define(
        "compression.type",
        "producer",
        Type::OneOf(&["uncompressed", "zstd", "lz4", "snappy", "gzip", "producer"]),
    ),
    define("compression.zstd.level", "3", Type::Level(-131_072, 22, None)),
    define("delete.retention.ms", "86400000", Type::Long(0)),
    define("errors.deadletterqueue.group.enable", "false", Type::Boolean),
    define("file.delete.delay.ms", "60000", Type::Long(0)),
    define("flush.messages", MAX, Type::Long(1)),
    define("flush.ms", MAX, Type::Long(0)),
    define("follower.replication.throttled.replicas", "", Type::Replicas),
    define("index.interval.bytes", "4096", Type::Int(0)),
    define("leader.replication.throttled.replicas", "", Type::Replicas),
    define("local.retention.bytes", "-2", Type::Long(-2)),
    define("local.retention.ms", "-2", Type::Long(-2)),
    define("max.compaction.lag.ms", MAX, Type::Long(1)),
    define("max.decompressed.message.bytes", "2147483639", Type::Int(0)),
    define("max.message.bytes", "1048588", Type::Int(0)),
    define("message.timestamp.after.max.ms", "3600000", Type::Long(0)),
    define("message.timestamp.before.max.ms", MAX, Type::Long(0)),
    define(
        "message.timestamp.type",
        "CreateTime",
        Type::OneOf(&["CreateTime", "LogAppendTime"]),
    ),
    define("min.cleanable.dirty.ratio", "0.5", Type::Ratio),
    define("min.compaction.lag.ms", "0", Type::Long(0)),
    define("min.insync.replicas", "1", Type::Int(1)),
    define("preallocate", "false", Type::Boolean),
    define("remote.copy.lag.bytes", "-1", Type::Long(-1)),
    define("remote.copy.lag.ms", "0", Type::Long(-1)),
    define("remote.log.copy.disable", "false", Type::Boolean),
    define("remote.log.delete.on.disable", "false", Type::Boolean),
    define("remote.storage.enable", "false", Type::Boolean),
    define("retention.bytes", "-1", Type::Long(i64::MIN)),
    define("retention.ms", "604800000", Type::Long(-1)),
    define("segment.bytes", "1073741824", Type::Int(1_048_576)),
    define("segment.index.bytes", "10485760", Type::Int(4)),
    define("segment.jitter.ms", "0", Type::Long(0)),
    define("segment.ms", "604800000", Type::Long(1)),
    define("unclean.leader.election.enable", "false", Type::Boolean),
];

/// What a topic's configurations were set to. What was not set is the default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct TopicConfig {
    set: BTreeMap<&'static str, String>,
}

/// A configuration as CreateTopics and DescribeConfigs show it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Described<'a> {
    pub name: &'static str,
    pub value: &'a str,
    pub source: i8,
}

impl TopicConfig {
    /// Reads configurations by name; the error is what Apache Kafka says.
    pub fn read<'a>(given: impl Iterator<Item = (&'a str, Option<&'a str>)>) -> Result<Self, String> {
        let mut set = BTreeMap::new();
        for (name, value) in given {
            let Some(value) = value else {
                return Err(format!("Null value not supported for topic configs: {name}"));
            };
            let definition = DEFINITIONS
                .iter()
                .find(|d| d.name == name)
                .ok_or_else(|| format!("Unknown topic config name: {name}"))?;
            definition.check(value)?;
            set.insert(definition.name, value.to_owned());
        }
        Ok(Self { set })
    }

    /// Every configuration, in the order of their names.
    pub fn described(&self) -> impl Iterator<Item = Described<'_>> {
        DEFINITIONS.iter().map(|d| match self.set.get(d.name) {
            Some(value) => Described {
                name: d.name,
                value,
                source: DYNAMIC_TOPIC_CONFIG,
            },
            None => Described {
                name: d.name,
                value: d.default,
                source: match d.name {
                    // A new cluster of Kafka 4 sets this one, for its eligible leader replicas (KIP-966,
                    // `ConfigurationControlManager.maybeGenerateElrSafetyRecords`).
                    "min.insync.replicas" => DYNAMIC_DEFAULT_BROKER_CONFIG,
                    _ => DEFAULT_CONFIG,
                },
            },
        })
    }

    /// The value set on the topic itself.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.set.get(name).map(String::as_str)
    }
}

impl Definition {
    /// `ConfigDef.parseType` and the validators of `LogConfig`, with their words.
    fn check(&self, value: &str) -> Result<(), String> {
        let invalid = |why: &str| Err(format!("Invalid value {value} for configuration {}: {why}", self.name));
        let text = value.trim();
        match self.of {
            Type::Int(least) => match text.parse::<i32>() {
                Err(_) => invalid("Not a number of type INT"),
                Ok(n) if i64::from(n) < least => invalid(&format!("Value must be at least {least}")),
                Ok(_) => Ok(()),
            },
            Type::Level(least, most, besides) => match text.parse::<i32>() {
                Err(_) => invalid("Not a number of type INT"),
                Ok(n) if (least..=most).contains(&n) || besides == Some(n) => Ok(()),
                Ok(n) => match besides {
                    Some(besides) => invalid(&format!(
                        "Value must be between {least} and {most} or equal to {besides}"
                    )),
                    None if n < least => invalid(&format!("Value must be at least {least}")),
                    None => invalid(&format!("Value must be no more than {most}")),
                },
            },
            Type::Long(least) => match text.parse::<i64>() {
                Err(_) => invalid("Not a number of type LONG"),
                Ok(n) if n < least => invalid(&format!("Value must be at least {least}")),
                Ok(_) => Ok(()),
            },
            Type::Ratio => match text.parse::<f64>() {
                Err(_) => invalid("Not a number of type DOUBLE"),
                Ok(n) if (0.0..=1.0).contains(&n) => Ok(()),
                Ok(n) => {
                    let bound = if n > 1.0 { "no more than 1" } else { "at least 0" };
                    Err(format!(
                        "Invalid value {n:?} for configuration {}: Value must be {bound}",
                        self.name
                    ))
                }
            },
            Type::Boolean => match text.to_ascii_lowercase().as_str() {
                "true" | "false" => Ok(()),
                _ => invalid("Expected value to be either true or false"),
            },
            Type::OneOf(words) if words.contains(&text) => Ok(()),
            Type::OneOf(words) => invalid(&format!("String must be one of: {}", words.join(", "))),
            Type::ListOf(_) if text.is_empty() => Ok(()),
            Type::ListOf(words) => match text.split(',').map(str::trim).all(|word| words.contains(&word)) {
                true => Ok(()),
                false => invalid(&format!("String must be one of: {}", words.join(", "))),
            },
            Type::Replicas => match is_replica_list(text) {
                true => Ok(()),
                false => Err(format!(
                    "Invalid value [{value}] for configuration {0}: {0} must be the literal '*' or a list of replicas in the following format: [partitionId]:[brokerId],[partitionId]:[brokerId],...",
                    self.name
                )),
            },
        }
    }
}

/// `ThrottledReplicaListValidator`: everything, or pairs of a partition and a broker.
fn is_replica_list(text: &str) -> bool {
    let is_pair = |pair: &str| {
        pair.trim()
            .split_once(':')
            .is_some_and(|(partition, broker)| partition.parse::<u32>().is_ok() && broker.parse::<u32>().is_ok())
    };
    text.is_empty() || matches!(text, "*" | "none") || text.split(',').all(is_pair)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(name: &str, value: &str) -> Result<TopicConfig, String> {
        TopicConfig::read([(name, Some(value))].into_iter())
    }

    #[test]
    fn a_value_that_was_set_is_the_topics_own_and_the_rest_are_defaults() {
        let config = read("retention.ms", "1000").unwrap();
        let rows: Vec<_> = config.described().collect();
        assert!(rows.contains(&Described {
            name: "retention.ms",
            value: "1000",
            source: DYNAMIC_TOPIC_CONFIG
        }));
        assert!(rows.contains(&Described {
            name: "segment.ms",
            value: "604800000",
            source: DEFAULT_CONFIG
        }));
        assert!(rows.is_sorted_by_key(|row| row.name));
    }

    #[test]
    fn a_wrong_name_or_value_is_refused_in_kafkas_words() {
        assert_eq!(
            read("retention", "1").unwrap_err(),
            "Unknown topic config name: retention"
        );
        assert_eq!(
            read("retention.ms", "soon").unwrap_err(),
            "Invalid value soon for configuration retention.ms: Not a number of type LONG"
        );
        assert_eq!(
            read("min.insync.replicas", "0").unwrap_err(),
            "Invalid value 0 for configuration min.insync.replicas: Value must be at least 1"
        );
    }

    #[test]
    fn every_default_is_a_value_that_could_be_set() {
        for d in DEFINITIONS {
            assert_eq!(d.check(d.default), Ok(()), "{}", d.name);
        }
    }
}
