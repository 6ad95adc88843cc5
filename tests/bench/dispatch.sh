# dispatch.sh - PostgreSQL, a scheduler and a swarm for tests/bench/run and its parts. Source it (bash).
# shellcheck shell=bash
#
# With BENCH_PGPORT (and BENCH_PGHOST) the cluster is that one, as in a run of the peers' harness; else a private one is started with the same
# settings. Each bench_fresh makes a database of its own in it.

TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
. "$TOP/tests/lib/pg.sh"
BIN=${BOOTFARM_BIN:-$TOP/build/release/bin}
REP=${REP:-1}
DB=b_bootfarm
SCHEDULER='' OWN_PG='' READER='' SWARMS=()

say() { printf '[%s] %s\n' "$(date +%H:%M:%S)" "$*" >&2; }
fail() {
    printf 'FAILED: %s\n' "$*" >&2
    psql -XqAt -d "$DB" -c 'select what, object, error from farm.quarantine limit 3' >&2 2>/dev/null || :
    [ ! -e "$T/swarm.log" ] || tail -n 5 "$T/swarm.log" >&2
    [ ! -e "$T/scheduler.log" ] || tail -n 20 "$T/scheduler.log" >&2
    exit 1
}
emit() { emit_as bootfarm "$@"; } # emit CONFIG METRIC UNIT VALUE
emit_as() { # emit_as SYSTEM CONFIG METRIC UNIT VALUE
    local line
    line=$(printf '{"rep":%s,"system":"%s","config":"%s","metric":"%s","unit":"%s","value":%s}' "$REP" "$1" "$2" "$3" "$4" "$5")
    echo "$line"
    [ -z "${BENCH_OUT:-}" ] || echo "$line" >>"$BENCH_OUT"
    say "  $1 [$2] $3 = $5 $4"
}
calc() { awk "BEGIN { printf \"%.${2:-1}f\", $1 }"; } # calc EXPRESSION [DIGITS]
now_ns() { date +%s%N; }
rate() { awk -v n="$1" -v ns="$2" 'BEGIN { printf "%.1f", n * 1e9 / ns }'; }
sql() { psql -XqAt -v ON_ERROR_STOP=1 -d "$DB" -c "$1"; }
rss_kib() { awk '/^VmRSS/ { print $2 }' "/proc/$1/status"; }
cpu_ms() { awk -v hz="$(getconf CLK_TCK)" '{ sub(/^.*\) /, ""); print ($12 + $13) * 1000 / hz }' "/proc/$1/stat"; }
member() { sed -n "s/.*\"$2\":\\([0-9.]*\\).*/\\1/p" <<<"$1"; } # member JSON NAME

# CPU time of our own cluster: what lives, and (in the postmaster's account) what has ended.
pg_cpu_ms() {
    local postmaster
    [ -n "$OWN_PG" ] || { echo 0; return; }
    postmaster=$(head -n 1 "$PG_DIR/data/postmaster.pid")
    # shellcheck disable=SC2046
    cat $(printf '/proc/%s/stat ' "$postmaster" $(cat "/proc/$postmaster/task/$postmaster/children")) 2>/dev/null |
        awk -v hz="$(getconf CLK_TCK)" -v first="$postmaster" '{ me = $1; sub(/^.*\) /, ""); t += $12 + $13 + (me == first ? $14 + $15 : 0) } END { printf "%d", t * 1000 / hz }'
}

wait_for() { # wait_for SECONDS WHAT COMMAND...
    local until=$((SECONDS + $1)) what=$2
    shift 2
    until "$@" >/dev/null 2>&1; do
        [ "$SECONDS" -lt "$until" ] || fail "waited in vain for $what"
        read -r -t 0.1 <> <(:) || :
    done
}
is() { [ "$(sql "$1")" = "$2" ]; } # is STATEMENT VALUE

# ---- parts ---------------------------------------------------------------------------------------------------------------------

bench_begin() {
    local program
    for program in bootfarm-scheduler bootfarm-swarm bootfarm-submit bench_router; do
        [ -x "$BIN/$program" ] || { echo "no $BIN/$program: build the preset release first" >&2; exit 2; }
    done
    T=$(mktemp -d /tmp/bootfarm-bench.XXXXXX)
    trap bench_end EXIT
    trap "exit 1" TERM INT
    if [ -n "${BENCH_PGPORT:-}" ]; then
        export PGHOST=${BENCH_PGHOST:-127.0.0.1} PGPORT=$BENCH_PGPORT PGUSER=postgres
    else
        OWN_PG=1
        pg_start -c max_connections=200 -c shared_buffers=512MB -c fsync=on -c synchronous_commit=on -c full_page_writes=on -c wal_level=replica \
            -c max_wal_size=4GB -c checkpoint_timeout=15min -c autovacuum=on -c autovacuum_naptime=15s -c jit=off \
            ${BENCH_PROFILE:+-c shared_preload_libraries=pg_stat_statements -c pg_stat_statements.track=all -c track_functions=all} \
            ${BENCH_PLANS:+-c session_preload_libraries=auto_explain -c auto_explain.log_min_duration=50 -c auto_explain.log_analyze=on -c auto_explain.log_nested_statements=on} || exit 1
    fi
    export PGHOST=127.0.0.1 PGDATABASE=postgres # over TCP, as the peers
}

bench_end() {
    trap - EXIT
    reader_stop
    swarms_stop
    scheduler_stop
    [ -z "${BENCH_PLANS:-}" ] || [ -z "$OWN_PG" ] || cp "$PG_DIR/log" "$BENCH_PLANS"
    [ -z "$OWN_PG" ] || pg_stop
    rm -rf "$T"
}

# Nothing is left that autovacuum could find while somebody else is measured.
bench_drop() {
    scheduler_stop
    [ -z "${BENCH_AFTER:-}" ] || psql -Xq -d "$DB" -f "$BENCH_AFTER" >&2 || : # to look at what a part has left
    psql -Xq -d postgres -c "drop database if exists $DB with (force)" 2>/dev/null || fail "cannot drop $DB"
}

# bench_fresh WORKERS: an empty farm with so many enrolled workers
bench_fresh() {
    bench_drop
    psql -Xq -d postgres -c "create database $DB" || fail "no database $DB"
    "$BIN/bootfarm-scheduler" migrate --database="host=$PGHOST port=$PGPORT user=postgres dbname=$DB" >"$T/migrate.log" 2>&1 || fail "migrate: $(tail -n 1 "$T/migrate.log")"
    sql "do \$\$ begin create role bf login in role bootfarm_scheduler; exception when duplicate_object then null; end \$\$"
    psql -Xq -v ON_ERROR_STOP=1 -d "$DB" -f "$TOP/tests/bench/dispatch.sql" || fail dispatch.sql
    [ -z "${BENCH_SQL:-}" ] || sql "$BENCH_SQL" >/dev/null || fail BENCH_SQL # to try a change of the schema
    rm -rf "$T/state" "$T/curve.key"
    "$BIN/bootfarm-scheduler" keygen "$T/curve.key" >"$T/curve.pub"
    (umask 077 && "$BIN/bootfarm-swarm" keys "$1" >"$T/keys")
    psql -Xq -d "$DB" -c "\\copy bench.key (public_key, secret_key) from '$T/keys' (delimiter ' ')"
    sql "select bench.farm()" >/dev/null
}

scheduler_start() {
    cat >"$T/scheduler.conf" <<CONF
database = host=$PGHOST port=$PGPORT user=bf dbname=$DB
listen = tcp://127.0.0.1:*
listen_log = tcp://127.0.0.1:*
key_file = $T/curve.key
state_dir = $T/state
log_level = info
planner = $T/planner
CONF
    : >"$T/scheduler.log"
    ${BENCH_WRAP:-} "$BIN/bootfarm-scheduler" run --config="$T/scheduler.conf" >>"$T/scheduler.log" 2>&1 &
    SCHEDULER=$!
    wait_for 60 "the scheduler to listen" grep -q listening "$T/scheduler.log"
    CONTROL=$(sed -n 's/.* control=\([^ ]*\).*/\1/p' "$T/scheduler.log" | head -n 1)
}

scheduler_stop() {
    [ -n "$SCHEDULER" ] || return 0
    kill "$SCHEDULER" 2>/dev/null
    wait "$SCHEDULER" 2>/dev/null
    SCHEDULER=
    sql "update farm.leader set renewed_at = renewed_at - interval '1 minute'" >/dev/null 2>&1 || :
}

# swarm WORKERS OPTION...: to its end; its line of JSON
swarm() {
    local n=$1
    shift
    "$BIN/bootfarm-swarm" --scheduler="$CONTROL" --server-key="$(cat "$T/curve.pub")" --keys="$T/keys" --workers="$n" "$@" 2>>"$T/swarm.log"
}

# swarm_start WORKERS OPTION...: runs until swarms_stop
swarm_start() {
    local n=$1
    shift
    [ ${#SWARMS[@]} -gt 0 ] || rm -f "$T"/swarm-*.json
    "$BIN/bootfarm-swarm" --scheduler="$CONTROL" --server-key="$(cat "$T/curve.pub")" --keys="$T/keys" --workers="$n" "$@" >"$T/swarm-${#SWARMS[@]}.json" 2>>"$T/swarm.log" &
    SWARMS+=($!)
}
# Their lines of JSON are in $T/swarm-*.json then.
swarms_stop() {
    [ ${#SWARMS[@]} -gt 0 ] || return 0
    kill "${SWARMS[@]}" 2>/dev/null
    wait "${SWARMS[@]}" 2>/dev/null
    SWARMS=()
}

# reader_start: somebody has read farm.job in a transaction and does not end it.
reader_start() {
    mkfifo "$T/reader"
    PGAPPNAME=bench-reader psql -XqAt -d "$DB" <"$T/reader" >"$T/reader.out" 2>&1 &
    READER=$!
    exec 7>"$T/reader"
    echo "begin isolation level repeatable read; select count(*) from farm.job;" >&7
    wait_for 20 "the reader" reader_is_idle
}
reader_is_idle() { is "select count(*) from pg_stat_activity where application_name = 'bench-reader' and state = 'idle in transaction' and backend_xmin is not null" 1; }
reader_stop() {
    [ -n "$READER" ] || return 0
    kill "$READER" # by its end of the pipe it would not end: the scheduler has inherited the other one
    wait "$READER" 2>/dev/null
    exec 7>&-
    rm -f "$T/reader"
    READER=
}

# One image is built and tested: from now on builds of the same content are skipped.
bench_first_build() {
    local line
    sql "insert into bench.plan_of values ('first', bench.plan('first', 'first', 1))"
    sql "select bench.commit('first')" >/dev/null
    scheduler_start
    line=$(swarm 1 --slots=1 --jobs=2 --timeout=30s) || fail "the first build: $line"
    scheduler_stop
}

# bench_enqueue N [PER-PLAN]: N tests through plan_commit, with no leader. Sets JOBS (also the builds) and ENQUEUE_NS.
bench_enqueue() {
    local left=$1 per=${2:-10000} k=0 n t0
    JOBS=0 ENQUEUE_NS=0
    while [ "$left" -gt 0 ]; do
        k=$((k + 1)) n=$((left < per ? left : per)) left=$((left - (left < per ? left : per)))
        sql "insert into bench.plan_of values ('b$k', bench.plan('b$k', 'i$k-', $n))"
    done
    settle
    for n in $(seq "$k"); do
        t0=$(now_ns)
        JOBS=$((JOBS + $(sql "select bench.commit('b$n')")))
        ENQUEUE_NS=$((ENQUEUE_NS + $(now_ns) - t0))
    done
}

# With BENCH_PROFILE=FILE: where PostgreSQL's time goes, by statement and by function.
profile_begin() {
    [ -n "${BENCH_PROFILE:-}" ] || return 0
    sql "create extension if not exists pg_stat_statements" >/dev/null
    sql "select pg_stat_reset(), pg_stat_statements_reset()" >/dev/null
}
profile_end() {
    [ -n "${BENCH_PROFILE:-}" ] || return 0
    wait_for 20 "statistics" is "select count(*) > 0 from pg_stat_user_functions" t
    {
        sql "select round(total_exec_time::numeric, 1) as ms, calls, rows, toplevel, left(regexp_replace(query, '\\s+', ' ', 'g'), 150) from pg_stat_statements order by total_exec_time desc limit 50"
        sql "select round(self_time::numeric, 1) as self_ms, round(total_time::numeric, 1) as ms, calls, funcname from pg_stat_user_functions order by self_time desc limit 30"
    } >"$BENCH_PROFILE"
}

settle() {
    psql -Xq -d "$DB" -c checkpoint
    sync
}
