# pg.sh - a private PostgreSQL 15 cluster for one test run. Source it (bash).
#
#     pg_start [OPTION...]   initdb and start in a new temporary directory, as user postgres when called by root; more options go to
#                            postgres (-c name=value). Sets and exports PGHOST (the socket's directory), PGPORT, PGUSER=postgres,
#                            PGDATABASE=postgres; PG_DIR is the directory, PG_URL a connection string for other users over TCP.
#     pg_stop                stops it and removes the directory. Called by whoever started it, e.g. `trap pg_stop EXIT`.
#     pg_kill, pg_again      kill -9 of the postmaster and start it again on the same data, for fault tests.
#
# Trust authentication on the socket and on 127.0.0.1; fsync is on, as in production.

PG_BIN=${PG_BIN:-/usr/lib/postgresql/15/bin}

pg_as() {
    if [ "$(id -u)" = 0 ]; then runuser -u postgres -- "$@"; else "$@"; fi
}

# Ports are drawn at random; one that is taken makes the start fail, then another one is drawn.
pg_up() {
    local try
    for try in 1 2 3 4 5 6 7 8; do
        PGPORT=${PG_PORT_FIXED:-$((20000 + RANDOM % 40000))}
        if pg_as "$PG_BIN/pg_ctl" -D "$PG_DIR/data" -s -w -t 60 -l "$PG_DIR/log" \
            -o "-p $PGPORT -k $PG_DIR -c listen_addresses=127.0.0.1 $PG_OPTIONS" start >"$PG_DIR/ctl" 2>&1; then
            PG_PORT_FIXED=$PGPORT
            export PGHOST=$PG_DIR PGPORT PGUSER=postgres PGDATABASE=postgres
            PG_URL="postgresql://postgres@127.0.0.1:$PGPORT/postgres"
            return 0
        fi
    done
    cat "$PG_DIR/ctl" "$PG_DIR/log" >&2
    return 1
}

pg_start() {
    PG_OPTIONS=$*
    PG_PORT_FIXED=
    PG_DIR=$(pg_as mktemp -d /tmp/bootfarm-pg.XXXXXX) || return 1
    pg_as chmod 711 "$PG_DIR"
    pg_as "$PG_BIN/initdb" -D "$PG_DIR/data" -U postgres -A trust -E UTF8 --locale=C.UTF-8 --no-sync >"$PG_DIR.out" 2>&1 ||
        { cat "$PG_DIR.out" >&2; rm -f "$PG_DIR.out"; return 1; }
    rm -f "$PG_DIR.out"
    pg_up
}

pg_stop() {
    [ -n "${PG_DIR:-}" ] || return 0
    pg_as "$PG_BIN/pg_ctl" -D "$PG_DIR/data" -s -m immediate stop >/dev/null 2>&1
    rm -rf "$PG_DIR"
    PG_DIR=
}

pg_kill() {
    local pid
    pid=$(head -n 1 "$PG_DIR/data/postmaster.pid") && kill -9 "$pid"
    while kill -0 "$pid" 2>/dev/null; do read -r -t 0.05 <> <(:) || :; done
}

pg_again() {
    pg_up
}
