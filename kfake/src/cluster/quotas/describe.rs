//! Which quotas a filter finds (`ClientQuotaCache.describeClientQuotas`).

use std::collections::BTreeMap;

use kafka_protocol::error::ResponseError;

use super::entity::{Entity, Part};
use super::store::{Limits, Quotas};

/// What a part's name must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Match {
    Exactly(String),
    /// That of all who have no quota of their own.
    Default,
    Any,
}

/// Why a filter finds nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refused(pub ResponseError, pub String);

impl Quotas {
    /// The entities that have what each part of the filter asks for; with `strict`, nothing besides.
    ///
    /// What a part must be may itself be refused, once it is its turn.
    pub fn describe(
        &self,
        filter: Vec<(&str, Result<Match, Refused>)>,
        strict: bool,
    ) -> Result<Vec<(Entity, Limits)>, Refused> {
        let invalid = |why: String| Err(Refused(ResponseError::InvalidRequest, why));
        let mut parts = BTreeMap::new();
        for (kind, wanted) in filter {
            if kind.is_empty() {
                return invalid("Invalid empty entity type.".to_owned());
            }
            let Some(part) = Part::of(kind) else {
                let why = format!("Unsupported entity type {kind}");
                return Err(Refused(ResponseError::UnsupportedVersion, why));
            };
            if parts.contains_key(&part) {
                return invalid(format!(
                    "Entity type {kind} cannot appear more than once in the filter."
                ));
            }
            parts.insert(part, wanted?);
        }
        if parts.contains_key(&Part::Ip) && parts.len() > 1 {
            return invalid("Invalid entity filter component combination. IP filter component should not be used with user or clientId filter component.".to_owned());
        }
        let fits = |entity: &Entity| {
            let has = |(part, wanted): (&Part, &Match)| match (entity.0.get(part), wanted) {
                (None, _) => false,
                (Some(_), Match::Any) => true,
                (Some(name), Match::Default) => name.is_none(),
                (Some(name), Match::Exactly(wanted)) => name.as_ref() == Some(wanted),
            };
            parts.iter().all(has) && (!strict || entity.0.len() == parts.len())
        };
        Ok(self.all().into_iter().filter(|(entity, _)| fits(entity)).collect())
    }
}
