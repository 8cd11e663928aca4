//! A broker's loggers, which KIP-412 shows and changes as configurations. kfake writes no such logs: the levels are kept and
//! shown, as a client's administration expects.

use super::error::AlterError;
use super::store::Values;

/// The logger that the others inherit from.
const ROOT: &str = "root";

/// Its level before anybody changes it.
const ROOT_LEVEL: &str = "ERROR";

/// `LogLevelConfig.VALID_LOG_LEVELS`, in the order in which Apache Kafka names them.
const LEVELS: &[&str] = &["DEBUG", "ERROR", "FATAL", "INFO", "TRACE", "WARN"];

/// What Apache Kafka's own configuration of its logging names (`config/log4j2.yaml`).
const LOGGERS: &[&str] = &[
    ROOT,
    "kafka",
    "kafka.log.LogCleaner",
    "kafka.network.RequestChannel$",
    "kafka.request.logger",
    "kafka.authorizer.logger",
    "org.apache.kafka",
    "org.apache.kafka.controller",
    "state.change.logger",
];

/// Every logger and its level: its own, or its nearest parent's.
pub(crate) fn levels(set: Option<&Values>) -> impl Iterator<Item = (&'static str, String)> + '_ {
    LOGGERS.iter().map(move |name| {
        let own = |name: &str| set.and_then(|set| set.get(name)).cloned();
        let parents = std::iter::successors(Some(*name), |name| name.rfind('.').map(|dot| &name[..dot]));
        let mut found = parents.filter_map(own);
        let level = found
            .next()
            .or_else(|| own(ROOT))
            .unwrap_or_else(|| ROOT_LEVEL.to_owned());
        (*name, level)
    })
}

/// `RuntimeLoggerManager.validateLogLevelConfigs`: what is wrong with an operation on a logger, in its words.
pub(crate) fn check(name: &str, level: Option<&str>) -> Result<(), AlterError> {
    if !LOGGERS.contains(&name) {
        return Err(AlterError::InvalidConfig(format!("Logger {name} does not exist!")));
    }
    match level {
        Some(level) if !LEVELS.contains(&level) => Err(AlterError::InvalidConfig(format!(
            "Cannot set the log level of {name} to {level} as it is not a supported log level. Valid log levels are {}",
            LEVELS.join(", ")
        ))),
        None if name == ROOT => Err(AlterError::InvalidRequest(format!(
            "Removing the log level of the {ROOT} logger is not allowed"
        ))),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_logger_has_its_nearest_parents_level() {
        let set = Values::from([("org.apache.kafka".to_owned(), "TRACE".to_owned())]);
        let level = |wanted: &str| levels(Some(&set)).find(|(name, _)| *name == wanted).unwrap().1;
        assert_eq!(level("org.apache.kafka.controller"), "TRACE");
        assert_eq!(level("kafka"), "ERROR");
    }
}
