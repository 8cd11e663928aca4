//! WriteTxnMarkers (key 27), versions 1–2. Writes the markers that end transactions; coordinators ask it of brokers (KIP-98), and
//! administrators where a transaction hangs (KIP-664).
//!
//! - 1: flexible. 2: the transaction's version, of which the epoch that a marker has to have depends (KIP-1228).

use std::sync::Arc;

use crate::messages::write_txn_markers_request::{WritableTxnMarker, WritableTxnMarkerTopic};
use crate::messages::write_txn_markers_response::{
    WritableTxnMarkerPartitionResult, WritableTxnMarkerResult, WritableTxnMarkerTopicResult,
};
use crate::messages::{WriteTxnMarkersRequest, WriteTxnMarkersResponse};
use indexmap::{IndexMap, IndexSet};
use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::TopicName;
use tokio::time::Instant;

use super::dispatch::Refusal;
use super::leader::{enough_in_sync, led, still_led};
use super::transaction::OFFSETS_TOPIC;
use crate::api::context::Context;
use crate::cluster::topics::{OffsetsMarker, Topic};
use crate::log::Marker;
use crate::txn::complete::{remember_marker, write_marker};

const NO_PRODUCER: i64 = -1;

pub(super) async fn handle(
    context: &Context,
    _version: i16,
    request: WriteTxnMarkersRequest,
) -> Result<WriteTxnMarkersResponse, Refusal> {
    let asked_at = Instant::now();
    // One that names no partition is not answered.
    let asked = request.markers.iter();
    let asked = asked.filter(|asked| asked.topics.iter().any(|topic| !topic.partition_indexes.is_empty()));
    let mut markers = Vec::new();
    // Apache Kafka's builder of markers throws over a producer that there cannot be, and over a version below zero: the request fails as a whole then, after
    // what was written before.
    let mut fails = false;
    for asked in asked {
        let marker = Marker {
            producer_id: asked.producer_id.0,
            producer_epoch: asked.producer_epoch,
            coordinator_epoch: asked.coordinator_epoch,
            committed: asked.transaction_result,
            bumps_epoch: asked.transaction_version >= 2,
        };
        let is_version = asked.transaction_version >= 0;
        fails |= (is_nobodys(&marker) || !is_version) && asked.topics.iter().any(|topic| is_any_here(context, topic));
        let topics = match fails {
            true => failed(asked),
            false => write(context, &each_once(asked), &marker),
        };
        markers.push(
            WritableTxnMarkerResult::default()
                .with_producer_id(asked.producer_id)
                .with_topics(topics),
        );
    }
    if fails {
        let whole = request.markers.iter().map(failed);
        let asked = whole.filter(|topics| topics.iter().any(|topic| !topic.partitions.is_empty()));
        for (marker, topics) in markers.iter_mut().zip(asked) {
            marker.topics = topics;
        }
    }
    decided(context, &mut markers, asked_at).await?;
    let markers = match fails {
        // Of a producer's markers the last is answered (`WriteTxnMarkersRequest.getErrorResponse`).
        true => last_of_each(markers),
        false => markers,
    };
    Ok(WriteTxnMarkersResponse::default().with_markers(by_producer(markers)))
}

/// A marker with each topic and partition once: a partition gets one, however often it is named.
fn each_once(asked: &WritableTxnMarker) -> WritableTxnMarker {
    let mut topics: IndexMap<TopicName, IndexSet<i32>> = IndexMap::new();
    for topic in &asked.topics {
        topics
            .entry(topic.name.clone())
            .or_default()
            .extend(&topic.partition_indexes);
    }
    let topics = topics.into_iter().map(|(name, partitions)| {
        WritableTxnMarkerTopic::default()
            .with_name(name)
            .with_partition_indexes(partitions.into_iter().collect())
    });
    let topics = topics.collect();
    asked.clone().with_topics(topics)
}

/// Each producer once, and each of its partitions: the results are kept in a map of maps (`KafkaApis.handleWriteTxnMarkersRequest`).
fn by_producer(markers: Vec<WritableTxnMarkerResult>) -> Vec<WritableTxnMarkerResult> {
    let mut all: IndexMap<_, IndexMap<TopicName, IndexMap<i32, i16>>> = IndexMap::new();
    for marker in markers {
        let topics = all.entry(marker.producer_id).or_default();
        for topic in marker.topics.into_iter().filter(|topic| !topic.partitions.is_empty()) {
            let partitions = topic.partitions.iter().map(|p| (p.partition_index, p.error_code));
            topics.entry(topic.name).or_default().extend(partitions);
        }
    }
    let partition = |(index, error)| {
        WritableTxnMarkerPartitionResult::default()
            .with_partition_index(index)
            .with_error_code(error)
    };
    let topic = |(name, partitions): (TopicName, IndexMap<i32, i16>)| {
        WritableTxnMarkerTopicResult::default()
            .with_name(name)
            .with_partitions(partitions.into_iter().map(partition).collect())
    };
    let marker = |(producer_id, topics): (_, IndexMap<TopicName, _>)| {
        WritableTxnMarkerResult::default()
            .with_producer_id(producer_id)
            .with_topics(topics.into_iter().map(topic).collect())
    };
    all.into_iter().map(marker).collect()
}

fn last_of_each(markers: Vec<WritableTxnMarkerResult>) -> Vec<WritableTxnMarkerResult> {
    let last: IndexMap<_, _> = markers.into_iter().map(|marker| (marker.producer_id, marker)).collect();
    last.into_values().collect()
}

/// Waits for the markers of partitions of `__consumer_offsets` that could not be taken: they are answered once they are, or when the
/// time is over (`KafkaApis.handleWriteTxnMarkersRequest`).
async fn decided(context: &Context, markers: &mut [WritableTxnMarkerResult], asked_at: Instant) -> Result<(), Refusal> {
    let topics = markers.iter_mut().flat_map(|marker| &mut marker.topics);
    let topics = topics.filter(|topic| topic.name.as_str() == OFFSETS_TOPIC);
    let waiting = ResponseError::RequestTimedOut.code();
    for partition in topics.flat_map(|topic| &mut topic.partitions) {
        if partition.error_code != waiting {
            continue;
        }
        let replicated = context.groups.replicated_in(partition.partition_index, asked_at);
        partition.error_code = match replicated.await? {
            Ok(()) => 0,
            Err(ResponseError::NotCoordinator) => ResponseError::NotLeaderOrFollower.code(),
            Err(_) => waiting,
        };
    }
    Ok(())
}

/// A marker's answer where the request has failed as a whole.
fn failed(asked: &WritableTxnMarker) -> Vec<WritableTxnMarkerTopicResult> {
    let topics = asked.topics.iter().map(|topic| {
        let partitions = topic.partition_indexes.iter().map(|index| {
            WritableTxnMarkerPartitionResult::default()
                .with_partition_index(*index)
                .with_error_code(ResponseError::UnknownServerError.code())
        });
        WritableTxnMarkerTopicResult::default()
            .with_name(topic.name.clone())
            .with_partitions(partitions.collect())
    });
    topics.collect()
}

/// Whether the broker that was asked has a replica of one of the partitions.
fn is_any_here(context: &Context, asked: &WritableTxnMarkerTopic) -> bool {
    let topics = context.shared.topics.read();
    let is_here = |index: &i32| {
        let partition = topics.by_name(&asked.name).and_then(|topic| topic.partition(*index));
        partition.is_some_and(|partition| partition.replicas.contains(&context.broker))
    };
    asked.partition_indexes.iter().any(is_here)
}

fn write(context: &Context, asked: &WritableTxnMarker, marker: &Marker) -> Vec<WritableTxnMarkerTopicResult> {
    let topics = asked.topics.iter().map(|topic| {
        let known = context.shared.topics.read().by_name(&topic.name).cloned();
        let partitions = topic.partition_indexes.iter().map(|index| {
            let written = match &known {
                Some(known) if known.name == OFFSETS_TOPIC => decide_offsets(context, *index, marker),
                Some(known) => write_one(context, known, *index, marker),
                None => Err(ResponseError::UnknownTopicOrPartition),
            };
            WritableTxnMarkerPartitionResult::default()
                .with_partition_index(*index)
                .with_error_code(written.err().map_or(0, |error| error.code()))
        });
        WritableTxnMarkerTopicResult::default()
            .with_name(topic.name.clone())
            .with_partitions(partitions.collect())
    });
    topics.collect()
}

/// Whether it is the producer that batches of nobody name (`RecordBatch.NO_PRODUCER_ID` and `NO_PRODUCER_EPOCH`).
fn is_nobodys(marker: &Marker) -> bool {
    marker.producer_id == NO_PRODUCER || marker.producer_epoch == NO_PRODUCER as i16
}

fn write_one(context: &Context, topic: &Arc<Topic>, index: i32, marker: &Marker) -> Result<(), ResponseError> {
    // Who has no replica does not know the partition (`ReplicaManager.onlinePartition`).
    let known = topic.partition(index);
    known
        .filter(|partition| partition.replicas.contains(&context.broker))
        .ok_or(ResponseError::UnknownTopicOrPartition)?;
    let partition = led(context, topic, index, -1).map_err(|refused| refused.error)?;
    let mut log = partition.log.lock();
    still_led(&partition, &log)?;
    // Markers are written with `acks=all`.
    enough_in_sync(&log)?;
    let config = topic.log_config(&partition);
    let written = write_marker(&context.shared, config, &mut log, marker);
    drop(log);
    written.map_err(|error| error.code())?.notify();
    Ok(())
}

/// The marker of a partition of `__consumer_offsets` decides the offsets of the groups in it
/// (`GroupCoordinatorService.completeTransaction`).
///
/// Where too few replicas are in sync the marker waits for them, and so does the answer: [`decided`].
fn decide_offsets(context: &Context, index: i32, marker: &Marker) -> Result<(), ResponseError> {
    let topics = context.shared.topics.read();
    let known = topics
        .by_name(OFFSETS_TOPIC)
        .and_then(|topic| Some((topic, topic.partition(index)?)));
    let (topic, partition) = known
        .filter(|(_, partition)| partition.replicas.contains(&context.broker))
        .ok_or(ResponseError::UnknownTopicOrPartition)?;
    if partition.leader != Some(context.broker) {
        return Err(ResponseError::NotLeaderOrFollower);
    }
    {
        let mut log = partition.log.lock();
        if !partition.takes_markers(&log) {
            // It is in the log at once, and waits there for replicas.
            if !is_nobodys(marker) {
                log.check_marker(marker).map_err(|error| error.code())?;
            }
            let stamp = (topic.log_config(partition).timestamp_type, context.shared.now_ms());
            log.owe_marker(marker, stamp);
            context.groups.unreplicated.write(index);
            return Err(ResponseError::RequestTimedOut);
        }
        let remembered = remember_marker(&context.shared, topic.log_config(partition), &mut log, marker);
        remembered.map_err(|error| error.code())?;
    }
    let decided = OffsetsMarker {
        partition: index,
        marker: *marker,
    };
    context.groups.decide_in(&decided);
    drop(topics);
    context.groups.changed();
    Ok(())
}
