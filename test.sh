#!/usr/bin/env bash
# Builds fastway and runs all of its tests: ./test.sh
#
# Installs what is missing where it may, and says what before it does (rustup components; a browser, Mono and systemd, as root; cargo-deny,
# promtool, HAProxy and nginx into the target directory); otherwise it says what to install. Stops at the first step that fails, with all that the
# step had to say. Tests that failed are run once more by themselves at the end: those that pass then are listed as flaky, in the last
# lines and in target/testrun/flaky, and do not fail the run; see scripts/testrun. FLAKY=fail allows none. The last line names what was
# not run or not checked.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

target=${CARGO_TARGET_DIR:-$PWD/target}
mkdir -p "$target/testrun"
target=$(cd "$target" && pwd)
rm -f "$target"/testrun/*
log=$(mktemp)
release_log=$(mktemp)
release_build=
run_id=$$-$RANDOM$RANDOM
msrv=$(sed -n 's/^rust-version = "\(.*\)"$/\1/p' Cargo.toml)
deny_version=0.20.2
staticcheck_version=v0.8.2
big_test=crosstalk::a_thousand_players_exchange_a_hundred_thousand_messages_with_two_servers
address_test=sdk_session_address::a_player_whose_address_changes_plays_on
readme_tests=readme::the_blocks_of_
container_tests=container::
owner_tests=(planted_files::a_command_file_of_another_user_is_not_run ctl_socket::another_user_is_not_answered)
# Where the static release build is put.
release=$target/static-release
# What tests are run by.
testrun=$target/testrun/testrun

export CARGO_TARGET_DIR=$target CARGO_TERM_COLOR=never
export TESTRUN_DIR=$target/testrun TESTRUN_NUNIT=$target/csharp
# What the tests start inherits this, so that it can be found if it outlives them.
export FASTWAY_TEST_RUN=$run_id
# Where programs are that were fetched here.
export PATH=$PATH:$target/tools/usr/bin

source scripts/steps.sh
source scripts/toolchain.sh

main() {
    step "toolchain: Rust >= $msrv with rustfmt and clippy, Go, Mono, promtool, HAProxy, nginx, a browser, a C compiler" check_toolchain
    step "manifests: both Cargo.lock are up to date" check_locks
    step "format" check_format
    step "what runs the tests finds what fails once, twice, or crashes" build_testrun
    step "tests/REGRESSIONS.md: each fault has its test" check_regressions
    step "manifests: types of Kubernetes, schema of compose" run_tests go manifests go -C scripts/manifests test -count=1 ./...
    step "clippy" cargo clippy --locked --workspace --all-targets -- -D warnings
    step "clippy of the fuzz targets" lint_fuzz_targets
    step "documentation" document
    step "programs and examples (debug build)" cargo build --locked --workspace --bins --examples
    step "Rust tests, vectors, fuzz corpora (debug build)" test_rust
    step "doc tests" cargo test --locked --workspace --doc
    step "Go SDK: format, vet, staticcheck $staticcheck_version" lint_go
    begin_release_build
    step "Go SDK: tests with the race detector, vectors, examples, interop" test_go go-race . -race -timeout 20m
    step "Go SDK: gRPC over it" test_go go-grpc examples/grpc
    step "Go SDK: benchmarks run, once each; nothing allocates" test_go go-bench . -run AllocateNothing -bench . -benchtime 1x
    step "C# SDK: library, tests, examples and benchmark compile as C# 7; NUnit on Mono" run_tests nunit csharp csharp/test.sh
    step "benchmarks run, once each" cargo test --locked --workspace --bench data_path
    step "MSRV: everything compiles with Rust $msrv" check_msrv
    step "packages: the SDK compiles from what would be published" package
    step "static release build" end_release_build
    step "static release program: 1,000 players exchange 100,000 messages" test_release
    step "static release program: process 1 of a read-only root with nothing else in it" test_static
    step "release tour: 1,000 players, every byte compared, within 60 s" take_tour
    step "instructions of the data path, against the committed baseline" cargo bench --locked --bench instructions
    step "dependencies: cargo-deny $deny_version" install_deny
    step "dependencies: licences, sources, bans" check_dependencies
    step "dependencies: advisories" check_advisories
    step "tests that failed are run once more, by themselves" run_failed_again
    step "no process is left behind" check_leftovers
    report
}

# Compiles while the tests of other languages wait for each other; they are told apart by their logs.
begin_release_build() {
    scripts/static.sh "$release/fastway" --example tour >"$release_log" 2>&1 &
    release_build=$!
}

end_release_build() {
    local status=0
    wait "$release_build" || status=$?
    release_build=
    cat "$release_log"
    return "$status"
}

clean_up() {
    [[ -z $release_build ]] || kill "$release_build" || true
    rm -f "$log" "$release_log"
}

# Tests itself as well: with programs of each language whose tests fail as it is told.
build_testrun() {
    go -C scripts build -o "$testrun" ./testrun
    go -C scripts vet ./...
    go -C scripts test -count=1 ./...
}

check_regressions() {
    go -C scripts run ./regressions
}

# Doc tests are apart: what finds them again is their line, and no whim of a machine fails them.
test_rust() {
    local owner_test skipped=()
    if ! makes_namespaces; then
        skipped+=(--skip "$address_test")
        not_checked+=("$address_test (no network namespace can be made here)")
    fi
    if ! unshares_namespaces; then
        skipped+=(--skip "$readme_tests")
        not_checked+=("${readme_tests}… (no namespaces of network, processes and mounts can be made here)")
        skipped+=(--skip "$container_tests")
        not_checked+=("${container_tests}… (no namespaces of processes and mounts can be made here)")
    fi
    if ((EUID != 0)); then
        for owner_test in "${owner_tests[@]}"; do
            skipped+=(--skip "$owner_test")
            not_checked+=("$owner_test (only root can give a file away, or become another user)")
        done
    fi
    run_tests rust rust cargo test --locked --workspace --tests --no-fail-fast -- "${skipped[@]}"
}

makes_namespaces() {
    local name=fastway-$run_id
    ip netns add "$name" && ip netns exec "$name" true && ip netns del "$name"
}

# As tests/blackbox/readme/shell.rs does, for root or anybody.
unshares_namespaces() {
    local isolated=(--net --pid --mount-proc --fork --kill-child=KILL ip link set lo up)
    unshare "${isolated[@]}" || unshare --map-root-user "${isolated[@]}"
}

check_locks() {
    cargo metadata --locked --format-version 1 >/dev/null
    cargo metadata --locked --format-version 1 --manifest-path fuzz/Cargo.toml >/dev/null
}

check_format() {
    cargo fmt --all --check
    cargo fmt --check --manifest-path fuzz/Cargo.toml
}

# Nothing is linked here, so the fuzzing engine, which its build script would compile, need not exist.
lint_fuzz_targets() {
    CUSTOM_LIBFUZZER_PATH=$log cargo clippy --locked --manifest-path fuzz/Cargo.toml --all-targets -- -D warnings
}

document() {
    RUSTDOCFLAGS="-D warnings" cargo doc --locked --workspace --no-deps
}

lint_go() {
    local unformatted
    unformatted=$(gofmt -l go tests/interop scripts)
    [[ -z $unformatted ]] || { echo "not formatted by gofmt:" && echo "$unformatted" && return 1; }
    go -C go vet ./...
    go -C go run "honnef.co/go/tools/cmd/staticcheck@$staticcheck_version" ./...
    go -C go/examples/grpc vet ./...
}

# Runs the tests in a folder of the Go SDK, against what was built here: test_go NAME FOLDER [OPTION…]
# The race detector needs a C compiler, which is there for jemalloc.
test_go() {
    local name=$1 folder=$2
    shift 2
    run_tests go "$name" env FASTWAY_BIN="$target/debug/fastway" FASTWAY_PEER_BIN="$target/debug/fastway-interop-peer" \
        go -C "go/$folder" test -count=1 "$@" ./...
}

# What was compiled above was compiled with the toolchain in use; another one is needed only where that is newer.
check_msrv() {
    [[ $(rustc_version) == "$msrv".* ]] && echo "! Rust $msrv is the toolchain in use" && return 0
    command -v rustup || { echo "rustup is needed to compile with Rust $msrv beside $(rustc_version); install it" && return 1; }
    rustup run "$msrv.0" rustc --version || install_msrv
    rustup run "$msrv.0" cargo check --locked --workspace --all-targets --target-dir "$target/msrv"
}

install_msrv() {
    say "installing Rust $msrv.0 by rustup"
    rustup toolchain install "$msrv.0" --profile minimal
}

# The crates see each other's packages here, as they would in a registry; the network is not asked. Cargo keeps what it has unpacked
# and compiled from a registry, and asks for no more than name and version: what another commit has left is removed first.
package() {
    local unpacked=${CARGO_HOME:-$HOME/.cargo}/registry/src
    local packages=$target/packages
    mkdir -p "$packages" "$unpacked"
    find "$packages" -name '*fastway[-_]*' -prune -exec rm -rf {} +
    find "$unpacked" -path "$unpacked/-*/fastway-*" -prune -exec rm -rf {} +
    cargo package --locked --offline --allow-dirty --target-dir "$packages" \
        --package fastway-wire --package fastway-session --package fastway-client
}

test_release() {
    run_tests rust release env FASTWAY_BIN="$release/fastway" \
        cargo test --locked --workspace --test blackbox --no-fail-fast -- --exact "$big_test"
    grep -qE '^test result: (ok. 1 passed|FAILED)' "$log" || { echo "no test is named $big_test" && return 1; }
}

# The test assembles a root of what the program needs: here of the program alone.
test_static() {
    unshares_namespaces || { not_checked+=("$container_tests… (no namespaces of processes and mounts can be made here)"); return 0; }
    run_tests rust static env FASTWAY_BIN="$release/fastway" \
        cargo test --locked --workspace --test blackbox --no-fail-fast -- "$container_tests"
}

take_tour() {
    timeout 60 "$release/tour" --gateway "$release/fastway"
}

# Unoptimised: it is built in a third of the time and runs for a second.
install_deny() {
    [[ $(deny --version) == "cargo-deny $deny_version" ]] && return 0
    say "installing cargo-deny $deny_version into $target/tools"
    CARGO_PROFILE_DEV_DEBUG=0 cargo install --locked --debug --root "$target/tools" "cargo-deny@$deny_version"
}

deny() {
    "$(deny_program)" "$@"
}

deny_program() {
    command -v "$target/tools/bin/cargo-deny" || echo cargo-deny
}

check_dependencies() {
    deny --locked --workspace check --allow duplicate --allow license-exception-not-encountered licenses sources bans
    deny --locked --manifest-path fuzz/Cargo.toml check --allow license-not-encountered licenses sources bans
}

check_advisories() {
    if timeout 120 "$(deny_program)" --locked fetch db; then
        deny --locked --workspace check --disable-fetch advisories
    else
        echo "! not checked: the advisory database cannot be fetched from here"
        not_checked+=("advisories (the database cannot be fetched from here)")
    fi
}

check_leftovers() {
    local process left=0
    for process in /proc/[0-9]*; do
        if is_ours "$process"; then
            echo "left behind: ${process#/proc/} $(tr '\0' ' ' <"$process/cmdline")"
            left=1
        fi
    done
    return "$left"
}

# Whether a process is a program that was built here, or a browser, and was started by this run.
is_ours() {
    [[ $(readlink "$1/exe") =~ ^"$target"/|/chrom[^/]*$ ]] && grep -qzx "FASTWAY_TEST_RUN=$run_id" "$1/environ"
} 2>/dev/null

main "$@"
