#!/usr/bin/env bash
# Observes the published tests of projects from crates.io, and prints a row of docs/projects.md for each.
#
#   bash leakcheck/audit/projects/run.sh DIRECTORY [PROJECT-VERSION…]
#
# Needs cargo and python3. DIRECTORY gets the sources and all that is built.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../../.." && pwd)
work=$(mkdir -p "$1" && cd "$1" && pwd)
shift
declare -A arguments=(
    [mini-redis-0.4.1]='' [bb8-0.9.1]='' [xtra-0.6.0]='--features tokio,macros' [wiremock-0.6.5]=''
    [tower-0.5.3]='--features full' [tokio-graceful-shutdown-0.20.0]='' [hyper-util-0.1.21]='--features full'
    [tokio-util-0.7.20]='--features full' [moka-0.12.16]='--features future' [tokio-stream-0.1.19]='--features full'
)
[ $# -gt 0 ] || set -- "${!arguments[@]}"

cargo build --quiet --manifest-path "$root/Cargo.toml" -p leakcheck-audit --bin cargo-leak-audit
audit=${CARGO_TARGET_DIR:-$root/target}/debug/cargo-leak-audit
export CARGO_TARGET_DIR=$work/target CARGO_INCREMENTAL=0

for project in "$@"; do
    name=${project%-[0-9]*} version=${project##*-}
    if ! [ -d "$work/$project" ]; then
        mkdir -p "$work/fetch/src" && : >"$work/fetch/src/lib.rs"
        printf '[package]\nname = "fetch"\nversion = "0.0.0"\nedition = "2021"\n[dependencies]\n%s = "=%s"\n[workspace]\n' \
            "$name" "$version" >"$work/fetch/Cargo.toml"
        rm -f "$work/fetch/Cargo.lock"
        (cd "$work/fetch" && cargo fetch --quiet)
        cp -r "${CARGO_HOME:-$HOME/.cargo}"/registry/src/*/"$project" "$work/$project"
        rm -f "$work/$project/Cargo.lock"
        printf '\n[workspace]\n' >>"$work/$project/Cargo.toml"
    fi
    cd "$work/$project"
    # shellcheck disable=SC2086 # the arguments are words
    cargo test --quiet --no-run --tests ${arguments[$project]-} 2>"$work/$project.log"
    # The findings come last, after what the tests print.
    "$audit" leak-audit exec --format json -- cargo test --no-fail-fast --tests ${arguments[$project]-} \
        >"$work/$project.out" 2>>"$work/$project.log" || true
    python3 - "$project" "$work/$project.out" <<'PYTHON'
import json, re, sys
text = open(sys.argv[2], errors="replace").read()
results = re.findall(r"^test result: \S+ (\d+) passed; (\d+) failed", text, re.M)
verdict = json.loads(text[text.rindex("\n{\n"):])
count = lambda keep: sum(f["count"] for f in verdict["findings"] if keep(f))
left = lambda f: f["what"] in ("leaked", "third-party")
due = lambda f: "due to run" in f["how"]
print("|", " | ".join(str(cell) for cell in (
    sys.argv[1], sum(int(p) + int(f) for p, f in results), sum(int(f) for _, f in results), verdict["tasks"],
    count(lambda f: f["what"] == "leaked" and not due(f)), count(lambda f: f["what"] == "leaked" and due(f)),
    count(lambda f: f["what"] == "third-party"), count(lambda f: f["what"] == "blocked"),
    count(lambda f: f["what"] == "unsure"),
    f"{count(lambda f: left(f) and f['awaits'])} of {count(left)}", *verdict["unjudged"])), "|", sep=" ")
PYTHON
done
