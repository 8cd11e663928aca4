package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync/atomic"

	"kfake.test/interop/cases"

	"github.com/IBM/sarama"
)

// members of a group, each in a session of its own until it ends.
type members struct {
	*cases.Members
	name, group string
	all         []*member
}

type member struct {
	*cases.Member
	of     *members
	group  sarama.ConsumerGroup
	cancel context.CancelFunc
	ended  chan struct{}
	// The session that it is in.
	session atomic.Pointer[sarama.ConsumerGroupSession]
}

func (one *member) Setup(session sarama.ConsumerGroupSession) error {
	one.session.Store(&session)
	one.Take(session.Claims()[one.of.name])
	return nil
}

func (one *member) Cleanup(session sarama.ConsumerGroupSession) error {
	// A session that begins anew goes on from there. With each message it would wait for the fetch on the same connection.
	session.Commit()
	one.Give(session.Claims()[one.of.name])
	return nil
}

func (one *member) ConsumeClaim(session sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	for {
		select {
		case message, more := <-claim.Messages():
			if !more {
				return nil
			}
			session.MarkMessage(message, "")
			one.of.Got(string(message.Value))
		case <-session.Context().Done():
			return nil
		}
	}
}

func (all *members) add(change ...func(*sarama.Config)) (*member, error) {
	group, err := sarama.NewConsumerGroup(cases.Servers(), all.group, config(change...))
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	one := &member{Member: all.Join(), of: all, group: group, cancel: cancel, ended: make(chan struct{})}
	all.all = append(all.all, one)
	go func() {
		for range group.Errors() {
		}
	}()
	go func() {
		defer close(one.ended)
		for ctx.Err() == nil {
			if err := group.Consume(ctx, []string{all.name}, one); err != nil && ctx.Err() == nil {
				all.Fail(err)
				return
			}
		}
	}()
	return one, nil
}

func (all *members) end(one *member) error {
	one.Leave()
	all.all = slices.DeleteFunc(all.all, func(other *member) bool { return other == one })
	one.cancel()
	<-one.ended
	return one.group.Close()
}

func (all *members) close() {
	for len(all.all) > 0 {
		_ = all.end(all.all[0])
	}
}

// several makes a group of so many members, which have shared its partitions.
func several(count int, partitions int32, change ...func(*sarama.Config)) (*members, error) {
	name, err := topic(partitions)
	if err != nil {
		return nil, err
	}
	all := &members{Members: cases.NewMembers(), name: name, group: cases.Fresh("group")}
	for range count {
		if _, err := all.add(change...); err != nil {
			return nil, err
		}
	}
	if count == 0 {
		return all, nil
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
			if _, err := produce(all.name, part, []string{fmt.Sprint(part)}); err != nil {
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
	if err := all.end(all.all[0]); err != nil {
		return err
	}
	return all.Assigned(6)
}

func instance(id string) func(*sarama.Config) {
	return func(config *sarama.Config) { config.Consumer.Group.InstanceId = id }
}

func memberDies() error {
	all, err := several(0, 4)
	if err != nil {
		return err
	}
	defer all.close()
	// With an instance id, its close is no farewell: only the end of its session takes it out of the group.
	dying, err := all.add(instance("dying"), func(config *sarama.Config) {
		config.Consumer.Group.Session.Timeout = cases.ShortSession
	})
	if err != nil {
		return err
	}
	if _, err := all.add(); err != nil {
		return err
	}
	if err := all.Assigned(4); err != nil {
		return err
	}
	if err := all.end(dying); err != nil {
		return err
	}
	return all.Assigned(4)
}

func staticMember() error {
	all, err := several(0, 4)
	if err != nil {
		return err
	}
	defer all.close()
	first, err := all.add(instance("instance-1"))
	if err != nil {
		return err
	}
	if _, err := all.add(instance("instance-2")); err != nil {
		return err
	}
	if err := all.Assigned(4); err != nil {
		return err
	}
	before := first.Parts()
	if err := all.end(first); err != nil {
		return err
	}
	again, err := all.add(instance("instance-1"))
	if err != nil {
		return err
	}
	if err := all.Assigned(4); err != nil {
		return err
	}
	return cases.Same("the assignment that it finds again", again.Parts(), before)
}

func commit() error {
	name, err := topic(1)
	if err != nil {
		return err
	}
	if _, err := produce(name, 0, values(0, 10)); err != nil {
		return err
	}
	group := cases.Fresh("group")
	connection, err := sarama.NewClient(cases.Servers(), config())
	if err != nil {
		return err
	}
	defer connection.Close()
	offsets, err := sarama.NewOffsetManagerFromClient(group, connection)
	if err != nil {
		return err
	}
	part, err := offsets.ManagePartition(name, 0)
	if err != nil {
		return err
	}
	part.MarkOffset(5, "read that far")
	offsets.Commit()
	// Without automatic commits, a partition's manager ends with the whole.
	part.AsyncClose()
	if err := offsets.Close(); err != nil {
		return err
	}
	if offsets, err = sarama.NewOffsetManagerFromClient(group, connection); err != nil {
		return err
	}
	if part, err = offsets.ManagePartition(name, 0); err != nil {
		return err
	}
	at, metadata := part.NextOffset()
	part.AsyncClose()
	if err := offsets.Close(); err != nil {
		return err
	}
	messages, err := read(name, at, 5)
	if err != nil {
		return err
	}
	return errors.Join(cases.Same("the committed offset", at, int64(5)),
		cases.Same("its metadata", metadata, "read that far"), sameValues(messages, values(5, 10)))
}

// withMember runs with a group of one member, which has the partitions of its topic.
func withMember(partitions int32, work func(*members, sarama.ClusterAdmin) error) error {
	all, err := several(1, partitions, func(config *sarama.Config) { config.ClientID = "one-member" })
	if err != nil {
		return err
	}
	defer all.close()
	return withAdmin(func(admin sarama.ClusterAdmin) error { return work(all, admin) })
}

func groupDescribed() error {
	return withMember(2, func(all *members, admin sarama.ClusterAdmin) error {
		listed, err := admin.ListConsumerGroups()
		if err != nil {
			return err
		}
		described := func() (*sarama.GroupDescription, error) {
			found, err := admin.DescribeConsumerGroups([]string{all.group})
			if err != nil {
				return nil, err
			}
			if found[0].ErrorCode != 0 {
				return nil, found[0].Err
			}
			return found[0], nil
		}
		found, err := described()
		if err != nil {
			return err
		}
		got := []any{listed[all.group], found.State, found.ProtocolType, found.Protocol, len(found.Members)}
		if err := cases.Same("the group", got, []any{"consumer", "Stable", "consumer", "range", 1}); err != nil {
			return err
		}
		for _, one := range found.Members {
			assigned, err := one.GetMemberAssignment()
			if err != nil {
				return err
			}
			err = errors.Join(cases.Same("its member's client", one.ClientId, "one-member"),
				cases.Same("its member's partitions", assigned.Topics, map[string][]int32{all.name: {0, 1}}))
			if err != nil {
				return err
			}
		}
		all.close()
		if found, err = described(); err != nil {
			return err
		}
		return cases.Same("the group without its member", []any{found.State, len(found.Members)}, []any{"Empty", 0})
	})
}

func groupDeleted() error {
	return withMember(2, func(all *members, admin sarama.ClusterAdmin) error {
		if err := expect(sarama.ErrNonEmptyGroup, admin.DeleteConsumerGroup(all.group)); err != nil {
			return err
		}
		all.close()
		if err := admin.DeleteConsumerGroup(all.group); err != nil {
			return err
		}
		listed, err := admin.ListConsumerGroups()
		return errors.Join(err, cases.Same("the group in the list", listed[all.group], ""),
			expect(sarama.ErrGroupIDNotFound, admin.DeleteConsumerGroup(all.group)))
	})
}

func offsetsDeleted() error {
	other, err := topic(1)
	if err != nil {
		return err
	}
	all, err := several(0, 1)
	if err != nil {
		return err
	}
	defer all.close()
	return withAdmin(func(admin sarama.ClusterAdmin) error {
		offsets := map[string]map[int32]sarama.OffsetAndMetadata{all.name: {0: {}}, other: {0: {}}}
		if _, err := admin.AlterConsumerGroupOffsets(all.group, offsets, nil); err != nil {
			return err
		}
		if _, err := all.add(); err != nil {
			return err
		}
		if err := all.Assigned(1); err != nil {
			return err
		}
		remove := func(name string) error { return admin.DeleteConsumerGroupOffset(all.group, name, 0) }
		committed := func(wanted ...string) error {
			found, err := admin.ListConsumerGroupOffsets(all.group, nil)
			if err != nil {
				return err
			}
			return cases.Same("the topics with offsets", slices.Sorted(maps.Keys(found.Blocks)), wanted)
		}
		err := errors.Join(expect(sarama.ErrGroupSubscribedToTopic, remove(all.name)), remove(other), committed(all.name))
		if err != nil {
			return err
		}
		all.close()
		return errors.Join(remove(all.name), committed())
	})
}
