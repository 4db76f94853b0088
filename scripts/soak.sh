#!/usr/bin/env bash
# Runs the tests of all languages N times in a row (default 20) while another process burns one core: scripts/soak.sh [N [KIND…]]
#
# KIND is rust, go or csharp; all of them by default. Stops at the first run in which a test fails, with its output: no test is
# flaky here. One run of each kind is in test.sh.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

runs=${1:-20}
shift || true
kinds=("$@")
((${#kinds[@]} > 0)) || kinds=(rust go csharp)
if [[ ! $runs =~ ^[1-9][0-9]*$ || ! "${kinds[*]}" =~ ^((rust|go|csharp)( |$))+$ ]]; then
    echo "usage: scripts/soak.sh [N [rust|go|csharp]…], N at least 1; not $runs ${kinds[*]}" >&2
    exit 2
fi

target=${CARGO_TARGET_DIR:-$PWD/target}
export TESTRUN_DIR=$target/soak TESTRUN_NUNIT=$target/csharp
export FASTWAY_BIN=$target/debug/fastway FASTWAY_PEER_BIN=$target/debug/fastway-interop-peer
mkdir -p "$TESTRUN_DIR"
log=$(mktemp)
burner=
finish() {
    local status=$?
    [[ -z $burner ]] || kill "$burner"
    rm -f "$log"
    exit "$status"
}
trap finish EXIT

run() {
    case $1 in
    rust) "$TESTRUN_DIR/testrun" run rust rust cargo test --locked --workspace --tests --no-fail-fast ;;
    go) "$TESTRUN_DIR/testrun" run go go go -C go test -count=1 -timeout 20m ./... ;;
    csharp) "$TESTRUN_DIR/testrun" run nunit csharp csharp/test.sh ;;
    esac
}

# The build would only make the runs differ.
cargo build --locked --workspace --bins --examples --quiet
cargo test --locked --workspace --tests --no-run --quiet
go -C scripts build -o "$TESTRUN_DIR/testrun" ./testrun
while :; do :; done &
burner=$!

for ((number = 1; number <= runs; number++)); do
    for kind in "${kinds[@]}"; do
        started=$SECONDS
        if ! run "$kind" >"$log" 2>&1; then
            cat "$log"
            echo "run $number of $runs FAILED: $kind, after $((SECONDS - started)) s; the $((number - 1)) runs before it passed"
            exit 1
        fi
        echo "run $number of $runs: $kind passed in $((SECONDS - started)) s"
    done
done
echo "$runs runs in a row passed beside a busy core, in $SECONDS s"
