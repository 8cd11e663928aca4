package cases

import (
	"errors"
	"fmt"
)

// Leaders is what a client does while leaders move: an idempotent producer that sends to the one partition of a topic, and the one
// member of a group that reads it.
type Leaders struct {
	// Send begins to send, in order.
	Send func(values []string) error
	// Delivered waits until so many more are delivered, and gives their offsets.
	Delivered func(count int) ([]int64, error)
	// Have waits until the member has as many, and compares all that it has.
	Have func(wanted []string) error
	// Commit commits what the member has.
	Commit func() error
	// Committed is the offset that the group has committed in the end.
	Committed func() (int64, error)
	// Log is what the partition has.
	Log func(count int) ([]string, error)
}

// In each round so many records are sent before the leader moves, and so many after it.
const (
	rounds       = 3
	before       = 100
	after        = 50
	coordinators = "__consumer_offsets"
)

// LeadersMove is the case of leaders that move under a client. In one of the rounds, the group's coordinator moves as well.
func LeadersMove(name string, client Leaders) error {
	var all []string
	var offsets []int64
	for round := range rounds {
		for range before + after {
			all = append(all, fmt.Sprintf("%04d", len(all)))
		}
		next := all[round*(before+after):]
		if err := client.Send(next[:before]); err != nil {
			return err
		}
		if err := MoveLeaders(name); err != nil {
			return err
		}
		if round == 1 {
			if err := MoveLeaders(coordinators); err != nil {
				return err
			}
		}
		if err := client.Send(next[before:]); err != nil {
			return err
		}
		delivered, err := client.Delivered(len(next))
		if err != nil {
			return err
		}
		offsets = append(offsets, delivered...)
		if err := client.Have(all); err != nil {
			return err
		}
		if err := client.Commit(); err != nil {
			return err
		}
	}
	committed, err := client.Committed()
	if err != nil {
		return err
	}
	log, err := client.Log(len(all))
	return errors.Join(err, Same("offsets", offsets, Numbers(len(all))), Same("the committed offset", committed, int64(len(all))),
		Same("what the log has", log, all))
}
