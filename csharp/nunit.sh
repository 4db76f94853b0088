# What runs NUnit 2.6 on Mono; csharp/test.sh sources it.

find_nunit() {
    local found
    found=$(find /usr/lib/cli /usr/lib/mono/gac -name nunit.framework.dll -path '*2.6*' 2>/dev/null | head -n 1)
    [[ -n $found ]] || { echo "NUnit 2.6 is missing (Debian: libnunit-framework2.6.3-cil)" >&2 && return 1; }
    echo "$found"
}

# Runs the tests of an assembly in a folder, with nunit-console's options: run_nunit FOLDER NAME ASSEMBLY [OPTION…]
# Shows the summary, and of failures everything; FOLDER/tests-NAME.xml has the results.
# Returns 1 when tests failed, and 2 when anything else went wrong.
run_nunit() {
    local folder=$1 assembly=$3 results=$1/tests-$2.xml xml=tests-$2.xml status=0 console watcher
    shift 3
    rm -f "$results"
    (cd "$folder" && exec nunit-console -nologo -nodots -noshadow -xml:"$xml" "$@" "$assembly") &
    console=$!
    end_after_results "$console" "$results" &
    watcher=$!
    wait "$console" || status=$?
    kill "$watcher" 2>/dev/null || true
    wait "$watcher" 2>/dev/null || true
    # NUnit's exit code counts failures up to 100; what is above tells of other trouble.
    if ((status == HUNG_AT_EXIT)) && grep -qs '</test-results>' "$results"; then
        ! grep -qE '<test-case .*result="(Failure|Error)"' "$results"
    elif ((status > 100)) || [[ ! -s $results ]]; then
        echo "nunit-console ended with exit code $status"
        return 2
    else
        ((status == 0))
    fi
}

# The exit code of a process that was ended by SIGTERM.
HUNG_AT_EXIT=143

# On Mono the console now and then does not end after its results are complete.
end_after_results() {
    local console=$1 results=$2
    # Whoever reads the output waits for all who may write to it.
    until grep -qs '</test-results>' "$results"; do
        sleep 1 >/dev/null 2>&1
    done
    sleep 30 >/dev/null 2>&1
    echo "nunit-console is ended: its results were complete 30 s ago"
    kill "$console"
}
