// sarama.
package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
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
	config.Consumer.Group.Session.Timeout = 6 * time.Second
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

func transactional(id string) (sarama.SyncProducer, error) {
	return sarama.NewSyncProducer(cases.Servers(), config(func(config *sarama.Config) {
		config.Producer.Idempotent = true
		config.Producer.Transaction.ID = id
		config.Net.MaxOpenRequests = 1
	}))
}

// sendIn sends within a transaction that the caller has begun.
func sendIn(to sarama.SyncProducer, name string, all ...string) error {
	for _, value := range all {
		message := &sarama.ProducerMessage{Topic: name, Value: sarama.StringEncoder(value)}
		if _, _, err := to.SendMessage(message); err != nil {
			return err
		}
	}
	return nil
}

// transact sends within a transaction, and ends it.
func transact(to sarama.SyncProducer, end func() error, name string, all ...string) error {
	if err := to.BeginTxn(); err != nil {
		return err
	}
	if err := sendIn(to, name, all...); err != nil {
		return err
	}
	return end()
}

// committed is what a consumer of committed records alone reads.
func committed(name string, wanted ...string) error {
	messages, err := read(name, sarama.OffsetOldest, len(wanted), func(config *sarama.Config) {
		config.Consumer.IsolationLevel = sarama.ReadCommitted
	})
	if err != nil {
		return err
	}
	return sameValues(messages, wanted)
}

// inTransactions is a case of a transactional producer and a topic of its own.
func inTransactions(run func(sarama.SyncProducer, string) error) func() error {
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

func transactionCommit(to sarama.SyncProducer, name string) error {
	if err := transact(to, to.CommitTxn, name, "a", "b"); err != nil {
		return err
	}
	if err := committed(name, "a", "b"); err != nil {
		return err
	}
	if err := transact(to, to.CommitTxn, name, "c"); err != nil {
		return err
	}
	return committed(name, "a", "b", "c")
}

func transactionAbort(to sarama.SyncProducer, name string) error {
	if err := transact(to, to.AbortTxn, name, "a", "b"); err != nil {
		return err
	}
	if err := transact(to, to.CommitTxn, name, "c"); err != nil {
		return err
	}
	return committed(name, "c")
}

func transactionOffsets(to sarama.SyncProducer, name string) error {
	into, err := topic(1)
	if err != nil {
		return err
	}
	group := cases.Fresh("group")
	for _, one := range []struct {
		offset int64
		end    func() error
	}{{3, to.CommitTxn}, {6, to.AbortTxn}} {
		offsets := map[string][]*sarama.PartitionOffsetMetadata{name: {{Partition: 0, Offset: one.offset}}}
		end := func() error {
			if err := to.AddOffsetsToTxn(offsets, group); err != nil {
				return err
			}
			return one.end()
		}
		if err := transact(to, end, into, fmt.Sprint("up to ", one.offset)); err != nil {
			return err
		}
	}
	return withAdmin(func(admin sarama.ClusterAdmin) error {
		answer, err := admin.ListConsumerGroupOffsets(group, map[string][]int32{name: {0}})
		if err != nil {
			return err
		}
		return errors.Join(cases.Same("the committed offset", answer.GetBlock(name, 0).Offset, int64(3)), committed(into, "up to 3"))
	})
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
	if err := first.BeginTxn(); err != nil {
		return err
	}
	if err := sendIn(first, name, "of the first"); err != nil {
		return err
	}
	second, err := transactional(id)
	if err != nil {
		return err
	}
	defer second.Close()
	fenced := first.CommitTxn()
	if !errors.Is(fenced, sarama.ErrProducerFenced) && !errors.Is(fenced, sarama.ErrInvalidProducerEpoch) {
		return fmt.Errorf("the error: got %v, not that of a fenced producer", fenced)
	}
	if err := transact(second, second.CommitTxn, name, "of the second"); err != nil {
		return err
	}
	return committed(name, "of the second")
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

// members of a group, each in a session of its own until it ends.
type members struct {
	*cases.Members
	name, group string
	all         []*member
}

type member struct {
	*cases.Member
	of     *members
	group  sarama.ConsumerGroup
	cancel context.CancelFunc
	ended  chan struct{}
}

func (one *member) Setup(session sarama.ConsumerGroupSession) error {
	one.Take(session.Claims()[one.of.name])
	return nil
}

func (one *member) Cleanup(session sarama.ConsumerGroupSession) error {
	// A session that begins anew goes on from there. With each message it would wait for the fetch on the same connection.
	session.Commit()
	one.Give(session.Claims()[one.of.name])
	return nil
}

func (one *member) ConsumeClaim(session sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	for {
		select {
		case message, more := <-claim.Messages():
			if !more {
				return nil
			}
			session.MarkMessage(message, "")
			one.of.Got(string(message.Value))
		case <-session.Context().Done():
			return nil
		}
	}
}

func (all *members) add(change ...func(*sarama.Config)) (*member, error) {
	group, err := sarama.NewConsumerGroup(cases.Servers(), all.group, config(change...))
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	one := &member{Member: all.Join(), of: all, group: group, cancel: cancel, ended: make(chan struct{})}
	all.all = append(all.all, one)
	go func() {
		for range group.Errors() {
		}
	}()
	go func() {
		defer close(one.ended)
		for ctx.Err() == nil {
			if err := group.Consume(ctx, []string{all.name}, one); err != nil && ctx.Err() == nil {
				all.Fail(err)
				return
			}
		}
	}()
	return one, nil
}

func (all *members) end(one *member) error {
	one.Leave()
	all.all = slices.DeleteFunc(all.all, func(other *member) bool { return other == one })
	one.cancel()
	<-one.ended
	return one.group.Close()
}

func (all *members) close() {
	for len(all.all) > 0 {
		_ = all.end(all.all[0])
	}
}

// several makes a group of so many members, which have shared its partitions.
func several(count int, partitions int32, change ...func(*sarama.Config)) (*members, error) {
	name, err := topic(partitions)
	if err != nil {
		return nil, err
	}
	all := &members{Members: cases.NewMembers(), name: name, group: cases.Fresh("group")}
	for range count {
		if _, err := all.add(change...); err != nil {
			return nil, err
		}
	}
	if count == 0 {
		return all, nil
	}
	return all, all.Assigned(int(partitions))
}

func groupOf(count int) func() error {
	return func() error {
		all, err := several(count, 6)
		if err != nil {
			return err
		}
		defer all.close()
		for part := range int32(6) {
			if _, err := produce(all.name, part, []string{fmt.Sprint(part)}); err != nil {
				return err
			}
		}
		return all.Read("0", "1", "2", "3", "4", "5")
	}
}

func rebalance() error {
	all, err := several(2, 6)
	if err != nil {
		return err
	}
	defer all.close()
	if _, err := all.add(); err != nil {
		return err
	}
	if err := all.Assigned(6); err != nil {
		return err
	}
	if err := all.end(all.all[0]); err != nil {
		return err
	}
	return all.Assigned(6)
}

func instance(id string) func(*sarama.Config) {
	return func(config *sarama.Config) { config.Consumer.Group.InstanceId = id }
}

func memberDies() error {
	all, err := several(0, 4)
	if err != nil {
		return err
	}
	defer all.close()
	// With an instance id, its close is no farewell: only the end of its session takes it out of the group.
	dying, err := all.add(instance("dying"))
	if err != nil {
		return err
	}
	if _, err := all.add(); err != nil {
		return err
	}
	if err := all.Assigned(4); err != nil {
		return err
	}
	if err := all.end(dying); err != nil {
		return err
	}
	return all.Assigned(4)
}

func staticMember() error {
	all, err := several(0, 4)
	if err != nil {
		return err
	}
	defer all.close()
	first, err := all.add(instance("instance-1"))
	if err != nil {
		return err
	}
	if _, err := all.add(instance("instance-2")); err != nil {
		return err
	}
	if err := all.Assigned(4); err != nil {
		return err
	}
	before := first.Parts()
	if err := all.end(first); err != nil {
		return err
	}
	again, err := all.add(instance("instance-1"))
	if err != nil {
		return err
	}
	if err := all.Assigned(4); err != nil {
		return err
	}
	return cases.Same("the assignment that it finds again", again.Parts(), before)
}

func commit() error {
	name, err := topic(1)
	if err != nil {
		return err
	}
	if _, err := produce(name, 0, values(0, 10)); err != nil {
		return err
	}
	group := cases.Fresh("group")
	connection, err := sarama.NewClient(cases.Servers(), config())
	if err != nil {
		return err
	}
	defer connection.Close()
	offsets, err := sarama.NewOffsetManagerFromClient(group, connection)
	if err != nil {
		return err
	}
	part, err := offsets.ManagePartition(name, 0)
	if err != nil {
		return err
	}
	part.MarkOffset(5, "read that far")
	offsets.Commit()
	// Without automatic commits, a partition's manager ends with the whole.
	part.AsyncClose()
	if err := offsets.Close(); err != nil {
		return err
	}
	if offsets, err = sarama.NewOffsetManagerFromClient(group, connection); err != nil {
		return err
	}
	if part, err = offsets.ManagePartition(name, 0); err != nil {
		return err
	}
	at, metadata := part.NextOffset()
	part.AsyncClose()
	if err := offsets.Close(); err != nil {
		return err
	}
	messages, err := read(name, at, 5)
	if err != nil {
		return err
	}
	return errors.Join(cases.Same("the committed offset", at, int64(5)),
		cases.Same("its metadata", metadata, "read that far"), sameValues(messages, values(5, 10)))
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

func topics() error {
	name, err := topic(5)
	if err != nil {
		return err
	}
	return withAdmin(func(admin sarama.ClusterAdmin) error {
		described, err := admin.DescribeTopics([]string{name})
		if err != nil {
			return err
		}
		if err := cases.Same("partitions", len(described[0].Partitions), 5); err != nil {
			return err
		}
		if err := admin.DeleteTopic(name); err != nil {
			return err
		}
		for {
			described, err := admin.DescribeTopics([]string{name})
			if err != nil || described[0].Err == sarama.ErrUnknownTopicOrPartition {
				return err
			}
		}
	})
}

func configs() error {
	retention, limit, soon, name := "1000", "1000", "soon", cases.Fresh("sarama")
	if err := create(name, 1, map[string]*string{"retention.ms": &retention}); err != nil {
		return err
	}
	return withAdmin(func(admin sarama.ClusterAdmin) error {
		described := func(kind sarama.ConfigResourceType, of string) (map[string]string, error) {
			all, err := admin.DescribeConfig(sarama.ConfigResource{Type: kind, Name: of})
			found := map[string]string{}
			for _, one := range all {
				found[one.Name] = one.Value
			}
			return found, err
		}
		before, err := described(sarama.TopicResource, name)
		if err != nil {
			return err
		}
		if err := cases.Same("the topic's own value", before["retention.ms"], "1000"); err != nil {
			return err
		}
		alter := func(key string, operation sarama.IncrementalAlterConfigsOperation, value *string) error {
			return admin.IncrementalAlterConfig(sarama.TopicResource, name,
				map[string]sarama.IncrementalAlterConfigsEntry{key: {Operation: operation, Value: value}}, false)
		}
		if err := errors.Join(alter("max.message.bytes", sarama.IncrementalAlterConfigsOperationSet, &limit),
			alter("retention.ms", sarama.IncrementalAlterConfigsOperationDelete, nil)); err != nil {
			return err
		}
		after, err := described(sarama.TopicResource, name)
		if err != nil {
			return err
		}
		got := []string{after["max.message.bytes"], after["retention.ms"]}
		if err := cases.Same("the altered values", got, []string{"1000", "604800000"}); err != nil {
			return err
		}
		refused := alter("retention.ms", sarama.IncrementalAlterConfigsOperationSet, &soon)
		if err := expect(sarama.ErrInvalidConfig, refused); err != nil {
			return err
		}
		broker, err := described(sarama.BrokerResource, "1")
		if err != nil {
			return err
		}
		return cases.Same("the broker's id", broker["node.id"], "1")
	})
}

func deleteRecords() error {
	name, err := topic(1)
	if err != nil {
		return err
	}
	if _, err := produce(name, 0, values(0, 10)); err != nil {
		return err
	}
	err = withAdmin(func(admin sarama.ClusterAdmin) error {
		if err := admin.DeleteRecords(name, map[int32]int64{0: 4}); err != nil {
			return err
		}
		return expect(sarama.ErrOffsetOutOfRange, admin.DeleteRecords(name, map[int32]int64{0: 11}))
	})
	if err != nil {
		return err
	}
	messages, err := read(name, sarama.OffsetOldest, 6)
	if err != nil {
		return err
	}
	_, gone := read(name, 3, 1)
	return withClient(func(connection sarama.Client) error {
		first, err := connection.GetOffset(name, 0, sarama.OffsetOldest)
		return errors.Join(err, cases.Same("the first offset", first, int64(4)), sameValues(messages, values(4, 10)),
			expect(sarama.ErrOffsetOutOfRange, gone))
	})
}

func compacted() error {
	name, settings := cases.Fresh("sarama"), map[string]*string{}
	for key, value := range cases.CompactedTopic {
		settings[key] = &value
	}
	if err := create(name, 1, settings); err != nil {
		return err
	}
	write := func(ms int64, batch []cases.Pair) error {
		var messages []*sarama.ProducerMessage
		for _, pair := range batch {
			message := &sarama.ProducerMessage{Topic: name, Key: sarama.ByteEncoder(pair.Key), Timestamp: time.UnixMilli(ms)}
			if pair.Value != nil {
				message.Value = sarama.ByteEncoder(pair.Value)
			}
			messages = append(messages, message)
		}
		_, err := send(messages)
		return err
	}
	return cases.Compacted(write, func(last int64) ([]string, error) {
		var found []string
		messages, err := readUntil(name, sarama.OffsetOldest, func(message *sarama.ConsumerMessage) bool {
			return message.Offset >= last
		})
		for _, message := range messages {
			found = append(found, cases.Entry(message.Offset, message.Key, message.Value))
		}
		return found, err
	})
}

func refresh(config *sarama.Config) {
	config.Metadata.RefreshFrequency = 200 * time.Millisecond
	config.Producer.Partitioner = sarama.NewRoundRobinPartitioner
}

func partitionsAdded() error {
	all, err := several(1, 1, refresh)
	if err != nil {
		return err
	}
	defer all.close()
	to, err := sarama.NewSyncProducer(cases.Servers(), config(refresh))
	if err != nil {
		return err
	}
	defer to.Close()
	message := func(value string) *sarama.ProducerMessage {
		return &sarama.ProducerMessage{Topic: all.name, Value: sarama.StringEncoder(value)}
	}
	if _, _, err := to.SendMessage(message("before")); err != nil {
		return err
	}
	err = withAdmin(func(admin sarama.ClusterAdmin) error { return admin.CreatePartitions(all.name, 3, nil, false) })
	if err != nil {
		return err
	}
	wanted, late := []string{"before"}, time.Now().Add(cases.Limit)
	for reached := map[int32]bool{}; len(reached) < 3; wanted = append(wanted, "later") {
		part, _, err := to.SendMessage(message("later"))
		if err != nil {
			return err
		}
		if reached[part] = true; time.Now().After(late) {
			return fmt.Errorf("the producer knows %v alone", reached)
		}
	}
	return errors.Join(all.Assigned(3), all.Read(wanted...))
}

// withMember runs with a group of one member, which has the partitions of its topic.
func withMember(partitions int32, work func(*members, sarama.ClusterAdmin) error) error {
	all, err := several(1, partitions, func(config *sarama.Config) { config.ClientID = "one-member" })
	if err != nil {
		return err
	}
	defer all.close()
	return withAdmin(func(admin sarama.ClusterAdmin) error { return work(all, admin) })
}

func groupDescribed() error {
	return withMember(2, func(all *members, admin sarama.ClusterAdmin) error {
		listed, err := admin.ListConsumerGroups()
		if err != nil {
			return err
		}
		described := func() (*sarama.GroupDescription, error) {
			found, err := admin.DescribeConsumerGroups([]string{all.group})
			if err != nil {
				return nil, err
			}
			if found[0].ErrorCode != 0 {
				return nil, found[0].Err
			}
			return found[0], nil
		}
		found, err := described()
		if err != nil {
			return err
		}
		got := []any{listed[all.group], found.State, found.ProtocolType, found.Protocol, len(found.Members)}
		if err := cases.Same("the group", got, []any{"consumer", "Stable", "consumer", "range", 1}); err != nil {
			return err
		}
		for _, one := range found.Members {
			assigned, err := one.GetMemberAssignment()
			if err != nil {
				return err
			}
			err = errors.Join(cases.Same("its member's client", one.ClientId, "one-member"),
				cases.Same("its member's partitions", assigned.Topics, map[string][]int32{all.name: {0, 1}}))
			if err != nil {
				return err
			}
		}
		all.close()
		if found, err = described(); err != nil {
			return err
		}
		return cases.Same("the group without its member", []any{found.State, len(found.Members)}, []any{"Empty", 0})
	})
}

func groupDeleted() error {
	return withMember(2, func(all *members, admin sarama.ClusterAdmin) error {
		if err := expect(sarama.ErrNonEmptyGroup, admin.DeleteConsumerGroup(all.group)); err != nil {
			return err
		}
		all.close()
		if err := admin.DeleteConsumerGroup(all.group); err != nil {
			return err
		}
		listed, err := admin.ListConsumerGroups()
		return errors.Join(err, cases.Same("the group in the list", listed[all.group], ""),
			expect(sarama.ErrGroupIDNotFound, admin.DeleteConsumerGroup(all.group)))
	})
}

func offsetsDeleted() error {
	other, err := topic(1)
	if err != nil {
		return err
	}
	all, err := several(0, 1)
	if err != nil {
		return err
	}
	defer all.close()
	return withAdmin(func(admin sarama.ClusterAdmin) error {
		offsets := map[string]map[int32]sarama.OffsetAndMetadata{all.name: {0: {}}, other: {0: {}}}
		if _, err := admin.AlterConsumerGroupOffsets(all.group, offsets, nil); err != nil {
			return err
		}
		if _, err := all.add(); err != nil {
			return err
		}
		if err := all.Assigned(1); err != nil {
			return err
		}
		remove := func(name string) error { return admin.DeleteConsumerGroupOffset(all.group, name, 0) }
		committed := func(wanted ...string) error {
			found, err := admin.ListConsumerGroupOffsets(all.group, nil)
			if err != nil {
				return err
			}
			return cases.Same("the topics with offsets", slices.Sorted(maps.Keys(found.Blocks)), wanted)
		}
		err := errors.Join(expect(sarama.ErrGroupSubscribedToTopic, remove(all.name)), remove(other), committed(all.name))
		if err != nil {
			return err
		}
		all.close()
		return errors.Join(remove(all.name), committed())
	})
}

func describeCluster() error {
	return withAdmin(func(admin sarama.ClusterAdmin) error {
		brokers, controller, err := admin.DescribeCluster()
		if err != nil {
			return err
		}
		ports := map[int]int{}
		for _, broker := range brokers {
			_, port, _ := strings.Cut(broker.Addr(), ":")
			if ports[int(broker.ID())], err = strconv.Atoi(port); err != nil {
				return err
			}
		}
		_, known := ports[int(controller)]
		return errors.Join(cases.Same("the brokers", ports, cases.Brokers()),
			cases.Same("whether the controller is one of them", known, true))
	})
}

func expect(wanted error, got error) error {
	if !errors.Is(got, wanted) {
		return fmt.Errorf("the error: got %v, not %v", got, wanted)
	}
	return nil
}

func existingTopic() error {
	name, err := topic(1)
	if err != nil {
		return err
	}
	return expect(sarama.ErrTopicAlreadyExists, create(name, 1, nil))
}

func invalidTopic() error { return expect(sarama.ErrInvalidTopic, create("not/a/name", 1, nil)) }

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
		{Name: "transaction-commit", Run: inTransactions(transactionCommit)},
		{Name: "transaction-abort", Run: inTransactions(transactionAbort)},
		{Name: "transaction-offsets", Run: inTransactions(transactionOffsets)},
		{Name: "transaction-fenced", Run: transactionFenced},
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
		{Name: "cluster-returns", Run: returns},
	})
}
