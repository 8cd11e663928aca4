#!/bin/sh
# Runs the tests of leakcheck's unsafe code under the address and the thread sanitizer. Both need a nightly toolchain;
# the thread sanitizer also needs the standard library's source, to build it along. What is missing is said, and skipped;
# with LEAKCHECK_SANITIZERS=required it is a failure.
set -eu
cd "$(dirname "$0")/.."

# Says what cannot be run, and goes on if it may.
skip() {
    echo "skipped: $1"
    if [ "${LEAKCHECK_SANITIZERS:-}" = required ]; then exit 1; else exit 0; fi
}

toolchain="${LEAKCHECK_NIGHTLY:-nightly}"
if ! host=$(rustc "+$toolchain" -vV 2>/dev/null | sed -n 's/^host: //p') || [ -z "$host" ]; then
    skip "there is no toolchain '$toolchain'"
fi

# Its own target directory: everything is built again with other flags. What runs while building is built without them, once for both.
run() {
    sanitizer=$1
    shift
    echo "checking: the $sanitizer sanitizer"
    RUSTFLAGS="-Zsanitizer=$sanitizer --cfg lean" CARGO_TARGET_DIR=target/sanitizers \
        cargo "+$toolchain" test --package leakcheck --target "$host" "$@" \
        --features install --lib --test probing --test waits --test endings --test isolation --test tracker \
        --test random_trees --test panics --test untracked --test install
    echo "passed: the $sanitizer sanitizer"
}

run address

if [ -f "$(rustc "+$toolchain" --print sysroot)/lib/rustlib/src/rust/library/Cargo.lock" ]; then
    run thread -Zbuild-std
else
    skip "the thread sanitizer needs the standard library's source ('rustup component add rust-src --toolchain $toolchain')"
fi
