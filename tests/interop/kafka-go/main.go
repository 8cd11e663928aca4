// kafka-go.
package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
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
		StartOffset: kafka.FirstOffset, HeartbeatInterval: 200 * time.Millisecond, SessionTimeout: 6 * time.Second,
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

// shared waits until the coordinator says that so many members have everything among them.
func shared(group string, members, partitions int) error {
	return until(fmt.Sprintf("%d members share %d partitions", members, partitions), func() (bool, error) {
		ctx, cancel := limited()
		defer cancel()
		described, err := client().DescribeGroups(ctx, &kafka.DescribeGroupsRequest{GroupIDs: []string{group}})
		if err != nil {
			return false, err
		}
		found := described.Groups[0]
		if found.Error != nil {
			return false, found.Error
		}
		taken, count := map[int]bool{}, 0
		for _, member := range found.Members {
			for _, topic := range member.MemberAssignments.Topics {
				count += len(topic.Partitions)
				for _, partition := range topic.Partitions {
					taken[partition] = true
				}
			}
		}
		return found.GroupState == "Stable" && len(found.Members) == members && len(taken) == count && count == partitions, nil
	})
}

// members read in the background, and send what they got.
type member struct {
	reader *kafka.Reader
	stop   context.CancelFunc
	done   chan struct{}
}

func join(name, group string, got chan<- string, change ...func(*kafka.ReaderConfig)) *member {
	ctx, cancel := context.WithCancel(context.Background())
	one := &member{reader: inGroup(name, group, change...), stop: cancel, done: make(chan struct{})}
	go func() {
		defer close(one.done)
		for {
			message, err := one.reader.ReadMessage(ctx)
			if err != nil {
				return
			}
			got <- string(message.Value)
		}
	}()
	return one
}

func inGroup(name, group string, change ...func(*kafka.ReaderConfig)) *kafka.Reader {
	return reader(name, append(change, func(config *kafka.ReaderConfig) { config.GroupID = group })...)
}

func (one *member) leave() error {
	one.stop()
	<-one.done
	return one.reader.Close()
}

func groupOf(count int) func() error {
	return func() error {
		name, err := topic(6)
		if err != nil {
			return err
		}
		group, got := cases.Fresh("group"), make(chan string, 100)
		var all []*member
		for range count {
			all = append(all, join(name, group, got))
		}
		if err := shared(group, count, 6); err != nil {
			return err
		}
		for partition := range 6 {
			if err := send(name, partition, messages([]string{fmt.Sprint(partition)})); err != nil {
				return err
			}
		}
		var read []string
		late := time.After(cases.Limit)
		for len(read) < 6 {
			select {
			case value := <-got:
				read = append(read, value)
			case <-late:
				return fmt.Errorf("%d of 6 records within %s", len(read), cases.Limit)
			}
		}
		slices.Sort(read)
		errs := []error{cases.Same("values", read, []string{"0", "1", "2", "3", "4", "5"})}
		for _, one := range all {
			errs = append(errs, one.leave())
		}
		return errors.Join(errs...)
	}
}

func rebalance() error {
	name, err := topic(6)
	if err != nil {
		return err
	}
	group, got := cases.Fresh("group"), make(chan string, 100)
	first, second := join(name, group, got), join(name, group, got)
	if err := shared(group, 2, 6); err != nil {
		return err
	}
	third := join(name, group, got)
	if err := shared(group, 3, 6); err != nil {
		return err
	}
	return errors.Join(first.leave(), shared(group, 2, 6), second.leave(), third.leave())
}

func commit() error {
	name, err := topic(1)
	if err != nil {
		return err
	}
	if err := send(name, 0, messages(values(0, 10))); err != nil {
		return err
	}
	group := cases.Fresh("group")
	from := inGroup(name, group)
	first, err := read(from, 5)
	if err != nil {
		return err
	}
	ctx, cancel := limited()
	defer cancel()
	if err := errors.Join(from.CommitMessages(ctx, first...), from.Close()); err != nil {
		return err
	}
	committed, err := client().OffsetFetch(ctx, &kafka.OffsetFetchRequest{GroupID: group, Topics: map[string][]int{name: {0}}})
	if err != nil {
		return err
	}
	if err := cases.Same("the committed offset", committed.Topics[name][0].CommittedOffset, int64(5)); err != nil {
		return err
	}
	from = inGroup(name, group)
	rest, err := read(from, 5)
	return errors.Join(err, sameValues(rest, values(5, 10)), from.Close())
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

func topics() error {
	name, err := topic(5)
	if err != nil {
		return err
	}
	ctx, cancel := limited()
	defer cancel()
	known, err := client().Metadata(ctx, &kafka.MetadataRequest{Topics: []string{name}})
	if err != nil {
		return err
	}
	if err := cases.Same("partitions", len(known.Topics[0].Partitions), 5); err != nil {
		return err
	}
	gone, err := client().DeleteTopics(ctx, &kafka.DeleteTopicsRequest{Topics: []string{name}})
	if err != nil || gone.Errors[name] != nil {
		return errors.Join(err, gone.Errors[name])
	}
	return until("the topic is gone", func() (bool, error) {
		all, err := client().Metadata(ctx, &kafka.MetadataRequest{})
		if err != nil {
			return false, err
		}
		return !slices.ContainsFunc(all.Topics, func(topic kafka.Topic) bool { return topic.Name == name }), nil
	})
}

func configs() error {
	name := cases.Fresh("kafka-go")
	if err := create(name, 1, kafka.ConfigEntry{ConfigName: "retention.ms", ConfigValue: "1000"}); err != nil {
		return err
	}
	ctx, cancel := limited()
	defer cancel()
	described := func(kind kafka.ResourceType, of string) (map[string]string, error) {
		resource := kafka.DescribeConfigRequestResource{ResourceType: kind, ResourceName: of}
		answer, err := client().DescribeConfigs(ctx, &kafka.DescribeConfigsRequest{
			Resources: []kafka.DescribeConfigRequestResource{resource}})
		if err != nil {
			return nil, err
		}
		found := map[string]string{}
		for _, entry := range answer.Resources[0].ConfigEntries {
			found[entry.ConfigName] = entry.ConfigValue
		}
		return found, answer.Resources[0].Error
	}
	alter := func(key string, how kafka.ConfigOperation, value string) error {
		change := kafka.IncrementalAlterConfigsRequestConfig{Name: key, Value: value, ConfigOperation: how}
		answer, err := client().IncrementalAlterConfigs(ctx, &kafka.IncrementalAlterConfigsRequest{
			Resources: []kafka.IncrementalAlterConfigsRequestResource{{ResourceType: kafka.ResourceTypeTopic, ResourceName: name,
				Configs: []kafka.IncrementalAlterConfigsRequestConfig{change}}}})
		if err != nil {
			return err
		}
		return answer.Resources[0].Error
	}
	before, err := described(kafka.ResourceTypeTopic, name)
	if err != nil {
		return err
	}
	err = errors.Join(cases.Same("the topic's own value", before["retention.ms"], "1000"),
		alter("max.message.bytes", kafka.ConfigOperationSet, "1000"), alter("cleanup.policy", kafka.ConfigOperationAppend, "compact"),
		alter("retention.ms", kafka.ConfigOperationDelete, ""))
	if err != nil {
		return err
	}
	after, err := described(kafka.ResourceTypeTopic, name)
	if err != nil {
		return err
	}
	broker, err := described(kafka.ResourceTypeBroker, "1")
	got := []string{after["max.message.bytes"], after["cleanup.policy"], after["retention.ms"]}
	return errors.Join(err, cases.Same("the altered values", got, []string{"1000", "delete,compact", "604800000"}),
		expect(kafka.InvalidConfiguration, alter("retention.ms", kafka.ConfigOperationSet, "soon")),
		cases.Same("the broker's", []string{broker["node.id"], broker["ssl.key.password"]}, []string{"1", ""}))
}

func compacted() error {
	name := cases.Fresh("kafka-go")
	var settings []kafka.ConfigEntry
	for key, value := range cases.CompactedTopic {
		settings = append(settings, kafka.ConfigEntry{ConfigName: key, ConfigValue: value})
	}
	if err := create(name, 1, settings...); err != nil {
		return err
	}
	write := func(ms int64, batch []cases.Pair) error {
		var made []kafka.Message
		for _, pair := range batch {
			made = append(made, kafka.Message{Key: pair.Key, Value: pair.Value, Time: time.UnixMilli(ms)})
		}
		return send(name, 0, made)
	}
	return cases.Compacted(write, func(last int64) ([]string, error) {
		from := reader(name)
		var found []string
		for offset := int64(-1); offset < last; {
			got, err := read(from, 1)
			if err != nil {
				return nil, errors.Join(err, from.Close())
			}
			offset = got[0].Offset
			found = append(found, cases.Entry(offset, got[0].Key, got[0].Value))
		}
		return found, from.Close()
	})
}

func partitionsAdded() error {
	name, err := topic(1)
	if err != nil {
		return err
	}
	group, got := cases.Fresh("group"), make(chan string, 1000)
	one := join(name, group, got, func(config *kafka.ReaderConfig) {
		config.WatchPartitionChanges, config.PartitionWatchInterval = true, 200*time.Millisecond
	})
	if err := shared(group, 1, 1); err != nil {
		return err
	}
	reached := map[int]bool{}
	to := &kafka.Writer{
		Addr: kafka.TCP(cases.Servers()...), Topic: name, Balancer: &kafka.RoundRobin{}, RequiredAcks: kafka.RequireAll,
		BatchTimeout: time.Millisecond, Transport: &kafka.Transport{MetadataTTL: 200 * time.Millisecond},
		Completion: func(messages []kafka.Message, err error) {
			if err == nil {
				for _, message := range messages {
					reached[message.Partition] = true
				}
			}
		},
	}
	ctx, cancel := limited()
	defer cancel()
	if err := to.WriteMessages(ctx, kafka.Message{Value: []byte("before")}); err != nil {
		return err
	}
	more := []kafka.TopicPartitionsConfig{{Name: name, Count: 3}}
	made, err := client().CreatePartitions(ctx, &kafka.CreatePartitionsRequest{Topics: more})
	if err != nil || made.Errors[name] != nil {
		return errors.Join(err, made.Errors[name])
	}
	for len(reached) < 3 {
		if err := to.WriteMessages(ctx, kafka.Message{Value: []byte("later")}); err != nil {
			return err
		}
	}
	err = shared(group, 1, 3)
	// The transport that all share keeps what it knows for longer.
	known := func(writer *kafka.Writer) { writer.Transport = to.Transport }
	for partition := range 3 {
		err = errors.Join(err, send(name, partition, messages([]string{fmt.Sprint("to ", partition)}), known))
	}
	for left := map[string]bool{"to 0": true, "to 1": true, "to 2": true}; err == nil && len(left) > 0; {
		select {
		case value := <-got:
			delete(left, value)
		case <-ctx.Done():
			err = fmt.Errorf("what did not arrive: %v", left)
		}
	}
	return errors.Join(err, one.leave(), to.Close())
}

// withMember runs with a group of one member, which has both partitions of its topic.
func withMember(work func(name, group string, leave func() error) error) error {
	name, err := topic(2)
	if err != nil {
		return err
	}
	group := cases.Fresh("group")
	one := join(name, group, make(chan string, 100), func(config *kafka.ReaderConfig) {
		config.Dialer = &kafka.Dialer{ClientID: "one-member"}
	})
	if err := shared(group, 1, 2); err != nil {
		return errors.Join(err, one.leave())
	}
	return work(name, group, one.leave)
}

// listed are the groups of that name: one, or none.
func listed(group string) ([]kafka.ListGroupsResponseGroup, error) {
	ctx, cancel := limited()
	defer cancel()
	all, err := client().ListGroups(ctx, &kafka.ListGroupsRequest{})
	if err != nil {
		return nil, err
	}
	isOther := func(one kafka.ListGroupsResponseGroup) bool { return one.GroupID != group }
	return slices.DeleteFunc(all.Groups, isOther), all.Error
}

func groupDescribed() error {
	return withMember(func(name, group string, leave func() error) error {
		ctx, cancel := limited()
		defer cancel()
		known, err := listed(group)
		if err != nil {
			return err
		}
		if err := cases.Same("the group in the list", len(known), 1); err != nil {
			return err
		}
		described := func() (kafka.DescribeGroupsResponseGroup, error) {
			all, err := client().DescribeGroups(ctx, &kafka.DescribeGroupsRequest{GroupIDs: []string{group}})
			if err != nil {
				return kafka.DescribeGroupsResponseGroup{}, err
			}
			return all.Groups[0], all.Groups[0].Error
		}
		found, err := described()
		if err != nil {
			return err
		}
		got := []any{known[0].ProtocolType, found.GroupState, len(found.Members)}
		if err := cases.Same("the group", got, []any{"consumer", "Stable", 1}); err != nil {
			return err
		}
		one := found.Members[0]
		err = errors.Join(cases.Same("its member's client", one.ClientID, "one-member"),
			cases.Same("its member's topic", one.MemberAssignments.Topics[0].Topic, name),
			cases.Same("its member's partitions", one.MemberAssignments.Topics[0].Partitions, []int{0, 1}), leave())
		if err != nil {
			return err
		}
		found, err = described()
		got = []any{found.GroupState, len(found.Members)}
		return errors.Join(err, cases.Same("the group without its member", got, []any{"Empty", 0}))
	})
}

func groupDeleted() error {
	return withMember(func(_, group string, leave func() error) error {
		ctx, cancel := limited()
		defer cancel()
		remove := func() error {
			done, err := client().DeleteGroups(ctx, &kafka.DeleteGroupsRequest{GroupIDs: []string{group}})
			if err != nil {
				return err
			}
			return done.Errors[group]
		}
		if err := errors.Join(expect(kafka.NonEmptyGroup, remove()), leave(), remove()); err != nil {
			return err
		}
		known, err := listed(group)
		return errors.Join(err, cases.Same("the group in the list", len(known), 0), expect(kafka.GroupIdNotFound, remove()))
	})
}

func offsetsDeleted() error {
	return withMember(func(name, group string, leave func() error) error {
		ctx, cancel := limited()
		defer cancel()
		remove := func(partition int) error {
			done, err := client().OffsetDelete(ctx, &kafka.OffsetDeleteRequest{
				GroupID: group, Topics: map[string][]int{name: {partition}}})
			if err != nil {
				return err
			}
			return errors.Join(done.Error, done.Topics[name][0].Error)
		}
		err := errors.Join(expect(kafka.GroupSubscribedToTopic, remove(0)), leave())
		if err != nil {
			return err
		}
		made, err := client().OffsetCommit(ctx, &kafka.OffsetCommitRequest{GroupID: group, GenerationID: -1,
			Topics: map[string][]kafka.OffsetCommit{name: {{Partition: 0, Offset: 3}, {Partition: 1, Offset: 4}}}})
		if err != nil {
			return err
		}
		for _, one := range made.Topics[name] {
			err = errors.Join(err, one.Error)
		}
		if err := errors.Join(err, remove(0)); err != nil {
			return err
		}
		left, err := client().OffsetFetch(ctx, &kafka.OffsetFetchRequest{GroupID: group, Topics: map[string][]int{name: {0, 1}}})
		if err != nil {
			return err
		}
		offsets := map[int]int64{}
		for _, one := range left.Topics[name] {
			offsets[one.Partition] = one.CommittedOffset
		}
		return cases.Same("the offsets", offsets, map[int]int64{0: -1, 1: 4})
	})
}

func describeCluster() error {
	ctx, cancel := limited()
	defer cancel()
	found, err := client().Metadata(ctx, &kafka.MetadataRequest{})
	if err != nil {
		return err
	}
	ports := map[int]int{}
	for _, broker := range found.Brokers {
		ports[broker.ID] = broker.Port
	}
	return cases.SameCluster(found.ClusterID, ports, found.Controller.ID)
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

func existingTopic() error {
	name, err := topic(1)
	if err != nil {
		return err
	}
	return expect(kafka.TopicAlreadyExists, create(name, 1))
}

func invalidTopic() error { return expect(kafka.InvalidTopic, create("not/a/name", 1)) }

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
		{Name: "cluster-returns", Run: returns},
	})
}
