// kafka-go.
package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"kfake.test/interop/cases"

	"github.com/segmentio/kafka-go"
)

func limited() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), cases.Limit)
}

func client() *kafka.Client {
	return &kafka.Client{Addr: kafka.TCP(cases.Servers()...), Timeout: cases.Limit}
}

// create makes a topic; an error is the one of the topic.
func create(name string, partitions int, config ...kafka.ConfigEntry) error {
	ctx, cancel := limited()
	defer cancel()
	topic := kafka.TopicConfig{Topic: name, NumPartitions: partitions, ReplicationFactor: 1, ConfigEntries: config}
	made, err := client().CreateTopics(ctx, &kafka.CreateTopicsRequest{Topics: []kafka.TopicConfig{topic}})
	if err != nil {
		return err
	}
	return made.Errors[name]
}

func topic(partitions int) (string, error) {
	name := cases.Fresh("kafka-go")
	return name, create(name, partitions)
}

func values(from, to int) []string {
	var all []string
	for n := from; n < to; n++ {
		all = append(all, fmt.Sprintf("value %d, which is long enough to be worth compressing", n))
	}
	return all
}

func messages(all []string) []kafka.Message {
	var made []kafka.Message
	for _, value := range all {
		made = append(made, kafka.Message{Value: []byte(value)})
	}
	return made
}

// to is a balancer that knows one partition.
type to int

func (partition to) Balance(kafka.Message, ...int) int { return int(partition) }

func send(name string, partition int, all []kafka.Message, change ...func(*kafka.Writer)) error {
	writer := &kafka.Writer{
		Addr: kafka.TCP(cases.Servers()...), Topic: name, Balancer: to(partition), RequiredAcks: kafka.RequireAll,
		BatchTimeout: 10 * time.Millisecond, BatchSize: 50,
	}
	for _, change := range change {
		change(writer)
	}
	ctx, cancel := limited()
	defer cancel()
	return errors.Join(writer.WriteMessages(ctx, all...), writer.Close())
}

func reader(name string, change ...func(*kafka.ReaderConfig)) *kafka.Reader {
	config := kafka.ReaderConfig{
		Brokers: cases.Servers(), Topic: name, MaxWait: 100 * time.Millisecond, MinBytes: 1, MaxBytes: 1 << 20,
		StartOffset: kafka.FirstOffset, HeartbeatInterval: 200 * time.Millisecond, SessionTimeout: cases.SessionTimeout,
		JoinGroupBackoff: 100 * time.Millisecond,
	}
	for _, change := range change {
		change(&config)
	}
	return kafka.NewReader(config)
}

func read(from *kafka.Reader, count int) ([]kafka.Message, error) {
	ctx, cancel := limited()
	defer cancel()
	var all []kafka.Message
	for len(all) < count {
		got, err := from.FetchMessage(ctx)
		if err != nil {
			return all, fmt.Errorf("%d of %d messages: %w", len(all), count, err)
		}
		all = append(all, got)
	}
	return all, nil
}

// readAll reads so many messages of partition 0.
func readAll(name string, count int) ([]kafka.Message, error) {
	from := reader(name)
	all, err := read(from, count)
	return all, errors.Join(err, from.Close())
}

func sameValues(all []kafka.Message, wanted []string) error {
	var got []string
	for _, one := range all {
		got = append(got, string(one.Value))
	}
	return cases.Same("values", got, wanted)
}

func compression(codec kafka.Compression) func() error {
	return func() error {
		name, err := topic(3)
		if err != nil {
			return err
		}
		err = send(name, 0, messages(values(0, 200)), func(writer *kafka.Writer) { writer.Compression = codec })
		if err != nil {
			return err
		}
		got, err := readAll(name, 200)
		if err != nil {
			return err
		}
		var offsets []int64
		for _, one := range got {
			offsets = append(offsets, one.Offset)
		}
		return errors.Join(cases.Same("offsets", offsets, cases.Numbers(200)), sameValues(got, values(0, 200)))
	}
}

func contents() error {
	name, err := topic(3)
	if err != nil {
		return err
	}
	first := kafka.Message{Key: []byte("k"), Value: []byte("v"), Headers: []kafka.Header{
		{Key: "a", Value: []byte("1")}, {Key: "a", Value: []byte{}}, {Key: "b", Value: nil}}}
	if err := send(name, 0, []kafka.Message{first, {Key: []byte("k")}, {Value: []byte{}}}); err != nil {
		return err
	}
	got, err := readAll(name, 3)
	if err != nil {
		return err
	}
	return errors.Join(
		cases.Same("the first record", []string{string(got[0].Key), string(got[0].Value)}, []string{"k", "v"}),
		cases.Same("the headers", len(got[0].Headers), 3),
		cases.Same("the first header", string(got[0].Headers[0].Value), "1"),
		cases.Same("the tombstone", string(got[1].Key) == "k" && got[1].Value == nil, true),
		cases.Same("the last value is empty", got[2].Key == nil && len(got[2].Value) == 0, true),
	)
}

func until(what string, look func() (bool, error)) error {
	for late := time.Now().Add(cases.Limit); time.Now().Before(late); time.Sleep(20 * time.Millisecond) {
		if done, err := look(); err != nil || done {
			return err
		}
	}
	return fmt.Errorf("not within %s: %s", cases.Limit, what)
}

func offsets(name string, asked ...kafka.OffsetRequest) (kafka.PartitionOffsets, error) {
	ctx, cancel := limited()
	defer cancel()
	found, err := client().ListOffsets(ctx, &kafka.ListOffsetsRequest{Topics: map[string][]kafka.OffsetRequest{name: asked}})
	if err != nil {
		return kafka.PartitionOffsets{}, err
	}
	return found.Topics[name][0], found.Topics[name][0].Error
}

func seek() error {
	name, err := topic(3)
	if err != nil {
		return err
	}
	if err := send(name, 0, messages(values(0, 10))); err != nil {
		return err
	}
	from := reader(name)
	if err := from.SetOffset(7); err != nil {
		return err
	}
	got, err := read(from, 3)
	if err := errors.Join(err, from.Close(), sameValues(got, values(7, 10))); err != nil {
		return err
	}
	ends, err := offsets(name, kafka.FirstOffsetOf(0), kafka.LastOffsetOf(0))
	return errors.Join(err, cases.Same("ends", []int64{ends.FirstOffset, ends.LastOffset}, []int64{0, 10}))
}

func timestamps() error {
	name, err := topic(3)
	if err != nil {
		return err
	}
	var made []kafka.Message
	for n := range int64(5) {
		made = append(made, kafka.Message{Value: []byte("v"), Time: time.UnixMilli(1_000_000 + n*1000)})
	}
	if err := send(name, 0, made); err != nil {
		return err
	}
	found, err := offsets(name, kafka.TimeOffsetOf(0, time.UnixMilli(1_001_500)))
	if err != nil {
		return err
	}
	if _, there := found.Offsets[2]; !there {
		return fmt.Errorf("the offset at that time: got %v, not 2", found.Offsets)
	}
	got, err := readAll(name, 5)
	var times []int64
	for _, one := range got {
		times = append(times, one.Time.UnixMilli())
	}
	return errors.Join(err, cases.Same("timestamps", times, []int64{1_000_000, 1_001_000, 1_002_000, 1_003_000, 1_004_000}))
}

func expect(wanted, err error) error {
	if !errors.Is(err, wanted) {
		return fmt.Errorf("got %v, not %v", err, wanted)
	}
	return nil
}

func unknownTopic() error {
	err := send(cases.Fresh("no-such-topic"), 0, messages(values(0, 1)), func(writer *kafka.Writer) { writer.MaxAttempts = 1 })
	return expect(kafka.UnknownTopicOrPartition, err)
}

func largeRecord() error {
	name := cases.Fresh("kafka-go")
	err := create(name, 3, kafka.ConfigEntry{ConfigName: "max.message.bytes", ConfigValue: "1000"})
	if err != nil {
		return err
	}
	err = send(name, 0, []kafka.Message{{Value: make([]byte, 2000)}})
	var several kafka.WriteErrors
	if errors.As(err, &several) {
		err = several[0]
	}
	return expect(kafka.MessageSizeTooLarge, err)
}

func returns() error {
	if err := send("returning", 0, messages([]string{"before"})); err != nil {
		return err
	}
	writer := &kafka.Writer{
		Addr: kafka.TCP(cases.Servers()...), Topic: "returning", Balancer: to(0), RequiredAcks: kafka.RequireAll,
		BatchTimeout: 10 * time.Millisecond, MaxAttempts: 300,
	}
	ctx, cancel := limited()
	defer cancel()
	if err := cases.StopCluster(); err != nil {
		return err
	}
	sent := make(chan error, 1)
	go func() { sent <- writer.WriteMessages(ctx, messages([]string{"after"})...) }()
	if err := cases.StartCluster(); err != nil {
		return err
	}
	if err := errors.Join(<-sent, writer.Close()); err != nil {
		return err
	}
	got, err := readAll("returning", 1)
	return errors.Join(err, sameValues(got, []string{"after"}))
}

// Its client has the requests of transactions, and no way to write records that carry a producer's id.
const noTransactions = "kafka-go has no transactional producer"

func main() {
	cases.Run([]cases.Case{
		{Name: "compression-none", Run: compression(0)},
		{Name: "compression-gzip", Run: compression(kafka.Gzip)},
		{Name: "compression-snappy", Run: compression(kafka.Snappy)},
		{Name: "compression-lz4", Run: compression(kafka.Lz4)},
		{Name: "compression-zstd", Run: compression(kafka.Zstd)},
		{Name: "keys-headers-tombstones", Run: contents},
		{Name: "idempotent", Run: cases.Skip("kafka-go has no idempotent producer")},
		{Name: "transaction-commit", Run: cases.Skip(noTransactions)},
		{Name: "transaction-abort", Run: cases.Skip(noTransactions)},
		{Name: "transaction-offsets", Run: cases.Skip(noTransactions)},
		{Name: "transaction-fenced", Run: cases.Skip(noTransactions)},
		{Name: "group-of-two", Run: groupOf(2)},
		{Name: "group-of-three", Run: groupOf(3)},
		{Name: "rebalance", Run: rebalance},
		{Name: "member-dies", Run: cases.Skip("kafka-go has no way to end a member without its farewell")},
		{Name: "static-member", Run: cases.Skip("kafka-go has no static members")},
		{Name: "commit-and-resume", Run: commit},
		{Name: "seek", Run: seek},
		{Name: "timestamps", Run: timestamps},
		{Name: "create-and-delete-topic", Run: topics},
		{Name: "configs", Run: configs},
		{Name: "delete-records", Run: cases.Skip("kafka-go has no function for it")},
		{Name: "compacted-topic", Run: compacted},
		{Name: "partitions-added", Run: partitionsAdded},
		{Name: "group-described", Run: groupDescribed},
		{Name: "group-deleted", Run: groupDeleted},
		{Name: "offsets-deleted", Run: offsetsDeleted},
		{Name: "describe-cluster", Run: describeCluster},
		{Name: "error-unknown-topic", Run: unknownTopic},
		{Name: "error-topic-exists", Run: existingTopic},
		{Name: "error-invalid-topic", Run: invalidTopic},
		{Name: "error-record-too-large", Run: largeRecord},
		{Name: "leaders-move", Run: cases.Skip("kafka-go has no idempotent producer")},
		{Name: "cluster-returns", Run: returns},
	})
}
