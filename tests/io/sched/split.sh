#!/usr/bin/env bash
# Large turns leave as two transactions. Whichever of them is lost, each job is claimed once and ends once.
here=$(cd "$(dirname "$0")" && pwd)
BOOTFARM_BIN=${BIN:-$BOOTFARM_BIN}
. "$here/../../bench/dispatch.sh"
jobs=16000
bench_begin
bench_fresh 40
bench_first_build
bench_enqueue "$jobs"
scheduler_start
wait_for 100 "the jobs to be ready" is "select count(*) from farm.job where state = 'ready'" "$jobs"
swarm_start 40 --slots=64 --hold=1s --heartbeat=1s --jobs="$jobs" --timeout=150s

ended() { sql "select count(*) from farm.job where kind = 'test' and state = 'succeeded'"; }
past() { [ "$(ended)" -ge "$1" ]; }
term() { sql 'select term from farm.leader'; }
# strike SESSION TERM: ends it in the middle of a transaction; claims has none but those of turns that split. True when the term is another one then: what had
# just been committed and answered is no loss.
strike() {
    sql "do \$\$ begin for i in 1 .. 10000 loop
             perform pg_stat_clear_snapshot();
             if (select count(pg_terminate_backend(pid)) from pg_stat_activity where application_name = 'bootfarm-scheduler $1' and state = 'active') > 0 then return; end if;
             perform pg_sleep(0.001);
         end loop; raise 'no large turn in 10 s'; end \$\$" || fail "no transaction of $1"
    read -r -t 0.3 <> <(:) || :
    [ "$(term)" != "$2" ]
}

for lost in claims turns claims; do
    wait_for 60 "more jobs to end" past $(($(ended) + 500))
    say "the session of $lost is to be ended, after $(ended) jobs"
    wait_for 60 "another term" strike "$lost" "$(term)"
    past $((jobs - 500)) && fail "too few jobs for all that is to happen"
done
wait_for 120 "all jobs to end" past $((jobs + 1))
is "select count(*) from farm.attempt where outcome = 'succeeded'" $((jobs + 2)) || fail "not one result for each job"
is "select count(*) from farm.attempt where ended_at is null" 0 || fail "an attempt has no end"
is "select count(*) from farm.attempt where outcome <> 'succeeded'" 0 || fail "an attempt was lost, though no worker was"
is "select count(*) from farm.verdict where passed" $((jobs + 1)) || fail "not one verdict for each job"
is "select count(*) from farm.quarantine" 0 || fail "PostgreSQL refused rows"
say ok
