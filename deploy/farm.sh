# farm.sh - starts and stops the parts of a farm below one state directory. Sourced by deploy/quickstart and by the tests.
#
#     farm_init /var/lib/bootfarm            sets FARM (the state directory) and FARM_BIN, makes users and folders
#     farm_pg_start; farm_registry_start release; farm_scheduler_start; farm_worker_start hub-build; …
#     farm_stop NAME | farm_stop_all
#
# Each part runs in a session of its own, as its own user, with a log in $FARM/log/NAME.log and a file $FARM/run/NAME.pid that holds the
# process id and its start time, so that nobody else's process is ever signalled. Ports are chosen once and kept in $FARM/ports.
# shellcheck shell=bash

FARM_USERS="bootfarm bootfarm-api bootfarm-registry bootfarm-publish bootfarm-mirror"
FARM_PG_BIN=${FARM_PG_BIN:-/usr/lib/postgresql/15/bin}

farm_die() { echo "bootfarm: $*" >&2; exit 1; }

farm_init() {
    FARM=$1
    FARM_BIN=${FARM_BIN:-$FARM/usr/bin}
    FARM_SHARE=${FARM_SHARE:-$(dirname "${BASH_SOURCE[0]}")}
    FARM_SOCKET=$FARM/run/api/api.sock
    local user
    for user in $FARM_USERS; do
        getent passwd "$user" >/dev/null ||
            useradd --system --user-group --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin "$user"
    done
    mkdir -p "$FARM"/{etc,log,run,ports,keys}
    chmod 0755 "$FARM" "$FARM"/{etc,log,run,ports}
    chmod 0711 "$FARM/keys"
    export BOOTFARM_SOCKET=$FARM_SOCKET
}

farm_dir() { # farm_dir USER PATH [MODE]
    mkdir -p "$2" && chown "$1:" "$2" && chmod "${3:-0750}" "$2"
}

# ---- ports and processes ---------------------------------------------------------------------------------

# The port of part NAME: free when first asked for, the same ever after.
farm_port() {
    local file=$FARM/ports/$1 port
    if [ ! -s "$file" ]; then
        # Below the kernel's ephemeral range, so that no outgoing connection takes it later.
        while port=$((20000 + RANDOM % 12000)); do
            grep -qsx "$port" "$FARM/ports"/* && continue
            (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || break
        done
        echo "$port" >"$file"
    fi
    cat "$file"
}

farm_start_time() { # of a process, in clock ticks since boot; fails when there is none
    local stat
    stat=$(cat "/proc/$1/stat" 2>/dev/null) || return 1
    stat=${stat##*) }
    # shellcheck disable=SC2086
    set -- $stat
    [ "$1" != Z ] || return 1
    echo "${20}"
}

farm_pid() { # prints the process id of part NAME when it is alive
    local pid start
    read -r pid start 2>/dev/null <"$FARM/run/$1.pid" || return 1
    [ "$(farm_start_time "$pid")" = "$start" ] && echo "$pid"
}

# farm_spawn NAME USER COMMAND [ARG...]
farm_spawn() {
    local name=$1 user=$2
    shift 2
    farm_pid "$name" >/dev/null && return 0
    local id=(setpriv --reuid "$user" --regid "$user" --init-groups)
    [ "$user" = root ] && id=()
    setsid "${id[@]}" env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 HOME=/nonexistent \
        "$@" </dev/null >>"$FARM/log/$name.log" 2>&1 &
    local pid=$!
    disown "$pid"
    echo "$pid $(farm_start_time "$pid")" >"$FARM/run/$name.pid"
}

farm_stop() { # farm_stop NAME [SIGNAL]: waits until it is gone; SIGKILL after a minute
    local pid n=0
    pid=$(farm_pid "$1") || { rm -f "$FARM/run/$1.pid"; return 0; }
    kill "-${2:-TERM}" "$pid" 2>/dev/null || true
    while farm_pid "$1" >/dev/null; do
        n=$((n + 1))
        [ "$n" -ne 600 ] || kill -KILL "$pid" 2>/dev/null || true
        sleep 0.1
    done
    rm -f "$FARM/run/$1.pid"
}

# Workers first (they drain), PostgreSQL last.
farm_stop_all() {
    local f name rank
    for rank in worker api scheduler standby registry postgres; do
        for f in "$FARM/run"/*.pid; do
            [ -e "$f" ] || continue
            name=$(basename "$f" .pid)
            case $name in "$rank"*) [ "$rank" = postgres ] && farm_stop "$name" INT || farm_stop "$name" ;; esac
        done
    done
}

# farm_wait SECONDS WHAT COMMAND...: until the command succeeds
farm_wait() {
    local until=$((SECONDS + $1)) what=$2
    shift 2
    until "$@" >/dev/null 2>&1; do
        [ "$SECONDS" -lt "$until" ] || farm_die "$what did not come up; see $FARM/log"
        sleep 0.1
    done
}

# ---- PostgreSQL ------------------------------------------------------------------------------------------

farm_psql() { (cd / && setpriv --reuid postgres --regid postgres --init-groups psql -X -q -v ON_ERROR_STOP=1 -h "$FARM/run/pg" -p "$(farm_port postgres)" "$@"); }

farm_pg_start() {
    local data=$FARM/pg
    farm_dir postgres "$FARM/run/pg" 0755
    if [ ! -s "$data/PG_VERSION" ]; then
        farm_dir postgres "$data" 0700
        (cd / && setpriv --reuid postgres --regid postgres --init-groups "$FARM_PG_BIN/initdb" -D "$data" -E UTF8 --locale=C.UTF-8 \
            --auth=peer --username=postgres >"$FARM/log/initdb.log" 2>&1) || farm_die "initdb failed; see $FARM/log/initdb.log"
        printf '%s\n' 'local all all peer' 'host all all 127.0.0.1/32 scram-sha-256' >"$data/pg_hba.conf"
        cat >>"$data/postgresql.conf" <<PG
listen_addresses = '127.0.0.1'
port = $(farm_port postgres)
unix_socket_directories = '$FARM/run/pg'
max_connections = 60
shared_buffers = 128MB
# WAL segments are used again instead of removed: commits wait while a new one is made, which a flood of logs asks for each second.
min_wal_size = 512MB
PG
    fi
    farm_spawn postgres postgres "$FARM_PG_BIN/postgres" -D "$data"
    farm_wait 60 PostgreSQL farm_psql -d postgres -c 'select 1'
    if [ "$(farm_psql -d postgres -Atc "select count(*) from pg_database where datname = 'bootfarm'")" = 0 ]; then
        farm_psql -d postgres -c 'create database bootfarm'
    fi
}

farm_conninfo() { # farm_conninfo ROLE
    [ -z "${FARM_CONNINFO:-}" ] || { echo "$FARM_CONNINFO"; return; }
    echo "host=$FARM/run/pg port=$(farm_port postgres) dbname=bootfarm user=$1"
}

# Applies the migrations, and lets the users of this machine log in to their roles.
farm_migrate() {
    if [ -n "${FARM_CONNINFO:-}" ]; then
        "$FARM_BIN/bootfarm-scheduler" migrate --database="$FARM_CONNINFO"
        psql -X -q -v ON_ERROR_STOP=1 -d "$FARM_CONNINFO" -c 'grant bootfarm_scheduler, bootfarm_api to current_user'
        return
    fi
    setpriv --reuid postgres --regid postgres --init-groups "$FARM_BIN/bootfarm-scheduler" migrate --database="$(farm_conninfo postgres)"
    farm_psql -d bootfarm <<'SQL'
do $$
begin
    if not exists (select from pg_roles where rolname = 'bootfarm') then
        create role bootfarm login in role bootfarm_scheduler;
        create role "bootfarm-api" login in role bootfarm_api;
    end if;
end $$;
SQL
}

# ---- registries ------------------------------------------------------------------------------------------

farm_registry() { echo "127.0.0.1:$(farm_port "registry-$1")"; } # HOST:PORT of registry NAME

farm_registry_start() {
    local name=$1
    farm_dir bootfarm-registry "$FARM/registry" 0755
    farm_dir bootfarm-registry "$FARM/registry/$name"
    cat >"$FARM/etc/registry-$name.yml" <<YML
version: 0.1
log: { level: error, accesslog: { disabled: true } }
storage:
  filesystem: { rootdirectory: $FARM/registry/$name }
  delete: { enabled: true }
http: { addr: $(farm_registry "$name") }
YML
    farm_spawn "registry-$name" bootfarm-registry docker-registry serve "$FARM/etc/registry-$name.yml"
    farm_wait 30 "registry $name" curl -sf "http://$(farm_registry "$name")/v2/"
}

# ---- the processes of bootfarm ---------------------------------------------------------------------------

farm_cli() { "$FARM_BIN/bootfarm" "$@"; }

farm_control() { echo "tcp://127.0.0.1:$(farm_port "$1-control")"; }
farm_log_port() { echo "tcp://127.0.0.1:$(farm_port "$1-log")"; }

# Configuration may hold the password of PostgreSQL: farm_conf USER FILE < text
farm_conf() {
    install -m 0640 -o root -g "$1" /dev/stdin "$2"
}

# farm_scheduler_start [NAME]: a second name is a standby
farm_scheduler_start() {
    local name=${1:-scheduler}
    farm_dir bootfarm "$FARM/$name"
    farm_dir bootfarm "$FARM/keys/scheduler" 0700
    # All schedulers of a farm share one key: a worker knows the farm, not the host.
    [ -s "$FARM/keys/scheduler/curve.key" ] ||
        setpriv --reuid bootfarm --regid bootfarm --init-groups "$FARM_BIN/bootfarm-scheduler" keygen "$FARM/keys/scheduler/curve.key" >/dev/null
    farm_conf bootfarm "$FARM/etc/$name.conf" <<CONF
database = $(farm_conninfo bootfarm)
listen = $(farm_control "$name")
listen_log = $(farm_log_port "$name")
key_file = $FARM/keys/scheduler/curve.key
state_dir = $FARM/$name
planner = $FARM_BIN/bootfarm-planner
insecure_registries = $(farm_registry staging),$(farm_registry release)
${FARM_SCHEDULER_OPTIONS:-}
CONF
    farm_spawn "$name" bootfarm "$FARM_BIN/bootfarm-scheduler" run --config="$FARM/etc/$name.conf"
}

farm_api_start() {
    farm_dir bootfarm-api "$FARM/run/api" 0755
    farm_conf bootfarm-api "$FARM/etc/api.conf" <<CONF
database = $(farm_conninfo bootfarm-api)
socket = $FARM_SOCKET
socket_mode = 0660
CONF
    farm_spawn api bootfarm-api "$FARM_BIN/bootfarm-api" --config="$FARM/etc/api.conf"
    farm_wait 30 "the API" test -S "$FARM_SOCKET"
}

# farm_worker_enroll NAME SITE ROLES USER [SLOTS]: once
farm_worker_enroll() {
    local name=$1 site=$2 roles=$3 user=$4 slots=${5:-1}
    farm_dir "$user" "$FARM/worker-$name" 0755
    farm_dir "$user" "$FARM/keys/$name" 0700
    [ ! -s "$FARM/etc/worker-$name.conf" ] || return 0
    farm_cli worker enroll "$name" --site "$site" --roles "$roles" --key "$FARM/keys/$name/curve.key" >/dev/null
    chown "$user:" "$FARM/keys/$name/curve.key"
    cat >"$FARM/etc/exec-$name.conf" <<CONF
state_dir = $FARM/worker-$name/exec
insecure_registries = $(farm_registry staging),$(farm_registry release),$(farm_registry acp-1)
CONF
    cat >"$FARM/etc/worker-$name.conf" <<CONF
name = $name
site = $site
roles = $roles
slots = $slots
schedulers = $(farm_control scheduler)
log_endpoints = $(farm_log_port scheduler)
server_key = $(farm_cli setting get curve_public)
key_file = $FARM/keys/$name/curve.key
state_dir = $FARM/worker-$name
exec = $FARM_BIN/bootfarm-exec
exec_config = $FARM/etc/exec-$name.conf
${FARM_WORKER_OPTIONS:-}
CONF
}

farm_worker_start() { # farm_worker_start NAME USER
    farm_spawn "worker-$1" "$2" "$FARM_BIN/bootfarm-worker" --config="$FARM/etc/worker-$1.conf"
}

# Everything up: hub with staging and release registry, ACP acp-1 with its own, three workers as three users. hub-build is root: buildah's
# chroot isolation and mounting an image need it (worker/exec/README.md).
farm_up() {
    [ -n "${FARM_CONNINFO:-}" ] || farm_pg_start
    farm_registry_start staging
    farm_registry_start release
    farm_registry_start acp-1
    farm_migrate
    farm_scheduler_start
    farm_api_start
    if [ ! -e "$FARM/etc/farm-is-set-up" ]; then
        farm_cli setting set staging_registry "$(farm_registry staging)"
        farm_cli setting set release_registry "$(farm_registry release)"
        farm_cli site list --json | grep -q '"hub"' || farm_cli site add hub --kind hub --registry "$(farm_registry release)"
        farm_cli site list --json | grep -q '"acp-1"' || farm_cli site add acp-1 --kind acp --registry "$(farm_registry acp-1)"
        touch "$FARM/etc/farm-is-set-up"
    fi
    farm_worker_enroll hub-build hub build,test root "${FARM_SLOTS:-2}"
    farm_worker_enroll hub-publish hub publish bootfarm-publish 2
    farm_worker_enroll acp-1 acp-1 mirror bootfarm-mirror 2
    farm_worker_start hub-build root
    farm_worker_start hub-publish bootfarm-publish
    farm_worker_start acp-1 bootfarm-mirror
}

# ---- what a farm builds from -----------------------------------------------------------------------------

farm_has_image() { skopeo inspect --tls-verify=false --raw "docker://$1" >/dev/null 2>&1; }

# A container image of one static busybox, as external base of applications and of tests.
farm_tools_base() {
    local ref dir
    ref=$(farm_registry release)/external/busybox:1
    farm_has_image "$ref" && return
    "$FARM_SHARE/busybox-image" "docker://$ref"
}

# farm_bases [REF]: the bootable base (REF, or a Debian made here) and the tools image
farm_bases() {
    local ref=${1:-}
    farm_tools_base
    if [ -z "$ref" ]; then
        ref=$(farm_registry release)/external/debian-bootc:12
        farm_has_image "$ref" || "$FARM_SHARE/base-image" "docker://$ref" --dest-tls-verify=false 2>"$FARM/log/base-image.log"
    fi
    printf 'BOOTC_BASE=%s\nTOOLS_BASE=%s\n' "$ref" "$(farm_registry release)/external/busybox:1" >"$FARM/etc/bases.conf"
}

# farm_repo SLUG TEMPLATE [OPTION...]: a bare repository with the push hook, a working copy of TEMPLATE beside it, registered and pushed; once.
# The options are those of `bootfarm repo add`; without any all branches are watched.
farm_repo() {
    local slug=$1 template=$2 bare=$FARM/git/$1.git work=$FARM/$1
    shift 2
    [ $# -gt 0 ] || set -- --refs '*'
    if [ ! -d "$bare" ]; then
        mkdir -p "$FARM/git"
        git init -q --bare -b main "$bare"
        install -m 0755 "$FARM_SHARE/hooks/post-receive" "$bare/hooks/post-receive"
        git -C "$bare" config bootfarm.repository "$slug"
        git -C "$bare" config bootfarm.socket "$FARM_SOCKET"
        git -C "$bare" config bootfarm.command "$FARM_BIN/bootfarm"
    fi
    if [ ! -d "$work" ]; then
        cp -r "$template" "$work"
        cp "$FARM/etc/bases.conf" "$work/build-args.conf"
        git -C "$work" init -q -b main
        git -C "$work" config user.name "$slug"
        git -C "$work" config user.email "$slug@localhost"
        git -C "$work" add -A
        git -C "$work" commit -qm "First version"
        git -C "$work" remote add origin "$bare"
    fi
    farm_cli repo list --json | grep -q "\"$slug\"" || farm_cli repo add "file://$bare" --slug "$slug" "$@"
    git -C "$work" push -q -u origin main
}

# Unmounts what lies below a directory, deepest first.
farm_unmount() {
    awk -v p="$1/" 'index($2, p) == 1 { print $2 }' /proc/mounts | sort -r | while read -r m; do umount -l "$m"; done
}
