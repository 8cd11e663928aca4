//! From a frame to the API that handles it, and from its response to a frame.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use kafka_protocol::messages::ResponseHeader;
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
        let mut body = BytesMut::with_capacity(SMALL);
        self.encode(&mut body, version)
            .map_err(|error| Refusal::Response(error.to_string()))?;
        Ok(Answer::Reply(vec![body.freeze()]))
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
/// Bodies below this are copied behind their header, so that one write takes both.
const LARGEST_COPIED: usize = 4096;

/// Handles one frame.
pub(crate) async fn dispatch(context: &mut Context, mut frame: Bytes) -> Result<Answer, Refusal> {
    context.request_bytes = frame.len();
    context.connection.used.now();
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
    context.connection.used.now();
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
                Some(std::str::from_utf8(&text).map_err(|_| Refusal::Header)?.to_owned())
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
    let Answer::Reply(parts) = answer else {
        return Ok(answer);
    };
    let length = parts.iter().map(Bytes::len).sum::<usize>();
    let is_small = length < LARGEST_COPIED;
    let mut head = BytesMut::with_capacity(HEAD + if is_small { length } else { 0 });
    head.put_i32(0);
    ResponseHeader::default()
        .with_correlation_id(correlation_id)
        .encode(&mut head, header_version)
        .map_err(|error| Refusal::Response(error.to_string()))?;
    let size = head.len() - 4 + length;
    let size = i32::try_from(size).map_err(|_| Refusal::Response(format!("{size} bytes are too long for a frame")))?;
    head[..4].copy_from_slice(&size.to_be_bytes());
    // A small reply goes out in one write.
    if is_small {
        for part in &parts {
            head.put_slice(part);
        }
        return Ok(Answer::Reply(vec![head.freeze()]));
    }
    let mut framed = Vec::with_capacity(parts.len() + 1);
    framed.push(head.freeze());
    framed.extend(parts);
    Ok(Answer::Reply(framed))
}
