package kfake.interop;

import static kfake.interop.Cases.expect;
import static kfake.interop.Cases.fresh;
import static kfake.interop.Cases.same;
import static kfake.interop.Cases.within;
import static kfake.interop.Client.consumer;
import static kfake.interop.Client.produce;
import static kfake.interop.Client.producer;
import static kfake.interop.Client.read;
import static kfake.interop.Client.readAll;
import static kfake.interop.Client.text;
import static kfake.interop.Client.topic;
import static kfake.interop.Client.values;

import java.util.List;
import java.util.Map;
import java.util.Set;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.ProducerFencedException;

/** The cases of transactions. */
final class Transactions {
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
}
