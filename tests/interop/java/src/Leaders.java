package kfake.interop;

import static kfake.interop.Cases.ask;
import static kfake.interop.Cases.fresh;
import static kfake.interop.Cases.same;
import static kfake.interop.Cases.within;
import static kfake.interop.Client.consumer;
import static kfake.interop.Client.producer;
import static kfake.interop.Client.read;
import static kfake.interop.Client.readAll;
import static kfake.interop.Client.text;
import static kfake.interop.Client.topic;
import static kfake.interop.Client.values;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.Future;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.TopicPartition;

/** The case of leaders that move under an idempotent producer and a group. */
final class Leaders {
    private static final int ROUNDS = 3;
    private static final int BEFORE = 100;
    private static final int AFTER = 50;

    static void move() throws Exception {
        String name = topic(1);
        TopicPartition part = new TopicPartition(name, 0);
        List<Future<RecordMetadata>> sent = new ArrayList<>();
        List<String> found = new ArrayList<>();
        int all = 0;
        try (KafkaConsumer<byte[], byte[]> from = consumer(Map.of("group.id", fresh("group")));
            KafkaProducer<byte[], byte[]> to = producer(Map.of("enable.idempotence", true, "batch.size", 1000))) {
            from.subscribe(List.of(name));
            from.poll(Duration.ofMillis(100));
            for (int round = 0; round < ROUNDS; round++) {
                send(to, name, all, all + BEFORE, sent);
                ask("move " + name, "moved");
                if (round == 1) {
                    // The group's coordinator moves as well.
                    ask("move __consumer_offsets", "moved");
                }
                send(to, name, all + BEFORE, all + BEFORE + AFTER, sent);
                all += BEFORE + AFTER;
                for (Future<RecordMetadata> one : sent) {
                    within(one);
                }
                found.addAll(text(read(from, all - found.size())));
                same("what the member has", found, values(0, all));
                from.commitSync();
            }
            same("the committed offset", from.committed(Set.of(part)).get(part).offset(), (long) all);
        }
        List<Long> offsets = new ArrayList<>();
        List<Long> wanted = new ArrayList<>();
        for (Future<RecordMetadata> one : sent) {
            wanted.add((long) offsets.size());
            offsets.add(within(one).offset());
        }
        same("offsets", offsets, wanted);
        same("what the log has", text(readAll(name, all)), values(0, all));
    }

    private static void send(
        KafkaProducer<byte[], byte[]> to, String name, int from, int end, List<Future<RecordMetadata>> sent) {
        for (String value : values(from, end)) {
            sent.add(to.send(new ProducerRecord<>(name, 0, null, value.getBytes())));
        }
    }
}
