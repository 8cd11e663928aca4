//! The codecs, as Apache Kafka frames them.

use std::io::{self, Read, Write};

/// What snappy-java puts before its blocks: its magic, and two versions.
const XERIAL: &[u8] = b"\x82SNAPPY\0\0\0\0\x01\0\0\0\x01";

/// Compresses by a codec's name; None: there is no such codec.
pub fn compress(codec: &str, bytes: &[u8]) -> Option<io::Result<Vec<u8>>> {
    Some(match codec {
        "none" => Ok(bytes.to_vec()),
        "gzip" => {
            let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
            writer.write_all(bytes).and_then(|()| writer.finish())
        }
        "snappy" => snap::raw::Encoder::new()
            .compress_vec(bytes)
            .map_err(io::Error::other)
            .map(|block| [XERIAL, &(block.len() as u32).to_be_bytes(), &block].concat()),
        "lz4" => lz4(bytes),
        "zstd" => zstd::encode_all(bytes, 3),
        _ => return None,
    })
}

fn lz4(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut writer = lz4::EncoderBuilder::new()
        .block_mode(lz4::BlockMode::Independent)
        .build(Vec::new())?;
    writer.write_all(bytes)?;
    let (compressed, result) = writer.finish();
    result.map(|()| compressed)
}

/// Decompresses by a codec's name.
pub fn decompress(codec: &str, bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut out = Vec::new();
    match codec {
        "none" => out.extend(bytes),
        "gzip" => {
            flate2::read::MultiGzDecoder::new(bytes).read_to_end(&mut out)?;
        }
        "snappy" => {
            let mut rest = bytes
                .strip_prefix(XERIAL)
                .ok_or_else(|| io::Error::other("no snappy-java stream"))?;
            while let Some((length, behind)) = rest.split_first_chunk() {
                let length = u32::from_be_bytes(*length) as usize;
                let (block, behind) = behind
                    .split_at_checked(length)
                    .ok_or_else(|| io::Error::other("a snappy block is cut off"))?;
                out.extend(
                    snap::raw::Decoder::new()
                        .decompress_vec(block)
                        .map_err(io::Error::other)?,
                );
                rest = behind;
            }
        }
        "lz4" => {
            lz4::Decoder::new(bytes)?.read_to_end(&mut out)?;
        }
        "zstd" => out = zstd::decode_all(bytes)?,
        other => return Err(io::Error::other(format!("no codec {other}"))),
    }
    Ok(out)
}
