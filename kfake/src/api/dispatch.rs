//! From a frame to the API that handles it, and from its response to a frame.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use kafka_protocol::protocol::{Encodable, Message, Request};
use thiserror::Error;

use super::{api_versions, versions};
use crate::api::context::Context;
use crate::cluster::exits::Closing;
use crate::net::frame::FrameError;
use crate::net::shape::{self, ShapeError};

/// Why a connection is closed without an answer. Apache Kafka closes it in the same cases.
#[derive(Debug, Error)]
pub(crate) enum Refusal {
    /// See [`FrameError`].
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// The peer closed its side within a frame.
    #[error("the peer left {0} bytes into a frame")]
    TruncatedFrame(usize),
    /// The frame is too short for a request's header, or its client id is not text.
    #[error("the request's header cannot be read")]
    Header,
    /// No such API.
    #[error("unknown API key {0}")]
    UnknownApi(i16),
    /// A version that was not offered.
    #[error("unsupported version {version} of API key {key}")]
    UnsupportedVersion {
        /// The API key.
        key: i16,
        /// The version asked for.
        version: i16,
    },
    /// See [`ShapeError`].
    #[error("the request's body cannot be read: {0}")]
    Shape(#[from] ShapeError),
    /// A field has a value that its type does not allow: text that is not UTF-8, null where there is none.
    #[error("the request's body cannot be read: {0}")]
    Body(String),
    /// A produce request without acknowledgement failed: closing is the only way to say so.
    #[error("a produce request with acks=0 failed: {0}")]
    UnacknowledgedError(String),
    /// A response that its version cannot express: a defect of kfake.
    #[error("the response cannot be written: {0}")]
    Response(String),
    /// The cluster is closing; nobody is warned.
    #[error("the cluster is closing")]
    ShuttingDown,
}

impl From<Closing> for Refusal {
    fn from(_: Closing) -> Self {
        Self::ShuttingDown
    }
}

/// What a request is answered with.
#[derive(Debug)]
pub(crate) enum Answer {
    /// A response in one piece, behind room for its header ([`HEAD`]); the header is there once it leaves [`dispatch`].
    Whole(BytesMut),
    /// A response without its header, in parts that are written one after the other.
    Reply(Vec<Bytes>),
    /// Nothing: a produce request without acknowledgement, or a peer that has gone.
    Silent,
}

/// What a handler returns, as an answer.
pub(crate) trait Respond {
    fn respond(self, version: i16) -> Result<Answer, Refusal>;
}

impl<R: Encodable + Message> Respond for R {
    fn respond(self, version: i16) -> Result<Answer, Refusal> {
        let mut whole = BytesMut::with_capacity(SMALL);
        whole.put_bytes(0, HEAD);
        self.encode(&mut whole, version)
            .map_err(|error| Refusal::Response(error.to_string()))?;
        Ok(Answer::Whole(whole))
    }
}

impl Respond for Answer {
    fn respond(self, _version: i16) -> Result<Answer, Refusal> {
        Ok(self)
    }
}

/// Room for the body of most responses.
const SMALL: usize = 256;
/// The longest header of a response, with its size in front.
const HEAD: usize = 9;
/// Bodies in parts that are shorter than this are copied, so that one write takes them.
const LARGEST_COPIED: usize = 4096;

/// Handles one frame.
pub(crate) async fn dispatch(context: &mut Context, mut frame: Bytes) -> Result<Answer, Refusal> {
    context.request_bytes = frame.len();
    if frame.len() < 8 {
        return Err(Refusal::Header);
    }
    let key = frame.get_i16();
    let version = frame.get_i16();
    let correlation_id = frame.get_i32();
    let (api, offered) = versions::find(key, &context.shared.versions).ok_or(Refusal::UnknownApi(key))?;
    if !(offered.min..=offered.max).contains(&version) {
        if api.key as i16 != api_versions::KEY {
            return Err(Refusal::UnsupportedVersion { key, version });
        }
        // KIP-511: whatever the version, the answer is one that every client can read.
        read_header(context, &mut frame, api.key.request_header_version(version))?;
        let answer = api_versions::unsupported(offered).respond(0)?;
        return frame_reply(answer, correlation_id, 0);
    }
    read_header(context, &mut frame, api.key.request_header_version(version))?;
    let answer = (api.handle)(context, version, frame).await?;
    frame_reply(answer, correlation_id, api.key.response_header_version(version))
}

/// The rest of the request's header behind the correlation id: the client id, and tagged fields from header version 2.
fn read_header(context: &mut Context, frame: &mut Bytes, header_version: i16) -> Result<(), Refusal> {
    if header_version >= 1 {
        let length = frame.try_get_i16().map_err(|_| Refusal::Header)?;
        context.client_id = match length {
            -1 => None,
            _ => {
                let length = usize::try_from(length).map_err(|_| Refusal::Header)?;
                if frame.len() < length {
                    return Err(Refusal::Header);
                }
                let text = frame.split_to(length);
                let text = std::str::from_utf8(&text).map_err(|_| Refusal::Header)?;
                // A client names itself alike in all of its requests.
                let before = context.client_id.take().filter(|before| before == text);
                Some(before.unwrap_or_else(|| text.to_owned()))
            }
        };
    }
    if header_version >= 2 {
        let tags = shape::tagged_fields(frame)?;
        frame.advance(tags);
    }
    Ok(())
}

/// Decodes a request whose every length has been checked against the bytes that are there.
pub(crate) fn decode<R: Request>(version: i16, mut body: Bytes) -> Result<R, Refusal> {
    shape::check(R::KEY, version, &body)?;
    R::decode(&mut body, version).map_err(|error| Refusal::Body(error.to_string()))
}

/// Puts the size and the response's header in front.
fn frame_reply(answer: Answer, correlation_id: i32, header_version: i16) -> Result<Answer, Refusal> {
    // Version 1 has tagged fields, of which there are none.
    let length = match header_version {
        0 => HEAD - 1,
        _ => HEAD,
    };
    match answer {
        Answer::Silent => Ok(Answer::Silent),
        Answer::Whole(mut whole) => {
            let header = header(length, whole.len() - HEAD, correlation_id)?;
            whole.advance(HEAD - length);
            whole[..length].copy_from_slice(&header[..length]);
            Ok(Answer::Whole(whole))
        }
        Answer::Reply(mut parts) => {
            let body = parts.iter().map(Bytes::len).sum::<usize>();
            let header = header(length, body, correlation_id)?;
            let header = &header[..length];
            if body < LARGEST_COPIED {
                let mut whole = BytesMut::with_capacity(length + body);
                whole.put_slice(header);
                parts.iter().for_each(|part| whole.put_slice(part));
                return Ok(Answer::Whole(whole));
            }
            parts.insert(0, Bytes::copy_from_slice(header));
            Ok(Answer::Reply(parts))
        }
    }
}

/// A header of `length` bytes, with the size in front, for a body of so many bytes.
fn header(length: usize, body: usize, correlation_id: i32) -> Result<[u8; HEAD], Refusal> {
    let size = length - 4 + body;
    let size = i32::try_from(size).map_err(|_| Refusal::Response(format!("{size} bytes are too long for a frame")))?;
    let mut header = [0; HEAD];
    header[..4].copy_from_slice(&size.to_be_bytes());
    header[4..8].copy_from_slice(&correlation_id.to_be_bytes());
    Ok(header)
}

#[cfg(test)]
mod tests {
    use kafka_protocol::messages::{HeartbeatResponse, ResponseHeader};

    use super::*;

    /// As kafka-protocol writes it.
    fn expected(correlation_id: i32, header_version: i16, body: &[u8]) -> Vec<u8> {
        let mut bytes = BytesMut::new();
        let header = ResponseHeader::default().with_correlation_id(correlation_id);
        header.encode(&mut bytes, header_version).unwrap();
        bytes.put_slice(body);
        [&(bytes.len() as i32).to_be_bytes()[..], &bytes].concat()
    }

    #[test]
    fn a_reply_has_its_size_and_header_in_front_in_one_piece_or_in_parts() {
        let response = HeartbeatResponse::default().with_throttle_time_ms(7);
        for (header_version, version) in [(0, 3), (1, 4)] {
            let mut body = BytesMut::new();
            response.encode(&mut body, version).unwrap();
            let expected = expected(11, header_version, &body);
            let whole = response.clone().respond(version).unwrap();
            let Ok(Answer::Whole(whole)) = frame_reply(whole, 11, header_version) else {
                panic!("not in one piece");
            };
            assert_eq!(whole, expected);
            let parts = Answer::Reply(vec![body.split_to(2).freeze(), body.freeze()]);
            let Ok(Answer::Whole(whole)) = frame_reply(parts, 11, header_version) else {
                panic!("not copied");
            };
            assert_eq!(whole, expected);
            let records = Bytes::from(vec![7; LARGEST_COPIED]);
            let Ok(Answer::Reply(parts)) = frame_reply(Answer::Reply(vec![records.clone()]), 11, header_version) else {
                panic!("copied");
            };
            assert_eq!(parts.concat(), self::expected(11, header_version, &records));
            assert_eq!(parts[1].as_ptr(), records.as_ptr());
        }
    }
}
