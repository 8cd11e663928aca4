package main

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"kfake.test/interop/cases"

	"github.com/segmentio/kafka-go"
)

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

func existingTopic() error {
	name, err := topic(1)
	if err != nil {
		return err
	}
	return expect(kafka.TopicAlreadyExists, create(name, 1))
}

func invalidTopic() error { return expect(kafka.InvalidTopic, create("not/a/name", 1)) }
