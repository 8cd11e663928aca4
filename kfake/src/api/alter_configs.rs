//! AlterConfigs (key 33), versions 0–2. Replaces everything that a resource was set to.
//!
//! - 1: throttle time. 2: flexible.

use crate::messages::alter_configs_response::AlterConfigsResourceResponse;
use crate::messages::{AlterConfigsRequest, AlterConfigsResponse};

use super::dispatch::Refusal;
use super::said::said;
use crate::api::context::Context;
use crate::cluster::configs::alter::{Alteration, Change, Mode, Operation, alter};
use crate::cluster::configs::error::told;

pub(super) async fn handle(
    context: &Context,
    _version: i16,
    request: AlterConfigsRequest,
) -> Result<AlterConfigsResponse, Refusal> {
    let all = request.resources.iter().map(|resource| Alteration {
        kind: resource.resource_type,
        name: &resource.resource_name,
        changes: resource
            .configs
            .iter()
            .map(|config| Change {
                name: &config.name,
                operation: Operation::Set,
                value: config.value.as_deref(),
            })
            .collect(),
    });
    let all: Vec<_> = all.collect();
    let answers = alter(
        &context.groups,
        context.broker,
        &all,
        Mode::Replace,
        request.validate_only,
    );
    let responses = request.resources.iter().zip(answers).map(|(resource, answer)| {
        let response = AlterConfigsResourceResponse::default()
            .with_resource_type(resource.resource_type)
            .with_resource_name(resource.resource_name.clone());
        let (code, message) = told(answer);
        response.with_error_code(code).with_error_message(message)
    });
    Ok(said(
        AlterConfigsResponse::default().with_responses(responses.collect()),
    ))
}
