//go:build version2

package main

import (
	"errors"

	"kfake.test/interop/cases"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"
)

// What version 2 has functions for alone.

func deleteRecords() error {
	name, err := topic(1)
	if err != nil {
		return err
	}
	if _, err := produce(name, 0, values(0, 10), nil); err != nil {
		return err
	}
	ctx, cancel := limited()
	defer cancel()
	err = withAdmin(func(admin *kafka.AdminClient) error {
		done, err := admin.DeleteRecords(ctx, at(name, 4))
		if err != nil {
			return err
		}
		one := done.DeleteRecordsResults[0]
		if one.TopicPartition.Error != nil {
			return one.TopicPartition.Error
		}
		if err := cases.Same("the low watermark", one.DeletedRecords.LowWatermark, kafka.Offset(4)); err != nil {
			return err
		}
		if done, err = admin.DeleteRecords(ctx, at(name, 11)); err != nil {
			return err
		}
		return expect(kafka.ErrOffsetOutOfRange, done.DeleteRecordsResults[0].TopicPartition.Error)
	})
	if err != nil {
		return err
	}
	messages, err := readAll(name, 6)
	if err != nil {
		return err
	}
	from, err := consumer(cases.Fresh("alone"), kafka.ConfigMap{"auto.offset.reset": "error"})
	if err != nil {
		return err
	}
	defer from.Close()
	low, high, err := from.QueryWatermarkOffsets(name, 0, limitMs)
	err = errors.Join(err, sameValues(messages, values(4, 10)), cases.Same("watermarks", []int64{low, high}, []int64{4, 10}),
		from.Assign(at(name, 3)))
	if err != nil {
		return err
	}
	return expect(kafka.ErrAutoOffsetReset, until("an error", func() (bool, error) {
		_, err := poll(from)
		return false, err
	}))
}

// withMember runs with a group of one member, which has both partitions of its topic.
func withMember(work func(admin *kafka.AdminClient, name, group string, one *kafka.Consumer) error) error {
	name, err := topic(2)
	if err != nil {
		return err
	}
	group := cases.Fresh("group")
	one, err := member(name, group, kafka.ConfigMap{"client.id": "one-member"})
	if err != nil {
		return err
	}
	if err := shared([]*kafka.Consumer{one}, 2); err != nil {
		return err
	}
	return withAdmin(func(admin *kafka.AdminClient) error { return work(admin, name, group, one) })
}

// listed gives the states of the groups of that name: one, or none.
func listed(admin *kafka.AdminClient, group string) ([]kafka.ConsumerGroupState, error) {
	ctx, cancel := limited()
	defer cancel()
	all, err := admin.ListConsumerGroups(ctx)
	if err != nil {
		return nil, err
	}
	var found []kafka.ConsumerGroupState
	for _, one := range all.Valid {
		if one.GroupID == group {
			found = append(found, one.State)
		}
	}
	return found, errors.Join(all.Errors...)
}

func groupDescribed() error {
	return withMember(func(admin *kafka.AdminClient, name, group string, one *kafka.Consumer) error {
		ctx, cancel := limited()
		defer cancel()
		states, err := listed(admin, group)
		if err != nil {
			return err
		}
		all, err := admin.DescribeConsumerGroups(ctx, []string{group})
		if err != nil {
			return err
		}
		found := all.ConsumerGroupDescriptions[0]
		if err := noError(found.Error); err != nil {
			return err
		}
		got := []any{states, found.State, found.PartitionAssignor, len(found.Members)}
		stable := kafka.ConsumerGroupStateStable
		wanted := []any{[]kafka.ConsumerGroupState{stable}, stable, "range", 1}
		if err := cases.Same("the group", got, wanted); err != nil {
			return err
		}
		var parts []int32
		for _, part := range found.Members[0].Assignment.TopicPartitions {
			if *part.Topic == name {
				parts = append(parts, part.Partition)
			}
		}
		err = errors.Join(cases.Same("its member's client", found.Members[0].ClientID, "one-member"),
			cases.Same("its member's partitions", parts, []int32{0, 1}), one.Close())
		if err != nil {
			return err
		}
		states, err = listed(admin, group)
		return errors.Join(err, cases.Same("the group without its member", states,
			[]kafka.ConsumerGroupState{kafka.ConsumerGroupStateEmpty}))
	})
}

func groupDeleted() error {
	return withMember(func(admin *kafka.AdminClient, _, group string, one *kafka.Consumer) error {
		ctx, cancel := limited()
		defer cancel()
		remove := func() error {
			done, err := admin.DeleteConsumerGroups(ctx, []string{group})
			if err != nil {
				return err
			}
			return noError(done.ConsumerGroupResults[0].Error)
		}
		if err := errors.Join(expect(kafka.ErrNonEmptyGroup, remove()), one.Close(), remove()); err != nil {
			return err
		}
		states, err := listed(admin, group)
		return errors.Join(err, cases.Same("the group in the list", len(states), 0),
			expect(kafka.ErrGroupIDNotFound, remove()))
	})
}

// describedToo compares what DescribeCluster says.
func describedToo(admin *kafka.AdminClient, id string) error {
	ctx, cancel := limited()
	defer cancel()
	found, err := admin.DescribeCluster(ctx)
	if err != nil {
		return err
	}
	if found.ClusterID == nil || found.Controller == nil {
		return errors.New("it has no id, or no controller")
	}
	ports := map[int]int{}
	for _, node := range found.Nodes {
		ports[node.ID] = node.Port
	}
	return errors.Join(cases.Same("the described cluster's id", *found.ClusterID, id),
		cases.SameCluster(*found.ClusterID, ports, found.Controller.ID))
}
