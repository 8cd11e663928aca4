//! Which versions of which API the brokers offer.

use std::collections::BTreeMap;

use kafka_protocol::messages::ApiKey;
use kafka_protocol::protocol::VersionRange;
use thiserror::Error;

use super::Api;

/// A highest version that cannot be taken.
#[derive(Debug, Error, Clone, Copy, PartialEq, Eq)]
pub enum VersionError {
    /// kfake does not have this API.
    #[error("API key {0} is not one that kfake has")]
    UnknownApi(i16),
    /// kfake has the API, not this version of it.
    #[error("version {version} of API key {key} is not one that kfake has: {min} to {max}")]
    UnknownVersion {
        /// The API key.
        key: i16,
        /// The version asked for.
        version: i16,
        /// The lowest version that there is.
        min: i16,
        /// The highest version that there is.
        max: i16,
    },
}

/// The highest version of each API, where it is not the highest there is.
#[derive(Debug, Clone, Default)]
pub(crate) struct VersionLimits {
    highest: BTreeMap<i16, i16>,
}

impl VersionLimits {
    pub fn new(highest: &BTreeMap<i16, i16>) -> Result<Self, VersionError> {
        for (&key, &version) in highest {
            let api = super::all()
                .find(|api| api.key as i16 == key)
                .ok_or(VersionError::UnknownApi(key))?;
            let VersionRange { min, max } = api.versions;
            if !(min..=max).contains(&version) {
                return Err(VersionError::UnknownVersion { key, version, min, max });
            }
        }
        Ok(Self {
            highest: highest.clone(),
        })
    }

    /// The versions of an API that are offered.
    pub fn of(&self, api: &Api) -> VersionRange {
        VersionRange {
            min: api.versions.min,
            max: self.highest.get(&(api.key as i16)).copied().unwrap_or(api.versions.max),
        }
    }

    /// The API of a key and what is offered of it.
    pub fn find(&self, key: i16) -> Option<(Api, VersionRange)> {
        let key = ApiKey::try_from(key).ok()?;
        let api = super::all().find(|api| api.key == key)?;
        Some((api, self.of(&api)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_highest_version_limits_its_api_alone() {
        let limits = VersionLimits::new(&BTreeMap::from([(3, 9)])).unwrap();
        assert_eq!(limits.find(3).unwrap().1, VersionRange { min: 0, max: 9 });
        assert_eq!(limits.find(18).unwrap().1, VersionRange { min: 0, max: 4 });
    }

    #[test]
    fn a_version_that_does_not_exist_is_refused() {
        let unknown = VersionLimits::new(&BTreeMap::from([(3, 99)])).unwrap_err();
        assert_eq!(
            unknown,
            VersionError::UnknownVersion {
                key: 3,
                version: 99,
                min: 0,
                max: 13
            }
        );
        assert_eq!(
            VersionLimits::new(&BTreeMap::from([(999, 1)])).unwrap_err(),
            VersionError::UnknownApi(999)
        );
    }
}
