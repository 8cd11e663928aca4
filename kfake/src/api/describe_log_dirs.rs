//! DescribeLogDirs (key 35), versions 1–5. Where a broker keeps its logs, and how long they are (KIP-113).
//!
//! - 2: flexible. 3: an error of the whole. 4: the volume's size (KIP-827). 5: whether new logs may go there (KIP-1066).

use std::collections::BTreeMap;

use crate::messages::describe_log_dirs_response::{
    DescribeLogDirsPartition, DescribeLogDirsResult, DescribeLogDirsTopic,
};
use crate::messages::{DescribeLogDirsRequest, DescribeLogDirsResponse, TopicName};
use kafka_protocol::protocol::StrBytes;

use super::dispatch::Refusal;
use crate::api::context::Context;
use crate::cluster::topics::Topic;

/// `DescribeLogDirsResponse.UNKNOWN_VOLUME_BYTES`: logs are in memory, on no volume.
const UNKNOWN: i64 = -1;

pub(super) async fn handle(
    context: &Context,
    _version: i16,
    request: DescribeLogDirsRequest,
) -> Result<DescribeLogDirsResponse, Refusal> {
    let topics: Vec<_> = context.shared.topics.read().iter().cloned().collect();
    let wanted = request.topics.map(|topics| {
        let mut wanted: BTreeMap<TopicName, Vec<i32>> = BTreeMap::new();
        for topic in topics {
            wanted.entry(topic.topic).or_default().extend(topic.partitions);
        }
        wanted
    });
    let topics = topics.iter().filter_map(|topic| {
        let name = TopicName(StrBytes::from_string(topic.name.clone()));
        let partitions = match &wanted {
            None => described(context, topic, |_| true),
            Some(wanted) => {
                let indexes = wanted.get(&name)?;
                described(context, topic, |index| indexes.contains(&index))
            }
        };
        let topic = DescribeLogDirsTopic::default().with_name(name);
        (!partitions.is_empty()).then(|| topic.with_partitions(partitions))
    });
    let directory = DescribeLogDirsResult::default()
        .with_log_dir(StrBytes::from_string(log_dir(context)))
        .with_topics(topics.collect())
        .with_total_bytes(UNKNOWN)
        .with_usable_bytes(UNKNOWN);
    Ok(DescribeLogDirsResponse::default().with_results(vec![directory]))
}

/// The partitions that the asked broker has a replica of.
fn described(context: &Context, topic: &Topic, wanted: impl Fn(i32) -> bool) -> Vec<DescribeLogDirsPartition> {
    let here = topic.partitions.iter();
    let here = here.filter(|partition| partition.replicas.contains(&context.broker) && wanted(partition.index));
    let described = here.map(|partition| {
        let size = partition.log.lock().size();
        DescribeLogDirsPartition::default()
            .with_partition_index(partition.index)
            .with_partition_size(i64::try_from(size).unwrap_or(i64::MAX))
    });
    described.collect()
}

/// The first of `log.dirs`, or of `log.dir`: the one that all logs are in.
pub(super) fn log_dir(context: &Context) -> String {
    let configs = &context.shared.configs;
    let changed = configs.read();
    let value = |name| configs.of_broker(&changed, context.broker, name);
    let all = value("log.dirs").or_else(|| value("log.dir")).unwrap_or_default();
    all.split(',').next().unwrap_or_default().trim().to_owned()
}
