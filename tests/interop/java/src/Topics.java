package kfake.interop;

import static kfake.interop.Cases.LIMIT;
import static kfake.interop.Cases.SERVERS;
import static kfake.interop.Cases.expect;
import static kfake.interop.Cases.fresh;
import static kfake.interop.Cases.same;
import static kfake.interop.Cases.within;
import static kfake.interop.Client.admin;
import static kfake.interop.Client.consumer;
import static kfake.interop.Client.create;
import static kfake.interop.Client.produce;
import static kfake.interop.Client.producer;
import static kfake.interop.Client.read;
import static kfake.interop.Client.readAll;
import static kfake.interop.Client.text;
import static kfake.interop.Client.topic;
import static kfake.interop.Client.values;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.Future;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.Config;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.DescribeClusterResult;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.admin.RecordsToDelete;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetOutOfRangeException;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.Node;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.errors.InvalidConfigurationException;
import org.apache.kafka.common.errors.RecordTooLargeException;
import org.apache.kafka.common.errors.UnknownTopicOrPartitionException;

/** The cases of topics, of their configurations, and of the cluster. */
final class Topics {
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
}
