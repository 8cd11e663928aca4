import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.BooleanSupplier;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.Config;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.ConsumerGroupDescription;
import org.apache.kafka.clients.admin.DescribeClusterResult;
import org.apache.kafka.clients.admin.MemberDescription;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.RecordsToDelete;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.consumer.OffsetOutOfRangeException;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.Node;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.errors.GroupIdNotFoundException;
import org.apache.kafka.common.errors.GroupNotEmptyException;
import org.apache.kafka.common.errors.GroupSubscribedToTopicException;
import org.apache.kafka.common.errors.InvalidConfigurationException;
import org.apache.kafka.common.errors.InvalidTopicException;
import org.apache.kafka.common.errors.ProducerFencedException;
import org.apache.kafka.common.errors.RecordTooLargeException;
import org.apache.kafka.common.errors.TopicExistsException;
import org.apache.kafka.common.errors.UnknownTopicOrPartitionException;
import org.apache.kafka.common.errors.WakeupException;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/** Apache Kafka's own client: producer, consumer and admin. */
public final class Client {
    /** So long that a hang is a failure. Nothing waits as long as this when all is well. */
    static final Duration LIMIT = Duration.ofSeconds(30);
    static final String SERVERS = System.getenv("KFAKE_BOOTSTRAP");
    static final BufferedReader INPUT = new BufferedReader(new InputStreamReader(System.in));
    static int number;

    interface Case {
        void run() throws Exception;
    }

    static String fresh(String what) {
        number++;
        return what + "-" + number;
    }

    static void same(String what, Object got, Object wanted) {
        if (!Objects.equals(got, wanted)) {
            throw new AssertionError(what + ": got " + got + ", not " + wanted);
        }
    }

    static <T> T within(Future<T> future) throws Exception {
        try {
            return future.get(LIMIT.toSeconds(), TimeUnit.SECONDS);
        } catch (ExecutionException error) {
            throw error.getCause() instanceof Exception cause ? cause : error;
        }
    }

    static void ask(String what, String answer) throws Exception {
        System.out.println("cluster " + what);
        same("the answer to cluster " + what, INPUT.readLine(), answer);
    }

    static Admin admin() {
        return Admin.create(Map.of("bootstrap.servers", SERVERS));
    }

    static void create(String name, int partitions, Map<String, String> config) throws Exception {
        try (Admin admin = admin()) {
            within(admin.createTopics(List.of(new NewTopic(name, partitions, (short) 1).configs(config))).all());
        }
    }

    static String topic(int partitions) throws Exception {
        String name = fresh("java");
        create(name, partitions, Map.of());
        return name;
    }

    static KafkaProducer<byte[], byte[]> producer(Map<String, Object> change) {
        Map<String, Object> config = new HashMap<>();
        config.put("bootstrap.servers", SERVERS);
        config.put("acks", "all");
        config.put("enable.idempotence", false);
        config.putAll(change);
        return new KafkaProducer<>(config, new ByteArraySerializer(), new ByteArraySerializer());
    }

    static List<Long> produce(String name, int partition, List<String> values, Map<String, Object> config) throws Exception {
        try (KafkaProducer<byte[], byte[]> to = producer(config)) {
            List<Future<RecordMetadata>> sent = new ArrayList<>();
            for (String value : values) {
                sent.add(to.send(new ProducerRecord<>(name, partition, null, value.getBytes())));
            }
            List<Long> offsets = new ArrayList<>();
            for (Future<RecordMetadata> future : sent) {
                offsets.add(within(future).offset());
            }
            return offsets;
        }
    }

    static KafkaConsumer<byte[], byte[]> consumer(Map<String, Object> change) {
        Map<String, Object> config = new HashMap<>();
        config.put("bootstrap.servers", SERVERS);
        config.put("auto.offset.reset", "earliest");
        config.put("enable.auto.commit", false);
        config.put("allow.auto.create.topics", false);
        config.put("heartbeat.interval.ms", 200);
        config.put("session.timeout.ms", 6000);
        config.putAll(change);
        return new KafkaConsumer<>(config, new ByteArrayDeserializer(), new ByteArrayDeserializer());
    }

    static List<ConsumerRecord<byte[], byte[]>> read(KafkaConsumer<byte[], byte[]> from, int count) {
        List<ConsumerRecord<byte[], byte[]>> records = new ArrayList<>();
        long end = System.nanoTime() + LIMIT.toNanos();
        while (records.size() < count) {
            if (System.nanoTime() > end) {
                throw new AssertionError(records.size() + " of " + count + " records within " + LIMIT);
            }
            from.poll(Duration.ofMillis(100)).forEach(records::add);
        }
        return records;
    }

    static List<ConsumerRecord<byte[], byte[]>> readAll(String name, int count) {
        try (KafkaConsumer<byte[], byte[]> from = consumer(Map.of())) {
            TopicPartition part = new TopicPartition(name, 0);
            from.assign(List.of(part));
            from.seekToBeginning(List.of(part));
            return read(from, count);
        }
    }

    static List<String> values(int from, int to) {
        List<String> all = new ArrayList<>();
        for (int n = from; n < to; n++) {
            all.add("value " + n + ", which is long enough to be worth compressing");
        }
        return all;
    }

    static List<String> text(List<ConsumerRecord<byte[], byte[]>> records) {
        return records.stream().map(record -> new String(record.value())).toList();
    }

    static void roundTrip(int count, Map<String, Object> config) throws Exception {
        String name = topic(3);
        List<Long> wanted = new ArrayList<>();
        for (long n = 0; n < count; n++) {
            wanted.add(n);
        }
        same("offsets", produce(name, 0, values(0, count), config), wanted);
        same("values", text(readAll(name, count)), values(0, count));
    }

    static void contents() throws Exception {
        String name = topic(1);
        try (KafkaProducer<byte[], byte[]> to = producer(Map.of())) {
            ProducerRecord<byte[], byte[]> first = new ProducerRecord<>(name, "k".getBytes(), "v".getBytes());
            first.headers().add(new RecordHeader("a", "1".getBytes())).add(new RecordHeader("a", new byte[0]))
                .add(new RecordHeader("b", (byte[]) null));
            within(to.send(first));
            within(to.send(new ProducerRecord<>(name, "k".getBytes(), null)));
            within(to.send(new ProducerRecord<>(name, null, new byte[0])));
        }
        List<ConsumerRecord<byte[], byte[]>> records = readAll(name, 3);
        List<String> headers = new ArrayList<>();
        records.get(0).headers().forEach(header ->
            headers.add(header.key() + "=" + (header.value() == null ? "null" : new String(header.value()))));
        same("the first record", new String(records.get(0).key()) + new String(records.get(0).value()), "kv");
        same("its headers", headers, List.of("a=1", "a=", "b=null"));
        same("the tombstone's value", records.get(1).value(), null);
        same("the empty value", records.get(2).value().length, 0);
        same("its key", records.get(2).key(), null);
    }

    static KafkaProducer<byte[], byte[]> transactional(String id) {
        KafkaProducer<byte[], byte[]> to = producer(Map.of("enable.idempotence", true, "transactional.id", id));
        to.initTransactions();
        return to;
    }

    /** Sends within a transaction that the caller has begun. */
    static void send(KafkaProducer<byte[], byte[]> to, String name, String... values) throws Exception {
        for (String value : values) {
            within(to.send(new ProducerRecord<>(name, 0, null, value.getBytes())));
        }
    }

    /** What a consumer of committed records alone reads. */
    static List<String> committed(String name, int count) {
        try (KafkaConsumer<byte[], byte[]> from = consumer(Map.of("isolation.level", "read_committed"))) {
            TopicPartition part = new TopicPartition(name, 0);
            from.assign(List.of(part));
            from.seekToBeginning(List.of(part));
            return text(read(from, count));
        }
    }

    static long committedEnd(String name) {
        try (KafkaConsumer<byte[], byte[]> from = consumer(Map.of("isolation.level", "read_committed"))) {
            TopicPartition part = new TopicPartition(name, 0);
            return from.endOffsets(List.of(part)).get(part);
        }
    }

    static void transactionCommit() throws Exception {
        String name = topic(1);
        try (KafkaProducer<byte[], byte[]> to = transactional(fresh("transactional"))) {
            to.beginTransaction();
            send(to, name, "a", "b");
            same("the end before the commit", committedEnd(name), 0L);
            to.commitTransaction();
            same("the first transaction", committed(name, 2), List.of("a", "b"));
            to.beginTransaction();
            send(to, name, "c");
            to.commitTransaction();
        }
        same("both transactions", committed(name, 3), List.of("a", "b", "c"));
        same("the end, markers counted", committedEnd(name), 5L);
    }

    static void transactionAbort() throws Exception {
        String name = topic(1);
        try (KafkaProducer<byte[], byte[]> to = transactional(fresh("transactional"))) {
            to.beginTransaction();
            send(to, name, "a", "b");
            to.abortTransaction();
            to.beginTransaction();
            send(to, name, "c");
            to.commitTransaction();
        }
        same("what is committed", committed(name, 1), List.of("c"));
        same("what is there", text(readAll(name, 3)), List.of("a", "b", "c"));
    }

    static void transactionOffsets() throws Exception {
        String name = topic(1);
        String into = topic(1);
        produce(name, 0, List.of("0", "1", "2", "3", "4", "5"), Map.of());
        TopicPartition part = new TopicPartition(name, 0);
        try (KafkaProducer<byte[], byte[]> to = transactional(fresh("transactional"));
            KafkaConsumer<byte[], byte[]> from = consumer(Map.of("group.id", fresh("group"), "max.poll.records", 3))) {
            from.subscribe(List.of(name));
            for (boolean commits : List.of(true, false)) {
                to.beginTransaction();
                List<ConsumerRecord<byte[], byte[]>> records = read(from, 3);
                for (String value : text(records)) {
                    send(to, into, "from " + value);
                }
                long next = records.get(2).offset() + 1;
                to.sendOffsetsToTransaction(Map.of(part, new OffsetAndMetadata(next)), from.groupMetadata());
                if (commits) {
                    to.commitTransaction();
                } else {
                    to.abortTransaction();
                }
            }
            same("the committed offset", from.committed(Set.of(part)).get(part).offset(), 3L);
        }
        same("what came of it", committed(into, 3), List.of("from 0", "from 1", "from 2"));
    }

    static void transactionFenced() throws Exception {
        String name = topic(1);
        String id = fresh("transactional");
        try (KafkaProducer<byte[], byte[]> first = transactional(id)) {
            first.beginTransaction();
            send(first, name, "of the first");
            try (KafkaProducer<byte[], byte[]> second = transactional(id)) {
                expect(ProducerFencedException.class, first::commitTransaction);
                second.beginTransaction();
                send(second, name, "of the second");
                second.commitTransaction();
            }
        }
        same("what is committed", committed(name, 1), List.of("of the second"));
    }

    /** Members of a group, each polled by its own thread until it ends. */
    static final class Members implements AutoCloseable {
        final String name;
        final String group = fresh("group");
        final List<Member> all = new ArrayList<>();
        final Set<String> values = new TreeSet<>();
        final ReentrantLock lock = new ReentrantLock();
        final Condition changed = lock.newCondition();

        Members(int partitions, int count) throws Exception {
            name = topic(partitions);
            for (int n = 0; n < count; n++) {
                add(Map.of());
            }
            if (count > 0) {
                assigned(partitions);
            }
        }

        final class Member {
            final KafkaConsumer<byte[], byte[]> client;
            final Thread thread;
            Set<Integer> parts = Set.of();
            Exception failed;
            volatile boolean dies;

            Member(Map<String, Object> change) {
                Map<String, Object> config = new HashMap<>(change);
                config.put("group.id", group);
                client = consumer(config);
                client.subscribe(List.of(name));
                thread = new Thread(this::poll);
                thread.setDaemon(true);
                thread.start();
            }

            private void poll() {
                try {
                    while (true) {
                        var records = client.poll(Duration.ofMillis(100));
                        Set<Integer> now = new HashSet<>();
                        client.assignment().forEach(part -> now.add(part.partition()));
                        change(() -> {
                            records.forEach(record -> values.add(new String(record.value())));
                            parts = now;
                        });
                    }
                } catch (WakeupException told) {
                    if (!dies) {
                        client.close();
                    }
                } catch (Exception error) {
                    change(() -> failed = error);
                }
            }
        }

        private void change(Runnable work) {
            lock.lock();
            try {
                work.run();
                changed.signalAll();
            } finally {
                lock.unlock();
            }
        }

        Member add(Map<String, Object> config) {
            Member member = new Member(config);
            change(() -> all.add(member));
            return member;
        }

        void end(Member member) throws InterruptedException {
            change(() -> all.remove(member));
            member.client.wakeup();
            member.thread.join(LIMIT.toMillis());
            same("the member's thread lives", member.thread.isAlive(), false);
        }

        void await(String what, BooleanSupplier look) throws Exception {
            long left = LIMIT.toNanos();
            lock.lock();
            try {
                while (!look.getAsBoolean()) {
                    for (Member member : all) {
                        if (member.failed != null) {
                            throw member.failed;
                        }
                    }
                    if (left <= 0) {
                        throw new AssertionError(what + ": not within " + LIMIT);
                    }
                    left = changed.awaitNanos(left);
                }
            } finally {
                lock.unlock();
            }
        }

        void assigned(int partitions) throws Exception {
            await(all.size() + " members share " + partitions + " partitions", () -> {
                int sum = all.stream().mapToInt(member -> member.parts.size()).sum();
                long taken = all.stream().flatMap(member -> member.parts.stream()).distinct().count();
                return all.stream().noneMatch(member -> member.parts.isEmpty()) && sum == taken && sum == partitions;
            });
        }

        @Override
        public void close() throws InterruptedException {
            for (Member member : List.copyOf(all)) {
                end(member);
            }
        }
    }

    static void groupOf(int count) throws Exception {
        try (Members members = new Members(6, count)) {
            for (int part = 0; part < 6; part++) {
                produce(members.name, part, List.of("" + part), Map.of());
            }
            members.await("every record arrives", () -> members.values.equals(Set.of("0", "1", "2", "3", "4", "5")));
        }
    }

    static void rebalance() throws Exception {
        try (Members members = new Members(6, 2)) {
            members.add(Map.of());
            members.assigned(6);
            members.end(members.all.get(0));
            members.assigned(6);
        }
    }

    static void memberDies() throws Exception {
        try (Members members = new Members(4, 0)) {
            // Once it has not polled for that long, it leaves the group by itself.
            Members.Member dying = members.add(Map.of("max.poll.interval.ms", 6000));
            members.add(Map.of());
            members.assigned(4);
            dying.dies = true;
            members.end(dying);
            members.assigned(4);
            dying.client.close();
        }
    }

    static void staticMember() throws Exception {
        try (Members members = new Members(4, 0)) {
            Members.Member first = members.add(Map.of("group.instance.id", "instance-1"));
            members.add(Map.of("group.instance.id", "instance-2"));
            members.assigned(4);
            Set<Integer> before = first.parts;
            members.end(first); // A static member that closes stays in its group.
            Members.Member again = members.add(Map.of("group.instance.id", "instance-1"));
            members.assigned(4);
            same("the assignment that it finds again", again.parts, before);
        }
    }

    static void commit() throws Exception {
        String name = topic(1);
        produce(name, 0, values(0, 10), Map.of());
        Map<String, Object> config = Map.of("group.id", fresh("group"), "max.poll.records", 5);
        TopicPartition part = new TopicPartition(name, 0);
        try (KafkaConsumer<byte[], byte[]> from = consumer(config)) {
            from.subscribe(List.of(name));
            read(from, 5);
            from.commitSync(Map.of(part, new OffsetAndMetadata(5, "read that far")));
            OffsetAndMetadata committed = from.committed(Set.of(part)).get(part);
            same("the committed offset", committed.offset(), 5L);
            same("its metadata", committed.metadata(), "read that far");
        }
        try (KafkaConsumer<byte[], byte[]> from = consumer(config)) {
            from.subscribe(List.of(name));
            same("values", text(read(from, 5)), values(5, 10));
        }
    }

    static void seek() throws Exception {
        String name = topic(1);
        produce(name, 0, values(0, 10), Map.of());
        TopicPartition part = new TopicPartition(name, 0);
        try (KafkaConsumer<byte[], byte[]> from = consumer(Map.of())) {
            from.assign(List.of(part));
            from.seekToBeginning(List.of(part));
            read(from, 10);
            from.seek(part, 7);
            same("values behind the seek", text(read(from, 3)), values(7, 10));
            same("the first offset", from.beginningOffsets(List.of(part)).get(part), 0L);
            same("the next offset", from.endOffsets(List.of(part)).get(part), 10L);
        }
    }

    static void timestamps() throws Exception {
        String name = topic(1);
        List<Long> times = new ArrayList<>();
        try (KafkaProducer<byte[], byte[]> to = producer(Map.of())) {
            for (long n = 0; n < 5; n++) {
                times.add(1_000_000 + n * 1000);
                within(to.send(new ProducerRecord<>(name, 0, times.get((int) n), null, new byte[0])));
            }
        }
        same("timestamps", readAll(name, 5).stream().map(ConsumerRecord::timestamp).toList(), times);
        TopicPartition part = new TopicPartition(name, 0);
        try (KafkaConsumer<byte[], byte[]> from = consumer(Map.of())) {
            same("the offset at that time", from.offsetsForTimes(Map.of(part, 1_001_500L)).get(part).offset(), 2L);
        }
    }

    static void topics() throws Exception {
        String name = topic(5);
        try (Admin admin = admin()) {
            try (KafkaConsumer<byte[], byte[]> from = consumer(Map.of())) {
                same("partitions", from.partitionsFor(name).size(), 5);
            }
            within(admin.deleteTopics(List.of(name)).all());
            long end = System.nanoTime() + LIMIT.toNanos();
            while (within(admin.listTopics().names()).contains(name)) {
                same("it is still there after " + LIMIT, System.nanoTime() > end, false);
            }
        }
    }

    static void configs() throws Exception {
        String name = fresh("java");
        create(name, 1, Map.of("retention.ms", "1000"));
        ConfigResource topic = new ConfigResource(ConfigResource.Type.TOPIC, name);
        ConfigResource broker = new ConfigResource(ConfigResource.Type.BROKER, "1");
        try (Admin admin = admin()) {
            ConfigEntry retention = within(admin.describeConfigs(List.of(topic)).all()).get(topic).get("retention.ms");
            same("the topic's own value", retention.value(), "1000");
            same("where it is from", retention.source(), ConfigEntry.ConfigSource.DYNAMIC_TOPIC_CONFIG);
            within(admin.incrementalAlterConfigs(Map.of(topic, List.of(
                new AlterConfigOp(new ConfigEntry("max.message.bytes", "1000"), AlterConfigOp.OpType.SET),
                new AlterConfigOp(new ConfigEntry("cleanup.policy", "compact"), AlterConfigOp.OpType.APPEND),
                new AlterConfigOp(new ConfigEntry("retention.ms", null), AlterConfigOp.OpType.DELETE)))).all());
            Config altered = within(admin.describeConfigs(List.of(topic)).all()).get(topic);
            same("what was set", altered.get("max.message.bytes").value(), "1000");
            same("what was appended", altered.get("cleanup.policy").value(), "delete,compact");
            same("what was deleted", altered.get("retention.ms").source(), ConfigEntry.ConfigSource.DEFAULT_CONFIG);
            expect(RecordTooLargeException.class, () -> produce(name, 0, List.of("x".repeat(2000)), Map.of()));
            expect(InvalidConfigurationException.class, () -> within(admin.incrementalAlterConfigs(Map.of(topic, List.of(
                new AlterConfigOp(new ConfigEntry("retention.ms", "soon"), AlterConfigOp.OpType.SET)))).all()));
            Config of = within(admin.describeConfigs(List.of(broker)).all()).get(broker);
            same("the broker's id", of.get("node.id").value(), "1");
            same("whether a secret is shown", of.get("ssl.key.password").value(), null);
        }
    }

    static void deleteRecords() throws Exception {
        String name = topic(1);
        produce(name, 0, values(0, 10), Map.of());
        TopicPartition part = new TopicPartition(name, 0);
        try (Admin admin = admin(); KafkaConsumer<byte[], byte[]> from = consumer(Map.of("auto.offset.reset", "none"))) {
            var deleted = admin.deleteRecords(Map.of(part, RecordsToDelete.beforeOffset(4)));
            same("the low watermark", within(deleted.lowWatermarks().get(part)).lowWatermark(), 4L);
            same("the first offset", from.beginningOffsets(List.of(part)).get(part), 4L);
            same("the next offset", from.endOffsets(List.of(part)).get(part), 10L);
            same("what is left", text(readAll(name, 6)), values(4, 10));
            from.assign(List.of(part));
            from.seek(part, 3);
            expect(OffsetOutOfRangeException.class, () -> read(from, 1));
            expect(org.apache.kafka.common.errors.OffsetOutOfRangeException.class,
                () -> within(admin.deleteRecords(Map.of(part, RecordsToDelete.beforeOffset(11))).all()));
        }
    }

    /** Everything up to an offset: offset, key and value. */
    static List<String> content(String name, long last) {
        List<String> found = new ArrayList<>();
        TopicPartition part = new TopicPartition(name, 0);
        try (KafkaConsumer<byte[], byte[]> from = consumer(Map.of())) {
            from.assign(List.of(part));
            from.seekToBeginning(List.of(part));
            long at = -1;
            while (at < last) {
                for (ConsumerRecord<byte[], byte[]> record : read(from, 1)) {
                    String value = record.value() == null ? "null" : new String(record.value());
                    found.add(record.offset() + " " + new String(record.key()) + "=" + value);
                    at = record.offset();
                }
            }
        }
        return found;
    }

    /** Writes one batch of keys and values. */
    static void write(String name, long time, String... pairs) throws Exception {
        try (KafkaProducer<byte[], byte[]> to = producer(Map.of("linger.ms", 20))) {
            List<Future<RecordMetadata>> sent = new ArrayList<>();
            for (String pair : pairs) {
                String[] both = pair.split("=");
                byte[] value = both.length < 2 ? null : both[1].getBytes();
                sent.add(to.send(new ProducerRecord<>(name, 0, time, both[0].getBytes(), value)));
            }
            for (Future<RecordMetadata> future : sent) {
                within(future);
            }
        }
    }

    static void left(String name, long last, List<String> wanted) {
        long end = System.nanoTime() + LIMIT.toNanos();
        List<String> found;
        while (!(found = content(name, last)).equals(wanted)) {
            if (System.nanoTime() > end) {
                same("what is left", found, wanted);
            }
        }
    }

    static void compacted() throws Exception {
        String name = fresh("java");
        // A segment takes no second batch, any part may be dirty, and a tombstone goes with the compaction after the one that
        // met it first.
        create(name, 1, Map.of("cleanup.policy", "compact", "segment.ms", "1", "min.cleanable.dirty.ratio", "0",
            "delete.retention.ms", "0"));
        write(name, 1_000_000, "a=1", "b=1", "c=1");
        write(name, 1_001_000, "a=2", "b");
        write(name, 1_002_000, "end=1");
        left(name, 5, List.of("2 c=1", "3 a=2", "4 b=null", "5 end=1"));
        write(name, 1_003_000, "end=2");
        left(name, 6, List.of("2 c=1", "3 a=2", "5 end=1", "6 end=2"));
    }

    static void partitionsAdded() throws Exception {
        Map<String, Object> refresh = Map.of("metadata.max.age.ms", 200);
        try (Members members = new Members(1, 0); KafkaProducer<byte[], byte[]> to = producer(refresh); Admin admin = admin()) {
            members.add(refresh);
            members.assigned(1);
            within(to.send(new ProducerRecord<>(members.name, 0, null, "to 0".getBytes())));
            within(admin.createPartitions(Map.of(members.name, NewPartitions.increaseTo(3))).all());
            for (int part : List.of(1, 2)) {
                within(to.send(new ProducerRecord<>(members.name, part, null, ("to " + part).getBytes())));
            }
            members.assigned(3);
            members.await("every record arrives", () -> members.values.equals(Set.of("to 0", "to 1", "to 2")));
        }
    }

    static long listed(Admin admin, String group) throws Exception {
        return within(admin.listConsumerGroups().all()).stream().filter(one -> one.groupId().equals(group)).count();
    }

    static ConsumerGroupDescription described(Admin admin, String group) throws Exception {
        return within(admin.describeConsumerGroups(List.of(group)).all()).get(group);
    }

    static void groupDescribed() throws Exception {
        try (Members members = new Members(2, 0); Admin admin = admin()) {
            members.add(Map.of("client.id", "one-member"));
            members.assigned(2);
            same("the group in the list", listed(admin, members.group), 1L);
            ConsumerGroupDescription found = described(admin, members.group);
            same("its state", found.state().toString(), "Stable");
            same("its assignor", found.partitionAssignor(), "range");
            same("its members", found.members().size(), 1);
            MemberDescription member = found.members().iterator().next();
            same("its member's client", member.clientId(), "one-member");
            same("its member's partitions", member.assignment().topicPartitions(),
                Set.of(new TopicPartition(members.name, 0), new TopicPartition(members.name, 1)));
            members.close();
            found = described(admin, members.group);
            same("the state without its member", found.state().toString() + found.members(), "Empty[]");
        }
    }

    static void groupDeleted() throws Exception {
        try (Members members = new Members(2, 1); Admin admin = admin()) {
            Case delete = () -> within(admin.deleteConsumerGroups(List.of(members.group)).all());
            expect(GroupNotEmptyException.class, delete);
            members.close();
            delete.run();
            same("the group in the list", listed(admin, members.group), 0L);
            expect(GroupIdNotFoundException.class, delete);
        }
    }

    static void offsetsDeleted() throws Exception {
        String other = topic(1);
        try (Members members = new Members(1, 1); Admin admin = admin()) {
            TopicPartition subscribed = new TopicPartition(members.name, 0);
            TopicPartition free = new TopicPartition(other, 0);
            Map<TopicPartition, OffsetAndMetadata> offsets =
                Map.of(subscribed, new OffsetAndMetadata(0), free, new OffsetAndMetadata(0));
            members.end(members.all.get(0));
            within(admin.alterConsumerGroupOffsets(members.group, offsets).all());
            Members.Member member = members.add(Map.of());
            members.assigned(1);
            expect(GroupSubscribedToTopicException.class,
                () -> within(admin.deleteConsumerGroupOffsets(members.group, Set.of(subscribed)).all()));
            within(admin.deleteConsumerGroupOffsets(members.group, Set.of(free)).all());
            same("what is committed still", committed(admin, members.group), Set.of(subscribed));
            members.end(member);
            within(admin.deleteConsumerGroupOffsets(members.group, Set.of(subscribed)).all());
            same("what is committed in the end", committed(admin, members.group), Set.of());
        }
    }

    static Set<TopicPartition> committed(Admin admin, String group) throws Exception {
        return within(admin.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata()).keySet();
    }

    static void describeCluster() throws Exception {
        Map<Integer, Integer> ports = new HashMap<>();
        for (String server : SERVERS.split(",")) {
            ports.put(ports.size() + 1, Integer.valueOf(server.split(":")[1]));
        }
        try (Admin admin = admin()) {
            DescribeClusterResult found = admin.describeCluster();
            Map<Integer, Integer> nodes = new HashMap<>();
            for (Node node : within(found.nodes())) {
                nodes.put(node.id(), node.port());
            }
            same("the brokers", nodes, ports);
            same("the length of the cluster's id", within(found.clusterId()).length(), 22);
            same("whether the controller is one of them", nodes.containsKey(within(found.controller()).id()), true);
        }
    }

    static void expect(Class<? extends Exception> wanted, Case work) throws Exception {
        try {
            work.run();
        } catch (Exception error) {
            Throwable found = error instanceof ExecutionException ? error.getCause() : error;
            if (wanted.isInstance(found)) {
                return;
            }
            throw error;
        }
        throw new AssertionError("no " + wanted.getSimpleName());
    }

    static void unknownTopic() throws Exception {
        try (Admin admin = admin()) {
            expect(UnknownTopicOrPartitionException.class,
                () -> within(admin.deleteTopics(List.of(fresh("no-such-topic"))).all()));
        }
    }

    static void largeRecord() throws Exception {
        String name = fresh("java");
        create(name, 1, Map.of("max.message.bytes", "1000"));
        expect(RecordTooLargeException.class, () -> produce(name, 0, List.of("x".repeat(2000)), Map.of()));
    }

    static void returns() throws Exception {
        try (KafkaProducer<byte[], byte[]> to = producer(Map.of("reconnect.backoff.max.ms", 200))) {
            within(to.send(new ProducerRecord<>("returning", 0, null, "before".getBytes())));
            ask("stop", "stopped");
            Future<RecordMetadata> later = to.send(new ProducerRecord<>("returning", 0, null, "after".getBytes()));
            ask("start", "started");
            same("the offset in the new cluster", within(later).offset(), 0L);
        }
        same("what the new cluster has", text(readAll("returning", 1)), List.of("after"));
    }

    public static void main(String[] names) {
        Map<String, Case> cases = new LinkedHashMap<>();
        for (String codec : List.of("none", "gzip", "snappy", "lz4", "zstd")) {
            cases.put("compression-" + codec, () -> roundTrip(200, Map.of("compression.type", codec, "linger.ms", 20)));
        }
        cases.put("keys-headers-tombstones", Client::contents);
        cases.put("idempotent", () -> roundTrip(500, Map.of("enable.idempotence", true, "batch.size", 1000)));
        cases.put("transaction-commit", Client::transactionCommit);
        cases.put("transaction-abort", Client::transactionAbort);
        cases.put("transaction-offsets", Client::transactionOffsets);
        cases.put("transaction-fenced", Client::transactionFenced);
        cases.put("group-of-two", () -> groupOf(2));
        cases.put("group-of-three", () -> groupOf(3));
        cases.put("rebalance", Client::rebalance);
        cases.put("member-dies", Client::memberDies);
        cases.put("static-member", Client::staticMember);
        cases.put("commit-and-resume", Client::commit);
        cases.put("seek", Client::seek);
        cases.put("timestamps", Client::timestamps);
        cases.put("create-and-delete-topic", Client::topics);
        cases.put("configs", Client::configs);
        cases.put("delete-records", Client::deleteRecords);
        cases.put("compacted-topic", Client::compacted);
        cases.put("partitions-added", Client::partitionsAdded);
        cases.put("group-described", Client::groupDescribed);
        cases.put("group-deleted", Client::groupDeleted);
        cases.put("offsets-deleted", Client::offsetsDeleted);
        cases.put("describe-cluster", Client::describeCluster);
        cases.put("error-unknown-topic", Client::unknownTopic);
        cases.put("error-topic-exists", () -> {
            String name = topic(1);
            expect(TopicExistsException.class, () -> create(name, 1, Map.of()));
        });
        cases.put("error-invalid-topic",
            () -> expect(InvalidTopicException.class, () -> create("not/a/name", 1, Map.of())));
        cases.put("error-record-too-large", Client::largeRecord);
        cases.put("cluster-returns", Client::returns);

        cases.forEach((name, work) -> {
            if (names.length > 0 && !Arrays.asList(names).contains(name)) {
                return;
            }
            try {
                work.run();
                System.out.println("ok " + name);
            } catch (Exception | AssertionError error) {
                error.printStackTrace();
                System.out.println("not ok " + name + ": " + error.toString().replaceAll("\\s+", " "));
            }
        });
    }
}
