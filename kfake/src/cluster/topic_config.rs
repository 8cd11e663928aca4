//! A topic's configurations: what was set on it, and what the log works by.

use std::collections::BTreeMap;
use std::ops::Deref;

use super::configs::logs::{Inherited, LogConfig};
use super::configs::table::{self, Kind};
use super::topics::BrokerId;
use crate::hash_order::hash_map_order;

/// What a topic's configurations were set to. What was not set is the brokers'.
///
/// It is what the logs work by, too: [`at`](Self::at) a partition's leader; `config.max_message_bytes` where no broker has values of
/// its own.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct TopicConfig {
    set: BTreeMap<String, String>,
    logs: Inherited,
}

impl Deref for TopicConfig {
    type Target = LogConfig;

    fn deref(&self) -> &LogConfig {
        &self.logs.all
    }
}

impl TopicConfig {
    /// A topic's own configurations, which have been checked, over those of the brokers.
    pub fn new(set: BTreeMap<String, String>, brokers: &Inherited) -> Self {
        let logs = brokers.with(|name| set.get(name).map(String::as_str));
        Self { set, logs }
    }

    /// The same over other configurations of the brokers.
    pub fn over(&self, brokers: &Inherited) -> Self {
        Self::new(self.set.clone(), brokers)
    }

    /// Reads configurations by name; the error is what Apache Kafka says.
    pub fn read<'a>(
        given: impl Iterator<Item = (&'a str, Option<&'a str>)>,
        brokers: &Inherited,
    ) -> Result<Self, String> {
        let mut set = BTreeMap::new();
        for (name, value) in given {
            let Some(value) = value else {
                return Err(format!("Null value not supported for topic configs: {name}"));
            };
            set.insert(name.to_owned(), value.to_owned());
        }
        check(&set)?;
        Ok(Self::new(set, brokers))
    }

    /// What a partition's log works by whose leader this is.
    pub fn at(&self, leader: Option<BrokerId>) -> &LogConfig {
        self.logs.at(leader)
    }

    /// Everything that was set on the topic itself.
    pub fn set(&self) -> &BTreeMap<String, String> {
        &self.set
    }
}

/// `LogConfig.validate`: names, values, and those that must fit each other.
pub(crate) fn check(set: &BTreeMap<String, String>) -> Result<(), String> {
    let unknown = hash_map_order(set.keys().map(String::as_str));
    if let Some(name) = unknown
        .into_iter()
        .find(|name| table::find(Kind::Topic, name).is_none())
    {
        return Err(format!("Unknown topic config name: {name}"));
    }
    for (definition, name) in table::in_order(Kind::Topic, set.keys().map(String::as_str)) {
        if let Some(value) = set.get(name) {
            definition.parse(value)?;
        }
    }
    let number = |name: &str| {
        let value = set.get(name).map(String::as_str);
        let value = value.or_else(|| table::find(Kind::Topic, name)?.default())?;
        value.trim().parse::<i64>().ok()
    };
    if let (Some(least), Some(most)) = (number("min.compaction.lag.ms"), number("max.compaction.lag.ms"))
        && least > most
    {
        return Err(format!(
            "conflict topic config setting min.compaction.lag.ms ({least}) > max.compaction.lag.ms ({most})"
        ));
    }
    if set
        .get("remote.storage.enable")
        .is_some_and(|value| value.trim().eq_ignore_ascii_case("true"))
    {
        return Err(
            "Tiered Storage functionality is disabled in the broker. Topic cannot be configured with remote log storage."
                .to_owned(),
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(name: &str, value: &str) -> Result<TopicConfig, String> {
        TopicConfig::read([(name, Some(value))].into_iter(), &Inherited::default())
    }

    #[test]
    fn a_value_that_was_set_is_the_topics_own() {
        let config = read("max.message.bytes", " 1000").unwrap();
        assert_eq!(config.max_message_bytes, 1000);
        assert_eq!(config.set().len(), 1);
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
        assert!(read("max.compaction.lag.ms", "0").is_err());
    }

    #[test]
    fn two_values_must_fit_each_other() {
        let both = [
            ("min.compaction.lag.ms", Some("9")),
            ("max.compaction.lag.ms", Some("8")),
        ];
        let error = TopicConfig::read(both.into_iter(), &Inherited::default()).unwrap_err();
        assert!(error.contains("(9) > max.compaction.lag.ms (8)"), "{error}");
    }
}
