//! The levels of features while the cluster runs (KIP-584): the controller's checks, in its words (`FeatureControlManager`).

use std::collections::BTreeMap;

use indexmap::IndexMap;

use super::releases::Feature;
use super::topics::BrokerId;
use crate::hash_order::hash_map_order_by;

/// The metadata log's own format.
const METADATA_VERSION: &str = "metadata.version";

/// Its lowest level's name.
const LOWEST_METADATA: &str = "3.3-IV3";

/// Which way a level may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Upgrade {
    Up,
    /// Down where nothing is lost by it.
    SafelyDown,
    Down,
}

impl Upgrade {
    /// `FeatureUpdate.UpgradeType`.
    pub fn of(code: i8) -> Option<Self> {
        match code {
            1 => Some(Self::Up),
            2 => Some(Self::SafelyDown),
            3 => Some(Self::Down),
            _ => None,
        }
    }
}

/// One feature's new level.
#[derive(Debug)]
pub(crate) struct Update<'a> {
    pub feature: &'a str,
    pub level: i16,
    /// `None`: there is no such way.
    pub upgrade: Option<Upgrade>,
}

/// What features were changed to.
#[derive(Debug, Default)]
pub(crate) struct Features {
    levels: BTreeMap<&'static str, i16>,
    changes: i64,
}

impl Features {
    /// A feature's level now.
    pub fn level(&self, feature: &Feature) -> i16 {
        self.levels.get(feature.name).copied().unwrap_or(feature.finalized)
    }

    /// How often levels were changed.
    pub fn changes(&self) -> i64 {
        self.changes
    }

    /// Changes all of them, or none: the error is that of the first that cannot be.
    pub fn update(
        &mut self,
        known: &'static [Feature],
        controller: BrokerId,
        updates: &[Update<'_>],
        validate_only: bool,
    ) -> Result<(), String> {
        let mut levels = self.levels.clone();
        // They are in a map by then: the last of those for one feature counts.
        let last: IndexMap<&str, &Update<'_>> = updates.iter().map(|update| (update.feature, update)).collect();
        for update in hash_map_order_by(last.values().copied(), |update| update.feature) {
            let name = self.check(known, controller, update)?;
            let metadata = known.iter().find(|known| known.name == METADATA_VERSION);
            let wanted = last.get(METADATA_VERSION).map(|update| update.level);
            // `Feature.validateVersion`, against what all would be.
            if let Some(metadata) = metadata.filter(|_| name != METADATA_VERSION && update.level > 0)
                && wanted.unwrap_or(self.level(metadata)) < metadata.min
            {
                return Err(format!(
                    "Invalid update version {0} for feature {name}. {name} could not be set to {0} because it depends on {METADATA_VERSION}={1} ({LOWEST_METADATA})",
                    update.level, metadata.min
                ));
            }
            levels.insert(name, update.level);
        }
        if !validate_only && levels != self.levels {
            self.levels = levels;
            self.changes += 1;
        }
        Ok(())
    }

    fn check(
        &self,
        known: &'static [Feature],
        controller: BrokerId,
        update: &Update<'_>,
    ) -> Result<&'static str, String> {
        let Update { feature, level, .. } = *update;
        let invalid = |why: String| Err(format!("Invalid update version {level} for feature {feature}. {why}"));
        let Some(upgrade) = update.upgrade else {
            return invalid("The controller does not support the given upgrade type.".to_owned());
        };
        if level < 0 {
            return invalid("A feature version cannot be less than 0.".to_owned());
        }
        let Some(known) = known.iter().find(|known| known.name == feature) else {
            // At level 0 every feature is supported, before it is looked for.
            if level == 0 {
                return invalid(format!("Feature {feature} not found."));
            }
            return invalid(format!("Local controller {controller} does not support this feature."));
        };
        if !(known.min..=known.max).contains(&level) {
            return invalid(format!(
                "Local controller {controller} only supports versions {}-{}",
                known.min, known.max
            ));
        }
        let now = self.level(known);
        if level < now {
            if upgrade == Upgrade::Up {
                return invalid("Can't downgrade the version of this feature without setting the upgrade type to either safe or unsafe downgrade.".to_owned());
            }
            if feature == METADATA_VERSION {
                let refused = match upgrade {
                    Upgrade::Down => "Unsafe metadata downgrade is not supported in this version.",
                    _ => "Refusing to perform the requested downgrade because it might delete metadata information.",
                };
                return Err(format!(
                    "Unsupported metadata.version downgrade from {now} to {level}. {refused}"
                ));
            }
        } else if level > now && upgrade != Upgrade::Up {
            return invalid("Can't downgrade to a newer version.".to_owned());
        }
        Ok(known.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: &[Feature] = &[Feature {
        name: "group.version",
        min: 0,
        max: 2,
        finalized: 1,
    }];

    fn update(features: &mut Features, level: i16, upgrade: Upgrade) -> Result<(), String> {
        let update = Update {
            feature: "group.version",
            level,
            upgrade: Some(upgrade),
        };
        features.update(KNOWN, BrokerId(1), &[update], false)
    }

    #[test]
    fn a_level_goes_the_way_that_is_said() {
        let mut features = Features::default();
        assert!(update(&mut features, 0, Upgrade::Up).is_err());
        assert!(update(&mut features, 2, Upgrade::SafelyDown).is_err());
        assert_eq!(update(&mut features, 0, Upgrade::SafelyDown), Ok(()));
        assert_eq!((features.level(&KNOWN[0]), features.changes()), (0, 1));
        assert_eq!(update(&mut features, 2, Upgrade::Up), Ok(()));
        assert_eq!((features.level(&KNOWN[0]), features.changes()), (2, 2));
    }

    #[test]
    fn one_that_cannot_be_keeps_all_as_they_are() {
        let mut features = Features::default();
        let to = |feature, level| Update {
            feature,
            level,
            upgrade: Some(Upgrade::Up),
        };
        let updates = [to("group.version", 2), to("no.such", 1)];
        assert!(features.update(KNOWN, BrokerId(1), &updates, false).is_err());
        assert_eq!((features.level(&KNOWN[0]), features.changes()), (1, 0));
    }
}
