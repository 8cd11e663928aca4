//! A connection that sends anything, and what is held against its answers.

use std::cell::{Cell, RefCell};
use std::io;
use std::panic;
use std::sync::Once;
use std::time::Duration;

use kfake_differential::codec;
use kfake_differential::connection::body_of;
use kfake_differential::schema::Api;
use kfake_differential::tree::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

use crate::warnings::Warnings;

thread_local! {
    /// The panics of this thread, where all tasks of a test run.
    static PANICS: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

/// What became of a request.
#[derive(Debug)]
pub enum Asked {
    /// The request, and its answer.
    Answer(Value, Value),
    /// None is to come.
    Silent,
    /// None yet.
    Waits,
    /// The broker has closed the connection.
    Closed,
    /// Its answer is none of its version.
    Unreadable(String),
}

/// A connection with one request at a time.
pub struct Connection {
    stream: DuplexStream,
    asked: Option<(&'static Api, i16, Value)>,
    /// Of an answer that is not all there yet.
    read: Vec<u8>,
}

impl Connection {
    /// Speaks over a stream.
    pub fn over(stream: DuplexStream) -> Self {
        Self {
            stream,
            asked: None,
            read: Vec::new(),
        }
    }

    /// Whether there is a request without an answer.
    pub fn waits(&self) -> bool {
        self.asked.is_some()
    }

    /// Sends a request. What could not be sent is seen when the answer is read.
    pub async fn send(&mut self, api: &'static Api, version: i16, client: Option<&[u8]>, body: &Value) {
        self.send_damaged(api, version, client, body, |_| ()).await;
    }

    /// Sends a request after something was done to its body's bytes.
    pub async fn send_damaged(
        &mut self,
        api: &'static Api,
        version: i16,
        client: Option<&[u8]>,
        body: &Value,
        damage: impl FnOnce(&mut Vec<u8>),
    ) {
        let mut frame = Vec::new();
        frame.extend(api.key.to_be_bytes());
        frame.extend(version.to_be_bytes());
        frame.extend(1_i32.to_be_bytes());
        match client {
            None => frame.extend((-1_i16).to_be_bytes()),
            Some(client) => {
                frame.extend((client.len() as i16).to_be_bytes());
                frame.extend(client);
            }
        }
        if api.request_is_flexible(version) {
            frame.push(0);
        }
        let mut bytes = codec::encode(&api.request, version, body).expect("it was made by the definition");
        damage(&mut bytes);
        frame.extend(bytes);
        let whole = [&(frame.len() as u32).to_be_bytes()[..], &frame].concat();
        self.asked = Some((api, version, body.clone()));
        // A broker that has gone does not read it.
        if tokio::time::timeout(Duration::from_secs(1), self.stream.write_all(&whole))
            .await
            .is_err()
        {
            // It reads nothing while it makes its client wait, and the pipe is full. Half a request is no request.
            self.asked = None;
        }
    }

    /// The answer, if it comes in time.
    pub async fn receive(&mut self, patience: Duration) -> Asked {
        let Some((api, version, body)) = &self.asked else {
            return Asked::Silent;
        };
        if api.name == "Produce" && body.field("acks") == Some(&Value::Int(0)) {
            // Its error closes the connection, and its success says nothing.
            self.asked = None;
            return Asked::Silent;
        }
        let frame = match tokio::time::timeout(patience, frame(&mut self.stream, &mut self.read)).await {
            Err(_) => return Asked::Waits,
            Ok(Err(_)) => return Asked::Closed,
            Ok(Ok(frame)) => frame,
        };
        let answer = match frame.first_chunk() {
            Some([0, 0, 0, 1]) => body_of(api, *version, &frame),
            other => Err(format!("it answers the request {other:?}")),
        };
        let request = body.clone();
        self.asked = None;
        self.read.clear();
        answer.map_or_else(Asked::Unreadable, |answer| Asked::Answer(request, answer))
    }
}

/// One frame. What was read stays if this is dropped.
async fn frame(stream: &mut DuplexStream, read: &mut Vec<u8>) -> io::Result<Vec<u8>> {
    loop {
        if let Some((size, rest)) = read.split_first_chunk::<4>()
            && rest.len() >= u32::from_be_bytes(*size) as usize
        {
            // With all that came behind it: nothing else was asked for.
            return Ok(rest.to_vec());
        }
        if stream.read_buf(read).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}

/// Sees the panics and the warnings of this thread, until it is dropped.
pub struct Watch {
    warnings: Warnings,
    /// Connections that were said to be closed, and not seen to be.
    closes: Cell<usize>,
}

impl Watch {
    /// Begins to watch.
    pub fn begin() -> Self {
        static HOOK: Once = Once::new();
        HOOK.call_once(|| {
            let before = panic::take_hook();
            panic::set_hook(Box::new(move |info| {
                PANICS.with_borrow_mut(|panics| panics.push(info.to_string()));
                before(info);
            }));
        });
        PANICS.take();
        Self {
            warnings: Warnings::collect(),
            closes: Cell::new(0),
        }
    }

    /// That no task of this thread has panicked.
    pub fn no_panic(&self) -> Result<(), String> {
        match PANICS.take() {
            panics if panics.is_empty() => Ok(()),
            panics => Err(format!("a task panicked: {panics:?}")),
        }
    }

    /// Whether what became of a request is allowed.
    pub fn judge(&self, asked: &Asked, request: &str) -> Result<(), String> {
        self.no_panic()?;
        let said = self.warnings.take();
        if said.contains("the response cannot be written") {
            return Err(format!("{request}: {said}"));
        }
        // It can be seen closed long after that was said: who is made to wait is not listened to.
        let told = self.closes.get() + said.matches("closing the connection").count();
        match asked {
            Asked::Unreadable(why) => Err(format!("the answer to {request} cannot be read: {why}")),
            Asked::Closed => {
                let left = told.checked_sub(1);
                self.closes
                    .set(left.ok_or_else(|| format!("the connection was closed for no reason after {request}"))?);
                Ok(())
            }
            _ => {
                self.closes.set(told);
                Ok(())
            }
        }
    }
}
