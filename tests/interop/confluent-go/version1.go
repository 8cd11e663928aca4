//go:build !version2

package main

import (
	"kfake.test/interop/cases"

	"github.com/confluentinc/confluent-kafka-go/kafka"
)

// What the version before 2 has no functions for.
var (
	deleteRecords  = cases.Skip("confluent-kafka-go has no function for it before version 2")
	groupDescribed = cases.Skip("confluent-kafka-go has no function for it before version 2")
	groupDeleted   = cases.Skip("confluent-kafka-go has no function for it before version 2")
)

func describedToo(*kafka.AdminClient, string) error { return nil }
