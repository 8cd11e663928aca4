"""librdkafka, by way of confluent-kafka-python."""

from functools import partial

from confluent_kafka import (
    Consumer,
    ConsumerGroupState,
    KafkaError,
    KafkaException,
    Producer,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient, ConfigResource, ConfigSource, NewPartitions, NewTopic

from cases import (
    COMPACTED,
    COORDINATORS,
    LIMIT,
    SERVERS,
    SESSION_MS,
    SHORT_SESSION_MS,
    brokers,
    compacted,
    fresh,
    move_leaders,
    rounds,
    run,
    same,
    skip,
    start_cluster,
    stop_cluster,
    until,
)

ALL = ["none", "gzip", "snappy", "lz4", "zstd"]


# One for all: a future of an admin client that is gone fails.
ADMIN = AdminClient({"bootstrap.servers": SERVERS})


def topic(partitions=3, **config):
    name = fresh("confluent")
    made = ADMIN.create_topics([NewTopic(name, partitions, 1, config=config)], operation_timeout=LIMIT)
    made[name].result(LIMIT)
    return name


class Sent:
    """Delivery reports of a producer, in the order of their arrival."""

    def __init__(self):
        self.placed, self.failed = [], []

    def __call__(self, error, message):
        if error is not None:
            self.failed.append(error)
        else:
            self.placed.append((message.partition(), message.offset()))


def producer(**config):
    return Producer({"bootstrap.servers": SERVERS, "acks": "all", **config})


def produce(name, values, partition=0, **config):
    """Produces to one partition, and gives the offsets."""
    sent, client = Sent(), producer(**config)
    for value in values:
        client.produce(name, value=value, partition=partition, on_delivery=sent)
    same(client.flush(LIMIT), 0, "records still queued")
    same(sent.failed, [], "failed deliveries")
    return [offset for _, offset in sent.placed]


def consumer(group=None, **config):
    settings = {
        "bootstrap.servers": SERVERS,
        "group.id": group or fresh("confluent-alone"),
        "auto.offset.reset": "earliest",
        "enable.auto.commit": False,
        "heartbeat.interval.ms": 200,
        "session.timeout.ms": SESSION_MS,
    }
    settings.update({key.replace("_", "."): value for key, value in config.items()})
    return Consumer(settings)


def message(client):
    """The next message, or None after a moment."""
    got = client.poll(0.1)
    if got is not None and got.error():
        raise KafkaException(got.error())
    return got


def read(client, count):
    messages = []

    def look():
        got = message(client)
        if got is not None:
            messages.append(got)
        return len(messages) >= count

    until(f"{count} messages", look)
    return messages


def read_all(name, count, partition=0):
    client = consumer()
    client.assign([TopicPartition(name, partition, 0)])
    messages = read(client, count)
    client.close()
    return messages


def compression(codec):
    name = topic()
    values = [b"value %d " % n * 20 for n in range(200)]
    offsets = produce(name, values, **{"compression.type": codec, "linger.ms": 50})
    same(offsets, list(range(200)), "offsets")
    same([got.value() for got in read_all(name, 200)], values, "values")


def contents():
    name = topic()
    sent, client = Sent(), producer()
    client.produce(name, key=b"k", value=b"v", partition=0, headers=[("a", b"1"), ("a", b""), ("b", None)], on_delivery=sent)
    client.produce(name, key=b"k", value=None, partition=0, on_delivery=sent)
    client.produce(name, key=None, value=b"", partition=0, on_delivery=sent)
    same(client.flush(LIMIT), 0, "records still queued")
    first, tombstone, empty = read_all(name, 3)
    same((first.key(), first.value()), (b"k", b"v"), "the first record")
    same(first.headers(), [("a", b"1"), ("a", b""), ("b", None)], "its headers")
    same((tombstone.key(), tombstone.value()), (b"k", None), "the tombstone")
    same((empty.key(), empty.value()), (None, b""), "the empty value")


def idempotent():
    name = topic()
    values = [b"%d" % n for n in range(500)]
    offsets = produce(name, values, **{"enable.idempotence": True, "batch.num.messages": 10})
    same(offsets, list(range(500)), "offsets")
    same([got.value() for got in read_all(name, 500)], values, "values")


def leaders_move():
    name, group = topic(1), fresh("group")
    (reader,) = members(name, 1, group)
    assigned([reader], 1)
    sent, client, found = Sent(), producer(**{"enable.idempotence": True, "batch.num.messages": 10}), []

    def send_all(values):
        for value in values:
            client.produce(name, value=value, partition=0, on_delivery=sent)
        client.poll(0)

    def look():
        got = message(reader)
        if got is not None:
            found.append(got.value())
        return len(found) >= len(all_values)

    for before, with_coordinator, after, all_values in rounds():
        send_all(before)
        move_leaders(name)
        if with_coordinator:
            move_leaders(COORDINATORS)
        send_all(after)
        same(client.flush(LIMIT), 0, "records still queued")
        same(sent.failed, [], "failed deliveries")
        until("the member has every record", look)
        same(found, all_values, "what the member has")
        reader.commit(asynchronous=False)
    same([offset for _, offset in sent.placed], list(range(len(all_values))), "offsets")
    same(reader.committed([TopicPartition(name, 0)], LIMIT)[0].offset, len(all_values), "the committed offset")
    reader.close()
    same([got.value() for got in read_all(name, len(all_values))], all_values, "what the log has")


def transactional(identity):
    client = producer(**{"transactional.id": identity})
    client.init_transactions(LIMIT)
    return client


def committed(name, count):
    """What a consumer of committed records alone reads."""
    client = consumer(isolation_level="read_committed")
    client.assign([TopicPartition(name, 0, 0)])
    values = [got.value() for got in read(client, count)]
    client.close()
    return values


def send(client, name, *values):
    """Sends within a transaction that the caller has begun."""
    for value in values:
        client.produce(name, value=value, partition=0)
    same(client.flush(LIMIT), 0, "records still queued")


def transaction_commit():
    name, client = topic(1), transactional(fresh("transactional"))
    reader = consumer(isolation_level="read_committed")
    part = TopicPartition(name, 0, 0)
    client.begin_transaction()
    send(client, name, b"a", b"b")
    same(reader.get_watermark_offsets(part, LIMIT), (0, 0), "what may be read before the commit")
    client.commit_transaction(LIMIT)
    same(committed(name, 2), [b"a", b"b"], "the first transaction")
    client.begin_transaction()
    send(client, name, b"c")
    client.commit_transaction(LIMIT)
    same(committed(name, 3), [b"a", b"b", b"c"], "both transactions")
    same(reader.get_watermark_offsets(part, LIMIT), (0, 5), "what may be read, markers counted")
    reader.close()


def transaction_abort():
    name, client = topic(1), transactional(fresh("transactional"))
    client.begin_transaction()
    send(client, name, b"a", b"b")
    client.abort_transaction(LIMIT)
    client.begin_transaction()
    send(client, name, b"c")
    client.commit_transaction(LIMIT)
    same(committed(name, 1), [b"c"], "what is committed")


def transaction_offsets():
    name, into, client = topic(1), topic(1), transactional(fresh("transactional"))
    produce(name, [b"%d" % n for n in range(6)])
    reader = consumer(fresh("group"))
    reader.subscribe([name])
    for commits in (True, False):
        client.begin_transaction()
        messages = read(reader, 3)
        send(client, into, *[b"from " + got.value() for got in messages])
        offsets = [TopicPartition(name, 0, messages[-1].offset() + 1)]
        client.send_offsets_to_transaction(offsets, reader.consumer_group_metadata(), LIMIT)
        if commits:
            client.commit_transaction(LIMIT)
        else:
            client.abort_transaction(LIMIT)
    same(reader.committed([TopicPartition(name, 0)], LIMIT)[0].offset, 3, "the committed offset")
    reader.close()
    same(committed(into, 3), [b"from 0", b"from 1", b"from 2"], "what came of it")


def transaction_fenced():
    name, identity = topic(1), fresh("transactional")
    first = transactional(identity)
    first.begin_transaction()
    send(first, name, b"of the first")
    second = transactional(identity)
    expect(KafkaError._FENCED, lambda: first.commit_transaction(LIMIT))
    second.begin_transaction()
    send(second, name, b"of the second")
    second.commit_transaction(LIMIT)
    same(committed(name, 1), [b"of the second"], "what is committed")


def assigned(clients, partitions):
    """Polls all until their assignments are disjoint and cover everything."""

    def look():
        for client in clients:
            message(client)
        taken = [(part.topic, part.partition) for client in clients for part in client.assignment()]
        each = all(client.assignment() for client in clients)
        return each and len(taken) == len(set(taken)) == partitions

    until(f"{len(clients)} members share {partitions} partitions", look)


def members(name, count, group, **config):
    clients = [consumer(group, **config) for _ in range(count)]
    for client in clients:
        client.subscribe([name])
    return clients


def group_of(count):
    name, group = topic(partitions=6), fresh("group")
    clients = members(name, count, group)
    assigned(clients, 6)
    for partition in range(6):
        produce(name, [b"%d" % partition], partition)
    values = []

    def look():
        for client in clients:
            got = message(client)
            if got is not None:
                values.append(int(got.value()))
        return len(values) >= 6

    until("every record arrives", look)
    same(sorted(values), list(range(6)), "values")
    for client in clients:
        client.close()


def rebalance():
    name, group = topic(partitions=6), fresh("group")
    clients = members(name, 2, group)
    assigned(clients, 6)
    clients += members(name, 1, group)
    assigned(clients, 6)
    clients.pop(0).close()
    assigned(clients, 6)
    for client in clients:
        client.close()


def member_dies():
    name, group = topic(partitions=4), fresh("group")
    # It stops polling, and so is taken out of the group by librdkafka itself after that long.
    (dying,) = members(name, 1, group, **{"max.poll.interval.ms": SHORT_SESSION_MS, "session.timeout.ms": SHORT_SESSION_MS})
    assigned([dying], 4)
    (left,) = members(name, 1, group)
    assigned([dying, left], 4)
    assigned([left], 4)
    left.close()
    dying.close()


def static_member():
    name, group = topic(partitions=4), fresh("group")
    first, second = (members(name, 1, group, **{"group.instance.id": f"instance-{n}"})[0] for n in (1, 2))
    assigned([first, second], 4)
    before = sorted(part.partition for part in first.assignment())
    first.close()  # A static member that closes stays in its group.
    (again,) = members(name, 1, group, **{"group.instance.id": "instance-1"})
    assigned([again, second], 4)
    same(sorted(part.partition for part in again.assignment()), before, "the assignment that it finds again")
    again.close()
    second.close()


def commit():
    name, group = topic(partitions=1), fresh("group")
    produce(name, [b"%d" % n for n in range(10)])
    (client,) = members(name, 1, group)
    read(client, 5)
    client.commit(offsets=[TopicPartition(name, 0, 5)], asynchronous=False)
    same(client.committed([TopicPartition(name, 0)], LIMIT)[0].offset, 5, "the committed offset")
    client.close()
    (client,) = members(name, 1, group)
    same([got.value() for got in read(client, 5)], [b"%d" % n for n in range(5, 10)], "values")
    client.close()


def seek():
    name = topic()
    produce(name, [b"%d" % n for n in range(10)])
    client = consumer()
    client.assign([TopicPartition(name, 0, 0)])
    read(client, 10)
    client.seek(TopicPartition(name, 0, 7))
    same([got.offset() for got in read(client, 3)], [7, 8, 9], "offsets behind the seek")
    same(client.get_watermark_offsets(TopicPartition(name, 0), LIMIT), (0, 10), "watermarks")
    client.close()


def timestamps():
    name, client, sent = topic(), producer(), Sent()
    for n in range(5):
        client.produce(name, value=b"%d" % n, partition=0, timestamp=1_000_000 + n * 1000, on_delivery=sent)
    same(client.flush(LIMIT), 0, "records still queued")
    reader = consumer()
    found = reader.offsets_for_times([TopicPartition(name, 0, 1_001_500)], LIMIT)
    same(found[0].offset, 2, "the offset at that time")
    reader.close()
    same([got.timestamp()[1] for got in read_all(name, 5)], [1_000_000 + n * 1000 for n in range(5)], "timestamps")


def topics():
    name = topic(partitions=5)
    client = ADMIN
    same(len(client.list_topics(name, LIMIT).topics[name].partitions), 5, "partitions")
    client.delete_topics([name], operation_timeout=LIMIT)[name].result(LIMIT)
    until("the topic is gone", lambda: name not in client.list_topics(timeout=LIMIT).topics)


def configs():
    name = topic(**{"retention.ms": "1000"})

    def described(kind, of):
        resource = ConfigResource(kind, of)
        return ADMIN.describe_configs([resource], request_timeout=LIMIT)[resource].result(LIMIT)

    def alter(**values):
        resource = ConfigResource(ConfigResource.Type.TOPIC, name, set_config=values)
        ADMIN.alter_configs([resource], request_timeout=LIMIT)[resource].result(LIMIT)

    retention = described(ConfigResource.Type.TOPIC, name)["retention.ms"]
    same((retention.value, retention.source), ("1000", ConfigSource.DYNAMIC_TOPIC_CONFIG.value), "the topic's own value")
    alter(**{"max.message.bytes": "1000"})
    altered = described(ConfigResource.Type.TOPIC, name)
    same(altered["max.message.bytes"].value, "1000", "what was set")
    same(altered["retention.ms"].source, ConfigSource.DEFAULT_CONFIG.value, "where what was replaced is from")
    expect(KafkaError.INVALID_CONFIG, lambda: alter(**{"retention.ms": "soon"}))
    broker = described(ConfigResource.Type.BROKER, "1")
    same((broker["node.id"].value, broker["ssl.key.password"].value), ("1", None), "the broker's")


def delete_records():
    name = topic(partitions=1)
    part = TopicPartition(name, 0)
    produce(name, [b"%d" % n for n in range(10)])

    def delete(before):
        at = TopicPartition(name, 0, before)
        return ADMIN.delete_records([at], request_timeout=LIMIT)[at].result(LIMIT).low_watermark

    same(delete(4), 4, "the low watermark")
    same([got.value() for got in read_all(name, 6)], [b"%d" % n for n in range(4, 10)], "what is left")
    expect(KafkaError.OFFSET_OUT_OF_RANGE, lambda: delete(11))
    client = consumer(auto_offset_reset="error")
    same(client.get_watermark_offsets(part, LIMIT), (4, 10), "watermarks")
    client.assign([TopicPartition(name, 0, 3)])
    same(first_error(client), KafkaError._AUTO_OFFSET_RESET, "the error before the first offset")
    client.close()


def compacted_topic():
    name = topic(1, **COMPACTED)

    def write(time, pairs):
        client, sent = producer(), Sent()
        for key, value in pairs:
            client.produce(name, key=key, value=value, partition=0, timestamp=time, on_delivery=sent)
        same(client.flush(LIMIT), 0, "records still queued")
        same(sent.failed, [], "failed deliveries")

    def content(last):
        client, found = consumer(), []
        client.assign([TopicPartition(name, 0, 0)])
        while not found or found[-1].offset() < last:
            found += read(client, 1)
        client.close()
        return [(got.offset(), got.key(), got.value()) for got in found]

    compacted(write, content)


def partitions_added():
    name, group = topic(partitions=1), fresh("group")
    refresh = {"topic.metadata.refresh.interval.ms": 200}
    client, sent = producer(**{"partitioner": "random", **refresh}), Sent()
    (reader,) = members(name, 1, group, **refresh)
    assigned([reader], 1)
    ADMIN.create_partitions([NewPartitions(name, 3)], operation_timeout=LIMIT)[name].result(LIMIT)
    reached = set()

    def look():
        client.produce(name, value=b"v", on_delivery=sent)
        client.poll(0)
        got = message(reader)
        reached.update([got.partition()] if got else [])
        return reached == {0, 1, 2}

    until("a record by each of three partitions", look)
    same(client.flush(LIMIT), 0, "records still queued")
    same(sent.failed, [], "failed deliveries")
    assigned([reader], 3)
    reader.close()


def one_member():
    """A group of one member, which has both partitions of a topic."""
    name, group = topic(partitions=2), fresh("group")
    (client,) = members(name, 1, group, client_id="one-member")
    assigned([client], 2)
    return name, group, client


def listed(group):
    answer = ADMIN.list_consumer_groups(request_timeout=LIMIT).result(LIMIT)
    same(answer.errors, [], "what went wrong")
    return [(found.group_id, found.state) for found in answer.valid if found.group_id == group]


def group_described():
    name, group, client = one_member()
    same(listed(group), [(group, ConsumerGroupState.STABLE)], "the group in the list")
    found = ADMIN.describe_consumer_groups([group], request_timeout=LIMIT)[group].result(LIMIT)
    same((found.state, found.partition_assignor), (ConsumerGroupState.STABLE, "range"), "the group")
    (member,) = found.members
    parts = sorted((part.topic, part.partition) for part in member.assignment.topic_partitions)
    same((member.client_id, parts), ("one-member", [(name, 0), (name, 1)]), "its member")
    client.close()
    same(listed(group), [(group, ConsumerGroupState.EMPTY)], "the group without its member")


def group_deleted():
    _, group, client = one_member()

    def delete():
        ADMIN.delete_consumer_groups([group], request_timeout=LIMIT)[group].result(LIMIT)

    expect(KafkaError.NON_EMPTY_GROUP, delete)
    client.close()
    delete()
    same(listed(group), [], "the group in the list")
    expect(KafkaError.GROUP_ID_NOT_FOUND, delete)


def describe_cluster():
    known = ADMIN.list_topics(timeout=LIMIT)
    same({node.id: node.port for node in known.brokers.values()}, brokers(), "the brokers")
    same(len(known.cluster_id), 22, "the length of the cluster's id")
    if hasattr(ADMIN, "describe_cluster"):
        found = ADMIN.describe_cluster(request_timeout=LIMIT).result(LIMIT)
        same({node.id: node.port for node in found.nodes}, brokers(), "the brokers, described")
        same(found.cluster_id, known.cluster_id, "the cluster's id")
        same(found.controller.id in brokers(), True, "whether the controller is one of them")


def first_error(client):
    def look():
        try:
            message(client)
        except KafkaException as error:
            return error.args[0].code()
        return None

    return until("an error", look)


def expect(code, call):
    try:
        call()
    except KafkaException as error:
        same(error.args[0].code(), code, "the error")
    else:
        raise AssertionError(f"no error, but {code} was wanted")


def unknown_topic():
    client = consumer()
    client.subscribe([fresh("no-such-topic")])
    same(first_error(client), KafkaError.UNKNOWN_TOPIC_OR_PART, "the error")
    client.close()


def existing_topic():
    name = topic()
    made = ADMIN.create_topics([NewTopic(name, 1, 1)], operation_timeout=LIMIT)
    expect(KafkaError.TOPIC_ALREADY_EXISTS, lambda: made[name].result(LIMIT))


def invalid_topic():
    made = ADMIN.create_topics([NewTopic("not/a/name", 1, 1)], operation_timeout=LIMIT)
    expect(KafkaError.TOPIC_EXCEPTION, lambda: made["not/a/name"].result(LIMIT))


def large_record():
    name = topic(**{"max.message.bytes": "1000"})
    sent, client = Sent(), producer()
    client.produce(name, value=b"x" * 2000, partition=0, on_delivery=sent)
    same(client.flush(LIMIT), 0, "records still queued")
    same([error.code() for error in sent.failed], [KafkaError.MSG_SIZE_TOO_LARGE], "failed deliveries")


def returns():
    sent, client = Sent(), producer(**{"message.timeout.ms": int(LIMIT * 1000)})
    client.produce("returning", value=b"before", partition=0, on_delivery=sent)
    same(client.flush(LIMIT), 0, "records still queued")
    stop_cluster()
    client.produce("returning", value=b"after", partition=0, on_delivery=sent)
    client.poll(0)
    start_cluster()
    same(client.flush(LIMIT), 0, "records still queued")
    same((len(sent.placed), sent.failed), (2, []), "deliveries")
    same(read_all("returning", 1)[0].value(), b"after", "what the new cluster has")


NOT_YET = skip("this version of confluent-kafka-python has no function for it")
run({
    **{f"compression-{codec}": partial(compression, codec) for codec in ALL},
    "keys-headers-tombstones": contents,
    "idempotent": idempotent,
    "transaction-commit": transaction_commit,
    "transaction-abort": transaction_abort,
    "transaction-offsets": transaction_offsets,
    "transaction-fenced": transaction_fenced,
    "group-of-two": lambda: group_of(2),
    "group-of-three": lambda: group_of(3),
    "rebalance": rebalance,
    "member-dies": member_dies,
    "static-member": static_member,
    "commit-and-resume": commit,
    "seek": seek,
    "timestamps": timestamps,
    "create-and-delete-topic": topics,
    "configs": configs,
    "delete-records": delete_records if hasattr(ADMIN, "delete_records") else NOT_YET,
    "compacted-topic": compacted_topic,
    "partitions-added": partitions_added,
    "group-described": group_described,
    "group-deleted": group_deleted,
    "offsets-deleted": skip("confluent-kafka-python has no function for it"),
    "describe-cluster": describe_cluster,
    "error-unknown-topic": unknown_topic,
    "error-topic-exists": existing_topic,
    "error-invalid-topic": invalid_topic,
    "error-record-too-large": large_record,
    "leaders-move": leaders_move,
    "cluster-returns": returns,
})
