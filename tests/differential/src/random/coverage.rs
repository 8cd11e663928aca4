//! What a run has met: which versions of which APIs, and which error codes. A vocabulary that meets nothing finds nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Display, Formatter};

use super::offered::Offered;
use crate::transcript::Transcript;
use crate::tree::Value;

/// Requests by API and version, and the error codes in their answers.
#[derive(Debug, Clone, Default)]
pub struct Coverage {
    requests: BTreeMap<String, BTreeMap<i16, usize>>,
    errors: BTreeMap<String, BTreeMap<i64, usize>>,
}

impl Coverage {
    /// Counts what a scenario was answered.
    pub fn add(&mut self, transcript: &Transcript) {
        for answer in &transcript.answers {
            // `a: Fetch 12`
            let mut words = answer.label.split(' ').skip(1);
            let (Some(api), Some(Ok(version))) = (words.next(), words.next().map(str::parse)) else {
                continue;
            };
            *self
                .requests
                .entry(api.to_owned())
                .or_default()
                .entry(version)
                .or_default() += 1;
            for (path, leaf) in answer.value.leaves() {
                if let (true, Value::Int(code)) = (path.ends_with("rrorCode"), leaf) {
                    *self.errors.entry(api.to_owned()).or_default().entry(*code).or_default() += 1;
                }
            }
        }
    }

    /// How many requests were answered.
    #[must_use]
    pub fn requests(&self) -> usize {
        self.requests.values().flat_map(BTreeMap::values).sum()
    }

    /// How many versions of how many APIs have been met, of those that are offered.
    #[must_use]
    pub fn met(&self, offered: &Offered) -> String {
        let (mut met, mut all) = (0, 0);
        let mut missing = Vec::new();
        for (name, versions) in offered.each() {
            for version in versions.clone() {
                all += 1;
                match self.requests.get(name).is_some_and(|of| of.contains_key(&version)) {
                    true => met += 1,
                    false => missing.push(format!("{name} {version}")),
                }
            }
        }
        let codes: BTreeSet<i64> = self.errors.values().flat_map(|of| of.keys().copied()).collect();
        let pairs: usize = self.errors.values().map(BTreeMap::len).sum();
        let missing = match missing.is_empty() {
            true => String::new(),
            false => format!("not met: {}\n", missing.join(", ")),
        };
        format!(
            "{missing}covered: {met} of {all} versions of {} APIs, {} error codes, {pairs} pairs of an API and a code, {} requests",
            offered.each().count(),
            codes.iter().filter(|code| **code != 0).count(),
            self.requests()
        )
    }
}

impl Display for Coverage {
    /// A line for each API.
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for (api, versions) in &self.requests {
            let versions: Vec<String> = versions
                .iter()
                .map(|(version, times)| format!("{version}×{times}"))
                .collect();
            let errors = self.errors.get(api);
            let errors: Vec<String> = errors
                .into_iter()
                .flatten()
                .map(|(code, times)| format!("{code}×{times}"))
                .collect();
            writeln!(
                f,
                "{api}: versions {}; error codes {}",
                versions.join(" "),
                errors.join(" ")
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::parse_value;
    use crate::transcript::Answer;

    #[test]
    fn what_was_asked_and_what_was_refused_is_counted() {
        let mut coverage = Coverage::default();
        let answer = |label: &str, value: &str| Answer {
            label: label.to_owned(),
            line: 1,
            value: parse_value(value).unwrap(),
        };
        coverage.add(&Transcript {
            title: String::new(),
            answers: vec![
                answer(
                    "a: Fetch 12",
                    "{errorCode: 0, responses: [{partitions: [{errorCode: 3}, {errorCode: 3}]}]}",
                ),
                answer("b: Fetch 4", "<closed>"),
                answer("a: silent", "<silent>"),
            ],
            failure: None,
        });
        assert_eq!(coverage.requests(), 2);
        assert_eq!(coverage.to_string(), "Fetch: versions 4×1 12×1; error codes 0×1 3×2\n");
        let both = Offered::of(&parse_value("{apiKeys: [{apiKey: 1, minVersion: 0, maxVersion: 5}]}").unwrap());
        let met = coverage.met(&both.and(&Offered::all()));
        assert_eq!(
            met,
            "not met: Fetch 5\ncovered: 1 of 2 versions of 1 APIs, 1 error codes, 2 pairs of an API and a code, 2 requests"
        );
    }
}
