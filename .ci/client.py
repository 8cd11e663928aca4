"""A smoke test of the kfake binary with a client of another language: python client.py PATH_TO_KFAKE.

Starts three brokers, produces, consumes with a group, commits, and ends the binary by SIGTERM: it must exit 0 and leave
its ports free. Exits non-zero with the reason when anything is not as it should be.
"""

import selectors
import signal
import socket
import subprocess
import sys

from kafka import KafkaConsumer, KafkaProducer, TopicPartition

TOPIC = "orders"
PARTITIONS = 3
RECORDS = 30
# Limits, so that a hang is a failure. Nothing waits as long as this when all is well.
LIMIT_SECONDS = 30
LIMIT_MS = LIMIT_SECONDS * 1000


def check(condition, what):
    if not condition:
        raise SystemExit(f"client: {what}")
    print(f"client: {what.partition(', got')[0]}: yes")


def start(binary):
    """The running binary and its brokers' addresses."""
    command = [binary, "--brokers", "3", "--ports", "0,0,0", "--topic", f"{TOPIC}:{PARTITIONS}"]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        answered = selector.select(LIMIT_SECONDS)
    line = process.stdout.readline() if answered else ""
    word, _, addresses = line.strip().partition(" ")
    brokers = addresses.split(",")
    check(word == "ready" and len(brokers) == 3, f"three brokers are ready, got {line!r}")
    return process, brokers


def produce(servers):
    producer = KafkaProducer(bootstrap_servers=servers, compression_type="gzip", acks="all")
    sent = [producer.send(TOPIC, value=b"order %d" % n, key=b"%d" % n, partition=n % PARTITIONS) for n in range(RECORDS)]
    placed = sorted((m.partition, m.offset) for m in (future.get(timeout=LIMIT_SECONDS) for future in sent))
    producer.close(timeout=LIMIT_SECONDS)
    wanted = [(p, o) for p in range(PARTITIONS) for o in range(RECORDS // PARTITIONS)]
    check(placed == wanted, f"every record has its offset, got {placed}")


def consume(servers):
    consumer = KafkaConsumer(
        TOPIC,
        bootstrap_servers=servers,
        group_id="billing",
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        consumer_timeout_ms=LIMIT_MS,
    )
    values = []
    for record in consumer:
        values.append(record.value)
        if len(values) == RECORDS:
            break
    check(sorted(values) == sorted(b"order %d" % n for n in range(RECORDS)), f"every record arrives, got {values}")
    consumer.commit()
    committed = [consumer.committed(TopicPartition(TOPIC, p)) for p in range(PARTITIONS)]
    check(committed == [RECORDS // PARTITIONS] * PARTITIONS, f"the group's offsets are committed, got {committed}")
    consumer.close()


def stop(process, brokers):
    process.send_signal(signal.SIGTERM)
    code = process.wait(timeout=LIMIT_SECONDS)
    check(code == 0, f"SIGTERM ends the binary with exit code 0, got {code}")
    for address in brokers:
        host, _, port = address.rpartition(":")
        with socket.socket() as listener:
            # As a server does: the closed connections of a moment ago do not count.
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((host, int(port)))
            listener.listen()
    check(True, "its ports can be bound again at once")


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    process, brokers = start(sys.argv[1])
    try:
        produce(brokers)
        consume(brokers)
        stop(process, brokers)
    finally:
        process.kill()
        process.wait()


if __name__ == "__main__":
    main()
