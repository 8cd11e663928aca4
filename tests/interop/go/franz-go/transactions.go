package main

import (
	"errors"

	"kfake.test/interop/cases"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

func transactional(id string) (*kgo.Client, error) {
	return client(kgo.TransactionalID(id), kgo.RecordPartitioner(kgo.ManualPartitioner()))
}

// transact sends within a transaction, and ends it.
func transact(to *kgo.Client, commit kgo.TransactionEndTry, name string, all ...string) error {
	if err := to.BeginTransaction(); err != nil {
		return err
	}
	if err := send(to, name, all...); err != nil {
		return err
	}
	ctx, cancel := limited()
	defer cancel()
	return to.EndTransaction(ctx, commit)
}

func send(to *kgo.Client, name string, all ...string) error {
	records := make([]*kgo.Record, len(all))
	for i, value := range all {
		records[i] = &kgo.Record{Topic: name, Value: []byte(value)}
	}
	_, err := place(to, records...)
	return err
}

// committed is what a consumer of committed records alone reads.
func committed(name string, wanted ...string) error {
	from, err := client(kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{name: {0: kgo.NewOffset().AtStart()}}))
	if err != nil {
		return err
	}
	defer from.Close()
	records, err := poll(from, len(wanted))
	if err != nil {
		return err
	}
	got := make([]string, len(records))
	for i, record := range records {
		got[i] = string(record.Value)
	}
	return cases.Same("what is committed", got, wanted)
}

func committedEnd(name string, wanted int64) error {
	ctx, cancel := limited()
	defer cancel()
	ends, err := admin.ListCommittedOffsets(ctx, name)
	if err != nil {
		return err
	}
	end, _ := ends.Lookup(name, 0)
	return cases.Same("the end of what is committed", end.Offset, wanted)
}

// inTransactions is a case of a transactional producer and a topic of its own.
func inTransactions(run func(*kgo.Client, string) error) func() error {
	return func() error {
		name, err := topic(1, nil)
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

func transactionCommit(to *kgo.Client, name string) error {
	if err := to.BeginTransaction(); err != nil {
		return err
	}
	if err := send(to, name, "a", "b"); err != nil {
		return err
	}
	if err := committedEnd(name, 0); err != nil {
		return err
	}
	ctx, cancel := limited()
	defer cancel()
	if err := to.EndTransaction(ctx, kgo.TryCommit); err != nil {
		return err
	}
	if err := committed(name, "a", "b"); err != nil {
		return err
	}
	if err := transact(to, kgo.TryCommit, name, "c"); err != nil {
		return err
	}
	return errors.Join(committed(name, "a", "b", "c"), committedEnd(name, 5))
}

func transactionAbort(to *kgo.Client, name string) error {
	if err := transact(to, kgo.TryAbort, name, "a", "b"); err != nil {
		return err
	}
	if err := transact(to, kgo.TryCommit, name, "c"); err != nil {
		return err
	}
	return committed(name, "c")
}

func transactionOffsets() error {
	name, err := topic(1, nil)
	if err != nil {
		return err
	}
	into, err := topic(1, nil)
	if err != nil {
		return err
	}
	if _, err := produce(name, 0, [][]byte{[]byte("0"), []byte("1"), []byte("2"), []byte("3"), []byte("4"), []byte("5")}); err != nil {
		return err
	}
	id := cases.Fresh("group")
	session, err := kgo.NewGroupTransactSession(kgo.SeedBrokers(cases.Servers()...), kgo.TransactionalID(cases.Fresh("transactional")),
		kgo.ConsumerGroup(id), kgo.ConsumeTopics(name), kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.RequireStableFetchOffsets(), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		return err
	}
	defer session.Close()
	for _, commit := range []kgo.TransactionEndTry{kgo.TryCommit, kgo.TryAbort} {
		records, err := poll(session.Client(), 3)
		if err != nil {
			return err
		}
		if err := session.Begin(); err != nil {
			return err
		}
		for _, record := range records {
			if err := send(session.Client(), into, "from "+string(record.Value)); err != nil {
				return err
			}
		}
		ctx, cancel := limited()
		did, err := session.End(ctx, commit)
		cancel()
		if err != nil {
			return err
		}
		if err := cases.Same("whether it was committed", did, bool(commit)); err != nil {
			return err
		}
	}
	ctx, cancel := limited()
	defer cancel()
	offsets, err := admin.FetchOffsets(ctx, id)
	if err != nil {
		return err
	}
	at, _ := offsets.Lookup(name, 0)
	return errors.Join(cases.Same("the committed offset", at.At, int64(3)), committed(into, "from 0", "from 1", "from 2"))
}

func transactionFenced() error {
	name, err := topic(1, nil)
	if err != nil {
		return err
	}
	id := cases.Fresh("transactional")
	first, err := transactional(id)
	if err != nil {
		return err
	}
	defer first.Close()
	if err := first.BeginTransaction(); err != nil {
		return err
	}
	if err := send(first, name, "of the first"); err != nil {
		return err
	}
	second, err := transactional(id)
	if err != nil {
		return err
	}
	defer second.Close()
	if err := transact(second, kgo.TryCommit, name, "of the second"); err != nil {
		return err
	}
	ctx, cancel := limited()
	defer cancel()
	fenced := first.EndTransaction(ctx, kgo.TryCommit)
	return errors.Join(expect(kerr.ProducerFenced, fenced), committed(name, "of the second"))
}
