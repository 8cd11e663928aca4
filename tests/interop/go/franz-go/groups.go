package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"kfake.test/interop/cases"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// members of a group, each polled by its own goroutine until it ends.
type members struct {
	*cases.Members
	name, group string
	all         []*member
}

type member struct {
	*cases.Member
	client *kgo.Client
	ended  chan struct{}
}

func group(partitions int32) (*members, error) {
	name, err := topic(partitions, nil)
	return &members{Members: cases.NewMembers(), name: name, group: cases.Fresh("group")}, err
}

func (all *members) add(options ...kgo.Opt) (*member, error) {
	one := &member{Member: all.Join(), ended: make(chan struct{})}
	change := func(how func([]int32)) func(context.Context, *kgo.Client, map[string][]int32) {
		return func(_ context.Context, _ *kgo.Client, parts map[string][]int32) { how(parts[all.name]) }
	}
	from, err := client(append([]kgo.Opt{kgo.ConsumerGroup(all.group), kgo.ConsumeTopics(all.name),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.HeartbeatInterval(200 * time.Millisecond),
		kgo.SessionTimeout(cases.SessionTimeout), kgo.OnPartitionsAssigned(change(one.Take)),
		kgo.OnPartitionsRevoked(change(one.Give)), kgo.OnPartitionsLost(change(one.Give))}, options...)...)
	if err != nil {
		return nil, err
	}
	one.client = from
	all.all = append(all.all, one)
	go func() {
		defer close(one.ended)
		for {
			fetches := from.PollFetches(context.Background())
			if fetches.IsClientClosed() {
				return
			}
			for _, record := range fetches.Records() {
				all.Got(string(record.Value))
			}
		}
	}()
	return one, nil
}

func (all *members) end(one *member) {
	one.Leave()
	all.all = slices.DeleteFunc(all.all, func(other *member) bool { return other == one })
	one.client.Close()
	<-one.ended
}

func (all *members) close() {
	for len(all.all) > 0 {
		all.end(all.all[0])
	}
}

// several makes a group of so many members, which have shared its partitions.
func several(count int, partitions int32, options ...kgo.Opt) (*members, error) {
	all, err := group(partitions)
	if err != nil {
		return nil, err
	}
	for range count {
		if _, err := all.add(options...); err != nil {
			return nil, err
		}
	}
	return all, all.Assigned(int(partitions))
}

func groupOf(count int) func() error {
	return func() error {
		all, err := several(count, 6)
		if err != nil {
			return err
		}
		defer all.close()
		for part := range int32(6) {
			if _, err := produce(all.name, part, [][]byte{fmt.Appendf(nil, "%d", part)}); err != nil {
				return err
			}
		}
		return all.Read("0", "1", "2", "3", "4", "5")
	}
}

func rebalance() error {
	all, err := several(2, 6)
	if err != nil {
		return err
	}
	defer all.close()
	if _, err := all.add(); err != nil {
		return err
	}
	if err := all.Assigned(6); err != nil {
		return err
	}
	all.end(all.all[0])
	return all.Assigned(6)
}

func memberDies() error {
	// With an instance id, its close is no farewell: only the end of its session takes it out of the group.
	all, err := several(1, 4, kgo.InstanceID("dying"), kgo.SessionTimeout(cases.ShortSession))
	if err != nil {
		return err
	}
	defer all.close()
	if _, err := all.add(); err != nil {
		return err
	}
	if err := all.Assigned(4); err != nil {
		return err
	}
	all.end(all.all[0])
	return all.Assigned(4)
}

func staticMember() error {
	all, err := group(4)
	if err != nil {
		return err
	}
	defer all.close()
	first, err := all.add(kgo.InstanceID("instance-1"))
	if err != nil {
		return err
	}
	if _, err := all.add(kgo.InstanceID("instance-2")); err != nil {
		return err
	}
	if err := all.Assigned(4); err != nil {
		return err
	}
	before := first.Parts()
	all.end(first)
	again, err := all.add(kgo.InstanceID("instance-1"))
	if err != nil {
		return err
	}
	if err := all.Assigned(4); err != nil {
		return err
	}
	return cases.Same("the assignment that it finds again", again.Parts(), before)
}

func commit() error {
	name, err := topic(1, nil)
	if err != nil {
		return err
	}
	if _, err := produce(name, 0, values(10)); err != nil {
		return err
	}
	id := cases.Fresh("group")
	options := []kgo.Opt{kgo.ConsumerGroup(id), kgo.ConsumeTopics(name), kgo.DisableAutoCommit(),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart())}
	first, err := client(options...)
	if err != nil {
		return err
	}
	records, err := poll(first, 5)
	if err == nil {
		ctx, cancel := limited()
		err = first.CommitRecords(ctx, records...)
		cancel()
	}
	first.Close()
	if err != nil {
		return err
	}
	ctx, cancel := limited()
	defer cancel()
	offsets, err := admin.FetchOffsets(ctx, id)
	if err != nil {
		return err
	}
	committed, _ := offsets.Lookup(name, 0)
	if err := cases.Same("the committed offset", committed.At, int64(5)); err != nil {
		return err
	}
	second, err := client(options...)
	if err != nil {
		return err
	}
	defer second.Close()
	if records, err = poll(second, 5); err != nil {
		return err
	}
	return sameValues(records, values(10)[5:])
}

func listed(ctx context.Context, group string) (string, error) {
	all, err := admin.ListGroups(ctx)
	return all[group].State, err
}

func groupDescribed() error {
	all, err := several(1, 2, kgo.ClientID("one-member"))
	if err != nil {
		return err
	}
	defer all.close()
	ctx, cancel := limited()
	defer cancel()
	state, err := listed(ctx, all.group)
	if err != nil {
		return err
	}
	described := func() (kadm.DescribedGroup, error) {
		found, err := admin.DescribeGroups(ctx, all.group)
		return found[all.group], errors.Join(err, found[all.group].Err)
	}
	found, err := described()
	if err != nil {
		return err
	}
	got := []any{state, found.State, found.ProtocolType, found.Protocol, len(found.Members)}
	if err := cases.Same("the group", got, []any{"Stable", "Stable", "consumer", "cooperative-sticky", 1}); err != nil {
		return err
	}
	assigned, _ := found.Members[0].Assigned.AsConsumer()
	err = errors.Join(cases.Same("its member's client", found.Members[0].ClientID, "one-member"),
		cases.Same("its member's topic", assigned.Topics[0].Topic, all.name),
		cases.Same("its member's partitions", assigned.Topics[0].Partitions, []int32{0, 1}))
	if err != nil {
		return err
	}
	all.close()
	if found, err = described(); err != nil {
		return err
	}
	return cases.Same("the group without its member", []any{found.State, len(found.Members)}, []any{"Empty", 0})
}

func groupDeleted() error {
	all, err := several(1, 2)
	if err != nil {
		return err
	}
	defer all.close()
	ctx, cancel := limited()
	defer cancel()
	remove := func() error {
		_, err := admin.DeleteGroup(ctx, all.group)
		return err
	}
	if err := expect(kerr.NonEmptyGroup, remove()); err != nil {
		return err
	}
	all.close()
	if err := remove(); err != nil {
		return err
	}
	state, err := listed(ctx, all.group)
	return errors.Join(err, cases.Same("the group in the list", state, ""), expect(kerr.GroupIDNotFound, remove()))
}

func offsetsDeleted() error {
	other, err := topic(1, nil)
	if err != nil {
		return err
	}
	all, err := group(1)
	if err != nil {
		return err
	}
	defer all.close()
	ctx, cancel := limited()
	defer cancel()
	offsets := kadm.Offsets{}
	offsets.AddOffset(all.name, 0, 0, -1)
	offsets.AddOffset(other, 0, 0, -1)
	if err := admin.CommitAllOffsets(ctx, all.group, offsets); err != nil {
		return err
	}
	// With a commit of its own on the way, the offset would come back.
	if _, err := all.add(kgo.DisableAutoCommit()); err != nil {
		return err
	}
	if err := all.Assigned(1); err != nil {
		return err
	}
	remove := func(name string) error {
		set := kadm.TopicsSet{}
		set.Add(name, 0)
		answer, err := admin.DeleteOffsets(ctx, all.group, set)
		if err != nil {
			return err
		}
		return answer.Error()
	}
	committed := func(wanted ...string) error {
		found, err := admin.FetchOffsets(ctx, all.group)
		if err != nil {
			return err
		}
		names := slices.Sorted(maps.Keys(found))
		return cases.Same("the topics with offsets", names, wanted)
	}
	err = errors.Join(expect(kerr.GroupSubscribedToTopic, remove(all.name)), remove(other), committed(all.name))
	if err != nil {
		return err
	}
	all.close()
	return errors.Join(remove(all.name), committed())
}
