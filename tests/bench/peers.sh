# peers.sh - the peers of tests/bench/run --check: pgbench (limit) and graphile-worker (graphile) from $BENCH_PEERS. Source it after dispatch.sh.
# shellcheck shell=bash
# shellcheck disable=SC2154  # `quick` is an option of tests/bench/run
#
# Their folder is read only; what is used of it is copied to a cache outside the tree, where npm installs the pinned packages once. They run in the
# cluster that bootfarm runs in, each in a database of its own that is dropped afterwards.

PEERS_FROM=${BENCH_PEERS:-$TOP/../shared/bench}
PEERS=''

peers_missing() {
    printf 'run --check: %s\n' "$*" >&2
    exit 2
}

# Sets PEERS.
peers_prepare() {
    local part key cache=${BOOTFARM_TEST_CACHE:-/var/tmp/bootfarm-test} program
    for part in lib limit graphile node control; do
        [ -d "$PEERS_FROM/$part" ] || peers_missing "the peers are missing: no folder $PEERS_FROM/$part (BENCH_PEERS names another place). They are no part of this repository: what is asked of them is in tests/bench/peers.sh"
    done
    for program in npm python3 cc; do
        command -v "$program" >/dev/null || peers_missing "$program is missing: deploy/install-packages build test"
    done
    key=$(cd "$PEERS_FROM" && cat lib/* limit/* graphile/*.* node/*.* control/* | sha256sum | cut -c1-16)
    PEERS=$cache/peers-$key
    mkdir -p "$cache"
    (
        flock 9
        [ ! -d "$PEERS" ] || exit 0
        rm -rf "$PEERS.new"
        mkdir "$PEERS.new"
        for part in lib limit graphile node control; do cp -R --no-preserve=mode,ownership "$PEERS_FROM/$part" "$PEERS.new" || exit 1; done
        for part in node graphile; do
            (cd "$PEERS.new/$part" && npm ci --no-audit --no-fund >"$PEERS.log" 2>&1) || { tail -n 20 "$PEERS.log" >&2; exit 1; }
        done
        mv "$PEERS.new" "$PEERS"
    ) 9>"$cache/peers.lock" || peers_missing "graphile-worker cannot be installed by npm from $PEERS_FROM"
}

# In a subshell: their common.sh has functions of the same names as ours.
peer_begin() {
    export BENCH_PGHOST=$PGHOST BENCH_PGPORT=$PGPORT BENCH_TMP=$T/peers REP QUICK=${quick:-0} PGDATABASE=b_$1 NODE_ENV=production
    mkdir -p "$BENCH_TMP"
    . "$PEERS/lib/common.sh"
    fresh_db "$PGDATABASE"
}
peer_end() { psql -qX -d postgres -c "drop database $PGDATABASE with (force)"; }

# The ceiling: claim and finish, 100 jobs a time, 8 connections, as limit/run.sh does it.
limit() (
    n=$([ -n "$quick" ] && echo 8000 || echo 160000)
    peer_begin limit
    q -f "$PEERS/limit/schema.sql" 2>/dev/null
    q -c "insert into job(payload) select decode(repeat('61',100),'hex') from generate_series(1,$n + 800)" -c "vacuum analyze job"
    settle 0.3
    tps=$("$PGBIN/pgbench" -n -M prepared -j 1 -c 8 -t $((n / 100 / 8)) -f "$PEERS/limit/life100.sql" | awk '/^tps/ { print $3 }')
    emit limit "b=100,c=8" life_claim+finish jobs/s "$(awk -v t="$tps" 'BEGIN { printf "%.1f", t * 100 }')"
    peer_end
)

# graphile WHAT ARGUMENT...: one measurement in its tuned configuration
graphile() (
    peer_begin graphile
    node=$(node_bin)
    "$node" "$PEERS/graphile/bench.mjs" setup tuned
    settle 0.5
    timeout 300 "$node" "$PEERS/graphile/bench.mjs" "$1" tuned "${@:2}"
    peer_end
)

# How fast the machine is now.
control() (
    peer_begin control
    bash "$PEERS/control/run.sh" "before repetition $REP"
    peer_end
)
