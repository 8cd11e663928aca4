package main

import (
	"context"
	"errors"

	"kfake.test/interop/cases"

	"github.com/confluentinc/confluent-kafka-go/kafka"
)

func transactional(id string) (*kafka.Producer, error) {
	to, err := kafka.NewProducer(settings(kafka.ConfigMap{"transactional.id": id}))
	if err != nil {
		return nil, err
	}
	ctx, cancel := limited()
	defer cancel()
	return to, to.InitTransactions(ctx)
}

func limited() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), cases.Limit)
}

// sendIn sends within a transaction that the caller has begun.
func sendIn(to *kafka.Producer, name string, all ...string) error {
	delivered := make(chan kafka.Event, len(all))
	for _, value := range all {
		if err := to.Produce(message(name, 0, []byte(value)), delivered); err != nil {
			return err
		}
	}
	_, err := reports(delivered, len(all))
	return err
}

// transact sends within a transaction, and ends it.
func transact(to *kafka.Producer, end func(context.Context) error, name string, all ...string) error {
	if err := to.BeginTransaction(); err != nil {
		return err
	}
	if err := sendIn(to, name, all...); err != nil {
		return err
	}
	ctx, cancel := limited()
	defer cancel()
	return end(ctx)
}

// committed is what a consumer of committed records alone reads.
func committed(name string, wanted ...string) error {
	from, err := consumer(cases.Fresh("alone"), kafka.ConfigMap{"isolation.level": "read_committed"})
	if err != nil {
		return err
	}
	defer from.Close()
	if err := from.Assign(at(name, 0)); err != nil {
		return err
	}
	messages, err := read(from, len(wanted))
	return errors.Join(err, sameValues(messages, wanted))
}

// committedEnd is the offset up to which such a consumer may read.
func committedEnd(name string, wanted int64) error {
	from, err := consumer(cases.Fresh("alone"), kafka.ConfigMap{"isolation.level": "read_committed"})
	if err != nil {
		return err
	}
	defer from.Close()
	_, end, err := from.QueryWatermarkOffsets(name, 0, limitMs)
	return errors.Join(err, cases.Same("the end of what is committed", end, wanted))
}

// inTransactions is a case of a transactional producer and a topic of its own.
func inTransactions(run func(*kafka.Producer, string) error) func() error {
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

func transactionCommit(to *kafka.Producer, name string) error {
	if err := to.BeginTransaction(); err != nil {
		return err
	}
	if err := errors.Join(sendIn(to, name, "a", "b"), committedEnd(name, 0)); err != nil {
		return err
	}
	ctx, cancel := limited()
	defer cancel()
	if err := to.CommitTransaction(ctx); err != nil {
		return err
	}
	if err := committed(name, "a", "b"); err != nil {
		return err
	}
	if err := transact(to, to.CommitTransaction, name, "c"); err != nil {
		return err
	}
	return errors.Join(committed(name, "a", "b", "c"), committedEnd(name, 5))
}

func transactionAbort(to *kafka.Producer, name string) error {
	if err := transact(to, to.AbortTransaction, name, "a", "b"); err != nil {
		return err
	}
	if err := transact(to, to.CommitTransaction, name, "c"); err != nil {
		return err
	}
	return committed(name, "c")
}

func transactionOffsets(to *kafka.Producer, name string) error {
	into, err := topic(1)
	if err != nil {
		return err
	}
	if _, err := produce(name, 0, []string{"0", "1", "2", "3", "4", "5"}, nil); err != nil {
		return err
	}
	from, err := member(name, cases.Fresh("group"), nil)
	if err != nil {
		return err
	}
	defer from.Close()
	for _, end := range []func(context.Context) error{to.CommitTransaction, to.AbortTransaction} {
		messages, err := read(from, 3)
		if err != nil {
			return err
		}
		var results []string
		for _, one := range messages {
			results = append(results, "from "+string(one.Value))
		}
		group, err := from.GetConsumerGroupMetadata()
		if err != nil {
			return err
		}
		next := at(name, int64(messages[2].TopicPartition.Offset)+1)
		err = transact(to, func(ctx context.Context) error {
			return errors.Join(to.SendOffsetsToTransaction(ctx, next, group), end(ctx))
		}, into, results...)
		if err != nil {
			return err
		}
	}
	offsets, err := from.Committed(at(name, 0), limitMs)
	if err != nil {
		return err
	}
	return errors.Join(cases.Same("the committed offset", offsets[0].Offset, kafka.Offset(3)),
		committed(into, "from 0", "from 1", "from 2"))
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
	if err := errors.Join(first.BeginTransaction(), sendIn(first, name, "of the first")); err != nil {
		return err
	}
	second, err := transactional(id)
	if err != nil {
		return err
	}
	defer second.Close()
	ctx, cancel := limited()
	defer cancel()
	if err := expect(kafka.ErrFenced, first.CommitTransaction(ctx)); err != nil {
		return err
	}
	if err := transact(second, second.CommitTransaction, name, "of the second"); err != nil {
		return err
	}
	return committed(name, "of the second")
}
