# check.sh - tests/bench/run --check: bootfarm and the peers by turns, then every figure against its bound. Source it after peers.sh.
# shellcheck shell=bash
# shellcheck disable=SC2154  # the sizes are options of tests/bench/run

check() {
    local failed=0
    peers_prepare
    BENCH_OUT=${BENCH_OUT:-$(mktemp /tmp/bootfarm-bench-XXXXXX.jsonl)}
    export BENCH_OUT
    bench_begin
    for ((REP = 1; REP <= reps; REP++)); do
        say "== repetition $REP of $reps"
        repetition >/dev/null
    done
    REP=1
    memory >/dev/null
    also core
    also logs
    say "all figures: $BENCH_OUT"
    [ -z "$quick" ] || say "--quick: sizes of a smoke test, which say that all parts run; no figure of it means anything, and bounds fall short"
    "$here/bounds" "$BENCH_OUT" || failed=1
    exit $failed
}

# Theirs and ours next to each other, in an order that changes from one repetition to the next.
repetition() {
    peer control
    peer limit
    pair "peer graphile drain $jobs 2" drain
    pair "peer graphile e2e $jobs 2 100" e2e
    pair "peer graphile latency $single 10" latency
    enqueue
    reader
}
pair() {
    if [ $((REP % 2)) = 1 ]; then $1; $2; else $2; $1; fi
}
peer() { "$@" || fail "the peer $* failed"; }

# Benches of their own, where they are: a line in the figures says how they ended.
also() {
    local code=0
    [ -x "$here/$1" ] || return 0
    say "== $1 --check"
    "$here/$1" --check >"$T/$1.out" || code=$?
    cat "$T/$1.out" >&2
    emit "--check" "$1" status "$code" >/dev/null
}
