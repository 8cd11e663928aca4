//! What consumers say of themselves when they join: the topics that they subscribe to.
//!
//! Groups do not look into it, but for OffsetDelete and the expiry of offsets, which spare what is subscribed.

use std::cell::OnceCell;
use std::collections::BTreeSet;

use bytes::{Buf, Bytes};

/// The topics of a generation: what its members said of the protocol that was chosen.
#[derive(Debug, Default)]
pub(super) struct Subscribed {
    /// The members' metadata, kept until somebody asks. None: there was no generation yet, or it is not one of consumers.
    metadata: Option<Vec<Bytes>>,
    topics: OnceCell<Option<BTreeSet<String>>>,
}

impl Subscribed {
    /// What consumers with this metadata subscribe to.
    pub fn by(metadata: Vec<Bytes>) -> Self {
        Self {
            metadata: Some(metadata),
            topics: OnceCell::new(),
        }
    }

    /// Every topic that a member subscribes to; none if that is not known, as when a member's metadata cannot be read
    /// (`ClassicGroup.computeSubscribedTopics`).
    pub fn topics(&self) -> Option<&BTreeSet<String>> {
        let read_all = || {
            let mut topics = BTreeSet::new();
            for metadata in self.metadata.as_ref()? {
                topics.extend(read(metadata.clone())?);
            }
            Some(topics)
        };
        self.topics.get_or_init(read_all).as_ref()
    }
}

/// Reads a `ConsumerProtocolSubscription`, of which each version has what those before it have: the topics, the user data;
/// from version 1 the partitions owned, from 2 the generation, from 3 the rack. A version to come is read as the last.
fn read(mut metadata: Bytes) -> Option<Vec<String>> {
    let version = metadata.try_get_i16().ok().filter(|version| *version >= 0)?;
    let topics = array(&mut metadata, string)?;
    bytes(&mut metadata)?;
    if version >= 1 {
        array(&mut metadata, |owned| {
            string(owned)?;
            array(owned, |partition| partition.try_get_i32().ok())
        })?;
    }
    if version >= 2 {
        metadata.try_get_i32().ok()?;
    }
    if version >= 3 {
        match metadata.try_get_i16().ok()? {
            -1 => {}
            length => take(&mut metadata, i32::from(length)).map(drop)?,
        }
    }
    Some(topics)
}

fn array<T>(buf: &mut Bytes, item: impl Fn(&mut Bytes) -> Option<T>) -> Option<Vec<T>> {
    let length = buf.try_get_i32().ok().filter(|length| *length >= 0)?;
    // Grows with what is there, not with what the length claims.
    (0..length).map(|_| item(buf)).collect()
}

fn string(buf: &mut Bytes) -> Option<String> {
    let length = buf.try_get_i16().ok()?;
    let text = take(buf, i32::from(length))?;
    String::from_utf8(text.to_vec()).ok()
}

fn bytes(buf: &mut Bytes) -> Option<()> {
    match buf.try_get_i32().ok()? {
        -1 => Some(()),
        length => take(buf, length).map(drop),
    }
}

fn take(buf: &mut Bytes, length: i32) -> Option<Bytes> {
    let length = usize::try_from(length).ok().filter(|length| *length <= buf.len())?;
    Some(buf.split_to(length))
}

#[cfg(test)]
mod tests {
    use bytes::{BufMut, BytesMut};

    use super::*;

    /// A subscription to `topics`, up to what its version has.
    fn subscription(version: i16, topics: &[&str]) -> Bytes {
        let mut buf = BytesMut::new();
        buf.put_i16(version);
        buf.put_i32(topics.len() as i32);
        for topic in topics {
            buf.put_i16(topic.len() as i16);
            buf.put_slice(topic.as_bytes());
        }
        buf.put_i32(-1);
        if version >= 1 {
            buf.put_i32(1);
            buf.put_i16(1);
            buf.put_slice(b"t");
            buf.put_i32(1);
            buf.put_i32(0);
        }
        if version >= 2 {
            buf.put_i32(7);
        }
        if version >= 3 {
            buf.put_i16(-1);
        }
        buf.freeze()
    }

    #[test]
    fn topics_are_those_of_all_members_in_any_version() {
        let members = (0..5).map(|version| subscription(version, &["a", ["b", "c", "d", "e", "f"][version as usize]]));
        let subscribed = Subscribed::by(members.collect());
        let expected = ["a", "b", "c", "d", "e", "f"].map(str::to_owned);
        assert_eq!(subscribed.topics(), Some(&BTreeSet::from(expected)));
    }

    #[test]
    fn one_member_that_cannot_be_read_leaves_nothing_known() {
        for broken in [
            &b"m"[..],
            b"",
            b"\xff\xff\0\0\0\0",
            b"\0\0\x7f\xff\xff\xff",
            b"\0\0\0\0\0\x01\0\x05a",
        ] {
            let members = vec![subscription(0, &["a"]), Bytes::copy_from_slice(broken)];
            assert_eq!(Subscribed::by(members).topics(), None, "{broken:?}");
        }
        let mut short = subscription(3, &["a"]);
        short.truncate(short.len() - 1);
        assert_eq!(Subscribed::by(vec![short]).topics(), None);
    }

    #[test]
    fn no_members_subscribe_to_nothing() {
        assert_eq!(Subscribed::by(Vec::new()).topics(), Some(&BTreeSet::new()));
        assert_eq!(Subscribed::default().topics(), None);
    }
}
