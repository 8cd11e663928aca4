package main

import (
	"errors"

	"kfake.test/interop/cases"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// A transactional producer.
type transactional struct{ *kgo.Client }

func (to transactional) Begin() error { return to.BeginTransaction() }

func (to transactional) Send(name string, values ...string) error {
	return send(to.Client, name, values...)
}

func (to transactional) End(commit bool) error {
	ctx, cancel := limited()
	defer cancel()
	return to.EndTransaction(ctx, kgo.TransactionEndTry(commit))
}

func send(to *kgo.Client, name string, values ...string) error {
	records := make([]*kgo.Record, len(values))
	for i, value := range values {
		records[i] = &kgo.Record{Topic: name, Value: []byte(value)}
	}
	_, err := place(to, records...)
	return err
}

// A transformer is franz-go's own session, which reads and writes.
type transformer struct {
	*kgo.GroupTransactSession
	name, group string
}

func transforming(name string) (cases.Transformer, error) {
	group := cases.Fresh("group")
	session, err := kgo.NewGroupTransactSession(kgo.SeedBrokers(cases.Servers()...), kgo.TransactionalID(cases.Fresh("transactional")),
		kgo.ConsumerGroup(group), kgo.ConsumeTopics(name), kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.RequireStableFetchOffsets(), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.RecordPartitioner(kgo.ManualPartitioner()))
	return transformer{session, name, group}, err
}

func (one transformer) Read(count int) ([]string, error) {
	records, err := poll(one.Client(), count)
	return text(records), err
}

func (one transformer) Transact(commit bool, into string, values ...string) error {
	if err := one.Begin(); err != nil {
		return err
	}
	if err := send(one.Client(), into, values...); err != nil {
		return err
	}
	ctx, cancel := limited()
	defer cancel()
	did, err := one.End(ctx, kgo.TransactionEndTry(commit))
	if err != nil {
		return err
	}
	return cases.Same("whether it was committed", did, commit)
}

func (one transformer) Offset() (int64, error) {
	ctx, cancel := limited()
	defer cancel()
	offsets, err := admin.FetchOffsets(ctx, one.group)
	at, _ := offsets.Lookup(one.name, 0)
	return at.At, err
}

var transactions = cases.Transactions{
	Topic: func() (string, error) { return topic(1, nil) },
	Producer: func(id string) (cases.Transactional, error) {
		to, err := client(kgo.TransactionalID(id), kgo.RecordPartitioner(kgo.ManualPartitioner()))
		return transactional{to}, err
	},
	Produce: func(name string, values ...string) error {
		to, err := client(kgo.RecordPartitioner(kgo.ManualPartitioner()))
		if err != nil {
			return err
		}
		defer to.Close()
		return send(to, name, values...)
	},
	Transformer: transforming,
	Committed: func(name string, count int) ([]string, error) {
		records, err := read(name, kgo.NewOffset().AtStart(), count, kgo.FetchIsolationLevel(kgo.ReadCommitted()))
		return text(records), err
	},
	CommittedEnd: func(name string) (int64, error) {
		ctx, cancel := limited()
		defer cancel()
		ends, err := admin.ListCommittedOffsets(ctx, name)
		end, _ := ends.Lookup(name, 0)
		return end.Offset, err
	},
	IsFenced: func(err error) bool { return errors.Is(err, kerr.ProducerFenced) },
}
