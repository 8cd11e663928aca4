package main

import (
	"context"
	"errors"

	"kfake.test/interop/cases"

	"github.com/confluentinc/confluent-kafka-go/kafka"
)

func limited() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), cases.Limit)
}

// A transactional producer.
type transactional struct{ *kafka.Producer }

func producing(id string) (transactional, error) {
	to, err := kafka.NewProducer(settings(kafka.ConfigMap{"transactional.id": id}))
	if err != nil {
		return transactional{}, err
	}
	ctx, cancel := limited()
	defer cancel()
	return transactional{to}, to.InitTransactions(ctx)
}

func (to transactional) Begin() error { return to.BeginTransaction() }

func (to transactional) Send(name string, values ...string) error {
	delivered := make(chan kafka.Event, len(values))
	for _, value := range values {
		if err := to.Produce(message(name, 0, []byte(value)), delivered); err != nil {
			return err
		}
	}
	_, err := reports(delivered, len(values))
	return err
}

func (to transactional) End(commit bool) error {
	ctx, cancel := limited()
	defer cancel()
	if commit {
		return to.CommitTransaction(ctx)
	}
	return to.AbortTransaction(ctx)
}

// A transformer is a member of a group, and a producer.
type transformer struct {
	transactional
	from *kafka.Consumer
	name string
	next int64
}

func transforming(name string) (cases.Transformer, error) {
	from, err := member(name, cases.Fresh("group"), nil)
	if err != nil {
		return nil, err
	}
	to, err := producing(cases.Fresh("transactional"))
	return &transformer{transactional: to, from: from, name: name}, err
}

func (one *transformer) Read(count int) ([]string, error) {
	messages, err := read(one.from, count)
	if len(messages) > 0 {
		one.next = int64(messages[len(messages)-1].TopicPartition.Offset) + 1
	}
	return text(messages), err
}

func (one *transformer) Transact(commit bool, into string, values ...string) error {
	if err := one.Begin(); err != nil {
		return err
	}
	if err := one.Send(into, values...); err != nil {
		return err
	}
	group, err := one.from.GetConsumerGroupMetadata()
	if err != nil {
		return err
	}
	ctx, cancel := limited()
	defer cancel()
	if err := one.SendOffsetsToTransaction(ctx, at(one.name, one.next), group); err != nil {
		return err
	}
	return one.End(commit)
}

func (one *transformer) Offset() (int64, error) { return committedOffset(one.from, one.name) }

func (one *transformer) Close() {
	_ = one.from.Close()
	one.transactional.Close()
}

func committedOffset(from *kafka.Consumer, name string) (int64, error) {
	offsets, err := from.Committed(at(name, 0), limitMs)
	if err != nil {
		return 0, err
	}
	return int64(offsets[0].Offset), nil
}

func text(messages []*kafka.Message) []string {
	var all []string
	for _, message := range messages {
		all = append(all, string(message.Value))
	}
	return all
}

func readText(name string, count int, more ...kafka.ConfigMap) ([]string, error) {
	messages, err := readAll(name, count, more...)
	return text(messages), err
}

var readCommitted = kafka.ConfigMap{"isolation.level": "read_committed"}

var transactions = cases.Transactions{
	Topic:    func() (string, error) { return topic(1) },
	Producer: func(id string) (cases.Transactional, error) { return producing(id) },
	Produce: func(name string, values ...string) error {
		_, err := produce(name, 0, values, nil)
		return err
	},
	Transformer: transforming,
	Committed:   func(name string, count int) ([]string, error) { return readText(name, count, readCommitted) },
	CommittedEnd: func(name string) (int64, error) {
		from, err := consumer(cases.Fresh("alone"), readCommitted)
		if err != nil {
			return 0, err
		}
		defer from.Close()
		_, end, err := from.QueryWatermarkOffsets(name, 0, limitMs)
		return end, err
	},
	IsFenced: func(err error) bool {
		var failed kafka.Error
		return errors.As(err, &failed) && failed.Code() == kafka.ErrFenced
	},
}
