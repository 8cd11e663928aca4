//! Whether a value may be set: `ConfigDef.parseType` and the validators, with their words.

use super::table::{Check, Definition, Type};

/// A value that has been read.
enum Parsed {
    Text(String),
    Number { text: String, value: f64 },
    List(Vec<String>),
}

impl Parsed {
    /// `ConfigDef.convertToString`.
    fn into_text(self) -> String {
        match self {
            Self::Text(text) | Self::Number { text, .. } => text,
            Self::List(list) => list.join(","),
        }
    }
}

impl Definition {
    /// Reads and checks a value, and writes it as Apache Kafka shows it.
    ///
    /// # Errors
    ///
    /// What Apache Kafka says of a value that is not of the type or breaks the configuration's rule.
    pub fn parse(&self, value: &str) -> Result<String, String> {
        let parsed = self.typed(value)?;
        self.keep(&parsed)?;
        Ok(parsed.into_text())
    }

    /// "Invalid value X for configuration Y: Z", as a `ConfigException` says it.
    fn invalid(&self, value: &str, why: &str) -> String {
        format!("Invalid value {value} for configuration {}: {why}", self.name)
    }

    fn typed(&self, value: &str) -> Result<Parsed, String> {
        let text = value.trim();
        let whole = |least: i64, most: i64, name: &str| match text.parse::<i64>() {
            Ok(n) if (least..=most).contains(&n) => Ok(Parsed::Number {
                text: n.to_string(),
                value: n as f64,
            }),
            _ => Err(self.invalid(value, &format!("Not a number of type {name}"))),
        };
        match self.of {
            Type::Int => whole(i32::MIN.into(), i32::MAX.into(), "INT"),
            Type::Short => whole(i16::MIN.into(), i16::MAX.into(), "SHORT"),
            Type::Long => whole(i64::MIN, i64::MAX, "LONG"),
            Type::Double => match parse_java_double(text) {
                Some(n) => Ok(Parsed::Number {
                    text: java_double(n),
                    value: n,
                }),
                None => Err(self.invalid(value, "Not a number of type DOUBLE")),
            },
            Type::Boolean => match text.to_ascii_lowercase() {
                word if word == "true" || word == "false" => Ok(Parsed::Text(word)),
                _ => Err(self.invalid(value, "Expected value to be either true or false")),
            },
            Type::List if text.is_empty() => Ok(Parsed::List(Vec::new())),
            Type::List => Ok(Parsed::List(text.split(',').map(|e| e.trim().to_owned()).collect())),
            Type::String | Type::Class => Ok(Parsed::Text(text.to_owned())),
            Type::Password => Ok(Parsed::Text(value.to_owned())),
        }
    }

    fn keep(&self, parsed: &Parsed) -> Result<(), String> {
        match (&self.check, parsed) {
            (Check::Range { least, most }, Parsed::Number { text, value }) => {
                if let Some(least) = least
                    && *value < number(least)
                {
                    return Err(self.invalid(text, &format!("Value must be at least {least}")));
                }
                match most {
                    Some(most) if *value > number(most) => {
                        Err(self.invalid(text, &format!("Value must be no more than {most}")))
                    }
                    _ => Ok(()),
                }
            }
            (Check::Level(least, most, besides), Parsed::Number { text, value }) => {
                match (number(least)..=number(most)).contains(value) || *value == number(besides) {
                    true => Ok(()),
                    false => Err(self.invalid(
                        text,
                        &format!("Value must be between {least} and {most} or equal to {besides}"),
                    )),
                }
            }
            (Check::OneOf(words), Parsed::Text(text)) => self.one_of(words, text),
            (Check::OneOfIgnoringCase(words), Parsed::Text(text)) => {
                match words.iter().any(|word| word.eq_ignore_ascii_case(text)) {
                    true => Ok(()),
                    false => Err(self.invalid(
                        text,
                        &format!("String must be one of (case insensitive): {}", words.join(", ")),
                    )),
                }
            }
            (Check::NonEmpty, Parsed::Text(text)) if text.is_empty() => {
                Err(self.invalid(text, "String must be non-empty"))
            }
            (Check::List { may_be_empty, words }, Parsed::List(list)) => self.list(*may_be_empty, words, list),
            (Check::Replicas, Parsed::List(list)) => match is_replica_list(list) {
                true => Ok(()),
                false => Err(self.invalid(
                    &format!("[{}]", list.join(", ")),
                    &format!("{} must be the literal '*' or a list of replicas in the following format: [partitionId]:[brokerId],[partitionId]:[brokerId],...", self.name),
                )),
            },
            (Check::OffsetReset, Parsed::Text(text)) => self.offset_reset(text),
            _ => Ok(()),
        }
    }

    fn one_of(&self, words: &[&str], text: &str) -> Result<(), String> {
        match words.contains(&text) {
            true => Ok(()),
            false => Err(self.invalid(text, &format!("String must be one of: {}", words.join(", ")))),
        }
    }

    /// `ConfigDef.ValidList`.
    fn list(&self, may_be_empty: bool, words: &[&str], list: &[String]) -> Result<(), String> {
        let name = self.name;
        if !may_be_empty && list.is_empty() {
            let valid = match words.is_empty() {
                true => "any non-empty value".to_owned(),
                false => format!("[{}]", words.join(", ")),
            };
            return Err(format!(
                "Configuration '{name}' must not be empty. Valid values include: {valid}"
            ));
        }
        for word in list {
            if word.is_empty() {
                return Err(format!("Configuration '{name}' values must not be empty."));
            }
            if !words.is_empty() {
                self.one_of(words, word)?;
            }
        }
        if (1..list.len()).any(|i| list[..i].contains(&list[i])) {
            return Err(format!("Configuration '{name}' values must not be duplicated."));
        }
        Ok(())
    }

    /// `ShareGroupAutoOffsetResetStrategy.Validator` (KIP-932).
    fn offset_reset(&self, text: &str) -> Result<(), String> {
        let word = text.to_ascii_lowercase();
        if matches!(word.as_str(), "latest" | "earliest") {
            return Ok(());
        }
        match word.strip_prefix("by_duration:") {
            Some(duration) if is_duration(duration) => Ok(()),
            _ => Err(self.invalid(
                text,
                &format!("Invalid value `{text}` for configuration {}. The value must be either 'earliest', 'latest' or of the format 'by_duration:<PnDTnHnMn.nS>'.", self.name),
            )),
        }
    }
}

/// A bound of the table, which is a number.
fn number(text: &str) -> f64 {
    text.parse().unwrap_or_default()
}

/// Everything, or pairs of a partition and a broker.
fn is_replica_list(list: &[String]) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    // Nothing between two commas is a pair, too.
    let is_pair = |pair: &String| {
        let split = pair.split_once(':');
        pair.is_empty() || split.is_some_and(|(partition, broker)| digits(partition) && digits(broker))
    };
    list.concat() == "*" || list.iter().all(is_pair)
}

/// `java.time.Duration.parse` of what is not negative: P, days, T, hours, minutes, seconds with a fraction.
fn is_duration(text: &str) -> bool {
    let Some(text) = text.strip_prefix('p') else {
        return false;
    };
    let (days, time) = match text.split_once('t') {
        Some((days, time)) => (days, Some(time)),
        None => (text, None),
    };
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if !(days.is_empty() || days.strip_suffix('d').is_some_and(digits)) {
        return false;
    }
    let Some(mut rest) = time else { return !days.is_empty() };
    if rest.is_empty() {
        return false;
    }
    for unit in ['h', 'm', 's'] {
        if let Some((number, after)) = rest.split_once(unit) {
            let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
            if !digits(whole) || !digits(fraction) || (unit != 's' && number.contains('.')) {
                return false;
            }
            rest = after;
        }
    }
    rest.is_empty()
}

/// `Double.parseDouble`, but for hexadecimal numbers: a suffix may say the type, and the words are spelt in one way.
fn parse_java_double(text: &str) -> Option<f64> {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    if matches!(unsigned, "NaN" | "Infinity") {
        return text.parse().ok();
    }
    let number = text.strip_suffix(['f', 'F', 'd', 'D']).unwrap_or(text);
    match unsigned.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        true => number.parse().ok(),
        false => None,
    }
}

/// `Double.toString`: plain from 10^-3 to below 10^7, with a point; otherwise a mantissa and an exponent.
pub(crate) fn java_double(n: f64) -> String {
    if n.is_nan() {
        return "NaN".to_owned();
    }
    if n.is_infinite() {
        return if n > 0.0 { "Infinity" } else { "-Infinity" }.to_owned();
    }
    if n == 0.0 || (1e-3..1e7).contains(&n.abs()) {
        return format!("{n:?}");
    }
    let scientific = format!("{n:e}");
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let point = if mantissa.contains('.') { "" } else { ".0" };
    format!("{mantissa}{point}E{exponent}")
}

#[cfg(test)]
mod tests {
    use super::super::table::{Kind, find};
    use super::*;

    fn parse(name: &str, value: &str) -> Result<String, String> {
        find(Kind::Topic, name).unwrap().parse(value)
    }

    #[test]
    fn a_value_is_written_as_kafka_shows_it() {
        assert_eq!(parse("retention.ms", " +5 ").unwrap(), "5");
        assert_eq!(parse("preallocate", "TRUE").unwrap(), "true");
        assert_eq!(parse("cleanup.policy", "compact , delete").unwrap(), "compact,delete");
        assert_eq!(parse("min.cleanable.dirty.ratio", "1").unwrap(), "1.0");
        assert_eq!(java_double(f64::MAX), "1.7976931348623157E308");
        assert_eq!(java_double(2_147_483_647.0), "2.147483647E9");
        assert_eq!(java_double(1e7), "1.0E7");
        assert_eq!(java_double(0.0001), "1.0E-4");
    }

    #[test]
    fn a_wrong_value_is_refused_in_kafkas_words() {
        for (name, value, said) in [
            (
                "retention.ms",
                "soon",
                "Invalid value soon for configuration retention.ms: Not a number of type LONG",
            ),
            (
                "min.insync.replicas",
                "0",
                "Invalid value 0 for configuration min.insync.replicas: Value must be at least 1",
            ),
            (
                "segment.bytes",
                "4294967296",
                "Invalid value 4294967296 for configuration segment.bytes: Not a number of type INT",
            ),
            (
                "cleanup.policy",
                "compact,compact",
                "Configuration 'cleanup.policy' values must not be duplicated.",
            ),
            (
                "compression.gzip.level",
                "10",
                "Invalid value 10 for configuration compression.gzip.level: Value must be between 1 and 9 or equal to -1",
            ),
            (
                "message.timestamp.type",
                "Now",
                "Invalid value Now for configuration message.timestamp.type: String must be one of: CreateTime, LogAppendTime",
            ),
        ] {
            assert_eq!(parse(name, value).unwrap_err(), said);
        }
    }

    #[test]
    fn a_groups_reset_is_a_word_or_a_duration() {
        let reset = find(Kind::Group, "share.auto.offset.reset").unwrap();
        for good in ["latest", "EARLIEST", "by_duration:PT1H", "by_duration:P1DT2H3M4.5S"] {
            assert!(reset.parse(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "none",
            "by_duration:",
            "by_duration:PT",
            "by_duration:1H",
            "by_duration:PT1.5H",
        ] {
            assert!(reset.parse(bad).is_err(), "{bad}");
        }
    }
}
