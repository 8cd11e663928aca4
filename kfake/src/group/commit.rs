//! OffsetCommit, OffsetFetch, OffsetDelete and DescribeGroups, as a classic group answers them.

use crate::messages::describe_groups_response::{DescribedGroup, DescribedGroupMember};
use crate::messages::offset_commit_response::{OffsetCommitResponsePartition, OffsetCommitResponseTopic};
use crate::messages::offset_delete_response::{OffsetDeleteResponsePartition, OffsetDeleteResponseTopic};
use crate::messages::offset_fetch_request::OffsetFetchRequestGroup;
use crate::messages::offset_fetch_response::{
    OffsetFetchResponseGroup, OffsetFetchResponsePartitions, OffsetFetchResponseTopics,
};
use crate::messages::{
    GroupId, OffsetCommitRequest, OffsetCommitResponse, OffsetDeleteRequest, OffsetDeleteResponse, TopicName,
};
use kafka_protocol::error::ResponseError;
use kafka_protocol::protocol::StrBytes;
use tokio::time::Instant;

use super::classic::ClassicGroup;
use super::offsets::Committed;
use super::view::GroupState;
use crate::cluster::config::BrokerConfig;

impl ClassicGroup {
    /// Commits, all or nothing but for what a partition itself forbids.
    pub(super) fn commit(
        &mut self,
        request: OffsetCommitRequest,
        now: Instant,
        now_ms: i64,
        config: &BrokerConfig,
    ) -> OffsetCommitResponse {
        let refused = self.check_commit(&request).err();
        if refused.is_none() && matches!(self.state, GroupState::Stable | GroupState::PreparingRebalance) {
            self.heard_from(&request.member_id, now);
        }
        // Before version 5 the client may say how long its offsets are kept.
        let retention_ms = Some(request.retention_time_ms).filter(|ms| *ms != -1);
        let expires_ms = retention_ms.map(|ms| now_ms.saturating_add(ms));
        let mut topics = Vec::new();
        for topic in request.topics {
            let mut partitions = Vec::new();
            for partition in topic.partitions {
                let metadata = partition.committed_metadata.unwrap_or_default();
                let error = match refused {
                    Some(error) => Some(error),
                    None if metadata.len() > config.offset_metadata_max_bytes => {
                        Some(ResponseError::OffsetMetadataTooLarge)
                    }
                    None => None,
                };
                if error.is_none() {
                    let committed = Committed {
                        offset: partition.committed_offset,
                        leader_epoch: partition.committed_leader_epoch,
                        // Copied: what is kept must not hold the buffer that its request came in.
                        metadata: StrBytes::from_string(metadata.to_string()),
                        topic_id: topic.topic_id,
                        at_ms: now_ms,
                        expires_ms,
                    };
                    let expires_ms = self.expires_at(&topic.name, &committed, config.offsets_retention.0);
                    self.expires_first_ms = [self.expires_first_ms, expires_ms].into_iter().flatten().min();
                    self.offsets.commit(&topic.name, partition.partition_index, committed);
                }
                partitions.push(
                    OffsetCommitResponsePartition::default()
                        .with_partition_index(partition.partition_index)
                        .with_error_code(error.map_or(0, |error| error.code())),
                );
            }
            topics.push(
                OffsetCommitResponseTopic::default()
                    .with_name(topic.name)
                    .with_topic_id(topic.topic_id)
                    .with_partitions(partitions),
            );
        }
        OffsetCommitResponse::default().with_topics(topics)
    }

    /// Kafka's `ClassicGroup.validateOffsetCommit`.
    fn check_commit(&self, request: &OffsetCommitRequest) -> Result<(), ResponseError> {
        let generation = request.generation_id_or_member_epoch;
        let instance = request.group_instance_id.as_ref();
        if self.state == GroupState::Dead {
            return Err(ResponseError::CoordinatorNotAvailable);
        }
        // No generation: an administrator, or a consumer that assigns partitions to itself.
        if generation < 0 && self.state == GroupState::Empty {
            return Ok(());
        }
        if generation >= 0 || !request.member_id.is_empty() || instance.is_some() {
            self.check_member(&request.member_id, instance)?;
            if generation != self.generation {
                return Err(ResponseError::IllegalGeneration);
            }
        } else if self.state != GroupState::Empty {
            return Err(ResponseError::UnknownMemberId);
        }
        match self.state {
            GroupState::CompletingRebalance => Err(ResponseError::RebalanceInProgress),
            _ => Ok(()),
        }
    }

    pub(super) fn fetch(&self, request: OffsetFetchRequestGroup) -> OffsetFetchResponseGroup {
        let topics = match request.topics {
            Some(topics) => topics
                .into_iter()
                .map(|topic| {
                    let partitions = topic.partition_indexes.into_iter();
                    let partitions = partitions
                        .map(|p| fetched(p, self.offsets.get_of(&topic.name, topic.topic_id, p)))
                        .collect();
                    OffsetFetchResponseTopics::default()
                        .with_name(topic.name)
                        .with_topic_id(topic.topic_id)
                        .with_partitions(partitions)
                })
                .collect(),
            None => self
                .offsets
                .all()
                .map(|(topic, partitions)| {
                    let partitions = partitions
                        .iter()
                        .map(|(p, committed)| fetched(*p, Some(committed)))
                        .collect();
                    OffsetFetchResponseTopics::default()
                        .with_name(TopicName(StrBytes::from_string(topic.to_owned())))
                        .with_partitions(partitions)
                })
                .collect(),
        };
        OffsetFetchResponseGroup::default()
            .with_group_id(request.group_id)
            .with_topics(topics)
    }

    /// OffsetDelete, of partitions that exist (`ClassicGroup.validateOffsetDelete`, `OffsetMetadataManager.deleteOffsets`).
    pub(super) fn delete_offsets(
        &mut self,
        request: OffsetDeleteRequest,
        now_ms: i64,
        config: &BrokerConfig,
    ) -> OffsetDeleteResponse {
        let is_of_consumers = self.protocol_type.as_deref() == Some("consumer");
        let refused = match self.state {
            GroupState::Dead => Some(ResponseError::GroupIdNotFound),
            GroupState::Empty => None,
            _ if is_of_consumers => None,
            _ => Some(ResponseError::NonEmptyGroup),
        };
        if let Some(error) = refused {
            return OffsetDeleteResponse::default().with_error_code(error.code());
        }
        let subscribed = self.subscribed.topics().cloned();
        let topics = request.topics.into_iter().map(|topic| {
            let is_subscribed = match &subscribed {
                Some(topics) => topics.contains(topic.name.as_str()),
                None => is_of_consumers,
            };
            let partitions = topic.partitions.into_iter().map(|partition| {
                let error = is_subscribed.then_some(ResponseError::GroupSubscribedToTopic);
                if error.is_none() {
                    self.offsets.forget(&topic.name, partition.partition_index);
                }
                OffsetDeleteResponsePartition::default()
                    .with_partition_index(partition.partition_index)
                    .with_error_code(error.map_or(0, |error| error.code()))
            });
            let partitions = partitions.collect();
            OffsetDeleteResponseTopic::default()
                .with_name(topic.name)
                .with_partitions(partitions)
        });
        let topics = topics.collect();
        self.expires_first_ms = self.expires_first(now_ms, config.offsets_retention.0);
        OffsetDeleteResponse::default().with_topics(topics)
    }

    pub(super) fn describe(&self) -> DescribedGroup {
        let protocol = self.protocol.clone().unwrap_or_default();
        let is_stable = self.state == GroupState::Stable;
        let members = self.members.values().map(|m| {
            let member = DescribedGroupMember::default()
                .with_member_id(m.id.clone())
                .with_group_instance_id(m.instance_id.clone())
                .with_client_id(StrBytes::from_string(m.client.id.clone()))
                .with_client_host(StrBytes::from_string(m.client.host.clone()));
            // Metadata is shown while it holds; an assignment also while the next one is being made.
            let member = member.with_member_assignment(m.assignment.clone());
            match is_stable {
                true => member.with_member_metadata(m.metadata(&protocol)),
                false => member,
            }
        });
        DescribedGroup::default()
            .with_group_id(GroupId(StrBytes::from_string(self.id.clone())))
            .with_group_state(StrBytes::from_static_str(self.state.name()))
            .with_protocol_type(self.protocol_type.clone().unwrap_or_default())
            .with_protocol_data(if is_stable { protocol.clone() } else { StrBytes::new() })
            .with_members(members.collect())
    }
}

/// What was committed of a partition, or that nothing was.
pub(crate) fn fetched(partition: i32, committed: Option<&Committed>) -> OffsetFetchResponsePartitions {
    let response = OffsetFetchResponsePartitions::default().with_partition_index(partition);
    match committed {
        Some(committed) => response
            .with_committed_offset(committed.offset)
            .with_committed_leader_epoch(committed.leader_epoch)
            .with_metadata(Some(committed.metadata.clone())),
        None => response
            .with_committed_offset(-1)
            .with_committed_leader_epoch(-1)
            .with_metadata(Some(StrBytes::new())),
    }
}
