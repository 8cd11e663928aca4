//go:build version2

package main

// What main.go imports where it is built for version 2: go.mod must know it.
import _ "github.com/confluentinc/confluent-kafka-go/v2/kafka"
