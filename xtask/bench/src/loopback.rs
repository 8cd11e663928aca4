//! The bare loopback: a server that does nothing but receive the bytes and send as many as an answer takes.
//!
//! What it costs is what the sockets cost. It reads the sizes and correlation ids, so that the same client can load it, and
//! answers each API with the same bytes every time.

use std::io::Write;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::wire::{self, Out};

const BUFFER: usize = 256 * 1024;
/// A frame's size, API key, version and correlation id.
const HEAD: usize = 12;

/// Runs until it is killed.
pub fn run(partitions: i32, keeps: bool) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let answers = Arc::new(Answers::new(partitions));
        let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await?;
        println!("ready {}", listener.local_addr()?);
        std::io::stdout().flush()?;
        loop {
            let (stream, _) = listener.accept().await?;
            tokio::spawn(serve(stream, answers.clone(), keeps));
        }
    })
}

/// Answers frames until the peer leaves. Where it keeps what it receives, it reads into memory that was never used before:
/// what the system asks for that is what any server pays that keeps its payload.
pub async fn serve(mut stream: TcpStream, answers: Arc<Answers>, keeps: bool) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut fetch = Vec::new();
    let mut small = Vec::new();
    let mut buffer = vec![0; BUFFER];
    let (mut kept, mut at) = (Vec::new(), 0);
    let (mut head, mut filled, mut skip) = ([0; HEAD], 0, 0);
    loop {
        if at == buffer.len() {
            kept.push(std::mem::replace(&mut buffer, vec![0; BUFFER]));
            at = 0;
        }
        let from = at;
        let read = stream.read(&mut buffer[from..]).await?;
        if read == 0 {
            return Ok(());
        }
        if keeps {
            at += read;
        }
        let mut bytes = &buffer[from..from + read];
        while !bytes.is_empty() {
            if skip > 0 {
                let step = skip.min(bytes.len());
                skip -= step;
                bytes = &bytes[step..];
            } else {
                let step = (HEAD - filled).min(bytes.len());
                head[filled..filled + step].copy_from_slice(&bytes[..step]);
                filled += step;
                bytes = &bytes[step..];
                if filled < HEAD {
                    continue;
                }
                filled = 0;
                let size = u32::from_be_bytes([head[0], head[1], head[2], head[3]]) as usize;
                skip = (size + 4).saturating_sub(HEAD);
            }
            if skip > 0 {
                continue;
            }
            let key = i16::from_be_bytes([head[4], head[5]]);
            let answer = if key == wire::FETCH.0 {
                if fetch.is_empty() {
                    fetch = answers.fetch();
                }
                &mut fetch
            } else {
                small.clear();
                small.extend_from_slice(answers.of(key));
                &mut small
            };
            answer[4..8].copy_from_slice(&head[8..12]);
            stream.write_all(answer).await?;
        }
    }
}

/// What each API is answered, framed.
#[derive(Debug)]
pub struct Answers {
    partitions: i32,
    produce: Vec<u8>,
    offsets: Vec<u8>,
    join: Vec<u8>,
    sync: Vec<u8>,
    commit: Vec<u8>,
    initialize: Vec<u8>,
    add_partition: Vec<u8>,
    others: Vec<u8>,
}

impl Answers {
    pub fn new(partitions: i32) -> Self {
        let count = usize::try_from(partitions).unwrap_or(0);
        let begun = || Out(vec![0; 8]);
        let topic = || {
            let mut out = begun();
            out.count(1).string("payload").count(count);
            out
        };
        let mut produce = topic();
        let mut offsets = topic();
        for partition in 0..partitions {
            produce.i32(partition).i16(0).i64(0).i64(-1).i64(0);
            offsets.i32(partition).i16(0).i64(-1).i64(0);
        }
        produce.i32(0);
        let mut join = begun();
        let id = "bench-00000000-0000-0000-0000-000000000000";
        join.i32(0).i16(0).i32(1).string("range").string(id).string(id);
        join.count(1).string(id).bytes(&[0; 10]);
        let mut sync = begun();
        sync.i32(0).i16(0).bytes(&[0; 10]);
        let mut commit = begun();
        commit.i32(0).count(1).string("payload").count(1).i32(0).i16(0);
        let mut initialize = begun();
        initialize.i32(0).i16(0).i64(0).i16(0);
        let mut add_partition = begun();
        add_partition.i32(0).count(1).string("payload").count(1).i32(0).i16(0);
        let mut others = begun();
        others.i32(0).i16(0);
        Self {
            partitions,
            produce: produce.frame(),
            offsets: offsets.frame(),
            join: join.frame(),
            sync: sync.frame(),
            commit: commit.frame(),
            initialize: initialize.frame(),
            add_partition: add_partition.frame(),
            others: others.frame(),
        }
    }

    /// As many bytes as a fetch may bring: a mebibyte for each partition. Made when one is asked for.
    fn fetch(&self) -> Vec<u8> {
        let mut records = wire::batch(64, 1024, 0);
        records = records.repeat((1 << 20) / records.len() + 1);
        records.truncate(1 << 20);
        let mut fetch = Out(vec![0; 8]);
        fetch.i32(0).count(1).string("payload");
        fetch.i32(self.partitions);
        for partition in 0..self.partitions {
            fetch.i32(partition).i16(0).i64(0).i64(0).i32(-1).bytes(&records);
        }
        fetch.frame()
    }

    fn of(&self, key: i16) -> &[u8] {
        match key {
            _ if key == wire::PRODUCE.0 => &self.produce,
            _ if key == wire::LIST_OFFSETS.0 => &self.offsets,
            _ if key == wire::JOIN_GROUP.0 => &self.join,
            _ if key == wire::SYNC_GROUP.0 => &self.sync,
            _ if key == wire::OFFSET_COMMIT.0 => &self.commit,
            _ if key == wire::INIT_PRODUCER_ID.0 => &self.initialize,
            _ if key == wire::ADD_PARTITIONS_TO_TXN.0 => &self.add_partition,
            _ => &self.others,
        }
    }
}
