package main

import (
	"errors"
	"fmt"
	"slices"

	"kfake.test/interop/cases"

	"github.com/confluentinc/confluent-kafka-go/kafka"
)

func member(name, group string, config kafka.ConfigMap) (*kafka.Consumer, error) {
	from, err := consumer(group, config)
	if err != nil {
		return nil, err
	}
	return from, from.Subscribe(name, nil)
}

func members(name, group string, count int) ([]*kafka.Consumer, error) {
	var all []*kafka.Consumer
	for range count {
		one, err := member(name, group, nil)
		if err != nil {
			return nil, err
		}
		all = append(all, one)
	}
	return all, nil
}

func numbers(from *kafka.Consumer) ([]int32, error) {
	assigned, err := from.Assignment()
	var partitions []int32
	for _, part := range assigned {
		partitions = append(partitions, part.Partition)
	}
	slices.Sort(partitions)
	return partitions, err
}

// shared polls all until their assignments are disjoint and cover everything.
func shared(all []*kafka.Consumer, partitions int) error {
	return until(fmt.Sprintf("%d members share %d partitions", len(all), partitions), func() (bool, error) {
		taken, each := map[int32]bool{}, true
		count := 0
		for _, one := range all {
			if _, err := poll(one); err != nil {
				return false, err
			}
			assigned, err := numbers(one)
			if err != nil {
				return false, err
			}
			each = each && len(assigned) > 0
			count += len(assigned)
			for _, partition := range assigned {
				taken[partition] = true
			}
		}
		return each && len(taken) == count && count == partitions, nil
	})
}

func groupOf(count int) func() error {
	return func() error {
		name, err := topic(6)
		if err != nil {
			return err
		}
		all, err := members(name, cases.Fresh("group"), count)
		if err != nil {
			return err
		}
		if err := shared(all, 6); err != nil {
			return err
		}
		for partition := range int32(6) {
			if _, err := produce(name, partition, []string{fmt.Sprint(partition)}, nil); err != nil {
				return err
			}
		}
		var got []string
		err = until("every record arrives", func() (bool, error) {
			for _, one := range all {
				message, err := poll(one)
				if err != nil {
					return false, err
				}
				if message != nil {
					got = append(got, string(message.Value))
				}
			}
			return len(got) >= 6, nil
		})
		slices.Sort(got)
		return errors.Join(err, cases.Same("values", got, []string{"0", "1", "2", "3", "4", "5"}), closeAll(all))
	}
}

func closeAll(all []*kafka.Consumer) error {
	var errs []error
	for _, one := range all {
		errs = append(errs, one.Close())
	}
	return errors.Join(errs...)
}

func rebalance() error {
	name, err := topic(6)
	if err != nil {
		return err
	}
	group := cases.Fresh("group")
	all, err := members(name, group, 2)
	if err != nil {
		return err
	}
	if err := shared(all, 6); err != nil {
		return err
	}
	third, err := members(name, group, 1)
	if err != nil {
		return err
	}
	all = append(all, third...)
	if err := shared(all, 6); err != nil {
		return err
	}
	if err := all[0].Close(); err != nil {
		return err
	}
	return errors.Join(shared(all[1:], 6), closeAll(all[1:]))
}

func memberDies() error {
	name, err := topic(4)
	if err != nil {
		return err
	}
	group := cases.Fresh("group")
	short := int(cases.ShortSession.Milliseconds())
	// It stops polling, and so is taken out of the group by librdkafka itself after that long.
	dying, err := member(name, group, kafka.ConfigMap{"max.poll.interval.ms": short, "session.timeout.ms": short})
	if err != nil {
		return err
	}
	if err := shared([]*kafka.Consumer{dying}, 4); err != nil {
		return err
	}
	left, err := member(name, group, nil)
	if err != nil {
		return err
	}
	if err := shared([]*kafka.Consumer{dying, left}, 4); err != nil {
		return err
	}
	return errors.Join(shared([]*kafka.Consumer{left}, 4), left.Close(), dying.Close())
}

func staticMember() error {
	name, err := topic(4)
	if err != nil {
		return err
	}
	group := cases.Fresh("group")
	first, err := member(name, group, kafka.ConfigMap{"group.instance.id": "instance-1"})
	if err != nil {
		return err
	}
	second, err := member(name, group, kafka.ConfigMap{"group.instance.id": "instance-2"})
	if err != nil {
		return err
	}
	if err := shared([]*kafka.Consumer{first, second}, 4); err != nil {
		return err
	}
	before, err := numbers(first)
	if err != nil {
		return err
	}
	// A static member that closes stays in its group.
	if err := first.Close(); err != nil {
		return err
	}
	again, err := member(name, group, kafka.ConfigMap{"group.instance.id": "instance-1"})
	if err != nil {
		return err
	}
	if err := shared([]*kafka.Consumer{again, second}, 4); err != nil {
		return err
	}
	after, err := numbers(again)
	return errors.Join(err, cases.Same("the assignment that it finds again", after, before), again.Close(), second.Close())
}

func commit() error {
	name, err := topic(1)
	if err != nil {
		return err
	}
	group := cases.Fresh("group")
	if _, err := produce(name, 0, values(0, 10), nil); err != nil {
		return err
	}
	from, err := member(name, group, nil)
	if err != nil {
		return err
	}
	if _, err := read(from, 5); err != nil {
		return err
	}
	if _, err := from.CommitOffsets(at(name, 5)); err != nil {
		return err
	}
	committed, err := from.Committed(at(name, 0), limitMs)
	if err != nil {
		return err
	}
	if err := errors.Join(cases.Same("the committed offset", committed[0].Offset, kafka.Offset(5)), from.Close()); err != nil {
		return err
	}
	if from, err = member(name, group, nil); err != nil {
		return err
	}
	rest, err := read(from, 5)
	return errors.Join(err, sameValues(rest, values(5, 10)), from.Close())
}
