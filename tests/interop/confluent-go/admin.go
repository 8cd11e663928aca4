package main

import (
	"context"
	"errors"
	"time"

	"kfake.test/interop/cases"

	"github.com/confluentinc/confluent-kafka-go/kafka"
)

func withAdmin(work func(*kafka.AdminClient) error) error {
	admin, err := kafka.NewAdminClient(settings(nil))
	if err != nil {
		return err
	}
	defer admin.Close()
	return work(admin)
}

// create makes a topic; an error is the one of the topic.
func create(name string, partitions int, config map[string]string) error {
	return withAdmin(func(admin *kafka.AdminClient) error {
		topic := kafka.TopicSpecification{Topic: name, NumPartitions: partitions, ReplicationFactor: 1, Config: config}
		made, err := admin.CreateTopics(context.Background(), []kafka.TopicSpecification{topic},
			kafka.SetAdminOperationTimeout(cases.Limit))
		if err != nil {
			return err
		}
		if made[0].Error.Code() != kafka.ErrNoError {
			return made[0].Error
		}
		return nil
	})
}

func topic(partitions int) (string, error) {
	name := cases.Fresh("confluent-go")
	return name, create(name, partitions, nil)
}

func topics() error {
	name, err := topic(5)
	if err != nil {
		return err
	}
	return withAdmin(func(admin *kafka.AdminClient) error {
		known, err := admin.GetMetadata(&name, false, limitMs)
		if err != nil {
			return err
		}
		if err := cases.Same("partitions", len(known.Topics[name].Partitions), 5); err != nil {
			return err
		}
		gone, err := admin.DeleteTopics(context.Background(), []string{name}, kafka.SetAdminOperationTimeout(cases.Limit))
		if err != nil {
			return err
		}
		if err := cases.Same("the deletion", gone[0].Error.Code(), kafka.ErrNoError); err != nil {
			return err
		}
		return until("the topic is gone", func() (bool, error) {
			known, err := admin.GetMetadata(nil, true, limitMs)
			if err != nil {
				return false, err
			}
			_, there := known.Topics[name]
			return !there, nil
		})
	})
}

func existingTopic() error {
	name, err := topic(1)
	if err != nil {
		return err
	}
	return expect(kafka.ErrTopicAlreadyExists, create(name, 1, nil))
}

func invalidTopic() error { return expect(kafka.ErrTopicException, create("not/a/name", 1, nil)) }

func configs() error {
	name := cases.Fresh("confluent-go")
	if err := create(name, 1, map[string]string{"retention.ms": "1000"}); err != nil {
		return err
	}
	ctx, cancel := limited()
	defer cancel()
	return withAdmin(func(admin *kafka.AdminClient) error {
		described := func(kind kafka.ResourceType, of string) (map[string]kafka.ConfigEntryResult, error) {
			found, err := admin.DescribeConfigs(ctx, []kafka.ConfigResource{{Type: kind, Name: of}})
			if err != nil {
				return nil, err
			}
			return found[0].Config, noError(found[0].Error)
		}
		alter := func(key, value string) error {
			change := kafka.StringMapToConfigEntries(map[string]string{key: value}, kafka.AlterOperationSet)
			done, err := admin.AlterConfigs(ctx, []kafka.ConfigResource{{Type: kafka.ResourceTopic, Name: name, Config: change}})
			if err != nil {
				return err
			}
			return noError(done[0].Error)
		}
		before, err := described(kafka.ResourceTopic, name)
		if err != nil {
			return err
		}
		if err := cases.Same("the topic's own value", before["retention.ms"].Value, "1000"); err != nil {
			return err
		}
		if err := alter("max.message.bytes", "1000"); err != nil {
			return err
		}
		after, err := described(kafka.ResourceTopic, name)
		if err != nil {
			return err
		}
		broker, err := described(kafka.ResourceBroker, "1")
		if err != nil {
			return err
		}
		return errors.Join(cases.Same("what was set", after["max.message.bytes"].Value, "1000"),
			cases.Same("where what was replaced is from", after["retention.ms"].Source, kafka.ConfigSourceDefault),
			expect(kafka.ErrInvalidConfig, alter("retention.ms", "soon")),
			cases.Same("the broker's id", broker["node.id"].Value, "1"),
			cases.Same("whether a secret is shown", broker["ssl.key.password"].Value, ""))
	})
}

// noError is nil where the error that librdkafka gives is none.
func noError(err kafka.Error) error {
	if err.Code() == kafka.ErrNoError {
		return nil
	}
	return err
}

func compacted() error {
	name := cases.Fresh("confluent-go")
	if err := create(name, 1, cases.CompactedTopic); err != nil {
		return err
	}
	write := func(ms int64, batch []cases.Pair) error {
		var messages []*kafka.Message
		for _, pair := range batch {
			one := message(name, 0, pair.Value)
			one.Key, one.Timestamp = pair.Key, time.UnixMilli(ms)
			messages = append(messages, one)
		}
		_, err := send(messages, nil)
		return err
	}
	return cases.Compacted(write, func(last int64) ([]string, error) {
		from, err := consumer(cases.Fresh("alone"))
		if err != nil {
			return nil, err
		}
		defer from.Close()
		if err := from.Assign(at(name, 0)); err != nil {
			return nil, err
		}
		var found []string
		for offset := int64(-1); offset < last; {
			got, err := read(from, 1)
			if err != nil {
				return nil, err
			}
			offset = int64(got[0].TopicPartition.Offset)
			found = append(found, cases.Entry(offset, got[0].Key, got[0].Value))
		}
		return found, nil
	})
}

func partitionsAdded() error {
	name, err := topic(1)
	if err != nil {
		return err
	}
	refresh := kafka.ConfigMap{"topic.metadata.refresh.interval.ms": 200}
	from, err := member(name, cases.Fresh("group"), refresh)
	if err != nil {
		return err
	}
	defer from.Close()
	if err := shared([]*kafka.Consumer{from}, 1); err != nil {
		return err
	}
	to, err := kafka.NewProducer(settings(refresh, kafka.ConfigMap{"partitioner": "random"}))
	if err != nil {
		return err
	}
	defer to.Close()
	produce := func() error {
		delivered := make(chan kafka.Event, 1)
		if err := to.Produce(message(name, kafka.PartitionAny, []byte("v")), delivered); err != nil {
			return err
		}
		_, err := reports(delivered, 1)
		return err
	}
	if err := produce(); err != nil {
		return err
	}
	err = withAdmin(func(admin *kafka.AdminClient) error {
		more := []kafka.PartitionsSpecification{{Topic: name, IncreaseTo: 3}}
		made, err := admin.CreatePartitions(context.Background(), more, kafka.SetAdminOperationTimeout(cases.Limit))
		if err != nil {
			return err
		}
		return noError(made[0].Error)
	})
	if err != nil {
		return err
	}
	reached := map[int32]bool{}
	err = until("a record by each of three partitions", func() (bool, error) {
		if err := produce(); err != nil {
			return false, err
		}
		got, err := poll(from)
		if got != nil {
			reached[got.TopicPartition.Partition] = true
		}
		return len(reached) == 3, err
	})
	return errors.Join(err, shared([]*kafka.Consumer{from}, 3))
}

func describeCluster() error {
	ctx, cancel := limited()
	defer cancel()
	return withAdmin(func(admin *kafka.AdminClient) error {
		id, err := admin.ClusterID(ctx)
		if err != nil {
			return err
		}
		controller, err := admin.ControllerID(ctx)
		if err != nil {
			return err
		}
		known, err := admin.GetMetadata(nil, true, limitMs)
		if err != nil {
			return err
		}
		ports := map[int]int{}
		for _, broker := range known.Brokers {
			ports[int(broker.ID)] = broker.Port
		}
		return errors.Join(cases.SameCluster(id, ports, int(controller)), describedToo(admin, id))
	})
}
