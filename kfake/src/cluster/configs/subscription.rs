//! Subscriptions to clients' metrics (KIP-714, `ClientMetricsConfigs`).

use regex_lite::Regex;

use super::error::AlterError;
use super::store::Values;
use super::table::{self, Kind};
use crate::hash_order::hash_map_order;

const METRICS: &str = "metrics";
const INTERVAL_MS: &str = "interval.ms";
const MATCH: &str = "match";

/// What a client can be matched by.
const KEYS: &[&str] = &[
    "client_instance_id",
    "client_id",
    "client_software_name",
    "client_software_version",
    "client_source_address",
    "client_source_port",
];

/// Milliseconds between two pushes.
const LEAST_INTERVAL: i64 = 100;
const MOST_INTERVAL: i64 = 3_600_000;

/// Checks everything that a subscription would be set to.
pub(crate) fn check(name: &str, set: &Values) -> Result<(), AlterError> {
    if name.is_empty() {
        return Err(AlterError::InvalidRequest(
            "Subscription name can't be empty".to_owned(),
        ));
    }
    let mut unknown = hash_map_order(set.keys().map(String::as_str)).into_iter();
    if let Some(name) = unknown.find(|name| table::find(Kind::ClientMetrics, name).is_none()) {
        return Err(AlterError::InvalidRequest(format!(
            "Unknown client metrics configuration: {name}"
        )));
    }
    for definition in table::all(Kind::ClientMetrics) {
        let Some(value) = set.get(definition.name) else {
            continue;
        };
        let value = definition.parse(value).map_err(AlterError::InvalidConfig)?;
        if definition.name == INTERVAL_MS
            && !value
                .parse()
                .is_ok_and(|ms: i64| (LEAST_INTERVAL..=MOST_INTERVAL).contains(&ms))
        {
            return Err(AlterError::InvalidRequest(format!(
                "Invalid value {value} for interval.ms, interval must be between 100 and 3600000 (1 hour)"
            )));
        }
        if definition.name == MATCH {
            patterns(&value).map_err(AlterError::InvalidConfig)?;
        }
    }
    Ok(())
}

/// What a client must be like, by key (`ClientMetricsConfigs.parseMatchingPatterns`).
pub(crate) fn patterns(value: &str) -> Result<Vec<(&str, Regex)>, String> {
    let pairs = value.split(',').map(str::trim).filter(|pair| !pair.is_empty());
    let pattern = |pair| {
        let illegal = || format!("Illegal client matching pattern: {pair}");
        let (key, pattern) = str::split_once(pair, '=').ok_or_else(illegal)?;
        let (key, pattern) = (key.trim(), pattern.trim());
        if !KEYS.contains(&key) || pattern.is_empty() {
            return Err(illegal());
        }
        // By itself first: it must not end the group that is put around it.
        let whole = Regex::new(pattern).and_then(|_| Regex::new(&format!("^(?:{pattern})$")));
        let whole = whole.map_err(|_| illegal())?;
        Ok((key, whole))
    };
    pairs.map(pattern).collect()
}

/// Milliseconds between two pushes where no subscription says otherwise.
pub(crate) const DEFAULT_INTERVAL_MS: u32 = 300_000;

/// A subscription that has been checked, in its types.
#[derive(Debug)]
pub(crate) struct Subscription<'a> {
    pub interval_ms: u32,
    pub metrics: Vec<String>,
    patterns: Vec<(&'a str, Regex)>,
}

impl<'a> Subscription<'a> {
    pub fn of(set: &'a Values) -> Self {
        let text = |name: &str| set.get(name).map(String::as_str).unwrap_or_default();
        let metrics = text(METRICS)
            .split(',')
            .map(str::trim)
            .filter(|metric| !metric.is_empty());
        Self {
            interval_ms: text(INTERVAL_MS).trim().parse().unwrap_or(DEFAULT_INTERVAL_MS),
            metrics: metrics.map(str::to_owned).collect(),
            patterns: patterns(text(MATCH)).unwrap_or_default(),
        }
    }

    /// Whether it is for a client of these attributes: every pattern matches.
    pub fn fits(&self, attribute: impl Fn(&str) -> String) -> bool {
        self.patterns
            .iter()
            .all(|(key, pattern)| pattern.is_match(&attribute(key)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_is_of_a_key_that_there_is() {
        assert!(patterns("").unwrap().is_empty());
        let patterns = patterns("client_id=a.*, client_source_port = 1[0-9]+").unwrap();
        assert_eq!(patterns.len(), 2);
        assert!(patterns[0].1.is_match("abc") && !patterns[0].1.is_match("ba"));
    }

    #[test]
    fn what_is_no_pattern_is_named() {
        for bad in [
            "colour=red",
            "client_id",
            "client_id=",
            "client_id=[a",
            "client_id=a)(b",
            "=a",
        ] {
            assert_eq!(
                patterns(bad).unwrap_err(),
                format!("Illegal client matching pattern: {bad}")
            );
        }
    }
}
