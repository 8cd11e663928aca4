// A process with franz-go's fake cluster alone: kfakego TOPIC:PARTITIONS…
//
// Prints `ready HOST:PORT` once it listens, and closes the cluster on SIGTERM.
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
	options := []kfake.Opt{kfake.NumBrokers(1)}
	if os.Getenv("BROKERS") != "" {
		brokers, err := strconv.Atoi(os.Getenv("BROKERS"))
		fail(err)
		options = []kfake.Opt{kfake.NumBrokers(brokers)}
	}
	for _, topic := range os.Args[1:] {
		name, partitions, _ := strings.Cut(topic, ":")
		count, err := strconv.ParseInt(partitions, 10, 32)
		fail(err)
		options = append(options, kfake.SeedTopics(int32(count), name))
	}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT)
	cluster, err := kfake.NewCluster(options...)
	fail(err)
	fmt.Println("ready", strings.Join(cluster.ListenAddrs(), ","))
	<-stop
	cluster.Close()
}

func fail(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
