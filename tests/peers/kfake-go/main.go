// Starts franz-go's fake cluster as kfake is started, for `cargo xtask differential --peer`:
//
//	kfake-go --brokers N --broker-config KEY=VALUE…
//
// It prints `ready HOST:PORT,…` and lives until it is killed. Configurations that the peer does not know are left out, by name.
package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/twmb/franz-go/pkg/kfake"
)

func main() {
	brokers := 1
	configs := map[string]string{}
	for i := 1; i+1 < len(os.Args); i += 2 {
		switch value := os.Args[i+1]; os.Args[i] {
		case "--brokers":
			n, err := strconv.Atoi(value)
			if err != nil {
				fail(err)
			}
			brokers = n
		case "--broker-config":
			key, value, _ := strings.Cut(value, "=")
			configs[key] = value
		}
	}
	options := []kfake.Opt{kfake.NumBrokers(brokers)}
	for key, value := range configs {
		switch key {
		case "num.partitions":
			n, err := strconv.Atoi(value)
			if err != nil {
				fail(err)
			}
			options = append(options, kfake.DefaultNumPartitions(n))
		case "auto.create.topics.enable":
			if value == "true" {
				options = append(options, kfake.AllowAutoTopicCreation())
			}
		default:
			options = append(options, kfake.BrokerConfigs(map[string]string{key: value}))
		}
	}
	cluster, err := kfake.NewCluster(options...)
	if err != nil {
		fail(err)
	}
	fmt.Println("ready " + strings.Join(cluster.ListenAddrs(), ","))
	select {}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "kfake-go:", err)
	os.Exit(1)
}
