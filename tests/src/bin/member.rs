//! A member of a consumer group in a process of its own, so that a test can kill it:
//! `member BOOTSTRAP GROUP TOPIC SESSION_TIMEOUT_MS polls|stops`. It consumes until then, or until it has partitions, and
//! then holds on to these: it sends heartbeats and is not polled. It leaves without a word.

use std::process::ExitCode;
use std::time::Duration;

use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::consumer::{BaseConsumer, Consumer};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let &[bootstrap, group, topic, session_timeout, mode @ ("polls" | "stops")] = arguments.as_slice() else {
        eprintln!("usage: member BOOTSTRAP GROUP TOPIC SESSION_TIMEOUT_MS polls|stops");
        return ExitCode::from(2);
    };
    let consumer: Result<BaseConsumer, _> = ClientConfig::new()
        .set("bootstrap.servers", bootstrap)
        .set("group.id", group)
        .set("session.timeout.ms", session_timeout)
        .set("heartbeat.interval.ms", "100")
        .set_log_level(RDKafkaLogLevel::Emerg)
        .create();
    match consumer.and_then(|consumer| consumer.subscribe(&[topic]).map(|()| consumer)) {
        Ok(consumer) => loop {
            consumer.poll(Duration::from_millis(100));
            let has_partitions = consumer.assignment().is_ok_and(|list| list.count() > 0);
            if mode == "stops" && has_partitions {
                loop {
                    std::thread::park();
                }
            }
        },
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
