package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"kfake.test/interop/cases"

	"github.com/segmentio/kafka-go"
)

// shared waits until the coordinator says that so many members have everything among them.
func shared(group string, members, partitions int) error {
	return until(fmt.Sprintf("%d members share %d partitions", members, partitions), func() (bool, error) {
		ctx, cancel := limited()
		defer cancel()
		described, err := client().DescribeGroups(ctx, &kafka.DescribeGroupsRequest{GroupIDs: []string{group}})
		if err != nil {
			return false, err
		}
		found := described.Groups[0]
		if found.Error != nil {
			return false, found.Error
		}
		taken, count := map[int]bool{}, 0
		for _, member := range found.Members {
			for _, topic := range member.MemberAssignments.Topics {
				count += len(topic.Partitions)
				for _, partition := range topic.Partitions {
					taken[partition] = true
				}
			}
		}
		return found.GroupState == "Stable" && len(found.Members) == members && len(taken) == count && count == partitions, nil
	})
}

// members read in the background, and send what they got.
type member struct {
	reader *kafka.Reader
	stop   context.CancelFunc
	done   chan struct{}
}

func join(name, group string, got chan<- string, change ...func(*kafka.ReaderConfig)) *member {
	ctx, cancel := context.WithCancel(context.Background())
	one := &member{reader: inGroup(name, group, change...), stop: cancel, done: make(chan struct{})}
	go func() {
		defer close(one.done)
		for {
			message, err := one.reader.ReadMessage(ctx)
			if err != nil {
				return
			}
			got <- string(message.Value)
		}
	}()
	return one
}

func inGroup(name, group string, change ...func(*kafka.ReaderConfig)) *kafka.Reader {
	return reader(name, append(change, func(config *kafka.ReaderConfig) { config.GroupID = group })...)
}

func (one *member) leave() error {
	one.stop()
	<-one.done
	return one.reader.Close()
}

func groupOf(count int) func() error {
	return func() error {
		name, err := topic(6)
		if err != nil {
			return err
		}
		group, got := cases.Fresh("group"), make(chan string, 100)
		var all []*member
		for range count {
			all = append(all, join(name, group, got))
		}
		if err := shared(group, count, 6); err != nil {
			return err
		}
		for partition := range 6 {
			if err := send(name, partition, messages([]string{fmt.Sprint(partition)})); err != nil {
				return err
			}
		}
		var read []string
		late := time.After(cases.Limit)
		for len(read) < 6 {
			select {
			case value := <-got:
				read = append(read, value)
			case <-late:
				return fmt.Errorf("%d of 6 records within %s", len(read), cases.Limit)
			}
		}
		slices.Sort(read)
		errs := []error{cases.Same("values", read, []string{"0", "1", "2", "3", "4", "5"})}
		for _, one := range all {
			errs = append(errs, one.leave())
		}
		return errors.Join(errs...)
	}
}

func rebalance() error {
	name, err := topic(6)
	if err != nil {
		return err
	}
	group, got := cases.Fresh("group"), make(chan string, 100)
	first, second := join(name, group, got), join(name, group, got)
	if err := shared(group, 2, 6); err != nil {
		return err
	}
	third := join(name, group, got)
	if err := shared(group, 3, 6); err != nil {
		return err
	}
	return errors.Join(first.leave(), shared(group, 2, 6), second.leave(), third.leave())
}

func commit() error {
	name, err := topic(1)
	if err != nil {
		return err
	}
	if err := send(name, 0, messages(values(0, 10))); err != nil {
		return err
	}
	group := cases.Fresh("group")
	from := inGroup(name, group)
	first, err := read(from, 5)
	if err != nil {
		return err
	}
	ctx, cancel := limited()
	defer cancel()
	if err := errors.Join(from.CommitMessages(ctx, first...), from.Close()); err != nil {
		return err
	}
	committed, err := client().OffsetFetch(ctx, &kafka.OffsetFetchRequest{GroupID: group, Topics: map[string][]int{name: {0}}})
	if err != nil {
		return err
	}
	if err := cases.Same("the committed offset", committed.Topics[name][0].CommittedOffset, int64(5)); err != nil {
		return err
	}
	from = inGroup(name, group)
	rest, err := read(from, 5)
	return errors.Join(err, sameValues(rest, values(5, 10)), from.Close())
}

// withMember runs with a group of one member, which has both partitions of its topic.
func withMember(work func(name, group string, leave func() error) error) error {
	name, err := topic(2)
	if err != nil {
		return err
	}
	group := cases.Fresh("group")
	one := join(name, group, make(chan string, 100), func(config *kafka.ReaderConfig) {
		config.Dialer = &kafka.Dialer{ClientID: "one-member"}
	})
	if err := shared(group, 1, 2); err != nil {
		return errors.Join(err, one.leave())
	}
	return work(name, group, one.leave)
}

// listed are the groups of that name: one, or none.
func listed(group string) ([]kafka.ListGroupsResponseGroup, error) {
	ctx, cancel := limited()
	defer cancel()
	all, err := client().ListGroups(ctx, &kafka.ListGroupsRequest{})
	if err != nil {
		return nil, err
	}
	isOther := func(one kafka.ListGroupsResponseGroup) bool { return one.GroupID != group }
	return slices.DeleteFunc(all.Groups, isOther), all.Error
}

func groupDescribed() error {
	return withMember(func(name, group string, leave func() error) error {
		ctx, cancel := limited()
		defer cancel()
		known, err := listed(group)
		if err != nil {
			return err
		}
		if err := cases.Same("the group in the list", len(known), 1); err != nil {
			return err
		}
		described := func() (kafka.DescribeGroupsResponseGroup, error) {
			all, err := client().DescribeGroups(ctx, &kafka.DescribeGroupsRequest{GroupIDs: []string{group}})
			if err != nil {
				return kafka.DescribeGroupsResponseGroup{}, err
			}
			return all.Groups[0], all.Groups[0].Error
		}
		found, err := described()
		if err != nil {
			return err
		}
		got := []any{known[0].ProtocolType, found.GroupState, len(found.Members)}
		if err := cases.Same("the group", got, []any{"consumer", "Stable", 1}); err != nil {
			return err
		}
		one := found.Members[0]
		err = errors.Join(cases.Same("its member's client", one.ClientID, "one-member"),
			cases.Same("its member's topic", one.MemberAssignments.Topics[0].Topic, name),
			cases.Same("its member's partitions", one.MemberAssignments.Topics[0].Partitions, []int{0, 1}), leave())
		if err != nil {
			return err
		}
		found, err = described()
		got = []any{found.GroupState, len(found.Members)}
		return errors.Join(err, cases.Same("the group without its member", got, []any{"Empty", 0}))
	})
}

func groupDeleted() error {
	return withMember(func(_, group string, leave func() error) error {
		ctx, cancel := limited()
		defer cancel()
		remove := func() error {
			done, err := client().DeleteGroups(ctx, &kafka.DeleteGroupsRequest{GroupIDs: []string{group}})
			if err != nil {
				return err
			}
			return done.Errors[group]
		}
		if err := errors.Join(expect(kafka.NonEmptyGroup, remove()), leave(), remove()); err != nil {
			return err
		}
		known, err := listed(group)
		return errors.Join(err, cases.Same("the group in the list", len(known), 0), expect(kafka.GroupIdNotFound, remove()))
	})
}

func offsetsDeleted() error {
	return withMember(func(name, group string, leave func() error) error {
		ctx, cancel := limited()
		defer cancel()
		remove := func(partition int) error {
			done, err := client().OffsetDelete(ctx, &kafka.OffsetDeleteRequest{
				GroupID: group, Topics: map[string][]int{name: {partition}}})
			if err != nil {
				return err
			}
			return errors.Join(done.Error, done.Topics[name][0].Error)
		}
		err := errors.Join(expect(kafka.GroupSubscribedToTopic, remove(0)), leave())
		if err != nil {
			return err
		}
		made, err := client().OffsetCommit(ctx, &kafka.OffsetCommitRequest{GroupID: group, GenerationID: -1,
			Topics: map[string][]kafka.OffsetCommit{name: {{Partition: 0, Offset: 3}, {Partition: 1, Offset: 4}}}})
		if err != nil {
			return err
		}
		for _, one := range made.Topics[name] {
			err = errors.Join(err, one.Error)
		}
		if err := errors.Join(err, remove(0)); err != nil {
			return err
		}
		left, err := client().OffsetFetch(ctx, &kafka.OffsetFetchRequest{GroupID: group, Topics: map[string][]int{name: {0, 1}}})
		if err != nil {
			return err
		}
		offsets := map[int]int64{}
		for _, one := range left.Topics[name] {
			offsets[one.Partition] = one.CommittedOffset
		}
		return cases.Same("the offsets", offsets, map[int]int64{0: -1, 1: 4})
	})
}
