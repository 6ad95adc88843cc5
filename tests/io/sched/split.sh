#!/usr/bin/env bash
# Large turns leave as two transactions. Whichever of them is lost, each job is claimed once and ends once.
here=$(cd "$(dirname "$0")" && pwd)
BOOTFARM_BIN=${BIN:-$BOOTFARM_BIN}
. "$here/../../bench/dispatch.sh"
jobs=8000
bench_begin
bench_fresh 40
bench_first_build
bench_enqueue "$jobs"
scheduler_start
wait_for 100 "the jobs to be ready" is "select count(*) from farm.job where state = 'ready'" "$jobs"
swarm_start 40 --slots=32 --hold=200ms --jobs="$jobs" --timeout=150s

ended() { sql "select count(*) from farm.job where kind = 'test' and state = 'succeeded'"; }
past() { [ "$(ended)" -ge "$1" ]; }
term() { sql 'select term from farm.leader'; }
leads_again() { [ "$(term)" != "$1" ]; }
# A session that has never had a transaction shows no COMMIT.
used() { is "select count(*) from pg_stat_activity where application_name = 'bootfarm-scheduler $1' and query ~ 'farm.claim|COMMIT'" 1; }

for lost in claims turns claims; do
    wait_for 60 "more jobs to end" past $(($(ended) + 500))
    wait_for 30 "a large turn" used "$lost"
    past 7500 && fail "too few jobs for all that is to happen"
    before=$(term)
    say "the session of $lost is ended after $(ended) jobs"
    sql "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'bootfarm-scheduler $lost'" >/dev/null
    wait_for 30 "another term" leads_again "$before"
done
wait_for 120 "all jobs to end" past $((jobs + 1))
is "select count(*) from farm.attempt where outcome = 'succeeded'" $((jobs + 2)) || fail "not one result for each job"
is "select count(*) from farm.attempt where ended_at is null" 0 || fail "an attempt has no end"
is "select count(*) from farm.attempt where outcome <> 'succeeded'" 0 || fail "an attempt was lost, though no worker was"
is "select count(*) from farm.verdict where passed" $((jobs + 1)) || fail "not one verdict for each job"
is "select count(*) from farm.quarantine" 0 || fail "PostgreSQL refused rows"
say ok
