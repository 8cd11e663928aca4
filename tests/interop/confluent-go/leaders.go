package main

import (
	"kfake.test/interop/cases"

	"github.com/confluentinc/confluent-kafka-go/kafka"
)

func leadersMove() error {
	name, err := topic(1)
	if err != nil {
		return err
	}
	from, err := member(name, cases.Fresh("group"), nil)
	if err != nil {
		return err
	}
	defer from.Close()
	to, err := kafka.NewProducer(settings(kafka.ConfigMap{"enable.idempotence": true, "batch.num.messages": 10}))
	if err != nil {
		return err
	}
	defer to.Close()
	// Room for all of them: deliveries are looked at later.
	delivered := make(chan kafka.Event, 1000)
	var found []*kafka.Message
	return cases.LeadersMove(name, cases.Leaders{
		Send: func(values []string) error {
			for _, value := range values {
				if err := to.Produce(message(name, 0, []byte(value)), delivered); err != nil {
					return err
				}
			}
			return nil
		},
		Delivered: func(count int) ([]int64, error) { return reports(delivered, count) },
		Have: func(wanted []string) error {
			more, err := read(from, len(wanted)-len(found))
			if err != nil {
				return err
			}
			found = append(found, more...)
			return cases.Same("what the member has", text(found), wanted)
		},
		Commit: func() error {
			_, err := from.Commit()
			return err
		},
		Committed: func() (int64, error) { return committedOffset(from, name) },
		Log:       func(count int) ([]string, error) { return readText(name, count) },
	})
}
