//! Compressed records as a bounded stream: nothing is decompressed that is not read.

use std::io::{self, BufRead, BufReader, Read, Write};

/// How a batch's records are compressed: the lowest three attribute bits (`CompressionType`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Codec {
    /// Not at all.
    None,
    /// RFC 1952.
    Gzip,
    /// Snappy blocks in the framing of the Java client, or one bare block.
    Snappy,
    /// LZ4 frames.
    Lz4,
    /// Zstandard (KIP-110), from Produce version 7.
    Zstd,
}

impl Codec {
    /// The codec that the attribute bits name.
    ///
    /// # Errors
    ///
    /// The bits themselves, when they name none.
    pub fn from_bits(bits: u8) -> Result<Self, u8> {
        match bits {
            0 => Ok(Self::None),
            1 => Ok(Self::Gzip),
            2 => Ok(Self::Snappy),
            3 => Ok(Self::Lz4),
            4 => Ok(Self::Zstd),
            unknown => Err(unknown),
        }
    }

    /// Compresses `data` as the Java client does.
    ///
    /// # Errors
    ///
    /// What the codec's library says; for want of memory, if at all.
    pub(crate) fn compress(self, data: &[u8], level: Level) -> io::Result<Vec<u8>> {
        match self {
            Self::None => Ok(data.to_vec()),
            Self::Gzip => gzip(data, level.gzip),
            Self::Snappy => snappy(data),
            Self::Lz4 => lz4(data, level.lz4),
            Self::Zstd => zstd::bulk::compress(data, level.zstd),
        }
    }

    /// The stream that `compressed` expands to.
    ///
    /// # Errors
    ///
    /// The codec refuses the stream's beginning. Later faults surface while reading.
    pub(crate) fn reader<'a>(self, compressed: &'a [u8]) -> io::Result<Box<dyn BufRead + 'a>> {
        // The empty stream is invalid in every codec; some of the decoders take it for an end instead.
        if compressed.is_empty() && self != Self::None {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(match self {
            Self::None => Box::new(compressed),
            Self::Gzip => Box::new(BufReader::new(flate2::bufread::MultiGzDecoder::new(compressed))),
            Self::Snappy => Box::new(SnappyReader::new(compressed)),
            Self::Lz4 => Box::new(BufReader::new(Lz4Reader::new(compressed)?)),
            Self::Zstd => Box::new(BufReader::new(zstd::stream::read::Decoder::with_buffer(compressed)?)),
        })
    }
}

/// How hard a codec tries. Each codec's default is that of Kafka's topics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Level {
    /// `compression.gzip.level`: 1 to 9, or -1 for zlib's own.
    pub gzip: i32,
    /// `compression.lz4.level`: 1 to 17.
    pub lz4: i32,
    /// `compression.zstd.level`: -131072 to 22.
    pub zstd: i32,
}

impl Default for Level {
    fn default() -> Self {
        Self {
            gzip: -1,
            lz4: 9,
            zstd: 3,
        }
    }
}

/// How much the Java client puts into one Snappy block.
const SNAPPY_BLOCK: usize = 32 * 1024;

/// `data` as the Java client compresses it with Snappy.
fn snappy(data: &[u8]) -> io::Result<Vec<u8>> {
    let mut out = SNAPPY_MAGIC.to_vec();
    out.extend_from_slice(&[0, 0, 0, 1, 0, 0, 0, 1]);
    let mut encoder = snap::raw::Encoder::new();
    for block in data.chunks(SNAPPY_BLOCK) {
        let block = encoder.compress_vec(block)?;
        out.extend_from_slice(&(block.len() as u32).to_be_bytes());
        out.extend_from_slice(&block);
    }
    Ok(out)
}

/// `data` in an LZ4 frame of independent blocks, since the Java client reads no others.
fn lz4(data: &[u8], level: i32) -> io::Result<Vec<u8>> {
    let level = u32::try_from(level).unwrap_or_default();
    let mut encoder = lz4::EncoderBuilder::new()
        .level(level)
        .block_mode(lz4::BlockMode::Independent)
        .block_size(lz4::BlockSize::Max64KB)
        .checksum(lz4::ContentChecksum::NoChecksum)
        .build(Vec::new())?;
    encoder.write_all(data)?;
    let (out, finished) = encoder.finish();
    finished.map(|()| out)
}

fn gzip(data: &[u8], level: i32) -> io::Result<Vec<u8>> {
    let level = match u32::try_from(level) {
        Ok(level) => flate2::Compression::new(level),
        Err(_) => flate2::Compression::default(),
    };
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), level);
    encoder.write_all(data)?;
    encoder.finish()
}

/// LZ4 frames, where an input that ends inside a frame is an error instead of an end.
struct Lz4Reader<'a> {
    /// `None` once the input has been found to end too early.
    decoder: Option<lz4::Decoder<&'a [u8]>>,
}

impl<'a> Lz4Reader<'a> {
    fn new(compressed: &'a [u8]) -> io::Result<Self> {
        Ok(Self {
            decoder: Some(lz4::Decoder::new(compressed)?),
        })
    }
}

impl Read for Lz4Reader<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let Some(decoder) = &mut self.decoder else {
            return Ok(0);
        };
        let read = decoder.read(buf)?;
        if read == 0 && !buf.is_empty() {
            // `finish` is where this decoder tells a whole frame from one that was cut off.
            // Its error says "interrupted", which readers take for "try again".
            let finished = self.decoder.take().map(|decoder| decoder.finish().1);
            if finished.is_some_and(|whole| whole.is_err()) {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(read)
    }
}

/// What the Java client writes before its Snappy blocks: a magic, a version and the oldest compatible version.
const SNAPPY_MAGIC: &[u8; 8] = b"\x82SNAPPY\0";
const SNAPPY_HEADER_SIZE: usize = 16;

/// Snappy's blocks one after the other, each decompressed when the one before it has been read.
struct SnappyReader<'a> {
    input: &'a [u8],
    framed: bool,
    block: Vec<u8>,
    read: usize,
}

impl<'a> SnappyReader<'a> {
    fn new(input: &'a [u8]) -> Self {
        Self {
            input,
            framed: input.starts_with(SNAPPY_MAGIC),
            block: Vec::new(),
            read: 0,
        }
    }

    fn next_block(&mut self) -> io::Result<()> {
        let invalid = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what.to_owned());
        let compressed = if self.framed {
            // A header may come again where streams were concatenated.
            while self.input.starts_with(SNAPPY_MAGIC) {
                self.input = self
                    .input
                    .get(SNAPPY_HEADER_SIZE..)
                    .ok_or_else(|| invalid("the header is cut off"))?;
            }
            if self.input.is_empty() {
                return Ok(());
            }
            let (length, rest) = self
                .input
                .split_first_chunk::<4>()
                .ok_or_else(|| invalid("a block's length is cut off"))?;
            let length = u32::from_be_bytes(*length) as usize;
            let (block, rest) = rest
                .split_at_checked(length)
                .ok_or_else(|| invalid("a block is cut off"))?;
            self.input = rest;
            block
        } else {
            std::mem::take(&mut self.input)
        };
        let claimed = snap::raw::decompress_len(compressed)?;
        // The best a Snappy element can do is a 64-byte copy out of 3 bytes, so more is a lie, not worth its memory.
        if claimed > compressed.len().saturating_mul(64) {
            return Err(invalid("a block claims more than it can hold"));
        }
        self.block.clear();
        self.block.resize(claimed, 0);
        snap::raw::Decoder::new().decompress(compressed, &mut self.block)?;
        self.read = 0;
        Ok(())
    }
}

impl BufRead for SnappyReader<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        while self.read == self.block.len() && !self.input.is_empty() {
            self.next_block()?;
        }
        Ok(&self.block[self.read..])
    }

    fn consume(&mut self, amount: usize) {
        self.read += amount;
    }
}

impl Read for SnappyReader<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let read = self.fill_buf()?.read(buf)?;
        self.consume(read);
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::testing::compress;

    const CODECS: [Codec; 4] = [Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd];

    fn read_all(codec: Codec, compressed: &[u8]) -> io::Result<Vec<u8>> {
        let mut out = Vec::new();
        codec.reader(compressed)?.read_to_end(&mut out)?;
        Ok(out)
    }

    #[test]
    fn every_codec_reads_what_it_wrote() {
        let data: Vec<u8> = (0..200_000u32).map(|i| (i % 251) as u8).collect();
        for codec in CODECS {
            assert_eq!(read_all(codec, &compress(codec, &data)).unwrap(), data, "{codec:?}");
        }
    }

    #[test]
    fn a_stream_that_is_cut_off_is_an_error_and_not_an_end() {
        let data = vec![7u8; 100_000];
        for codec in CODECS {
            let compressed = compress(codec, &data);
            for cut in [0, compressed.len() / 2, compressed.len() - 1] {
                assert!(read_all(codec, &compressed[..cut]).is_err(), "{codec:?} cut at {cut}");
            }
        }
    }

    #[test]
    fn a_snappy_block_that_claims_more_than_it_can_hold_allocates_nothing() {
        // The length as a varint: 2^32 - 1.
        let bare = [0xff, 0xff, 0xff, 0xff, 0x0f, 0, 0];
        let error = read_all(Codec::Snappy, &bare).unwrap_err();
        assert_eq!(error.to_string(), "a block claims more than it can hold");
    }

    #[test]
    fn a_bare_snappy_block_is_read_too() {
        let data = b"no framing at all".repeat(9);
        let bare = snap::raw::Encoder::new().compress_vec(&data).unwrap();
        assert_eq!(read_all(Codec::Snappy, &bare).unwrap(), data);
    }

    #[test]
    fn concatenated_snappy_streams_are_one_stream() {
        let mut twice = compress(Codec::Snappy, b"one");
        twice.extend(compress(Codec::Snappy, b"two"));
        assert_eq!(read_all(Codec::Snappy, &twice).unwrap(), b"onetwo");
    }
}
