// confluent-kafka-go: librdkafka from Go. Its versions 1 and 2 are two modules with the same interface; this program is written
// for version 1, and built for version 2 with the other import.
package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"kfake.test/interop/cases"

	"github.com/confluentinc/confluent-kafka-go/kafka"
)

const limitMs = int(cases.Limit / time.Millisecond)

func settings(given kafka.ConfigMap, more ...kafka.ConfigMap) *kafka.ConfigMap {
	servers := ""
	for n, server := range cases.Servers() {
		if n > 0 {
			servers += ","
		}
		servers += server
	}
	all := kafka.ConfigMap{"bootstrap.servers": servers}
	for _, some := range append([]kafka.ConfigMap{given}, more...) {
		for key, value := range some {
			all[key] = value
		}
	}
	return &all
}

func withAdmin(work func(*kafka.AdminClient) error) error {
	admin, err := kafka.NewAdminClient(settings(nil))
	if err != nil {
		return err
	}
	defer admin.Close()
	return work(admin)
}

// create makes a topic; an error is the one of the topic.
func create(name string, partitions int, config map[string]string) error {
	return withAdmin(func(admin *kafka.AdminClient) error {
		topic := kafka.TopicSpecification{Topic: name, NumPartitions: partitions, ReplicationFactor: 1, Config: config}
		made, err := admin.CreateTopics(context.Background(), []kafka.TopicSpecification{topic},
			kafka.SetAdminOperationTimeout(cases.Limit))
		if err != nil {
			return err
		}
		if made[0].Error.Code() != kafka.ErrNoError {
			return made[0].Error
		}
		return nil
	})
}

func topic(partitions int) (string, error) {
	name := cases.Fresh("confluent-go")
	return name, create(name, partitions, nil)
}

func values(from, to int) []string {
	var all []string
	for n := from; n < to; n++ {
		all = append(all, fmt.Sprintf("value %d, which is long enough to be worth compressing", n))
	}
	return all
}

func message(topic string, partition int32, value []byte) *kafka.Message {
	return &kafka.Message{TopicPartition: kafka.TopicPartition{Topic: &topic, Partition: partition}, Value: value}
}

// send gives the offsets, or the first error of a delivery.
func send(messages []*kafka.Message, config kafka.ConfigMap) ([]int64, error) {
	producer, err := kafka.NewProducer(settings(kafka.ConfigMap{"acks": "all"}, config))
	if err != nil {
		return nil, err
	}
	defer producer.Close()
	delivered := make(chan kafka.Event, len(messages))
	for _, message := range messages {
		if err := producer.Produce(message, delivered); err != nil {
			return nil, err
		}
	}
	return reports(delivered, len(messages))
}

func reports(delivered chan kafka.Event, count int) ([]int64, error) {
	var offsets []int64
	late := time.After(cases.Limit)
	for len(offsets) < count {
		select {
		case event := <-delivered:
			if message, ok := event.(*kafka.Message); ok {
				if message.TopicPartition.Error != nil {
					return nil, message.TopicPartition.Error
				}
				offsets = append(offsets, int64(message.TopicPartition.Offset))
			}
		case <-late:
			return nil, fmt.Errorf("%d of %d deliveries within %s", len(offsets), count, cases.Limit)
		}
	}
	return offsets, nil
}

func produce(name string, partition int32, all []string, config kafka.ConfigMap) ([]int64, error) {
	var messages []*kafka.Message
	for _, value := range all {
		messages = append(messages, message(name, partition, []byte(value)))
	}
	return send(messages, config)
}

func consumer(group string, more ...kafka.ConfigMap) (*kafka.Consumer, error) {
	return kafka.NewConsumer(settings(kafka.ConfigMap{
		"group.id":              group,
		"auto.offset.reset":     "earliest",
		"enable.auto.commit":    false,
		"heartbeat.interval.ms": 200,
		"session.timeout.ms":    6000,
	}, more...))
}

// poll gives the next message, or nil after a moment.
func poll(from *kafka.Consumer) (*kafka.Message, error) {
	got, err := from.ReadMessage(50 * time.Millisecond)
	var failed kafka.Error
	if errors.As(err, &failed) && failed.Code() == kafka.ErrTimedOut {
		return nil, nil
	}
	return got, err
}

func until(what string, look func() (bool, error)) error {
	for late := time.Now().Add(cases.Limit); time.Now().Before(late); {
		if done, err := look(); err != nil || done {
			return err
		}
	}
	return fmt.Errorf("not within %s: %s", cases.Limit, what)
}

func read(from *kafka.Consumer, count int) ([]*kafka.Message, error) {
	var messages []*kafka.Message
	err := until(fmt.Sprintf("%d messages", count), func() (bool, error) {
		got, err := poll(from)
		if got != nil {
			messages = append(messages, got)
		}
		return len(messages) >= count, err
	})
	return messages, err
}

func at(name string, offset int64) []kafka.TopicPartition {
	return []kafka.TopicPartition{{Topic: &name, Partition: 0, Offset: kafka.Offset(offset)}}
}

// readAll reads so many messages of partition 0.
func readAll(name string, count int) ([]*kafka.Message, error) {
	from, err := consumer(cases.Fresh("alone"))
	if err != nil {
		return nil, err
	}
	defer from.Close()
	if err := from.Assign(at(name, 0)); err != nil {
		return nil, err
	}
	return read(from, count)
}

func sameValues(messages []*kafka.Message, wanted []string) error {
	var got []string
	for _, message := range messages {
		got = append(got, string(message.Value))
	}
	return cases.Same("values", got, wanted)
}

func roundTrip(count int, config kafka.ConfigMap) error {
	name, err := topic(3)
	if err != nil {
		return err
	}
	offsets, err := produce(name, 0, values(0, count), config)
	if err != nil {
		return err
	}
	if err := cases.Same("offsets", offsets, cases.Numbers(count)); err != nil {
		return err
	}
	messages, err := readAll(name, count)
	if err != nil {
		return err
	}
	return sameValues(messages, values(0, count))
}

func compression(codec string) func() error {
	return func() error { return roundTrip(200, kafka.ConfigMap{"compression.type": codec, "linger.ms": 50}) }
}

func contents() error {
	name, err := topic(3)
	if err != nil {
		return err
	}
	first, tombstone, empty := message(name, 0, []byte("v")), message(name, 0, nil), message(name, 0, []byte{})
	first.Key, tombstone.Key = []byte("k"), []byte("k")
	first.Headers = []kafka.Header{{Key: "a", Value: []byte("1")}, {Key: "a", Value: []byte{}}, {Key: "b", Value: nil}}
	if _, err := send([]*kafka.Message{first, tombstone, empty}, nil); err != nil {
		return err
	}
	got, err := readAll(name, 3)
	if err != nil {
		return err
	}
	return errors.Join(
		cases.Same("the first key and value", []string{string(got[0].Key), string(got[0].Value)}, []string{"k", "v"}),
		cases.Same("the headers", len(got[0].Headers), 3),
		cases.Same("the first header", got[0].Headers[0].String(), "a=\"1\""),
		cases.Same("the tombstone's key", string(got[1].Key), "k"),
		cases.Same("the tombstone's value is null", got[1].Value == nil, true),
		cases.Same("the last value is empty", got[2].Key == nil && len(got[2].Value) == 0, true),
	)
}

func idempotent() error {
	return roundTrip(500, kafka.ConfigMap{"enable.idempotence": true, "batch.num.messages": 10})
}

func member(name, group string, config kafka.ConfigMap) (*kafka.Consumer, error) {
	from, err := consumer(group, config)
	if err != nil {
		return nil, err
	}
	return from, from.Subscribe(name, nil)
}

func members(name, group string, count int) ([]*kafka.Consumer, error) {
	var all []*kafka.Consumer
	for range count {
		one, err := member(name, group, nil)
		if err != nil {
			return nil, err
		}
		all = append(all, one)
	}
	return all, nil
}

func numbers(from *kafka.Consumer) ([]int32, error) {
	assigned, err := from.Assignment()
	var partitions []int32
	for _, part := range assigned {
		partitions = append(partitions, part.Partition)
	}
	slices.Sort(partitions)
	return partitions, err
}

// shared polls all until their assignments are disjoint and cover everything.
func shared(all []*kafka.Consumer, partitions int) error {
	return until(fmt.Sprintf("%d members share %d partitions", len(all), partitions), func() (bool, error) {
		taken, each := map[int32]bool{}, true
		count := 0
		for _, one := range all {
			if _, err := poll(one); err != nil {
				return false, err
			}
			assigned, err := numbers(one)
			if err != nil {
				return false, err
			}
			each = each && len(assigned) > 0
			count += len(assigned)
			for _, partition := range assigned {
				taken[partition] = true
			}
		}
		return each && len(taken) == count && count == partitions, nil
	})
}

func groupOf(count int) func() error {
	return func() error {
		name, err := topic(6)
		if err != nil {
			return err
		}
		all, err := members(name, cases.Fresh("group"), count)
		if err != nil {
			return err
		}
		if err := shared(all, 6); err != nil {
			return err
		}
		for partition := range int32(6) {
			if _, err := produce(name, partition, []string{fmt.Sprint(partition)}, nil); err != nil {
				return err
			}
		}
		var got []string
		err = until("every record arrives", func() (bool, error) {
			for _, one := range all {
				message, err := poll(one)
				if err != nil {
					return false, err
				}
				if message != nil {
					got = append(got, string(message.Value))
				}
			}
			return len(got) >= 6, nil
		})
		slices.Sort(got)
		return errors.Join(err, cases.Same("values", got, []string{"0", "1", "2", "3", "4", "5"}), closeAll(all))
	}
}

func closeAll(all []*kafka.Consumer) error {
	var errs []error
	for _, one := range all {
		errs = append(errs, one.Close())
	}
	return errors.Join(errs...)
}

func rebalance() error {
	name, err := topic(6)
	if err != nil {
		return err
	}
	group := cases.Fresh("group")
	all, err := members(name, group, 2)
	if err != nil {
		return err
	}
	if err := shared(all, 6); err != nil {
		return err
	}
	third, err := members(name, group, 1)
	if err != nil {
		return err
	}
	all = append(all, third...)
	if err := shared(all, 6); err != nil {
		return err
	}
	if err := all[0].Close(); err != nil {
		return err
	}
	return errors.Join(shared(all[1:], 6), closeAll(all[1:]))
}

func memberDies() error {
	name, err := topic(4)
	if err != nil {
		return err
	}
	group := cases.Fresh("group")
	// It stops polling, and so is taken out of the group by librdkafka itself after that long.
	dying, err := member(name, group, kafka.ConfigMap{"max.poll.interval.ms": 6000})
	if err != nil {
		return err
	}
	if err := shared([]*kafka.Consumer{dying}, 4); err != nil {
		return err
	}
	left, err := member(name, group, nil)
	if err != nil {
		return err
	}
	if err := shared([]*kafka.Consumer{dying, left}, 4); err != nil {
		return err
	}
	return errors.Join(shared([]*kafka.Consumer{left}, 4), left.Close(), dying.Close())
}

func staticMember() error {
	name, err := topic(4)
	if err != nil {
		return err
	}
	group := cases.Fresh("group")
	first, err := member(name, group, kafka.ConfigMap{"group.instance.id": "instance-1"})
	if err != nil {
		return err
	}
	second, err := member(name, group, kafka.ConfigMap{"group.instance.id": "instance-2"})
	if err != nil {
		return err
	}
	if err := shared([]*kafka.Consumer{first, second}, 4); err != nil {
		return err
	}
	before, err := numbers(first)
	if err != nil {
		return err
	}
	// A static member that closes stays in its group.
	if err := first.Close(); err != nil {
		return err
	}
	again, err := member(name, group, kafka.ConfigMap{"group.instance.id": "instance-1"})
	if err != nil {
		return err
	}
	if err := shared([]*kafka.Consumer{again, second}, 4); err != nil {
		return err
	}
	after, err := numbers(again)
	return errors.Join(err, cases.Same("the assignment that it finds again", after, before), again.Close(), second.Close())
}

func commit() error {
	name, err := topic(1)
	if err != nil {
		return err
	}
	group := cases.Fresh("group")
	if _, err := produce(name, 0, values(0, 10), nil); err != nil {
		return err
	}
	from, err := member(name, group, nil)
	if err != nil {
		return err
	}
	if _, err := read(from, 5); err != nil {
		return err
	}
	if _, err := from.CommitOffsets(at(name, 5)); err != nil {
		return err
	}
	committed, err := from.Committed(at(name, 0), limitMs)
	if err != nil {
		return err
	}
	if err := errors.Join(cases.Same("the committed offset", committed[0].Offset, kafka.Offset(5)), from.Close()); err != nil {
		return err
	}
	if from, err = member(name, group, nil); err != nil {
		return err
	}
	rest, err := read(from, 5)
	return errors.Join(err, sameValues(rest, values(5, 10)), from.Close())
}

func seek() error {
	name, err := topic(3)
	if err != nil {
		return err
	}
	if _, err := produce(name, 0, values(0, 10), nil); err != nil {
		return err
	}
	from, err := consumer(cases.Fresh("alone"))
	if err != nil {
		return err
	}
	defer from.Close()
	if err := from.Assign(at(name, 0)); err != nil {
		return err
	}
	if _, err := read(from, 10); err != nil {
		return err
	}
	if err := from.Seek(at(name, 7)[0], 0); err != nil {
		return err
	}
	messages, err := read(from, 3)
	if err != nil {
		return err
	}
	low, high, err := from.QueryWatermarkOffsets(name, 0, limitMs)
	return errors.Join(err, sameValues(messages, values(7, 10)), cases.Same("watermarks", []int64{low, high}, []int64{0, 10}))
}

func timestamps() error {
	name, err := topic(3)
	if err != nil {
		return err
	}
	var messages []*kafka.Message
	for n := range int64(5) {
		one := message(name, 0, []byte(fmt.Sprint(n)))
		one.Timestamp = time.UnixMilli(1_000_000 + n*1000)
		messages = append(messages, one)
	}
	if _, err := send(messages, nil); err != nil {
		return err
	}
	from, err := consumer(cases.Fresh("alone"))
	if err != nil {
		return err
	}
	defer from.Close()
	found, err := from.OffsetsForTimes(at(name, 1_001_500), limitMs)
	if err != nil {
		return err
	}
	got, err := readAll(name, 5)
	if err != nil {
		return err
	}
	var times []int64
	for _, message := range got {
		times = append(times, message.Timestamp.UnixMilli())
	}
	return errors.Join(
		cases.Same("the offset at that time", found[0].Offset, kafka.Offset(2)),
		cases.Same("timestamps", times, []int64{1_000_000, 1_001_000, 1_002_000, 1_003_000, 1_004_000}))
}

func topics() error {
	name, err := topic(5)
	if err != nil {
		return err
	}
	return withAdmin(func(admin *kafka.AdminClient) error {
		known, err := admin.GetMetadata(&name, false, limitMs)
		if err != nil {
			return err
		}
		if err := cases.Same("partitions", len(known.Topics[name].Partitions), 5); err != nil {
			return err
		}
		gone, err := admin.DeleteTopics(context.Background(), []string{name}, kafka.SetAdminOperationTimeout(cases.Limit))
		if err != nil {
			return err
		}
		if err := cases.Same("the deletion", gone[0].Error.Code(), kafka.ErrNoError); err != nil {
			return err
		}
		return until("the topic is gone", func() (bool, error) {
			known, err := admin.GetMetadata(nil, true, limitMs)
			if err != nil {
				return false, err
			}
			_, there := known.Topics[name]
			return !there, nil
		})
	})
}

func expect(code kafka.ErrorCode, err error) error {
	var failed kafka.Error
	if !errors.As(err, &failed) {
		return fmt.Errorf("got %v, not error %v", err, code)
	}
	return cases.Same("the error", failed.Code(), code)
}

func unknownTopic() error {
	from, err := member(cases.Fresh("no-such-topic"), cases.Fresh("group"), nil)
	if err != nil {
		return err
	}
	defer from.Close()
	err = until("an error", func() (bool, error) {
		_, err := poll(from)
		return false, err
	})
	return expect(kafka.ErrUnknownTopicOrPart, err)
}

func existingTopic() error {
	name, err := topic(1)
	if err != nil {
		return err
	}
	return expect(kafka.ErrTopicAlreadyExists, create(name, 1, nil))
}

func invalidTopic() error { return expect(kafka.ErrTopicException, create("not/a/name", 1, nil)) }

func largeRecord() error {
	name := cases.Fresh("confluent-go")
	if err := create(name, 3, map[string]string{"max.message.bytes": "1000"}); err != nil {
		return err
	}
	_, err := send([]*kafka.Message{message(name, 0, make([]byte, 2000))}, nil)
	return expect(kafka.ErrMsgSizeTooLarge, err)
}

func returns() error {
	producer, err := kafka.NewProducer(settings(kafka.ConfigMap{"message.timeout.ms": limitMs}))
	if err != nil {
		return err
	}
	defer producer.Close()
	delivered := make(chan kafka.Event, 2)
	for _, value := range []string{"before", "after"} {
		if value == "after" {
			if err := cases.StopCluster(); err != nil {
				return err
			}
		}
		if err := producer.Produce(message("returning", 0, []byte(value)), delivered); err != nil {
			return err
		}
		if value == "after" {
			if err := cases.StartCluster(); err != nil {
				return err
			}
		}
		if _, err := reports(delivered, 1); err != nil {
			return err
		}
	}
	messages, err := readAll("returning", 1)
	return errors.Join(err, sameValues(messages, []string{"after"}))
}

func transactional(id string) (*kafka.Producer, error) {
	to, err := kafka.NewProducer(settings(kafka.ConfigMap{"transactional.id": id}))
	if err != nil {
		return nil, err
	}
	ctx, cancel := limited()
	defer cancel()
	return to, to.InitTransactions(ctx)
}

func limited() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), cases.Limit)
}

// sendIn sends within a transaction that the caller has begun.
func sendIn(to *kafka.Producer, name string, all ...string) error {
	delivered := make(chan kafka.Event, len(all))
	for _, value := range all {
		if err := to.Produce(message(name, 0, []byte(value)), delivered); err != nil {
			return err
		}
	}
	_, err := reports(delivered, len(all))
	return err
}

// transact sends within a transaction, and ends it.
func transact(to *kafka.Producer, end func(context.Context) error, name string, all ...string) error {
	if err := to.BeginTransaction(); err != nil {
		return err
	}
	if err := sendIn(to, name, all...); err != nil {
		return err
	}
	ctx, cancel := limited()
	defer cancel()
	return end(ctx)
}

// committed is what a consumer of committed records alone reads.
func committed(name string, wanted ...string) error {
	from, err := consumer(cases.Fresh("alone"), kafka.ConfigMap{"isolation.level": "read_committed"})
	if err != nil {
		return err
	}
	defer from.Close()
	if err := from.Assign(at(name, 0)); err != nil {
		return err
	}
	messages, err := read(from, len(wanted))
	return errors.Join(err, sameValues(messages, wanted))
}

// committedEnd is the offset up to which such a consumer may read.
func committedEnd(name string, wanted int64) error {
	from, err := consumer(cases.Fresh("alone"), kafka.ConfigMap{"isolation.level": "read_committed"})
	if err != nil {
		return err
	}
	defer from.Close()
	_, end, err := from.QueryWatermarkOffsets(name, 0, limitMs)
	return errors.Join(err, cases.Same("the end of what is committed", end, wanted))
}

// inTransactions is a case of a transactional producer and a topic of its own.
func inTransactions(run func(*kafka.Producer, string) error) func() error {
	return func() error {
		name, err := topic(1)
		if err != nil {
			return err
		}
		to, err := transactional(cases.Fresh("transactional"))
		if err != nil {
			return err
		}
		defer to.Close()
		return run(to, name)
	}
}

func transactionCommit(to *kafka.Producer, name string) error {
	if err := to.BeginTransaction(); err != nil {
		return err
	}
	if err := errors.Join(sendIn(to, name, "a", "b"), committedEnd(name, 0)); err != nil {
		return err
	}
	ctx, cancel := limited()
	defer cancel()
	if err := to.CommitTransaction(ctx); err != nil {
		return err
	}
	if err := committed(name, "a", "b"); err != nil {
		return err
	}
	if err := transact(to, to.CommitTransaction, name, "c"); err != nil {
		return err
	}
	return errors.Join(committed(name, "a", "b", "c"), committedEnd(name, 5))
}

func transactionAbort(to *kafka.Producer, name string) error {
	if err := transact(to, to.AbortTransaction, name, "a", "b"); err != nil {
		return err
	}
	if err := transact(to, to.CommitTransaction, name, "c"); err != nil {
		return err
	}
	return committed(name, "c")
}

func transactionOffsets(to *kafka.Producer, name string) error {
	into, err := topic(1)
	if err != nil {
		return err
	}
	if _, err := produce(name, 0, []string{"0", "1", "2", "3", "4", "5"}, nil); err != nil {
		return err
	}
	from, err := member(name, cases.Fresh("group"), nil)
	if err != nil {
		return err
	}
	defer from.Close()
	for _, end := range []func(context.Context) error{to.CommitTransaction, to.AbortTransaction} {
		messages, err := read(from, 3)
		if err != nil {
			return err
		}
		var results []string
		for _, one := range messages {
			results = append(results, "from "+string(one.Value))
		}
		group, err := from.GetConsumerGroupMetadata()
		if err != nil {
			return err
		}
		next := at(name, int64(messages[2].TopicPartition.Offset)+1)
		err = transact(to, func(ctx context.Context) error {
			return errors.Join(to.SendOffsetsToTransaction(ctx, next, group), end(ctx))
		}, into, results...)
		if err != nil {
			return err
		}
	}
	offsets, err := from.Committed(at(name, 0), limitMs)
	if err != nil {
		return err
	}
	return errors.Join(cases.Same("the committed offset", offsets[0].Offset, kafka.Offset(3)),
		committed(into, "from 0", "from 1", "from 2"))
}

func transactionFenced() error {
	name, err := topic(1)
	if err != nil {
		return err
	}
	id := cases.Fresh("transactional")
	first, err := transactional(id)
	if err != nil {
		return err
	}
	defer first.Close()
	if err := errors.Join(first.BeginTransaction(), sendIn(first, name, "of the first")); err != nil {
		return err
	}
	second, err := transactional(id)
	if err != nil {
		return err
	}
	defer second.Close()
	ctx, cancel := limited()
	defer cancel()
	if err := expect(kafka.ErrFenced, first.CommitTransaction(ctx)); err != nil {
		return err
	}
	if err := transact(second, second.CommitTransaction, name, "of the second"); err != nil {
		return err
	}
	return committed(name, "of the second")
}

func configs() error {
	name := cases.Fresh("confluent-go")
	if err := create(name, 1, map[string]string{"retention.ms": "1000"}); err != nil {
		return err
	}
	ctx, cancel := limited()
	defer cancel()
	return withAdmin(func(admin *kafka.AdminClient) error {
		described := func(kind kafka.ResourceType, of string) (map[string]kafka.ConfigEntryResult, error) {
			found, err := admin.DescribeConfigs(ctx, []kafka.ConfigResource{{Type: kind, Name: of}})
			if err != nil {
				return nil, err
			}
			return found[0].Config, noError(found[0].Error)
		}
		alter := func(key, value string) error {
			change := kafka.StringMapToConfigEntries(map[string]string{key: value}, kafka.AlterOperationSet)
			done, err := admin.AlterConfigs(ctx, []kafka.ConfigResource{{Type: kafka.ResourceTopic, Name: name, Config: change}})
			if err != nil {
				return err
			}
			return noError(done[0].Error)
		}
		before, err := described(kafka.ResourceTopic, name)
		if err != nil {
			return err
		}
		if err := cases.Same("the topic's own value", before["retention.ms"].Value, "1000"); err != nil {
			return err
		}
		if err := alter("max.message.bytes", "1000"); err != nil {
			return err
		}
		after, err := described(kafka.ResourceTopic, name)
		if err != nil {
			return err
		}
		broker, err := described(kafka.ResourceBroker, "1")
		if err != nil {
			return err
		}
		return errors.Join(cases.Same("what was set", after["max.message.bytes"].Value, "1000"),
			cases.Same("where what was replaced is from", after["retention.ms"].Source, kafka.ConfigSourceDefault),
			expect(kafka.ErrInvalidConfig, alter("retention.ms", "soon")),
			cases.Same("the broker's id", broker["node.id"].Value, "1"),
			cases.Same("whether a secret is shown", broker["ssl.key.password"].Value, ""))
	})
}

// noError is nil where the error that librdkafka gives is none.
func noError(err kafka.Error) error {
	if err.Code() == kafka.ErrNoError {
		return nil
	}
	return err
}

func compacted() error {
	name := cases.Fresh("confluent-go")
	if err := create(name, 1, cases.CompactedTopic); err != nil {
		return err
	}
	write := func(ms int64, batch []cases.Pair) error {
		var messages []*kafka.Message
		for _, pair := range batch {
			one := message(name, 0, pair.Value)
			one.Key, one.Timestamp = pair.Key, time.UnixMilli(ms)
			messages = append(messages, one)
		}
		_, err := send(messages, nil)
		return err
	}
	return cases.Compacted(write, func(last int64) ([]string, error) {
		from, err := consumer(cases.Fresh("alone"))
		if err != nil {
			return nil, err
		}
		defer from.Close()
		if err := from.Assign(at(name, 0)); err != nil {
			return nil, err
		}
		var found []string
		for offset := int64(-1); offset < last; {
			got, err := read(from, 1)
			if err != nil {
				return nil, err
			}
			offset = int64(got[0].TopicPartition.Offset)
			found = append(found, cases.Entry(offset, got[0].Key, got[0].Value))
		}
		return found, nil
	})
}

func partitionsAdded() error {
	name, err := topic(1)
	if err != nil {
		return err
	}
	refresh := kafka.ConfigMap{"topic.metadata.refresh.interval.ms": 200}
	from, err := member(name, cases.Fresh("group"), refresh)
	if err != nil {
		return err
	}
	defer from.Close()
	if err := shared([]*kafka.Consumer{from}, 1); err != nil {
		return err
	}
	to, err := kafka.NewProducer(settings(refresh, kafka.ConfigMap{"partitioner": "random"}))
	if err != nil {
		return err
	}
	defer to.Close()
	produce := func() error {
		delivered := make(chan kafka.Event, 1)
		if err := to.Produce(message(name, kafka.PartitionAny, []byte("v")), delivered); err != nil {
			return err
		}
		_, err := reports(delivered, 1)
		return err
	}
	if err := produce(); err != nil {
		return err
	}
	err = withAdmin(func(admin *kafka.AdminClient) error {
		more := []kafka.PartitionsSpecification{{Topic: name, IncreaseTo: 3}}
		made, err := admin.CreatePartitions(context.Background(), more, kafka.SetAdminOperationTimeout(cases.Limit))
		if err != nil {
			return err
		}
		return noError(made[0].Error)
	})
	if err != nil {
		return err
	}
	reached := map[int32]bool{}
	err = until("a record by each of three partitions", func() (bool, error) {
		if err := produce(); err != nil {
			return false, err
		}
		got, err := poll(from)
		if got != nil {
			reached[got.TopicPartition.Partition] = true
		}
		return len(reached) == 3, err
	})
	return errors.Join(err, shared([]*kafka.Consumer{from}, 3))
}

func describeCluster() error {
	ctx, cancel := limited()
	defer cancel()
	return withAdmin(func(admin *kafka.AdminClient) error {
		id, err := admin.ClusterID(ctx)
		if err != nil {
			return err
		}
		controller, err := admin.ControllerID(ctx)
		if err != nil {
			return err
		}
		known, err := admin.GetMetadata(nil, true, limitMs)
		if err != nil {
			return err
		}
		ports := map[int]int{}
		for _, broker := range known.Brokers {
			ports[int(broker.ID)] = broker.Port
		}
		return errors.Join(cases.SameCluster(id, ports, int(controller)), describedToo(admin, id))
	})
}

func main() {
	cases.Run([]cases.Case{
		{Name: "compression-none", Run: compression("none")},
		{Name: "compression-gzip", Run: compression("gzip")},
		{Name: "compression-snappy", Run: compression("snappy")},
		{Name: "compression-lz4", Run: compression("lz4")},
		{Name: "compression-zstd", Run: compression("zstd")},
		{Name: "keys-headers-tombstones", Run: contents},
		{Name: "idempotent", Run: idempotent},
		{Name: "transaction-commit", Run: inTransactions(transactionCommit)},
		{Name: "transaction-abort", Run: inTransactions(transactionAbort)},
		{Name: "transaction-offsets", Run: inTransactions(transactionOffsets)},
		{Name: "transaction-fenced", Run: transactionFenced},
		{Name: "group-of-two", Run: groupOf(2)},
		{Name: "group-of-three", Run: groupOf(3)},
		{Name: "rebalance", Run: rebalance},
		{Name: "member-dies", Run: memberDies},
		{Name: "static-member", Run: staticMember},
		{Name: "commit-and-resume", Run: commit},
		{Name: "seek", Run: seek},
		{Name: "timestamps", Run: timestamps},
		{Name: "create-and-delete-topic", Run: topics},
		{Name: "configs", Run: configs},
		{Name: "delete-records", Run: deleteRecords},
		{Name: "compacted-topic", Run: compacted},
		{Name: "partitions-added", Run: partitionsAdded},
		{Name: "group-described", Run: groupDescribed},
		{Name: "group-deleted", Run: groupDeleted},
		{Name: "offsets-deleted", Run: cases.Skip("confluent-kafka-go has no function for it")},
		{Name: "describe-cluster", Run: describeCluster},
		{Name: "error-unknown-topic", Run: unknownTopic},
		{Name: "error-topic-exists", Run: existingTopic},
		{Name: "error-invalid-topic", Run: invalidTopic},
		{Name: "error-record-too-large", Run: largeRecord},
		{Name: "cluster-returns", Run: returns},
	})
}
