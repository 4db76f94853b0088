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

# Taken out of Debian's package: installing that would start a Prometheus.
need_promtool() {
    command -v promtool && return 0
    command -v apt-get && command -v dpkg-deb && fetch_promtool || true
    need promtool "promtool, which checks the metrics (Debian: apt-get install prometheus)"
}

fetch_promtool() {
    local dir
    say "fetching Debian's package prometheus, for its promtool alone, into $target/tools"
    dir=$(mktemp -d "$target/promtool.XXXXXX")
    (cd "$dir" && { apt-get download prometheus || { apt-get update && apt-get download prometheus; }; } \
        && dpkg-deb -x prometheus_*.deb "$target/tools")
    rm -rf "$dir"
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
