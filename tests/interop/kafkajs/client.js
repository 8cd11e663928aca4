// kafkajs.

const readline = require("node:readline");
const { Kafka, CompressionTypes, CompressionCodecs, Partitioners, ConfigResourceTypes, ConfigSource, AssignerProtocol, logLevel } = require("kafkajs");
const lz4 = require("lz4js");
const zstd = require("@bokuweb/zstd-wasm");

CompressionCodecs[CompressionTypes.Snappy] = require("kafkajs-snappy");
CompressionCodecs[CompressionTypes.LZ4] = () => ({
  compress: async (encoder) => Buffer.from(lz4.compress(encoder.buffer)),
  decompress: async (buffer) => Buffer.from(lz4.decompress(buffer)),
});
CompressionCodecs[CompressionTypes.ZSTD] = () => ({
  compress: async (encoder) => Buffer.from(zstd.compress(encoder.buffer)),
  decompress: async (buffer) => Buffer.from(zstd.decompress(buffer)),
});

// So long that a hang is a failure. Nothing waits as long as this when all is well.
const LIMIT_MS = 30_000;
const kafka = new Kafka({
  brokers: process.env.KFAKE_BOOTSTRAP.split(","),
  logLevel: logLevel.NOTHING,
  connectionTimeout: LIMIT_MS,
  retry: { initialRetryTime: 50, maxRetryTime: 200, retries: 100 },
});
const hasty = new Kafka({
  brokers: process.env.KFAKE_BOOTSTRAP.split(","),
  logLevel: logLevel.NOTHING,
  connectionTimeout: LIMIT_MS,
  retry: { initialRetryTime: 10, retries: 1 },
});

let number = 0;
const fresh = (what) => `${what}-${++number}`;

function same(what, got, wanted) {
  const [one, other] = [got, wanted].map((value) => JSON.stringify(value));
  if (one !== other) throw new Error(`${what}: got ${one}, not ${other}`);
}

function within(what, promise) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what}: not within ${LIMIT_MS} ms`)), LIMIT_MS);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

async function using(client, work) {
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.disconnect();
  }
}

const create = (name, numPartitions, configEntries = []) =>
  using(hasty.admin(), (admin) => admin.createTopics({ topics: [{ topic: name, numPartitions, replicationFactor: 1, configEntries }] }));

async function topic(partitions) {
  const name = fresh("kafkajs");
  await create(name, partitions);
  return name;
}

const values = (from, to) => Array.from({ length: to - from }, (_, n) => `value ${from + n}, long enough to be worth compressing`);

const producer = (options = {}) => kafka.producer({ createPartitioner: Partitioners.DefaultPartitioner, ...options });

async function produce(name, partition, all, { compression, ...options } = {}) {
  const messages = all.map((value) => ({ partition, value }));
  return using(producer(options), async (to) => {
    const [placed] = await to.send({ topic: name, messages, acks: -1, compression });
    return Number(placed.baseOffset);
  });
}

/** A producer of transactions, for as long as the work takes. */
const transactional = (transactionalId, work) =>
  using(producer({ transactionalId, idempotent: true, maxInFlightRequests: 1 }), work);

const sendWithin = (transaction, name, all) =>
  transaction.send({ topic: name, messages: all.map((value) => ({ partition: 0, value })) });

async function transact(to, name, all, end) {
  const transaction = await to.transaction();
  await sendWithin(transaction, name, all);
  await transaction[end]();
}

/** kafkajs consumes what is committed alone, unless it is told otherwise. */
const committed = async (what, name, wanted) => same(what, text(await readAll(name, wanted.length)), wanted);

async function transactionCommit() {
  const name = await topic(1);
  await transactional(fresh("transactional"), async (to) => {
    await transact(to, name, ["a", "b"], "commit");
    await committed("the first transaction", name, ["a", "b"]);
    await transact(to, name, ["c"], "commit");
  });
  await committed("both transactions", name, ["a", "b", "c"]);
}

async function transactionAbort() {
  const name = await topic(1);
  await transactional(fresh("transactional"), async (to) => {
    await transact(to, name, ["a", "b"], "abort");
    await transact(to, name, ["c"], "commit");
  });
  await committed("what is committed", name, ["c"]);
}

async function transactionOffsets() {
  const [name, into, group] = [await topic(1), await topic(1), fresh("group")];
  await transactional(fresh("transactional"), async (to) => {
    for (const [offset, end] of [["3", "commit"], ["6", "abort"]]) {
      const transaction = await to.transaction();
      await sendWithin(transaction, into, [`up to ${offset}`]);
      const topics = [{ topic: name, partitions: [{ partition: 0, offset }] }];
      await transaction.sendOffsets({ consumerGroupId: group, topics });
      await transaction[end]();
    }
  });
  await committed("what came of it", into, ["up to 3"]);
  await using(hasty.admin(), async (admin) => {
    const [{ partitions }] = await admin.fetchOffsets({ groupId: group, topics: [name] });
    same("the committed offset", partitions[0].offset, "3");
  });
}

async function transactionFenced() {
  const [name, id] = [await topic(1), fresh("transactional")];
  await transactional(id, async (first) => {
    const transaction = await first.transaction();
    await sendWithin(transaction, name, ["of the first"]);
    await transactional(id, async (second) => {
      // Only now does it ask for its epoch.
      const later = await second.transaction();
      await expect("INVALID_PRODUCER_EPOCH", () => transaction.commit());
      await sendWithin(later, name, ["of the second"]);
      await later.commit();
    });
  });
  await committed("what is committed", name, ["of the second"]);
}

/** A member of a group, which keeps what it was given. */
class Member {
  constructor(group, name, options = {}) {
    this.parts = [];
    this.joins = 0;
    this.messages = [];
    this.watchers = [];
    this.client = kafka.consumer({ groupId: group, heartbeatInterval: 200, sessionTimeout: LIMIT_MS, maxWaitTimeInMs: 100, ...options });
    this.client.on(this.client.events.GROUP_JOIN, ({ payload }) => {
      this.parts = payload.memberAssignment[name] ?? [];
      this.joins += 1;
      this.tell();
    });
    this.client.on(this.client.events.REBALANCING, () => {
      this.parts = [];
    });
    this.name = name;
  }

  async start(work = { eachMessage: async ({ message, partition }) => this.take(partition, message) }) {
    await this.client.connect();
    await this.client.subscribe({ topic: this.name, fromBeginning: true });
    await this.client.run({ autoCommit: false, ...work });
    return this;
  }

  take(partition, message) {
    this.messages.push({ partition, ...message });
    this.tell();
  }

  tell() {
    for (const watcher of this.watchers) watcher();
  }

  close() {
    return this.client.disconnect();
  }
}

/** Waits until what the members have is as it should be. */
function until(what, members, look) {
  return within(what, new Promise((resolve) => {
    const watcher = () => {
      if (look()) resolve();
    };
    for (const member of members) member.watchers.push(watcher);
    watcher();
  }));
}

function assigned(members, partitions) {
  return until(`${members.length} members share ${partitions} partitions`, members, () => {
    const taken = members.flatMap((member) => member.parts);
    return members.every((member) => member.parts.length > 0) && new Set(taken).size === taken.length && taken.length === partitions;
  });
}

const several = (count, group, name) => Promise.all(Array.from({ length: count }, () => new Member(group, name).start()));

async function readAll(name, count) {
  const member = await new Member(fresh("alone"), name).start();
  try {
    await until(`${count} messages`, [member], () => member.messages.length >= count);
    return member.messages;
  } finally {
    await member.close();
  }
}

const text = (messages) => messages.map((message) => message.value.toString());

async function roundTrip(count, options) {
  const name = await topic(1);
  same("the first offset", await produce(name, 0, values(0, count), options), 0);
  const messages = await readAll(name, count);
  same("values", text(messages), values(0, count));
  same("offsets", messages.map((message) => Number(message.offset)), Array.from({ length: count }, (_, n) => n));
}

async function contents() {
  const name = await topic(1);
  await using(producer(), (to) =>
    to.send({
      topic: name,
      messages: [
        { key: "k", value: "v", headers: { a: ["1", ""], b: "2" } },
        { key: "k", value: null },
        { key: null, value: "" },
      ],
    }),
  );
  const [first, tombstone, empty] = await readAll(name, 3);
  same("the first record", [first.key.toString(), first.value.toString()], ["k", "v"]);
  same("its headers", [first.headers.a.map(String), String(first.headers.b)], [["1", ""], "2"]);
  same("the tombstone", [tombstone.key.toString(), tombstone.value], ["k", null]);
  same("the empty value", [empty.key, empty.value.toString()], [null, ""]);
}

async function idempotent() {
  const name = await topic(1);
  await using(producer({ idempotent: true, maxInFlightRequests: 1 }), async (to) => {
    for (let n = 0; n < 20; n++) {
      const [placed] = await to.send({ topic: name, acks: -1, messages: values(n * 10, n * 10 + 10).map((value) => ({ partition: 0, value })) });
      same("offset", Number(placed.baseOffset), n * 10);
    }
  });
  same("values", text(await readAll(name, 200)), values(0, 200));
}

/**
 * The member of a group that reads one partition, and commits where a round ends.
 *
 * Whoever fetches where the leader is not any more joins its group anew in kafkajs, although the coordinator is in place, and with
 * Apache Kafka too: `recoverFromFetch` in kafkajs' src/consumer/consumerGroup.js. It goes on from what is committed then, unless
 * records came while it joined. So whatever is not committed may come again, as much as it has read before the move. What holds
 * always is looked at for each record: it is the one behind the last, but for the first one after a join, which may be the one
 * that the group's committed offset says. None is left out, and what comes again is what was not committed.
 */
class Follower extends Member {
  constructor(group, name) {
    super(group, name);
    this.next = 0;
    this.joined = 0;
    this.committed = 0;
    this.roundEnd = 0;
    this.strays = [];
  }

  start() {
    return super.start({ eachBatch: (work) => this.follow(work) });
  }

  async follow({ batch, commitOffsetsIfNecessary }) {
    for (const message of batch.messages) {
      const offset = Number(message.offset);
      const wanted = this.joins > this.joined ? [this.next, this.committed] : [this.next];
      if (!wanted.includes(offset)) this.strays.push(`${offset}, not ${wanted.join(" or ")}`);
      [this.next, this.joined] = [offset + 1, this.joins];
      this.take(batch.partition, message);
    }
    if (this.next === this.roundEnd) {
      // It fails where the group is in a rebalance or its coordinator elsewhere. kafkajs joins anew then, and the batch comes again.
      const partitions = [{ partition: batch.partition, offset: `${this.next}` }];
      await commitOffsetsIfNecessary({ topics: [{ topic: this.name, partitions }] });
      this.committed = this.next;
      this.tell();
    }
  }
}

/** Leaders move under an idempotent producer and a group; in one round, the group's coordinator moves as well. */
async function leadersMove() {
  const [rounds, before, after] = [3, 100, 50];
  const [name, group] = [await topic(1), fresh("group")];
  const member = await new Follower(group, name).start();
  await assigned([member], 1);
  const offsets = [];
  let all = 0;
  await using(producer({ idempotent: true, maxInFlightRequests: 1 }), async (to) => {
    const send = async (count) => {
      for (const end = all + count; all < end; all += 10) {
        const messages = values(all, all + 10).map((value) => ({ partition: 0, value }));
        const [placed] = await to.send({ topic: name, acks: -1, messages });
        offsets.push(Number(placed.baseOffset));
      }
    };
    for (let round = 0; round < rounds; round++) {
      const [begin, joins] = [all, member.joins];
      member.roundEnd = begin + before + after;
      const sending = send(before);
      // The leader moves under a member that has begun to read.
      await until("the member has a record of the round", [member], () => member.next > begin);
      await ask(`move ${name}`, "moved");
      if (round === 1) await ask("move __consumer_offsets", "moved");
      await sending;
      await send(after);
      await until("the member has committed the round", [member], () => member.committed === all);
      await until("the member has joined anew", [member], () => member.joins > joins);
    }
  });
  await member.close();
  same("records out of their order", member.strays, []);
  same("what the member has", [...new Set(text(member.messages))], values(0, all));
  same("offsets", offsets, offsets.map((_, n) => n * 10));
  await using(hasty.admin(), async (admin) => {
    const [{ partitions }] = await admin.fetchOffsets({ groupId: group, topics: [name] });
    same("the committed offset", partitions[0].offset, `${all}`);
  });
  same("what the log has", text(await readAll(name, all)), values(0, all));
}

async function groupOf(count) {
  const name = await topic(6);
  const members = await several(count, fresh("group"), name);
  await assigned(members, 6);
  for (let part = 0; part < 6; part++) await produce(name, part, [`${part}`]);
  const all = () => members.flatMap((member) => text(member.messages)).sort();
  await until("every record arrives", members, () => all().length >= 6);
  same("values", all(), ["0", "1", "2", "3", "4", "5"]);
  await Promise.all(members.map((member) => member.close()));
}

async function rebalance() {
  const [name, group] = [await topic(6), fresh("group")];
  const members = await several(2, group, name);
  await assigned(members, 6);
  members.push(await new Member(group, name).start());
  await assigned(members, 6);
  await members.shift().close();
  await assigned(members, 6);
  await Promise.all(members.map((member) => member.close()));
}

async function commit() {
  const [name, group] = [await topic(1), fresh("group")];
  await produce(name, 0, values(0, 10));
  const first = await new Member(group, name).start();
  await until("10 messages", [first], () => first.messages.length >= 10);
  await first.client.commitOffsets([{ topic: name, partition: 0, offset: "5", metadata: "read that far" }]);
  await first.close();
  await using(kafka.admin(), async (admin) => {
    const [{ partitions }] = await admin.fetchOffsets({ groupId: group, topics: [name] });
    same("what is committed", partitions, [{ partition: 0, offset: "5", metadata: "read that far" }]);
  });
  const second = await new Member(group, name).start();
  await until("5 messages", [second], () => second.messages.length >= 5);
  same("values", text(second.messages), values(5, 10));
  await second.close();
}

async function seek() {
  const name = await topic(1);
  await produce(name, 0, values(0, 10));
  const member = await new Member(fresh("alone"), name).start();
  await until("10 messages", [member], () => member.messages.length >= 10);
  member.client.seek({ topic: name, partition: 0, offset: "7" });
  await until("3 more", [member], () => member.messages.length >= 13);
  same("values behind the seek", text(member.messages.slice(10)), values(7, 10));
  await member.close();
  await using(kafka.admin(), async (admin) => {
    const [offsets] = await admin.fetchTopicOffsets(name);
    same("first and next offset", [offsets.low, offsets.high], ["0", "10"]);
  });
}

async function timestamps() {
  const name = await topic(1);
  const times = [0, 1, 2, 3, 4].map((n) => `${1_000_000 + n * 1000}`);
  await using(producer(), (to) => to.send({ topic: name, messages: times.map((timestamp) => ({ value: "v", timestamp })) }));
  same("timestamps", (await readAll(name, 5)).map((message) => message.timestamp), times);
  await using(kafka.admin(), async (admin) => {
    const [found] = await admin.fetchTopicOffsetsByTimestamp(name, 1_001_500);
    same("the offset at that time", found.offset, "2");
  });
}

async function topics() {
  const name = await topic(5);
  await using(kafka.admin(), async (admin) => {
    const { topics: [described] } = await admin.fetchTopicMetadata({ topics: [name] });
    same("partitions", described.partitions.length, 5);
    await admin.deleteTopics({ topics: [name] });
    const end = Date.now() + LIMIT_MS;
    while ((await admin.listTopics()).includes(name)) same("it is still there", Date.now() > end, false);
  });
}

async function configs() {
  const name = fresh("kafkajs");
  await create(name, 1, [{ name: "retention.ms", value: "1000" }]);
  await using(kafka.admin(), async (admin) => {
    const described = async (type, of) => {
      const { resources: [found] } = await admin.describeConfigs({ includeSynonyms: true, resources: [{ type, name: of }] });
      return Object.fromEntries(found.configEntries.map((entry) => [entry.configName, entry]));
    };
    const alter = (configEntries) => admin.alterConfigs({ validateOnly: false, resources: [{ type: ConfigResourceTypes.TOPIC, name, configEntries }] });
    same("the topic's own value", (await described(ConfigResourceTypes.TOPIC, name))["retention.ms"].configValue, "1000");
    await alter([{ name: "max.message.bytes", value: "1000" }]);
    const altered = await described(ConfigResourceTypes.TOPIC, name);
    same("what was set", altered["max.message.bytes"].configValue, "1000");
    same("where what was replaced is from", altered["retention.ms"].configSource, ConfigSource.DEFAULT_CONFIG);
    await expect("INVALID_CONFIG", () => alter([{ name: "retention.ms", value: "soon" }]));
    const broker = await described(ConfigResourceTypes.BROKER, "1");
    same("the broker's id", broker["node.id"].configValue, "1");
    same("whether a secret is shown", broker["ssl.key.password"].configValue, null);
  });
}

async function deleteRecords() {
  const name = await topic(1);
  await produce(name, 0, values(0, 10));
  await using(hasty.admin(), async (admin) => {
    const remove = (offset) => admin.deleteTopicRecords({ topic: name, partitions: [{ partition: 0, offset }] });
    const ends = async () => {
      const [{ low, high }] = await admin.fetchTopicOffsets(name);
      return [low, high];
    };
    // An admin client that has not asked for the topic yet does not find its leaders: kafkajs does not look them up here.
    same("first and next offset before", await ends(), ["0", "10"]);
    await remove("4");
    same("first and next offset", await ends(), ["4", "10"]);
    const error = await remove("11").then(() => null, (error) => error);
    same("the error past the end", error?.cause?.partitions?.map((one) => one.error.type), ["OFFSET_OUT_OF_RANGE"]);
  });
  // Where the cluster calls an offset out of range, kafkajs begins anew at the first one.
  const member = await new Member(fresh("alone"), name).start();
  await until("6 messages", [member], () => member.messages.length >= 6);
  member.client.seek({ topic: name, partition: 0, offset: "3" });
  await until("6 more", [member], () => member.messages.length >= 12);
  same("what is left", text(member.messages), [...values(4, 10), ...values(4, 10)]);
  await member.close();
}

async function compacted() {
  const name = fresh("kafkajs");
  await create(name, 1, [
    { name: "cleanup.policy", value: "compact" },
    // A segment takes no second batch, any part may be dirty, and a tombstone goes with the compaction after the one that met
    // it first.
    { name: "segment.ms", value: "1" },
    { name: "min.cleanable.dirty.ratio", value: "0" },
    { name: "delete.retention.ms", value: "0" },
  ]);
  const write = (timestamp, pairs) =>
    using(producer(), (to) =>
      to.send({ topic: name, messages: pairs.map(([key, value]) => ({ partition: 0, key, value, timestamp })) }),
    );
  const left = async (wanted) => {
    const last = wanted.at(-1)[0];
    const end = Date.now() + LIMIT_MS;
    for (;;) {
      const member = await new Member(fresh("alone"), name).start();
      await until(`offset ${last}`, [member], () => member.messages.some(({ offset }) => offset === last));
      await member.close();
      const found = member.messages.map(({ offset, key, value }) => [offset, key.toString(), value?.toString() ?? null]);
      if (JSON.stringify(found) === JSON.stringify(wanted)) return;
      if (Date.now() > end) same("what is left", found, wanted);
    }
  };
  await write("1000000", [["a", "1"], ["b", "1"], ["c", "1"]]);
  await write("1001000", [["a", "2"], ["b", null]]);
  await write("1002000", [["end", "1"]]);
  await left([["2", "c", "1"], ["3", "a", "2"], ["4", "b", null], ["5", "end", "1"]]);
  await write("1003000", [["end", "2"]]);
  await left([["2", "c", "1"], ["3", "a", "2"], ["5", "end", "1"], ["6", "end", "2"]]);
}

async function partitionsAdded() {
  const name = await topic(1);
  const member = await new Member(fresh("group"), name, { metadataMaxAge: 200 }).start();
  await assigned([member], 1);
  await using(producer({ metadataMaxAge: 200 }), async (to) => {
    await to.send({ topic: name, messages: [{ value: "before" }] });
    await using(kafka.admin(), (admin) => admin.createPartitions({ topicPartitions: [{ topic: name, count: 3 }] }));
    const reached = new Set();
    const end = Date.now() + LIMIT_MS;
    while (reached.size < 3) {
      same("the producer does not know of them", Date.now() > end, false);
      // Without a key, each record goes to some partition that the producer knows.
      for (const placed of await to.send({ topic: name, messages: [{ value: "v" }] })) reached.add(placed.partition);
    }
    await assigned([member], 3);
    await to.send({ topic: name, messages: [0, 1, 2].map((partition) => ({ partition, value: `to ${partition}` })) });
  });
  await until("a record of each partition arrives", [member], () =>
    ["to 0", "to 1", "to 2"].every((value) => text(member.messages).includes(value)));
  await member.close();
}

/** A group of one member, which has both partitions of a topic. */
async function oneMember(work) {
  const [name, group] = [await topic(2), fresh("group")];
  const member = await new Member(group, name).start();
  await assigned([member], 2);
  await using(hasty.admin(), (admin) => work({ name, group, member, admin }));
}

const listed = async (admin, group) => (await admin.listGroups()).groups.filter(({ groupId }) => groupId === group);

const groupDescribed = () => oneMember(async ({ name, group, member, admin }) => {
  same("the group in the list", await listed(admin, group), [{ groupId: group, protocolType: "consumer" }]);
  const described = async () => (await admin.describeGroups([group])).groups[0];
  const { state, protocol, members } = await described();
  same("the group", [state, protocol, members.length], ["Stable", "RoundRobinAssigner", 1]);
  const { assignment } = AssignerProtocol.MemberAssignment.decode(members[0].memberAssignment);
  same("its member", [members[0].clientId, assignment], ["kafkajs", { [name]: [0, 1] }]);
  await member.close();
  const empty = await described();
  same("the group without its member", [empty.state, empty.members], ["Empty", []]);
});

const groupDeleted = () => oneMember(async ({ group, member, admin }) => {
  const remove = () => admin.deleteGroups([group]);
  const failed = async (type) => {
    const error = await remove().then(() => null, (error) => error);
    same("the error", error?.groups?.map((one) => one.error.type), [type]);
  };
  await failed("NON_EMPTY_GROUP");
  await member.close();
  await remove();
  same("the group in the list", await listed(admin, group), []);
  await failed("GROUP_ID_NOT_FOUND");
});

const describeCluster = () => using(hasty.admin(), async (admin) => {
  const { brokers, controller, clusterId } = await admin.describeCluster();
  const ports = process.env.KFAKE_BOOTSTRAP.split(",").map((server, n) => [n + 1, Number(server.split(":")[1])]);
  same("the brokers", brokers.map(({ nodeId, port }) => [nodeId, port]), ports);
  same("the length of the cluster's id", clusterId.length, 22);
  same("whether the controller is one of them", ports.some(([id]) => id === controller), true);
});

async function expect(type, work) {
  let error;
  try {
    await work();
  } catch (caught) {
    error = caught;
  }
  if (error === undefined) throw new Error(`no ${type}`);
  const all = [error, error.cause, ...(error.errors ?? [])].filter(Boolean);
  if (!all.some((one) => one.type === type)) throw error;
}

async function returns() {
  const to = producer();
  await to.connect();
  await to.send({ topic: "returning", acks: -1, messages: [{ partition: 0, value: "before" }] });
  await ask("stop", "stopped");
  const later = to.send({ topic: "returning", acks: -1, messages: [{ partition: 0, value: "after" }] });
  await ask("start", "started");
  const [placed] = await within("the delivery", later);
  same("the offset in the new cluster", placed.baseOffset, "0");
  await to.disconnect();
  same("what the new cluster has", text(await readAll("returning", 1)), ["after"]);
}

const lines = readline.createInterface({ input: process.stdin })[Symbol.asyncIterator]();
async function ask(what, answer) {
  console.log(`cluster ${what}`);
  const { value } = await lines.next();
  same(`the answer to cluster ${what}`, value, answer);
}

const skip = (why) => async () => {
  throw { skip: why };
};

const codec = (compression) => () => roundTrip(200, { compression });
const cases = {
  "compression-none": codec(CompressionTypes.None),
  "compression-gzip": codec(CompressionTypes.GZIP),
  "compression-snappy": codec(CompressionTypes.Snappy),
  "compression-lz4": codec(CompressionTypes.LZ4),
  "compression-zstd": codec(CompressionTypes.ZSTD),
  "keys-headers-tombstones": contents,
  idempotent,
  "transaction-commit": transactionCommit,
  "transaction-abort": transactionAbort,
  "transaction-offsets": transactionOffsets,
  "transaction-fenced": transactionFenced,
  "group-of-two": () => groupOf(2),
  "group-of-three": () => groupOf(3),
  rebalance,
  "member-dies": skip("kafkajs has no way to end a member without its farewell"),
  "static-member": skip("kafkajs has no static members"),
  "commit-and-resume": commit,
  seek,
  timestamps,
  "create-and-delete-topic": topics,
  configs,
  "delete-records": deleteRecords,
  "compacted-topic": compacted,
  "partitions-added": partitionsAdded,
  "group-described": groupDescribed,
  "group-deleted": groupDeleted,
  "offsets-deleted": skip("kafkajs has no function for it"),
  "describe-cluster": describeCluster,
  "error-unknown-topic": () =>
    expect("UNKNOWN_TOPIC_OR_PARTITION", () => using(hasty.admin(), (admin) => admin.deleteTopics({ topics: [fresh("no-such-topic")] }))),
  "error-topic-exists": async () => {
    // kafkajs itself takes this error for success, and says so by its answer.
    const name = await topic(1);
    same("whether it was created", await create(name, 1), false);
  },
  "error-invalid-topic": () => expect("INVALID_TOPIC_EXCEPTION", () => create("not/a/name", 1)),
  "error-record-too-large": async () => {
    const name = fresh("kafkajs");
    await create(name, 1, [{ name: "max.message.bytes", value: "1000" }]);
    await expect("MESSAGE_TOO_LARGE", () => produce(name, 0, ["x".repeat(2000)]));
  },
  "leaders-move": leadersMove,
  "cluster-returns": returns,
};

async function main() {
  await zstd.init();
  for (const [name, work] of Object.entries(cases)) {
    if (process.argv.length > 2 && !process.argv.includes(name)) continue;
    try {
      await work();
      console.log(`ok ${name}`);
    } catch (error) {
      if (error.skip) {
        console.log(`skip ${name}: ${error.skip}`);
      } else {
        console.error(error);
        console.log(`not ok ${name}: ${String(error.message ?? error).replace(/\s+/g, " ")}`);
      }
    }
  }
  process.exit(0);
}

main();
