#!/usr/bin/env bash
# Observes the published tests of projects from crates.io, and prints a row of docs/projects.md for each.
#
#   bash leakcheck/audit/projects/run.sh DIRECTORY [PROJECT-VERSION…]
#
# Needs cargo and python3. DIRECTORY gets the sources, all that is built, and a report for each project in JSON and as text.
# The tool is built once for all, or is the program that LEAK_AUDIT names.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../../.." && pwd)
work=$(mkdir -p "$1" && cd "$1" && pwd)
shift
declare -A arguments=(
    [mini-redis-0.4.1]='' [bb8-0.9.1]='' [xtra-0.6.0]='--features tokio,macros' [wiremock-0.6.5]=''
    [tower-0.5.3]='--features full' [tokio-graceful-shutdown-0.20.0]='' [hyper-util-0.1.21]='--features full'
    [kameo-0.22.2]='' [tokio-util-0.7.20]='--features full' [moka-0.12.16]='--features future' [tokio-stream-0.1.19]='--features full'
    [turmoil-0.7.2]='' [quinn-0.11.12]='' [actix-server-2.10.0]='' [rumqttc-0.25.1]=''
    # The tests left out compare what the compiler says, and build this project once more for that.
    [ractor-0.16.5]='-- --skip actor_macro_diagnostics' [tarpc-0.38.0]='--features full -- --skip ui'
    [deadpool-0.13.1]='--features managed,unmanaged,rt_tokio_1'
)
# What is not published of a project, and has to go for its tests to build: a file, and what sed takes out of it.
declare -A unpublished=([ractor-0.16.5]='src/tests.rs /ractor_example_entry_proc/d')
[ $# -gt 0 ] || set -- "${!arguments[@]}"

audit=${LEAK_AUDIT:-}
if [ -z "$audit" ]; then
    cargo build --quiet --manifest-path "$root/Cargo.toml" -p leakcheck-audit --bin cargo-leak-audit
    audit=${CARGO_TARGET_DIR:-$root/target}/debug/cargo-leak-audit
fi
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
        if [ -n "${unpublished[$project]-}" ]; then
            sed -i "${unpublished[$project]#* }" "$work/$project/${unpublished[$project]%% *}"
        fi
    fi
    cd "$work/$project"
    # shellcheck disable=SC2086 # the arguments are words
    if ! cargo test --quiet --no-run --tests ${arguments[$project]-} 2>"$work/$project.log"; then
        echo "$project does not build: $work/$project.log" >&2
        continue
    fi
    rm -f "$work/$project.json"
    # 1 is a leak, 2 what could not be judged, as where a test failed: the report says which.
    "$audit" leak-audit exec --format "json=$work/$project.json" --format "text=$work/$project.txt" \
        -- cargo test --no-fail-fast --tests ${arguments[$project]-} >"$work/$project.out" 2>>"$work/$project.log" || true
    python3 - "$project" "$work" <<'PYTHON'
import json, re, sys
project, work = sys.argv[1:]
text = open(f"{work}/{project}.out", errors="replace").read()
results = re.findall(r"^test result: \S+ (\d+) passed; (\d+) failed", text, re.M)
try:
    report = json.load(open(f"{work}/{project}.json"))
except (OSError, ValueError):
    sys.exit(f"{project} has no report: {work}/{project}.log")
if "tasks" not in report["totals"]:
    # A document of another command, or of a verdict that was refused before anything ran.
    sys.exit(f"{project} was not judged: {report.get('problems') or report.get('unjudged')}")
count = lambda keep: sum(f["count"] for f in report["findings"] if keep(f))
is_what = lambda *what: lambda f: f["verdict"] in what
left = lambda f: f["kind"] == "task" and f["verdict"] in ("leaked", "third-party")
print("|", " | ".join(str(cell) for cell in (
    project, sum(int(p) + int(f) for p, f in results), sum(int(f) for _, f in results), report["totals"]["tasks"],
    count(is_what("leaked")), count(is_what("third-party")), count(is_what("blocked")), count(is_what("unsure")),
    f"{count(lambda f: left(f) and f.get('awaits'))} of {count(left)}", *report["unjudged"])), "|", sep=" ")
for f in report["findings"]:
    if left(f) and not f.get("awaits"):
        print(f"no chain: {f['count']} of {project}: {f['awaits_unknown']}", file=sys.stderr)
PYTHON
done
