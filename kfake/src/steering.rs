//! `--steered`: what a test in Rust does with a [`Cluster`], for whoever starts the binary.

use kfake::{BrokerId, Cluster};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, stdin, stdout};

/// Does what the lines on stdin say, one by one, and answers each on stdout. The input's end changes nothing: this never returns.
pub(crate) async fn follow(cluster: &Cluster) {
    let mut lines = BufReader::new(stdin()).lines();
    loop {
        let answer = match lines.next_line().await {
            Ok(Some(line)) => match obey(cluster, &line).await {
                Ok(()) => "ok\n".to_owned(),
                Err(reason) => format!("error {reason}\n"),
            },
            Ok(None) => std::future::pending().await,
            Err(error) => {
                tracing::warn!(%error, "cannot read what to do");
                std::future::pending().await
            }
        };
        let mut out = stdout();
        let written = async {
            out.write_all(answer.as_bytes()).await?;
            out.flush().await
        };
        if let Err(error) = written.await {
            tracing::warn!(%error, "cannot say what was done");
        }
    }
}

async fn obey(cluster: &Cluster, line: &str) -> Result<(), String> {
    let (verb, node) = line.split_once(' ').unwrap_or((line, ""));
    let node = || {
        node.parse()
            .map(BrokerId)
            .map_err(|_| format!("{verb} takes a node's id, not {node:?}"))
    };
    let done = match verb {
        "stop" => cluster.stop_broker(node()?).await,
        "start" => cluster.start_broker(node()?).await,
        _ => return Err(format!("{verb:?} is neither stop nor start")),
    };
    done.map_err(|error| error.to_string())
}
