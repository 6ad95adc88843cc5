#!/bin/bash
# PostgreSQL is not there yet, goes, hangs, and comes back; bootfarm-api says so and goes on by itself.
. "$(dirname "$0")/lib.sh"

is() { get /v1/health && [ "$status" = "$1" ]; }

# Before PostgreSQL: it starts, and says what is missing.
DATABASE="postgresql://api_user@127.0.0.1:1/postgres"
api_start
get /v1/health
status_is 503
holds '.database == false and (.error | contains("PostgreSQL is away")) and (.version | length > 0)'
ask -D "$T/head" http://x/v1/jobs
status_is 503
says "PostgreSQL is away"
grep -qi '^retry-after: 1' "$T/head" || fail "no Retry-After: $(cat "$T/head")"
command_json '{"verb": "repo_sync", "args": {"slug": "plant"}}'
status_is 503
get "/v1/jobs?limit=0"
status_is 400
api_stop

# A host that has no name: the loop does not wait for it either.
DATABASE="postgresql://api_user@no-such-host.invalid:1/postgres"
api_start
says_which() { is 503 && grep -qF 'no-such-host.invalid' <<<"$body"; }
soon "it names the host" says_which
api_stop

# A name among addresses, as with several servers.
farm_up --query-timeout=2s
api_stop
DATABASE="host=no-such-host.invalid,localhost port=1,$PGPORT user=api_user dbname=postgres"
api_start --query-timeout=2s
soon "PostgreSQL is there" is 200

for round in 1 2 3; do
    pg_kill
    soon "it is missed" is 503
    get /v1/jobs
    status_is 503
    # A command that waits says that it does not know.
    pg_again || fail "PostgreSQL does not start again"
    soon "it is found again, round $round" is 200
    get /v1/jobs
    status_is 200
done

# Somebody waits for a command while PostgreSQL goes: stored, outcome unknown.
(command_json '{"verb": "repo_sync", "args": {"slug": "plant"}}' '?wait=60'; echo "$status $body" >"$T/waited") &
waiter=$!
stored() { [ "$(sql "select count(*) from farm.command where state = 'submitted'")" = 1 ]; }
soon "the command is stored" stored
pg_kill
wait "$waiter"
grep -q '^503 .*is stored; its outcome is not known yet' "$T/waited" || fail "the waiting one was told: $(cat "$T/waited")"
pg_again
soon "it is found again" is 200
stored || fail "the command is lost"

# All backends of this program are ended by an administrator: nobody sees more than one failure.
sql "select count(pg_terminate_backend(pid)) from pg_stat_activity where usename = 'api_user'" >/dev/null
soon "it connects again" is 200

# A statement that takes too long is ended by the server.
psql -X -q -c "begin; lock table farm.site in access exclusive mode; select pg_sleep(6)" -c rollback >/dev/null &
locker=$!
locked() { [ "$(sql "select count(*) from pg_locks where relation = 'farm.site'::regclass and mode = 'AccessExclusiveLock' and granted")" = 1 ]; }
soon "the table is locked" locked
begin=$SECONDS
get /v1/sites
status_is 503
says "statement timeout"
[ $((SECONDS - begin)) -le 4 ] || fail "a locked table held the request for $((SECONDS - begin)) s"
get /v1/settings
status_is 200
wait "$locker"

# A backend that hangs: the query is given up, its connection with it, and others are answered.
for i in 1 2 3 4; do get /v1/jobs; done
backends=$(sql "select string_agg(pid::text, ' ') from pg_stat_activity where usename = 'api_user' and query not like 'LISTEN%'")
for pid in $backends; do kill -STOP "$pid"; done
begin=$SECONDS
ask -m 20 http://x/v1/jobs
[ "$status" = 503 ] || fail "behind a stopped backend: $status $body"
[ $((SECONDS - begin)) -le 4 ] || fail "a stopped backend held the request for $((SECONDS - begin)) s"
soon "a new connection is made" is 200
for pid in $backends; do kill -CONT "$pid"; done

# No connection is free at the server: said, and over when there is one.
sql "alter role api_user connection limit 0"
sql "select count(pg_terminate_backend(pid)) from pg_stat_activity where usename = 'api_user'" >/dev/null
says_why() { is 503 && grep -qF "too many connections for role" <<<"$body"; }
soon "it says why" says_why
sql "alter role api_user connection limit -1"
soon "it is found again" is 200

# The term "away" is logged once each time, not once each try.
[ "$(grep -c 'PostgreSQL is away' "$T/api.log")" -le 12 ] || fail "the log is full of it"
api_stop
