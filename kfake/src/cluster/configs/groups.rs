//! What may be set of a group: `GroupConfig.validate`. The brokers' configurations say within which bounds.

use super::store::Values;
use super::table::{self, Kind};
use crate::hash_order::hash_map_order;

/// Numbers with the brokers' least and most for them.
const BOUNDS: &[(&str, Option<&str>, Option<&str>)] = &[
    between(
        "consumer.heartbeat.interval.ms",
        "group.consumer.min.heartbeat.interval.ms",
        "group.consumer.max.heartbeat.interval.ms",
    ),
    between(
        "consumer.session.timeout.ms",
        "group.consumer.min.session.timeout.ms",
        "group.consumer.max.session.timeout.ms",
    ),
    between(
        "consumer.assignment.interval.ms",
        "group.consumer.min.assignment.interval.ms",
        "group.consumer.max.assignment.interval.ms",
    ),
    between(
        "share.heartbeat.interval.ms",
        "group.share.min.heartbeat.interval.ms",
        "group.share.max.heartbeat.interval.ms",
    ),
    between(
        "share.session.timeout.ms",
        "group.share.min.session.timeout.ms",
        "group.share.max.session.timeout.ms",
    ),
    between(
        "share.record.lock.duration.ms",
        "group.share.min.record.lock.duration.ms",
        "group.share.max.record.lock.duration.ms",
    ),
    between(
        "share.delivery.count.limit",
        "group.share.min.delivery.count.limit",
        "group.share.max.delivery.count.limit",
    ),
    between(
        "share.partition.max.record.locks",
        "group.share.min.partition.max.record.locks",
        "group.share.max.partition.max.record.locks",
    ),
    between(
        "share.assignment.interval.ms",
        "group.share.min.assignment.interval.ms",
        "group.share.max.assignment.interval.ms",
    ),
    between(
        "streams.heartbeat.interval.ms",
        "group.streams.min.heartbeat.interval.ms",
        "group.streams.max.heartbeat.interval.ms",
    ),
    between(
        "streams.session.timeout.ms",
        "group.streams.min.session.timeout.ms",
        "group.streams.max.session.timeout.ms",
    ),
    (
        "streams.num.standby.replicas",
        None,
        Some("group.streams.max.standby.replicas"),
    ),
    between(
        "streams.assignment.interval.ms",
        "group.streams.min.assignment.interval.ms",
        "group.streams.max.assignment.interval.ms",
    ),
    (
        "streams.task.offset.interval.ms",
        Some("group.streams.min.task.offset.interval.ms"),
        None,
    ),
    (
        "streams.num.warmup.replicas",
        None,
        Some("group.streams.max.warmup.replicas"),
    ),
];

/// A session, and the heartbeats that keep it, which must be shorter.
const SESSIONS: &[(&str, &str)] = &[
    ("consumer.session.timeout.ms", "consumer.heartbeat.interval.ms"),
    ("share.session.timeout.ms", "share.heartbeat.interval.ms"),
    ("streams.session.timeout.ms", "streams.heartbeat.interval.ms"),
];

const fn between<'a>(name: &'a str, least: &'a str, most: &'a str) -> (&'a str, Option<&'a str>, Option<&'a str>) {
    (name, Some(least), Some(most))
}

/// Checks everything that a group would be set to; the error is what Apache Kafka says. `broker` knows the brokers' values.
pub(crate) fn check(set: &Values, broker: impl Fn(&str) -> Option<String>) -> Result<(), String> {
    let names = || set.keys().map(String::as_str);
    let mut unknown = hash_map_order(names()).into_iter();
    if let Some(name) = unknown.find(|name| table::find(Kind::Group, name).is_none()) {
        return Err(format!("Unknown group config name: {name}"));
    }
    for (definition, name) in table::in_order(Kind::Group, names()) {
        if let Some(value) = set.get(name) {
            definition.parse(value)?;
        }
    }
    let number = |text: String| text.trim().parse::<i64>().ok();
    let own = |name: &str| set.get(name).cloned().and_then(number);
    for (name, least, most) in BOUNDS {
        let Some(value) = own(name) else { continue };
        let least = least.and_then(&broker).and_then(number);
        let most = most.and_then(&broker).and_then(number);
        match (least, most) {
            (Some(least), Some(most)) if !(least..=most).contains(&value) => {
                return Err(format!("{name} must be in the range {least} to {most} inclusive."));
            }
            (None, Some(most)) if value > most => {
                return Err(format!("{name} must be less than or equal to {most}"));
            }
            (Some(least), None) if value < least => {
                return Err(format!("{name} must be greater than or equal to {least}"));
            }
            _ => {}
        }
    }
    if let Some(assignor) = set.get("streams.assignor.name") {
        let known = broker("group.streams.assignors").unwrap_or_default();
        if !known.split(',').any(|known| known.trim() == assignor.trim()) {
            return Err(format!(
                "streams.assignor.name '{assignor}' is not a registered task assignor. Registered assignors are: [{}].",
                known.replace(',', ", ")
            ));
        }
    }
    for (session, heartbeat) in SESSIONS {
        let of = |name: &str| own(name).or_else(|| broker(&format!("group.{name}")).and_then(number));
        if (set.contains_key(*session) || set.contains_key(*heartbeat)) && of(session) <= of(heartbeat) {
            return Err(format!("{session} must be greater than {heartbeat}"));
        }
    }
    if set
        .get("errors.deadletterqueue.topic.name")
        .is_some_and(|name| name.trim().starts_with("__"))
    {
        return Err("errors.deadletterqueue.topic.name: DLQ topic name must not start with '__'".to_owned());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(pairs: &[(&str, &str)], brokers: &[(&str, &str)]) -> Option<String> {
        let set = pairs.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        let broker = |name: &str| {
            let own = brokers.iter().find(|(n, _)| *n == name).map(|(_, value)| *value);
            Some(own.or_else(|| table::find(Kind::Broker, name)?.default())?.to_owned())
        };
        check(&set, broker).err()
    }

    #[test]
    fn a_groups_numbers_keep_the_brokers_bounds() {
        assert_eq!(said(&[("consumer.session.timeout.ms", "45000")], &[]), None);
        let low = said(&[("consumer.session.timeout.ms", "44999")], &[]);
        assert_eq!(
            low.unwrap(),
            "consumer.session.timeout.ms must be in the range 45000 to 60000 inclusive."
        );
        let allowed = [("group.consumer.min.session.timeout.ms", "44999")];
        assert_eq!(said(&[("consumer.session.timeout.ms", "44999")], &allowed), None);
    }

    #[test]
    fn heartbeats_come_more_often_than_sessions_end() {
        let brokers = [("group.share.min.session.timeout.ms", "1000")];
        let both = [
            ("share.session.timeout.ms", "6000"),
            ("share.heartbeat.interval.ms", "6000"),
        ];
        let error = said(&both, &brokers).unwrap();
        assert_eq!(
            error,
            "share.session.timeout.ms must be greater than share.heartbeat.interval.ms"
        );
    }

    #[test]
    fn every_bound_is_a_configuration_that_there_is() {
        for (name, least, most) in BOUNDS {
            assert!(table::find(Kind::Group, name).is_some(), "{name}");
            for bound in least.iter().chain(most) {
                assert!(table::find(Kind::Broker, bound).is_some(), "{bound}");
            }
        }
    }
}
