//! ApiVersions (key 18), versions 0–5. What the broker offers.
//!
//! - 1: throttle time. 2: no change.
//! - 3: flexible; the client names its software (KIP-511). The response's header stays at version 0 for ever.
//! - 4: features whose lowest version is 0 may be named (KIP-1022).

use crate::messages::api_versions_response::ApiVersion;
use crate::messages::{ApiKey, ApiVersionsRequest, ApiVersionsResponse};
use kafka_protocol::error::ResponseError;
use kafka_protocol::protocol::VersionRange;

use super::dispatch::Refusal;
use super::versions;
use crate::api::context::Context;

pub(crate) const KEY: i16 = ApiKey::ApiVersions as i16;

pub(super) async fn handle(
    context: &Context,
    version: i16,
    request: ApiVersionsRequest,
) -> Result<ApiVersionsResponse, Refusal> {
    if version >= 3
        && !(is_software_word(&request.client_software_name) && is_software_word(&request.client_software_version))
    {
        return Ok(ApiVersionsResponse::default().with_error_code(ResponseError::InvalidRequest.code()));
    }
    let offered = super::all()
        .map(|api| row(api.key, versions::of(&api, &context.shared.versions)))
        .collect();
    Ok(ApiVersionsResponse::default().with_api_keys(offered))
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
