//! What configurations there are. `table.txt` and `docs.txt` are Apache Kafka's own definitions, which `cargo xtask configs`
//! writes (`tests/oracle/Configs.java` describes the columns). They are read when they are first asked for.

use once_cell::sync::Lazy;

use crate::lines::{Lines, text};

static TABLE: Lazy<Lines<Key, Definition>> =
    Lazy::new(|| Lines::new(text!(include_str!("table.txt")), key, definition));
static DOCUMENTATION: Lazy<Lines<Key, String>> =
    Lazy::new(|| Lines::new(text!(include_str!("docs.txt")), key, unescaped));

type Key = (Option<Kind>, &'static str);

/// The first two columns of both tables. A search looks at one line's after the other.
fn key(head: &'static str) -> Key {
    let (kind, name) = head.split_at_checked(2).unwrap_or_default();
    (Kind::of(kind.get(..1).unwrap_or_default()), name)
}

/// Whose configuration it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Broker,
    Topic,
    Group,
    ClientMetrics,
    /// Quotas of users and clients.
    Quota,
    /// Quotas of addresses.
    IpQuota,
    /// Quotas of replication, which brokers have without their being broker configurations.
    ReplicationQuota,
}

impl Kind {
    fn of(column: &str) -> Option<Self> {
        Some(match column {
            "B" => Self::Broker,
            "T" => Self::Topic,
            "G" => Self::Group,
            "C" => Self::ClientMetrics,
            "U" => Self::Quota,
            "I" => Self::IpQuota,
            "R" => Self::ReplicationQuota,
            _ => return None,
        })
    }
}

/// `ConfigDef.Type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Type {
    Boolean,
    String,
    Int,
    Short,
    Long,
    Double,
    List,
    Class,
    Password,
}

impl Type {
    fn of(column: &str) -> Option<Self> {
        Some(match column {
            "BOOLEAN" => Self::Boolean,
            "STRING" => Self::String,
            "INT" => Self::Int,
            "SHORT" => Self::Short,
            "LONG" => Self::Long,
            "DOUBLE" => Self::Double,
            "LIST" => Self::List,
            "CLASS" => Self::Class,
            "PASSWORD" => Self::Password,
            _ => return None,
        })
    }

    /// `DescribeConfigsResponse.ConfigType`.
    pub fn code(self) -> i8 {
        match self {
            Self::Boolean => 1,
            Self::String => 2,
            Self::Int => 3,
            Self::Short => 4,
            Self::Long => 5,
            Self::Double => 6,
            Self::List => 7,
            Self::Class => 8,
            Self::Password => 9,
        }
    }
}

/// The value of a configuration that nobody set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Initial {
    /// None: Apache Kafka does not start without one.
    Required,
    Null,
    Value(&'static str),
}

/// When a broker's configuration can be changed (KIP-226).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    ReadOnly,
    /// For all brokers, and for one.
    ClusterWide,
    /// For one broker alone.
    PerBroker,
}

/// What a value of the type must be besides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Check {
    None,
    /// The bounds as Apache Kafka prints them.
    Range {
        least: Option<&'static str>,
        most: Option<&'static str>,
    },
    /// Between the two, or exactly the third.
    Level(&'static str, &'static str, &'static str),
    OneOf(Vec<&'static str>),
    OneOfIgnoringCase(Vec<&'static str>),
    NonEmpty,
    /// Different values, each of them one of the words, where there are any.
    List {
        may_be_empty: bool,
        words: Vec<&'static str>,
    },
    /// `ThrottledReplicaListValidator`.
    Replicas,
    /// `ShareGroupAutoOffsetResetStrategy`.
    OffsetReset,
}

/// One configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Definition {
    pub kind: Kind,
    pub name: &'static str,
    pub of: Type,
    pub initial: Initial,
    pub scope: Scope,
    /// Can be set, and is not shown.
    pub internal: bool,
    pub check: Check,
    /// The broker configuration that a topic's or a group's falls back to.
    pub synonym: Option<&'static str>,
    /// Among those of its kind, as Apache Kafka defines them.
    pub place: usize,
}

impl Definition {
    /// Whether its value is never shown (`AbstractKafkaConfig.maybeSensitive`).
    pub fn is_sensitive(&self) -> bool {
        self.of == Type::Password
    }

    /// The value that it has when nobody sets it, where that is not null.
    pub fn default(&self) -> Option<&'static str> {
        match self.initial {
            Initial::Value(value) => Some(value),
            Initial::Null | Initial::Required => None,
        }
    }
}

fn definition(line: &'static str) -> Option<Definition> {
    let columns: Vec<&'static str> = line.split('\t').collect();
    let &[kind, name, of, initial, scope, check, synonym, place] = columns.as_slice() else {
        return None;
    };
    Some(Definition {
        kind: Kind::of(kind)?,
        name,
        of: Type::of(of)?,
        initial: match initial.strip_prefix('=') {
            Some(value) => Initial::Value(value),
            None if initial == "-" => Initial::Null,
            None => Initial::Required,
        },
        scope: match scope.as_bytes().first()? {
            b'r' => Scope::ReadOnly,
            b'p' => Scope::PerBroker,
            _ => Scope::ClusterWide,
        },
        internal: scope.ends_with('i'),
        check: rule(check)?,
        synonym: (synonym != "-").then_some(synonym),
        place: place.parse().ok()?,
    })
}

fn rule(column: &'static str) -> Option<Check> {
    let words = |text: &'static str| text.split(',').filter(|word| !word.is_empty()).collect::<Vec<_>>();
    let (kind, rest) = column.split_once(' ').unwrap_or((column, ""));
    Some(match kind {
        "-" | "nonnull" => Check::None,
        "range" => {
            let (least, most) = rest.split_once(' ')?;
            let bound = |bound: &'static str| (bound != "*").then_some(bound);
            Check::Range {
                least: bound(least),
                most: bound(most),
            }
        }
        "level" => {
            let mut parts = rest.split(' ');
            Check::Level(parts.next()?, parts.next()?, parts.next()?)
        }
        "in" => Check::OneOf(words(rest)),
        "ignorecase" => Check::OneOfIgnoringCase(words(rest)),
        "nonempty" => Check::NonEmpty,
        "list" => {
            let (flags, list) = rest.split_once(' ')?;
            Check::List {
                may_be_empty: flags.contains('e'),
                words: words(list),
            }
        }
        "replicas" => Check::Replicas,
        "reset" => Check::OffsetReset,
        _ => return None,
    })
}

/// The configurations of a kind, in the order of their names.
pub(crate) fn all(kind: Kind) -> impl Iterator<Item = &'static Definition> {
    TABLE.within(move |(of, _)| of.cmp(&Some(kind)))
}

/// Those of some names that are of a kind, in the order in which `ConfigDef.parse` goes through them.
pub(crate) fn in_order<'a>(
    kind: Kind,
    names: impl Iterator<Item = &'a str>,
) -> impl Iterator<Item = (&'static Definition, &'a str)> {
    let mut found: Vec<_> = names.filter_map(|name| Some((find(kind, name)?, name))).collect();
    found.sort_by_key(|(definition, _)| definition.place);
    found.into_iter()
}

/// A configuration by its name.
pub(crate) fn find(kind: Kind, name: &str) -> Option<&'static Definition> {
    TABLE.get(|key| key.cmp(&(Some(kind), name)))
}

/// What Apache Kafka says about a configuration.
pub(crate) fn documentation(definition: &Definition) -> &'static str {
    let found = DOCUMENTATION.get(|key| key.cmp(&(Some(definition.kind), definition.name)));
    found.map_or("", String::as_str)
}

/// The third column of a line of `docs.txt`.
fn unescaped(line: &'static str) -> Option<String> {
    let mut text = String::new();
    let mut escaped = false;
    for c in line.splitn(3, '\t').nth(2)?.chars() {
        match (escaped, c) {
            (false, '\\') => {
                escaped = true;
                continue;
            }
            (true, 'n') => text.push('\n'),
            (true, 't') => text.push('\t'),
            _ => text.push(c),
        }
        escaped = false;
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_the_table_is_understood() {
        let lines = include_str!("table.txt").lines().count();
        let every = [
            Kind::Broker,
            Kind::Topic,
            Kind::Group,
            Kind::ClientMetrics,
            Kind::Quota,
            Kind::IpQuota,
            Kind::ReplicationQuota,
        ];
        assert_eq!(every.into_iter().flat_map(all).count(), lines);
        assert!(TABLE.keys().eq(DOCUMENTATION.keys()));
        assert!(TABLE.keys().is_sorted(), "a search needs them in order");
        for definition in every.into_iter().flat_map(all) {
            assert_eq!(find(definition.kind, definition.name), Some(definition));
        }
    }

    #[test]
    fn a_configuration_is_found_by_its_kind_and_name() {
        let found = find(Kind::Topic, "retention.ms").unwrap();
        assert_eq!((found.of, found.default()), (Type::Long, Some("604800000")));
        assert_eq!(found.synonym, Some("log.retention.ms"));
        assert!(find(Kind::Broker, "retention.ms").is_none());
        assert_eq!(find(Kind::Broker, "listeners").unwrap().scope, Scope::PerBroker);
        assert!(documentation(found).contains("retention"));
    }

    #[test]
    fn every_default_is_a_value_that_could_be_set() {
        for definition in TABLE.rows() {
            let Initial::Value(value) = definition.initial else {
                continue;
            };
            assert_eq!(definition.parse(value).as_deref(), Ok(value), "{}", definition.name);
        }
    }
}
