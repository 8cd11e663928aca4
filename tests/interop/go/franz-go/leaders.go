package main

import (
	"context"
	"time"

	"kfake.test/interop/cases"

	"github.com/twmb/franz-go/pkg/kgo"
)

func leadersMove() error {
	name, err := topic(1, nil)
	if err != nil {
		return err
	}
	id := cases.Fresh("group")
	from, err := client(kgo.ConsumerGroup(id), kgo.ConsumeTopics(name), kgo.DisableAutoCommit(),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.HeartbeatInterval(200*time.Millisecond),
		kgo.MetadataMinAge(50*time.Millisecond))
	if err != nil {
		return err
	}
	defer from.Close()
	to, err := client(kgo.ProducerBatchMaxBytes(1000), kgo.MetadataMinAge(50*time.Millisecond))
	if err != nil {
		return err
	}
	defer to.Close()
	var sent, found []*kgo.Record
	failed := make(chan error, 1)
	return cases.LeadersMove(name, cases.Leaders{
		Send: func(values []string) error {
			for _, value := range values {
				record := &kgo.Record{Topic: name, Value: []byte(value)}
				sent = append(sent, record)
				to.Produce(context.Background(), record, func(_ *kgo.Record, err error) {
					if err != nil {
						select {
						case failed <- err:
						default:
						}
					}
				})
			}
			return nil
		},
		Delivered: func(count int) ([]int64, error) {
			ctx, cancel := limited()
			defer cancel()
			if err := to.Flush(ctx); err != nil {
				return nil, err
			}
			select {
			case err := <-failed:
				return nil, err
			default:
			}
			var offsets []int64
			for _, record := range sent[len(sent)-count:] {
				offsets = append(offsets, record.Offset)
			}
			return offsets, nil
		},
		Have: func(wanted []string) error {
			more, err := poll(from, len(wanted)-len(found))
			if err != nil {
				return err
			}
			found = append(found, more...)
			return cases.Same("what the member has", text(found), wanted)
		},
		Commit: func() error {
			ctx, cancel := limited()
			defer cancel()
			return from.CommitRecords(ctx, found...)
		},
		Committed: func() (int64, error) {
			ctx, cancel := limited()
			defer cancel()
			offsets, err := admin.FetchOffsets(ctx, id)
			at, _ := offsets.Lookup(name, 0)
			return at.At, err
		},
		Log: func(count int) ([]string, error) {
			records, err := read(name, kgo.NewOffset().AtStart(), count)
			return text(records), err
		},
	})
}
