#!/usr/bin/env bash
# Builds fastway as one static program, without a C library or anything else beside it: scripts/static.sh FILE [--example NAME]
#
# An example is built with it, and put beside it. FASTWAY_COMMIT names the commit where there is no checkout.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

[[ $# == 1 || $# == 3 && $2 == --example ]] || { echo "usage: scripts/static.sh FILE [--example NAME]" >&2 && exit 2; }
file=$(realpath -m "$1")
example=${3:-}
host=$(rustc -vV | sed -n 's/^host: //p')
# Beside the other builds, which have other flags; with --target these flags are not those of build scripts.
target=${CARGO_TARGET_DIR:-$PWD/target}/static
# The crate getrandom would look for the C library's function at run time, find none, and read /dev/random instead.
flags='-C target-feature=+crt-static --cfg getrandom_backend="linux_getrandom"'
RUSTFLAGS="${RUSTFLAGS:-} $flags" CARGO_TARGET_DIR=$target \
    cargo build --locked --release --target "$host" --bin fastway "${@:2}"
mkdir -p "$(dirname "$file")"
install -m 755 "$target/$host/release/fastway" "$file"
[[ -z $example ]] || install -m 755 "$target/$host/release/examples/$example" "$(dirname "$file")/$example"
"$file" --version
"$file" --version | grep -q 'static$' || { echo "it is not static" >&2 && exit 1; }
