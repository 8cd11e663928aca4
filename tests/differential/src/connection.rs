//! A connection as bytes: frames out, frames in.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use crate::codec;
use crate::schema::Api;
use crate::tree::Value;

/// The name that every connection gives itself.
pub const CLIENT_ID: &str = "differential";

/// No answer is longer, in bytes.
const LONGEST: usize = 64 << 20;

/// What came back.
#[derive(Debug, Clone, PartialEq)]
pub enum Reply {
    /// A frame without its length.
    Frame(Vec<u8>),
    /// The broker closed the connection.
    Closed,
    /// Nothing came in time.
    Nothing,
}

/// A connection to one broker.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    last_correlation_id: i32,
}

impl Connection {
    /// Connects.
    ///
    /// # Errors
    ///
    /// What the operating system says.
    pub fn open(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(&address, Duration::from_secs(5))?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            last_correlation_id: 0,
        })
    }

    /// Sends a request, and gives its correlation id. A connection that is closed already shows when the answer is read.
    pub fn send(&mut self, api: &Api, version: i16, body: &[u8]) -> i32 {
        self.last_correlation_id += 1;
        let mut frame = Vec::new();
        frame.extend(api.key.to_be_bytes());
        frame.extend(version.to_be_bytes());
        frame.extend(self.last_correlation_id.to_be_bytes());
        frame.extend((CLIENT_ID.len() as i16).to_be_bytes());
        frame.extend(CLIENT_ID.as_bytes());
        if api.request_is_flexible(version) {
            frame.push(0);
        }
        frame.extend(body);
        self.send_frame(&frame);
        self.last_correlation_id
    }

    /// Sends bytes behind their length.
    pub fn send_frame(&mut self, frame: &[u8]) {
        let length = (frame.len() as u32).to_be_bytes();
        self.send_bytes(&[&length, frame].concat());
    }

    /// Sends bytes as they are.
    pub fn send_bytes(&mut self, bytes: &[u8]) {
        // An error here is a connection that the broker has closed: reading says so.
        let _ = self.stream.write_all(bytes);
    }

    /// Waits for a frame.
    pub fn receive(&mut self, patience: Duration) -> Reply {
        let mut read = || {
            self.stream.set_read_timeout(Some(patience))?;
            let mut length = [0; 4];
            self.stream.read_exact(&mut length)?;
            let length = u32::from_be_bytes(length) as usize;
            if length > LONGEST {
                return Err(io::Error::other("longer than any answer"));
            }
            let mut frame = vec![0; length];
            self.stream.read_exact(&mut frame)?;
            Ok(frame)
        };
        match read() {
            Ok(frame) => Reply::Frame(frame),
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => Reply::Nothing,
            Err(_) => Reply::Closed,
        }
    }
}

/// An answer's correlation id.
pub fn correlation_id(frame: &[u8]) -> Option<i32> {
    frame.first_chunk().map(|bytes| i32::from_be_bytes(*bytes))
}

/// Reads an answer's body.
///
/// # Errors
///
/// Why it cannot be read, for people.
pub fn body_of(api: &Api, version: i16, frame: &[u8]) -> Result<Value, String> {
    let mut body = frame.get(4..).ok_or("a frame without a correlation id")?;
    // KIP-511: a version of ApiVersions that the broker does not have is answered in version 0.
    if api.key == 18 && body.starts_with(&[0, 35]) {
        return codec::decode(&api.response, 0, body).map_err(|error| error.to_string());
    }
    if api.response_header_is_flexible(version) {
        body = codec::tagged_fields(body).map_err(|error| error.to_string())?;
    }
    codec::decode(&api.response, version, body).map_err(|error| error.to_string())
}
