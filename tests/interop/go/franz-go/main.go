// franz-go.
package main

import (
	"context"
	"errors"
	"fmt"
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

func text(records []*kgo.Record) []string {
	all := make([]string, len(records))
	for i, record := range records {
		all[i] = string(record.Value)
	}
	return all
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

func expect(wanted error, got error) error {
	if !errors.Is(got, wanted) {
		return fmt.Errorf("the error: got %v, not %v", got, wanted)
	}
	return nil
}

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
		{Name: "offsets-deleted", Run: offsetsDeleted},
		{Name: "describe-cluster", Run: describeCluster},
		{Name: "error-unknown-topic", Run: unknownTopic},
		{Name: "error-topic-exists", Run: existingTopic},
		{Name: "error-invalid-topic", Run: invalidTopic},
		{Name: "error-record-too-large", Run: largeRecord},
		{Name: "leaders-move", Run: leadersMove},
		{Name: "cluster-returns", Run: returns},
	})
}
