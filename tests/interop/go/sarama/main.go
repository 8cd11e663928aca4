// sarama.
package main

import (
	"errors"
	"fmt"
	"os"
	"time"

	"kfake.test/interop/cases"

	"github.com/IBM/sarama"
)

func config(change ...func(*sarama.Config)) *sarama.Config {
	config := sarama.NewConfig()
	config.Version = sarama.V2_8_0_0
	// The release whose brokers it is to expect, as an old program's configuration has it.
	if version := os.Getenv("SARAMA_VERSION"); version != "" {
		var err error
		if config.Version, err = sarama.ParseKafkaVersion(version); err != nil {
			panic(err)
		}
	}
	config.Producer.RequiredAcks = sarama.WaitForAll
	config.Producer.Return.Successes = true
	config.Producer.Partitioner = sarama.NewManualPartitioner
	config.Consumer.Offsets.Initial = sarama.OffsetOldest
	config.Consumer.Offsets.AutoCommit.Enable = false
	config.Consumer.Group.Heartbeat.Interval = 200 * time.Millisecond
	config.Consumer.Group.Session.Timeout = cases.SessionTimeout
	config.Consumer.Return.Errors = true
	for _, change := range change {
		change(config)
	}
	return config
}

// since is a case that sarama itself refuses where it is told that its brokers are older.
func since(version sarama.KafkaVersion, run func() error) func() error {
	if config().Version.IsAtLeast(version) {
		return run
	}
	return cases.Skip(fmt.Sprintf("sarama refuses it of brokers before %s", version))
}

func withAdmin(work func(sarama.ClusterAdmin) error) error {
	admin, err := sarama.NewClusterAdmin(cases.Servers(), config())
	if err != nil {
		return err
	}
	return errors.Join(work(admin), admin.Close())
}

func create(name string, partitions int32, settings map[string]*string) error {
	return withAdmin(func(admin sarama.ClusterAdmin) error {
		return admin.CreateTopic(name, &sarama.TopicDetail{
			NumPartitions: partitions, ReplicationFactor: 1, ConfigEntries: settings}, false)
	})
}

func topic(partitions int32) (string, error) {
	name := cases.Fresh("sarama")
	return name, create(name, partitions, nil)
}

func value(n int) string {
	return fmt.Sprintf("value %d, which is long enough to be worth compressing", n)
}

func values(from, to int) []string {
	var all []string
	for n := from; n < to; n++ {
		all = append(all, value(n))
	}
	return all
}

// produce sends to one partition, and gives the offsets.
func produce(name string, partition int32, all []string, change ...func(*sarama.Config)) ([]int64, error) {
	var messages []*sarama.ProducerMessage
	for _, value := range all {
		messages = append(messages, &sarama.ProducerMessage{
			Topic: name, Partition: partition, Value: sarama.StringEncoder(value)})
	}
	return send(messages, change...)
}

func send(messages []*sarama.ProducerMessage, change ...func(*sarama.Config)) ([]int64, error) {
	to, err := sarama.NewSyncProducer(cases.Servers(), config(change...))
	if err != nil {
		return nil, err
	}
	err = to.SendMessages(messages)
	var several sarama.ProducerErrors
	if errors.As(err, &several) {
		err = several[0].Err
	}
	var offsets []int64
	for _, message := range messages {
		offsets = append(offsets, message.Offset)
	}
	return offsets, errors.Join(err, to.Close())
}

// read gives so many messages of one partition, from an offset on.
func read(name string, at int64, count int, change ...func(*sarama.Config)) ([]*sarama.ConsumerMessage, error) {
	left := count
	return readUntil(name, at, func(*sarama.ConsumerMessage) bool {
		left--
		return left == 0
	}, change...)
}

func readUntil(
	name string, at int64, isLast func(*sarama.ConsumerMessage) bool, change ...func(*sarama.Config),
) ([]*sarama.ConsumerMessage, error) {
	from, err := sarama.NewConsumer(cases.Servers(), config(change...))
	if err != nil {
		return nil, err
	}
	defer from.Close()
	part, err := from.ConsumePartition(name, 0, at)
	if err != nil {
		return nil, err
	}
	defer part.Close()
	late := time.After(cases.Limit)
	var messages []*sarama.ConsumerMessage
	for {
		select {
		case message := <-part.Messages():
			messages = append(messages, message)
			if isLast(message) {
				return messages, nil
			}
		case err := <-part.Errors():
			return nil, err
		case <-late:
			return nil, fmt.Errorf("%d messages, and not the last, within %s", len(messages), cases.Limit)
		}
	}
}

func sameValues(messages []*sarama.ConsumerMessage, wanted []string) error {
	var got []string
	for _, message := range messages {
		got = append(got, string(message.Value))
	}
	return cases.Same("values", got, wanted)
}

func roundTrip(count int, change ...func(*sarama.Config)) error {
	name, err := topic(3)
	if err != nil {
		return err
	}
	offsets, err := produce(name, 0, values(0, count), change...)
	if err != nil {
		return err
	}
	if err := cases.Same("offsets", offsets, cases.Numbers(count)); err != nil {
		return err
	}
	messages, err := read(name, sarama.OffsetOldest, count)
	if err != nil {
		return err
	}
	return sameValues(messages, values(0, count))
}

func compression(codec sarama.CompressionCodec) func() error {
	return func() error {
		return roundTrip(200, func(config *sarama.Config) {
			config.Producer.Compression = codec
			config.Producer.Flush.Frequency = 20 * time.Millisecond
		})
	}
}

func idempotent() error {
	return roundTrip(500, func(config *sarama.Config) {
		config.Producer.Idempotent = true
		config.Net.MaxOpenRequests = 1
		config.Producer.Flush.MaxMessages = 20
	})
}

func contents() error {
	name, err := topic(1)
	if err != nil {
		return err
	}
	headers := []sarama.RecordHeader{{Key: []byte("a"), Value: []byte("1")}, {Key: []byte("a"), Value: []byte("2")}}
	_, err = send([]*sarama.ProducerMessage{
		{Topic: name, Key: sarama.StringEncoder("k"), Value: sarama.StringEncoder("v"), Headers: headers},
		{Topic: name, Key: sarama.StringEncoder("k")},
		{Topic: name, Value: sarama.StringEncoder("")},
	})
	if err != nil {
		return err
	}
	messages, err := read(name, sarama.OffsetOldest, 3)
	if err != nil {
		return err
	}
	var got []sarama.RecordHeader
	for _, header := range messages[0].Headers {
		got = append(got, *header)
	}
	return errors.Join(
		cases.Same("the first record", string(messages[0].Key)+string(messages[0].Value), "kv"),
		cases.Same("its headers", got, headers),
		cases.Same("the tombstone has no value", messages[1].Value == nil, true),
		cases.Same("the empty value", messages[2].Value, []byte{}),
		cases.Same("its key is none", messages[2].Key == nil, true))
}

func withClient(work func(sarama.Client) error) error {
	connection, err := sarama.NewClient(cases.Servers(), config())
	if err != nil {
		return err
	}
	return errors.Join(work(connection), connection.Close())
}

func seek() error {
	name, err := topic(1)
	if err != nil {
		return err
	}
	if _, err := produce(name, 0, values(0, 10)); err != nil {
		return err
	}
	messages, err := read(name, 7, 3)
	if err != nil {
		return err
	}
	return withClient(func(connection sarama.Client) error {
		first, err := connection.GetOffset(name, 0, sarama.OffsetOldest)
		if err != nil {
			return err
		}
		next, err := connection.GetOffset(name, 0, sarama.OffsetNewest)
		return errors.Join(err, sameValues(messages, values(7, 10)),
			cases.Same("first and next offset", []int64{first, next}, []int64{0, 10}))
	})
}

func timestamps() error {
	name, err := topic(1)
	if err != nil {
		return err
	}
	var messages []*sarama.ProducerMessage
	var times []int64
	for n := range int64(5) {
		times = append(times, 1_000_000+n*1000)
		messages = append(messages, &sarama.ProducerMessage{Topic: name, Timestamp: time.UnixMilli(times[n])})
	}
	if _, err := send(messages); err != nil {
		return err
	}
	found, err := read(name, sarama.OffsetOldest, 5)
	if err != nil {
		return err
	}
	var got []int64
	for _, message := range found {
		got = append(got, message.Timestamp.UnixMilli())
	}
	return withClient(func(connection sarama.Client) error {
		at, err := connection.GetOffset(name, 0, 1_001_500)
		return errors.Join(err, cases.Same("the offset at that time", at, int64(2)), cases.Same("timestamps", got, times))
	})
}

func expect(wanted error, got error) error {
	if !errors.Is(got, wanted) {
		return fmt.Errorf("the error: got %v, not %v", got, wanted)
	}
	return nil
}

func unknownTopic() error {
	_, err := produce(cases.Fresh("no-such-topic"), 0, values(0, 1), func(config *sarama.Config) {
		config.Metadata.Retry.Max = 1
		config.Producer.Retry.Max = 1
	})
	return expect(sarama.ErrUnknownTopicOrPartition, err)
}

func largeRecord() error {
	limit, name := "1000", cases.Fresh("sarama")
	if err := create(name, 1, map[string]*string{"max.message.bytes": &limit}); err != nil {
		return err
	}
	_, err := produce(name, 0, []string{string(make([]byte, 2000))})
	return expect(sarama.ErrMessageSizeTooLarge, err)
}

func returns() error {
	to, err := sarama.NewAsyncProducer(cases.Servers(), config(func(config *sarama.Config) {
		config.Producer.Retry.Max = 300
		config.Producer.Retry.Backoff = 100 * time.Millisecond
		config.Metadata.Retry.Max = 300
		config.Metadata.Retry.Backoff = 100 * time.Millisecond
	}))
	if err != nil {
		return err
	}
	defer to.Close()
	delivered := func() error {
		select {
		case <-to.Successes():
			return nil
		case failed := <-to.Errors():
			return failed.Err
		case <-time.After(cases.Limit):
			return fmt.Errorf("not delivered within %s", cases.Limit)
		}
	}
	to.Input() <- &sarama.ProducerMessage{Topic: "returning", Value: sarama.StringEncoder("before")}
	if err := delivered(); err != nil {
		return err
	}
	if err := cases.StopCluster(); err != nil {
		return err
	}
	to.Input() <- &sarama.ProducerMessage{Topic: "returning", Value: sarama.StringEncoder("after")}
	if err := cases.StartCluster(); err != nil {
		return err
	}
	if err := delivered(); err != nil {
		return err
	}
	messages, err := read("returning", sarama.OffsetOldest, 1)
	if err != nil {
		return err
	}
	return sameValues(messages, []string{"after"})
}

func main() {
	cases.Run([]cases.Case{
		{Name: "compression-none", Run: compression(sarama.CompressionNone)},
		{Name: "compression-gzip", Run: compression(sarama.CompressionGZIP)},
		{Name: "compression-snappy", Run: compression(sarama.CompressionSnappy)},
		{Name: "compression-lz4", Run: compression(sarama.CompressionLZ4)},
		{Name: "compression-zstd", Run: since(sarama.V2_1_0_0, compression(sarama.CompressionZSTD))},
		{Name: "keys-headers-tombstones", Run: contents},
		{Name: "idempotent", Run: idempotent},
		{Name: "transaction-commit", Run: transactions.Commit},
		{Name: "transaction-abort", Run: transactions.Abort},
		{Name: "transaction-offsets", Run: transactions.Offsets},
		{Name: "transaction-fenced", Run: transactions.Fenced},
		{Name: "group-of-two", Run: groupOf(2)},
		{Name: "group-of-three", Run: groupOf(3)},
		{Name: "rebalance", Run: rebalance},
		{Name: "member-dies", Run: since(sarama.V2_3_0_0, memberDies)},
		{Name: "static-member", Run: since(sarama.V2_3_0_0, staticMember)},
		{Name: "commit-and-resume", Run: commit},
		{Name: "seek", Run: seek},
		{Name: "timestamps", Run: timestamps},
		{Name: "create-and-delete-topic", Run: topics},
		{Name: "configs", Run: since(sarama.V2_3_0_0, configs)},
		{Name: "delete-records", Run: deleteRecords},
		{Name: "compacted-topic", Run: compacted},
		{Name: "partitions-added", Run: since(sarama.V1_0_0_0, partitionsAdded)},
		{Name: "group-described", Run: groupDescribed},
		{Name: "group-deleted", Run: since(sarama.V1_1_0_0, groupDeleted)},
		{Name: "offsets-deleted", Run: since(sarama.V2_4_0_0, offsetsDeleted)},
		{Name: "describe-cluster", Run: describeCluster},
		{Name: "error-unknown-topic", Run: unknownTopic},
		{Name: "error-topic-exists", Run: existingTopic},
		{Name: "error-invalid-topic", Run: invalidTopic},
		{Name: "error-record-too-large", Run: largeRecord},
		{Name: "leaders-move", Run: leadersMove},
		{Name: "cluster-returns", Run: returns},
	})
}
