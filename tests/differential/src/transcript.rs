//! What a cluster answered to a scenario, and how it is kept in a file.

use std::fmt::{self, Display, Formatter};

use thiserror::Error;

use crate::text::parse_value;
use crate::tree::Value;

/// One answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// The step that asked, in short.
    pub label: String,
    /// The line that it stands on; 0 where it was read from a file.
    pub line: usize,
    /// What came, with ids, times and addresses masked.
    pub value: Value,
}

/// What was answered to one scenario.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Transcript {
    /// The scenario's title.
    pub title: String,
    /// In the order of the steps.
    pub answers: Vec<Answer>,
    /// Why the scenario could not be gone through to its end.
    pub failure: Option<String>,
}

/// The answers to one file of scenarios, and whose they are.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Golden {
    /// The version of Apache Kafka.
    pub kafka: String,
    /// A scenario each.
    pub transcripts: Vec<Transcript>,
}

/// A file that holds no answers.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("line {line}: {reason}")]
pub struct GoldenError {
    /// The line.
    pub line: usize,
    /// What is wrong.
    pub reason: String,
}

const ARROW: &str = " -> ";

impl Golden {
    /// The answers to a scenario.
    pub fn of(&self, title: &str) -> Option<&Transcript> {
        self.transcripts.iter().find(|transcript| transcript.title == title)
    }

    /// Reads what [`Display`] wrote.
    ///
    /// # Errors
    ///
    /// See [`GoldenError`].
    pub fn read(text: &str) -> Result<Self, GoldenError> {
        let mut golden = Self::default();
        for (index, line) in text.lines().enumerate() {
            let error = |reason: String| GoldenError {
                line: index + 1,
                reason,
            };
            if let Some(title) = line.strip_prefix("== ") {
                golden.transcripts.push(Transcript {
                    title: title.to_owned(),
                    ..Transcript::default()
                });
            } else if let Some(version) = line.strip_prefix("kafka ") {
                golden.kafka = version.to_owned();
            } else if let Some((label, value)) = line.split_once(ARROW) {
                let value = parse_value(value).map_err(|e| error(e.reason))?;
                let transcript = golden.transcripts.last_mut();
                let transcript = transcript.ok_or_else(|| error("an answer to no scenario".to_owned()))?;
                transcript.answers.push(Answer {
                    label: label.to_owned(),
                    line: 0,
                    value,
                });
            } else if !line.is_empty() && !line.starts_with('#') {
                return Err(error(format!("neither a scenario nor an answer: {line:?}")));
            }
        }
        Ok(golden)
    }
}

impl Display for Golden {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "# Apache Kafka's answers. `cargo xtask differential --refresh` writes this file."
        )?;
        writeln!(f, "kafka {}", self.kafka)?;
        for transcript in &self.transcripts {
            writeln!(f, "\n== {}", transcript.title)?;
            for answer in &transcript.answers {
                writeln!(f, "{}{ARROW}{}", answer.label, answer.value)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let answer = |label: &str, value: &str| Answer {
            label: label.to_owned(),
            line: 0,
            value: parse_value(value).unwrap(),
        };
        let golden = Golden {
            kafka: "4.4.0".to_owned(),
            transcripts: vec![Transcript {
                title: "a title v3".to_owned(),
                answers: vec![
                    answer("a: Fetch 4", "{a: [1, \"x -> y\"], b: <topic 1>}"),
                    answer("a: Fetch 4", "<closed>"),
                ],
                failure: None,
            }],
        };
        assert_eq!(Golden::read(&golden.to_string()), Ok(golden));
    }

    #[test]
    fn a_line_that_is_nothing_is_an_error() {
        assert_eq!(
            Golden::read("kafka 4\n\nx -> 1").unwrap_err().to_string(),
            "line 3: an answer to no scenario"
        );
        assert_eq!(Golden::read("x").unwrap_err().line, 1);
    }
}
