#!/bin/bash
# What a client must not get away with: bad requests, oversized ones, slow ones, too many.
. "$(dirname "$0")/lib.sh"
farm_up --request-timeout=2s --max-connections=12

rss_kib() { sed -n 's/^VmRSS:[[:space:]]*\([0-9]*\).*/\1/p' "/proc/$API_PID/status"; }

# ---- paths, methods, parameters --------------------------------------------------------------------------------------

for path in / /v1 /v1/ /v2/jobs /v1/jobs/ /v1/pg_roles /v1/farm.job /v1/jobs%00 "/v1/jobs;drop" /v1/commands/x /v1/../v1/jobs/; do
    ask --path-as-is "http://x$path"
    case $status in 404 | 400) ;; *) fail "$path gave $status: $body" ;; esac
    holds '.error | length > 0'
done

ask -X DELETE http://x/v1/commands
status_is 405
ask -X POST http://x/v1/changes
status_is 405
ask -X PUT http://x/v1/jobs
status_is 405

while read -r query words; do
    get "/v1/jobs?$query"
    status_is 400
    says "$words"
done <<'BAD'
limit=0 limit: expected a number from 1 to 10000
limit=10001 limit: expected
limit=1e3 limit: expected
limit=%00 NUL
after=x after: expected
order=up order: expected oldest or newest
id=1%20or%201=1 id: expected a whole number
id=99999999999999999999 id: expected a whole number
no=1 cannot be filtered by 'no'
state=%ff%fe not UTF-8
state=%ed%a0%80 not UTF-8
a%00b=1 NUL
state;drop%20table=1 cannot be filtered
BAD
get "/v1/attempts?id=1"
says "id: expected a UUID"
get "/v1/workers?drained=maybe"
says "drained: expected true or false"
get "/v1/settings?after=1"
says "no id to page by"
get "/v1/jobs?state=$(printf 'x%.0s' {1..600})"
says "at most 512 bytes"
get "/v1/jobs?$(printf 'state=a&%.0s' {1..33})"
status_is 400
says "more than 32 query parameters"
get "/v1/changes?wait=61"
says "wait: expected a number of seconds from 0 to 60"
get "/v1/jobs/1/log?follow=yes"
says "follow: expected 0 or 1"
get "/v1/jobs/1/log?attempt=0"
says "attempt: expected a number from 1"

# ---- commands ----------------------------------------------------------------------------------------------------------

while IFS='|' read -r doc words; do
    command_json "$doc"
    status_is 400
    says "$words"
done <<'BAD'
|the body is not JSON
{|the body is not JSON: line 1
[]|expected
{"verb": "build"}|expected
{"verb": "build", "args": []}|expected
{"verb": 1, "args": {}}|expected
{"verb": "build", "args": {}, "who": "root"}|expected
{"verb": "build", "verb": "x", "args": {}}|duplicate
{"verb": "explode", "args": {}}|there is no command explode
{"verb": "build", "args": {}}|build needs image
{"verb": "build", "args": {"image": "x'; drop table farm.job; --"}}|there is no image
{"verb": "repo_sync", "args": {"slug": "none"}}|there is no repository none
{"verb": "repo_sync", "args": {"slug": "a\u0000b"}}|not JSON
{"verb": "worker_enroll", "args": {"name": "w", "site": "hub", "roles": "build", "public_key": "k"}}|must be a list of texts
{"verb": "setting_set", "args": {"name": "x", "value": "y", "extra": 1}}|has no argument extra
BAD
printf '{"verb": "setting_set", "args": {"name": "\xff", "value": "y"}}' >"$T/doc"
ask --data-binary "@$T/doc" http://x/v1/commands
status_is 400
[ "$(sql "select count(*) from farm.command where state = 'submitted'")" = 0 ] || fail "a bad command was stored"

{ printf '{"verb": "build", "args": '; printf '[%.0s' {1..5000}; } >"$T/doc"
ask --data-binary "@$T/doc" http://x/v1/commands
status_is 400

# ---- sizes ---------------------------------------------------------------------------------------------------------------

head -c 1048576 /dev/zero | tr '\0' ' ' >"$T/doc"
ask --data-binary "@$T/doc" http://x/v1/commands
status_is 400
head -c 1048577 /dev/zero | tr '\0' ' ' >"$T/doc"
ask --data-binary "@$T/doc" http://x/v1/commands
status_is 413
says "larger than 1048576 bytes"
ask -H 'Transfer-Encoding: chunked' --data-binary "@$T/doc" http://x/v1/commands
status_is 413
ask -H 'Content-Length: 99999999999999999999' -X POST http://x/v1/commands
case $status in 400 | 413) ;; *) fail "an absurd length gave $status" ;; esac

get "/v1/$(head -c 40000 /dev/zero | tr '\0' a)"
case $status in 414 | 431 | 400) ;; *) fail "a path of 40 KB gave $status" ;; esac
ask -H "X: $(head -c 40000 /dev/zero | tr '\0' a)" http://x/v1/health
case $status in 431 | 400) ;; *) fail "a header of 40 KB gave $status" ;; esac

# More than 16 MiB of rows: said, not sent.
sql "insert into farm.command (verb, args, who, source, state) select 'build', jsonb_build_object('x', repeat('y', 60000)), 'test', 'test', 'done' from generate_series(1, 300)"
get "/v1/commands?limit=10000"
status_is 400
says "larger than 16 MiB; use limit and after"
get "/v1/commands?limit=200"
status_is 200
[ "$(jq length <<<"$body")" = 200 ] || fail "200 rows were asked for"

# ---- clients that are not curl -------------------------------------------------------------------------------------------

# Fills all places with clients of a kind; an honest one must get through within twice the time for a request, and nothing may grow.
cat >"$T/rude.py" <<'PY'
import socket, sys, time
kind, path, n, seconds = sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4])
first = {"silent": b"", "head": b"GET /v1/health HTTP/1.1\r\nHost: x\r\nX: ", "body": b"POST /v1/commands HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n",
         "garbage": b"\x16\x03\x01\x02\x00\x01\x00" + bytes(range(256)), "deaf": b"GET /v1/commands?limit=200 HTTP/1.1\r\nHost: x\r\n\r\n",
         "pipeline": b"GET /v1/health HTTP/1.1\r\nHost: x\r\n\r\n" * 2000}[kind]
socks, cut, end = [], 0, time.time() + seconds
for _ in range(n):
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(seconds)
    s.connect(path)
    try:
        s.sendall(first)
    except OSError:
        pass
    socks.append(s)
print("ready", flush=True)
for s in socks:
    s.setblocking(False)
while socks and time.time() < end:
    time.sleep(0.1)
    for s in socks[:]:
        try:
            if kind in ("head", "body"):
                s.send(b"a")
            if kind != "deaf" and s.recv(65536) == b"":
                raise OSError
        except BlockingIOError:
            pass
        except OSError:
            socks.remove(s)
            cut += 1
print(cut, flush=True)
PY

rude() { # rude KIND N SECONDS: in the background; returns when all have sent what they send first
    : >"$T/rude.out"
    python3 "$T/rude.py" "$1" "$SOCK" "$2" "$3" >"$T/rude.out" &
    RUDE=$!
    soon "$1 clients are there" grep -q ready "$T/rude.out"
}

for kind in silent head body garbage; do
    rude "$kind" 12 8
    begin=$SECONDS
    ask -m 15 http://x/v1/health
    status_is 200
    [ $((SECONDS - begin)) -le 6 ] || fail "behind $kind clients an honest one waited $((SECONDS - begin)) s"
    wait "$RUDE"
    [ "$(tail -n 1 "$T/rude.out")" = 12 ] || fail "$kind clients were not all cut off: $(tail -n 1 "$T/rude.out")"
done

# Clients that do not read hold at most the budget for answers; the next large answer is refused, small ones go on.
rude deaf 8 8
large_is_refused() { ask -m 5 "http://x/v1/commands?limit=200" && [ "$status" = 503 ]; }
soon "the budget for answers is kept" large_is_refused
says "too many large answers"
get /v1/health
status_is 200
sanitized || [ "$(rss_kib)" -lt 130000 ] || fail "deaf clients cost $(rss_kib) KiB"
wait "$RUDE"
large_is_sent() { get "/v1/commands?limit=200" && [ "$status" = 200 ]; }
soon "the budget is free again" large_is_sent

rude pipeline 4 3
get /v1/health
status_is 200
wait "$RUDE"

# Everything that was large has gone back to the system. (A sanitizer keeps what was freed.)
small_again() { [ "$(rss_kib)" -lt 20000 ]; }
sanitized || soon "memory is small again: $(rss_kib) KiB" small_again
[ "$(ls "/proc/$API_PID/fd" | wc -l)" -lt 40 ] || fail "descriptors were left open: $(ls -l "/proc/$API_PID/fd")"
api_stop
