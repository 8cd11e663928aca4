// Starts franz-go's fake cluster as kfake is started, for `cargo xtask differential --peer` and `cargo xtask bench`:
//
//	kfake-go --brokers N --broker-config KEY=VALUE… --topic NAME:PARTITIONS…
//
// It prints `ready HOST:PORT,…`, and closes the cluster on SIGTERM. Configurations that the peer does not know are left out,
// by name.
package main

import (
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"

	"github.com/twmb/franz-go/pkg/kfake"
)

func main() {
	brokers := 1
	configs := map[string]string{}
	var options []kfake.Opt
	for i := 1; i+1 < len(os.Args); i += 2 {
		switch value := os.Args[i+1]; os.Args[i] {
		case "--brokers":
			brokers = number(value)
		case "--broker-config":
			key, value, _ := strings.Cut(value, "=")
			configs[key] = value
		case "--topic":
			name, partitions, _ := strings.Cut(value, ":")
			options = append(options, kfake.SeedTopics(int32(number(partitions)), name))
		}
	}
	options = append(options, kfake.NumBrokers(brokers))
	for key, value := range configs {
		switch key {
		case "num.partitions":
			options = append(options, kfake.DefaultNumPartitions(number(value)))
		case "auto.create.topics.enable":
			if value == "true" {
				options = append(options, kfake.AllowAutoTopicCreation())
			}
		default:
			options = append(options, kfake.BrokerConfigs(map[string]string{key: value}))
		}
	}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT)
	cluster, err := kfake.NewCluster(options...)
	if err != nil {
		fail(err)
	}
	fmt.Println("ready " + strings.Join(cluster.ListenAddrs(), ","))
	<-stop
	cluster.Close()
}

func number(text string) int {
	n, err := strconv.Atoi(text)
	if err != nil {
		fail(err)
	}
	return n
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "kfake-go:", err)
	os.Exit(1)
}
