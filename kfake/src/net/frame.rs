//! Frames: a size prefix of four bytes, then that many bytes.

use std::io;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncReadExt};

use super::mapped::MappedFrame;

/// The room that is reserved before a client has sent anything to fill it.
const FIRST_READ: usize = 8 * 1024;

/// The most room that is reserved for a frame because the one before was as large.
const LARGEST_GUESS: usize = 4 * 1024 * 1024;

/// Frames from this size on have memory of their own.
const LEAST_MAPPED: usize = 128 * 1024;

/// Room that is not worth a read of its own.
const LEAST_READ: usize = 2 * 1024;

/// While a request is being handled, the connection reads ahead this far and no further.
const READ_AHEAD: usize = 256 * 1024;

/// A size prefix that no request can have.
#[derive(Debug, Error, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FrameError {
    /// Kafka's `NetworkReceive` refuses sizes below zero.
    #[error("the frame's size is negative: {0}")]
    Negative(i32),
    /// Above the broker's `socket.request.max.bytes`.
    #[error("the frame's size is {size} bytes, the limit {limit}")]
    TooLarge {
        /// What the prefix claims.
        size: i32,
        /// The limit.
        limit: usize,
    },
}

/// Collects a connection's bytes and cuts them into frames. A frame shares the bytes that were read.
///
/// Room grows with the bytes that arrive, never with what a size prefix claims. A client that has sent a large frame is
/// expected to send another: its room has the frame's size from the start, so that nothing is copied while the frame
/// arrives, and what a log keeps of it pins no more than it. Of a large frame's room, the addresses are all that is there
/// before its bytes.
#[derive(Debug)]
pub(crate) struct FrameReader {
    buffer: BytesMut,
    /// A large frame that is arriving, or has. What is in the buffer comes behind it.
    mapped: Option<MappedFrame>,
    limit: usize,
    ended: bool,
    /// The size of the frame that came last, its prefix included.
    last: usize,
}

impl FrameReader {
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            buffer: BytesMut::new(),
            mapped: None,
            limit,
            ended: false,
            last: 0,
        }
    }

    /// The next whole frame among the bytes read so far, without its prefix.
    pub(crate) fn next_frame(&mut self) -> Result<Option<Bytes>, FrameError> {
        if let Some(frame) = self.mapped.take_if(|frame| frame.is_whole()) {
            self.last = frame.len();
            let mut bytes = frame.finish();
            bytes.advance(4);
            return Ok(Some(bytes));
        }
        let Some(prefix) = self.buffer.first_chunk::<4>() else {
            return Ok(None);
        };
        let size = i32::from_be_bytes(*prefix);
        let length = usize::try_from(size).map_err(|_| FrameError::Negative(size))?;
        if length > self.limit {
            return Err(FrameError::TooLarge {
                size,
                limit: self.limit,
            });
        }
        if self.buffer.len() - 4 < length {
            return Ok(None);
        }
        self.last = 4 + length;
        self.buffer.advance(4);
        Ok(Some(self.buffer.split_to(length).freeze()))
    }

    /// Reads what has arrived; `false` once the peer has closed its side. Cancel safe.
    pub(crate) async fn fill<S: AsyncRead + Unpin>(&mut self, stream: &mut S) -> io::Result<bool> {
        if self.ended {
            return Ok(false);
        }
        if self.mapped.is_none() {
            self.map();
        }
        let read = match &mut self.mapped {
            Some(frame) if !frame.is_whole() => frame.fill(stream).await?,
            _ => {
                self.make_room();
                // What is read before the frame has memory of its own is copied there.
                let limit = match self.last < LEAST_MAPPED {
                    true => usize::MAX,
                    false => FIRST_READ.saturating_sub(self.buffer.len()).max(LEAST_READ),
                };
                stream.read_buf(&mut (&mut self.buffer).limit(limit)).await?
            }
        };
        self.ended = read == 0;
        Ok(!self.ended)
    }

    /// Gives the frame that is arriving memory of its own, if it is large and the one before was, too.
    fn map(&mut self) {
        let size = self.buffer.len() + self.missing();
        if self.missing() > 0 && size >= LEAST_MAPPED && size <= LARGEST_GUESS.min(2 * self.last) {
            self.mapped = MappedFrame::begin(size, &self.buffer);
            if self.mapped.is_some() {
                // Anew, since it may have grown to the size of the frame before.
                self.buffer = BytesMut::new();
            }
        }
    }

    fn make_room(&mut self) {
        let (filled, room) = (self.buffer.len(), self.buffer.capacity() - self.buffer.len());
        let missing = self.missing();
        if room >= LEAST_READ || (missing > 0 && room >= missing) {
            return;
        }
        if filled == 0 && self.last > FIRST_READ && self.last < LEAST_MAPPED {
            self.buffer = BytesMut::with_capacity(self.last);
            return;
        }
        if missing > 0 && filled + missing <= self.last.min(LARGEST_GUESS) {
            self.buffer.reserve(missing);
            return;
        }
        // As much again as has arrived; not more than is missing once that is known to be within it.
        let growth = filled.max(FIRST_READ);
        self.buffer.reserve(if missing > LEAST_READ {
            growth.min(missing)
        } else {
            growth
        });
    }

    /// How many bytes the frame that is arriving lacks; 0 while that is not known, or cannot be.
    fn missing(&self) -> usize {
        let prefix = self.buffer.first_chunk::<4>();
        let length = prefix.and_then(|prefix| usize::try_from(i32::from_be_bytes(*prefix)).ok());
        length.map_or(0, |length| (4 + length).saturating_sub(self.buffer.len()))
    }

    /// Returns once the peer has closed its side or the connection is broken. Cancel safe.
    ///
    /// What the peer sends meanwhile is kept, up to a limit; behind it the departure is seen when it is read.
    pub(crate) async fn departure<S: AsyncRead + Unpin>(&mut self, stream: &mut S) {
        while self.leftover() < READ_AHEAD {
            match self.fill(stream).await {
                Ok(true) => {}
                Ok(false) | Err(_) => {
                    self.ended = true;
                    return;
                }
            }
        }
        std::future::pending::<()>().await;
    }

    /// Bytes that no whole frame has taken.
    pub(crate) fn leftover(&self) -> usize {
        self.buffer.len() + self.mapped.as_ref().map_or(0, MappedFrame::len)
    }

    #[cfg(test)]
    fn capacity(&self) -> usize {
        self.buffer.capacity()
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncWriteExt, DuplexStream, duplex};

    use super::*;

    async fn reader_with(bytes: &[u8], limit: usize) -> FrameReader {
        let (mut near, mut far) = duplex(1 << 20);
        far.write_all(bytes).await.unwrap();
        let mut reader = FrameReader::new(limit);
        reader.fill(&mut near).await.unwrap();
        reader
    }

    #[tokio::test]
    async fn frames_come_out_whole_and_in_order() {
        let mut reader = reader_with(&[0, 0, 0, 1, 7, 0, 0, 0, 2, 8, 9, 0, 0], 100).await;
        assert_eq!(reader.next_frame(), Ok(Some(Bytes::from_static(&[7]))));
        assert_eq!(reader.next_frame(), Ok(Some(Bytes::from_static(&[8, 9]))));
        assert_eq!(reader.next_frame(), Ok(None));
        assert_eq!(reader.leftover(), 2);
    }

    #[tokio::test]
    async fn a_size_over_the_limit_is_refused_and_reserves_nothing() {
        let mut reader = reader_with(&i32::MAX.to_be_bytes(), 1000).await;
        let before = reader.capacity();
        assert_eq!(
            reader.next_frame(),
            Err(FrameError::TooLarge {
                size: i32::MAX,
                limit: 1000
            })
        );
        assert_eq!(reader.capacity(), before);
    }

    #[tokio::test]
    async fn a_size_within_the_limit_reserves_nothing_before_the_bytes_are_there() {
        let mut reader = reader_with(&(90_i32 << 20).to_be_bytes(), 100 << 20).await;
        assert_eq!(reader.next_frame(), Ok(None));
        assert!(reader.capacity() <= FIRST_READ);
    }

    /// A reader that has given out a frame, with its end of the connection and the peer's.
    async fn after(frame: &[u8], limit: usize) -> (DuplexStream, DuplexStream, FrameReader) {
        let (mut near, mut far) = duplex(1 << 20);
        let mut reader = FrameReader::new(limit);
        far.write_all(frame).await.unwrap();
        while reader.next_frame().unwrap().is_none() {
            reader.fill(&mut near).await.unwrap();
        }
        (near, far, reader)
    }

    #[tokio::test]
    async fn a_frame_like_the_one_before_arrives_in_room_of_its_own_size() {
        let frame = [&100_000_i32.to_be_bytes()[..], &[7; 100_000]].concat();
        let (mut near, mut far) = duplex(1 << 20);
        let mut reader = FrameReader::new(300_000);
        // Kept, as a log keeps them.
        let mut frames = Vec::new();
        for nth in 0..4 {
            far.write_all(&frame).await.unwrap();
            while frames.len() <= nth {
                reader.fill(&mut near).await.unwrap();
                frames.extend(reader.next_frame().unwrap());
            }
            assert_eq!(frames[nth], frame[4..]);
            assert!(nth < 1 || reader.capacity() < LEAST_READ, "{}", reader.capacity());
        }
    }

    #[tokio::test]
    async fn a_large_frame_like_the_one_before_arrives_in_memory_of_its_own_and_the_next_behind_it() {
        let frame = |fill: u8, length: i32| [&length.to_be_bytes()[..], &vec![fill; length as usize]].concat();
        let (first, second, small) = (frame(1, 200_000), frame(2, 300_000), frame(3, 5));
        let (mut near, mut far) = duplex(1 << 20);
        let mut reader = FrameReader::new(500_000);
        far.write_all(&first).await.unwrap();
        let mut frames = Vec::new();
        while frames.is_empty() {
            reader.fill(&mut near).await.unwrap();
            frames.extend(reader.next_frame().unwrap());
        }
        far.write_all(&[second.clone(), small.clone()].concat()).await.unwrap();
        while reader.mapped.as_ref().is_none_or(|frame| !frame.is_whole()) {
            reader.fill(&mut near).await.unwrap();
            assert!(
                reader.buffer.len() <= FIRST_READ,
                "{} bytes are read twice",
                reader.buffer.len()
            );
        }
        assert_eq!(reader.capacity(), 0);
        // It is not taken yet: what is read now comes behind it.
        reader.fill(&mut near).await.unwrap();
        assert_eq!(reader.leftover(), second.len() + small.len());
        frames.extend(reader.next_frame().unwrap());
        frames.extend(reader.next_frame().unwrap());
        assert_eq!(frames, [first, second, small].map(|frame| frame[4..].to_vec()));
        assert_eq!((reader.next_frame(), reader.leftover()), (Ok(None), 0));
    }

    #[tokio::test(start_paused = true)]
    async fn a_departure_is_waited_for_behind_a_large_frame() {
        let frame = [&200_000_i32.to_be_bytes()[..], &[7; 200_000]].concat();
        let (mut near, mut far, mut reader) = after(&frame, 300_000).await;
        far.write_all(&frame).await.unwrap();
        let stays = tokio::time::timeout(std::time::Duration::from_secs(1), reader.departure(&mut near)).await;
        assert!(stays.is_err() && reader.mapped.is_some());
        drop(far);
        reader.departure(&mut near).await;
        assert_eq!(reader.next_frame(), Ok(Some(Bytes::from(frame).slice(4..))));
        assert!(!reader.fill(&mut near).await.unwrap());
    }

    #[tokio::test]
    async fn a_peer_that_leaves_within_a_large_frame_is_seen() {
        let frame = [&200_000_i32.to_be_bytes()[..], &[7; 200_000]].concat();
        let (mut near, mut far, mut reader) = after(&frame, 300_000).await;
        far.write_all(&frame[..150_000]).await.unwrap();
        drop(far);
        while reader.fill(&mut near).await.unwrap() {}
        assert_eq!((reader.next_frame(), reader.leftover()), (Ok(None), 150_000));
    }

    #[tokio::test]
    async fn a_much_larger_claim_than_the_frame_before_reserves_nothing() {
        let frame = [&200_000_i32.to_be_bytes()[..], &[7; 200_000]].concat();
        let (mut near, mut far, mut reader) = after(&frame, 100 << 20).await;
        far.write_all(&(3_i32 << 20).to_be_bytes()).await.unwrap();
        reader.fill(&mut near).await.unwrap();
        reader.map();
        assert!(reader.mapped.is_none());
    }

    #[tokio::test]
    async fn a_larger_frame_than_the_one_before_still_reserves_by_what_arrives() {
        let mut bytes = [&20_000_i32.to_be_bytes()[..], &[7; 20_000]].concat();
        let mut reader = FrameReader::new(100 << 20);
        let (mut near, mut far) = duplex(1 << 20);
        far.write_all(&bytes).await.unwrap();
        while reader.next_frame().unwrap().is_none() {
            reader.fill(&mut near).await.unwrap();
        }
        bytes.clear();
        bytes.extend((90_i32 << 20).to_be_bytes());
        far.write_all(&bytes).await.unwrap();
        reader.fill(&mut near).await.unwrap();
        reader.make_room();
        assert!(reader.capacity() <= 2 * 20_004, "{}", reader.capacity());
    }

    #[tokio::test]
    async fn a_negative_size_is_refused() {
        let mut reader = reader_with(&(-5_i32).to_be_bytes(), 1000).await;
        assert_eq!(reader.next_frame(), Err(FrameError::Negative(-5)));
    }
}
