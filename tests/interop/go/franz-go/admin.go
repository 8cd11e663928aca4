package main

import (
	"errors"
	"time"

	"kfake.test/interop/cases"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

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
