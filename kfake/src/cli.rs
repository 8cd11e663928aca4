//! The command line. Other programs start the binary by it, so flags keep their meaning.

use std::ffi::OsString;
use std::ops::RangeInclusive;
use std::str::FromStr;

use kafka_protocol::messages::ApiKey;
use kfake::{Builder, Cluster};
use thiserror::Error;
use tracing_subscriber::filter::LevelFilter;

/// What `--help` prints.
pub(crate) const USAGE: &str = "\
kfake - a fake Kafka cluster

Usage: kfake [OPTIONS]

  --brokers N                             how many brokers, 1 to 1000 [3]
  --listen ADDRESS                        the address to listen on [127.0.0.1]
  --ports PORT,...                        the i-th port is the i-th node's; 0, or no port: any free one
  --first-node ID                         the first node's id; each further one's is one more [1]
  --racks RACK,...                        the i-th rack is the i-th node's
  --topic NAME[:PARTITIONS[:REPLICAS]]    creates a topic, of 1 to 10000 partitions; repeatable
  --default-partitions N                  partitions of topics created without a number, 1 to 10000 [10]
  --auto-create-topics                    Metadata creates the topics that it names
  --broker-config KEY=VALUE               a broker configuration by its Kafka name; repeatable
  --cluster-id ID                         the cluster's id
  --as-version RELEASE                    offers what that release of Apache Kafka does: 0.11 to 4.4
  --max-versions KEY=VERSION,...          the highest version of an API, by its key or name
  --steered                               takes `stop NODE` and `start NODE` on stdin, a line each
  --log-level LEVEL                       off, error, warn, info, debug or trace [info]
  --help, --version

Once every port accepts, the first line on stdout is `ready HOST:PORT,...`. Logs go to stderr.
SIGINT and SIGTERM close the cluster. A steered one answers each line on stdout once it is done: `ok`, or `error REASON`.

Exit codes: 0 closed; 1 the start failed; 2 wrong arguments; 3 a task remained after the close.";

/// Flags of the contract whose features are not there yet: refused by name, never ignored.
const LATER: &[&str] = &[
    "sasl",
    "superuser",
    "user",
    "acls",
    "acl",
    "tls-cert",
    "tls-key",
    "tls-client-ca",
    "data-dir",
    "sync-writes",
    "control",
];

/// How many partitions a topic may be created with.
const PARTITIONS: RangeInclusive<i32> = 1..=Builder::MAX_PARTITIONS;

/// Arguments that make no sense.
#[derive(Debug, Error)]
pub(crate) enum CliError {
    /// Not of the form of a flag with its value.
    #[error(transparent)]
    Form(#[from] lexopt::Error),
    /// A value that the flag does not take.
    #[error("--{flag} {value}: expected {expected}")]
    Value {
        flag: &'static str,
        value: String,
        expected: &'static str,
    },
    /// A flag for what kfake cannot do yet.
    #[error("--{0} is not supported yet")]
    NotYet(String),
}

/// What to do.
pub(crate) enum Command {
    Run(Box<Arguments>),
    Print(String),
}

/// How to run.
#[derive(Debug)]
pub(crate) struct Arguments {
    pub builder: Builder,
    pub log_level: LevelFilter,
    /// Whether brokers are stopped and started by lines on stdin.
    pub is_steered: bool,
}

pub(crate) fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Command, CliError> {
    use lexopt::prelude::*;

    let mut builder = Cluster::builder();
    let mut log_level = LevelFilter::INFO;
    let mut is_steered = false;
    let mut parser = lexopt::Parser::from_args(arguments);
    while let Some(argument) = parser.next()? {
        let name = match argument {
            Long(name) => name.to_owned(),
            Short('h') => "help".to_owned(),
            Short('V') => "version".to_owned(),
            _ => return Err(argument.unexpected().into()),
        };
        let mut value = || -> Result<String, lexopt::Error> { parser.value()?.string() };
        builder = match name.as_str() {
            "help" => return Ok(Command::Print(USAGE.to_owned())),
            "version" => {
                return Ok(Command::Print(format!("kfake {}", env!("CARGO_PKG_VERSION"))));
            }
            "brokers" => builder.brokers(number(
                "brokers",
                &value()?,
                "a number from 1 to 1000",
                1..=Builder::MAX_BROKERS,
            )?),
            "first-node" => builder.first_node(number_like("first-node", &value()?, "a number from 0 to 65535")?),
            "listen" => builder.listen(number_like("listen", &value()?, "an IP address")?),
            "ports" => {
                let value = value()?;
                let ports = value
                    .split(',')
                    .map(|port| number_like("ports", port, "ports separated by commas"));
                builder.ports(ports.collect::<Result<Vec<u16>, _>>()?)
            }
            "racks" => builder.racks(value()?.split(',')),
            "topic" => topic(builder, &value()?)?,
            "default-partitions" => {
                let partitions = number("default-partitions", &value()?, "a number from 1 to 10000", PARTITIONS)?;
                builder.broker_config("num.partitions", partitions.to_string())
            }
            "auto-create-topics" => builder.auto_create_topics(true),
            "broker-config" => {
                let value = value()?;
                let (key, of_it) = value.split_once('=').ok_or_else(|| CliError::Value {
                    flag: "broker-config",
                    value: value.clone(),
                    expected: "KEY=VALUE",
                })?;
                builder.broker_config(key, of_it)
            }
            "cluster-id" => builder.cluster_id(value()?),
            "as-version" => builder.as_version(value()?),
            "max-versions" => max_versions(builder, &value()?)?,
            "steered" => {
                is_steered = true;
                builder
            }
            "log-level" => {
                log_level = number_like("log-level", &value()?, "off, error, warn, info, debug or trace")?;
                builder
            }
            later if LATER.contains(&later) => return Err(CliError::NotYet(name)),
            _ => return Err(lexopt::Error::UnexpectedOption(format!("--{name}")).into()),
        };
    }
    Ok(Command::Run(Box::new(Arguments {
        builder,
        log_level,
        is_steered,
    })))
}

/// A value of a type that reads itself.
fn number_like<T: FromStr>(flag: &'static str, value: &str, expected: &'static str) -> Result<T, CliError> {
    value.parse().map_err(|_| CliError::Value {
        flag,
        value: value.to_owned(),
        expected,
    })
}

fn number<T: FromStr + PartialOrd>(
    flag: &'static str,
    value: &str,
    expected: &'static str,
    range: RangeInclusive<T>,
) -> Result<T, CliError> {
    let number: T = number_like(flag, value, expected)?;
    match range.contains(&number) {
        true => Ok(number),
        false => Err(CliError::Value {
            flag,
            value: value.to_owned(),
            expected,
        }),
    }
}

/// `NAME[:PARTITIONS[:REPLICAS]]`
fn topic(builder: Builder, value: &str) -> Result<Builder, CliError> {
    const EXPECTED: &str = "NAME[:PARTITIONS[:REPLICAS]], with 1 to 10000 partitions and 1 to 1000 replicas";
    let refused = || CliError::Value {
        flag: "topic",
        value: value.to_owned(),
        expected: EXPECTED,
    };
    let mut parts = value.split(':');
    let name = parts.next().filter(|name| !name.is_empty()).ok_or_else(refused)?;
    let mut numbers = Vec::new();
    let ranges = [PARTITIONS, 1..=Builder::MAX_BROKERS as i32];
    for (index, part) in parts.enumerate() {
        let range = ranges.get(index).ok_or_else(refused)?.clone();
        numbers.push(number::<i32>("topic", part, EXPECTED, range).map_err(|_| refused())?);
    }
    match *numbers.as_slice() {
        [] => Ok(builder.topic_spec(name, None, None)),
        [partitions] => Ok(builder.topic_spec(name, Some(partitions), None)),
        [partitions, replicas] => Ok(builder.topic_spec(name, Some(partitions), Some(replicas))),
        _ => Err(refused()),
    }
}

/// `KEY=VERSION,…`, where a key is a number or Kafka's name of the API.
fn max_versions(mut builder: Builder, value: &str) -> Result<Builder, CliError> {
    for pair in value.split(',') {
        let parsed = pair
            .split_once('=')
            .and_then(|(key, version)| Some((api_key(key)?, version.parse::<i16>().ok()?)));
        let (key, version) = parsed.ok_or_else(|| CliError::Value {
            flag: "max-versions",
            value: value.to_owned(),
            expected: "KEY=VERSION,..., as in Fetch=12 or 1=12",
        })?;
        builder = builder.max_version(key, version);
    }
    Ok(builder)
}

fn api_key(text: &str) -> Option<i16> {
    if let Ok(key) = text.parse() {
        return Some(key);
    }
    let named = |key: &ApiKey| format!("{key:?}").eq_ignore_ascii_case(text);
    (0..=i16::from(u8::MAX))
        .filter_map(|key| ApiKey::try_from(key).ok())
        .find(named)
        .map(|key| key as i16)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(arguments: &[&str]) -> String {
        match parse(arguments.iter().map(OsString::from)) {
            Ok(_) => panic!("{arguments:?} are taken"),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn a_flag_of_a_later_feature_is_refused_by_name() {
        for flag in LATER {
            assert_eq!(
                refusal(&[&format!("--{flag}")]),
                format!("--{flag} is not supported yet")
            );
        }
    }

    #[test]
    fn a_wrong_value_says_what_is_expected() {
        for brokers in ["0", "1001", "18446744073709551615", "18446744073709551616", "-1"] {
            let said = format!("--brokers {brokers}: expected a number from 1 to 1000");
            assert_eq!(refusal(&[&format!("--brokers={brokers}")]), said);
        }
        for partitions in ["0", "10001", "2147483647", "2147483648", "-1"] {
            let said = format!("--default-partitions {partitions}: expected a number from 1 to 10000");
            assert_eq!(refusal(&[&format!("--default-partitions={partitions}")]), said);
        }
        let topics = [
            "a:0",
            ":3",
            "a:10001",
            "a:2147483647",
            "a:9999999999",
            "a:1:0",
            "a:1:1001",
            "a:1:2147483647",
            "a:1:1:1",
        ];
        for topic in topics {
            let said = format!(
                "--topic {topic}: expected NAME[:PARTITIONS[:REPLICAS]], with 1 to 10000 partitions and 1 to 1000 replicas"
            );
            assert_eq!(refusal(&["--topic", topic]), said);
        }
        assert!(
            parse(
                ["--topic", "a:10000:1000", "--brokers", "1000"]
                    .iter()
                    .map(OsString::from)
            )
            .is_ok()
        );
        assert_eq!(
            refusal(&["--broker-config", "a"]),
            "--broker-config a: expected KEY=VALUE"
        );
        assert!(refusal(&["--max-versions", "Nothing=3"]).contains("as in Fetch=12"));
        assert!(refusal(&["--nothing"]).contains("--nothing"));
        assert!(refusal(&["orders"]).contains("orders"));
    }

    #[test]
    fn an_api_is_named_by_key_or_by_name() {
        assert_eq!(api_key("18"), Some(18));
        assert_eq!(api_key("apiversions"), Some(18));
        assert_eq!(api_key("Nothing"), None);
    }
}
