//! ApiVersions (key 18), versions 0–5. What the broker offers.
//!
//! - 1: throttle time. 2: no change.
//! - 3: flexible; the client names its software (KIP-511). The response's header stays at version 0 for ever.
//! - 4: features whose lowest version is 0 may be named (KIP-1022).
//! - 5: the client may say which cluster and broker it means, and is told when it has reached another (KIP-1242).

use crate::messages::api_versions_response::{ApiVersion, FinalizedFeatureKey, SupportedFeatureKey};
use crate::messages::{ApiKey, ApiVersionsRequest, ApiVersionsResponse};
use kafka_protocol::error::ResponseError;
use kafka_protocol::protocol::{StrBytes, VersionRange};

use super::dispatch::Refusal;
use super::versions;
use crate::api::context::Context;
use crate::cluster::features::Features;
use crate::cluster::releases::Feature;

pub(crate) const KEY: i16 = ApiKey::ApiVersions as i16;

/// The default of `nodeId`: none is meant.
const ANY_NODE: i32 = -1;

/// KIP-1102. kafka-protocol does not have it by name.
const REBOOTSTRAP_REQUIRED: i16 = 129;

/// APIs that a broker offers where it hands clients' metrics on (KIP-714).
const TELEMETRY: [ApiKey; 2] = [ApiKey::GetTelemetrySubscriptions, ApiKey::PushTelemetry];

/// Apache Kafka hands metrics to those of its `metric.reporters` that want them; its own does not.
fn takes_metrics(context: &Context) -> bool {
    let reporters = context.shared.configs.fixed(context.broker, "metric.reporters");
    let own = "org.apache.kafka.common.metrics.JmxReporter";
    let mut others = reporters
        .iter()
        .flat_map(|reporters| reporters.split(','))
        .map(str::trim);
    others.any(|reporter| !reporter.is_empty() && reporter != own)
}

/// The offset of the metadata log at which the features came to be what they are: that of a new cluster, ever.
const FEATURES_EPOCH: i64 = 1;

pub(super) async fn handle(
    context: &Context,
    version: i16,
    request: ApiVersionsRequest,
) -> Result<ApiVersionsResponse, Refusal> {
    // `ApiVersionsRequest.isValid`: the cluster and the broker are named both or neither.
    let names_both = request.cluster_id.is_some() == (request.node_id != ANY_NODE);
    let names_software =
        is_software_word(&request.client_software_name) && is_software_word(&request.client_software_version);
    if (version >= 5 && !names_both) || (version >= 3 && !names_software) {
        return Ok(ApiVersionsResponse::default().with_error_code(ResponseError::InvalidRequest.code()));
    }
    if let Some(cluster) = request.cluster_id.filter(|_| version >= 5)
        && (*cluster != *context.shared.cluster_id || request.node_id != context.broker.0)
    {
        return Ok(ApiVersionsResponse::default().with_error_code(REBOOTSTRAP_REQUIRED));
    }
    if version >= 3 {
        let software = (&*request.client_software_name, &*request.client_software_version);
        *context.connection.software.lock() = (software.0.to_owned(), software.1.to_owned());
    }
    let versions = &context.shared.versions;
    let offered = super::all().filter(|api| !TELEMETRY.contains(&api.key) || takes_metrics(context));
    let offered = offered.filter_map(|api| Some(row(api.key, versions::of(&api, versions)?)));
    let response = ApiVersionsResponse::default().with_api_keys(offered.collect());
    let features = context.shared.features.lock();
    Ok(with_features(response, version, &versions.release.features, &features))
}

/// What the cluster's metadata can do and does (KIP-584).
fn with_features(
    response: ApiVersionsResponse,
    version: i16,
    features: &[Feature],
    changed: &Features,
) -> ApiVersionsResponse {
    if features.is_empty() {
        return response;
    }
    // Older clients take a lowest level of 0 for a broken answer (KAFKA-17011).
    let supported = features.iter().filter(|feature| version >= 4 || feature.min > 0);
    let supported = supported.map(|feature| {
        SupportedFeatureKey::default()
            .with_name(StrBytes::from_static_str(feature.name))
            .with_min_version(feature.min)
            .with_max_version(feature.max)
    });
    let levels = features.iter().map(|feature| (feature, changed.level(feature)));
    let finalized = levels.filter(|(_, level)| *level > 0).map(|(feature, level)| {
        FinalizedFeatureKey::default()
            .with_name(StrBytes::from_static_str(feature.name))
            .with_min_version_level(level)
            .with_max_version_level(level)
    });
    response
        .with_supported_features(supported.collect())
        .with_finalized_features_epoch(FEATURES_EPOCH + changed.changes())
        .with_finalized_features(finalized.collect())
}

/// KIP-511: a version that the broker does not have is answered in version 0, and names what it does have of this API.
pub(super) fn unsupported(offered: VersionRange) -> ApiVersionsResponse {
    ApiVersionsResponse::default()
        .with_error_code(ResponseError::UnsupportedVersion.code())
        .with_api_keys(vec![row(ApiKey::ApiVersions, offered)])
}

fn row(key: ApiKey, offered: VersionRange) -> ApiVersion {
    // Apache Kafka 4 names version 0 of Produce although it takes none below 3: older librdkafkas, which look for it, would
    // compress nothing otherwise (KAFKA-18659, `ApiKeys.PRODUCE_API_VERSIONS_RESPONSE_MIN_VERSION`).
    let min = if key == ApiKey::Produce { 0 } else { offered.min };
    ApiVersion::default()
        .with_api_key(key as i16)
        .with_min_version(min)
        .with_max_version(offered.max)
}

/// `ApiVersionsRequest.SOFTWARE_NAME_VERSION_PATTERN`: letters, digits, '-' and '.', the first and last no sign.
fn is_software_word(word: &str) -> bool {
    let inner = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'.';
    let bytes = word.as_bytes();
    bytes.iter().all(|b| inner(*b))
        && bytes.first().is_some_and(u8::is_ascii_alphanumeric)
        && bytes.last().is_some_and(u8::is_ascii_alphanumeric)
}

#[cfg(test)]
mod tests {
    use super::is_software_word;

    #[test]
    fn a_software_name_starts_and_ends_with_a_letter_or_digit() {
        for good in ["a", "librdkafka", "apache-kafka-java", "4.1.0", "v1.2-rc3"] {
            assert!(is_software_word(good), "{good}");
        }
        for bad in ["", "-a", "a.", "a b", "a_b", "é"] {
            assert!(!is_software_word(bad), "{bad}");
        }
    }
}
