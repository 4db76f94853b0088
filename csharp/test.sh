#!/usr/bin/env bash
# Builds the C# SDK with its tests, examples and benchmark, and runs the tests on Mono: csharp/test.sh [nunit-console's options]
#
# Needs mcs, mono and nunit-console (Debian: apt-get install mono-mcs mono-runtime nunit-console libnunit-framework2.6.3-cil).
# The tests run against the gateway, the Rust peer and the Rust chat that FASTWAY_BIN, FASTWAY_PEER_BIN and FASTWAY_CHAT_BIN name,
# by default the debug builds of this repository. Go builds the Go peer.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

target=${CARGO_TARGET_DIR:-$PWD/target}
mkdir -p "$target/csharp"
out=$(cd "$target/csharp" && pwd)
export FASTWAY_REPOSITORY=$PWD
export FASTWAY_BIN=${FASTWAY_BIN:-$target/debug/fastway}
export FASTWAY_CHAT_BIN=${FASTWAY_CHAT_BIN:-$target/debug/examples/chat}
export FASTWAY_PEER_BIN=${FASTWAY_PEER_BIN:-$target/debug/fastway-interop-peer}

source csharp/nunit.sh

main() {
    local nunit
    nunit=$(find_nunit)
    cp "$nunit" "$out/"
    build library Fastway.dll csharp/src -doc:"$out/Fastway.xml"
    build library Fastway.Tests.dll csharp/tests -r:"$out/Fastway.dll" -r:"$out/nunit.framework.dll"
    build_programs examples
    build_programs interop
    build_programs bench
    build_unity_samples
    build_go_peer
    test_all "$@"
}

# Compiles all sources below a folder; every warning is an error.
build() {
    local kind=$1 name=$2 folder=$3
    shift 3
    mcs -nologo -langversion:7 -warn:4 -warnaserror -debug -optimize -target:"$kind" -out:"$out/$name" "$@" \
        -recurse:"$folder/*.cs"
}

# Each folder below is a program.
build_programs() {
    local folder
    for folder in csharp/"$1"/*/; do
        [[ -d $folder ]] || continue
        build exe "fastway-$(basename "$folder").exe" "${folder%/}" -r:"$out/Fastway.dll"
    done
}

# Against a stand-in for the engine.
build_unity_samples() {
    build library fastway-unity-engine.dll csharp/unity/check
    build library fastway-unity-samples.dll 'csharp/unity/Samples~' -r:"$out/Fastway.dll" -r:"$out/fastway-unity-engine.dll"
}

# The Go SDK's peer of the interop suite; the Rust one is built by cargo.
build_go_peer() {
    export FASTWAY_GO_PEER_BIN=$out/fastway-peer-go
    go -C go build -o "$FASTWAY_GO_PEER_BIN" ./internal/interoppeer
}

# What computes for long keeps one core busy while the rest waits for gateways.
test_all() {
    rm -f "$out"/tests-*.xml
    if (($# > 0)); then
        run_tests chosen "$@"
        return
    fi
    run_tests computing -include:Computes >"$out/computing.log" &
    local computing=$! talked=0 computed=0
    run_tests talking -exclude:Computes || talked=$?
    wait "$computing" || computed=$?
    cat "$out/computing.log"
    return $((talked > computed ? talked : computed))
}

run_tests() {
    run_nunit "$out" "$1" Fastway.Tests.dll "${@:2}"
}

main "$@"
