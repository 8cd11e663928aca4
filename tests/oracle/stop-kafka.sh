#!/usr/bin/env bash
# stop-kafka.sh DIR [TERM|KILL]    ends what start-kafka.sh DIR started, and returns when it has ended.
set -u
dir=${1:?usage: stop-kafka.sh DIR [TERM|KILL]}
signal=${2:-TERM}
source "$(dirname "$0")/is-running.sh"
# A node that is to write the archive of its classes does so as it ends by itself.
if [ -e "$dir/archiving" ]; then kill -s TERM "$(cat "$dir/archiving")" 2>/dev/null; fi
for file in "$dir"/pid*; do
    [ -e "$file" ] || continue
    pid=$(cat "$file")
    [ -e "$dir/archiving" ] && [ "$pid" = "$(cat "$dir/archiving")" ] || kill -s "$signal" "$pid" 2>/dev/null
done
for file in "$dir"/pid*; do
    [ -e "$file" ] || continue
    pid=$(cat "$file")
    for _ in $(seq 1 1000); do
        is_running "$pid" || break
        sleep 0.02
    done
    kill -s KILL "$pid" 2>/dev/null
    rm -f "$file"
done
