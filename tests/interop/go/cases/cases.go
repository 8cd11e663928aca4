// Package cases is what the Go clients here have in common: cases that are reported a line each, as cargo xtask interop reads
// them, and asking it to end and to start the cluster.
package cases

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Limit is so long that a hang is a failure. Nothing waits as long as this when all is well.
const Limit = 30 * time.Second

// A group's members have so long a session that a busy machine takes none out of its group, but for one that is to die: Kafka's
// shortest.
const (
	SessionTimeout = 30 * time.Second
	ShortSession   = 6 * time.Second
)

// A Case has a name that all clients share.
type Case struct {
	Name string
	Run  func() error
}

type skipped string

func (why skipped) Error() string { return string(why) }

// Skip is a case that a client does not have.
func Skip(why string) func() error { return func() error { return skipped(why) } }

var (
	number int
	input  = bufio.NewReader(os.Stdin)
)

// Servers are the brokers' addresses.
func Servers() []string { return strings.Split(os.Getenv("KFAKE_BOOTSTRAP"), ",") }

// Brokers are the brokers' ports by their ids: the first one is 1.
func Brokers() map[int]int {
	ports := map[int]int{}
	for n, server := range Servers() {
		_, port, _ := strings.Cut(server, ":")
		ports[n+1], _ = strconv.Atoi(port)
	}
	return ports
}

// SameCluster compares a description of the cluster with what it is.
func SameCluster(id string, ports map[int]int, controller int) error {
	_, known := ports[controller]
	return errors.Join(
		Same("the brokers", ports, Brokers()),
		Same("the length of the cluster's id", len(id), 22),
		Same("whether the controller is one of them", known, true))
}

// Fresh makes a name that no other case uses.
func Fresh(what string) string {
	number++
	return fmt.Sprintf("%s-%d", what, number)
}

// Same says what is not as it should be.
func Same(what string, got, wanted any) error {
	if !reflect.DeepEqual(got, wanted) {
		return fmt.Errorf("%s: got %v, not %v", what, got, wanted)
	}
	return nil
}

// Numbers are the whole numbers below n, as int64.
func Numbers(n int) []int64 {
	numbers := make([]int64, n)
	for i := range numbers {
		numbers[i] = int64(i)
	}
	return numbers
}

func ask(what, answer string) error {
	fmt.Println("cluster", what)
	line, err := input.ReadString('\n')
	if err != nil {
		return err
	}
	return Same("the answer to cluster "+what, strings.TrimSpace(line), answer)
}

// StopCluster ends the cluster, and waits until it has ended.
func StopCluster() error { return ask("stop", "stopped") }

// StartCluster starts it again, empty, on the same ports.
func StartCluster() error { return ask("start", "started") }

// MoveLeaders gives each of the topic's partitions another leader.
func MoveLeaders(topic string) error { return ask("move "+topic, "moved") }

// Run runs the cases, all or those that the arguments name.
func Run(cases []Case) {
	for _, one := range cases {
		if len(os.Args) > 1 && !slices.Contains(os.Args[1:], one.Name) {
			continue
		}
		err := one.Run()
		var why skipped
		switch {
		case err == nil:
			fmt.Println("ok", one.Name)
		case errors.As(err, &why):
			fmt.Printf("skip %s: %s\n", one.Name, why)
		default:
			fmt.Printf("not ok %s: %s\n", one.Name, strings.Join(strings.Fields(err.Error()), " "))
		}
	}
}
