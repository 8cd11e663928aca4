//! AlterClientQuotas (key 49), versions 0–1. Sets and removes what users, clients and addresses may use (KIP-546).
//!
//! - 1: flexible.

use crate::messages::alter_client_quotas_response::{EntityData, EntryData};
use crate::messages::{AlterClientQuotasRequest, AlterClientQuotasResponse};
use kafka_protocol::error::ResponseError;
use kafka_protocol::protocol::StrBytes;

use super::dispatch::Refusal;
use super::said::said;
use crate::api::context::Context;
use crate::cluster::quotas::alter::Change;
use crate::cluster::quotas::entity::Named;

pub(super) async fn handle(
    context: &Context,
    _version: i16,
    request: AlterClientQuotasRequest,
) -> Result<AlterClientQuotasResponse, Refusal> {
    let all = request.entries.iter().map(|entry| {
        let parts = entry.entity.iter();
        let parts = parts.map(|part| {
            (
                part.entity_type.to_string(),
                part.entity_name.as_ref().map(ToString::to_string),
            )
        });
        let changes = entry.ops.iter().map(|op| Change {
            key: op.key.to_string(),
            value: (!op.remove).then_some(op.value),
        });
        (Named(parts.collect()), changes.collect())
    });
    let all: Vec<_> = all.collect();
    let answers = context.shared.quotas.alter(&all, request.validate_only);
    let entries = answers.into_iter().map(|(entity, answer)| {
        let parts = entity.parts().into_iter().map(|(kind, name)| {
            EntityData::default()
                .with_entity_type(StrBytes::from_string(kind.to_owned()))
                .with_entity_name(name.map(|name| StrBytes::from_string(name.to_owned())))
        });
        let entry = EntryData::default().with_entity(parts.collect());
        match answer {
            Ok(()) => entry.with_error_message(None),
            Err(why) => entry
                .with_error_code(ResponseError::InvalidRequest.code())
                .with_error_message(Some(StrBytes::from_string(why))),
        }
    });
    Ok(said(
        AlterClientQuotasResponse::default().with_entries(entries.collect()),
    ))
}
