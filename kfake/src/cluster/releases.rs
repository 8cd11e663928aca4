//! What the brokers of each release of Apache Kafka offer: `releases.txt`, which `cargo xtask releases` writes.

use std::collections::BTreeMap;

use once_cell::sync::Lazy;
use thiserror::Error;

use crate::lines::{Lines, text};

const TABLE: &str = include_str!("releases.txt");

static RELEASES: Lazy<Lines<Option<Number>, Release>> = Lazy::new(|| Lines::new(text!(TABLE), number, read));

/// The numbers of a name: 0 and 11.
type Number = (u8, u8);

/// A release that kfake does not know.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
#[error("no release of Apache Kafka is known as {name}; known are: {}", known())]
pub struct UnknownRelease {
    /// The name given.
    pub name: String,
}

/// A release of Apache Kafka, as its brokers show it.
#[derive(Debug)]
pub(crate) struct Release {
    /// As `--as-version` takes it: `3.9`.
    pub name: &'static str,
    /// The lowest and the highest version of each API, by its key.
    apis: BTreeMap<i16, (i16, i16)>,
    pub features: Vec<Feature>,
}

/// A feature of the cluster's metadata (KIP-584).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Feature {
    pub name: &'static str,
    pub min: i16,
    pub max: i16,
    /// The level of a newly formatted cluster; 0: it is not in use.
    pub finalized: i16,
}

impl Release {
    /// The newest release.
    pub fn newest() -> &'static Self {
        let newest = RELEASES.keys().next_back();
        let newest = newest.and_then(|newest| RELEASES.get(|number| number.cmp(&newest)));
        newest.expect("releases.txt has a line")
    }

    /// Every release, the oldest first.
    pub fn all() -> impl Iterator<Item = &'static Self> {
        RELEASES.rows()
    }

    /// The versions of each API, by its key.
    #[cfg(test)]
    pub fn apis(&self) -> impl Iterator<Item = (i16, (i16, i16))> {
        self.apis.iter().map(|(key, versions)| (*key, *versions))
    }

    /// The release of a name, which may have a patch number: 2.8.2 is as 2.8.
    pub fn named(name: &str) -> Result<&'static Self, UnknownRelease> {
        let is_it = |release: &&Self| {
            let patch = name.strip_prefix(release.name);
            patch.is_some_and(|patch| patch.is_empty() || patch.strip_prefix('.').is_some_and(is_patch))
        };
        let unknown = || UnknownRelease { name: name.to_owned() };
        let near = number(name).and_then(|wanted| RELEASES.get(|number| number.cmp(&Some(wanted))));
        near.filter(is_it).ok_or_else(unknown)
    }
}

/// `1`, or `0.3` as in 0.11.0.3.
fn is_patch(text: &str) -> bool {
    text.split('.')
        .all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()))
}

fn known() -> String {
    Release::all()
        .map(|release| release.name)
        .collect::<Vec<_>>()
        .join(", ")
}

/// What a line, or a release's name, begins with.
fn number(text: &str) -> Option<Number> {
    let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
    let (major, rest) = text.split_once('.')?;
    Some((major.parse().ok()?, rest[..digits(rest)].parse().ok()?))
}

/// A line: `NAME | KEY:MIN-MAX … | NAME:MIN-MAX:FINALIZED …`.
fn read(line: &'static str) -> Option<Release> {
    let mut columns = line.split('|').map(str::trim);
    let name = columns.next().filter(|name| !name.starts_with('#'))?;
    let apis = columns.next()?.split_whitespace().filter_map(|word| {
        let (key, versions) = word.split_once(':')?;
        Some((key.parse().ok()?, range(versions)?))
    });
    let features = columns.next()?.split_whitespace().filter_map(|word| {
        let (name, levels) = word.split_once(':')?;
        let (supported, finalized) = levels.split_once(':')?;
        let (min, max) = range(supported)?;
        Some(Feature {
            name,
            min,
            max,
            finalized: finalized.parse().ok()?,
        })
    });
    Some(Release {
        name,
        apis: apis.collect(),
        features: features.collect(),
    })
}

fn range(text: &str) -> Option<(i16, i16)> {
    let (min, max) = text.split_once('-')?;
    Some((min.parse().ok()?, max.parse().ok()?))
}

/// What the brokers were told to offer, at most.
#[derive(Debug)]
pub(crate) struct Offered {
    pub release: &'static Release,
    /// The highest version of an API, where one was given.
    highest: BTreeMap<i16, i16>,
}

impl Default for Offered {
    /// Everything that the newest release has.
    fn default() -> Self {
        Self::new(Release::newest(), BTreeMap::new())
    }
}

impl Offered {
    pub fn new(release: &'static Release, highest: BTreeMap<i16, i16>) -> Self {
        Self { release, highest }
    }

    /// Of these versions of an API, the lowest and the highest that may be offered; none if it may not be at all.
    pub fn of(&self, key: i16, (min, max): (i16, i16)) -> Option<(i16, i16)> {
        let (first, last) = self.release.apis.get(&key)?;
        let given = self.highest.get(&key).copied().unwrap_or(i16::MAX);
        let (min, max) = (min.max(*first), max.min(*last).min(given));
        (min <= max).then_some((min, max))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_the_table_is_read_whole() {
        let lines = || TABLE.lines().filter(|line| !line.starts_with('#'));
        assert_eq!(Release::all().count(), lines().count());
        assert!(RELEASES.keys().is_sorted(), "a search needs them in order");
        for (line, release) in lines().zip(Release::all()) {
            let words = |column| {
                line.split('|')
                    .nth(column)
                    .map_or(0, |c: &str| c.split_whitespace().count())
            };
            assert_eq!(
                (words(1), words(2)),
                (release.apis.len(), release.features.len()),
                "{line}"
            );
            assert!(release.apis.len() > 30, "{line}");
        }
        let names: Vec<_> = Release::all().map(|release| release.name).collect();
        assert_eq!((names[0], names.len() > 25), ("0.11", true));
        assert_eq!(names.last(), Some(&Release::newest().name));
    }

    #[test]
    fn a_release_is_known_by_its_name_with_and_without_a_patch_number() {
        for (name, known) in [
            ("0.11", "0.11"),
            ("0.11.0.3", "0.11"),
            ("2.8.2", "2.8"),
            ("3.9", "3.9"),
            ("4.0.1", "4.0"),
        ] {
            assert_eq!(Release::named(name).unwrap().name, known);
        }
        for name in [
            "", "4", "3.90", "3.9.", "3.9.x", "3.09", "+3.9", "300.9", "x", "0.10.2", "5.0", "3.9-rc1",
        ] {
            let error = Release::named(name).unwrap_err().to_string();
            assert!(
                error.ends_with("4.2, 4.3, 4.4") && error.contains("0.11, 1.0, 1.1"),
                "{error}"
            );
        }
    }

    #[test]
    fn what_is_offered_is_what_all_have() {
        let fetch = (4, 18);
        let offered = |name, highest: &[(i16, i16)]| {
            Offered::new(Release::named(name).unwrap(), highest.iter().copied().collect()).of(1, fetch)
        };
        assert_eq!(offered("4.4", &[]), Some((4, 18)));
        assert_eq!(offered("0.11", &[]), Some((4, 5)));
        assert_eq!(offered("4.4", &[(1, 11), (2, 3)]), Some((4, 11)));
        assert_eq!(offered("0.11", &[(1, 11)]), Some((4, 5)));
        // Nothing that is left, and nothing that the release has.
        assert_eq!(offered("0.11", &[(1, 3)]), None);
        assert_eq!(
            Offered::new(Release::named("1.1").unwrap(), BTreeMap::new()).of(42, (0, 3)),
            Some((0, 0))
        );
        assert_eq!(
            Offered::new(Release::named("1.0").unwrap(), BTreeMap::new()).of(42, (0, 3)),
            None
        );
    }
}
