//! One connection: frames in, requests to their API, replies out, one request at a time and in order as Apache Kafka's
//! `SocketServer` does by muting a channel while its request is being handled.

use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};
use std::time::Duration;

use kafka_protocol::messages::ApiKey;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};

use super::frame::FrameReader;
use crate::api::context::{Connection, Context};
use crate::api::dispatch::{Answer, Refusal, dispatch};
use crate::cluster::lifeline::Lifeline;
use crate::cluster::quotas::slots::{Entry, Knock, Ticket, Use};
use crate::cluster::state::Shared;
use crate::cluster::topics::BrokerId;
use crate::txn::coordinator::Transactions;

/// How long a reply that was being written when the cluster closed may take to be finished.
const CLOSE_GRACE: Duration = Duration::from_millis(250);

/// A stream of bytes that requests come in on.
pub(crate) trait Transport: AsyncRead + AsyncWrite + Unpin + Send + 'static {
    /// Makes the coming close a reset: what was written last was not whole.
    fn abort(&mut self);
}

/// Why a connection ended.
enum End {
    Shutdown,
    PeerGone,
    Refused(Refusal),
}

/// Serves a new connection in a task of its own.
pub(crate) fn open<S: Transport>(
    transactions: &Arc<Transactions>,
    broker: BrokerId,
    mut stream: S,
    peer: String,
    client_host: String,
) {
    let shared = &transactions.groups.shared;
    let Some(slots) = shared.slots(broker) else {
        return;
    };
    let used = slots.new_use();
    let port = peer
        .rsplit_once(':')
        .and_then(|(_, port)| port.parse().ok())
        .unwrap_or(0);
    let context = Context {
        shared: shared.clone(),
        groups: transactions.groups.clone(),
        transactions: transactions.clone(),
        broker,
        client_host,
        client_id: None,
        request_bytes: 0,
        connection: Arc::new(Connection::new(port, used.clone())),
    };
    // A broker that has been stopped meanwhile serves nobody: the stream is closed.
    let Some(life) = shared.lifeline(broker).and_then(Lifeline::hold) else {
        return;
    };
    let knock = slots.knock(&shared.quotas, &used, &context.client_host);
    if let Knock::Known(Entry::Refused) = knock {
        tracing::debug!(%peer, %broker, "as many connections as there may be from there: it is closed");
        return;
    }
    let name = peer.clone();
    let task = async move {
        let served = async {
            // What few connections meet stands beside: each one's task is as large as its largest wait.
            let (entry, read) = match knock {
                Knock::Known(entry) => (entry, None),
                Knock::Waits(ticket) => {
                    let (entry, read) = Box::pin(wait_for_slot(&mut stream, *ticket, &context.shared)).await?;
                    (entry, Some(read))
                }
            };
            match entry {
                Entry::Open(_counted) => Err(serve(stream, read, context).await),
                Entry::Late(wait) => Err(Box::pin(keep_waiting(stream, read, wait, &context.shared)).await),
                Entry::Refused => Ok(()),
            }
        };
        // A broker that is stopped breaks off in the middle, as one that crashes does.
        let end = tokio::select! {
            biased;
            () = life.stopped() => Err(End::Shutdown),
            end = served => end,
        };
        if let Err(End::Refused(refusal)) = end {
            tracing::warn!(%peer, %broker, %refusal, "closing the connection");
        }
    };
    let task = shared.tasks.connections.spawn_named_on(name, task, &shared.runtime);
    used.served_by(task.abort_handle());
}

/// What has been read of a connection before it was served.
type Read = Option<Box<FrameReader>>;

fn reader(read: Read, shared: &Shared) -> FrameReader {
    read.map_or_else(
        || FrameReader::new(shared.config.socket_request_max_bytes),
        |frames| *frames,
    )
}

/// A connection that comes before there is a slot for it, or too soon after others (`ConnectionQuotas.waitForConnectionSlot`). One
/// whose peer leaves gives up its place, unless there is something of it to be handled.
async fn wait_for_slot<S: Transport>(
    stream: &mut S,
    mut ticket: Ticket,
    shared: &Shared,
) -> Result<(Entry, Box<FrameReader>), End> {
    let mut frames = Box::new(reader(None, shared));
    let mut is_here = true;
    let mut entry = pin!(ticket.entry(&shared.quotas));
    let entry = loop {
        tokio::select! {
            biased;
            () = shared.exits.shutdown() => return Err(End::Shutdown),
            entry = &mut entry => break entry,
            () = frames.departure(stream), if is_here => is_here = false,
        }
        if frames.leftover() == 0 {
            return Err(End::PeerGone);
        }
    };
    Ok((entry, frames))
}

/// A connection that is one too many: nothing is read of it as a request, and it is closed once its address may open another
/// (`SocketServer.DelayedCloseSocket`, KIP-612), or has left.
async fn keep_waiting<S: Transport>(mut stream: S, read: Read, wait: Duration, shared: &Shared) -> End {
    let mut frames = reader(read, shared);
    tokio::select! {
        biased;
        () = shared.exits.shutdown() => End::Shutdown,
        () = frames.departure(&mut stream) => End::PeerGone,
        () = tokio::time::sleep(wait) => End::PeerGone,
    }
}

async fn serve<S: Transport>(mut stream: S, read: Read, mut context: Context) -> End {
    let shared = context.shared.clone();
    let mut frames = reader(read, &shared);
    // One for all waits between requests: each would have to be entered among those who wait, and taken out.
    let mut shutdown = pin!(shared.exits.shutdown());
    loop {
        let frame = match frames.next_frame() {
            Ok(Some(frame)) => {
                context.connection.used.now();
                frame
            }
            Err(error) => return End::Refused(error.into()),
            Ok(None) => {
                // Bytes that are no whole request yet are use, too. What came while a request was being handled counts once
                // that is answered, as on a channel that is not muted any more.
                if frames.leftover() > 0 {
                    context.connection.used.now();
                }
                let more = tokio::select! {
                    biased;
                    () = &mut shutdown => return End::Shutdown,
                    more = frames.fill(&mut stream) => more,
                };
                match more {
                    Ok(true) => continue,
                    Ok(false) | Err(_) if frames.leftover() > 0 => {
                        return End::Refused(Refusal::TruncatedFrame(frames.leftover()));
                    }
                    Ok(false) | Err(_) => return End::PeerGone,
                }
            }
        };
        // Each wait inside of a handler lists the shutdown itself. A peer that has gone ends any of them here. What it had
        // sent before is handled all the same, as far as that takes no waiting; a produce takes work alone, and is finished
        // whether or not its sender still listens.
        let is_produce = frame.starts_with(&(ApiKey::Produce as i16).to_be_bytes());
        let answer = tokio::select! {
            biased;
            answer = dispatch(&mut context, frame) => answer,
            () = frames.departure(&mut stream), if !is_produce => Ok(Answer::Silent),
        };
        let written = match answer {
            Ok(Answer::Whole(reply)) => write(&mut stream, &[&reply], &context).await,
            Ok(Answer::Reply(parts)) => write(&mut stream, &parts, &context).await,
            Ok(Answer::Silent) => Ok(()),
            Err(Refusal::ShuttingDown) => Err(End::Shutdown),
            Err(refusal) => Err(End::Refused(refusal)),
        };
        if let Err(end) = written {
            return end;
        }
        if shared.exits.is_shut_down() {
            return End::Shutdown;
        }
        let muted = context.connection.take_mute();
        if !muted.is_zero() {
            tokio::select! {
                biased;
                () = &mut shutdown => return End::Shutdown,
                () = frames.departure(&mut stream) => {}
                () = tokio::time::sleep(muted) => {}
            }
        }
    }
}

/// Writes a reply whole, or resets the connection.
async fn write<S: Transport>(stream: &mut S, parts: &[impl AsRef<[u8]>], context: &Context) -> Result<(), End> {
    let reply = write_parts(stream, parts, &context.connection.used);
    let overtime = async {
        context.shared.exits.shutdown().await;
        tokio::time::sleep(CLOSE_GRACE).await;
    };
    let written = tokio::select! {
        biased;
        written = reply => Some(written),
        () = overtime => None,
    };
    match written {
        Some(Ok(())) => Ok(()),
        Some(Err(_)) => Err(End::PeerGone),
        None => {
            stream.abort();
            Err(End::Shutdown)
        }
    }
}

/// Writes the parts with as few calls as the stream takes: record bytes go from the log to the socket as they are. Each time
/// the stream may take something is a use of the connection, before it is written: whoever has read it comes later.
async fn write_parts<S: Transport>(stream: &mut S, parts: &[impl AsRef<[u8]>], used: &Use) -> io::Result<()> {
    // Most replies are in one piece.
    if let [part] = parts {
        let mut rest = part.as_ref();
        while !rest.is_empty() {
            match used_by(used, |cx| Pin::new(&mut *stream).poll_write(cx, rest)).await? {
                0 => return Err(io::ErrorKind::WriteZero.into()),
                written => rest = &rest[written..],
            }
        }
        return stream.flush().await;
    }
    let mut slices: Vec<IoSlice<'_>> = parts.iter().map(|part| IoSlice::new(part.as_ref())).collect();
    let mut rest = &mut slices[..];
    IoSlice::advance_slices(&mut rest, 0);
    while !rest.is_empty() {
        match used_by(used, |cx| Pin::new(&mut *stream).poll_write_vectored(cx, rest)).await? {
            0 => return Err(io::ErrorKind::WriteZero.into()),
            written => IoSlice::advance_slices(&mut rest, written),
        }
    }
    stream.flush().await
}

/// Polls it until it is ready, each time as a use of the connection.
async fn used_by<T>(used: &Use, mut poll: impl FnMut(&mut TaskContext<'_>) -> Poll<T>) -> T {
    poll_fn(|cx| {
        used.now();
        poll(cx)
    })
    .await
}
