package cases

import (
	"fmt"
	"slices"
	"time"
)

// CompactedTopic is the configuration of a topic that is compacted as soon as a later batch is written: a segment takes no second
// batch, any part may be dirty, and a tombstone goes with the compaction after the one that met it first.
var CompactedTopic = map[string]string{
	"cleanup.policy":            "compact",
	"segment.ms":                "1",
	"min.cleanable.dirty.ratio": "0",
	"delete.retention.ms":       "0",
}

// A Pair is a record of a compacted topic. Without a value it is a tombstone.
type Pair struct{ Key, Value []byte }

func pairs(all ...string) []Pair {
	var made []Pair
	for n := 0; n < len(all); n += 2 {
		made = append(made, Pair{Key: []byte(all[n])})
		if all[n+1] != "" {
			made[n/2].Value = []byte(all[n+1])
		}
	}
	return made
}

// Entry is a record as Compacted compares it.
func Entry(offset int64, key, value []byte) string {
	if value == nil {
		return fmt.Sprintf("%d %s null", offset, key)
	}
	return fmt.Sprintf("%d %s=%s", offset, key, value)
}

// Compacted is the case of a compacted topic. `write` writes a batch whose records have that time, in milliseconds; `content`
// gives every entry up to that offset.
func Compacted(write func(ms int64, batch []Pair) error, content func(last int64) ([]string, error)) error {
	left := func(last int64, wanted ...string) error {
		for late := time.Now().Add(Limit); ; {
			found, err := content(last)
			if err != nil || slices.Equal(found, wanted) {
				return err
			}
			if time.Now().After(late) {
				return Same("what is left", found, wanted)
			}
		}
	}
	for n, batch := range [][]Pair{pairs("a", "1", "b", "1", "c", "1"), pairs("a", "2", "b", ""), pairs("end", "1")} {
		if err := write(1_000_000+int64(n)*1000, batch); err != nil {
			return err
		}
	}
	if err := left(5, "2 c=1", "3 a=2", "4 b null", "5 end=1"); err != nil {
		return err
	}
	if err := write(1_003_000, pairs("end", "2")); err != nil {
		return err
	}
	return left(6, "2 c=1", "3 a=2", "5 end=1", "6 end=2")
}
