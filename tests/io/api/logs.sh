#!/bin/bash
# Logs: whole, followed, with gaps, across a restart of PostgreSQL, with many and with bad followers.
. "$(dirname "$0")/lib.sh"
farm_up --max-connections=40

# zstd frames of one raw block, so that the test needs no compressor: at most 255 bytes each.
psql -X -q -v ON_ERROR_STOP=1 <<'SQL'
create function t.frame(b bytea) returns bytea language sql as $$
    select '\x28b52ffd20'::bytea || set_byte('\x00', 0, length(b)) || set_byte(set_byte(set_byte('\x000000', 0, ((length(b) << 3) | 1) & 255), 1, (length(b) << 3) >> 8), 2, 0) || b
$$;
-- Appends text to the newest attempt of a job, as the scheduler stores what a worker sent.
create function t.say(job text, said text, gap bigint default 0) returns bigint language sql as $$
    select farm.log_append(a.id, farm.log_end(a.id) + gap, length(convert_to(said, 'UTF8')), gap, t.frame(convert_to(said, 'UTF8')))
      from farm.attempt a where a.job_id = t.job(job) order by a.number desc limit 1
$$;
create function t.seal(job text) returns boolean language sql as $$
    select farm.log_seal(a.id, farm.log_end(a.id), farm.log_end(a.id), sha256('')) from farm.attempt a where a.job_id = t.job(job) order by a.number desc limit 1
$$;
SQL
J=build:plant:base@main:amd64
act "select t.push(t.plan('one', array[t.image('base', '1')]))" "select farm.base_resolved(b.id, t.d('debian'), null) from farm.base b" >/dev/null
get "/v1/jobs/$J/log"
status_is 404
says "no such attempt yet"
act "select t.ready(t.job('$J'))" "select t.claim(t.job('$J'))" "select farm.start(array[a.id], array[0]) from farm.attempt a" >/dev/null
id=$(sql "select t.job('$J')")

# ---- once -------------------------------------------------------------------------------------------------------------

get "/v1/jobs/$J/log"
status_is 200
[ -z "$body" ] || fail "a log before its first byte: $body"
act "select t.say('$J', E'one\ntwo ')" "select t.say('$J', E'\u00fc\n')" >/dev/null
get "/v1/jobs/$id/log?attempt=1"
[ "$body" = $'one\ntwo \u00fc' ] || fail "the log reads: $body"
get "/v1/jobs/$id/log?attempt=2"
status_is 404
ask -D "$T/head" "http://x/v1/jobs/$id/log"
grep -qi '^content-type: text/plain; charset=utf-8' "$T/head" || fail "type of a log: $(cat "$T/head")"

# ---- followed ------------------------------------------------------------------------------------------------------------

follow() { curl -sN --unix-socket "$SOCK" "http://x/v1/jobs/$id/log?follow=1" >"$1" & }
has() { [ -e "$1" ] && grep -qF -- "$2" "$1"; }

for i in {1..20}; do
    follow "$T/follow.$i"
    followers[i]=$!
done
for i in {1..20}; do soon "follower $i has what was there" has "$T/follow.$i" two; done
act "select t.say('$J', E'three\n')" >/dev/null
for i in {1..20}; do soon "follower $i hears of more" has "$T/follow.$i" three; done
# Without a notification (it was lost): the poll behind it.
act "insert into farm.log_chunk (day, attempt_id, byte_offset, raw_bytes, data) select farm.log_day(a.leased_at), a.id, farm.log_end(a.id), 5, t.frame(convert_to(E'four\n', 'UTF8')) from farm.attempt a" >/dev/null
for i in {1..20}; do soon "follower $i polls" has "$T/follow.$i" four; done
# One that has gone without a word gives its place back, though nothing is sent to it.
kill "${followers[20]}"
open_sockets() { ls -l "/proc/$API_PID/fd" | grep -c socket; }
before=$(open_sockets)
for i in {1..15}; do
    curl -sN -m 0.3 --unix-socket "$SOCK" "http://x/v1/jobs/$id/log?follow=1" >/dev/null &
    gone[i]=$!
done
wait "${gone[@]}"
all_gone() { [ "$(open_sockets)" -le "$before" ]; }
soon "clients that hung up are forgotten" all_gone

# Those that hang up before PostgreSQL has answered: api_stop sees whether something of them is left.
writer_begin "lock table farm.attempt in access exclusive mode"
soon "the table is locked" locked attempt AccessExclusiveLock
for i in {1..15}; do
    curl -sN -m "0.$((40 + i))" -w '%{http_code}' --unix-socket "$SOCK" "http://x/v1/jobs/$id/log?follow=1" >"$T/hasty.$i" &
    gone[i]=$!
done
wait "${gone[@]}"
[ "$(cat "$T"/hasty.*)" = "$(printf '000%.0s' {1..15})" ] || fail "a log was sent past the lock: $(cat "$T"/hasty.*)"
writer_end
soon "clients that did not wait are forgotten" all_gone

# PostgreSQL is killed and comes back: followers wait, and go on.
pg_kill
is_away() { get /v1/health && [ "$status" = 503 ]; }
soon "PostgreSQL is missed" is_away
get "/v1/jobs/$id/log"
status_is 503
pg_again || fail "PostgreSQL does not start again"
is_back() { get /v1/health && [ "$status" = 200 ]; }
soon "PostgreSQL is found again" is_back
act "select t.say('$J', E'five\n')" "select t.say('$J', E'tail\n', 1000)" >/dev/null
for i in {1..19}; do soon "follower $i goes on" has "$T/follow.$i" tail; done

# The seal ends it.
act "select t.seal('$J')" >/dev/null
for i in {1..19}; do
    wait "${followers[i]}" || fail "follower $i ended badly"
done
printf 'one\ntwo \u00fc\nthree\nfour\nfive\n[bootfarm: 1000 bytes of this log were left out]\ntail\n' >"$T/expected"
for i in {1..19}; do diff "$T/expected" "$T/follow.$i" || fail "follower $i has another log"; done
get "/v1/jobs/$id/log"
[ "$body" = "$(cat "$T/expected")" ] || fail "the whole log differs: $body"
follow "$T/late"
wait $! || fail "following a sealed log"
diff "$T/expected" "$T/late"

# ---- a large log, and one who does not read it --------------------------------------------------------------------------------

act "select t.finish(a.id, t.bad('infra', 'registry'), 'ready') from farm.attempt a" "select t.claim(t.job('$J'))" >/dev/null
act "insert into farm.log_chunk (day, attempt_id, byte_offset, raw_bytes, data)
     select farm.log_day(a.leased_at), a.id, n * 250, 250, t.frame(convert_to(rpad(n::text, 249, '.') || E'\n', 'UTF8')) from farm.attempt a, generate_series(0, 39999) n where a.number = 2" >/dev/null
ask "http://x/v1/jobs/$id/log"
status_is 200
[ "$(wc -lc <"$T/body" | xargs)" = "40000 10000000" ] || fail "of 10 MB in 40,000 lines came $(wc -lc <"$T/body")"
[ "$(sed -n 12346p "$T/body" | tr -d .)" = 12345 ] || fail "lines are out of order"

rss_kib() { sed -n 's/^VmRSS:[[:space:]]*\([0-9]*\).*/\1/p' "/proc/$API_PID/status"; }
sanitized || [ "$(rss_kib)" -lt 30000 ] || fail "a log of 10 MB costs $(rss_kib) KiB"

# Damage is said, the rest is shown.
act "update farm.log_chunk set data = 'damaged' where byte_offset = 250 and raw_bytes = 250" >/dev/null
ask "http://x/v1/jobs/$id/log"
[ "$(sed -n 2p "$T/body")" = "[bootfarm: 250 bytes of this log are damaged]" ] || fail "damage reads: $(sed -n 2p "$T/body")"
[ "$(wc -l <"$T/body")" = 40000 ] || fail "behind the damage the log stops"

# ---- an attempt that was lost, and the end of the program ---------------------------------------------------------------------

# Its worker is gone and sends no seal: a minute later nobody waits any more.
act "update farm.job_state set state = 'ready', outcome = 'lost', next_state = 'ready', actor = 'scheduler', finished_at = now() - interval '2 minutes', finished_seq = nextval('farm.event_seq') where id = $id" >/dev/null
follow "$T/lost"
wait $! || fail "following a lost attempt"

act "select t.claim($id)" "select t.say('$J', E'third\n')" >/dev/null
follow "$T/open"
open=$!
soon "a follower is there" has "$T/open" third
begin=$SECONDS
api_stop
[ $((SECONDS - begin)) -le 2 ] || fail "with a follower stopping took $((SECONDS - begin)) s"
! wait "$open" || fail "a follower took the end of the program for the end of the log"
