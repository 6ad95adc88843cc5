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
    for rank in worker api scheduler registry postgres; do
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
log: { level: warn, accesslog: { disabled: true } }
storage:
  filesystem: { rootdirectory: $FARM/registry/$name }
  delete: { enabled: true }
http: { addr: $(farm_registry "$name") }
YML
    farm_spawn "registry-$name" bootfarm-registry docker-registry serve "$FARM/etc/registry-$name.yml"
    farm_wait 30 "registry $name" curl -sf "http://$(farm_registry "$name")/v2/"
}
