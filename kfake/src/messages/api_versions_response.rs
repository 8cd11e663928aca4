//! Apache Kafka's `ApiVersionsResponse`, versions 0 to 5. Written by `cargo xtask messages`.

use std::collections::BTreeMap;

use bytes::Bytes;
use kafka_protocol::protocol::buf::{ByteBuf, ByteBufMut};
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion, Message, StrBytes, VersionRange};

use super::wire;

wire::structs! {
    /// Apache Kafka's `ApiVersionsResponse`.
    ApiVersionsResponse {
        /// Apache Kafka's `errorCode`: every version.
        error_code (with_error_code): i16 = Default::default(), "errorCode" in 0..=i16::MAX, null in wire::NEVER, tag None, ignorable false;
        /// Apache Kafka's `apiKeys`: every version.
        api_keys (with_api_keys): Vec<ApiVersion> = Default::default(), "apiKeys" in 0..=i16::MAX, null in wire::NEVER, tag None, ignorable false;
        /// Apache Kafka's `throttleTimeMs`: from version 1.
        throttle_time_ms (with_throttle_time_ms): i32 = Default::default(), "throttleTimeMs" in 1..=i16::MAX, null in wire::NEVER, tag None, ignorable true;
        /// Apache Kafka's `supportedFeatures`: from version 3.
        supported_features (with_supported_features): Vec<SupportedFeatureKey> = Default::default(), "supportedFeatures" in 3..=i16::MAX, null in wire::NEVER, tag Some(0), ignorable true;
        /// Apache Kafka's `finalizedFeaturesEpoch`: from version 3.
        finalized_features_epoch (with_finalized_features_epoch): i64 = -1, "finalizedFeaturesEpoch" in 3..=i16::MAX, null in wire::NEVER, tag Some(1), ignorable true;
        /// Apache Kafka's `finalizedFeatures`: from version 3.
        finalized_features (with_finalized_features): Vec<FinalizedFeatureKey> = Default::default(), "finalizedFeatures" in 3..=i16::MAX, null in wire::NEVER, tag Some(2), ignorable true;
        /// Apache Kafka's `zkMigrationReady`: from version 3.
        zk_migration_ready (with_zk_migration_ready): bool = false, "zkMigrationReady" in 3..=i16::MAX, null in wire::NEVER, tag Some(3), ignorable true;
    }
    /// Apache Kafka's `ApiVersion`.
    ApiVersion {
        /// Apache Kafka's `apiKey`: every version.
        api_key (with_api_key): i16 = Default::default(), "apiKey" in 0..=i16::MAX, null in wire::NEVER, tag None, ignorable false;
        /// Apache Kafka's `minVersion`: every version.
        min_version (with_min_version): i16 = Default::default(), "minVersion" in 0..=i16::MAX, null in wire::NEVER, tag None, ignorable false;
        /// Apache Kafka's `maxVersion`: every version.
        max_version (with_max_version): i16 = Default::default(), "maxVersion" in 0..=i16::MAX, null in wire::NEVER, tag None, ignorable false;
    }
    /// Apache Kafka's `SupportedFeatureKey`.
    SupportedFeatureKey {
        /// Apache Kafka's `name`: from version 3.
        name (with_name): StrBytes = Default::default(), "name" in 3..=i16::MAX, null in wire::NEVER, tag None, ignorable false;
        /// Apache Kafka's `minVersion`: from version 3.
        min_version (with_min_version): i16 = Default::default(), "minVersion" in 3..=i16::MAX, null in wire::NEVER, tag None, ignorable false;
        /// Apache Kafka's `maxVersion`: from version 3.
        max_version (with_max_version): i16 = Default::default(), "maxVersion" in 3..=i16::MAX, null in wire::NEVER, tag None, ignorable false;
    }
    /// Apache Kafka's `FinalizedFeatureKey`.
    FinalizedFeatureKey {
        /// Apache Kafka's `name`: from version 3.
        name (with_name): StrBytes = Default::default(), "name" in 3..=i16::MAX, null in wire::NEVER, tag None, ignorable false;
        /// Apache Kafka's `maxVersionLevel`: from version 3.
        max_version_level (with_max_version_level): i16 = Default::default(), "maxVersionLevel" in 3..=i16::MAX, null in wire::NEVER, tag None, ignorable false;
        /// Apache Kafka's `minVersionLevel`: from version 3.
        min_version_level (with_min_version_level): i16 = Default::default(), "minVersionLevel" in 3..=i16::MAX, null in wire::NEVER, tag None, ignorable false;
    }
}

wire::message!(ApiVersionsResponse, versions 0 to 5, flexible from 3, header 0 or 0);
