#!/bin/sh
# Stands for cargo-nextest: runs each test of the program $FAKE_BINARY in a process of its own, the one that leaks twice, and writes
# the report that its configuration asks for. $FAKE says how it goes.
shift
if [ "$1" = --version ]; then
    [ "$FAKE" != missing ]
    exit
fi
printf '%s\n' "$@" >"$FAKE_ARGUMENTS"
while [ $# -gt 0 ]; do
    [ "$1" = --config-file ] && configuration=$2
    shift
done
junit=$(sed -n 's/^path = "\(.*\)"$/\1/p' "$configuration")
case $FAKE in
no-tests) exit 4 ;;
no-report) exit 100 ;;
esac
for test in leaks leaks one; do
    "$FAKE_BINARY" --exact "$test" --nocapture || exit 100
done
cat >"$junit" <<REPORT
<testsuites name="nextest-run">
  <testsuite name="shop::orders" tests="2" errors="0" failures="0">
    <testcase name="leaks"><flakyFailure type="test failure with exit code 101"/></testcase>
    <testcase name="one"/>
  </testsuite>
</testsuites>
REPORT
[ "$FAKE" != unexplained ] || exit 100
