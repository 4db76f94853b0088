#!/usr/bin/env bash
# Runs what is too heavy for test.sh, which has a small version of each, against the release build: scripts/heavy.sh
#
#   10,000 idle links; 3,000 sessions that lose the network at one moment        test.sh: 1,000 and 300
#   a tour of 2,000 players with encryption over a network that fails            test.sh: 1,000 players, and small tours with these
#   what sessions cost, and what attackers cost honest peers: figures            test.sh: compiles them; rules and small attacks
#
# Takes about twenty minutes on two cores; needs 20,000 descriptors (ulimit -Hn). Comparisons with another gateway or commit are
# `fastway-bench compare`, of which the tests run a small one: docs/benchmark.md.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

target=${CARGO_TARGET_DIR:-$PWD/target}
scaled=(leaks::idle_clients_work_and_cost_little session_herd::all_players_come_back_at_once_and_lose_nothing)

cargo build --locked --release --bin fastway --example tour
FASTWAY_SCALE=10 FASTWAY_BIN=$target/release/fastway \
    cargo test --locked --workspace --test blackbox -- --exact --test-threads=1 "${scaled[@]}"
"$target/release/examples/tour" --gateway "$target/release/fastway" --secure --chaos --players 2000 --messages 1500
cargo bench --locked --bench sessions --bench attacks
echo "all of it ran, in $SECONDS s"
