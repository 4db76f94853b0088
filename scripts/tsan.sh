#!/usr/bin/env bash
# Runs the tests from outside in which threads meet under ThreadSanitizer: scripts/tsan.sh [FILTER…]
#
# Needs a nightly toolchain with the sources of the standard library, which is built with the sanitizer, too:
#   rustup toolchain install nightly --profile minimal --component rust-src
# TOOLCHAIN names another one than `nightly`. The program is built with the system's allocator (`--cfg tsan`): the sanitizer
# cannot see what jemalloc does. Left out: suites that measure memory or time, CPU profiles, whose signal handler walks
# the stack, and what jemalloc counts. Exit code 1 when a test fails or a report was written; reports are printed, those of gateways included.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

toolchain=${TOOLCHAIN:-nightly}
target=x86_64-unknown-linux-gnu
suites=("$@")
if ((${#suites[@]} == 0)); then
    suites=(crosstalk:: lifecycle:: limits:: mux_protocol:: observer:: ownership:: shutdown:: slow_peers:: hostile::
        admin_commands:: sdk_cancellation:: sdk_connect:: sdk_connections:: sdk_reconnect:: --skip session_limits::)
fi

sources=$(rustc "+$toolchain" --print sysroot)/lib/rustlib/src/rust/library
if [[ ! -d $sources ]]; then
    echo "scripts/tsan.sh needs: rustup toolchain install $toolchain --profile minimal --component rust-src" >&2
    exit 2
fi

reports=$(mktemp -d)
trap 'rm -rf "$reports"' EXIT
export RUSTFLAGS="-Zsanitizer=thread --cfg tsan"
# One file for each process, since most gateways end by a signal and their output goes to a test.
export TSAN_OPTIONS="log_path=$reports/report suppressions=$PWD/scripts/tsan.suppressions"

status=0
cargo "+$toolchain" test --locked -Zbuild-std --target "$target" --target-dir target/tsan --no-fail-fast \
    --test blackbox -- "${suites[@]}" --skip cpu_prof --skip heap_profile --skip stats_counts || status=$?
if compgen -G "$reports/*" >/dev/null; then
    cat "$reports"/*
    status=1
fi
exit "$status"
