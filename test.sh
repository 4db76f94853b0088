#!/usr/bin/env bash
# Builds fastway and runs all of its tests: ./test.sh
#
# Installs what is missing where it may (rustup components; a browser and Mono, as root; cargo-deny and promtool into the target directory)
# and otherwise says what to install. Stops at the first step that fails, with all that the step had to say.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

target=${CARGO_TARGET_DIR:-$PWD/target}
mkdir -p "$target"
target=$(cd "$target" && pwd)
log=$(mktemp)
release_log=$(mktemp)
release_build=
run_id=$$-$RANDOM$RANDOM
msrv=$(sed -n 's/^rust-version = "\(.*\)"$/\1/p' Cargo.toml)
deny_version=0.20.2
staticcheck_version=v0.8.2
big_test=a_thousand_players_exchange_a_hundred_thousand_messages_with_two_servers

export CARGO_TARGET_DIR=$target CARGO_TERM_COLOR=never
# What the tests start inherits this, so that it can be found if it outlives them.
export FASTWAY_TEST_RUN=$run_id
# Where programs are that were fetched here.
export PATH=$PATH:$target/tools/usr/bin

main() {
    step "toolchain: Rust >= $msrv with rustfmt and clippy, Go, Mono, promtool, a browser, a C compiler" check_toolchain
    step "manifests: both Cargo.lock are up to date" check_locks
    step "format" check_format
    step "clippy" cargo clippy --locked --workspace --all-targets -- -D warnings
    step "clippy of the fuzz targets" lint_fuzz_targets
    step "documentation" document
    step "tests, doc tests, vectors, fuzz corpora (debug build)" cargo test --locked --workspace --no-fail-fast
    step "Go SDK: format, vet, staticcheck $staticcheck_version" lint_go
    begin_release_build
    step "Go and C# SDKs: build what their tests run against: the gateway, the Rust peer, the chat" build_for_sdks
    step "Go SDK: tests with the race detector, vectors, examples, interop" test_go
    step "Go SDK: gRPC over it" test_grpc
    step "Go SDK: benchmarks run, once each; nothing allocates" bench_go
    step "C# SDK: library, tests, examples and benchmark compile as C# 7; NUnit on Mono" test_csharp
    step "benchmarks run, once each" cargo test --locked --bench data_path
    step "MSRV: everything compiles with Rust $msrv" check_msrv
    step "packages: the SDK compiles from what would be published" package
    step "release build" end_release_build
    step "release binary: 1,000 players exchange 100,000 messages" test_release
    step "release tour: 1,000 players, every byte compared, within 60 s" take_tour
    step "instructions of the data path, against the committed baseline" cargo bench --locked --bench instructions
    step "dependencies: cargo-deny $deny_version" install_deny
    step "dependencies: licences, sources, bans" check_dependencies
    step "dependencies: advisories" check_advisories
    step "no process is left behind" check_leftovers
    echo "all passed in $SECONDS s"
}

# Runs a step with its output in the log: of a good one the test results and what is marked with `!` are shown.
step() {
    local heading=$1 started=$SECONDS
    shift
    echo "== $heading"
    "$@" >"$log" 2>&1
    grep -E '^(! |ok  |Tests run: | +[0-9.]+  [a-z]+: |   Doc-tests |     Running |test result: )' "$log" || true
    echo "   ok, $((SECONDS - started)) s"
}

# Compiles while the tests of other languages wait for each other; they are told apart by their logs.
begin_release_build() {
    cargo build --locked --release --bin fastway --example tour >"$release_log" 2>&1 &
    release_build=$!
}

end_release_build() {
    local status=0
    wait "$release_build" || status=$?
    release_build=
    cat "$release_log"
    return "$status"
}

# The end of every run; after a failure `set -e` leads here from within the step.
finish() {
    local status=$?
    if ((status != 0)); then
        cat "$log"
        echo "FAILED after $SECONDS s: the step above (exit code $status)"
    fi
    [[ -z $release_build ]] || kill "$release_build" || true
    rm -f "$log" "$release_log"
}
trap finish EXIT

check_toolchain() {
    need cargo "Rust $msrv or later, by rustup or the package rust of your system"
    need rustc "Rust $msrv or later, by rustup or the package rust of your system"
    need go "Go 1.26 or later: the Go SDK, and CPU profiles with \`go tool pprof\`"
    need cc "a C compiler, which jemalloc is built with (Debian: apt-get install build-essential)"
    need valgrind "valgrind, which counts instructions (Debian: apt-get install valgrind)"
    need make "make, which jemalloc is built with (Debian: apt-get install build-essential)"
    need_promtool
    need_browser
    need_mono
    need_component rustfmt cargo-fmt
    need_component clippy cargo-clippy
    older "$(rustc_version)" "$msrv" || return 0
    echo "rustc $(rustc_version) is too old: install Rust $msrv or later (rustup update stable)"
    return 1
}

need() {
    command -v "$1" || { echo "\`$1\` is missing; install $2" && return 1; }
}

# Taken out of Debian's package: installing that would start a Prometheus.
need_promtool() {
    command -v promtool && return 0
    command -v apt-get && command -v dpkg-deb && fetch_promtool || true
    need promtool "promtool, which checks the metrics (Debian: apt-get install prometheus)"
}

fetch_promtool() {
    local dir
    dir=$(mktemp -d "$target/promtool.XXXXXX")
    (cd "$dir" && { apt-get download prometheus || { apt-get update && apt-get download prometheus; }; } \
        && dpkg-deb -x prometheus_*.deb "$target/tools")
    rm -rf "$dir"
}

need_browser() {
    command -v chromium && command -v chromedriver && return 0
    install chromium chromium-driver || true
    need chromium "Chromium, in which the page is opened (Debian: apt-get install chromium)"
    need chromedriver "its driver (Debian: apt-get install chromium-driver)"
}

need_mono() {
    local packages=(mono-mcs mono-runtime nunit-console libnunit-framework2.6.3-cil)
    command -v mcs && command -v mono && command -v nunit-console && return 0
    install "${packages[@]}" || true
    need mcs "Mono's compiler (Debian: apt-get install ${packages[*]})"
    need mono "Mono's run time (Debian: apt-get install ${packages[*]})"
    need nunit-console "NUnit's console runner (Debian: apt-get install ${packages[*]})"
}

# Debian's packages, where that is possible.
install() {
    ((EUID == 0)) && command -v apt-get || return 1
    export DEBIAN_FRONTEND=noninteractive
    apt-get install -y --no-install-recommends "$@" \
        || { apt-get update && apt-get install -y --no-install-recommends "$@"; }
}

need_component() {
    command -v "$2" && "$2" --version && return 0
    command -v rustup || { echo "\`$2\` is missing; install $1 of your Rust distribution, or Rust by rustup" && return 1; }
    rustup component add "$1"
}

rustc_version() {
    rustc --version | cut -d' ' -f2
}

# Whether version $1 is below version $2.
older() {
    [[ $(printf '%s\n%s\n' "$1" "$2" | sort -V | head -n 1) != "$2" ]]
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
    unformatted=$(gofmt -l go tests/interop)
    [[ -z $unformatted ]] || { echo "not formatted by gofmt:" && echo "$unformatted" && return 1; }
    in_go . vet ./...
    in_go . run "honnef.co/go/tools/cmd/staticcheck@$staticcheck_version" ./...
    in_go examples/grpc vet ./...
}

# All at once, as for the tests above: a choice of packages would choose other features, and compile most crates again.
build_for_sdks() {
    cargo build --locked --workspace --bins --examples
}

# The race detector needs a C compiler, which is there for jemalloc.
test_go() {
    in_go . test -race -count=1 -timeout 20m ./...
}

test_grpc() {
    in_go examples/grpc test -count=1 ./...
}

bench_go() {
    in_go . test -count=1 -run AllocateNothing -bench . -benchtime 1x ./...
}

# Runs the go tool in a folder of the Go SDK, against what was built here.
in_go() {
    local folder=$1
    shift
    FASTWAY_BIN=$target/debug/fastway FASTWAY_PEER_BIN=$target/debug/fastway-interop-peer go -C "go/$folder" "$@"
}

test_csharp() {
    csharp/test.sh
}

# What was compiled above was compiled with the toolchain in use; another one is needed only where that is newer.
check_msrv() {
    [[ $(rustc_version) == "$msrv".* ]] && echo "! Rust $msrv is the toolchain in use" && return 0
    command -v rustup || { echo "rustup is needed to compile with Rust $msrv beside $(rustc_version); install it" && return 1; }
    rustup run "$msrv.0" rustc --version || rustup toolchain install "$msrv.0" --profile minimal
    rustup run "$msrv.0" cargo check --locked --workspace --all-targets --target-dir "$target/msrv"
}

# The crates see each other's packages here, as they would in a registry; the network is not asked.
package() {
    cargo package --locked --offline --allow-dirty --package fastway-wire --package fastway-session \
        --package fastway-client
}

test_release() {
    FASTWAY_BIN=$target/release/fastway cargo test --locked --test crosstalk -- --exact "$big_test"
    grep -q '^test result: ok. 1 passed' "$log" || { echo "no test is named $big_test" && return 1; }
}

take_tour() {
    timeout 60 "$target/release/examples/tour" --gateway "$target/release/fastway"
}

# Unoptimised: it is built in a third of the time and runs for a second.
install_deny() {
    [[ $(deny --version) == "cargo-deny $deny_version" ]] && return 0
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
        echo "! NOT CHECKED: the advisory database cannot be fetched from here"
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
