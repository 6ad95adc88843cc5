# farm.sh - a farm in a temporary directory: PostgreSQL, one registry, schedulers, workers with fake executors. Source it (bash).
#
# BIN is the directory of the binaries. Everything ends with the shell. While the file $T/gate exists, executors wait before they begin.
set -u
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
ROOT=$(cd "$HERE/../../.." && pwd)
. "$ROOT/tests/lib/pg.sh"
BIN=${BIN:?}
T=$(mktemp -d /tmp/bootfarm-farm.XXXXXX)
chmod 755 "$T"
declare -A PID

say() { printf '== %s\n' "$*"; }
fail() {
    printf 'FAILED: %s\n' "$*" >&2
    for log in "$T"/*.log; do printf -- '---- %s\n' "$log" && tail -n 40 "$log"; done >&2
    sql "table farm.repo" "select id, kind, state, reason, detail from farm.job order by id" "table farm.quarantine" "table farm.command" >&2
    exit 1
}
finish() {
    local name
    for name in "${!PID[@]}"; do kill -CONT "${PID[$name]}" && kill -KILL "${PID[$name]}"; done 2>/dev/null
    wait 2>/dev/null
    pg_stop
    rm -rf "$T"
}
trap finish EXIT

sql() { # sql STATEMENT...: rows as text, columns separated by |
    local args=() s
    for s in "$@"; do args+=(-c "$s"); done
    psql -XqAt -v ON_ERROR_STOP=1 "${args[@]}"
}
moment() { read -r -t 0.03 <> <(:) || :; }
wait_for() { # wait_for SECONDS WHAT COMMAND...
    local until=$((SECONDS + $1)) what=$2
    shift 2
    until "$@" >/dev/null 2>&1; do
        [ "$SECONDS" -lt "$until" ] || fail "waited in vain for $what"
        moment
    done
}
is() { [ "$(sql "$1")" = "$2" ]; } # is STATEMENT VALUE
expect() { # expect WHAT STATEMENT VALUE
    local got
    got=$(sql "$2")
    [ "$got" = "$3" ] || fail "$1: $got instead of $3"
}
ms() { echo $(($(date +%s%N) / 1000000)); }

command() { # command VERB ARGS: and wait for its end
    local id
    id=$(sql "select dashboard.submit_command('$1', '$2', 'test', 'io test')") || fail "$1 $2"
    wait_for 20 "command $1" is "select state <> 'submitted' from farm.command where id = $id" t
    is "select state from farm.command where id = $id" done || fail "$1 $2: $(sql "select message from farm.command where id = $id")"
}

# ---- parts ---------------------------------------------------------------------------------------------------

start_database() {
    pg_start -c log_min_messages=warning || exit 1
    "$BIN/bootfarm-scheduler" migrate --database="$PG_URL" >"$T/migrate.log" 2>&1 || fail migrate
    sql "create role bf login in role bootfarm_scheduler"
    "$BIN/bootfarm-scheduler" keygen "$T/curve.key" >"$T/curve.pub"
}

start_registry() { # a port that is taken makes it end at once: then another one
    local try
    for try in 1 2 3 4 5 6 7 8; do
        REGISTRY=127.0.0.1:${REGISTRY_PORT:-$((20000 + RANDOM % 40000))}
        REGISTRY_PORT=${REGISTRY#*:}
        printf 'version: 0.1\nlog: {level: warn, accesslog: {disabled: true}}\nstorage: {filesystem: {rootdirectory: %s}}\nhttp: {addr: %s}\n' \
            "$T/registry" "$REGISTRY" >"$T/registry.yml"
        docker-registry serve "$T/registry.yml" >"$T/registry.log" 2>&1 &
        PID[registry]=$!
        until curl -sf "http://$REGISTRY/v2/" >/dev/null; do
            kill -0 "${PID[registry]}" 2>/dev/null || { REGISTRY_PORT= && continue 2; }
            moment
        done
        return
    done
    fail "no registry"
}

# start_scheduler NAME [OPTION...]: the second start of a name listens where the first did
start_scheduler() {
    local name=$1 control log
    shift
    control=$(cat "$T/$name.control" 2>/dev/null || echo 'tcp://127.0.0.1:*')
    log=$(cat "$T/$name.logs" 2>/dev/null || echo 'tcp://127.0.0.1:*')
    cat >"$T/$name.conf" <<CONF
database = host=$PGHOST port=$PGPORT user=bf dbname=postgres
listen = $control
listen_log = $log
key_file = $T/curve.key
state_dir = $T/$name
planner = $BIN/bootfarm-planner
insecure_registries = $REGISTRY
planner_memory = ${PLANNER_MEMORY:-4GiB}
CONF
    "$BIN/bootfarm-scheduler" run --config="$T/$name.conf" "$@" >>"$T/$name.log" 2>&1 &
    PID[$name]=$!
    wait_for 10 "$name to listen" grep -q 'listening' "$T/$name.log"
    sed -n 's/.* control=\([^ ]*\).*/\1/p' "$T/$name.log" | head -n 1 >"$T/$name.control"
    sed -n 's/.* log=\([^ ]*\).*/\1/p' "$T/$name.log" | head -n 1 >"$T/$name.logs"
}

enroll() { # enroll NAME SITE ROLES-AS-JSON
    "$BIN/bootfarm-worker" keygen "$T/$1.key" >"$T/$1.pub"
    command worker_enroll "{\"name\": \"$1\", \"site\": \"$2\", \"roles\": $3, \"public_key\": \"$(cat "$T/$1.pub")\"}"
}

# start_worker NAME ROLES SCHEDULER... [-- OPTION...]
start_worker() {
    local name=$1 roles=$2 schedulers= logs= s
    shift 2
    while [ $# -gt 0 ] && [ "$1" != -- ]; do
        schedulers+=${schedulers:+,}$(cat "$T/$1.control")
        logs+=${logs:+,}$(cat "$T/$1.logs")
        shift
    done
    [ $# -eq 0 ] || shift
    "$BIN/bootfarm-worker" --name="$name" --roles="$roles" --schedulers="$schedulers" --log-endpoints="$logs" \
        --server-key="$(cat "$T/curve.pub")" --key-file="$T/$name.key" --state-dir="$T/worker-$name" --exec="$T/exec" --fake \
        --slots=4 --disk-floor=1MiB --memory-floor=1MiB --heartbeat=2s --kill-time=1s "$@" >>"$T/$name.log" 2>&1 &
    PID[$name]=$!
}

end() { # end NAME [SIGNAL]: and wait until it is gone
    kill "-${2:-TERM}" "${PID[$1]}"
    wait "${PID[$1]}" 2>/dev/null
    unset "PID[$1]"
    ! grep -q 'Sanitizer: \|runtime error: ' "$T/$1.log" || fail "$1 has a memory error"
}

start_farm() { # everything but schedulers and workers
    start_database
    start_registry
    cat >"$T/exec" <<EXEC
#!/bin/bash
while [ -e "$T/gate" ]; do read -r -t 0.03 <> <(:) || :; done
exec "$BIN/bootfarm-exec" "\$@"
EXEC
    chmod 755 "$T/exec"
}

settle_farm() { # settings, sites; needs a leader
    command setting_set "{\"name\": \"staging_registry\", \"value\": \"$REGISTRY\"}"
    command setting_set "{\"name\": \"release_registry\", \"value\": \"$REGISTRY\"}"
    is "select count(*) from farm.site where name = 'hub'" 1 || command site_add '{"name": "hub", "kind": "hub"}'
    command site_add "{\"name\": \"acp-1\", \"kind\": \"acp\", \"registry\": \"$REGISTRY\"}"
}

# ---- the repository ------------------------------------------------------------------------------------------

# A bare repository whose post-receive hook asks for a sync, and a work tree: base -> hmi, gateway; app on an external base.
make_repository() {
    git init -q --bare -b main "$T/plant.git"
    cat >"$T/plant.git/hooks/post-receive" <<HOOK
#!/bin/bash
psql -XqAt -h "$PGHOST" -p "$PGPORT" -U postgres -d postgres -c "select dashboard.submit_command('repo_sync', '{\"slug\": \"plant\"}', 'git', 'hook')" >/dev/null
HOOK
    chmod 755 "$T/plant.git/hooks/post-receive"
    mkdir -p "$T/plant"/images/{base,hmi,gateway,app}
    git -C "$T/plant" init -q -b main
    git -C "$T/plant" config user.name test && git -C "$T/plant" config user.email test@localhost
    git -C "$T/plant" remote add origin "$T/plant.git"
    printf 'FROM %s/external/tools:1\nCOPY version /version\n' "$REGISTRY" >"$T/plant/images/base/Containerfile"
    echo 1 >"$T/plant/images/base/version"
    for name in hmi gateway; do
        printf 'FROM localhost/base\nCOPY name /name\n' >"$T/plant/images/$name/Containerfile"
        echo "$name" >"$T/plant/images/$name/name"
    done
    printf 'FROM scratch\nCOPY app /app\n' >"$T/plant/images/app/Containerfile"
    echo app >"$T/plant/images/app/app"
    cat >"$T/plant/bootfarm.yaml" <<'YAML'
bootfarm: 1
defaults: { mirror: { sites: ["acp-*"] } }
images:
  - files: ["images/**/Containerfile"]
    name: "{dir}"
YAML
    "$ROOT/deploy/busybox-image" "docker://$REGISTRY/external/tools:1"
}

push() { # push MESSAGE: commits all and pushes
    git -C "$T/plant" add -A && git -C "$T/plant" commit -q --allow-empty -m "$1" && git -C "$T/plant" push -q origin main
}

# In one statement: between two, a plan might come.
all_done() { # all_done [JOBS-AT-LEAST]
    is "select count(*) filter (where state not in ('succeeded', 'skipped', 'superseded', 'cancelled')) = 0 and count(*) >= ${1:-1} from farm.job" t
}
