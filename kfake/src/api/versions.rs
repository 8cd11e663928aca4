//! Which versions of which API the brokers offer.

use std::collections::BTreeMap;

use kafka_protocol::protocol::VersionRange;
use thiserror::Error;

use super::Api;
use crate::cluster::releases::Offered;

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

/// Checks that each highest version is one that its API has.
pub(crate) fn check(highest: &BTreeMap<i16, i16>) -> Result<(), VersionError> {
    for (&key, &version) in highest {
        let api = super::all()
            .find(|api| api.key as i16 == key)
            .ok_or(VersionError::UnknownApi(key))?;
        let VersionRange { min, max } = api.versions;
        if !(min..=max).contains(&version) {
            return Err(VersionError::UnknownVersion { key, version, min, max });
        }
    }
    Ok(())
}

/// The versions of an API that are offered; none if it is not.
pub(super) fn of(api: &Api, offered: &Offered) -> Option<VersionRange> {
    let VersionRange { min, max } = api.versions;
    let (min, max) = offered.of(api.key as i16, (min, max))?;
    Some(VersionRange { min, max })
}

/// The API of a key and what is offered of it.
pub(super) fn find(key: i16, offered: &Offered) -> Option<(&'static Api, VersionRange)> {
    let at = super::TABLE.binary_search_by_key(&key, |api| api.key as i16).ok()?;
    let api = &super::TABLE[at];
    Some((api, of(api, offered)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::releases::Release;

    #[test]
    fn a_highest_version_limits_its_api_alone() {
        let highest = BTreeMap::from([(3, 9)]);
        assert_eq!(check(&highest), Ok(()));
        let offered = Offered::new(Release::newest(), highest);
        assert_eq!(find(3, &offered).unwrap().1, VersionRange { min: 0, max: 9 });
        assert_eq!(find(18, &offered).unwrap().1, VersionRange { min: 0, max: 5 });
    }

    #[test]
    fn an_api_that_a_release_does_not_have_is_not_found() {
        let offered = |name| Offered::new(Release::named(name).unwrap(), BTreeMap::new());
        assert!(find(47, &offered("2.3")).is_none());
        assert_eq!(find(47, &offered("2.4")).unwrap().1, VersionRange { min: 0, max: 0 });
    }

    #[test]
    fn every_api_is_found_by_its_key() {
        let offered = Offered::default();
        for key in -1..200 {
            let expected = crate::api::all().find(|api| api.key as i16 == key);
            let expected = expected.filter(|api| of(api, &offered).is_some());
            let found = find(key, &offered).map(|(api, _)| api.key);
            assert_eq!(found, expected.map(|api| api.key), "{key}");
        }
    }

    #[test]
    fn a_version_that_does_not_exist_is_refused() {
        let unknown = VersionError::UnknownVersion {
            key: 3,
            version: 99,
            min: 0,
            max: 13,
        };
        assert_eq!(check(&BTreeMap::from([(3, 99)])), Err(unknown));
        assert_eq!(check(&BTreeMap::from([(999, 1)])), Err(VersionError::UnknownApi(999)));
    }
}
