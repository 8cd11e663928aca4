//! Connections in the middle of something when the cluster closes.

use bytes::BytesMut;
use kafka_protocol::messages::MetadataRequest;
use kafka_protocol::protocol::StrBytes;
use kfake::client::encode;
use kfake::{BrokerId, Cluster};
use leakcheck::leakcheck;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Requests for the metadata of many partitions: each answer is about half a megabyte.
async fn ask_for_much(stream: &mut TcpStream, times: i32) {
    let name = StrBytes::from_static_str("slow");
    let mut burst = BytesMut::new();
    for id in 0..times {
        let request = MetadataRequest::default().with_topics(None);
        burst.extend_from_slice(&encode(&request, 12, id, &name).unwrap());
    }
    stream.write_all(&burst).await.unwrap();
}

#[leakcheck(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_that_does_not_read_does_not_hold_up_the_close_and_gets_a_reset_not_half_a_reply() {
    let cluster = Cluster::builder().topic("wide", 10_000).start().await.unwrap();
    let broker = &cluster.brokers()[0];
    let mut stream = TcpStream::connect((broker.host.as_str(), broker.port)).await.unwrap();
    ask_for_much(&mut stream, 200).await;
    // The first answer is on its way; the rest fill the socket's buffers until the broker waits.
    stream.readable().await.unwrap();
    cluster.close().await;
    let mut answers = Vec::new();
    let ended = stream.read_to_end(&mut answers).await;
    match ended {
        // Either a reset, or an end right behind a whole reply.
        Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset),
        Ok(_) => {
            let mut rest = &answers[..];
            while let Some((size, body)) = rest.split_first_chunk::<4>() {
                let size = u32::from_be_bytes(*size) as usize;
                assert!(body.len() >= size, "half a reply and a clean end");
                rest = &body[size..];
            }
            assert!(rest.is_empty(), "half a size and a clean end");
        }
    }
}

#[leakcheck]
async fn a_connection_that_has_sent_half_a_frame_ends_with_the_cluster() {
    let cluster = Cluster::builder().brokers(1).start().await.unwrap();
    let broker = &cluster.brokers()[0];
    let mut stream = TcpStream::connect((broker.host.as_str(), broker.port)).await.unwrap();
    stream.write_all(&[0, 0, 0, 100, 0, 3]).await.unwrap();
    cluster.close().await;
    assert_eq!(stream.read(&mut [0; 8]).await.unwrap_or(0), 0);
}

#[leakcheck(start_paused)]
async fn connections_that_say_nothing_end_with_the_cluster() {
    let cluster = Cluster::builder().in_memory().start().await.unwrap();
    let mut streams: Vec<_> = (0..1000).map(|_| cluster.connect(BrokerId(2)).unwrap()).collect();
    cluster.close().await;
    for stream in &mut streams {
        assert_eq!(stream.read(&mut [0; 1]).await.unwrap(), 0);
    }
}
