#!/usr/bin/env bash
# kcat: librdkafka from a shell. It creates no topics: `auto.create.topics` of its metadata request does.
set -uo pipefail

readonly LIMIT=30
work=$(mktemp -d)
trap 'rm -rf "$work"; kill $(jobs -p) 2>/dev/null' EXIT
number=0

kcat() { timeout "$LIMIT" kcat -b "$KFAKE_BOOTSTRAP" "$@"; }

# fresh NAME: sets $name to a topic or group that no other case uses.
fresh() { number=$((number + 1)); name="$1-$number"; }

# fail WHY: what the case is reported with.
fail() { echo "$*" | tr '\n' ' ' >"$work/why"; return 1; }

# same WHAT GOT WANTED
same() { [ "$2" = "$3" ] || fail "$1: got '$2', not '$3'"; }

# read_all TOPIC COUNT [OPTION…]: so many messages of partition 0, from its beginning.
read_all() { kcat -C -t "$1" -p 0 -o beginning -c "$2" -q "${@:3}"; }

compression() {
    fresh kcat
    seq -f 'value %g, long enough to be worth compressing' 0 199 >"$work/in"
    kcat -P -t "$name" -p 0 -z "$1" -X linger.ms=20 -l "$work/in" || fail "produce: exit code $?" || return
    read_all "$name" 200 >"$work/out" || fail "consume: exit code $?" || return
    cmp -s "$work/in" "$work/out" || fail "the values differ"
}

contents() {
    fresh kcat
    printf 'k:v\n' | kcat -P -t "$name" -p 0 -K: -H a=1 -H a=2 || fail "produce: exit code $?" || return
    printf 'k:\n' | kcat -P -t "$name" -p 0 -K: -Z || fail "produce a tombstone: exit code $?" || return
    same records "$(read_all "$name" 2 -f '%k|%s|%S|%h;')" 'k|v|1|a=1,a=2;k||-1|;'
}

idempotent() {
    fresh kcat
    seq 0 499 >"$work/in"
    kcat -P -t "$name" -p 0 -X enable.idempotence=true -X batch.num.messages=10 -l "$work/in" || fail "produce: exit code $?" || return
    read_all "$name" 500 >"$work/out" || fail "consume: exit code $?" || return
    cmp -s "$work/in" "$work/out" || fail "the values differ"
}

# groups COUNT: so many members read every record once.
groups() {
    fresh kcat
    local topic=$name member partition pids=()
    kcat -L -t "$topic" -X allow.auto.create.topics=true >/dev/null || fail "metadata: exit code $?" || return
    for member in $(seq "$1"); do
        : >"$work/member-$member"
        kcat -G "group-$topic" -q -u -X auto.offset.reset=earliest -X heartbeat.interval.ms=200 -f '%p\n' "$topic" \
            >"$work/member-$member" 2>"$work/errors-$member" &
        pids+=($!)
    done
    for partition in 0 1 2 3 4 5; do
        echo value | kcat -P -t "$topic" -p "$partition" || fail "produce: exit code $?" || return
    done
    local end=$((SECONDS + LIMIT))
    until [ "$(cat "$work"/member-* | sort -u | tr '\n' ' ')" = '0 1 2 3 4 5 ' ]; do
        [ "$SECONDS" -lt "$end" ] || fail "read: $(cat "$work"/member-* "$work"/errors-* | sort | tr '\n' ' ')" || return
        # There is nothing else to wait for in a shell.
        read -rt 0.1 <> <(:) || true
    done
    kill "${pids[@]}" && wait "${pids[@]}" 2>/dev/null
    rm -f "$work"/member-* "$work"/errors-*
}

commit() {
    fresh kcat
    local topic=$name
    seq 0 9 | kcat -P -t "$topic" -p 0 || fail "produce: exit code $?" || return
    local options=(-q -X auto.offset.reset=earliest -X enable.auto.offset.store=true)
    same 'the first half' "$(kcat -G "group-$topic" "${options[@]}" -c 5 "$topic" 2>/dev/null | tr '\n' ' ')" '0 1 2 3 4 ' &&
        same 'the second half' "$(kcat -G "group-$topic" "${options[@]}" -c 5 "$topic" 2>/dev/null | tr '\n' ' ')" '5 6 7 8 9 '
}

seek() {
    fresh kcat
    seq 0 9 | kcat -P -t "$name" -p 0 || fail "produce: exit code $?" || return
    same 'behind the offset' "$(kcat -C -t "$name" -p 0 -o 7 -e -q | tr '\n' ' ')" '7 8 9 ' &&
        same 'the last two' "$(kcat -C -t "$name" -p 0 -o -2 -e -q | tr '\n' ' ')" '8 9 '
}

timestamps() {
    fresh kcat
    local before between
    echo first | kcat -P -t "$name" -p 0 || fail "produce: exit code $?" || return
    before=$(read_all "$name" 1 -f '%T')
    # The next millisecond, at the earliest.
    until between=$(date +%s%3N) && [ "$between" -gt "$before" ]; do :; done
    echo second | kcat -P -t "$name" -p 0 || fail "produce: exit code $?" || return
    same 'the offset at that time' "$(kcat -Q -t "$name:0:$((before + 1))")" "$name [0] offset 1"
}

# `kcat -L` prints "  broker 1 at 127.0.0.1:9092 (controller)", a line each.
describe_cluster() {
    local server number=0
    kcat -L >"$work/said" || fail "kcat: exit code $?" || return
    for server in ${KFAKE_BOOTSTRAP//,/ }; do
        number=$((number + 1))
        grep -qE "^  broker $number at $server( \(controller\))?\$" "$work/said" || fail "no broker $number at $server" || return
    done
    same 'the brokers' "$(grep -c '^  broker ' "$work/said")" "$number"
    same 'the controllers' "$(grep -c '(controller)$' "$work/said")" 1
}

unknown_topic() {
    fresh no-such-topic
    kcat -C -t "$name" -e -X allow.auto.create.topics=false 2>"$work/said" && fail 'it did not fail' && return
    grep -qi 'unknown topic or partition' "$work/said" || fail "it said: $(cat "$work/said")"
}

large_record() {
    head -c 1500000 /dev/zero | tr '\0' x >"$work/in"
    fresh kcat
    kcat -P -t "$name" -p 0 -X message.max.bytes=3000000 "$work/in" 2>"$work/said" && fail 'it did not fail' && return
    grep -qi 'message size too large' "$work/said" || fail "it said: $(cat "$work/said")"
}

returns() {
    local answer
    echo before | kcat -P -t returning -p 0 || fail "produce: exit code $?" || return
    echo cluster stop
    read -r answer && same 'the answer to cluster stop' "$answer" stopped || return
    echo after | kcat -P -t returning -p 0 -X message.timeout.ms=$((LIMIT * 1000)) &
    local producer=$!
    echo cluster start
    read -r answer && same 'the answer to cluster start' "$answer" started || return
    wait "$producer" || fail "produce: exit code $?" || return
    same 'what the new cluster has' "$(read_all returning 1)" after
}

skipped() { echo "$*" >"$work/skip"; }

# run NAME COMMAND…
run() {
    [ "${#chosen[@]}" -eq 0 ] || [[ " ${chosen[*]} " == *" $1 "* ]] || return 0
    rm -f "$work/why" "$work/skip"
    if ! "${@:2}"; then
        echo "not ok $1: $(cat "$work/why" 2>/dev/null || echo failed)"
    elif [ -f "$work/skip" ]; then
        echo "skip $1: $(cat "$work/skip")"
    else
        echo "ok $1"
    fi
}

chosen=("$@")
for codec in none gzip snappy lz4 zstd; do
    run "compression-$codec" compression "$codec"
done
run keys-headers-tombstones contents
run idempotent idempotent
for what in commit abort offsets fenced; do
    run "transaction-$what" skipped 'kcat has no transactions'
done
run group-of-two groups 2
run group-of-three groups 3
run rebalance skipped 'kcat tells its assignment to people only'
run member-dies skipped 'kcat tells its assignment to people only'
run static-member skipped 'kcat tells its assignment to people only'
run commit-and-resume commit
run seek seek
run timestamps timestamps
run create-and-delete-topic skipped 'kcat creates and deletes no topics'
run configs skipped 'kcat has no admin client'
run delete-records skipped 'kcat has no admin client'
run compacted-topic skipped 'kcat creates no topics'
for what in partitions-added group-described group-deleted offsets-deleted; do
    run "$what" skipped 'kcat has no admin client'
done
run describe-cluster describe_cluster
run error-unknown-topic unknown_topic
run error-topic-exists skipped 'kcat creates no topics'
run error-invalid-topic skipped 'kcat creates no topics'
run error-record-too-large large_record
run leaders-move skipped 'kcat tells what it has read to people only, and not the offsets that it was given'
run cluster-returns returns
