#!/bin/sh
# What a check costs that finds nothing: goleak's, and leakcheck's. Skips goleak where there is no Go.
set -eu
cd "$(dirname "$0")"

if command -v go >/dev/null; then
    go test -run '^$' -bench . -benchtime 2s ./... | grep '^Benchmark'
else
    echo 'skipped: goleak needs Go'
fi
cd ../../..
cargo bench --quiet --package leakcheck --bench verify -- --quiet
