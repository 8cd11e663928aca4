//! The versions that two clusters both have.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use fastrand::Rng;

use crate::schema::{self, Api};
use crate::tree::Value;

/// The versions of each API that may be asked for.
#[derive(Debug, Clone, Default)]
pub struct Offered(BTreeMap<String, RangeInclusive<i16>>);

impl Offered {
    /// Every version that has a definition.
    #[must_use]
    pub fn all() -> Self {
        Self(
            schema::all()
                .map(|api| (api.name.clone(), api.request.versions.clone()))
                .collect(),
        )
    }

    /// What an answer to ApiVersions offers, as far as it has a definition.
    #[must_use]
    pub fn of(answer: &Value) -> Self {
        let mut offered = BTreeMap::new();
        let Some(Value::List(rows)) = answer.at("apiKeys") else {
            return Self(offered);
        };
        for row in rows {
            let number = |name: &str| match row.field(name) {
                Some(Value::Int(n)) => i16::try_from(*n).ok(),
                _ => None,
            };
            let (Some(key), Some(first), Some(last)) = (number("apiKey"), number("minVersion"), number("maxVersion"))
            else {
                continue;
            };
            if let Some(api) = schema::by_key(key) {
                let known = &api.request.versions;
                let both = first.max(*known.start())..=last.min(*known.end());
                offered.insert(api.name.clone(), both);
            }
        }
        Self(offered)
    }

    /// What both have.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        let both = self.0.iter().filter_map(|(name, versions)| {
            let others = other.0.get(name)?;
            let both = *versions.start().max(others.start())..=*versions.end().min(others.end());
            (!both.is_empty()).then(|| (name.clone(), both))
        });
        Self(both.collect())
    }

    /// An API that is offered, and one of its versions.
    pub(super) fn version(&self, rng: &mut Rng, name: &str) -> Option<(&'static Api, i16)> {
        let api = schema::by_name(name)?;
        let versions = self.0.get(name)?;
        // The first and the last have most that is their own.
        let version = match rng.u8(0..6) {
            0 => *versions.start(),
            1 => *versions.end(),
            _ => rng.i16(versions.clone()),
        };
        Some((api, version))
    }

    /// Each API and its versions.
    pub fn each(&self) -> impl Iterator<Item = (&str, &RangeInclusive<i16>)> {
        self.0.iter().map(|(name, versions)| (name.as_str(), versions))
    }
}
