//! How quotas are changed: the controller's checks, in its order and its words (`ClientQuotaControlManager`).

use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::IpAddr;

use super::entity::{Entity, Named, Part};
use super::store::Quotas;
use crate::cluster::configs::table::{self, Definition, Kind, Type};
use crate::hash_order::sized_hash_map_order_by;

/// How far a number may be from a whole one.
const EPSILON: f64 = 1e-6;

/// One change: a new value, or none any more.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Change {
    pub key: String,
    pub value: Option<f64>,
}

impl Quotas {
    /// Changes an entity after the other, or only says what would come of it. An entity that comes twice is answered once.
    pub fn alter(&self, all: &[(Named, Vec<Change>)], validate_only: bool) -> Vec<(Named, Result<(), String>)> {
        let mut answers: Vec<(Named, Result<(), String>)> = Vec::new();
        // A request may have a million of either.
        let mut places: HashMap<&Named, usize> = HashMap::new();
        for (entity, changes) in all {
            let known = places.get(entity).copied();
            places.entry(entity).or_insert(answers.len());
            let mut keys = HashSet::new();
            let twice = changes.iter().any(|change| !keys.insert(&change.key));
            if known.is_some() || twice {
                let answer = Err(format!("Ignoring duplicate entity {entity}"));
                match known {
                    Some(known) => answers[known].1 = answer,
                    None => answers.push((entity.clone(), answer)),
                }
                continue;
            }
            let answer = self.alter_one(entity, changes, validate_only);
            answers.push((entity.clone(), answer));
        }
        answers
    }

    fn alter_one(&self, named: &Named, changes: &[Change], validate_only: bool) -> Result<(), String> {
        let entity = entity(named)?;
        let kind = kind(&entity)?;
        // The controller is handed them in a map.
        for change in sized_hash_map_order_by(changes.iter(), |change| change.key.as_str()) {
            if let Some(value) = change.value {
                check(kind, &change.key, value)?;
            }
        }
        if !validate_only {
            self.set(&entity, changes);
        }
        Ok(())
    }
}

fn entity(named: &Named) -> Result<Entity, String> {
    if named.0.is_empty() {
        return Err("Invalid empty client quota entity".to_owned());
    }
    let mut parts = BTreeMap::new();
    for (kind, name) in named.parts() {
        let part = Part::of(kind).ok_or_else(|| format!("Unhandled client quota entity type: {kind}"))?;
        if name == Some("") {
            return Err(format!("Empty {kind} not supported"));
        }
        parts.insert(part, name.map(str::to_owned));
    }
    Ok(Entity(parts))
}

/// Which quotas an entity can have.
fn kind(entity: &Entity) -> Result<Kind, String> {
    let Some(address) = entity.0.get(&Part::Ip) else {
        return Ok(Kind::Quota);
    };
    if entity.0.len() > 1 {
        return Err(
            "Invalid quota entity combination, IP entity shouldnot be combined with User or ClientId".to_owned(),
        );
    }
    match address {
        // Apache Kafka looks other names up; here no name but this machine's is known.
        Some(address) if address.parse::<IpAddr>().is_err() && address != "localhost" => {
            Err(format!("{address} is not a valid IP or resolvable host."))
        }
        _ => Ok(Kind::IpQuota),
    }
}

fn check(kind: Kind, key: &str, value: f64) -> Result<(), String> {
    let definition = table::find(kind, key).ok_or_else(|| format!("Invalid configuration key {key}"))?;
    if value.is_nan() || value <= 0.0 {
        return Err(format!("Quota {key} must be greater than 0"));
    }
    whole(definition, value)
}

fn whole(definition: &Definition, value: f64) -> Result<(), String> {
    let key = definition.name;
    let (most, name) = match definition.of {
        Type::Int | Type::Short => (f64::from(i32::MAX), "an INT"),
        Type::Long => (i64::MAX as f64, "a LONG"),
        _ => return Ok(()),
    };
    if value > most {
        return Err(format!("Proposed value for {key} is too large for {name}."));
    }
    match ((value + EPSILON).trunc() - value).abs() > EPSILON {
        true => Err(format!("{key} cannot be a fractional value.")),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(parts: &[(&str, &str)]) -> Named {
        Named(
            parts
                .iter()
                .map(|(k, n)| ((*k).to_owned(), Some((*n).to_owned())))
                .collect(),
        )
    }

    fn said(parts: &[(&str, &str)], key: &str, value: f64) -> Option<String> {
        let change = Change {
            key: key.to_owned(),
            value: Some(value),
        };
        let answers = Quotas::default().alter(&[(named(parts), vec![change])], false);
        answers.into_iter().next()?.1.err()
    }

    #[test]
    fn a_number_of_bytes_is_whole_and_more_than_none() {
        assert_eq!(said(&[("user", "u")], "producer_byte_rate", 1.0), None);
        assert!(
            said(&[("user", "u")], "producer_byte_rate", 1.5)
                .unwrap()
                .contains("fractional")
        );
        assert!(
            said(&[("user", "u")], "producer_byte_rate", f64::NAN)
                .unwrap()
                .contains("greater than 0")
        );
        assert!(
            said(&[("user", "u")], "producer_byte_rate", 1e19)
                .unwrap()
                .contains("too large for a LONG")
        );
        assert_eq!(said(&[("user", "u")], "request_percentage", 0.5), None);
    }

    #[test]
    fn an_entity_that_comes_twice_is_changed_by_its_first_and_refused() {
        let quotas = Quotas::default();
        let change = |value| {
            vec![Change {
                key: "producer_byte_rate".to_owned(),
                value: Some(value),
            }]
        };
        let user = named(&[("user", "u")]);
        let answers = quotas.alter(&[(user.clone(), change(1.0)), (user, change(2.0))], false);
        assert_eq!(answers.len(), 1);
        assert_eq!(
            answers[0].1,
            Err("Ignoring duplicate entity ClientQuotaEntity(entries={user=u})".to_owned())
        );
        let entity = Entity::of(Some(Some("u")), None);
        assert_eq!(quotas.of(&entity).unwrap()["producer_byte_rate"], 1.0);
    }
}
