// confluent-kafka-go: librdkafka from Go. Its versions 1 and 2 are two modules with the same interface; this program is written
// for version 1, and built for version 2 with the other import.
package main

import (
	"errors"
	"fmt"
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
		"session.timeout.ms":    int(cases.SessionTimeout.Milliseconds()),
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
func readAll(name string, count int, more ...kafka.ConfigMap) ([]*kafka.Message, error) {
	from, err := consumer(cases.Fresh("alone"), more...)
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

func main() {
	cases.Run([]cases.Case{
		{Name: "compression-none", Run: compression("none")},
		{Name: "compression-gzip", Run: compression("gzip")},
		{Name: "compression-snappy", Run: compression("snappy")},
		{Name: "compression-lz4", Run: compression("lz4")},
		{Name: "compression-zstd", Run: compression("zstd")},
		{Name: "keys-headers-tombstones", Run: contents},
		{Name: "idempotent", Run: idempotent},
		{Name: "transaction-commit", Run: transactions.Commit},
		{Name: "transaction-abort", Run: transactions.Abort},
		{Name: "transaction-offsets", Run: transactions.Offsets},
		{Name: "transaction-fenced", Run: transactions.Fenced},
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
		{Name: "leaders-move", Run: leadersMove},
		{Name: "cluster-returns", Run: returns},
	})
}
