//! A small typed client: it sends any request of kafka-protocol and reads the response. For tests, most of all for those
//! under a paused clock, which connect over memory.

use std::io;
use std::net::SocketAddr;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use kafka_protocol::messages::{ApiKey, RequestHeader, ResponseHeader};
use kafka_protocol::protocol::{Decodable, Encodable, Message, Request, StrBytes};
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

/// The longest response that is read, in bytes.
const RESPONSE_LIMIT: usize = 1 << 30;

/// Why a request got no response.
#[derive(Debug, Error)]
pub enum ClientError {
    /// The connection failed; `UnexpectedEof` where the broker closed it.
    #[error("the connection failed")]
    Io(#[from] io::Error),
    /// The request cannot be expressed in its version.
    #[error("cannot encode the request in version {version}: {reason}")]
    Encode {
        /// The version asked for.
        version: i16,
        /// What kafka-protocol says.
        reason: String,
    },
    /// The response is not of its version.
    #[error("cannot decode the response of version {version}: {reason}")]
    Decode {
        /// The version of the request.
        version: i16,
        /// What kafka-protocol says.
        reason: String,
    },
    /// A response to another request.
    #[error("the response answers request {got}, not {expected}")]
    OutOfOrder {
        /// The correlation id that was sent.
        expected: i32,
        /// The correlation id that came back.
        got: i32,
    },
}

impl ClientError {
    /// Whether the broker closed the connection, as it does with requests that it cannot read.
    pub fn is_closed(&self) -> bool {
        use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
        match self {
            Self::Io(error) => matches!(
                error.kind(),
                BrokenPipe | ConnectionAborted | ConnectionReset | UnexpectedEof
            ),
            _ => false,
        }
    }
}

/// A request that was sent and not yet answered.
#[derive(Debug)]
#[must_use = "a response that is not received is in the way of the next"]
pub struct Pending<R> {
    correlation_id: i32,
    version: i16,
    of: std::marker::PhantomData<fn() -> R>,
}

/// A connection to one broker.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use kafka_protocol::messages::MetadataRequest;
///
/// let cluster = kfake::Cluster::builder().in_memory().topic("orders", 6).start().await?;
/// let mut client = cluster.client(kfake::BrokerId(1))?;
/// let metadata = client.send(MetadataRequest::default().with_topics(None)).await?;
/// assert_eq!(metadata.topics[0].partitions.len(), 6);
/// cluster.close().await;
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct Client<S> {
    stream: S,
    client_id: StrBytes,
    last_correlation_id: i32,
}

impl Client<TcpStream> {
    /// Connects to a broker's port.
    ///
    /// # Errors
    ///
    /// What the operating system says.
    pub async fn connect(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self::new(stream))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Client<S> {
    /// Speaks over a stream that is connected to a broker.
    pub fn new(stream: S) -> Self {
        Self {
            stream,
            client_id: StrBytes::from_static_str("kfake-client"),
            last_correlation_id: 0,
        }
    }

    /// The client's name, which groups show. Default: `kfake-client`.
    #[must_use]
    pub fn with_client_id(mut self, client_id: impl Into<String>) -> Self {
        self.client_id = StrBytes::from_string(client_id.into());
        self
    }

    /// Sends a request in the highest version that kafka-protocol has, and waits for its response.
    ///
    /// # Errors
    ///
    /// See [`ClientError`].
    pub async fn send<R: Request>(&mut self, request: R) -> Result<R::Response, ClientError> {
        self.send_version(request, <R as Message>::VERSIONS.max).await
    }

    /// Sends a request in a version, and waits for its response. Not cancel safe.
    ///
    /// # Errors
    ///
    /// See [`ClientError`].
    pub async fn send_version<R: Request>(&mut self, request: R, version: i16) -> Result<R::Response, ClientError> {
        let pending = self.start(request, version).await?;
        self.finish(pending).await
    }

    /// Sends a request and does not wait: the next [`finish`](Self::finish) reads its response.
    ///
    /// # Errors
    ///
    /// See [`ClientError`].
    pub async fn start<R: Request>(&mut self, request: R, version: i16) -> Result<Pending<R>, ClientError> {
        self.last_correlation_id = self.last_correlation_id.wrapping_add(1);
        let correlation_id = self.last_correlation_id;
        let frame = encode(&request, version, correlation_id, &self.client_id)?;
        self.send_bytes(&frame).await?;
        Ok(Pending {
            correlation_id,
            version,
            of: std::marker::PhantomData,
        })
    }

    /// Reads the response of the request that was sent first of those not answered.
    ///
    /// # Errors
    ///
    /// See [`ClientError`].
    pub async fn finish<R: Request>(&mut self, pending: Pending<R>) -> Result<R::Response, ClientError> {
        let Pending {
            correlation_id,
            version,
            ..
        } = pending;
        let mut frame = self.receive_frame().await?;
        let failed = |reason: String| ClientError::Decode { version, reason };
        let header_version = ApiKey::try_from(R::KEY)
            .map_err(|()| failed(format!("unknown API key {}", R::KEY)))?
            .response_header_version(version);
        let header = ResponseHeader::decode(&mut frame, header_version).map_err(|e| failed(e.to_string()))?;
        if header.correlation_id != correlation_id {
            return Err(ClientError::OutOfOrder {
                expected: correlation_id,
                got: header.correlation_id,
            });
        }
        let response = R::Response::decode(&mut frame, version).map_err(|e| failed(e.to_string()))?;
        match frame.remaining() {
            0 => Ok(response),
            left => Err(failed(format!("{left} bytes are left over"))),
        }
    }

    /// Sends bytes as they are: for requests that no client should send.
    ///
    /// # Errors
    ///
    /// What the stream says.
    pub async fn send_bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes).await?;
        self.stream.flush().await
    }

    /// Reads one frame, without its size.
    ///
    /// # Errors
    ///
    /// What the stream says; `UnexpectedEof` where the broker closed the connection.
    pub async fn receive_frame(&mut self) -> io::Result<Bytes> {
        let size = self.stream.read_i32().await?;
        let size = usize::try_from(size)
            .ok()
            .filter(|size| *size <= RESPONSE_LIMIT)
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, format!("a response of {size} bytes")))?;
        let mut frame = BytesMut::new();
        while frame.len() < size {
            let left = size - frame.len();
            if (&mut self.stream).take(left as u64).read_buf(&mut frame).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(frame.freeze())
    }

    /// Waits until the broker closes the connection.
    ///
    /// # Errors
    ///
    /// `InvalidData` if it sends something instead.
    pub async fn closed(&mut self) -> io::Result<()> {
        match self.stream.read_u8().await {
            Ok(_) => Err(io::Error::new(io::ErrorKind::InvalidData, "the broker sent a byte")),
            Err(error) if ClientError::Io(io::Error::from(error.kind())).is_closed() => Ok(()),
            Err(error) => Err(error),
        }
    }
}

/// A request as it goes over the wire, with its size and its header.
///
/// # Errors
///
/// [`ClientError::Encode`].
pub fn encode<R: Request>(
    request: &R,
    version: i16,
    correlation_id: i32,
    client_id: &StrBytes,
) -> Result<Bytes, ClientError> {
    let failed = |reason: String| ClientError::Encode { version, reason };
    let mut frame = BytesMut::new();
    frame.put_i32(0);
    RequestHeader::default()
        .with_request_api_key(R::KEY)
        .with_request_api_version(version)
        .with_correlation_id(correlation_id)
        .with_client_id(Some(client_id.clone()))
        .encode(&mut frame, R::header_version(version))
        .map_err(|e| failed(e.to_string()))?;
    request.encode(&mut frame, version).map_err(|e| failed(e.to_string()))?;
    let size = i32::try_from(frame.len() - 4).map_err(|_| failed("longer than a frame".to_owned()))?;
    frame[..4].copy_from_slice(&size.to_be_bytes());
    Ok(frame.freeze())
}
