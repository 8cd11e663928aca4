#!/usr/bin/env bash
# start-kafka.sh DIR PORT [NODES]
#
# Starts a real Apache Kafka (KRaft, the first node is broker and controller) from the artifacts that pom.xml names, fetched by Maven.
# Waits until every port accepts, then prints `ready HOST:PORT,…`. DIR holds data, logs and process ids, and is wiped first.
# Stop it with `stop-kafka.sh DIR`. The i-th node listens on PORT+i-1, the controller on PORT+100.
#
# Environment:
#   KAFKA_VERSION  another version than pom.xml's
#   JAVA           the java to run, 17 or newer
#   ORACLE_CACHE   what can be kept from run to run [target/oracle]
#   EXTRA_PROPS    a file of more broker configurations
#   FIRST_NODE     the first node's id; each further one's is one more [1]
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
source "$here/is-running.sh"
dir=${1:?usage: start-kafka.sh DIR PORT [NODES]}
port=${2:?usage: start-kafka.sh DIR PORT [NODES]}
nodes=${3:-1}
first=${FIRST_NODE:-1}
java=${JAVA:-java}
version=${KAFKA_VERSION:-$(sed -n 's:.*<kafka.version>\(.*\)</kafka.version>.*:\1:p' "$here/pom.xml")}
cache=${ORACLE_CACHE:-$here/../../target/oracle}
mkdir -p "$cache"
cache=$(cd "$cache" && pwd)
classpath=$cache/classpath-$version.txt
if [ ! -s "$classpath" ]; then
    mvn -q -B -f "$here/pom.xml" -Dkafka.version="$version" \
        org.apache.maven.plugins:maven-dependency-plugin:3.6.1:build-classpath \
        -Dmdep.outputFile="$classpath.new" >&2
    mv "$classpath.new" "$classpath"
fi

rm -rf "$dir"
mkdir -p "$dir"
dir=$(cd "$dir" && pwd)
controller=$((port + 100))
replicas=$((nodes < 3 ? nodes : 3))

properties() { # i-th node
    local node=$(($1 + first - 1)) listeners=PLAINTEXT://127.0.0.1:$((port + $1 - 1)) roles=broker
    if [ "$1" = 1 ]; then
        listeners+=,CONTROLLER://127.0.0.1:$controller
        roles=broker,controller
    fi
    cat <<P
node.id=$node
process.roles=$roles
listeners=$listeners
advertised.listeners=PLAINTEXT://127.0.0.1:$((port + $1 - 1))
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
controller.quorum.voters=$first@127.0.0.1:$controller
log.dirs=$dir/data$1
offsets.topic.replication.factor=$replicas
offsets.topic.num.partitions=$nodes
transaction.state.log.replication.factor=$replicas
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=$nodes
transaction.abort.timed.out.transaction.cleanup.interval.ms=20
share.coordinator.state.topic.replication.factor=$replicas
share.coordinator.state.topic.min.isr=1
share.coordinator.state.topic.num.partitions=$nodes
log.cleaner.dedupe.buffer.size=16777216
controlled.shutdown.enable=false
log.retention.check.interval.ms=86400000
log.initial.task.delay.ms=86400000
P
    if [ -n "${EXTRA_PROPS:-}" ]; then cat "$EXTRA_PROPS"; fi
}

# What the classes of one start make the next start faster by: an archive of them, where this Java has one already. Where not, the
# first node writes it as it ends, for which stop-kafka.sh lets it end by itself.
options=(-Xms256m -Xmx256m -Djava.awt.headless=true -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Xshare:auto
    -Dorg.slf4j.simpleLogger.defaultLogLevel=warn -Dorg.slf4j.simpleLogger.showDateTime=true)
archive=$cache/kafka-$version-$("$java" -version 2>&1 | cksum | cut -d' ' -f1).jsa
if [ -s "$archive" ]; then options+=("-XX:SharedArchiveFile=$archive"); fi

cluster=kfakeOracleClusterAAAA
for node in $(seq 1 "$nodes"); do
    properties "$node" >"$dir/server$node.properties"
    # A formatted directory holds two small files, the same each time.
    formatted=$cache/formatted-$version-$((node + first - 1))
    if [ ! -s "$formatted/meta.properties" ]; then
        "$java" -XX:TieredStopAtLevel=1 -cp "$(cat "$classpath")" kafka.tools.StorageTool format \
            -t "$cluster" -c "$dir/server$node.properties" >"$dir/format$node.log" 2>&1 || {
            cat "$dir/format$node.log" >&2
            exit 1
        }
        rm -rf "$formatted"
        cp -r "$dir/data$node" "$formatted"
    else
        cp -r "$formatted" "$dir/data$node"
    fi
done
servers=()
for node in $(seq 1 "$nodes"); do
    extra=()
    if [ "$node" = 1 ] && [ ! -s "$archive" ]; then extra=("-XX:ArchiveClassesAtExit=$archive"); fi
    # One argument a line, so that node.sh can start it again.
    printf '%s\n' "$java" "${options[@]}" -cp "$(cat "$classpath")" kafka.Kafka "$dir/server$node.properties" >"$dir/command$node"
    nohup "$java" "${options[@]}" "${extra[@]}" -cp "$(cat "$classpath")" kafka.Kafka "$dir/server$node.properties" \
        >"$dir/broker$node.log" 2>&1 </dev/null &
    echo $! >"$dir/pid$node"
    if [ "${#extra[@]}" -gt 0 ]; then echo $! >"$dir/archiving"; fi
    servers+=("127.0.0.1:$((port + node - 1))")
done
for node in $(seq 1 "$nodes"); do
    until (exec 3<>"/dev/tcp/127.0.0.1/$((port + node - 1))") 2>/dev/null; do
        if ! is_running "$(cat "$dir/pid$node")"; then
            tail -20 "$dir/broker$node.log" >&2
            exit 1
        fi
        sleep 0.05
    done
done
(IFS=, && echo "ready ${servers[*]}")
