"""What every Python client here has in common: cases that are reported a line each, and waiting with a limit.

A client's file makes a `Cases`, names a function for each case, and calls `run`. What it prints is what `cargo xtask interop`
reads: `ok NAME`, `not ok NAME: WHY`, `skip NAME: WHY`. `stop_cluster` and `start_cluster` ask it to end and to start the
cluster, and wait until it has.
"""

import itertools
import os
import sys
import time
import traceback

SERVERS = os.environ["KFAKE_BOOTSTRAP"]
# Limits, so that a hang is a failure. Nothing waits as long as this when all is well.
LIMIT = 30.0
# A group's members have so long a session that a busy machine takes none out of its group, but for one that is to die: Kafka's shortest.
SESSION_MS, SHORT_SESSION_MS = 30_000, 6_000

_numbers = itertools.count(1)


class Skip(Exception):
    """Why a client has no such case."""


def skip(why):
    """A case that always says why it is left out."""

    def case():
        raise Skip(why)

    return case


def fresh(what):
    """A name that no other case uses."""
    return f"{what}-{next(_numbers)}"


def until(what, look):
    """Calls `look` until it gives something true, and gives that. `look` itself waits for a moment."""
    end = time.monotonic() + LIMIT
    while time.monotonic() < end:
        found = look()
        if found:
            return found
    raise AssertionError(f"{what}: not within {LIMIT:.0f} s")


def same(got, wanted, what):
    assert got == wanted, f"{what}: got {got!r}, not {wanted!r}"


# What makes a topic be compacted as soon as a later batch is written: a segment takes no second batch, any part may be dirty, and
# a tombstone goes with the compaction after the one that met it first.
COMPACTED = {
    "cleanup.policy": "compact",
    "segment.ms": "1",
    "min.cleanable.dirty.ratio": "0",
    "delete.retention.ms": "0",
}
# What is written to it, in batches with their times, and what it has at last; what else is written then, and what it has then.
_WRITTEN = [
    (1_000_000, [(b"a", b"1"), (b"b", b"1"), (b"c", b"1")]),
    (1_001_000, [(b"a", b"2"), (b"b", None)]),
    (1_002_000, [(b"end", b"1")]),
]
_LEFT = [(2, b"c", b"1"), (3, b"a", b"2"), (4, b"b", None), (5, b"end", b"1")]
_LATER = (1_003_000, [(b"end", b"2")])
_LEFT_LATER = [(2, b"c", b"1"), (3, b"a", b"2"), (5, b"end", b"1"), (6, b"end", b"2")]


def compaction():
    """The steps of the case `compacted-topic`: either ("write", time, pairs) or ("wait", content)."""
    yield from (("write", *batch) for batch in _WRITTEN)
    yield "wait", _LEFT
    yield "write", *_LATER
    yield "wait", _LEFT_LATER


def compacted(write, content):
    """The case `compacted-topic`: `content` gives all up to an offset, as offset, key and value."""
    for step, *arguments in compaction():
        if step == "write":
            write(*arguments)
        else:
            (wanted,) = arguments
            until(f"it has {wanted}", lambda: content(wanted[-1][0]) == wanted)


def brokers():
    """The brokers' ports by their ids: the first one is 1."""
    return {n: int(server.rsplit(":", 1)[1]) for n, server in enumerate(SERVERS.split(","), 1)}


def _ask(what, answer):
    print(f"cluster {what}", flush=True)
    line = sys.stdin.readline().strip()
    same(line, answer, f"the answer to cluster {what}")


def stop_cluster():
    _ask("stop", "stopped")


def start_cluster():
    _ask("start", "started")


def move_leaders(topic):
    """Gives each of the topic's partitions another leader."""
    _ask(f"move {topic}", "moved")


# The case `leaders-move`: in each round, so many records are sent before the leader moves and so many after it; in one of the
# rounds, the group's coordinator moves as well.
ROUNDS = 3
BEFORE, AFTER = 100, 50
COORDINATORS = "__consumer_offsets"


def rounds():
    """For each round: what is sent before the move, what is moved, what is sent after it, what there is then."""
    size = BEFORE + AFTER
    for round in range(ROUNDS):
        first = round * size
        values = [b"%d" % n for n in range(first, first + size)]
        yield values[:BEFORE], round == 1, values[BEFORE:], [b"%d" % n for n in range(first + size)]


def run(cases):
    """Runs the cases, all or those that the arguments name. The exit code says nothing: the lines do."""
    for name, case in cases.items():
        if len(sys.argv) > 1 and name not in sys.argv[1:]:
            continue
        try:
            case()
        except Skip as why:
            print(f"skip {name}: {why}", flush=True)
        except Exception as error:
            traceback.print_exc()
            text = " ".join(str(error).split()) or type(error).__name__
            print(f"not ok {name}: {type(error).__name__}: {text[:300]}", flush=True)
        else:
            print(f"ok {name}", flush=True)
