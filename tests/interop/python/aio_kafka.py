"""aiokafka."""

import asyncio
from functools import partial

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition, errors
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic, RecordsToDelete
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from cases import (
    COMPACTED,
    COORDINATORS,
    LIMIT,
    SERVERS,
    SESSION_MS,
    SHORT_SESSION_MS,
    brokers,
    compaction,
    fresh,
    move_leaders,
    rounds,
    run,
    same,
    skip,
    start_cluster,
    stop_cluster,
)


async def with_admin(work):
    admin = AIOKafkaAdminClient(bootstrap_servers=SERVERS)
    await admin.start()
    try:
        return await work(admin)
    finally:
        await admin.close()


async def create(name, partitions=3, **config):
    config = {key.replace("_", "."): value for key, value in config.items()}
    answer = await with_admin(
        lambda admin: admin.create_topics([NewTopic(name, partitions, 1, topic_configs=config)])
    )
    # It hands the error out as a number.
    code = answer.topic_errors[0][1]
    if code:
        raise errors.for_code(code)(name)


async def topic(partitions=3, **config):
    name = fresh("aiokafka")
    await create(name, partitions, **config)
    return name


async def produce(name, values, partition=0, **config):
    """Produces to one partition, and gives the offsets."""
    async with AIOKafkaProducer(bootstrap_servers=SERVERS, acks="all", **config) as client:
        sent = [await client.send(name, value=value, partition=partition) for value in values]
        return [(await future).offset for future in sent]


def consumer(*names, **config):
    settings = {
        "bootstrap_servers": SERVERS,
        "auto_offset_reset": "earliest",
        "enable_auto_commit": False,
        "heartbeat_interval_ms": 200,
        "session_timeout_ms": SESSION_MS,
    }
    settings.update(config)
    return AIOKafkaConsumer(*names, **settings)


async def read(client, count):
    return [await client.getone() for _ in range(count)]


async def read_all(name, count):
    async with consumer() as client:
        client.assign([TopicPartition(name, 0)])
        await client.seek_to_beginning()
        return await read(client, count)


async def compression(codec):
    name = await topic()
    values = [b"value %d " % n * 20 for n in range(200)]
    offsets = await produce(name, values, compression_type=None if codec == "none" else codec, linger_ms=50)
    same(offsets, list(range(200)), "offsets")
    same([got.value for got in await read_all(name, 200)], values, "values")


async def contents():
    name = await topic()
    headers = [("a", b"1"), ("a", b""), ("b", b"2")]
    async with AIOKafkaProducer(bootstrap_servers=SERVERS) as client:
        await client.send_and_wait(name, key=b"k", value=b"v", partition=0, headers=headers)
        await client.send_and_wait(name, key=b"k", value=None, partition=0)
        await client.send_and_wait(name, key=None, value=b"", partition=0)
    first, tombstone, empty = await read_all(name, 3)
    same((first.key, first.value, list(first.headers)), (b"k", b"v", headers), "the first record")
    same((tombstone.key, tombstone.value), (b"k", None), "the tombstone")
    same((empty.key, empty.value), (None, b""), "the empty value")


async def idempotent():
    name = await topic()
    values = [b"%d" % n for n in range(500)]
    offsets = await produce(name, values, enable_idempotence=True, max_batch_size=500)
    same(offsets, list(range(500)), "offsets")
    same([got.value for got in await read_all(name, 500)], values, "values")


def transactional(identity):
    return AIOKafkaProducer(bootstrap_servers=SERVERS, acks="all", transactional_id=identity)


async def send(client, name, *values):
    """Sends within a transaction that the caller has begun."""
    for value in values:
        await client.send_and_wait(name, value=value, partition=0)


async def leaders_move():
    name = await topic(1)
    members, placed = Members(name, fresh("group")), []
    reader = await members.add(retry_backoff_ms=20)
    await members.assigned(1)
    async with AIOKafkaProducer(
        bootstrap_servers=SERVERS, enable_idempotence=True, max_batch_size=200, retry_backoff_ms=20
    ) as client:
        for before, with_coordinator, after, all_values in rounds():
            sent = [await client.send(name, value=value, partition=0) for value in before]
            # What has been sent is on its way meanwhile.
            await asyncio.to_thread(move_leaders, name)
            if with_coordinator:
                await asyncio.to_thread(move_leaders, COORDINATORS)
            sent += [await client.send(name, value=value, partition=0) for value in after]
            placed += [(await future).offset for future in sent]
            await members.until("the member has every record", lambda: len(members.values) >= len(all_values))
            same(members.values, all_values, "what the member has")
            await reader.commit()
    same(placed, list(range(len(all_values))), "offsets")
    same(await reader.committed(TopicPartition(name, 0)), len(all_values), "the committed offset")
    await members.close()
    same([got.value for got in await read_all(name, len(all_values))], all_values, "what the log has")


async def committed(name, count):
    """What a consumer of committed records alone reads."""
    async with consumer(isolation_level="read_committed") as client:
        client.assign([TopicPartition(name, 0)])
        await client.seek_to_beginning()
        return [got.value for got in await read(client, count)]


async def transaction_commit():
    name = await topic(1)
    async with transactional(fresh("transactional")) as client:
        async with client.transaction():
            await send(client, name, b"a", b"b")
        same(await committed(name, 2), [b"a", b"b"], "the first transaction")
        async with client.transaction():
            await send(client, name, b"c")
    same(await committed(name, 3), [b"a", b"b", b"c"], "both transactions")


async def transaction_abort():
    name = await topic(1)
    async with transactional(fresh("transactional")) as client:
        await client.begin_transaction()
        await send(client, name, b"a", b"b")
        await client.abort_transaction()
        async with client.transaction():
            await send(client, name, b"c")
    same(await committed(name, 1), [b"c"], "what is committed")


async def transaction_offsets():
    name, into, group = await topic(1), await topic(1), fresh("group")
    await produce(name, [b"%d" % n for n in range(6)])
    part = TopicPartition(name, 0)
    async with transactional(fresh("transactional")) as client, consumer(name, group_id=group) as reader:
        for commits in (True, False):
            await client.begin_transaction()
            messages = await read(reader, 3)
            await send(client, into, *[b"from " + got.value for got in messages])
            await client.send_offsets_to_transaction({part: messages[-1].offset + 1}, group)
            if commits:
                await client.commit_transaction()
            else:
                await client.abort_transaction()
        same(await reader.committed(part), 3, "the committed offset")
    same(await committed(into, 3), [b"from 0", b"from 1", b"from 2"], "what came of it")


async def transaction_fenced():
    name, identity = await topic(1), fresh("transactional")
    first = transactional(identity)
    await first.start()
    await first.begin_transaction()
    await send(first, name, b"of the first")
    async with transactional(identity) as second:
        await expect(errors.ProducerFenced, first.commit_transaction())
        async with second.transaction():
            await send(second, name, b"of the second")
    same(await committed(name, 1), [b"of the second"], "what is committed")
    await first.stop()


class Members:
    """Members of a group, each read by its own task until it is closed."""

    def __init__(self, name, group):
        self.name, self.group = name, group
        self.members, self.values = [], []

    async def add(self, **config):
        client = consumer(self.name, group_id=self.group, **config)
        await client.start()
        self.members.append((client, asyncio.create_task(self._read(client))))
        return client

    async def _read(self, client):
        async for got in client:
            self.values.append(got.value)

    async def until(self, what, look):
        async with asyncio.timeout(LIMIT):
            while not look():
                await asyncio.sleep(0.02)

    async def assigned(self, partitions):
        def look():
            taken = [part for client, _ in self.members for part in client.assignment()]
            each = all(client.assignment() for client, _ in self.members)
            return each and len(taken) == len(set(taken)) == partitions

        await self.until(f"{len(self.members)} members share {partitions} partitions", look)

    async def end(self, client):
        (member,) = [member for member in self.members if member[0] is client]
        self.members.remove(member)
        member[1].cancel()
        await client.stop()

    async def close(self):
        for client, _ in list(self.members):
            await self.end(client)


async def group_of(count):
    name = await topic(partitions=6)
    members = Members(name, fresh("group"))
    for _ in range(count):
        await members.add()
    await members.assigned(6)
    for partition in range(6):
        await produce(name, [b"%d" % partition], partition)
    await members.until("every record arrives", lambda: len(members.values) >= 6)
    same(sorted(members.values), [b"%d" % n for n in range(6)], "values")
    await members.close()


async def rebalance():
    members = Members(await topic(partitions=6), fresh("group"))
    first = await members.add()
    await members.add()
    await members.assigned(6)
    await members.add()
    await members.assigned(6)
    await members.end(first)
    await members.assigned(6)
    await members.close()


async def member_dies():
    members = Members(await topic(partitions=4), fresh("group"))
    # With an instance id, its end is no farewell: only the end of its session takes it out of the group.
    dying = await members.add(group_instance_id="dying", session_timeout_ms=SHORT_SESSION_MS)
    await members.add()
    await members.assigned(4)
    await members.end(dying)
    await members.assigned(4)
    await members.close()


async def static_member():
    members = Members(await topic(partitions=4), fresh("group"))
    first = await members.add(group_instance_id="instance-1")
    await members.add(group_instance_id="instance-2")
    await members.assigned(4)
    before = first.assignment()
    await members.end(first)  # A static member that closes stays in its group.
    again = await members.add(group_instance_id="instance-1")
    await members.assigned(4)
    same(again.assignment(), before, "the assignment that it finds again")
    await members.close()


async def commit():
    name, group = await topic(partitions=1), fresh("group")
    await produce(name, [b"%d" % n for n in range(10)])
    part = TopicPartition(name, 0)
    async with consumer(name, group_id=group) as client:
        await read(client, 5)
        await client.commit({part: 5})
        same(await client.committed(part), 5, "the committed offset")
    async with consumer(name, group_id=group) as client:
        same([got.value for got in await read(client, 5)], [b"%d" % n for n in range(5, 10)], "values")


async def seek():
    name = await topic()
    await produce(name, [b"%d" % n for n in range(10)])
    part = TopicPartition(name, 0)
    async with consumer() as client:
        client.assign([part])
        await client.seek_to_beginning()
        await read(client, 10)
        client.seek(part, 7)
        same([got.offset for got in await read(client, 3)], [7, 8, 9], "offsets behind the seek")
        ends = ((await client.beginning_offsets([part]))[part], (await client.end_offsets([part]))[part])
        same(ends, (0, 10), "first and next offset")


async def timestamps():
    name = await topic()
    times = [1_000_000 + n * 1000 for n in range(5)]
    async with AIOKafkaProducer(bootstrap_servers=SERVERS) as client:
        for time in times:
            await client.send_and_wait(name, value=b"v", partition=0, timestamp_ms=time)
    part = TopicPartition(name, 0)
    async with consumer() as client:
        client.assign([part])
        same((await client.offsets_for_times({part: 1_001_500}))[part].offset, 2, "the offset at that time")
        await client.seek_to_beginning()
        same([got.timestamp for got in await read(client, 5)], times, "timestamps")


async def topics():
    name = await topic(partitions=5)

    async def work(admin):
        (described,) = await admin.describe_topics([name])
        same(len(described["partitions"]), 5, "partitions")
        await admin.delete_topics([name])
        async with asyncio.timeout(LIMIT):
            while name in await admin.list_topics():
                pass

    await with_admin(work)


async def configs():
    name = fresh("aiokafka")
    await create(name, 1, retention_ms="1000")

    async def described(kind, of):
        (answer,) = await with_admin(lambda admin: admin.describe_configs([ConfigResource(kind, of)]))
        return {config[0]: config[1] for config in answer.resources[0][4]}

    same((await described(ConfigResourceType.TOPIC, name))["retention.ms"], "1000", "the topic's own value")
    change = ConfigResource(ConfigResourceType.TOPIC, name, {"max.message.bytes": "1000"})
    await with_admin(lambda admin: admin.alter_configs([change]))
    altered = await described(ConfigResourceType.TOPIC, name)
    same((altered["max.message.bytes"], altered["retention.ms"]), ("1000", "604800000"), "the altered values")
    broker = await described(ConfigResourceType.BROKER, "1")
    same((broker["node.id"], broker["ssl.key.password"]), ("1", None), "the broker's")


async def delete_records():
    name = await topic(1)
    await produce(name, [b"%d" % n for n in range(10)])
    part = TopicPartition(name, 0)

    async def delete(before):
        return await with_admin(lambda admin: admin.delete_records({part: RecordsToDelete(before)}))

    same(await delete(4), {part: 4}, "the low watermark")
    same([got.value for got in await read_all(name, 6)], [b"%d" % n for n in range(4, 10)], "what is left")
    await expect(errors.OffsetOutOfRangeError, delete(11))
    async with consumer(auto_offset_reset="none") as client:
        client.assign([part])
        ends = ((await client.beginning_offsets([part]))[part], (await client.end_offsets([part]))[part])
        same(ends, (4, 10), "first and next offset")
        client.seek(part, 3)
        await expect(errors.OffsetOutOfRangeError, read(client, 1))


async def compacted_topic():
    name = await topic(1, **{key.replace(".", "_"): value for key, value in COMPACTED.items()})

    async def content(last):
        async with consumer() as client:
            client.assign([TopicPartition(name, 0)])
            await client.seek_to_beginning()
            found = await read(client, 1)
            while found[-1].offset < last:
                found += await read(client, 1)
            return [(got.offset, got.key, got.value) for got in found]

    for step, *arguments in compaction():
        if step == "write":
            time, pairs = arguments
            async with AIOKafkaProducer(bootstrap_servers=SERVERS) as client:
                for key, value in pairs:
                    await client.send_and_wait(name, key=key, value=value, partition=0, timestamp_ms=time)
        else:
            (wanted,) = arguments
            async with asyncio.timeout(LIMIT):
                while await content(wanted[-1][0]) != wanted:
                    pass


async def partitions_added():
    name = await topic(partitions=1)
    members = Members(name, fresh("group"))
    await members.add(metadata_max_age_ms=200)
    await members.assigned(1)
    async with AIOKafkaProducer(bootstrap_servers=SERVERS, metadata_max_age_ms=200) as client:
        await client.send_and_wait(name, value=b"before")
        await with_admin(lambda admin: admin.create_partitions({name: NewPartitions(3)}))
        reached = set()
        while reached != {0, 1, 2}:
            # Without a key, each record goes to some partition that the producer knows.
            reached.add((await client.send_and_wait(name, value=b"v")).partition)
        await members.assigned(3)
        for n in range(3):
            await client.send_and_wait(name, value=b"to %d" % n, partition=n)
    await members.until("a record of each arrives", lambda: {b"to 0", b"to 1", b"to 2"} <= set(members.values))
    await members.close()


async def group_described():
    name, group = await topic(partitions=2), fresh("group")
    members = Members(name, group)
    await members.add(client_id="one-member")
    await members.assigned(2)

    async def look(admin):
        same([found for found in await admin.list_consumer_groups() if found[0] == group], [(group, "consumer")], "the list")
        (answer,) = await admin.describe_consumer_groups([group])
        (found,) = [one.to_object() if hasattr(one, "to_object") else one for one in answer.groups]
        code, _, state, _, protocol, all_members = found[:6]
        return code, state, protocol, [(one[1 if len(one) == 5 else 2], one[-1]) for one in all_members]

    code, state, protocol, all_members = await with_admin(look)
    same((code, state, protocol), (0, "Stable", "roundrobin"), "the group")
    ((client_id, assignment),) = all_members
    same((client_id, name.encode() in assignment), ("one-member", True), "its member, and whether the topic is assigned to it")
    await members.close()
    same((await with_admin(look))[1:], ("Empty", "", []), "the group without its member")


async def describe_cluster():
    found = await with_admin(lambda admin: admin.describe_cluster())
    same({node["node_id"]: node["port"] for node in found["brokers"]}, brokers(), "the brokers")
    same(len(found["cluster_id"]), 22, "the length of the cluster's id")
    same(found["controller_id"] in brokers(), True, "whether the controller is one of them")


async def expect(kind, work):
    try:
        await work
    except kind:
        return
    raise AssertionError(f"no {kind.__name__}")


async def existing_topic():
    await expect(errors.TopicAlreadyExistsError, create(await topic()))


async def invalid_topic():
    await expect(errors.InvalidTopicError, create("not/a/name"))


async def large_record():
    name = await topic(max_message_bytes="1000")
    await expect(errors.MessageSizeTooLargeError, produce(name, [b"x" * 2000]))


async def unknown_topic():
    async def delete(admin):
        answer = await admin.delete_topics([fresh("no-such-topic")])
        same(answer.topic_error_codes[0][1], errors.UnknownTopicOrPartitionError.errno, "the error")

    await with_admin(delete)


async def returns():
    async with AIOKafkaProducer(bootstrap_servers=SERVERS, retry_backoff_ms=50) as client:
        await client.send_and_wait("returning", value=b"before", partition=0)
        await asyncio.to_thread(stop_cluster)
        later = await client.send("returning", value=b"after", partition=0)
        await asyncio.to_thread(start_cluster)
        same((await later).offset, 0, "the offset in the new cluster")
    same((await read_all("returning", 1))[0].value, b"after", "what the new cluster has")


def limited(case):
    """A case of this file, as one that `run` takes."""

    def call():
        async def within():
            async with asyncio.timeout(2 * LIMIT):
                await case()

        asyncio.run(within())

    return call


run({
    **{
        f"compression-{codec}": limited(partial(compression, codec))
        for codec in ["none", "gzip", "snappy", "lz4", "zstd"]
    },
    "keys-headers-tombstones": limited(contents),
    "idempotent": limited(idempotent),
    "transaction-commit": limited(transaction_commit),
    "transaction-abort": limited(transaction_abort),
    "transaction-offsets": limited(transaction_offsets),
    "transaction-fenced": limited(transaction_fenced),
    "group-of-two": limited(partial(group_of, 2)),
    "group-of-three": limited(partial(group_of, 3)),
    "rebalance": limited(rebalance),
    "member-dies": limited(member_dies),
    "static-member": limited(static_member),
    "commit-and-resume": limited(commit),
    "seek": limited(seek),
    "timestamps": limited(timestamps),
    "create-and-delete-topic": limited(topics),
    "configs": limited(configs),
    "delete-records": limited(delete_records),
    "compacted-topic": limited(compacted_topic),
    "partitions-added": limited(partitions_added),
    "group-described": limited(group_described),
    "group-deleted": skip("aiokafka has no function for it"),
    "offsets-deleted": skip("aiokafka has no function for it"),
    "describe-cluster": limited(describe_cluster),
    "error-unknown-topic": limited(unknown_topic),
    "error-topic-exists": limited(existing_topic),
    "error-invalid-topic": limited(invalid_topic),
    "error-record-too-large": limited(large_record),
    "leaders-move": limited(leaders_move),
    "cluster-returns": limited(returns),
})
