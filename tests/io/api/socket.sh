#!/bin/bash
# The socket: who may open it, who is on it, what lies in its place; the options; the end.
. "$(dirname "$0")/lib.sh"
farm_up

mode() { stat -c %a "$SOCK"; }
[ "$(mode)" = 660 ] || fail "the socket has mode $(mode)"

if [ "$(id -u)" = 0 ]; then
    as_nobody() { runuser -u nobody -- "$@"; }
    ! as_nobody curl -s --unix-socket "$SOCK" http://x/v1/health >/dev/null || fail "nobody may open the socket"
    api_stop
    api_start --socket-mode=0600
    [ "$(mode)" = 600 ] || fail "the socket has mode $(mode)"
    api_stop
    api_start --socket-group=nogroup
    [ "$(stat -c %G "$SOCK")" = nogroup ] || fail "the socket has group $(stat -c %G "$SOCK")"
    # Its group may, and the kernel says who it was.
    as_nobody curl -s --unix-socket "$SOCK" -d '{"verb": "repo_sync", "args": {"slug": "plant"}}' http://x/v1/commands >"$T/body"
    jq -e .id "$T/body" >/dev/null || fail "the group may not: $(cat "$T/body")"
    who=$(sql "select who || ' ' || source from farm.command order by id desc limit 1")
    grep -Eq "^nobody unix:uid=$(id -u nobody),pid=[0-9]+$" <<<"$who" || fail "nobody is recorded as $who"
    # A user that /etc/passwd does not know.
    setpriv --reuid 54321 --regid nogroup --clear-groups curl -s --unix-socket "$SOCK" -d '{"verb": "repo_sync", "args": {"slug": "plant"}}' http://x/v1/commands >/dev/null
    [ "$(sql "select who from farm.command order by id desc limit 1")" = "uid 54321" ] || fail "a nameless user is $(sql "select who from farm.command order by id desc limit 1")"
fi
command_json '{"verb": "repo_sync", "args": {"slug": "plant"}}'
[ "$(sql "select who from farm.command order by id desc limit 1")" = "$(id -un)" ] || fail "we are recorded as somebody else"

# A second one does not take the place of the first.
refused() { # refused WORDS OPTION...
    local words=$1 rc=0
    shift
    timeout 20 "$BIN/bootfarm-api" --database="$PG_URL" "$@" >"$T/out" 2>&1 || rc=$?
    [ "$rc" = 2 ] || fail "exit status $rc instead of 2 for $*: $(cat "$T/out")"
    grep -qF -- "$words" "$T/out" || fail "for $* it says: $(cat "$T/out")"
    [ "$(wc -l <"$T/out")" = 1 ] || fail "for $* it says more than a line: $(cat "$T/out")"
}
refused "another process is listening on $SOCK" --socket="$SOCK"
expect "the first one goes on" api_answers

# What a killed one left there is replaced; a file is not.
api_stop KILL
[ -S "$SOCK" ] || fail "the socket is gone"
api_start
api_stop
[ ! -e "$SOCK" ] || fail "the socket was left behind"
echo precious >"$T/file"
refused "exists and is not a socket" --socket="$T/file"
[ "$(cat "$T/file")" = precious ] || fail "the file is gone"

refused "socket_mode 'rw': expected an octal mode" --socket="$SOCK" --socket-mode=rw
refused "socket_mode '1777': expected" --socket="$SOCK" --socket-mode=1777
refused "no such group" --socket="$SOCK" --socket-group=no-such-group
refused "longer than" --socket="/tmp/$(printf 'x%.0s' {1..120})"
refused "absolute" --socket=relative
refused "--db-connections: expected a whole number" --socket="$SOCK" --db-connections=0
refused "database: invalid connection option" --socket="$SOCK" --database="hots=/x"
refused "did you mean" --sokcet="$SOCK"
printf 'socket = %s\nquery_timeout = forever\n' "$SOCK" >"$T/api.conf"
refused "$T/api.conf:2" --config="$T/api.conf"

# From a file; and a stop while requests are under way answers them.
printf '# the test\nsocket = %s\ndatabase = %s\nmax_connections = 20\n' "$SOCK" "$DATABASE" >"$T/api.conf"
"$BIN/bootfarm-api" --config="$T/api.conf" 2>>"$T/api.log" &
API_PID=$!
soon "it answers" api_answers
soon "PostgreSQL is there" curl -sf --unix-socket "$SOCK" http://x/v1/health -o /dev/null
get /v1/changes
(ask "http://x/v1/changes?after=$(jq .change <<<"$body")&wait=60"; echo "$status" >"$T/waited") &
waiter=$!
connected() { awk -v path="$SOCK" '$6 == "03" && $NF == path { n++ } END { exit !n }' /proc/net/unix; }
soon "it has connected" connected
(command_json '{"verb": "repo_sync", "args": {"slug": "plant"}}' '?wait=60'; echo "$status" >"$T/commanded") &
commander=$!
both_wait() { [ "$(sql "select count(*) from farm.command where state = 'submitted' and at > now() - interval '10 seconds'")" -gt 0 ]; }
soon "somebody waits" both_wait
begin=$SECONDS
api_stop
[ $((SECONDS - begin)) -le 3 ] || fail "stopping took $((SECONDS - begin)) s"
wait "$waiter" "$commander"
[ "$(cat "$T/waited")" = 200 ] || fail "who waited for a change got $(cat "$T/waited")"
case $(cat "$T/commanded") in 200 | 503) ;; *) fail "who waited for a command got $(cat "$T/commanded")" ;; esac

# Idle memory.
api_start
get /v1/images
rss=$(sed -n 's/^VmRSS:[[:space:]]*\([0-9]*\).*/\1/p' "/proc/$API_PID/status")
sanitized || [ "$rss" -le 15360 ] || fail "idle, it holds $rss KiB"
echo "idle RSS: $rss KiB"
api_stop INT
