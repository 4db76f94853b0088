# What test.sh needs on this machine, and how it gets what is missing. Sourced by it, after steps.sh: `target` and
# `msrv` are its own.

check_toolchain() {
    need cargo "Rust $msrv or later, by rustup or the package rust of your system"
    need rustc "Rust $msrv or later, by rustup or the package rust of your system"
    need go "Go 1.26 or later: the Go SDK, and CPU profiles with \`go tool pprof\`"
    need cc "a C compiler, which jemalloc is built with (Debian: apt-get install build-essential)"
    need valgrind "valgrind, which counts instructions (Debian: apt-get install valgrind)"
    need curl "curl, which the README's commands use (Debian: apt-get install curl)"
    need make "make, which jemalloc is built with (Debian: apt-get install build-essential)"
    need_promtool
    need_front_ends
    need_systemd_analyze
    need_browser
    need_mono
    need_component rustfmt cargo-fmt
    need_component clippy cargo-clippy
    older "$(rustc_version)" "$msrv" || return 0
    echo "rustc $(rustc_version) is too old: install Rust $msrv or later (rustup update stable)"
    return 1
}

# Says what is about to change on this machine, past the log of the step.
say() {
    echo "   $*" >&"$terminal"
}

need() {
    command -v "$1" || { echo "\`$1\` is missing; install $2" && return 1; }
}

# Taken out of Debian's packages: installing those would start a Prometheus, a HAProxy and an nginx.
need_promtool() {
    command -v promtool && return 0
    may_fetch && fetch promtool prometheus || true
    need promtool "promtool, which checks the metrics (Debian: apt-get install prometheus)"
}

need_front_ends() {
    local haproxy=(haproxy liblua5.3-0 libopentracing-c-wrapper0 libopentracing1) nginx=(nginx libnginx-mod-stream)
    command -v haproxy || { may_fetch && fetch haproxy "${haproxy[@]}" && make_runner haproxy || true; }
    need haproxy "HAProxy, which stands in front of the gateway in tests (Debian: apt-get install haproxy)"
    haproxy -v || { echo "\`haproxy\` does not run; install HAProxy (Debian: apt-get install haproxy)" && return 1; }
    command -v nginx || { may_fetch && fetch nginx "${nginx[@]}" && make_runner nginx || true; }
    need nginx "nginx and its stream module, for the same (Debian: apt-get install nginx libnginx-mod-stream)"
    nginx -v || { echo "\`nginx\` does not run; install nginx (Debian: apt-get install nginx libnginx-mod-stream)" && return 1; }
}

may_fetch() {
    command -v apt-get && command -v dpkg-deb
}

# Unpacks packages of Debian's for a program of theirs: fetch PROGRAM PACKAGE…
fetch() {
    local program=$1 dir package
    shift
    say "fetching Debian's packages $*, for their $program alone, into $target/tools"
    dir=$(mktemp -d "$target/fetch.XXXXXX")
    (cd "$dir" && { apt-get download "$@" || { apt-get update && apt-get download "$@"; }; } \
        && for package in *.deb; do dpkg-deb -x "$package" "$target/tools"; done)
    rm -rf "$dir"
}

# A program that was fetched runs with the libraries that were fetched with it: make_runner PROGRAM
make_runner() {
    local libraries
    libraries=$(echo "$target"/tools/usr/lib/*-linux-*)
    printf '#!/bin/sh\nLD_LIBRARY_PATH=%q exec %q "$@"\n' "$libraries" "$target/tools/usr/sbin/$1" >"$target/tools/usr/bin/$1"
    chmod +x "$target/tools/usr/bin/$1"
}

need_systemd_analyze() {
    command -v systemd-analyze && return 0
    install systemd || true
    need systemd-analyze "systemd-analyze, which checks the unit (Debian: apt-get install systemd)"
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
    may_install || return 1
    local packages
    packages=$(to_install "$@") || { say "reading Debian's lists of packages" && apt-get update && packages=$(to_install "$@"); } || return 1
    say "installing Debian's packages: $packages"
    export DEBIAN_FRONTEND=noninteractive
    apt-get install -y --no-install-recommends "$@" \
        || { apt-get update && apt-get install -y --no-install-recommends "$@"; }
}

may_install() {
    ((EUID == 0)) && command -v apt-get
}

# The names of packages that are missing, with what they need.
to_install() {
    local found
    found=$(apt-get install --simulate --no-install-recommends "$@") || return 1
    awk '/^Inst/ { printf "%s ", $2 }' <<<"$found"
}

need_component() {
    command -v "$2" && "$2" --version && return 0
    command -v rustup || { echo "\`$2\` is missing; install $1 of your Rust distribution, or Rust by rustup" && return 1; }
    say "installing rustup's component $1"
    rustup component add "$1"
}

rustc_version() {
    rustc --version | cut -d' ' -f2
}

# Whether version $1 is below version $2.
older() {
    [[ $(printf '%s\n%s\n' "$1" "$2" | sort -V | head -n 1) != "$2" ]]
}
