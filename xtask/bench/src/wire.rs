//! The requests of the load, encoded by hand: one version each, the newest that is not flexible and that every peer has.
//!
//! What is sent again and again is encoded once. Answers are read as far as the load needs them.

use anyhow::{Context, bail, ensure};

/// A request's API key and version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Api(pub i16, pub i16);

pub const PRODUCE: Api = Api(0, 7);
pub const FETCH: Api = Api(1, 4);
/// With sessions.
pub const FETCH_SESSION: Api = Api(1, 7);
pub const LIST_OFFSETS: Api = Api(2, 1);
pub const METADATA: Api = Api(3, 4);
pub const OFFSET_COMMIT: Api = Api(8, 6);
pub const FIND_COORDINATOR: Api = Api(10, 2);
pub const JOIN_GROUP: Api = Api(11, 3);
pub const HEARTBEAT: Api = Api(12, 2);
pub const LEAVE_GROUP: Api = Api(13, 2);
pub const SYNC_GROUP: Api = Api(14, 2);
pub const API_VERSIONS: Api = Api(18, 0);
pub const CREATE_TOPICS: Api = Api(19, 2);
pub const INIT_PRODUCER_ID: Api = Api(22, 1);
pub const ADD_PARTITIONS_TO_TXN: Api = Api(24, 0);
pub const END_TXN: Api = Api(26, 1);

/// A frame that is being written.
#[derive(Debug, Clone, Default)]
pub struct Out(pub Vec<u8>);

impl Out {
    /// A request's frame, up to its body. The size is put in by [`Out::frame`].
    pub fn request(api: Api) -> Self {
        let mut out = Self(vec![0; 4]);
        out.i16(api.0).i16(api.1).i32(0).string("bench");
        out
    }

    pub fn i8(&mut self, value: i8) -> &mut Self {
        self.0.push(value.cast_unsigned());
        self
    }

    pub fn i16(&mut self, value: i16) -> &mut Self {
        self.0.extend(value.to_be_bytes());
        self
    }

    pub fn i32(&mut self, value: i32) -> &mut Self {
        self.0.extend(value.to_be_bytes());
        self
    }

    pub fn i64(&mut self, value: i64) -> &mut Self {
        self.0.extend(value.to_be_bytes());
        self
    }

    /// The length of an array, or of bytes.
    pub fn count(&mut self, count: usize) -> &mut Self {
        self.i32(i32::try_from(count).unwrap_or(i32::MAX))
    }

    pub fn string(&mut self, text: &str) -> &mut Self {
        self.i16(i16::try_from(text.len()).unwrap_or(i16::MAX));
        self.0.extend(text.as_bytes());
        self
    }

    pub fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.count(bytes.len());
        self.0.extend(bytes);
        self
    }

    /// The frame, with its size in front.
    pub fn frame(mut self) -> Vec<u8> {
        let size = u32::try_from(self.0.len() - 4).unwrap_or(u32::MAX);
        self.0[..4].copy_from_slice(&size.to_be_bytes());
        self.0
    }
}

/// An answer that is being read.
#[derive(Debug)]
pub struct In<'a>(pub &'a [u8]);

impl<'a> In<'a> {
    fn take(&mut self, size: usize) -> anyhow::Result<&'a [u8]> {
        let (head, rest) = self.0.split_at_checked(size).context("an answer is too short")?;
        self.0 = rest;
        Ok(head)
    }

    pub fn i16(&mut self) -> anyhow::Result<i16> {
        Ok(i16::from_be_bytes(self.take(2)?.try_into()?))
    }

    pub fn i32(&mut self) -> anyhow::Result<i32> {
        Ok(i32::from_be_bytes(self.take(4)?.try_into()?))
    }

    pub fn i64(&mut self) -> anyhow::Result<i64> {
        Ok(i64::from_be_bytes(self.take(8)?.try_into()?))
    }

    pub fn string(&mut self) -> anyhow::Result<&'a str> {
        let length = usize::try_from(self.i16()?).unwrap_or(0);
        Ok(std::str::from_utf8(self.take(length)?)?)
    }

    pub fn bytes(&mut self) -> anyhow::Result<&'a [u8]> {
        let length = usize::try_from(self.i32()?).unwrap_or(0);
        self.take(length)
    }

    /// An error code that must be 0.
    pub fn no_error(&mut self) -> anyhow::Result<()> {
        match self.i16()? {
            0 => Ok(()),
            code => bail!("the answer is the error code {code}"),
        }
    }
}

fn varint(value: i64, out: &mut Vec<u8>) {
    let mut left = ((value << 1) ^ (value >> 63)).cast_unsigned();
    while left >= 0x80 {
        out.push(left as u8 | 0x80);
        left >>= 7;
    }
    out.push(left as u8);
}

/// A record batch of message format 2, uncompressed, whose records take `record` bytes each, at `now_ms`.
pub fn batch(records: usize, record: usize, now_ms: i64) -> Vec<u8> {
    let mut out = vec![0_u8; 61];
    for nth in 0..records {
        let mut body = vec![0, 0];
        varint(nth as i64, &mut body);
        body.push(1); // no key
        // Nine bytes of lengths, deltas and counts are the rest, ten from the 65th record on.
        let value = record.saturating_sub(9 + usize::from(nth >= 64)).max(1);
        varint(value as i64, &mut body);
        body.extend((0..value).map(|at| (at * 31 + nth) as u8));
        body.push(0);
        varint(body.len() as i64, &mut out);
        out.extend(body);
    }
    let (length, count) = (out.len() as i32 - 12, records as i32);
    out[8..12].copy_from_slice(&length.to_be_bytes());
    out[16] = 2;
    out[23..27].copy_from_slice(&(count - 1).to_be_bytes());
    out[27..35].copy_from_slice(&now_ms.to_be_bytes());
    out[35..43].copy_from_slice(&now_ms.to_be_bytes());
    out[43..57].copy_from_slice(&[0xff; 14]); // no producer: id, epoch and sequence are -1
    out[57..61].copy_from_slice(&count.to_be_bytes());
    let crc = crc32c::crc32c(&out[21..]);
    out[17..21].copy_from_slice(&crc.to_be_bytes());
    out
}

/// A producer's id and epoch.
pub type Producer = (i64, i16);

/// Makes a batch one of a producer's transaction.
pub fn into_transaction(batch: &mut [u8], (id, epoch): Producer, sequence: i32) {
    batch[22] |= 0x10;
    batch[43..51].copy_from_slice(&id.to_be_bytes());
    batch[51..53].copy_from_slice(&epoch.to_be_bytes());
    batch[53..57].copy_from_slice(&sequence.to_be_bytes());
    let crc = crc32c::crc32c(&batch[21..]);
    batch[17..21].copy_from_slice(&crc.to_be_bytes());
}

/// A produce request, acks=all, with `batch` for each of the partitions.
pub fn produce(topics: &[&str], partitions: std::ops::Range<i32>, batch: &[u8]) -> Vec<u8> {
    produce_in(None, topics, partitions, batch)
}

/// The same in a transaction, if one is named.
pub fn produce_in(
    transaction: Option<&str>,
    topics: &[&str],
    partitions: std::ops::Range<i32>,
    batch: &[u8],
) -> Vec<u8> {
    let mut out = Out::request(PRODUCE);
    match transaction {
        Some(id) => out.string(id),
        None => out.i16(-1),
    };
    out.i16(-1).i32(30_000).count(topics.len());
    for topic in topics {
        out.string(topic).count(partitions.len());
        for partition in partitions.clone() {
            out.i32(partition).bytes(batch);
        }
    }
    out.frame()
}

/// Looks at each partition's error code.
pub fn check_produced(body: &[u8]) -> anyhow::Result<()> {
    let mut body = In(body);
    for _ in 0..body.i32()? {
        body.string()?;
        for _ in 0..body.i32()? {
            body.i32()?;
            body.no_error()?;
            body.take(24)?;
        }
    }
    Ok(())
}

/// A fetch of each partition from its offset on, with the Java client's limits. It waits for nothing.
pub fn fetch(topic: &str, offsets: &[i64]) -> Vec<u8> {
    let mut out = Out::request(FETCH);
    out.i32(-1).i32(0).i32(1).i32(50 << 20).i8(0).count(1);
    out.string(topic).count(offsets.len());
    for (partition, offset) in (0..).zip(offsets) {
        out.i32(partition).i64(*offset).i32(1 << 20);
    }
    out.frame()
}

/// What a fetch brought: bytes of records, and the next offset of each partition.
pub fn fetched(body: &[u8], offsets: &mut [i64]) -> anyhow::Result<u64> {
    let mut body = In(body);
    let mut size = 0;
    body.i32()?;
    for _ in 0..body.i32()? {
        body.string()?;
        for _ in 0..body.i32()? {
            let partition = usize::try_from(body.i32()?)?;
            body.no_error()?;
            body.take(16)?;
            for _ in 0..body.i32()?.max(0) {
                body.take(16)?;
            }
            let records = body.bytes()?;
            size += records.len() as u64;
            let mut rest = records;
            // Whole batches; the last one may be cut off.
            while rest.len() >= 61 {
                let length = usize::try_from(In(&rest[8..]).i32()?)? + 12;
                let Some(behind) = rest.get(length..) else { break };
                let next = In(rest).i64()? + i64::from(In(&rest[23..]).i32()?) + 1;
                *offsets.get_mut(partition).context("a partition was not asked for")? = next;
                rest = behind;
            }
        }
    }
    Ok(size)
}

/// A fetch of each partition from its beginning on, which begins a session (KIP-227). It waits for nothing.
pub fn open_session(topic: &str, partitions: i32) -> Vec<u8> {
    let mut out = Out::request(FETCH_SESSION);
    out.i32(-1).i32(0).i32(1).i32(50 << 20).i8(0).i32(0).i32(0).count(1);
    out.string(topic).count(usize::try_from(partitions).unwrap_or(0));
    for partition in 0..partitions {
        out.i32(partition).i64(0).i64(-1).i32(1 << 20);
    }
    out.count(0);
    out.frame()
}

/// The session's id, once each partition can be read.
pub fn opened_session(body: &[u8]) -> anyhow::Result<i32> {
    let mut body = In(body);
    body.i32()?;
    body.no_error()?;
    let session = body.i32()?;
    ensure!(session != 0, "there is no room for a session");
    for _ in 0..body.i32()? {
        body.string()?;
        for _ in 0..body.i32()? {
            body.i32()?;
            body.no_error()?;
            body.take(24)?;
            let aborted = usize::try_from(body.i32()?.max(0))?;
            body.take(16 * aborted)?;
            body.bytes()?;
        }
    }
    Ok(session)
}

/// A fetch of what has changed in a session.
pub fn poll_session(session: i32) -> Vec<u8> {
    let mut out = Out::request(FETCH_SESSION);
    out.i32(-1)
        .i32(0)
        .i32(1)
        .i32(50 << 20)
        .i8(0)
        .i32(session)
        .i32(0)
        .count(0)
        .count(0);
    out.frame()
}

/// Puts the epoch into the frame of [`poll_session`]: it stands before two empty lists.
pub fn set_session_epoch(poll: &mut [u8], epoch: i32) {
    let at = poll.len() - 12;
    poll[at..at + 4].copy_from_slice(&epoch.to_be_bytes());
}

/// How many topics the answer to a poll names.
pub fn polled(body: &[u8]) -> anyhow::Result<i32> {
    let mut body = In(body);
    body.i32()?;
    body.no_error()?;
    body.i32()?;
    body.i32()
}

/// Each partition's first offset.
pub fn earliest(topic: &str, partitions: i32) -> Vec<u8> {
    let mut out = Out::request(LIST_OFFSETS);
    out.i32(-1)
        .count(1)
        .string(topic)
        .count(usize::try_from(partitions).unwrap_or(0));
    for partition in 0..partitions {
        out.i32(partition).i64(-2);
    }
    out.frame()
}

/// The offsets of the answer to [`earliest`].
pub fn listed(body: &[u8]) -> anyhow::Result<Vec<i64>> {
    let mut body = In(body);
    ensure!(body.i32()? == 1, "ListOffsets answers one topic");
    body.string()?;
    let mut offsets = vec![0; usize::try_from(body.i32()?)?];
    for _ in 0..offsets.len() {
        let partition = usize::try_from(body.i32()?)?;
        body.no_error()?;
        body.i64()?;
        *offsets.get_mut(partition).context("a partition was not asked for")? = body.i64()?;
    }
    Ok(offsets)
}

/// Creates topics of so many partitions.
pub fn create_topics(names: &[&str], partitions: i32) -> Vec<u8> {
    let mut out = Out::request(CREATE_TOPICS);
    out.count(names.len());
    for name in names {
        out.string(name).i32(partitions).i16(1).count(0).count(0);
    }
    out.i32(60_000).i8(0);
    out.frame()
}

/// Looks at each topic's error code.
pub fn check_created(body: &[u8]) -> anyhow::Result<()> {
    let mut body = In(body);
    body.i32()?;
    for _ in 0..body.i32()? {
        body.string()?;
        body.no_error()?;
        body.string()?;
    }
    Ok(())
}

/// Metadata of every topic.
pub fn metadata() -> Vec<u8> {
    let mut out = Out::request(METADATA);
    out.i32(-1).i8(0);
    out.frame()
}

/// How many partitions the first topic of a Metadata's answer has, each of them led.
pub fn described(body: &[u8]) -> anyhow::Result<usize> {
    let mut body = In(body);
    body.i32()?;
    for _ in 0..body.i32()? {
        body.i32()?;
        body.string()?;
        body.i32()?;
        body.string()?;
    }
    body.string()?;
    body.i32()?;
    ensure!(body.i32()? > 0, "Metadata names no topic");
    body.no_error()?;
    body.string()?;
    body.take(1)?;
    let partitions = usize::try_from(body.i32()?)?;
    for _ in 0..partitions {
        body.no_error()?;
        body.i32()?;
        ensure!(body.i32()? >= 0, "a partition has no leader");
        for _ in 0..2 {
            let brokers = usize::try_from(body.i32()?)?;
            body.take(brokers * 4)?;
        }
    }
    Ok(partitions)
}

pub fn api_versions() -> Vec<u8> {
    Out::request(API_VERSIONS).frame()
}

pub fn find_coordinator(group: &str) -> Vec<u8> {
    let mut out = Out::request(FIND_COORDINATOR);
    out.string(group).i8(0);
    out.frame()
}

/// Of a transactional id.
pub fn find_transactions(id: &str) -> Vec<u8> {
    let mut out = Out::request(FIND_COORDINATOR);
    out.string(id).i8(1);
    out.frame()
}

pub fn init_producer_id(transaction: &str) -> Vec<u8> {
    let mut out = Out::request(INIT_PRODUCER_ID);
    out.string(transaction).i32(60_000);
    out.frame()
}

pub fn initialized(body: &[u8]) -> anyhow::Result<Producer> {
    let mut body = In(body);
    body.i32()?;
    body.no_error()?;
    Ok((body.i64()?, body.i16()?))
}

/// Adds a partition to a transaction.
pub fn add_partition(transaction: &str, (id, epoch): Producer, topic: &str, partition: i32) -> Vec<u8> {
    let mut out = Out::request(ADD_PARTITIONS_TO_TXN);
    out.string(transaction).i64(id).i16(epoch);
    out.count(1).string(topic).count(1).i32(partition);
    out.frame()
}

pub fn commit_transaction(transaction: &str, (id, epoch): Producer) -> Vec<u8> {
    let mut out = Out::request(END_TXN);
    out.string(transaction).i64(id).i16(epoch).i8(1);
    out.frame()
}

/// Joins with one protocol. The member is new where its id is empty.
pub fn join(group: &str, member: &str) -> Vec<u8> {
    let mut out = Out::request(JOIN_GROUP);
    out.string(group)
        .i32(300_000)
        .i32(300_000)
        .string(member)
        .string("consumer");
    out.count(1).string("range").bytes(&[0, 1, 0, 0, 0, 0, 0, 0, 0, 0]);
    out.frame()
}

/// A member's place in a generation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Joined {
    pub generation: i32,
    pub member: String,
    pub leads: bool,
}

pub fn joined(body: &[u8]) -> anyhow::Result<Joined> {
    let mut body = In(body);
    body.i32()?;
    body.no_error()?;
    let generation = body.i32()?;
    body.string()?;
    let leader = body.string()?;
    let member = body.string()?;
    Ok(Joined {
        generation,
        member: member.to_owned(),
        leads: leader == member,
    })
}

/// The leader names everybody's assignment; the others name none.
pub fn sync(group: &str, joined: &Joined, members: &[&str]) -> Vec<u8> {
    let mut out = Out::request(SYNC_GROUP);
    out.string(group)
        .i32(joined.generation)
        .string(&joined.member)
        .count(members.len());
    for member in members {
        out.string(member).bytes(&[0, 1, 0, 0, 0, 0, 0, 0, 0, 0]);
    }
    out.frame()
}

pub fn heartbeat(group: &str, joined: &Joined) -> Vec<u8> {
    let mut out = Out::request(HEARTBEAT);
    out.string(group).i32(joined.generation).string(&joined.member);
    out.frame()
}

pub fn commit(group: &str, joined: &Joined, topic: &str) -> Vec<u8> {
    let mut out = Out::request(OFFSET_COMMIT);
    out.string(group).i32(joined.generation).string(&joined.member);
    out.count(1).string(topic).count(1).i32(0).i64(1).i32(-1).string("");
    out.frame()
}

pub fn leave(group: &str, joined: &Joined) -> Vec<u8> {
    let mut out = Out::request(LEAVE_GROUP);
    out.string(group).string(&joined.member);
    out.frame()
}

/// A throttle time and an error code, as the answers of many APIs begin.
pub fn check_throttled(body: &[u8]) -> anyhow::Result<()> {
    let mut body = In(body);
    body.i32()?;
    body.no_error()
}

pub fn check_committed(body: &[u8]) -> anyhow::Result<()> {
    let mut body = In(body);
    body.i32()?;
    for _ in 0..body.i32()? {
        body.string()?;
        for _ in 0..body.i32()? {
            body.i32()?;
            body.no_error()?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_has_records_of_the_size_asked_for_and_its_checksum() {
        let batch = batch(16, 1024, 7);
        assert_eq!((batch.len() - 61) / 16, 1024);
        assert_eq!(In(&batch[8..]).i32().unwrap() as usize, batch.len() - 12);
        assert_eq!(In(&batch[17..]).i32().unwrap() as u32, crc32c::crc32c(&batch[21..]));
    }

    #[test]
    fn a_batch_of_a_transaction_has_its_producer_and_its_checksum() {
        let mut batch = batch(1, 100, 7);
        into_transaction(&mut batch, (9, 2), 5);
        let mut producer = In(&batch[43..]);
        let named = (
            producer.i64().unwrap(),
            producer.i16().unwrap(),
            producer.i32().unwrap(),
        );
        assert_eq!((named, batch[22]), ((9, 2, 5), 0x10));
        assert_eq!(In(&batch[17..]).i32().unwrap() as u32, crc32c::crc32c(&batch[21..]));
    }

    #[test]
    fn a_fetch_goes_on_behind_its_last_whole_batch() {
        let batch = batch(3, 100, 7);
        let cut = [&batch[..], &batch[..80]].concat();
        let mut answer = Out::default();
        answer.i32(0).count(1).string("t").count(1);
        answer.i32(0).i16(0).i64(9).i64(9).i32(-1).bytes(&cut);
        let mut offsets = [0];
        assert_eq!(fetched(&answer.0, &mut offsets).unwrap(), cut.len() as u64);
        assert_eq!(offsets, [3]);
    }

    #[test]
    fn an_error_code_is_no_answer() {
        let mut answer = Out::default();
        answer.i32(0).i16(25);
        assert!(check_throttled(&answer.0).unwrap_err().to_string().contains("25"));
    }
}
