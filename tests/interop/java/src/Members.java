package kfake.interop;

import static kfake.interop.Cases.LIMIT;
import static kfake.interop.Cases.fresh;
import static kfake.interop.Cases.same;
import static kfake.interop.Client.consumer;
import static kfake.interop.Client.topic;

import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.BooleanSupplier;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.errors.WakeupException;

/** Members of a group, each polled by its own thread until it ends. */
final class Members implements AutoCloseable {
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
