//! DescribeConfigs (key 32), versions 1–4. What topics, brokers, groups, subscriptions and loggers are set to.
//!
//! - 1: where a value comes from, and its synonyms (KIP-226). 2: no change.
//! - 3: types and documentation (KIP-569). 4: flexible.

use crate::messages::describe_configs_request::DescribeConfigsResource;
use crate::messages::describe_configs_response::{
    DescribeConfigsResourceResult, DescribeConfigsResult, DescribeConfigsSynonym,
};
use crate::messages::{DescribeConfigsRequest, DescribeConfigsResponse};
use kafka_protocol::error::ResponseError;
use kafka_protocol::protocol::StrBytes;

use super::budget::Budget;
use super::dispatch::Refusal;
use super::said::said;
use crate::api::context::Context;
use crate::cluster::configs::alter::resource;
use crate::cluster::configs::describe::{Row, Source, Synonym};
use crate::cluster::configs::table;
use crate::cluster::topics::{BrokerId, check_name};

/// What Apache Kafka says where it has no words of its own for INVALID_REQUEST.
const MALFORMED: &str = "This most likely occurs because of a request being malformed by the client library or the message was sent to an incompatible broker. See the broker logs for more details.";

/// The types of the resources that can be described.
const TYPES: &[i8] = &[
    resource::TOPIC,
    resource::BROKER,
    resource::BROKER_LOGGER,
    resource::CLIENT_METRICS,
    resource::GROUP,
];

/// Why a resource is not described, with Apache Kafka's words.
struct Failure(ResponseError, String);

impl Failure {
    fn invalid(why: impl Into<String>) -> Self {
        Self(ResponseError::InvalidRequest, why.into())
    }
}

pub(super) async fn handle(
    context: &Context,
    _version: i16,
    request: DescribeConfigsRequest,
) -> Result<DescribeConfigsResponse, Refusal> {
    // `ConfigHelper.handleDescribeConfigsRequest` throws for a resource of another type, before any is looked at.
    let malformed = request.resources.iter().any(|of| !TYPES.contains(&of.resource_type));
    let rows = |resource| match malformed {
        true => Err(Failure::invalid(MALFORMED)),
        false => rows(context, resource),
    };
    let results = request.resources.iter().map(|resource| {
        let result = DescribeConfigsResult::default()
            .with_resource_type(resource.resource_type)
            .with_resource_name(resource.resource_name.clone())
            .with_error_message(Some(StrBytes::default()));
        match rows(resource) {
            Err(Failure(error, message)) => result
                .with_error_code(error.code())
                .with_error_message(Some(StrBytes::from_string(message))),
            Ok(rows) => {
                let keys = resource.configuration_keys.as_deref().unwrap_or_default();
                let wanted = rows
                    .into_iter()
                    .filter(|row| keys.is_empty() || keys.iter().any(|key| **key == *row.name));
                let shown = wanted.map(|row| shown(row, request.include_synonyms, request.include_documentation));
                result.with_configs(shown.collect())
            }
        }
    });
    let results = Budget::of_a_frame().collect(results, size_of_result)?;
    Ok(said(DescribeConfigsResponse::default().with_results(results)))
}

/// The room that it takes, here and in the frame.
fn size_of_result(result: &DescribeConfigsResult) -> usize {
    let text = |text: &Option<StrBytes>| text.as_ref().map_or(0, |text| text.len());
    let synonym = |synonym: &DescribeConfigsSynonym| {
        size_of::<DescribeConfigsSynonym>() + synonym.name.len() + text(&synonym.value)
    };
    let configs = result.configs.iter().map(|config| {
        let texts = config.name.len() + text(&config.value) + text(&config.documentation);
        size_of::<DescribeConfigsResourceResult>() + texts + config.synonyms.iter().map(synonym).sum::<usize>()
    });
    size_of::<DescribeConfigsResult>() + result.resource_name.len() + configs.sum::<usize>()
}

/// `ConfigHelper.describeConfigs`.
fn rows(context: &Context, of: &DescribeConfigsResource) -> Result<Vec<Row>, Failure> {
    let name = &*of.resource_name;
    let shared = &context.shared;
    let configs = &shared.configs;
    match of.resource_type {
        resource::TOPIC => {
            check_name(name).map_err(|why| Failure(ResponseError::InvalidTopicException, why))?;
            let topic = shared.topics.read().by_name(name).cloned();
            let topic = topic.ok_or_else(|| Failure(ResponseError::UnknownTopicOrPartition, String::new()))?;
            Ok(configs.topic(&configs.read(), context.broker, &topic.config))
        }
        resource::BROKER if name.is_empty() => Ok(configs.all_brokers(&configs.read())),
        resource::BROKER => {
            asked(context, name, " or empty string,")?;
            Ok(configs.broker(&configs.read(), context.broker))
        }
        resource::BROKER_LOGGER if name.is_empty() => Err(Failure::invalid("Broker id must not be empty")),
        resource::BROKER_LOGGER => {
            asked(context, name, "")?;
            Ok(configs.loggers(&configs.read(), context.broker))
        }
        resource::CLIENT_METRICS if name.is_empty() => {
            Err(Failure::invalid("Client metrics subscription name must not be empty"))
        }
        resource::CLIENT_METRICS => Ok(configs.subscription(&configs.read(), name)),
        resource::GROUP if name.is_empty() => Err(Failure::invalid("Group name must not be empty")),
        resource::GROUP => Ok(configs.group(&configs.read(), context.broker, name)),
        _ => Err(Failure::invalid(MALFORMED)),
    }
}

/// A broker describes itself alone.
fn asked(context: &Context, name: &str, or: &str) -> Result<(), Failure> {
    let id = name.parse().map(BrokerId);
    match id {
        Err(_) => Err(Failure::invalid(format!(
            "Broker id must be an integer, but it is: {name}"
        ))),
        Ok(id) if id != context.broker => Err(Failure::invalid(format!(
            "Unexpected broker id, expected {}{or} but received {name}",
            context.broker
        ))),
        Ok(_) => Ok(()),
    }
}

fn shown(row: Row, synonyms: bool, documentation: bool) -> DescribeConfigsResourceResult {
    let documentation = match row.definition {
        // Loggers are not asked for theirs, and have the empty text that the field begins with.
        None if row.source == Source::Logger => Some(StrBytes::default()),
        // What is documented is the broker's, not that which a listener has for itself.
        Some(definition) if documentation && definition.name == row.name => {
            Some(StrBytes::from_static_str(table::documentation(definition)))
        }
        _ => None,
    };
    let synonym = |synonym: Synonym| {
        DescribeConfigsSynonym::default()
            .with_name(StrBytes::from_string(synonym.name))
            .with_value(synonym.value.map(StrBytes::from_string))
            .with_source(synonym.source as i8)
    };
    let synonyms = match synonyms {
        true => row.synonyms.into_iter().map(synonym).collect(),
        false => Vec::new(),
    };
    DescribeConfigsResourceResult::default()
        .with_name(StrBytes::from_string(row.name))
        .with_value(row.value.map(StrBytes::from_string))
        .with_read_only(row.read_only)
        .with_config_source(row.source as i8)
        .with_is_sensitive(row.sensitive)
        .with_synonyms(synonyms)
        .with_config_type(row.definition.map_or(0, |definition| definition.of.code()))
        .with_documentation(documentation)
}
