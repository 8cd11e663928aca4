package kfake.interop;

import static kfake.interop.Cases.expect;
import static kfake.interop.Cases.fresh;
import static kfake.interop.Cases.same;
import static kfake.interop.Cases.within;
import static kfake.interop.Client.admin;
import static kfake.interop.Client.consumer;
import static kfake.interop.Client.produce;
import static kfake.interop.Client.read;
import static kfake.interop.Client.text;
import static kfake.interop.Client.topic;
import static kfake.interop.Client.values;

import java.util.List;
import java.util.Map;
import java.util.Set;
import kfake.interop.Cases.Case;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.ConsumerGroupDescription;
import org.apache.kafka.clients.admin.MemberDescription;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.GroupIdNotFoundException;
import org.apache.kafka.common.errors.GroupNotEmptyException;
import org.apache.kafka.common.errors.GroupSubscribedToTopicException;

/** The cases of groups. */
final class Groups {
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
}
