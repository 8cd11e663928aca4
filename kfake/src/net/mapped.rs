//! Memory for one large frame: pages of its own from the system, asked for in steps as its bytes arrive.
//!
//! A log keeps what arrives, so each large frame needs memory that was never used before. Touched for the first time, a page
//! costs an exception, in the middle of the copy out of the socket. Asked for in steps, the pages of a step cost one call.

use std::io;

use bytes::Bytes;
use memmap2::MmapMut;
use tokio::io::{AsyncRead, AsyncReadExt};

/// How far the memory that a frame has is ahead of the bytes that have arrived.
const STEP: usize = 256 * 1024;

/// A frame that is arriving. Its size is the client's claim, and reserves addresses alone.
#[derive(Debug)]
pub(super) struct MappedFrame {
    memory: MmapMut,
    filled: usize,
    /// Up to here the system has been asked for memory.
    asked: usize,
}

impl MappedFrame {
    /// A frame of `size` bytes that begins with these; `None` where the system has no addresses left, or the bytes are more.
    pub fn begin(size: usize, beginning: &[u8]) -> Option<Self> {
        let mut memory = MmapMut::map_anon(size).ok()?;
        memory.get_mut(..beginning.len())?.copy_from_slice(beginning);
        Some(Self {
            memory,
            filled: beginning.len(),
            asked: beginning.len(),
        })
    }

    pub fn len(&self) -> usize {
        self.filled
    }

    pub fn is_whole(&self) -> bool {
        self.filled == self.memory.len()
    }

    /// Reads what has arrived of this frame, and nothing of the next; 0 once the peer has closed its side. Cancel safe.
    pub async fn fill<S: AsyncRead + Unpin>(&mut self, stream: &mut S) -> io::Result<usize> {
        if self.filled == self.asked {
            let step = STEP.min(self.memory.len() - self.asked);
            ask_for(&self.memory, self.asked, step);
            self.asked += step;
        }
        let read = stream.read(&mut self.memory[self.filled..self.asked]).await?;
        self.filled += read;
        Ok(read)
    }

    /// The whole frame's bytes. The memory goes back to the system with the last of them.
    pub fn finish(self) -> Bytes {
        Bytes::from_owner(self.memory)
    }
}

/// Linux makes the pages of a range at once since 5.14; elsewhere each is made when it is touched.
#[cfg(target_os = "linux")]
fn ask_for(memory: &MmapMut, from: usize, length: usize) {
    // What fails here is made when it is touched.
    let _ = memory.advise_range(memmap2::Advice::PopulateWrite, from, length);
}

#[cfg(not(target_os = "linux"))]
fn ask_for(_memory: &MmapMut, _from: usize, _length: usize) {}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncWriteExt, duplex};

    use super::*;

    #[tokio::test]
    async fn a_frame_takes_its_own_bytes_and_none_of_the_next() {
        let bytes: Vec<u8> = (0..600_000_u32).map(|nth| nth as u8).collect();
        let (mut near, mut far) = duplex(1 << 20);
        far.write_all(&bytes[7..]).await.unwrap();
        let mut frame = MappedFrame::begin(500_000, &bytes[..7]).unwrap();
        while !frame.is_whole() {
            assert!(frame.fill(&mut near).await.unwrap() > 0);
        }
        assert_eq!(frame.finish(), bytes[..500_000]);
        let mut rest = vec![0; 100_000];
        near.read_exact(&mut rest).await.unwrap();
        assert_eq!(rest, bytes[500_000..]);
    }

    #[tokio::test]
    async fn memory_is_asked_for_no_further_than_a_step_ahead_of_what_has_arrived() {
        let (mut near, mut far) = duplex(1 << 20);
        let mut frame = MappedFrame::begin(64 << 20, &[1; 8]).unwrap();
        for _ in 0..10 {
            far.write_all(&[2; 100_000]).await.unwrap();
            frame.fill(&mut near).await.unwrap();
            assert!(frame.asked <= frame.len() + STEP, "{} of {}", frame.asked, frame.len());
        }
        #[cfg(target_os = "linux")]
        assert!(resident(&frame.memory) <= frame.len() + STEP + 2 * 4096);
    }

    /// Bytes of a mapping that are in memory: its `Rss` in `/proc/self/smaps`. Mappings beside it may be told with it, so it
    /// is an upper bound only where it is alone, as a large one of one test is.
    #[cfg(target_os = "linux")]
    fn resident(memory: &MmapMut) -> usize {
        let smaps = std::fs::read_to_string("/proc/self/smaps").unwrap();
        let at = memory.as_ptr() as usize;
        let mut lines = smaps.lines().skip_while(|line| {
            let range = line.split(' ').next().and_then(|range| range.split_once('-'));
            let range = range.and_then(|(from, to)| {
                Some(usize::from_str_radix(from, 16).ok()?..usize::from_str_radix(to, 16).ok()?)
            });
            !range.is_some_and(|range| range.contains(&at))
        });
        let line = lines.find(|line| line.starts_with("Rss:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() * 1024
    }

    #[test]
    fn a_beginning_that_is_longer_than_the_frame_is_refused() {
        assert!(MappedFrame::begin(4, &[0; 5]).is_none());
    }
}
