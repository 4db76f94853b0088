#!/usr/bin/env bash
# Runs the Rust tests N times in a row (default 20) while another process burns one core: scripts/soak.sh [N]
#
# Stops at the first run that fails and prints its output. Arguments after N go to `cargo test`.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

runs=${1:-20}
shift || true
if [[ ! $runs =~ ^[1-9][0-9]*$ ]]; then
    echo "usage: scripts/soak.sh [N] [arguments of cargo test], N at least 1; not $runs" >&2
    exit 2
fi

log=$(mktemp)
burner=
finish() {
    local status=$?
    [[ -z $burner ]] || kill "$burner"
    rm -f "$log"
    exit "$status"
}
trap finish EXIT

# The build would only make the runs differ.
cargo test --locked --workspace --no-run --quiet "$@"
while :; do :; done &
burner=$!

for ((run = 1; run <= runs; run++)); do
    started=$SECONDS
    if ! cargo test --locked --workspace "$@" >"$log" 2>&1; then
        cat "$log"
        echo "run $run of $runs FAILED after $((SECONDS - started)) s, the $((run - 1)) before it passed"
        exit 1
    fi
    passed=$(awk '/^test result: ok/ { sum += $4 } END { print sum + 0 }' "$log")
    echo "run $run of $runs: $passed tests passed in $((SECONDS - started)) s"
done
echo "$runs runs in a row passed beside a busy core, in $SECONDS s"
