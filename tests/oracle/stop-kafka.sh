#!/usr/bin/env bash
# stop-kafka.sh DIR [TERM|KILL]    ends what start-kafka.sh DIR started, and returns when it has ended.
set -u
dir=${1:?usage: stop-kafka.sh DIR [TERM|KILL]}
signal=${2:-TERM}
for file in "$dir"/pid*; do
    [ -e "$file" ] && kill -s "$signal" "$(cat "$file")" 2>/dev/null
done
for file in "$dir"/pid*; do
    [ -e "$file" ] || continue
    pid=$(cat "$file")
    for _ in $(seq 1 1000); do
        kill -0 "$pid" 2>/dev/null || break
        sleep 0.02
    done
    kill -s KILL "$pid" 2>/dev/null
    rm -f "$file"
done
