//! The load client: one blocking connection. It is the same for every server.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};

/// How long an answer may take before the run is given up.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A connection, with the answer that came last.
#[derive(Debug)]
pub struct Conn {
    stream: TcpStream,
    answer: Vec<u8>,
    sent: i32,
    answered: i32,
}

impl Conn {
    pub fn open(address: SocketAddr) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address).with_context(|| format!("connecting to {address}"))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Self {
            stream,
            answer: Vec::new(),
            sent: 0,
            answered: 0,
        })
    }

    /// Sends a frame, after the next correlation id was put into it.
    pub fn send(&mut self, frame: &mut [u8]) -> anyhow::Result<()> {
        frame[8..12].copy_from_slice(&self.sent.to_be_bytes());
        self.sent += 1;
        self.stream.write_all(frame).context("sending a request")
    }

    /// The next answer's body. Answers come in the order of the requests.
    pub fn receive(&mut self) -> anyhow::Result<&[u8]> {
        let mut head = [0; 8];
        self.stream.read_exact(&mut head).context("waiting for an answer")?;
        let size = u32::from_be_bytes([head[0], head[1], head[2], head[3]]) as usize;
        let correlation = i32::from_be_bytes([head[4], head[5], head[6], head[7]]);
        ensure!(
            correlation == self.answered,
            "an answer is not that of the next request"
        );
        self.answered += 1;
        let body = size.checked_sub(4).context("an answer has no header")?;
        if self.answer.len() < body {
            self.answer.resize(body, 0);
        }
        self.stream
            .read_exact(&mut self.answer[..body])
            .context("reading an answer")?;
        Ok(&self.answer[..body])
    }

    pub fn ask(&mut self, mut frame: Vec<u8>) -> anyhow::Result<&[u8]> {
        self.send(&mut frame)?;
        self.receive()
    }

    /// Sends a frame `times` times with at most `window` of them unanswered.
    pub fn pump(
        &mut self,
        frame: &mut [u8],
        times: usize,
        window: usize,
        check: impl Fn(&[u8]) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        for nth in 0..times {
            self.send(frame)?;
            if nth + 1 >= window {
                check(self.receive()?)?;
            }
        }
        for _ in 0..times.min(window.saturating_sub(1)) {
            check(self.receive()?)?;
        }
        Ok(())
    }

    /// Asks until the answer is no error: a server that has just been told of a topic or a group may need a moment.
    pub fn ask_until(
        &mut self,
        frame: &[u8],
        mut check: impl FnMut(&[u8]) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let begun = Instant::now();
        loop {
            match check(self.ask(frame.to_vec())?) {
                Ok(()) => return Ok(()),
                Err(error) if begun.elapsed() > PATIENCE => bail!("still no answer but: {error:#}"),
                Err(_) => std::thread::sleep(Duration::from_millis(20)),
            }
        }
    }
}
