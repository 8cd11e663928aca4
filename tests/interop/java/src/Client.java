package kfake.interop;

import static kfake.interop.Cases.LIMIT;
import static kfake.interop.Cases.SERVERS;
import static kfake.interop.Cases.ask;
import static kfake.interop.Cases.expect;
import static kfake.interop.Cases.fresh;
import static kfake.interop.Cases.run;
import static kfake.interop.Cases.same;
import static kfake.interop.Cases.within;

import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Future;
import kfake.interop.Cases.Case;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.InvalidTopicException;
import org.apache.kafka.common.errors.TopicExistsException;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/** Apache Kafka's own client: producer, consumer and admin. This is what all its cases need, and those of records. */
public final class Client {
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
        // So long that a machine that is busy takes no member out of its group.
        config.put("session.timeout.ms", 30_000);
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
        cases.put("transaction-commit", Transactions::transactionCommit);
        cases.put("transaction-abort", Transactions::transactionAbort);
        cases.put("transaction-offsets", Transactions::transactionOffsets);
        cases.put("transaction-fenced", Transactions::transactionFenced);
        cases.put("group-of-two", () -> Groups.groupOf(2));
        cases.put("group-of-three", () -> Groups.groupOf(3));
        cases.put("rebalance", Groups::rebalance);
        cases.put("member-dies", Groups::memberDies);
        cases.put("static-member", Groups::staticMember);
        cases.put("commit-and-resume", Groups::commit);
        cases.put("seek", Client::seek);
        cases.put("timestamps", Client::timestamps);
        cases.put("create-and-delete-topic", Topics::topics);
        cases.put("configs", Topics::configs);
        cases.put("delete-records", Topics::deleteRecords);
        cases.put("compacted-topic", Topics::compacted);
        cases.put("partitions-added", Topics::partitionsAdded);
        cases.put("group-described", Groups::groupDescribed);
        cases.put("group-deleted", Groups::groupDeleted);
        cases.put("offsets-deleted", Groups::offsetsDeleted);
        cases.put("describe-cluster", Topics::describeCluster);
        cases.put("error-unknown-topic", Topics::unknownTopic);
        cases.put("error-topic-exists", () -> {
            String name = topic(1);
            expect(TopicExistsException.class, () -> create(name, 1, Map.of()));
        });
        cases.put("error-invalid-topic",
            () -> expect(InvalidTopicException.class, () -> create("not/a/name", 1, Map.of())));
        cases.put("error-record-too-large", Topics::largeRecord);
        cases.put("leaders-move", Leaders::move);
        cases.put("cluster-returns", Client::returns);
        run(cases, names);
    }
}
