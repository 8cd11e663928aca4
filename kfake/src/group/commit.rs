//! OffsetCommit, TxnOffsetCommit, OffsetFetch, OffsetDelete and DescribeGroups, as a classic group answers them.

use crate::messages::describe_groups_response::{DescribedGroup, DescribedGroupMember};
use crate::messages::offset_commit_response::{OffsetCommitResponsePartition, OffsetCommitResponseTopic};
use crate::messages::offset_delete_response::{OffsetDeleteResponsePartition, OffsetDeleteResponseTopic};
use crate::messages::offset_fetch_request::OffsetFetchRequestGroup;
use crate::messages::offset_fetch_response::{
    OffsetFetchResponseGroup, OffsetFetchResponsePartitions, OffsetFetchResponseTopics,
};
use crate::messages::txn_offset_commit_response::{TxnOffsetCommitResponsePartition, TxnOffsetCommitResponseTopic};
use crate::messages::{
    GroupId, OffsetCommitRequest, OffsetCommitResponse, OffsetDeleteRequest, OffsetDeleteResponse, TopicName,
    TxnOffsetCommitRequest, TxnOffsetCommitResponse,
};
use kafka_protocol::error::ResponseError;
use kafka_protocol::protocol::StrBytes;
use tokio::time::Instant;

use super::classic::ClassicGroup;
use super::offsets::Committed;
use super::view::GroupState;
use crate::cluster::config::BrokerConfig;

/// Who commits.
enum Committer {
    /// Without a generation, in a group that has no members: an administrator, or a consumer that assigns partitions to itself.
    OfEmptyGroup,
    Member,
    /// Without a generation, a member id or an instance, in a group that has members.
    Unnamed,
}

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
                    self.before_write();
                    let (offset, epoch) = (partition.committed_offset, partition.committed_leader_epoch);
                    let committed = Committed {
                        expires_ms,
                        ..Committed::new(offset, epoch, &metadata, topic.topic_id, now_ms)
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
        match self.committer(generation, &request.member_id, request.group_instance_id.as_ref())? {
            Committer::OfEmptyGroup => Ok(()),
            Committer::Unnamed => Err(ResponseError::UnknownMemberId),
            Committer::Member if self.state == GroupState::CompletingRebalance => {
                Err(ResponseError::RebalanceInProgress)
            }
            Committer::Member => Ok(()),
        }
    }

    /// Who commits, whose membership has been checked.
    fn committer(
        &self,
        generation: i32,
        member: &StrBytes,
        instance: Option<&StrBytes>,
    ) -> Result<Committer, ResponseError> {
        if self.state == GroupState::Dead {
            return Err(ResponseError::CoordinatorNotAvailable);
        }
        if generation < 0 && self.state == GroupState::Empty {
            return Ok(Committer::OfEmptyGroup);
        }
        if generation < 0 && member.is_empty() && instance.is_none() {
            return Ok(Committer::Unnamed);
        }
        self.check_member(member, instance)?;
        match generation == self.generation {
            true => Ok(Committer::Member),
            false => Err(ResponseError::IllegalGeneration),
        }
    }

    /// Keeps offsets that a producer's transaction commits until it ends. The partitions' errors, in the request's order.
    pub(crate) fn commit_in_transaction(
        &mut self,
        request: &TxnOffsetCommitRequest,
        now_ms: i64,
        config: &BrokerConfig,
    ) -> TxnOffsetCommitResponse {
        let refused = self.check_commit_in_transaction(request).err();
        let topics = request.topics.iter().map(|topic| {
            let partitions = topic.partitions.iter().map(|partition| {
                let metadata = partition.committed_metadata.clone().unwrap_or_default();
                let error = refused.or((metadata.len() > config.offset_metadata_max_bytes)
                    .then_some(ResponseError::OffsetMetadataTooLarge));
                if error.is_none() {
                    self.before_write();
                    let (offset, epoch) = (partition.committed_offset, partition.committed_leader_epoch);
                    let committed = Committed::new(offset, epoch, &metadata, topic.topic_id, now_ms);
                    let producer_id = request.producer_id.0;
                    self.offsets
                        .commit_pending(producer_id, &topic.name, partition.partition_index, committed);
                }
                TxnOffsetCommitResponsePartition::default()
                    .with_partition_index(partition.partition_index)
                    .with_error_code(error.map_or(0, |error| error.code()))
            });
            TxnOffsetCommitResponseTopic::default()
                .with_name(topic.name.clone())
                .with_topic_id(topic.topic_id)
                .with_partitions(partitions.collect())
        });
        TxnOffsetCommitResponse::default().with_topics(topics.collect())
    }

    /// Kafka's `ClassicGroup.validateOffsetCommit` of a transaction: who names neither member nor generation, as all did before
    /// version 3 (KIP-447), is not held against the group.
    fn check_commit_in_transaction(&self, request: &TxnOffsetCommitRequest) -> Result<(), ResponseError> {
        let generation = request.generation_id_or_member_epoch;
        self.committer(generation, &request.member_id, request.group_instance_id.as_ref())
            .map(|_| ())
    }

    /// The committed offsets that are asked for. With `stable`, a partition that an undecided transaction commits is refused
    /// (KIP-447).
    pub(crate) fn fetch(&self, request: OffsetFetchRequestGroup, stable: bool) -> OffsetFetchResponseGroup {
        // Who asks for what is stable waits until all of it is committed.
        let offsets = match stable {
            true => &self.offsets,
            false => self.committed_offsets(),
        };
        let told = |topic: &str, partition: i32, committed: Option<&Committed>| match stable
            && offsets.is_unstable(topic, partition)
        {
            true => fetched(partition, None).with_error_code(ResponseError::UnstableOffsetCommit.code()),
            false => fetched(partition, committed),
        };
        let topics = match request.topics {
            Some(topics) => topics
                .into_iter()
                .map(|topic| {
                    let partitions = topic.partition_indexes.into_iter();
                    let partitions = partitions
                        .map(|p| told(&topic.name, p, offsets.get_of(&topic.name, topic.topic_id, p)))
                        .collect();
                    OffsetFetchResponseTopics::default()
                        .with_name(topic.name)
                        .with_topic_id(topic.topic_id)
                        .with_partitions(partitions)
                })
                .collect(),
            None => offsets
                .all()
                .map(|(topic, partitions)| {
                    let partitions = partitions
                        .iter()
                        .map(|(p, committed)| told(topic, *p, Some(committed)))
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
                if error.is_none() && self.offsets.has(&topic.name, partition.partition_index) {
                    self.before_write();
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

    pub(crate) fn describe(&self) -> DescribedGroup {
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
            .with_group_id(GroupId(StrBytes::from_string(self.id.to_string())))
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
