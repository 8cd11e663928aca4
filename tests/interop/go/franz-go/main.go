// franz-go.
package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"kfake.test/interop/cases"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

var admin *kadm.Client

func limited() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), cases.Limit)
}

func client(options ...kgo.Opt) (*kgo.Client, error) {
	return kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(cases.Servers()...)}, options...)...)
}

func topic(partitions int32, config map[string]*string) (string, error) {
	name := cases.Fresh("franz-go")
	ctx, cancel := limited()
	defer cancel()
	_, err := admin.CreateTopic(ctx, partitions, 1, config, name)
	return name, err
}

func values(n int) [][]byte {
	all := make([][]byte, n)
	for i := range all {
		all[i] = fmt.Appendf(nil, "value %d, which is long enough to be worth compressing", i)
	}
	return all
}

// produce sends to one partition, and gives the offsets.
func produce(name string, partition int32, all [][]byte, options ...kgo.Opt) ([]int64, error) {
	to, err := client(append(options, kgo.RecordPartitioner(kgo.ManualPartitioner()))...)
	if err != nil {
		return nil, err
	}
	defer to.Close()
	records := make([]*kgo.Record, len(all))
	for i, value := range all {
		records[i] = &kgo.Record{Topic: name, Partition: partition, Value: value}
	}
	return place(to, records...)
}

func place(to *kgo.Client, records ...*kgo.Record) ([]int64, error) {
	ctx, cancel := limited()
	defer cancel()
	results := to.ProduceSync(ctx, records...)
	if err := results.FirstErr(); err != nil {
		return nil, err
	}
	offsets := make([]int64, len(records))
	for i, record := range records {
		offsets[i] = record.Offset
	}
	return offsets, nil
}

// read gives so many records of one partition, from an offset on.
func read(name string, at kgo.Offset, count int, options ...kgo.Opt) ([]*kgo.Record, error) {
	from, err := client(append(options, kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{name: {0: at}}))...)
	if err != nil {
		return nil, err
	}
	defer from.Close()
	return poll(from, count)
}

func poll(from *kgo.Client, count int) ([]*kgo.Record, error) {
	ctx, cancel := limited()
	defer cancel()
	var records []*kgo.Record
	for len(records) < count {
		fetches := from.PollRecords(ctx, count-len(records))
		if err := fetches.Err(); err != nil {
			return nil, err
		}
		records = append(records, fetches.Records()...)
	}
	return records, nil
}

func sameValues(records []*kgo.Record, wanted [][]byte) error {
	got := make([][]byte, len(records))
	for i, record := range records {
		got[i] = record.Value
	}
	return cases.Same("values", got, wanted)
}

func roundTrip(count int, options ...kgo.Opt) error {
	name, err := topic(3, nil)
	if err != nil {
		return err
	}
	offsets, err := produce(name, 0, values(count), options...)
	if err != nil {
		return err
	}
	if err := cases.Same("offsets", offsets, cases.Numbers(count)); err != nil {
		return err
	}
	records, err := read(name, kgo.NewOffset().AtStart(), count)
	if err != nil {
		return err
	}
	return sameValues(records, values(count))
}

func compression(codec kgo.CompressionCodec) func() error {
	return func() error {
		return roundTrip(200, kgo.ProducerBatchCompression(codec), kgo.ProducerLinger(20*time.Millisecond))
	}
}

func contents() error {
	name, err := topic(1, nil)
	if err != nil {
		return err
	}
	to, err := client()
	if err != nil {
		return err
	}
	defer to.Close()
	headers := []kgo.RecordHeader{{Key: "a", Value: []byte("1")}, {Key: "a", Value: []byte{}}, {Key: "b"}}
	_, err = place(to,
		&kgo.Record{Topic: name, Key: []byte("k"), Value: []byte("v"), Headers: headers},
		&kgo.Record{Topic: name, Key: []byte("k")},
		&kgo.Record{Topic: name, Value: []byte{}})
	if err != nil {
		return err
	}
	records, err := read(name, kgo.NewOffset().AtStart(), 3)
	if err != nil {
		return err
	}
	return errors.Join(
		cases.Same("the first record", string(records[0].Key)+string(records[0].Value), "kv"),
		cases.Same("its headers", records[0].Headers, headers),
		cases.Same("the tombstone has no value", records[1].Value == nil, true),
		cases.Same("the empty value", records[2].Value, []byte{}),
		cases.Same("its key is none", records[2].Key == nil, true))
}

func transactional(id string) (*kgo.Client, error) {
	return client(kgo.TransactionalID(id), kgo.RecordPartitioner(kgo.ManualPartitioner()))
}

// transact sends within a transaction, and ends it.
func transact(to *kgo.Client, commit kgo.TransactionEndTry, name string, all ...string) error {
	if err := to.BeginTransaction(); err != nil {
		return err
	}
	if err := send(to, name, all...); err != nil {
		return err
	}
	ctx, cancel := limited()
	defer cancel()
	return to.EndTransaction(ctx, commit)
}

func send(to *kgo.Client, name string, all ...string) error {
	records := make([]*kgo.Record, len(all))
	for i, value := range all {
		records[i] = &kgo.Record{Topic: name, Value: []byte(value)}
	}
	_, err := place(to, records...)
	return err
}

// committed is what a consumer of committed records alone reads.
func committed(name string, wanted ...string) error {
	from, err := client(kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{name: {0: kgo.NewOffset().AtStart()}}))
	if err != nil {
		return err
	}
	defer from.Close()
	records, err := poll(from, len(wanted))
	if err != nil {
		return err
	}
	got := make([]string, len(records))
	for i, record := range records {
		got[i] = string(record.Value)
	}
	return cases.Same("what is committed", got, wanted)
}

func committedEnd(name string, wanted int64) error {
	ctx, cancel := limited()
	defer cancel()
	ends, err := admin.ListCommittedOffsets(ctx, name)
	if err != nil {
		return err
	}
	end, _ := ends.Lookup(name, 0)
	return cases.Same("the end of what is committed", end.Offset, wanted)
}

// inTransactions is a case of a transactional producer and a topic of its own.
func inTransactions(run func(*kgo.Client, string) error) func() error {
	return func() error {
		name, err := topic(1, nil)
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

func transactionCommit(to *kgo.Client, name string) error {
	if err := to.BeginTransaction(); err != nil {
		return err
	}
	if err := send(to, name, "a", "b"); err != nil {
		return err
	}
	if err := committedEnd(name, 0); err != nil {
		return err
	}
	ctx, cancel := limited()
	defer cancel()
	if err := to.EndTransaction(ctx, kgo.TryCommit); err != nil {
		return err
	}
	if err := committed(name, "a", "b"); err != nil {
		return err
	}
	if err := transact(to, kgo.TryCommit, name, "c"); err != nil {
		return err
	}
	return errors.Join(committed(name, "a", "b", "c"), committedEnd(name, 5))
}

func transactionAbort(to *kgo.Client, name string) error {
	if err := transact(to, kgo.TryAbort, name, "a", "b"); err != nil {
		return err
	}
	if err := transact(to, kgo.TryCommit, name, "c"); err != nil {
		return err
	}
	return committed(name, "c")
}

func transactionOffsets() error {
	name, err := topic(1, nil)
	if err != nil {
		return err
	}
	into, err := topic(1, nil)
	if err != nil {
		return err
	}
	if _, err := produce(name, 0, [][]byte{[]byte("0"), []byte("1"), []byte("2"), []byte("3"), []byte("4"), []byte("5")}); err != nil {
		return err
	}
	id := cases.Fresh("group")
	session, err := kgo.NewGroupTransactSession(kgo.SeedBrokers(cases.Servers()...), kgo.TransactionalID(cases.Fresh("transactional")),
		kgo.ConsumerGroup(id), kgo.ConsumeTopics(name), kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.RequireStableFetchOffsets(), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		return err
	}
	defer session.Close()
	for _, commit := range []kgo.TransactionEndTry{kgo.TryCommit, kgo.TryAbort} {
		records, err := poll(session.Client(), 3)
		if err != nil {
			return err
		}
		if err := session.Begin(); err != nil {
			return err
		}
		for _, record := range records {
			if err := send(session.Client(), into, "from "+string(record.Value)); err != nil {
				return err
			}
		}
		ctx, cancel := limited()
		did, err := session.End(ctx, commit)
		cancel()
		if err != nil {
			return err
		}
		if err := cases.Same("whether it was committed", did, bool(commit)); err != nil {
			return err
		}
	}
	ctx, cancel := limited()
	defer cancel()
	offsets, err := admin.FetchOffsets(ctx, id)
	if err != nil {
		return err
	}
	at, _ := offsets.Lookup(name, 0)
	return errors.Join(cases.Same("the committed offset", at.At, int64(3)), committed(into, "from 0", "from 1", "from 2"))
}

func transactionFenced() error {
	name, err := topic(1, nil)
	if err != nil {
		return err
	}
	id := cases.Fresh("transactional")
	first, err := transactional(id)
	if err != nil {
		return err
	}
	defer first.Close()
	if err := first.BeginTransaction(); err != nil {
		return err
	}
	if err := send(first, name, "of the first"); err != nil {
		return err
	}
	second, err := transactional(id)
	if err != nil {
		return err
	}
	defer second.Close()
	if err := transact(second, kgo.TryCommit, name, "of the second"); err != nil {
		return err
	}
	ctx, cancel := limited()
	defer cancel()
	fenced := first.EndTransaction(ctx, kgo.TryCommit)
	return errors.Join(expect(kerr.ProducerFenced, fenced), committed(name, "of the second"))
}

// members of a group, each polled by its own goroutine until it ends.
type members struct {
	*cases.Members
	name, group string
	all         []*member
}

type member struct {
	*cases.Member
	client *kgo.Client
	ended  chan struct{}
}

func group(partitions int32) (*members, error) {
	name, err := topic(partitions, nil)
	return &members{Members: cases.NewMembers(), name: name, group: cases.Fresh("group")}, err
}

func (all *members) add(options ...kgo.Opt) (*member, error) {
	one := &member{Member: all.Join(), ended: make(chan struct{})}
	change := func(how func([]int32)) func(context.Context, *kgo.Client, map[string][]int32) {
		return func(_ context.Context, _ *kgo.Client, parts map[string][]int32) { how(parts[all.name]) }
	}
	from, err := client(append([]kgo.Opt{kgo.ConsumerGroup(all.group), kgo.ConsumeTopics(all.name),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.HeartbeatInterval(200 * time.Millisecond),
		kgo.SessionTimeout(6 * time.Second), kgo.OnPartitionsAssigned(change(one.Take)),
		kgo.OnPartitionsRevoked(change(one.Give)), kgo.OnPartitionsLost(change(one.Give))}, options...)...)
	if err != nil {
		return nil, err
	}
	one.client = from
	all.all = append(all.all, one)
	go func() {
		defer close(one.ended)
		for {
			fetches := from.PollFetches(context.Background())
			if fetches.IsClientClosed() {
				return
			}
			for _, record := range fetches.Records() {
				all.Got(string(record.Value))
			}
		}
	}()
	return one, nil
}

func (all *members) end(one *member) {
	one.Leave()
	all.all = slices.DeleteFunc(all.all, func(other *member) bool { return other == one })
	one.client.Close()
	<-one.ended
}

func (all *members) close() {
	for len(all.all) > 0 {
		all.end(all.all[0])
	}
}

// several makes a group of so many members, which have shared its partitions.
func several(count int, partitions int32, options ...kgo.Opt) (*members, error) {
	all, err := group(partitions)
	if err != nil {
		return nil, err
	}
	for range count {
		if _, err := all.add(options...); err != nil {
			return nil, err
		}
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
			if _, err := produce(all.name, part, [][]byte{fmt.Appendf(nil, "%d", part)}); err != nil {
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
	all.end(all.all[0])
	return all.Assigned(6)
}

func memberDies() error {
	// With an instance id, its close is no farewell: only the end of its session takes it out of the group.
	all, err := several(1, 4, kgo.InstanceID("dying"))
	if err != nil {
		return err
	}
	defer all.close()
	if _, err := all.add(); err != nil {
		return err
	}
	if err := all.Assigned(4); err != nil {
		return err
	}
	all.end(all.all[0])
	return all.Assigned(4)
}

func staticMember() error {
	all, err := group(4)
	if err != nil {
		return err
	}
	defer all.close()
	first, err := all.add(kgo.InstanceID("instance-1"))
	if err != nil {
		return err
	}
	if _, err := all.add(kgo.InstanceID("instance-2")); err != nil {
		return err
	}
	if err := all.Assigned(4); err != nil {
		return err
	}
	before := first.Parts()
	all.end(first)
	again, err := all.add(kgo.InstanceID("instance-1"))
	if err != nil {
		return err
	}
	if err := all.Assigned(4); err != nil {
		return err
	}
	return cases.Same("the assignment that it finds again", again.Parts(), before)
}

func commit() error {
	name, err := topic(1, nil)
	if err != nil {
		return err
	}
	if _, err := produce(name, 0, values(10)); err != nil {
		return err
	}
	id := cases.Fresh("group")
	options := []kgo.Opt{kgo.ConsumerGroup(id), kgo.ConsumeTopics(name), kgo.DisableAutoCommit(),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart())}
	first, err := client(options...)
	if err != nil {
		return err
	}
	records, err := poll(first, 5)
	if err == nil {
		ctx, cancel := limited()
		err = first.CommitRecords(ctx, records...)
		cancel()
	}
	first.Close()
	if err != nil {
		return err
	}
	ctx, cancel := limited()
	defer cancel()
	offsets, err := admin.FetchOffsets(ctx, id)
	if err != nil {
		return err
	}
	committed, _ := offsets.Lookup(name, 0)
	if err := cases.Same("the committed offset", committed.At, int64(5)); err != nil {
		return err
	}
	second, err := client(options...)
	if err != nil {
		return err
	}
	defer second.Close()
	if records, err = poll(second, 5); err != nil {
		return err
	}
	return sameValues(records, values(10)[5:])
}

func seek() error {
	name, err := topic(1, nil)
	if err != nil {
		return err
	}
	if _, err := produce(name, 0, values(10)); err != nil {
		return err
	}
	from, err := client(kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{name: {0: kgo.NewOffset().AtStart()}}))
	if err != nil {
		return err
	}
	defer from.Close()
	if _, err := poll(from, 10); err != nil {
		return err
	}
	from.SetOffsets(map[string]map[int32]kgo.EpochOffset{name: {0: {Epoch: -1, Offset: 7}}})
	records, err := poll(from, 3)
	if err != nil {
		return err
	}
	ctx, cancel := limited()
	defer cancel()
	starts, err := admin.ListStartOffsets(ctx, name)
	if err != nil {
		return err
	}
	ends, err := admin.ListEndOffsets(ctx, name)
	if err != nil {
		return err
	}
	start, _ := starts.Lookup(name, 0)
	end, _ := ends.Lookup(name, 0)
	return errors.Join(sameValues(records, values(10)[7:]),
		cases.Same("first and next offset", []int64{start.Offset, end.Offset}, []int64{0, 10}))
}

func timestamps() error {
	name, err := topic(1, nil)
	if err != nil {
		return err
	}
	to, err := client()
	if err != nil {
		return err
	}
	defer to.Close()
	var times []int64
	for n := range int64(5) {
		times = append(times, 1_000_000+n*1000)
		if _, err := place(to, &kgo.Record{Topic: name, Timestamp: time.UnixMilli(times[n])}); err != nil {
			return err
		}
	}
	ctx, cancel := limited()
	defer cancel()
	found, err := admin.ListOffsetsAfterMilli(ctx, 1_001_500, name)
	if err != nil {
		return err
	}
	at, _ := found.Lookup(name, 0)
	records, err := read(name, kgo.NewOffset().AfterMilli(0), 5)
	if err != nil {
		return err
	}
	var got []int64
	for _, record := range records {
		got = append(got, record.Timestamp.UnixMilli())
	}
	return errors.Join(cases.Same("the offset at that time", at.Offset, int64(2)), cases.Same("timestamps", got, times))
}

func topics() error {
	name, err := topic(5, nil)
	if err != nil {
		return err
	}
	ctx, cancel := limited()
	defer cancel()
	listed, err := admin.ListTopics(ctx, name)
	if err != nil {
		return err
	}
	if err := cases.Same("partitions", len(listed[name].Partitions), 5); err != nil {
		return err
	}
	if _, err := admin.DeleteTopic(ctx, name); err != nil {
		return err
	}
	for {
		listed, err := admin.ListTopics(ctx)
		if err != nil || !listed.Has(name) {
			return err
		}
	}
}

func configs() error {
	retention, limit, soon := "1000", "1000", "soon"
	name, err := topic(1, map[string]*string{"retention.ms": &retention})
	if err != nil {
		return err
	}
	ctx, cancel := limited()
	defer cancel()
	described := func() (map[string]*kadm.Config, error) {
		all, err := admin.DescribeTopicConfigs(ctx, name)
		if err != nil {
			return nil, err
		}
		return byKey(all[0].Configs), all[0].Err
	}
	before, err := described()
	if err != nil {
		return err
	}
	if err := cases.Same("the topic's own value", before["retention.ms"].MaybeValue(), "1000"); err != nil {
		return err
	}
	alter := func(changes ...kadm.AlterConfig) error {
		answers, err := admin.AlterTopicConfigs(ctx, changes, name)
		if err != nil {
			return err
		}
		return answers[0].Err
	}
	compact := "compact"
	if err := alter(
		kadm.AlterConfig{Op: kadm.SetConfig, Name: "max.message.bytes", Value: &limit},
		kadm.AlterConfig{Op: kadm.AppendConfig, Name: "cleanup.policy", Value: &compact},
		kadm.AlterConfig{Op: kadm.DeleteConfig, Name: "retention.ms"},
	); err != nil {
		return err
	}
	after, err := described()
	if err != nil {
		return err
	}
	got := []string{after["max.message.bytes"].MaybeValue(), after["cleanup.policy"].MaybeValue(), after["retention.ms"].MaybeValue()}
	if err := cases.Same("the altered values", got, []string{"1000", "delete,compact", "604800000"}); err != nil {
		return err
	}
	if err := expect(kerr.InvalidConfig, alter(kadm.AlterConfig{Op: kadm.SetConfig, Name: "retention.ms", Value: &soon})); err != nil {
		return err
	}
	brokers, err := admin.DescribeBrokerConfigs(ctx, 1)
	if err != nil {
		return err
	}
	broker := byKey(brokers[0].Configs)
	if err := cases.Same("whether a secret is shown", broker["ssl.key.password"].Value == nil, true); err != nil {
		return err
	}
	return cases.Same("the broker's id", broker["node.id"].MaybeValue(), "1")
}

func deleteRecords() error {
	name, err := topic(1, nil)
	if err != nil {
		return err
	}
	if _, err := produce(name, 0, values(10)); err != nil {
		return err
	}
	ctx, cancel := limited()
	defer cancel()
	remove := func(before int64) (int64, error) {
		offsets := kadm.Offsets{}
		offsets.AddOffset(name, 0, before, -1)
		answer, err := admin.DeleteRecords(ctx, offsets)
		if err != nil {
			return 0, err
		}
		one, _ := answer.Lookup(name, 0)
		return one.LowWatermark, one.Err
	}
	low, err := remove(4)
	if err != nil {
		return err
	}
	starts, err := admin.ListStartOffsets(ctx, name)
	if err != nil {
		return err
	}
	start, _ := starts.Lookup(name, 0)
	records, err := read(name, kgo.NewOffset().AtStart(), 6)
	if err != nil {
		return err
	}
	_, past := remove(11)
	_, gone := read(name, kgo.NewOffset().At(3), 1, kgo.ConsumeResetOffset(kgo.NoResetOffset()))
	return errors.Join(cases.Same("the low watermark", low, int64(4)), cases.Same("the first offset", start.Offset, int64(4)),
		sameValues(records, values(10)[4:]), expect(kerr.OffsetOutOfRange, past), expect(kerr.OffsetOutOfRange, gone))
}

func compacted() error {
	settings := map[string]*string{}
	for key, value := range cases.CompactedTopic {
		settings[key] = &value
	}
	name, err := topic(1, settings)
	if err != nil {
		return err
	}
	write := func(ms int64, batch []cases.Pair) error {
		to, err := client(kgo.ProducerLinger(20 * time.Millisecond))
		if err != nil {
			return err
		}
		defer to.Close()
		var records []*kgo.Record
		for _, pair := range batch {
			records = append(records, &kgo.Record{Topic: name, Key: pair.Key, Value: pair.Value, Timestamp: time.UnixMilli(ms)})
		}
		_, err = place(to, records...)
		return err
	}
	return cases.Compacted(write, func(last int64) ([]string, error) {
		from, err := client(kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{name: {0: kgo.NewOffset().AtStart()}}))
		if err != nil {
			return nil, err
		}
		defer from.Close()
		var found []string
		for at := int64(-1); at < last; {
			records, err := poll(from, 1)
			if err != nil {
				return nil, err
			}
			at = records[0].Offset
			found = append(found, cases.Entry(at, records[0].Key, records[0].Value))
		}
		return found, nil
	})
}

func partitionsAdded() error {
	refresh := []kgo.Opt{kgo.MetadataMaxAge(200 * time.Millisecond), kgo.MetadataMinAge(100 * time.Millisecond)}
	all, err := several(1, 1, refresh...)
	if err != nil {
		return err
	}
	defer all.close()
	to, err := client(append(refresh, kgo.RecordPartitioner(kgo.RoundRobinPartitioner()))...)
	if err != nil {
		return err
	}
	defer to.Close()
	if _, err := place(to, &kgo.Record{Topic: all.name, Value: []byte("before")}); err != nil {
		return err
	}
	ctx, cancel := limited()
	defer cancel()
	answer, err := admin.UpdatePartitions(ctx, 3, all.name)
	if err != nil || answer[all.name].Err != nil {
		return errors.Join(err, answer[all.name].Err)
	}
	wanted := []string{"before"}
	for reached := map[int32]bool{}; len(reached) < 3; {
		record := &kgo.Record{Topic: all.name, Value: []byte("later")}
		if err := to.ProduceSync(ctx, record).FirstErr(); err != nil {
			return err
		}
		reached[record.Partition] = true
		wanted = append(wanted, "later")
	}
	return errors.Join(all.Assigned(3), all.Read(wanted...))
}

func listed(ctx context.Context, group string) (string, error) {
	all, err := admin.ListGroups(ctx)
	return all[group].State, err
}

func groupDescribed() error {
	all, err := several(1, 2, kgo.ClientID("one-member"))
	if err != nil {
		return err
	}
	defer all.close()
	ctx, cancel := limited()
	defer cancel()
	state, err := listed(ctx, all.group)
	if err != nil {
		return err
	}
	described := func() (kadm.DescribedGroup, error) {
		found, err := admin.DescribeGroups(ctx, all.group)
		return found[all.group], errors.Join(err, found[all.group].Err)
	}
	found, err := described()
	if err != nil {
		return err
	}
	got := []any{state, found.State, found.ProtocolType, found.Protocol, len(found.Members)}
	if err := cases.Same("the group", got, []any{"Stable", "Stable", "consumer", "cooperative-sticky", 1}); err != nil {
		return err
	}
	assigned, _ := found.Members[0].Assigned.AsConsumer()
	err = errors.Join(cases.Same("its member's client", found.Members[0].ClientID, "one-member"),
		cases.Same("its member's topic", assigned.Topics[0].Topic, all.name),
		cases.Same("its member's partitions", assigned.Topics[0].Partitions, []int32{0, 1}))
	if err != nil {
		return err
	}
	all.close()
	if found, err = described(); err != nil {
		return err
	}
	return cases.Same("the group without its member", []any{found.State, len(found.Members)}, []any{"Empty", 0})
}

func groupDeleted() error {
	all, err := several(1, 2)
	if err != nil {
		return err
	}
	defer all.close()
	ctx, cancel := limited()
	defer cancel()
	remove := func() error {
		_, err := admin.DeleteGroup(ctx, all.group)
		return err
	}
	if err := expect(kerr.NonEmptyGroup, remove()); err != nil {
		return err
	}
	all.close()
	if err := remove(); err != nil {
		return err
	}
	state, err := listed(ctx, all.group)
	return errors.Join(err, cases.Same("the group in the list", state, ""), expect(kerr.GroupIDNotFound, remove()))
}

func offsetsDeleted() error {
	other, err := topic(1, nil)
	if err != nil {
		return err
	}
	all, err := group(1)
	if err != nil {
		return err
	}
	defer all.close()
	ctx, cancel := limited()
	defer cancel()
	offsets := kadm.Offsets{}
	offsets.AddOffset(all.name, 0, 0, -1)
	offsets.AddOffset(other, 0, 0, -1)
	if err := admin.CommitAllOffsets(ctx, all.group, offsets); err != nil {
		return err
	}
	// With a commit of its own on the way, the offset would come back.
	if _, err := all.add(kgo.DisableAutoCommit()); err != nil {
		return err
	}
	if err := all.Assigned(1); err != nil {
		return err
	}
	remove := func(name string) error {
		set := kadm.TopicsSet{}
		set.Add(name, 0)
		answer, err := admin.DeleteOffsets(ctx, all.group, set)
		if err != nil {
			return err
		}
		return answer.Error()
	}
	committed := func(wanted ...string) error {
		found, err := admin.FetchOffsets(ctx, all.group)
		if err != nil {
			return err
		}
		names := slices.Sorted(maps.Keys(found))
		return cases.Same("the topics with offsets", names, wanted)
	}
	err = errors.Join(expect(kerr.GroupSubscribedToTopic, remove(all.name)), remove(other), committed(all.name))
	if err != nil {
		return err
	}
	all.close()
	return errors.Join(remove(all.name), committed())
}

func describeCluster() error {
	ctx, cancel := limited()
	defer cancel()
	found, err := admin.BrokerMetadata(ctx)
	if err != nil {
		return err
	}
	ports := map[int]int{}
	for _, broker := range found.Brokers {
		ports[int(broker.NodeID)] = int(broker.Port)
	}
	return cases.SameCluster(found.Cluster, ports, int(found.Controller))
}

func byKey(all []kadm.Config) map[string]*kadm.Config {
	found := map[string]*kadm.Config{}
	for _, one := range all {
		found[one.Key] = &one
	}
	return found
}

func expect(wanted error, got error) error {
	if !errors.Is(got, wanted) {
		return fmt.Errorf("the error: got %v, not %v", got, wanted)
	}
	return nil
}

func create(name string) error {
	ctx, cancel := limited()
	defer cancel()
	_, err := admin.CreateTopic(ctx, 1, 1, nil, name)
	return err
}

func existingTopic() error {
	name, err := topic(1, nil)
	if err != nil {
		return err
	}
	return expect(kerr.TopicAlreadyExists, create(name))
}

func invalidTopic() error { return expect(kerr.InvalidTopicException, create("not/a/name")) }

func unknownTopic() error {
	to, err := client(kgo.UnknownTopicRetries(0))
	if err != nil {
		return err
	}
	defer to.Close()
	_, err = place(to, &kgo.Record{Topic: cases.Fresh("no-such-topic")})
	return expect(kerr.UnknownTopicOrPartition, err)
}

func largeRecord() error {
	limit := "1000"
	name, err := topic(1, map[string]*string{"max.message.bytes": &limit})
	if err != nil {
		return err
	}
	_, err = produce(name, 0, [][]byte{make([]byte, 2000)}, kgo.ProducerBatchCompression(kgo.NoCompression()))
	return expect(kerr.MessageTooLarge, err)
}

func returns() error {
	to, err := client(kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.MetadataMinAge(50*time.Millisecond))
	if err != nil {
		return err
	}
	defer to.Close()
	if _, err := place(to, &kgo.Record{Topic: "returning", Value: []byte("before")}); err != nil {
		return err
	}
	if err := cases.StopCluster(); err != nil {
		return err
	}
	sent := make(chan error, 2)
	produce := func() {
		record := &kgo.Record{Topic: "returning", Value: []byte("after")}
		to.Produce(context.Background(), record, func(_ *kgo.Record, err error) { sent <- err })
	}
	produce()
	if err := cases.StartCluster(); err != nil {
		return err
	}
	for {
		select {
		case err := <-sent:
			if errors.Is(err, kerr.UnknownTopicID) {
				// The new cluster's topic has another id. franz-go fails what was meant for the old one, and learns the
				// new one once it has been told to forget the topic.
				to.PurgeTopicsFromProducing("returning")
				produce()
				continue
			}
			if err != nil {
				return err
			}
		case <-time.After(cases.Limit):
			return errors.New("the record was not delivered to the new cluster")
		}
		break
	}
	records, err := read("returning", kgo.NewOffset().AtStart(), 1)
	if err != nil {
		return err
	}
	return sameValues(records, [][]byte{[]byte("after")})
}

func main() {
	shared, err := client()
	if err != nil {
		panic(err)
	}
	defer shared.Close()
	admin = kadm.NewClient(shared)
	cases.Run([]cases.Case{
		{Name: "compression-none", Run: compression(kgo.NoCompression())},
		{Name: "compression-gzip", Run: compression(kgo.GzipCompression())},
		{Name: "compression-snappy", Run: compression(kgo.SnappyCompression())},
		{Name: "compression-lz4", Run: compression(kgo.Lz4Compression())},
		{Name: "compression-zstd", Run: compression(kgo.ZstdCompression())},
		{Name: "keys-headers-tombstones", Run: contents},
		{Name: "idempotent", Run: func() error { return roundTrip(500, kgo.ProducerBatchMaxBytes(1000)) }},
		{Name: "transaction-commit", Run: inTransactions(transactionCommit)},
		{Name: "transaction-abort", Run: inTransactions(transactionAbort)},
		{Name: "transaction-offsets", Run: transactionOffsets},
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
		{Name: "offsets-deleted", Run: offsetsDeleted},
		{Name: "describe-cluster", Run: describeCluster},
		{Name: "error-unknown-topic", Run: unknownTopic},
		{Name: "error-topic-exists", Run: existingTopic},
		{Name: "error-invalid-topic", Run: invalidTopic},
		{Name: "error-record-too-large", Run: largeRecord},
		{Name: "cluster-returns", Run: returns},
	})
}
