package main

import (
	"errors"

	"kfake.test/interop/cases"

	"github.com/IBM/sarama"
)

// A transactional producer.
type transactional struct{ sarama.SyncProducer }

func producing(id string) (transactional, error) {
	to, err := sarama.NewSyncProducer(cases.Servers(), config(func(config *sarama.Config) {
		config.Producer.Idempotent = true
		config.Producer.Transaction.ID = id
		config.Net.MaxOpenRequests = 1
	}))
	return transactional{to}, err
}

func (to transactional) Begin() error { return to.BeginTxn() }

func (to transactional) Send(name string, values ...string) error {
	for _, value := range values {
		message := &sarama.ProducerMessage{Topic: name, Value: sarama.StringEncoder(value)}
		if _, _, err := to.SendMessage(message); err != nil {
			return err
		}
	}
	return nil
}

func (to transactional) End(commit bool) error {
	if commit {
		return to.CommitTxn()
	}
	return to.AbortTxn()
}

func (to transactional) Close() { _ = to.SyncProducer.Close() }

// A transformer reads alone: sarama's members of groups commit by themselves. Its group has offsets, and no member.
type transformer struct {
	transactional
	name, group string
	next        int64
}

func (one *transformer) Read(count int) ([]string, error) {
	messages, err := read(one.name, one.next, count)
	one.next += int64(len(messages))
	return text(messages), err
}

func (one *transformer) Transact(commit bool, into string, values ...string) error {
	if err := one.Begin(); err != nil {
		return err
	}
	if err := one.Send(into, values...); err != nil {
		return err
	}
	offsets := map[string][]*sarama.PartitionOffsetMetadata{one.name: {{Partition: 0, Offset: one.next}}}
	if err := one.AddOffsetsToTxn(offsets, one.group); err != nil {
		return err
	}
	return one.End(commit)
}

func (one *transformer) Offset() (int64, error) { return committedOffset(one.group, one.name) }

func committedOffset(group, name string) (int64, error) {
	var offset int64
	err := withAdmin(func(admin sarama.ClusterAdmin) error {
		answer, err := admin.ListConsumerGroupOffsets(group, map[string][]int32{name: {0}})
		if err == nil {
			offset = answer.GetBlock(name, 0).Offset
		}
		return err
	})
	return offset, err
}

func text(messages []*sarama.ConsumerMessage) []string {
	var all []string
	for _, message := range messages {
		all = append(all, string(message.Value))
	}
	return all
}

var transactions = cases.Transactions{
	Topic:    func() (string, error) { return topic(1) },
	Producer: func(id string) (cases.Transactional, error) { return producing(id) },
	Produce: func(name string, values ...string) error {
		_, err := produce(name, 0, values)
		return err
	},
	Transformer: func(name string) (cases.Transformer, error) {
		to, err := producing(cases.Fresh("transactional"))
		return &transformer{transactional: to, name: name, group: cases.Fresh("group")}, err
	},
	Committed: func(name string, count int) ([]string, error) {
		messages, err := read(name, sarama.OffsetOldest, count, func(config *sarama.Config) {
			config.Consumer.IsolationLevel = sarama.ReadCommitted
		})
		return text(messages), err
	},
	IsFenced: func(err error) bool {
		return errors.Is(err, sarama.ErrProducerFenced) || errors.Is(err, sarama.ErrInvalidProducerEpoch)
	},
}
