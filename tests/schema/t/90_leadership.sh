#!/bin/bash
# Leadership with several sessions at once: take-over, fencing of a writer, a leader that is stopped within a transaction.
set -u
n=0
ok() { # CONDITION-STATUS NAME
    n=$((n + 1))
    if [ "$1" = 0 ]; then echo "ok $n - $2"; else echo "not ok $n - $2"; fi
}
is() { # HAVE WANT NAME
    [ "$1" = "$2" ]; local rc=$?
    ok $rc "$3"
    [ $rc = 0 ] || printf '#   have: %s\n#   want: %s\n' "$1" "$2"
}
q() { psql -X -A -t -q -v ON_ERROR_STOP=1 -v VERBOSITY=sqlstate -c "$1" 2>&1; }

# A session that stays open: `say` sends it a statement, and waits until it has answered.
coproc A { psql -X -A -t -q -v VERBOSITY=sqlstate 2>&1; }
exec 8>&"${A[1]}" 9<&"${A[0]}"
trap '' PIPE
say() {
    printf '%s\n\\echo ==\n' "$1" >&8
    while IFS= read -r -t 20 line <&9 && [ "$line" != == ]; do printf '%s\n' "$line"; done
}

q "UPDATE farm.leader SET renewed_at = now() - interval '1 hour'" >/dev/null
t1=$(q "SELECT term FROM farm.lead('a')")
ok "$([ "$t1" -gt 1600000000000 ]; echo $?)" "a stale row is taken over, with a term from the clock"
q "UPDATE farm.leader SET renewed_at = clock_timestamp() + interval '57 s'" >/dev/null        # a slow machine must not make it stale
is "$(q "SELECT term IS NULL, ms_left BETWEEN 1 AND 60000 FROM farm.lead('b')")" "t|t" "a standby is told how long to wait"
is "$(q "SELECT farm.renew($t1)")" t "the leader renews"

# A writer under way: renewals and a reader do not wait for it, a take-over does.
say "BEGIN; SELECT farm.check_term($t1); SET LOCAL idle_in_transaction_session_timeout = '60s';" >/dev/null
is "$(q "SET lock_timeout = '1s'; SELECT farm.renew($t1)")" t "a renewal does not wait for a writer"
q "UPDATE farm.leader SET renewed_at = now() - interval '1 hour'" >/dev/null
is "$(q "SET lock_timeout = '200ms'; SELECT term FROM farm.lead('b')")" "ERROR:  55P03" "a take-over waits for a writer"
say "COMMIT;" >/dev/null
t2=$(q "SELECT term FROM farm.lead('b')")
ok "$([ "$t2" -gt "$t1" ]; echo $?)" "the standby leads with a higher term"
is "$(q "SELECT farm.renew($t1)")" f "the old leader is told by its renewal"
is "$(q "SELECT farm.check_term($t1)")" "ERROR:  BF001" "the old leader's writes are refused"
is "$(q "SELECT * FROM farm.set_waiting('{1}', '{parent}', '{x}')")" "ERROR:  BF002" "no write without check_term"
is "$(q "SELECT term = $t2 FROM farm.leader")" t "the term stands"

# The same holder asks again: it has dropped its world, so it gets a new term at once.
t3=$(q "SELECT term FROM farm.lead('b')")
ok "$([ "$t3" -gt "$t2" ]; echo $?)" "one's own leadership is renewed with a new term"

# A leader that is stopped within its transaction: PostgreSQL ends its session, so the take-over waits no longer than that.
say "BEGIN; SELECT farm.check_term($t3); INSERT INTO farm.setting VALUES ('written-by', 'b');" >/dev/null
q "UPDATE farm.leader SET renewed_at = now() - interval '1 hour'" >/dev/null
t4=$(q "SET lock_timeout = '20s'; SELECT term FROM farm.lead('c')")
ok "$([ "$t4" -gt "$t3" ] 2>/dev/null; echo $?)" "a leader that is stopped within a transaction is got rid of"
say "COMMIT;" >/dev/null 2>&1
is "$(q "SELECT count(*) FROM farm.setting WHERE name = 'written-by'")" 0 "the woken one has written nothing"

# One that is stopped while PostgreSQL sends to it is not idle: the standby ends its session.
psql -X -q -A -t -c BEGIN -c "SELECT farm.check_term($t4)" -c "SELECT pg_backend_pid()" -c "SELECT repeat('x', 20000000) FROM pg_sleep(1)" >/dev/null 2>&1 &
stopped=$!
sending() { [ "$(q "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'SELECT repeat%' AND wait_event = '$1'")" = 1 ]; }
for _ in {1..400}; do sending PgSleep && break; done
kill -STOP "$stopped"
for _ in {1..400}; do sending ClientWrite && break; done
ok "$(sending ClientWrite; echo $?)" "PostgreSQL waits for a stopped leader to read"
q "UPDATE farm.leader SET renewed_at = clock_timestamp() + interval '57 s'" >/dev/null
is "$(q "SELECT farm.evict('d')")" 0 "nobody ends the sessions of a leader that is not stale"
q "UPDATE farm.leader SET renewed_at = now() - interval '1 hour'" >/dev/null
is "$(q "SET lock_timeout = '200ms'; SELECT term FROM farm.lead('d')")" "ERROR:  55P03" "its row cannot be had"
is "$(q "SELECT farm.evict('d')")" 1 "its session is ended"
t5=$(q "SET lock_timeout = '20s'; SELECT term FROM farm.lead('d')")
ok "$([ "$t5" -gt "$t4" ] 2>/dev/null; echo $?)" "and the standby leads"
kill -CONT "$stopped"
wait "$stopped"
echo "1..$n"
