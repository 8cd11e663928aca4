"""kafka-python."""

import threading
from functools import partial

import kafka
from kafka import ConsumerRebalanceListener, KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka import errors
from kafka.admin import ConfigResource, ConfigResourceType, NewPartitions, NewTopic
from kafka.structs import OffsetAndMetadata

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

BOOTSTRAP = SERVERS.split(",")
VERSION = tuple(int(part) for part in kafka.__version__.split(".")[:2])
# Before 2.1 it neither knew idempotence nor static members.
OLD = VERSION < (2, 1)
# So long may a broker take to answer at first. The old one gives up after two seconds, which a busy machine can take.
PATIENT = {"api_version_auto_timeout_ms": int(LIMIT * 1000)} if OLD else {}
ADMIN = KafkaAdminClient(bootstrap_servers=BOOTSTRAP, **PATIENT)


def topic(partitions=3, **config):
    name = fresh("kafka-python")
    config = {key.replace("_", "."): value for key, value in config.items()}
    ADMIN.create_topics([NewTopic(name, partitions, 1, topic_configs=config)])
    return name


def producer(**config):
    return KafkaProducer(bootstrap_servers=BOOTSTRAP, acks=config.pop("acks", "all"), **PATIENT, **config)


def produce(name, values, partition=0, **config):
    """Produces to one partition, and gives the offsets."""
    client = producer(**config)
    sent = [client.send(name, value=value, partition=partition) for value in values]
    offsets = [future.get(timeout=LIMIT).offset for future in sent]
    client.close(timeout=LIMIT)
    return offsets


def consumer(*names, **config):
    settings = {
        "bootstrap_servers": BOOTSTRAP,
        "auto_offset_reset": "earliest",
        "enable_auto_commit": False,
        "heartbeat_interval_ms": 200,
        "session_timeout_ms": SESSION_MS,
        "metadata_max_age_ms": 1000,
    }
    settings.update(config)
    return KafkaConsumer(*names, **PATIENT, **settings)


def messages(client, limit=1.0):
    """What has arrived, after so many seconds at most.

    Not less than a second: kafka-python 3.0.12 loses its assignment for good where a poll's time is up while the answer to
    its SyncGroup arrives.
    """
    return [got for batch in client.poll(timeout_ms=int(limit * 1000)).values() for got in batch]


def read(client, count):
    found = []

    def look():
        found.extend(messages(client, LIMIT))
        return len(found) >= count

    until(f"{count} messages", look)
    return found[:count]


def alone(name):
    client = consumer()
    client.assign([TopicPartition(name, 0)])
    client.seek_to_beginning()
    return client


def read_all(name, count):
    client = alone(name)
    found = read(client, count)
    client.close()
    return found


def compression(codec):
    name = topic()
    values = [b"value %d " % n * 20 for n in range(200)]
    offsets = produce(name, values, compression_type=None if codec == "none" else codec, linger_ms=50)
    same(offsets, list(range(200)), "offsets")
    same([got.value for got in read_all(name, 200)], values, "values")


def contents():
    name = topic()
    client = producer()
    headers = [("a", b"1"), ("a", b""), ("b", b"2")]
    sent = [
        client.send(name, key=b"k", value=b"v", partition=0, headers=headers),
        client.send(name, key=b"k", value=None, partition=0),
        client.send(name, key=None, value=b"", partition=0),
    ]
    for future in sent:
        future.get(timeout=LIMIT)
    client.close(timeout=LIMIT)
    first, tombstone, empty = read_all(name, 3)
    same((first.key, first.value, list(first.headers)), (b"k", b"v", headers), "the first record")
    same((tombstone.key, tombstone.value), (b"k", None), "the tombstone")
    same((empty.key, empty.value), (None, b""), "the empty value")


def idempotent():
    name = topic()
    values = [b"%d" % n for n in range(500)]
    same(produce(name, values, enable_idempotence=True, batch_size=500), list(range(500)), "offsets")
    same([got.value for got in read_all(name, 500)], values, "values")


def transactional(identity):
    client = producer(transactional_id=identity, enable_idempotence=True)
    client.init_transactions()
    return client


def send(client, name, *values):
    """Sends within a transaction that the caller has begun."""
    for value in values:
        client.send(name, value=value, partition=0).get(timeout=LIMIT)


def leaders_move():
    name, group = topic(1), fresh("group")
    reader = consumer(name, group_id=group)
    found, sent = messages(reader), []
    # Before it knew idempotence, one request at a time kept the order.
    once = {"max_in_flight_requests_per_connection": 1} if OLD else {"enable_idempotence": True}
    client = producer(**once, retries=100, retry_backoff_ms=20, batch_size=200)
    for before, with_coordinator, after, all_values in rounds():
        sent += [client.send(name, value=value, partition=0) for value in before]
        move_leaders(name)
        if with_coordinator:
            move_leaders(COORDINATORS)
        sent += [client.send(name, value=value, partition=0) for value in after]
        for future in sent:
            future.get(timeout=LIMIT)
        while len(found) < len(all_values):
            found += read(reader, len(all_values) - len(found))
        same([got.value for got in found], all_values, "what the member has")
        reader.commit()
    client.close(timeout=LIMIT)
    same([future.get().offset for future in sent], list(range(len(all_values))), "offsets")
    same(reader.committed(TopicPartition(name, 0)), len(all_values), "the committed offset")
    reader.close()
    same([got.value for got in read_all(name, len(all_values))], all_values, "what the log has")


def committed(name, count):
    """What a consumer of committed records alone reads."""
    client = consumer(isolation_level="read_committed")
    client.assign([TopicPartition(name, 0)])
    client.seek_to_beginning()
    values = [got.value for got in read(client, count)]
    client.close()
    return values


def transaction_commit():
    name, client = topic(1), transactional(fresh("transactional"))
    client.begin_transaction()
    send(client, name, b"a", b"b")
    client.commit_transaction()
    same(committed(name, 2), [b"a", b"b"], "the first transaction")
    client.begin_transaction()
    send(client, name, b"c")
    client.commit_transaction()
    same(committed(name, 3), [b"a", b"b", b"c"], "both transactions")
    client.close(timeout=LIMIT)


def transaction_abort():
    name, client = topic(1), transactional(fresh("transactional"))
    client.begin_transaction()
    send(client, name, b"a", b"b")
    client.abort_transaction()
    client.begin_transaction()
    send(client, name, b"c")
    client.commit_transaction()
    same(committed(name, 1), [b"c"], "what is committed")
    client.close(timeout=LIMIT)


def transaction_offsets():
    name, into, client = topic(1), topic(1), transactional(fresh("transactional"))
    produce(name, [b"%d" % n for n in range(6)])
    part = TopicPartition(name, 0)
    reader = consumer(name, group_id=fresh("group"), max_poll_records=3)
    for commits in (True, False):
        client.begin_transaction()
        found = read(reader, 3)
        send(client, into, *[b"from " + got.value for got in found])
        offsets = {part: OffsetAndMetadata(found[-1].offset + 1, "", -1)}
        client.send_offsets_to_transaction(offsets, reader.group_metadata())
        if commits:
            client.commit_transaction()
        else:
            client.abort_transaction()
    same(reader.committed(part), 3, "the committed offset")
    reader.close()
    client.close(timeout=LIMIT)
    same(committed(into, 3), [b"from 0", b"from 1", b"from 2"], "what came of it")


def transaction_fenced():
    name, identity = topic(1), fresh("transactional")
    first = transactional(identity)
    first.begin_transaction()
    send(first, name, b"of the first")
    second = transactional(identity)
    expect(errors.ProducerFencedError, first.commit_transaction)
    second.begin_transaction()
    send(second, name, b"of the second")
    second.commit_transaction()
    same(committed(name, 1), [b"of the second"], "what is committed")
    second.close(timeout=LIMIT)


class Watcher(ConsumerRebalanceListener):
    """Tells which partitions a member has, as soon as it has them."""

    def __init__(self, tell):
        self.tell = tell

    def on_partitions_revoked(self, revoked):
        self.tell([])

    def on_partitions_assigned(self, assigned):
        self.tell(assigned)


class Members:
    """Members of a group, each polled by its own thread until it is closed: `poll` does not come back while the group
    rebalances."""

    def __init__(self, clients):
        self.values, self.members = [], []
        self.condition = threading.Condition()
        for client in clients:
            self.add(client)

    def add(self, client):
        member = {"client": client, "stop": threading.Event(), "parts": set(), "error": None}
        member["thread"] = threading.Thread(target=self._poll, args=(member,), daemon=True)
        self.members.append(member)
        member["thread"].start()
        return member

    def _poll(self, member):
        client = member["client"]
        # A poll that brings nothing comes back long after the assignment.
        client.subscribe(list(client.subscription()), listener=Watcher(lambda parts: self._has(member, parts)))
        try:
            while not member["stop"].is_set():
                got = messages(client)
                with self.condition:
                    self.values += [one.value for one in got]
                    self.condition.notify_all()
            if not member.get("dies"):
                client.close()
        except Exception as error:
            with self.condition:
                member["error"] = error
                self.condition.notify_all()

    def _has(self, member, parts):
        with self.condition:
            member["parts"] = set(parts)
            self.condition.notify_all()

    def wait(self, what, look):
        with self.condition:
            def done():
                broken = [member["error"] for member in self.members if member["error"]]
                if broken:
                    raise broken[0]
                return look()

            assert self.condition.wait_for(done, LIMIT), f"{what}: not within {LIMIT:.0f} s"

    def assigned(self, partitions):
        def look():
            taken = [part for member in self.members for part in member["parts"]]
            each = all(member["parts"] for member in self.members)
            return each and len(taken) == len(set(taken)) == partitions

        self.wait(f"{len(self.members)} members share {partitions} partitions", look)

    def end(self, member):
        member["stop"].set()
        member["thread"].join(LIMIT)
        assert not member["thread"].is_alive(), "a member does not end"
        self.members.remove(member)

    def close(self):
        for member in self.members:
            member["stop"].set()
        for member in list(self.members):
            self.end(member)


def group_of(count):
    name, group = topic(partitions=6), fresh("group")
    members = Members([consumer(name, group_id=group) for _ in range(count)])
    members.assigned(6)
    for partition in range(6):
        produce(name, [b"%d" % partition], partition)
    members.wait("every record arrives", lambda: len(members.values) >= 6)
    same(sorted(members.values), [b"%d" % n for n in range(6)], "values")
    members.close()


def rebalance():
    name, group = topic(partitions=6), fresh("group")
    members = Members([consumer(name, group_id=group) for _ in range(2)])
    members.assigned(6)
    members.add(consumer(name, group_id=group))
    members.assigned(6)
    members.end(members.members[0])
    members.assigned(6)
    members.close()


def member_dies():
    name, group = topic(partitions=4), fresh("group")
    # It leaves the group by itself once it has not polled for that long.
    dying = consumer(name, group_id=group, max_poll_interval_ms=SHORT_SESSION_MS, session_timeout_ms=SHORT_SESSION_MS)
    members = Members([dying])
    members.assigned(4)
    members.add(consumer(name, group_id=group))
    members.assigned(4)
    member = members.members[0]
    member["dies"] = True
    members.end(member)
    members.assigned(4)
    members.close()
    dying.close()


def static_member():
    name, group = topic(partitions=4), fresh("group")
    members = Members([consumer(name, group_id=group, group_instance_id=f"instance-{n}") for n in (1, 2)])
    members.assigned(4)
    first = members.members[0]
    before = first["parts"]
    members.end(first)  # A static member that closes stays in its group.
    again = members.add(consumer(name, group_id=group, group_instance_id="instance-1"))
    members.assigned(4)
    same(again["parts"], before, "the assignment that it finds again")
    members.close()


def commit():
    name, group = topic(partitions=1), fresh("group")
    produce(name, [b"%d" % n for n in range(10)])
    client = consumer(name, group_id=group, max_poll_records=5)
    read(client, 5)
    client.commit()
    same(client.committed(TopicPartition(name, 0)), 5, "the committed offset")
    client.close()
    client = consumer(name, group_id=group)
    same([got.value for got in read(client, 5)], [b"%d" % n for n in range(5, 10)], "values")
    client.close()


def seek():
    name = topic()
    produce(name, [b"%d" % n for n in range(10)])
    client, part = alone(name), TopicPartition(name, 0)
    read(client, 10)
    client.seek(part, 7)
    same([got.offset for got in read(client, 3)], [7, 8, 9], "offsets behind the seek")
    same((client.beginning_offsets([part])[part], client.end_offsets([part])[part]), (0, 10), "first and next offset")
    client.close()


def timestamps():
    name, client = topic(), producer()
    times = [1_000_000 + n * 1000 for n in range(5)]
    for future in [client.send(name, value=b"v", partition=0, timestamp_ms=time) for time in times]:
        future.get(timeout=LIMIT)
    client.close(timeout=LIMIT)
    reader, part = alone(name), TopicPartition(name, 0)
    same(reader.offsets_for_times({part: 1_001_500})[part].offset, 2, "the offset at that time")
    same([got.timestamp for got in read(reader, 5)], times, "timestamps")
    reader.close()


def topics():
    name = topic(partitions=5)
    client = consumer()
    same(len(client.partitions_for_topic(name)), 5, "partitions")
    client.close()
    ADMIN.delete_topics([name])
    until("the topic is gone", lambda: name not in ADMIN.list_topics())


def configs():
    name = topic(retention_ms="1000")

    def described(kind, of):
        answer = ADMIN.describe_configs([ConfigResource(kind, of)], **({} if OLD else {"config_filter": "all"}))
        if not OLD:
            (found,) = answer.values()
            (found,) = found.values() if of in found else [found]
            return {key: value["value"] for key, value in found.items()}
        return {config[0]: config[1] for response in answer for config in response.resources[0][4]}

    same(described(ConfigResourceType.TOPIC, name)["retention.ms"], "1000", "the topic's own value")
    ADMIN.alter_configs([ConfigResource(ConfigResourceType.TOPIC, name, {"max.message.bytes": "1000"})])
    same(described(ConfigResourceType.TOPIC, name)["max.message.bytes"], "1000", "what was set")
    expect(errors.MessageSizeTooLargeError, lambda: produce(name, [b"x" * 2000]))
    broker = described(ConfigResourceType.BROKER, "1")
    same((broker["node.id"], broker["ssl.key.password"]), ("1", None), "the broker's")


def delete_records():
    name = topic(1)
    part = TopicPartition(name, 0)
    produce(name, [b"%d" % n for n in range(10)])
    same(ADMIN.delete_records({part: 4})[part]["low_watermark"], 4, "the low watermark")
    client = alone(name)
    same((client.beginning_offsets([part])[part], client.end_offsets([part])[part]), (4, 10), "first and next offset")
    same([got.value for got in read(client, 6)], [b"%d" % n for n in range(4, 10)], "what is left")
    client.close()
    expect(errors.OffsetOutOfRangeError, lambda: ADMIN.delete_records({part: 11}))
    client = consumer(auto_offset_reset="none")
    client.assign([part])
    client.seek(part, 3)
    expect(errors.OffsetOutOfRangeError, lambda: read(client, 1))
    client.close()


def compacted_topic():
    name = topic(1, **{key.replace(".", "_"): value for key, value in COMPACTED.items()})

    def write(time, pairs):
        client = producer()
        sent = [client.send(name, key=key, value=value, partition=0, timestamp_ms=time) for key, value in pairs]
        for future in sent:
            future.get(timeout=LIMIT)
        client.close(timeout=LIMIT)

    def content(last):
        client, found = alone(name), []
        while not found or found[-1].offset < last:
            found += messages(client)
        client.close()
        return [(got.offset, got.key, got.value) for got in found]

    compacted(write, content)


def partitions_added():
    name, group = topic(partitions=1), fresh("group")
    client = producer(metadata_max_age_ms=200)
    members = Members([consumer(name, group_id=group, metadata_max_age_ms=200)])
    members.assigned(1)
    ADMIN.create_partitions({name: NewPartitions(3)})
    reached = set()

    def look():
        # Without a key, each record goes to some partition that the producer knows.
        reached.add(client.send(name, value=b"v").get(timeout=LIMIT).partition)
        return reached == {0, 1, 2}

    until("the producer has written to each of three partitions", look)
    members.assigned(3)
    sent = [client.send(name, value=b"to %d" % n, partition=n) for n in range(3)]
    for future in sent:
        future.get(timeout=LIMIT)
    members.wait("a record of each partition arrives", lambda: {b"to 0", b"to 1", b"to 2"} <= set(members.values))
    members.close()
    client.close(timeout=LIMIT)


def one_member(**config):
    """A group of one member, which has both partitions of a topic."""
    name, group = topic(partitions=2), fresh("group")
    members = Members([consumer(name, group_id=group, client_id="one-member", **config)])
    members.assigned(2)
    return name, group, members


def listed(group):
    if OLD:
        return [found for found in ADMIN.list_consumer_groups() if found[0] == group]
    groups = ADMIN.list_groups()
    return [(found["group_id"], found["protocol_type"]) for found in groups if found["group_id"] == group]


def described(group):
    """Its state, and of each member the client and the assignment."""
    if OLD:
        (found,) = ADMIN.describe_consumer_groups([group])
        return found.state, [(one.client_id, one.member_assignment.assignment) for one in found.members]
    found = ADMIN.describe_groups([group])[group]
    same(found["error"], None, "the group's error")
    members = [(one["client_id"], one["member_assignment"]["assigned_partitions"]) for one in found["members"]]
    return found["group_state"], [
        (client, [(part["topic"], part["partitions"]) for part in parts]) for client, parts in members
    ]


def group_described():
    name, group, members = one_member()
    same(listed(group), [(group, "consumer")], "the group in the list")
    same(described(group), ("Stable", [("one-member", [(name, [0, 1])])]), "the group and its member")
    members.close()
    same(described(group), ("Empty", []), "the group without its member")


def delete_group(group):
    """Deletes it, and gives the error's name, or none."""
    if OLD:
        ((_, error),) = ADMIN.delete_consumer_groups([group])
        return None if error is errors.NoError else error.__name__
    error = ADMIN.delete_groups([group])[group]
    return None if error == "OK" else error


def group_deleted():
    _, group, members = one_member()
    same(delete_group(group), "NonEmptyGroupError", "the error while it has a member")
    members.close()
    same(delete_group(group), None, "the deletion")
    same(listed(group), [], "the group in the list")
    same(delete_group(group), "GroupIdNotFoundError", "the error when it is gone")


def offsets_deleted():
    # It commits for itself: both partitions of its topic, from where it began.
    name, group, members = one_member(enable_auto_commit=True, auto_commit_interval_ms=100)
    parts = [TopicPartition(name, n) for n in (0, 1)]

    def committed():
        (found,) = ADMIN.list_group_offsets({group: parts}).values()
        return sorted(part.partition for part, at in found.items() if at.offset >= 0)

    until("both are committed", lambda: committed() == [0, 1])
    subscribed = dict.fromkeys(parts, errors.GroupSubscribedToTopicError)
    same(ADMIN.delete_group_offsets(group, parts), subscribed, "the errors while a member is subscribed")
    members.close()
    same(ADMIN.delete_group_offsets(group, parts[:1]), {parts[0]: errors.NoError}, "the deletion")
    same(committed(), [1], "what is committed still")


def describe_cluster():
    found = ADMIN.describe_cluster()
    known = {node.get("node_id", node.get("broker_id")): node["port"] for node in found["brokers"]}
    same(known, brokers(), "the brokers")
    same(len(found["cluster_id"]), 22, "the length of the cluster's id")
    same(found["controller_id"] in brokers(), True, "whether the controller is one of them")


def expect(kind, call):
    try:
        call()
    except kind:
        return
    raise AssertionError(f"no {kind.__name__}")


def unknown_topic():
    expect(errors.UnknownTopicOrPartitionError, lambda: ADMIN.delete_topics([fresh("no-such-topic")]))


def existing_topic():
    name = topic()
    expect(errors.TopicAlreadyExistsError, lambda: ADMIN.create_topics([NewTopic(name, 1, 1)]))


def invalid_topic():
    expect(errors.InvalidTopicError, lambda: ADMIN.create_topics([NewTopic("not/a/name", 1, 1)]))


def large_record():
    name = topic(max_message_bytes="1000")
    expect(errors.MessageSizeTooLargeError, lambda: produce(name, [b"x" * 2000]))


def returns():
    client = producer(retries=1000, retry_backoff_ms=50, reconnect_backoff_max_ms=200)
    client.send("returning", value=b"before", partition=0).get(timeout=LIMIT)
    stop_cluster()
    later = client.send("returning", value=b"after", partition=0)
    start_cluster()
    same(later.get(timeout=LIMIT).offset, 0, "the offset in the new cluster")
    client.close(timeout=LIMIT)
    same(read_all("returning", 1)[0].value, b"after", "what the new cluster has")


NOT_YET = skip("this version of kafka-python has no such feature")
run({
    **{f"compression-{codec}": partial(compression, codec) for codec in ["none", "gzip", "snappy", "lz4", "zstd"]},
    "keys-headers-tombstones": contents,
    "idempotent": NOT_YET if OLD else idempotent,
    "transaction-commit": NOT_YET if OLD else transaction_commit,
    "transaction-abort": NOT_YET if OLD else transaction_abort,
    "transaction-offsets": NOT_YET if OLD else transaction_offsets,
    "transaction-fenced": NOT_YET if OLD else transaction_fenced,
    "group-of-two": lambda: group_of(2),
    "group-of-three": lambda: group_of(3),
    "rebalance": rebalance,
    "member-dies": member_dies,
    "static-member": NOT_YET if VERSION < (2, 2) else static_member,
    "commit-and-resume": commit,
    "seek": seek,
    "timestamps": timestamps,
    "create-and-delete-topic": topics,
    "configs": configs,
    "delete-records": NOT_YET if OLD else delete_records,
    "compacted-topic": compacted_topic,
    "partitions-added": partitions_added,
    "group-described": group_described,
    "group-deleted": group_deleted,
    "offsets-deleted": NOT_YET if OLD else offsets_deleted,
    "describe-cluster": describe_cluster,
    "error-unknown-topic": unknown_topic,
    "error-topic-exists": existing_topic,
    "error-invalid-topic": invalid_topic,
    "error-record-too-large": large_record,
    "leaders-move": leaders_move,
    "cluster-returns": returns,
})
