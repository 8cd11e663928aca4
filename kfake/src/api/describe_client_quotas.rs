//! DescribeClientQuotas (key 48), versions 0–1. What users, clients and addresses may use (KIP-546).
//!
//! - 1: flexible.

use crate::messages::describe_client_quotas_request::ComponentData;
use crate::messages::describe_client_quotas_response::{EntityData, EntryData, ValueData};
use crate::messages::{DescribeClientQuotasRequest, DescribeClientQuotasResponse};
use kafka_protocol::error::ResponseError;
use kafka_protocol::protocol::StrBytes;

use super::dispatch::Refusal;
use super::said::said;
use crate::api::context::Context;
use crate::cluster::quotas::describe::{Match, Refused};
use crate::cluster::quotas::entity::Entity;
use crate::cluster::quotas::store::Limits;

/// `DescribeClientQuotasRequest.MATCH_TYPE_…`.
const EXACT: i8 = 0;
const DEFAULT: i8 = 1;
const SPECIFIED: i8 = 2;

pub(super) async fn handle(
    context: &Context,
    _version: i16,
    request: DescribeClientQuotasRequest,
) -> Result<DescribeClientQuotasResponse, Refusal> {
    let filter = request.components.iter();
    let filter = filter.map(|component| (&*component.entity_type, wanted(component)));
    let found = context.shared.quotas.describe(filter.collect(), request.strict);
    Ok(match found {
        Err(Refused(error, why)) => said(
            DescribeClientQuotasResponse::default()
                .with_error_code(error.code())
                .with_error_message(Some(StrBytes::from_string(why)))
                .with_entries(None),
        ),
        Ok(found) => DescribeClientQuotasResponse::default()
            .with_error_message(Some(StrBytes::default()))
            .with_entries(Some(found.into_iter().map(entry).collect())),
    })
}

fn wanted(component: &ComponentData) -> Result<Match, Refused> {
    let invalid = |why: String| Err(Refused(ResponseError::InvalidRequest, why));
    let also = |name: &str| format!("Request specified MATCH_TYPE_{name}, but also specified a match string.");
    match (component.match_type, component._match.as_deref()) {
        (EXACT, Some(name)) => Ok(Match::Exactly(name.to_owned())),
        (EXACT, None) => invalid("Request specified MATCH_TYPE_EXACT, but set match string to null.".to_owned()),
        (DEFAULT, None) => Ok(Match::Default),
        (DEFAULT, Some(_)) => invalid(also("DEFAULT")),
        (SPECIFIED, None) => Ok(Match::Any),
        (SPECIFIED, Some(_)) => invalid(also("SPECIFIED")),
        (unknown, _) => invalid(format!("Unknown match type {unknown}")),
    }
}

fn entry((entity, limits): (Entity, Limits)) -> EntryData {
    let parts = entity.0.into_iter().map(|(part, name)| {
        EntityData::default()
            .with_entity_type(StrBytes::from_static_str(part.text()))
            .with_entity_name(name.map(StrBytes::from_string))
    });
    let values = limits.into_iter().map(|(key, value)| {
        ValueData::default()
            .with_key(StrBytes::from_string(key))
            .with_value(value)
    });
    EntryData::default()
        .with_entity(parts.collect())
        .with_values(values.collect())
}
