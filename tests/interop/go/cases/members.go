package cases

import (
	"fmt"
	"slices"
	"sync"
	"time"
)

// Members are what the members of a group have and what they got, as each one's own goroutine tells it.
type Members struct {
	mutex   sync.Mutex
	changed *sync.Cond
	all     []*Member
	values  []string
	failed  error
}

// A Member has partitions of the one topic of its group.
type Member struct {
	of    *Members
	parts map[int32]bool
}

// NewMembers is a group without any.
func NewMembers() *Members {
	all := &Members{}
	all.changed = sync.NewCond(&all.mutex)
	return all
}

func (all *Members) change(work func()) {
	all.mutex.Lock()
	defer all.mutex.Unlock()
	work()
	all.changed.Broadcast()
}

// Join adds a member, which has nothing yet.
func (all *Members) Join() *Member {
	one := &Member{of: all, parts: map[int32]bool{}}
	all.change(func() { all.all = append(all.all, one) })
	return one
}

// Got takes note of a record's value.
func (all *Members) Got(value string) { all.change(func() { all.values = append(all.values, value) }) }

// Fail ends every wait with that error.
func (all *Members) Fail(err error) { all.change(func() { all.failed = err }) }

// Leave takes it out of those whose partitions count.
func (one *Member) Leave() {
	one.of.change(func() {
		one.of.all = slices.DeleteFunc(one.of.all, func(other *Member) bool { return other == one })
	})
}

// Take adds partitions to what it has.
func (one *Member) Take(parts []int32) {
	one.of.change(func() {
		for _, part := range parts {
			one.parts[part] = true
		}
	})
}

// Give takes partitions from what it has.
func (one *Member) Give(parts []int32) {
	one.of.change(func() {
		for _, part := range parts {
			delete(one.parts, part)
		}
	})
}

// Parts are its partitions, in order.
func (one *Member) Parts() []int32 {
	one.of.mutex.Lock()
	defer one.of.mutex.Unlock()
	var parts []int32
	for part := range one.parts {
		parts = append(parts, part)
	}
	slices.Sort(parts)
	return parts
}

func (all *Members) wait(what string, look func() bool) error {
	late := false
	timer := time.AfterFunc(Limit, func() { all.change(func() { late = true }) })
	defer timer.Stop()
	all.mutex.Lock()
	defer all.mutex.Unlock()
	for !look() {
		if all.failed != nil {
			return all.failed
		}
		if late {
			return fmt.Errorf("%s: not within %s", what, Limit)
		}
		all.changed.Wait()
	}
	return nil
}

// Assigned waits until the members have so many partitions among them, each some and no two the same.
func (all *Members) Assigned(partitions int) error {
	return all.wait(fmt.Sprintf("%d members share %d partitions", len(all.all), partitions), func() bool {
		taken, sum := map[int32]bool{}, 0
		for _, one := range all.all {
			if len(one.parts) == 0 {
				return false
			}
			sum += len(one.parts)
			for part := range one.parts {
				taken[part] = true
			}
		}
		return sum == len(taken) && sum == partitions
	})
}

// Read waits until so many records have arrived, and compares their values, in order.
func (all *Members) Read(wanted ...string) error {
	if err := all.wait("every record arrives", func() bool { return len(all.values) >= len(wanted) }); err != nil {
		return err
	}
	all.mutex.Lock()
	defer all.mutex.Unlock()
	got := slices.Clone(all.values)
	slices.Sort(got)
	return Same("values", got, wanted)
}
