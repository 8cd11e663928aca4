package kfake.interop;

import static kfake.interop.Cases.SERVERS;
import static kfake.interop.Cases.fresh;
import static kfake.interop.Cases.run;
import static kfake.interop.Cases.same;

import java.io.File;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.UUID;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import kfake.interop.Cases.Case;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.LongDeserializer;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.errors.StreamsUncaughtExceptionHandler.StreamThreadExceptionResponse;
import org.apache.kafka.streams.kstream.Grouped;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.processor.StateRestoreListener;
import org.apache.kafka.streams.state.Stores;

/** Kafka Streams: topologies with state stores, whose changelogs and repartition topics are in the cluster. */
public final class Streams {
    /** So long that a hang is a failure. Nothing waits as long as this when all is well. */
    static final Duration LIMIT = Duration.ofSeconds(60);

    static void topics(String... names) throws Exception {
        topics(4, names);
    }

    static void topics(int partitions, String... names) throws Exception {
        try (Admin admin = Admin.create(Map.of("bootstrap.servers", SERVERS))) {
            List<NewTopic> wanted = new ArrayList<>();
            for (String name : names) {
                wanted.add(new NewTopic(name, partitions, (short) 1));
            }
            admin.createTopics(wanted).all().get(LIMIT.toSeconds(), TimeUnit.SECONDS);
        }
    }

    static void produce(String topic, String... pairs) throws Exception {
        Map<String, Object> settings = Map.of("bootstrap.servers", SERVERS, "acks", "all");
        try (var producer = new KafkaProducer<>(settings, new StringSerializer(), new StringSerializer())) {
            for (String pair : pairs) {
                String[] both = pair.split("=");
                producer.send(new ProducerRecord<>(topic, both[0], both[1])).get(LIMIT.toSeconds(), TimeUnit.SECONDS);
            }
        }
    }

    /** Counts the values of a topic: the key changes, so that the records are repartitioned. */
    static Topology counting(String in, String out) {
        StreamsBuilder builder = new StreamsBuilder();
        builder.<String, String>stream(in)
            .groupBy((key, value) -> value, Grouped.with("by-value", Serdes.String(), Serdes.String()))
            .count(Materialized.<String, Long>as(Stores.inMemoryKeyValueStore("counts"))
                .withKeySerde(Serdes.String()).withValueSerde(Serdes.Long()))
            .toStream()
            .to(out, Produced.with(Serdes.String(), Serdes.Long()));
        return builder.build();
    }

    static KafkaStreams start(String application, Topology topology) throws Exception {
        KafkaStreams streams = create(application, topology, Map.of());
        streams.start();
        return streams;
    }

    static KafkaStreams create(String application, Topology topology, Map<String, Object> change) throws Exception {
        Properties settings = new Properties();
        settings.put(StreamsConfig.APPLICATION_ID_CONFIG, application);
        settings.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, SERVERS);
        settings.put(StreamsConfig.DEFAULT_KEY_SERDE_CLASS_CONFIG, Serdes.StringSerde.class);
        settings.put(StreamsConfig.DEFAULT_VALUE_SERDE_CLASS_CONFIG, Serdes.StringSerde.class);
        settings.put(StreamsConfig.STATE_DIR_CONFIG, directory());
        settings.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, 100);
        settings.put(StreamsConfig.REPLICATION_FACTOR_CONFIG, 1);
        settings.put("auto.offset.reset", "earliest");
        settings.put("heartbeat.interval.ms", 200);
        settings.put("session.timeout.ms", 6000);
        // What was started last is what a rebalance may move work to.
        settings.put("probing.rebalance.interval.ms", 60_000);
        settings.putAll(change);
        return new KafkaStreams(topology, settings);
    }

    static String directory() throws Exception {
        Path directory = Files.createTempDirectory("kfake-streams-" + UUID.randomUUID());
        Runtime.getRuntime().addShutdownHook(new Thread(() -> delete(directory.toFile())));
        return directory.toString();
    }

    static void delete(File file) {
        File[] inside = file.listFiles();
        if (inside != null) {
            for (File one : inside) {
                delete(one);
            }
        }
        file.delete();
    }

    static void close(KafkaStreams streams) {
        same("the end of an instance", streams.close(LIMIT), true);
    }

    static <V> KafkaConsumer<String, V> fromBeginning(String topic, Class<?> values, String isolation) {
        Map<String, Object> settings = Map.of("bootstrap.servers", SERVERS, "auto.offset.reset", "earliest",
            "key.deserializer", StringDeserializer.class, "value.deserializer", values, "isolation.level", isolation);
        KafkaConsumer<String, V> consumer = new KafkaConsumer<>(settings);
        List<TopicPartition> partitions = new ArrayList<>();
        consumer.partitionsFor(topic, LIMIT).forEach(p -> partitions.add(new TopicPartition(topic, p.partition())));
        consumer.assign(partitions);
        consumer.seekToBeginning(partitions);
        return consumer;
    }

    /** Reads a topic of counts from its beginning up to a record, and compares all that came. */
    static void counted(String topic, String isolation, String... wanted) {
        List<String> found = new ArrayList<>();
        try (KafkaConsumer<String, Long> consumer = fromBeginning(topic, LongDeserializer.class, isolation)) {
            long end = System.nanoTime() + LIMIT.toNanos();
            while (found.size() < wanted.length && System.nanoTime() < end) {
                consumer.poll(Duration.ofMillis(100)).forEach(record -> found.add(record.key() + "=" + record.value()));
            }
        }
        same("what " + topic + " has, " + isolation, found, List.of(wanted));
    }

    /** Reads a topic from its beginning until the last value of each key is as wanted. */
    static <V> void until(String topic, Class<?> values, Map<String, V> wanted) {
        try (KafkaConsumer<String, V> consumer = fromBeginning(topic, values, "read_uncommitted")) {
            Map<String, V> last = new HashMap<>();
            long end = System.nanoTime() + LIMIT.toNanos();
            while (!last.equals(wanted)) {
                if (System.nanoTime() > end) {
                    same("what " + topic + " has in the end", last, wanted);
                }
                consumer.poll(Duration.ofMillis(100)).forEach(record -> last.put(record.key(), record.value()));
            }
        }
    }

    static void counts(String topic, Map<String, Long> wanted) {
        until(topic, LongDeserializer.class, wanted);
    }

    static void await(KafkaStreams streams, KafkaStreams.State state) throws Exception {
        long end = System.nanoTime() + LIMIT.toNanos();
        while (streams.state() != state) {
            if (System.nanoTime() > end) {
                same("the state of an instance", streams.state(), state);
            }
            Thread.sleep(10);
        }
    }

    static int tasks(KafkaStreams streams) {
        return streams.metadataForLocalThreads().stream().mapToInt(thread -> thread.activeTasks().size()).sum();
    }

    static void count() throws Exception {
        String in = fresh("in"), out = fresh("out"), application = fresh("count");
        topics(in, out);
        produce(in, "1=red", "2=green", "3=red", "4=blue", "5=red");
        KafkaStreams streams = start(application, counting(in, out));
        counts(out, Map.of("red", 3L, "green", 1L, "blue", 1L));
        produce(in, "6=blue");
        counts(out, Map.of("red", 3L, "green", 1L, "blue", 2L));
        close(streams);
    }

    static void restore() throws Exception {
        String in = fresh("in"), out = fresh("out"), application = fresh("restore");
        topics(in, out);
        produce(in, "1=red", "2=green", "3=red");
        KafkaStreams first = start(application, counting(in, out));
        counts(out, Map.of("red", 2L, "green", 1L));
        close(first);
        produce(in, "4=red", "5=green");
        KafkaStreams again = start(application, counting(in, out));
        counts(out, Map.of("red", 3L, "green", 2L));
        close(again);
    }

    static void share() throws Exception {
        String in = fresh("in"), out = fresh("out"), application = fresh("share");
        topics(in, out);
        produce(in, "1=red", "2=green", "3=blue", "4=red");
        KafkaStreams first = start(application, counting(in, out));
        counts(out, Map.of("red", 2L, "green", 1L, "blue", 1L));
        KafkaStreams second = start(application, counting(in, out));
        await(second, KafkaStreams.State.RUNNING);
        long end = System.nanoTime() + LIMIT.toNanos();
        while (tasks(first) + tasks(second) != 8 || tasks(second) == 0) {
            if (System.nanoTime() > end) {
                same("tasks", List.of(tasks(first), tasks(second)), "eight, shared");
            }
            Thread.sleep(10);
        }
        produce(in, "5=green");
        counts(out, Map.of("red", 2L, "green", 2L, "blue", 1L));
        close(first);
        produce(in, "6=blue", "7=red");
        counts(out, Map.of("red", 3L, "green", 2L, "blue", 2L));
        close(second);
    }

    static void join() throws Exception {
        String orders = fresh("orders"), names = fresh("names"), out = fresh("out"), application = fresh("join");
        topics(orders, names, out);
        StreamsBuilder builder = new StreamsBuilder();
        var table = builder.<String, String>table(names,
            Materialized.<String, String>as(Stores.inMemoryKeyValueStore("names"))
                .withKeySerde(Serdes.String()).withValueSerde(Serdes.String()));
        builder.<String, String>stream(orders).join(table, (order, name) -> order + " for " + name).to(out);
        produce(names, "a=Ada", "b=Bob");
        KafkaStreams streams = start(application, builder.build());
        await(streams, KafkaStreams.State.RUNNING);
        produce(orders, "a=tea", "b=cake", "c=nothing");
        until(out, StringDeserializer.class, Map.of("a", "tea for Ada", "b", "cake for Bob"));
        close(streams);
    }

    /** Counts by key. At the key "fail" it waits until it is told, and dies of it. */
    static Topology dying(String in, String out, CountDownLatch told) {
        StreamsBuilder builder = new StreamsBuilder();
        builder.<String, String>stream(in)
            .peek((key, value) -> {
                if (key.equals("fail") && told != null) {
                    try {
                        told.await();
                    } catch (InterruptedException stopped) {
                        Thread.currentThread().interrupt();
                    }
                    throw new IllegalStateException("it dies, as it was told");
                }
            })
            .groupByKey()
            .count(Materialized.<String, Long>as(Stores.inMemoryKeyValueStore("counts"))
                .withKeySerde(Serdes.String()).withValueSerde(Serdes.Long()))
            .toStream()
            .to(out, Produced.with(Serdes.String(), Serdes.Long()));
        return builder.build();
    }

    /** Takes note of how many records its stores were restored by. */
    static void noteRestored(KafkaStreams streams, AtomicLong restored) {
        streams.setGlobalStateRestoreListener(new StateRestoreListener() {
            @Override
            public void onRestoreStart(TopicPartition part, String store, long from, long to) { }

            @Override
            public void onBatchRestored(TopicPartition part, String store, long to, long count) { }

            @Override
            public void onRestoreEnd(TopicPartition part, String store, long total) {
                restored.addAndGet(total);
            }
        });
    }

    static void exactlyOnce() throws Exception {
        String in = fresh("in"), out = fresh("out"), application = fresh("exactly-once");
        // One partition, so that the order of all is known.
        topics(1, in, out);
        Map<String, Object> exact = Map.of(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, StreamsConfig.EXACTLY_ONCE_V2,
            StreamsConfig.STATESTORE_CACHE_MAX_BYTES_CONFIG, 0);
        produce(in, "red=1", "green=2", "red=3");
        KafkaStreams first = create(application, dying(in, out, null), exact);
        first.start();
        counted(out, "read_committed", "red=1", "green=1", "red=2");
        close(first);

        // So long between commits that what it does is one transaction, in which it dies.
        Map<String, Object> slow = new HashMap<>(exact);
        slow.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, 50_000);
        slow.put("producer.transaction.timeout.ms", 60_000);
        CountDownLatch told = new CountDownLatch(1);
        produce(in, "red=4", "blue=5", "fail=6");
        KafkaStreams second = create(application, dying(in, out, told), slow);
        second.setUncaughtExceptionHandler(error -> StreamThreadExceptionResponse.SHUTDOWN_CLIENT);
        second.start();
        counted(out, "read_uncommitted", "red=1", "green=1", "red=2", "red=3", "blue=1");
        told.countDown();
        await(second, KafkaStreams.State.ERROR);
        close(second);
        counted(out, "read_committed", "red=1", "green=1", "red=2");

        // On another disk: its store is what the changelog has of committed transactions.
        AtomicLong restored = new AtomicLong();
        KafkaStreams third = create(application, dying(in, out, null), exact);
        noteRestored(third, restored);
        third.start();
        produce(in, "red=7");
        counted(out, "read_committed", "red=1", "green=1", "red=2", "red=3", "blue=1", "fail=1", "red=4");
        same("how many records the store was restored by", restored.get(), 3L);
        close(third);
        counted(out, "read_uncommitted", "red=1", "green=1", "red=2", "red=3", "blue=1", "red=3", "blue=1", "fail=1", "red=4");
    }

    public static void main(String[] arguments) {
        Map<String, Case> cases = new LinkedHashMap<>();
        cases.put("streams-count", Streams::count);
        cases.put("streams-restore", Streams::restore);
        cases.put("streams-share", Streams::share);
        cases.put("streams-join", Streams::join);
        cases.put("streams-exactly-once", Streams::exactlyOnce);
        run(cases, arguments);
        System.exit(0);
    }
}
