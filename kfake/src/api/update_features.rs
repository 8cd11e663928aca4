//! UpdateFeatures (key 57), versions 0–2. Raises and lowers the levels of features (KIP-584).
//!
//! - 1: how a level may go, and validation alone. 2: no result for each feature any more (KIP-1022).

use crate::messages::update_features_response::UpdatableFeatureResult;
use crate::messages::{UpdateFeaturesRequest, UpdateFeaturesResponse};
use kafka_protocol::error::ResponseError;
use kafka_protocol::protocol::StrBytes;

use super::dispatch::Refusal;
use super::said::said;
use crate::api::context::Context;
use crate::cluster::features::{Update, Upgrade};

pub(super) async fn handle(
    context: &Context,
    version: i16,
    request: UpdateFeaturesRequest,
) -> Result<UpdateFeaturesResponse, Refusal> {
    let updates = request.feature_updates.iter().map(|update| Update {
        feature: &update.feature,
        level: update.max_version_level,
        upgrade: Upgrade::of(update.upgrade_type),
    });
    let updates: Vec<_> = updates.collect();
    let shared = &context.shared;
    let known = &shared.versions.release.features;
    let updated = shared
        .features
        .lock()
        .update(known, shared.controller(), &updates, request.validate_only);
    if let Err(why) = updated {
        let why = format!("The update failed for all features since the following feature had an error: {why}");
        return Ok(said(
            UpdateFeaturesResponse::default()
                .with_error_code(ResponseError::InvalidUpdateVersion.code())
                .with_error_message(Some(StrBytes::from_string(why))),
        ));
    }
    let result = |feature: &StrBytes| {
        UpdatableFeatureResult::default()
            .with_feature(feature.clone())
            .with_error_message(Some(StrBytes::from_static_str("NONE")))
    };
    let results = request.feature_updates.iter().filter(|_| version < 2);
    let results = results.map(|update| result(&update.feature)).collect();
    Ok(UpdateFeaturesResponse::default()
        .with_error_message(None)
        .with_results(results))
}
