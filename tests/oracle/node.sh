#!/usr/bin/env bash
# node.sh DIR NODE stop|start
#
# Kills one node of what start-kafka.sh DIR started, or starts it again with the same properties and data, and returns when that
# is done: its process has ended, or its port accepts. When the others take note is not waited for.
set -euo pipefail
source "$(dirname "$0")/is-running.sh"
dir=${1:?usage: node.sh DIR NODE stop|start}
node=${2:?usage: node.sh DIR NODE stop|start}
case ${3:?usage: node.sh DIR NODE stop|start} in
stop)
    pid=$(cat "$dir/pid$node")
    kill -s KILL "$pid"
    while is_running "$pid"; do sleep 0.01; done
    ;;
start)
    mapfile -t command <"$dir/command$node"
    nohup "${command[@]}" >>"$dir/broker$node.log" 2>&1 </dev/null &
    pid=$!
    echo "$pid" >"$dir/pid$node"
    port=$(sed -n 's/^advertised.listeners=.*:\([0-9]*\)$/\1/p' "$dir/server$node.properties")
    until (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do
        if ! is_running "$pid"; then
            tail -20 "$dir/broker$node.log" >&2
            exit 1
        fi
        sleep 0.05
    done
    ;;
*)
    echo "usage: node.sh DIR NODE stop|start" >&2
    exit 2
    ;;
esac
