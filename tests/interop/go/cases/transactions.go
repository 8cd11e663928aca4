package cases

import (
	"errors"
	"fmt"
	"slices"
)

// A Transactional is a producer of transactions, which send to a topic's first partition.
type Transactional interface {
	Begin() error
	// Send sends within the transaction that has begun, and waits until it is delivered.
	Send(topic string, values ...string) error
	End(commit bool) error
	Close()
}

// A Transformer reads a topic as a group's member, and writes what it makes of it within transactions.
type Transformer interface {
	// Read gives the next values.
	Read(count int) ([]string, error)
	// Transact sends within a transaction which the group's next offset goes with, and ends it.
	Transact(commit bool, into string, values ...string) error
	// Offset is what the group has committed.
	Offset() (int64, error)
	Close()
}

// Transactions are what the cases of transactions need of a client.
type Transactions struct {
	// Topic makes one with one partition.
	Topic func() (string, error)
	// Producer makes a transactional producer of that id.
	Producer func(id string) (Transactional, error)
	// Produce sends without a transaction.
	Produce func(topic string, values ...string) error
	// Transformer begins at a topic's first record, in a group of its own.
	Transformer func(topic string) (Transformer, error)
	// Committed is what a consumer of committed records alone reads.
	Committed func(topic string, count int) ([]string, error)
	// CommittedEnd is the offset up to which such a consumer may read; nil where the client has nothing that tells.
	CommittedEnd func(topic string) (int64, error)
	// IsFenced knows the client's own error for a producer that another one has fenced.
	IsFenced func(error) bool
}

// transact sends within a transaction, and ends it.
func transact(to Transactional, commit bool, topic string, values ...string) error {
	if err := to.Begin(); err != nil {
		return err
	}
	if err := to.Send(topic, values...); err != nil {
		return err
	}
	return to.End(commit)
}

func (client Transactions) committed(topic string, wanted ...string) error {
	got, err := client.Committed(topic, len(wanted))
	if err != nil {
		return err
	}
	return Same("what is committed", got, wanted)
}

func (client Transactions) committedEnd(topic string, wanted int64) error {
	if client.CommittedEnd == nil {
		return nil
	}
	end, err := client.CommittedEnd(topic)
	if err != nil {
		return err
	}
	return Same("the end of what is committed", end, wanted)
}

// in is a case of a transactional producer and a topic of its own.
func (client Transactions) in(run func(Transactional, string) error) error {
	topic, err := client.Topic()
	if err != nil {
		return err
	}
	to, err := client.Producer(Fresh("transactional"))
	if err != nil {
		return err
	}
	defer to.Close()
	return run(to, topic)
}

// Commit is the case of transactions that are committed.
func (client Transactions) Commit() error {
	return client.in(func(to Transactional, topic string) error {
		if err := to.Begin(); err != nil {
			return err
		}
		if err := to.Send(topic, "a", "b"); err != nil {
			return err
		}
		if err := client.committedEnd(topic, 0); err != nil {
			return err
		}
		if err := to.End(true); err != nil {
			return err
		}
		if err := client.committed(topic, "a", "b"); err != nil {
			return err
		}
		if err := transact(to, true, topic, "c"); err != nil {
			return err
		}
		return errors.Join(client.committed(topic, "a", "b", "c"), client.committedEnd(topic, 5))
	})
}

// Abort is the case of a transaction that is aborted.
func (client Transactions) Abort() error {
	return client.in(func(to Transactional, topic string) error {
		if err := transact(to, false, topic, "a", "b"); err != nil {
			return err
		}
		if err := transact(to, true, topic, "c"); err != nil {
			return err
		}
		return client.committed(topic, "c")
	})
}

// Offsets is the case of offsets that go with a transaction, and stay with one that is aborted.
func (client Transactions) Offsets() error {
	topic, err := client.Topic()
	if err != nil {
		return err
	}
	into, err := client.Topic()
	if err != nil {
		return err
	}
	if err := client.Produce(topic, "0", "1", "2", "3", "4", "5"); err != nil {
		return err
	}
	from, err := client.Transformer(topic)
	if err != nil {
		return err
	}
	defer from.Close()
	for _, commit := range []bool{true, false} {
		read, err := from.Read(3)
		if err != nil {
			return err
		}
		results := slices.Clone(read)
		for i, value := range read {
			results[i] = "from " + value
		}
		if err := from.Transact(commit, into, results...); err != nil {
			return err
		}
	}
	offset, err := from.Offset()
	return errors.Join(err, Same("the committed offset", offset, int64(3)), client.committed(into, "from 0", "from 1", "from 2"))
}

// Fenced is the case of a producer that finds itself fenced by a second one of its id.
func (client Transactions) Fenced() error {
	topic, err := client.Topic()
	if err != nil {
		return err
	}
	id := Fresh("transactional")
	first, err := client.Producer(id)
	if err != nil {
		return err
	}
	defer first.Close()
	if err := first.Begin(); err != nil {
		return err
	}
	if err := first.Send(topic, "of the first"); err != nil {
		return err
	}
	second, err := client.Producer(id)
	if err != nil {
		return err
	}
	defer second.Close()
	if err := transact(second, true, topic, "of the second"); err != nil {
		return err
	}
	if err := first.End(true); !client.IsFenced(err) {
		return fmt.Errorf("the error: got %v, not that of a fenced producer", err)
	}
	return client.committed(topic, "of the second")
}
