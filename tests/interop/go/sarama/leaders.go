package main

import (
	"time"

	"kfake.test/interop/cases"

	"github.com/IBM/sarama"
)

func leadersMove() error {
	if !config().Version.IsAtLeast(sarama.V2_4_0_0) {
		return cases.Skip("brokers before 2.4 have no request that moves leaders (KIP-455)")()
	}
	all, err := several(1, 1)
	if err != nil {
		return err
	}
	defer all.close()
	name := all.name
	to, err := sarama.NewAsyncProducer(cases.Servers(), config(func(config *sarama.Config) {
		// With one request at a time and its own retries, it keeps the order where it knows no idempotence, too.
		config.Producer.Idempotent = config.Version.IsAtLeast(sarama.V0_11_0_0)
		config.Net.MaxOpenRequests = 1
		config.Producer.Flush.MaxMessages = 20
		config.Producer.Retry.Max = 100
		config.Producer.Retry.Backoff = 20 * time.Millisecond
	}))
	if err != nil {
		return err
	}
	defer to.Close()
	return cases.LeadersMove(name, cases.Leaders{
		Send: func(values []string) error {
			for _, value := range values {
				to.Input() <- &sarama.ProducerMessage{Topic: name, Value: sarama.StringEncoder(value)}
			}
			return nil
		},
		Delivered: func(count int) ([]int64, error) {
			var offsets []int64
			for late := time.After(cases.Limit); len(offsets) < count; {
				select {
				case message := <-to.Successes():
					offsets = append(offsets, message.Offset)
				case failed := <-to.Errors():
					return nil, failed.Err
				case <-late:
					return nil, cases.Same("deliveries", len(offsets), count)
				}
			}
			return offsets, nil
		},
		Have: func(wanted []string) error { return all.Read(wanted...) },
		// It says nothing where the coordinator is another, and asks that one the next time.
		Commit: func() error {
			(*all.all[0].session.Load()).Commit()
			return nil
		},
		Committed: func() (int64, error) {
			if err := all.end(all.all[0]); err != nil {
				return 0, err
			}
			return committedOffset(all.group, name)
		},
		Log: func(count int) ([]string, error) {
			messages, err := read(name, sarama.OffsetOldest, count)
			return text(messages), err
		},
	})
}
