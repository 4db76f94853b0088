# How test.sh runs its steps and what it says in the end. Sourced by it: `log` and `testrun` are its own, and `clean_up` does
# what has to be done at the end of every run.

# Where test.sh writes to, while the output of a step goes to the log.
exec {terminal}>&1

# The exit code of testrun when tests failed that can be run again.
tests_failed=3
step_times=()
# What the run does not tell: steps add to it.
not_checked=()

# Runs a step with its output in the log: of a good one the test results and what is marked with `!` are shown.
step() {
    local heading=$1 started=$SECONDS
    shift
    echo "== $heading"
    "$@" >"$log" 2>&1
    grep -E '^(! |ok  |Tests run: | +[0-9.]+  [a-z]+: |   Doc-tests |     Running |test result: )' "$log" || true
    step_times+=("$(printf '%6d s  %s' $((SECONDS - started)) "$heading")")
    if grep -q '^! failed: ' "$log"; then
        echo "   tests failed, which are run once more at the end; $((SECONDS - started)) s"
    else
        echo "   ok, $((SECONDS - started)) s"
    fi
}

# Runs tests, of which some may fail for now: run_tests KIND NAME COMMAND…
run_tests() {
    local status=0
    "$testrun" run "$@" || status=$?
    ((status == 0 || status == tests_failed))
}

run_failed_again() {
    "$testrun" again
    [[ ${FLAKY:-} != fail || ! -s $TESTRUN_DIR/flaky ]] || { echo "flaky tests are not allowed here" && return 1; }
}

# The last lines: where the time went, what is flaky, and what the run does not tell.
report() {
    local flaky line
    local -a unknown
    echo "slowest steps:"
    printf '%s\n' "${step_times[@]}" | sort -rn | head -n 8
    echo "slowest tests:"
    "$testrun" slowest 12
    sed 's/^/! flaky: /' "$TESTRUN_DIR/flaky"
    mapfile -t unknown <"$TESTRUN_DIR/not-run"
    not_checked+=("${unknown[@]}")
    flaky=$(wc -l <"$TESTRUN_DIR/flaky")
    line="all passed in $SECONDS s"
    ((flaky == 0)) || line+="; flaky, passed the second time: $flaky"
    ((${#not_checked[@]} == 0)) || line+="; not checked: $(printf '%s, ' "${not_checked[@]}" | sed 's/, $//')"
    echo "$line"
}

# The end of every run; after a failure `set -e` leads here from within the step, whose output still goes to the log.
finish() {
    local status=$?
    exec >&"$terminal" 2>&1
    if ((status != 0)); then
        cat "$log"
        if [[ -x $testrun ]]; then "$testrun" waiting || true; fi
        echo "FAILED after $SECONDS s: the step above (exit code $status)"
    fi
    clean_up
}
trap finish EXIT
