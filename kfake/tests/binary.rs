//! The binary, as other programs start it: its first line, its exit codes, its end by a signal.

#![cfg(unix)]

use std::net::SocketAddr;
use std::process::{ExitStatus, Output, Stdio};

use kafka_protocol::messages::MetadataRequest;
use kfake::client::Client;
use leakcheck::leakcheck;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;
use tokio::process::{Child, Command};

/// Addresses of one test each, where loopback has more than one: nobody else binds a port there that was just given up.
const OWN: [&str; 2] = match cfg!(target_os = "linux") {
    true => ["127.0.0.2", "127.0.0.3"],
    false => ["127.0.0.1", "127.0.0.1"],
};

fn kfake(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kfake"));
    command.args(arguments).stdin(Stdio::null()).kill_on_drop(true);
    command
}

/// A running binary and the addresses that it says are ready.
struct Running {
    child: Child,
    ready: Vec<SocketAddr>,
}

impl Running {
    async fn start(arguments: &[&str]) -> Self {
        Self::of(kfake(arguments)).await
    }

    async fn of(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        let stdout = child.stdout.as_mut().unwrap();
        BufReader::new(stdout).read_line(&mut line).await.unwrap();
        let addresses = line.trim_end().strip_prefix("ready ").expect(&line);
        let ready = addresses.split(',').map(|address| address.parse().unwrap()).collect();
        Self { child, ready }
    }

    /// Sends a signal, by its name, and waits for the end.
    async fn end_by(mut self, signal: &str) -> (ExitStatus, String) {
        let pid = self.child.id().unwrap().to_string();
        // The shell's own `kill`: not every machine has the program.
        let kill = ["-c", "kill -s \"$0\" \"$1\"", signal, &pid];
        let sent = Command::new("sh").args(kill).status().await.unwrap();
        assert!(sent.success());
        let mut stderr = String::new();
        self.child
            .stderr
            .take()
            .unwrap()
            .read_to_string(&mut stderr)
            .await
            .unwrap();
        (self.child.wait().await.unwrap(), stderr)
    }
}

async fn run(arguments: &[&str]) -> Output {
    kfake(arguments).output().await.unwrap()
}

#[leakcheck]
async fn it_says_when_every_port_accepts_and_ends_cleanly_by_either_signal() {
    for signal in ["INT", "TERM"] {
        let running = Running::start(&[
            "--listen",
            OWN[0],
            "--brokers",
            "2",
            "--topic",
            "orders:6:2",
            "--topic",
            "plain",
        ])
        .await;
        assert_eq!(running.ready.len(), 2);
        let mut clients = Vec::new();
        for address in &running.ready {
            let mut client = Client::connect(*address).await.unwrap();
            let metadata = client.send(MetadataRequest::default().with_topics(None)).await.unwrap();
            let topics: Vec<_> = metadata.topics.iter().map(|t| t.partitions.len()).collect();
            assert_eq!((metadata.brokers.len(), topics), (2, vec![6, 10]));
            clients.push(client);
        }
        let ready = running.ready.clone();
        // Its clients are still connected.
        let (status, stderr) = running.end_by(signal).await;
        assert_eq!(status.code(), Some(0), "{signal}: {stderr}");
        for address in ready {
            TcpListener::bind(address).await.unwrap();
        }
    }
}

#[leakcheck]
async fn the_ith_port_is_node_i_and_the_same_ports_can_be_bound_again_at_once() {
    let first = Running::start(&["--listen", OWN[1], "--brokers", "2"]).await;
    let ports: Vec<_> = first.ready.iter().map(|address| address.port().to_string()).collect();
    let mut client = Client::connect(first.ready[0]).await.unwrap();
    client.send(MetadataRequest::default()).await.unwrap();
    first.end_by("TERM").await;
    let again = Running::start(&["--listen", OWN[1], "--brokers", "2", "--ports", &ports.join(",")]).await;
    let mut client = Client::connect(again.ready[1]).await.unwrap();
    let metadata = client.send(MetadataRequest::default()).await.unwrap();
    let nodes: Vec<_> = metadata
        .brokers
        .iter()
        .map(|b| (b.node_id.0, b.port.to_string()))
        .collect();
    assert_eq!(nodes, [(1, ports[0].clone()), (2, ports[1].clone())]);
    assert_eq!(again.end_by("INT").await.0.code(), Some(0));
}

#[leakcheck]
async fn node_ids_count_from_the_first_that_is_named_and_every_partition_has_its_leader() {
    let running = Running::start(&["--brokers", "2", "--first-node", "0", "--topic", "orders:4:2"]).await;
    let mut client = Client::connect(running.ready[1]).await.unwrap();
    let metadata = client.send(MetadataRequest::default().with_topics(None)).await.unwrap();
    let ports: Vec<_> = running.ready.iter().map(|address| i32::from(address.port())).collect();
    let nodes: Vec<_> = metadata.brokers.iter().map(|b| (b.node_id.0, b.port)).collect();
    assert_eq!(nodes, [(0, ports[0]), (1, ports[1])]);
    assert_eq!(metadata.controller_id.0, 0);
    let partitions = &metadata.topics[0].partitions;
    let mut leaders: Vec<_> = partitions.iter().map(|partition| partition.leader_id.0).collect();
    leaders.sort_unstable();
    assert_eq!(leaders, [0, 0, 1, 1]);
    assert_eq!(running.end_by("TERM").await.0.code(), Some(0));
    for id in ["-1", "65536"] {
        let refused = run(&["--first-node", id]).await;
        assert_eq!(refused.status.code(), Some(2));
        let stderr = String::from_utf8(refused.stderr).unwrap();
        assert!(stderr.contains("a number from 0 to 65535"), "{stderr}");
    }
}

#[leakcheck]
async fn a_broker_that_listens_on_every_address_names_one_that_clients_can_reach() {
    let running = Running::start(&["--brokers", "1", "--listen", "0.0.0.0"]).await;
    assert_eq!(running.ready[0].ip().to_string(), "127.0.0.1");
    let mut client = Client::connect(running.ready[0]).await.unwrap();
    let metadata = client.send(MetadataRequest::default()).await.unwrap();
    assert_eq!(&*metadata.brokers[0].host, "127.0.0.1");
    assert_eq!(running.end_by("TERM").await.0.code(), Some(0));
}

#[leakcheck]
async fn a_start_that_fails_exits_1_with_the_reason() {
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    for (arguments, reason) in [
        (
            vec!["--ports", port.as_str()],
            format!("address in use: 127.0.0.1:{port}"),
        ),
        (
            vec!["--topic", "a/b"],
            "cannot create topic a/b: Topic name is invalid".to_owned(),
        ),
        (vec!["--topic", "a:1:9"], "cannot create topic a".to_owned()),
        (
            vec!["--broker-config", "no.such=1"],
            "no.such is not one that Apache Kafka has".to_owned(),
        ),
        (vec!["--max-versions", "Fetch=99"], "version 99 of API key 1".to_owned()),
        (
            vec!["--broker-config", "num.partitions=2147483647", "--topic", "a"],
            "2147483647 partitions of a: a topic is created with at most 10000".to_owned(),
        ),
        (
            vec!["--broker-config", "offsets.topic.num.partitions=2147483647"],
            "2147483647 partitions of __consumer_offsets: a topic is created with at most 10000".to_owned(),
        ),
    ] {
        let output = run(&arguments).await;
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{arguments:?} {stderr}");
        assert!(stderr.contains(&reason), "{arguments:?} {stderr}");
        assert!(output.stdout.is_empty());
    }
}

#[leakcheck]
async fn a_release_that_is_not_known_exits_2_with_those_that_are() {
    let output = run(&["--as-version", "9.9"]).await;
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    assert!(stderr.contains("known as 9.9; known are: 0.11, 1.0"), "{stderr}");
}

#[leakcheck]
async fn wrong_arguments_exit_2_with_the_reason() {
    for (arguments, reason) in [
        (vec!["--nonsense"], "--nonsense"),
        (vec!["--brokers", "none"], "--brokers none: expected a number from 1"),
        (
            vec!["--brokers", "2147483647"],
            "--brokers 2147483647: expected a number from 1 to 1000",
        ),
        (
            vec!["--topic", "a:2147483647"],
            "--topic a:2147483647: expected NAME[:PARTITIONS[:REPLICAS]], with 1 to 10000 partitions",
        ),
        (vec!["--sasl"], "--sasl is not supported yet"),
        (vec!["--data-dir", "x"], "--data-dir is not supported yet"),
        (vec!["orders"], "orders"),
    ] {
        let output = run(&arguments).await;
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?} {stderr}");
        assert!(
            stderr.contains(reason) && stderr.contains("Usage: kfake"),
            "{arguments:?} {stderr}"
        );
    }
}

#[leakcheck]
async fn help_and_version_go_to_stdout() {
    let help = run(&["--help"]).await;
    assert!(
        help.status.success()
            && String::from_utf8(help.stdout)
                .unwrap()
                .contains("--broker-config KEY=VALUE")
    );
    let version = run(&["--version"]).await;
    assert!(version.status.success() && version.stdout.starts_with(b"kfake "));
}

#[leakcheck]
async fn logs_go_to_stderr_as_loud_as_asked() {
    for (level, is_heard) in [("warn", true), ("error", false)] {
        let running = Running::start(&["--brokers", "1", "--log-level", level]).await;
        let mut client = Client::connect(running.ready[0]).await.unwrap();
        client.send_bytes(&i32::MAX.to_be_bytes()).await.unwrap();
        client.closed().await.unwrap();
        let (status, stderr) = running.end_by("TERM").await;
        assert_eq!(status.code(), Some(0));
        let warnings = stderr.matches("the frame's size is 2147483647 bytes").count();
        assert_eq!(warnings, usize::from(is_heard), "{stderr}");
    }
}

/// A bug is planted: the group's task does not hear of the shutdown.
#[cfg(feature = "plants")]
#[leakcheck]
async fn a_task_that_remains_is_reported_and_exits_3() {
    use kafka_protocol::messages::offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
    use kafka_protocol::messages::{GroupId, OffsetCommitRequest, TopicName};

    let mut command = kfake(&["--brokers", "1", "--topic", "orders:1"]);
    command.env("KFAKE_PLANT", "manage");
    let running = Running::of(command).await;
    let topic = OffsetCommitRequestTopic::default()
        .with_name(TopicName("orders".into()))
        .with_partitions(vec![OffsetCommitRequestPartition::default()]);
    let commit = OffsetCommitRequest::default()
        .with_group_id(GroupId("billing".into()))
        .with_generation_id_or_member_epoch(-1)
        .with_topics(vec![topic]);
    let mut client = Client::connect(running.ready[0]).await.unwrap();
    assert_eq!(client.send(commit).await.unwrap().topics[0].partitions[0].error_code, 0);
    let (status, stderr) = running.end_by("TERM").await;
    assert_eq!(status.code(), Some(3), "{stderr}");
    assert!(
        stderr.contains("group:billing › manage") && stderr.contains("kfake/src/group/manage.rs"),
        "{stderr}"
    );
}

#[leakcheck]
async fn a_steered_cluster_stops_and_starts_its_brokers_as_it_is_told() {
    let mut command = kfake(&["--brokers", "2", "--topic", "orders:1:2", "--steered"]);
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let ready = lines.next_line().await.unwrap().unwrap();
    let ready: Vec<SocketAddr> = ready.split([' ', ',']).skip(1).map(|a| a.parse().unwrap()).collect();
    let mut client = Client::connect(ready[0]).await.unwrap();
    for (line, answer, brokers) in [
        ("stop 2", "ok", 1),
        ("stop 2", "ok", 1),
        ("start 2", "ok", 2),
        ("stop 3", "error the cluster has no broker 3", 2),
        ("stop", "error stop takes a node's id, not \"\"", 2),
        ("drop 2", "error \"drop\" is neither stop nor start", 2),
        ("stop 2", "ok", 1),
    ] {
        input.write_all(format!("{line}\n").as_bytes()).await.unwrap();
        assert_eq!(lines.next_line().await.unwrap().as_deref(), Some(answer), "{line}");
        let metadata = client.send(MetadataRequest::default()).await.unwrap();
        assert_eq!(metadata.brokers.len(), brokers, "{line}");
    }
    // Nobody steers any more: it runs on, and ends as ever.
    drop(input);
    client.send(MetadataRequest::default()).await.unwrap();
    let running = Running { child, ready };
    let (status, stderr) = running.end_by("TERM").await;
    assert_eq!(status.code(), Some(0), "{stderr}");
}

/// What nobody reads any more: a write there fails.
fn unread() -> Stdio {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    writer.into()
}

#[leakcheck]
async fn who_does_not_read_what_it_says_gets_the_same_exit_codes_and_a_broker_that_serves() {
    let wrong = kfake(&["--brokers", "0"]).stderr(unread()).status().await.unwrap();
    assert_eq!(wrong.code(), Some(2));
    let twice = kfake(&["--topic", "a", "--topic", "a"])
        .stderr(unread())
        .status()
        .await
        .unwrap();
    assert_eq!(twice.code(), Some(1));

    let mut command = kfake(&["--listen", OWN[0], "--brokers", "1"]);
    let mut child = command.stdout(Stdio::piped()).stderr(unread()).spawn().unwrap();
    let mut line = String::new();
    let stdout = child.stdout.take().unwrap();
    BufReader::new(stdout).read_line(&mut line).await.unwrap();
    let address: SocketAddr = line.trim_end().strip_prefix("ready ").unwrap().parse().unwrap();
    // It warns of a frame that it does not take, closes that connection, and goes on.
    let mut client = Client::connect(address).await.unwrap();
    client.send_bytes(&[0xff; 8]).await.unwrap();
    client.closed().await.unwrap();
    let mut client = Client::connect(address).await.unwrap();
    client.send(MetadataRequest::default()).await.unwrap();
    let pid = child.id().unwrap().to_string();
    let kill = ["-c", "kill -s TERM \"$0\"", &pid];
    assert!(Command::new("sh").args(kill).status().await.unwrap().success());
    assert_eq!(child.wait().await.unwrap().code(), Some(0));
}
