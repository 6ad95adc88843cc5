# lib.sh - sourced by the tests of this folder (bash): a private PostgreSQL with the real schema, the real bootfarm-api on a socket of its own,
# the real bootfarm. Run by ctest with SRC (the source tree) and BIN (the programs) set.
#
#     farm_up [OPTION...]      PostgreSQL, schema, API (options go to it); everything goes at exit
#     api_start, api_stop      the API alone
#     get PATH                 body of a GET; the status is in $status
#     ask CURL-OPTION...       the same with any options of curl
#     fail WHAT                the test failed
#     expect WHAT COMMAND...   the command must succeed
#     soon WHAT COMMAND...     it must succeed within 20 s
#     act SQL...               what the leading scheduler would do, in one transaction that must succeed
#     writer_begin STATEMENT   another transaction, open until writer_end
#     locked TABLE MODE        whether somebody holds such a lock
# shellcheck shell=bash
set -u
: "${SRC:?}" "${BIN:?}"

# shellcheck source=/dev/null
. "$SRC/tests/lib/pg.sh"
# shellcheck source=/dev/null
. "$SRC/tests/schema/load.sh"

T=$(mktemp -d /tmp/bootfarm-api-test.XXXXXX)
chmod 755 "$T"
SOCK=$T/api.sock
API_PID=
LEADER_PID=
export BOOTFARM_SOCKET=$SOCK NO_COLOR=1

fail() {
    printf 'FAILED: %.2000s\n' "$*" >&2
    tail -n 50 "$T/api.log" 2>/dev/null | cut -c 1-500 | sed 's/^/    api: /' >&2
    exit 1
}

expect() {
    local what=$1
    shift
    "$@" || fail "$what: $*"
}

# A pause without a process: the tests wait for conditions, and look every 50 ms.
pause() { read -r -t 0.05 <> <(:) || :; }

soon() {
    local what=$1 end=$((SECONDS + 20))
    shift
    until "$@"; do
        [ "$SECONDS" -lt "$end" ] || fail "$what: not within 20 s: $*"
        pause
    done
}

# Ends the API and whatever else a test began and, having failed, does not wait for.
clean_up() {
    jobs -p | xargs -r kill 2>/dev/null
    wait
    pg_stop
    rm -rf "$T"
}
trap clean_up EXIT

api_answers() { curl -s --unix-socket "$SOCK" http://x/v1/health >/dev/null; }

# The sanitizers' reports end the test: the log of the API is looked at when it stops.
api_start() {
    "$BIN/bootfarm-api" --socket="$SOCK" --database="${DATABASE:-$PG_URL}" "$@" 2>>"$T/api.log" &
    API_PID=$!
    soon "bootfarm-api answers" api_answers
}

api_stop() { # api_stop [SIGNAL]: waits, and checks that it ended well
    local rc=0
    kill "-${1:-TERM}" "$API_PID"
    wait "$API_PID" 2>/dev/null || rc=$?
    API_PID=
    [ "$rc" = 0 ] || [ "${1:-TERM}" = KILL ] || fail "bootfarm-api ended with status $rc"
    ! grep -E "Sanitizer|runtime error" "$T/api.log" || fail "the sanitizer found something"
}

farm_up() {
    pg_start || fail "no PostgreSQL"
    schema_load "$SRC/schema" || fail "no schema"
    psql -X -q -v ON_ERROR_STOP=1 -o /dev/null -f "$SRC/tests/schema/fixture.sql" || fail "no fixture"
    sql "create role api_user login in role bootfarm_api"
    # As the API's own role: what it may not read, the tests cannot see either.
    DATABASE="postgresql://api_user@127.0.0.1:$PGPORT/postgres"
    api_start "$@"
}

# A sanitizer keeps what was freed: bounds on memory mean nothing there.
sanitized() { grep -q libasan "/proc/$API_PID/maps"; }

sql() { psql -X -q -At -v ON_ERROR_STOP=1 -c "$1"; }

ask() {
    local out
    : >"$T/body"
    out=$(curl -s --unix-socket "$SOCK" -o "$T/body" -w '%{http_code}' "$@") || true
    status=$out
    body=$(cat "$T/body" 2>/dev/null)
}

get() { ask "http://x$1"; }
command_json() { ask -d "$1" "http://x/v1/commands${2:-}"; }

status_is() { [ "$status" = "$1" ] || fail "status $status instead of $1: $body"; }
says() { grep -qF -- "$1" <<<"$body" || fail "the answer lacks '$1': $body"; }
holds() { jq -e "$1" <<<"$body" >/dev/null || fail "the answer lacks $1: $body"; }

# ---- the leader's part, done by psql with the functions that the scheduler calls ------------------------------

# act SQL...: statements of one writing transaction, which says that something changed as each turn does; functions of tests/schema/fixture.sql need no schema.
act() {
    psql -X -q -At -v ON_ERROR_STOP=1 -c "begin; select set_config('search_path', 't,public', true), farm.check_term((select term from farm.leader))" \
        "${@/#/-c}" -c "notify farm_change, 'jobs'" -c commit >"$T/act" || fail "the database refuses: $*"
    tail -n +2 "$T/act"
}

# Another session's transaction, which stays open until writer_end.
writer_begin() { # writer_begin STATEMENT
    exec {writer}> >(exec psql -X -q)
    echo "begin; $1;" >&"$writer"
}

writer_end() {
    echo "commit;" >&"$writer"
    exec {writer}>&-
}

locked() { [ "$(sql "select count(*) from pg_locks where relation = 'farm.$1'::regclass and mode = '$2' and granted")" != 0 ]; } # locked TABLE MODE

# Carries out submitted commands until the end of the test, as a leader does: those that are rows, and (just saying so) the brain's own.
leader_start() {
    (
        trap 'exit 0' TERM
        while :; do
            # The commands are read once: one that comes between two reads would be done and never applied.
            psql -X -q -At -c 'do $$
                declare
                    term bigint := (select l.term from farm.leader l);
                    taken farm.command[] := (select array_agg(c order by c.id) from farm.command c join farm.commands() t on t.id = c.id);
                begin
                    perform farm.check_term(term), farm.renew(term);
                    perform farm.command_apply(c.id) from unnest(taken) c where c.verb not in ($q$job_cancel$q$, $q$job_retry$q$, $q$worker_drain$q$, $q$worker_resume$q$);
                    perform farm.command_done(array_agg(c.id), array_agg($q$done$q$::text), array_agg($q${}$q$::jsonb), array_agg($q$done by the test$q$::text))
                       from unnest(taken) c having count(*) > 0;
                end $$' >>"$T/leader.log" 2>&1
            pause
        done
    ) &
    LEADER_PID=$!
}

leader_stop() {
    kill "$LEADER_PID"
    wait "$LEADER_PID"
    LEADER_PID=
}
