package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"kfake.test/interop/cases"

	"github.com/IBM/sarama"
)

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

func existingTopic() error {
	name, err := topic(1)
	if err != nil {
		return err
	}
	return expect(sarama.ErrTopicAlreadyExists, create(name, 1, nil))
}

func invalidTopic() error { return expect(sarama.ErrInvalidTopic, create("not/a/name", 1, nil)) }
