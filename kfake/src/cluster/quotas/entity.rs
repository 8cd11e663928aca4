//! Whose quota it is (`ClientQuotaEntity`).

use std::collections::BTreeMap;
use std::fmt;
use std::hash::{Hash, Hasher};

use indexmap::IndexMap;

use crate::hash_order::sized_hash_map_order_by;

/// What an entity can be made of, in the order of Apache Kafka's answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Part {
    ClientId,
    User,
    Ip,
}

impl Part {
    pub fn of(text: &str) -> Option<Self> {
        match text {
            "client-id" => Some(Self::ClientId),
            "user" => Some(Self::User),
            "ip" => Some(Self::Ip),
            _ => None,
        }
    }

    pub fn text(self) -> &'static str {
        match self {
            Self::ClientId => "client-id",
            Self::User => "user",
            Self::Ip => "ip",
        }
    }
}

/// A user, a client, both, or an address. A name that is `None` is that of all who have no quota of their own.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Entity(pub BTreeMap<Part, Option<String>>);

impl Entity {
    /// A user's and a client's, as far as they are there.
    pub fn of(user: Option<Option<&str>>, client: Option<Option<&str>>) -> Self {
        let parts = [(Part::User, user), (Part::ClientId, client)];
        let parts = parts
            .into_iter()
            .filter_map(|(part, name)| Some((part, name?.map(str::to_owned))));
        Self(parts.collect())
    }

    pub fn has(&self, part: Part) -> bool {
        self.0.contains_key(&part)
    }
}

/// An entity as a request names it: what its parts are is still to be found out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Named(pub IndexMap<String, Option<String>>);

// As it is compared: whatever the order of its parts.
impl Hash for Named {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let parts: BTreeMap<_, _> = self.0.iter().collect();
        parts.hash(state);
    }
}

impl Named {
    /// Its parts in the order of Apache Kafka's answers, in which a hash decides.
    pub fn parts(&self) -> Vec<(&str, Option<&str>)> {
        let parts = self.0.iter().map(|(kind, name)| (kind.as_str(), name.as_deref()));
        sized_hash_map_order_by(parts, |(kind, _)| kind)
    }
}

impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = self.parts();
        let parts = parts
            .iter()
            .map(|(kind, name)| format!("{kind}={}", name.unwrap_or("null")));
        write!(
            f,
            "ClientQuotaEntity(entries={{{}}})",
            parts.collect::<Vec<_>>().join(", ")
        )
    }
}
