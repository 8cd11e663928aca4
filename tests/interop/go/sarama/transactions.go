package main

import (
	"errors"
	"fmt"

	"kfake.test/interop/cases"

	"github.com/IBM/sarama"
)

func transactional(id string) (sarama.SyncProducer, error) {
	return sarama.NewSyncProducer(cases.Servers(), config(func(config *sarama.Config) {
		config.Producer.Idempotent = true
		config.Producer.Transaction.ID = id
		config.Net.MaxOpenRequests = 1
	}))
}

// sendIn sends within a transaction that the caller has begun.
func sendIn(to sarama.SyncProducer, name string, all ...string) error {
	for _, value := range all {
		message := &sarama.ProducerMessage{Topic: name, Value: sarama.StringEncoder(value)}
		if _, _, err := to.SendMessage(message); err != nil {
			return err
		}
	}
	return nil
}

// transact sends within a transaction, and ends it.
func transact(to sarama.SyncProducer, end func() error, name string, all ...string) error {
	if err := to.BeginTxn(); err != nil {
		return err
	}
	if err := sendIn(to, name, all...); err != nil {
		return err
	}
	return end()
}

// committed is what a consumer of committed records alone reads.
func committed(name string, wanted ...string) error {
	messages, err := read(name, sarama.OffsetOldest, len(wanted), func(config *sarama.Config) {
		config.Consumer.IsolationLevel = sarama.ReadCommitted
	})
	if err != nil {
		return err
	}
	return sameValues(messages, wanted)
}

// inTransactions is a case of a transactional producer and a topic of its own.
func inTransactions(run func(sarama.SyncProducer, string) error) func() error {
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

func transactionCommit(to sarama.SyncProducer, name string) error {
	if err := transact(to, to.CommitTxn, name, "a", "b"); err != nil {
		return err
	}
	if err := committed(name, "a", "b"); err != nil {
		return err
	}
	if err := transact(to, to.CommitTxn, name, "c"); err != nil {
		return err
	}
	return committed(name, "a", "b", "c")
}

func transactionAbort(to sarama.SyncProducer, name string) error {
	if err := transact(to, to.AbortTxn, name, "a", "b"); err != nil {
		return err
	}
	if err := transact(to, to.CommitTxn, name, "c"); err != nil {
		return err
	}
	return committed(name, "c")
}

func transactionOffsets(to sarama.SyncProducer, name string) error {
	into, err := topic(1)
	if err != nil {
		return err
	}
	group := cases.Fresh("group")
	for _, one := range []struct {
		offset int64
		end    func() error
	}{{3, to.CommitTxn}, {6, to.AbortTxn}} {
		offsets := map[string][]*sarama.PartitionOffsetMetadata{name: {{Partition: 0, Offset: one.offset}}}
		end := func() error {
			if err := to.AddOffsetsToTxn(offsets, group); err != nil {
				return err
			}
			return one.end()
		}
		if err := transact(to, end, into, fmt.Sprint("up to ", one.offset)); err != nil {
			return err
		}
	}
	return withAdmin(func(admin sarama.ClusterAdmin) error {
		answer, err := admin.ListConsumerGroupOffsets(group, map[string][]int32{name: {0}})
		if err != nil {
			return err
		}
		return errors.Join(cases.Same("the committed offset", answer.GetBlock(name, 0).Offset, int64(3)), committed(into, "up to 3"))
	})
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
	if err := first.BeginTxn(); err != nil {
		return err
	}
	if err := sendIn(first, name, "of the first"); err != nil {
		return err
	}
	second, err := transactional(id)
	if err != nil {
		return err
	}
	defer second.Close()
	fenced := first.CommitTxn()
	if !errors.Is(fenced, sarama.ErrProducerFenced) && !errors.Is(fenced, sarama.ErrInvalidProducerEpoch) {
		return fmt.Errorf("the error: got %v, not that of a fenced producer", fenced)
	}
	if err := transact(second, second.CommitTxn, name, "of the second"); err != nil {
		return err
	}
	return committed(name, "of the second")
}
