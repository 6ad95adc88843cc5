#!/usr/bin/env bash
# A leader in doubt forgets all workers and says so: one that is idle, whose next heartbeat is 12 s away or more, is given work soon after all the same.
here=$(cd "$(dirname "$0")" && pwd)
BOOTFARM_BIN=${BIN:-$BOOTFARM_BIN}
. "$here/../../bench/dispatch.sh"
bench_begin
bench_fresh 1
bench_first_build
bench_enqueue 1
scheduler_start
swarm_start 1 --slots=1

tests_done() { is "select count(*) from farm.job where kind = 'test' and state = 'succeeded'" "$1"; }
wait_for 30 "the first test" tests_done 2
for n in 3 4 5; do
    term=$(sql 'select term from farm.leader')
    sql "select count(pg_terminate_backend(pid)) from pg_stat_activity where application_name = 'bootfarm-scheduler turns'" >/dev/null
    wait_for 10 "doubt" is "select term > $term from farm.leader" t
    sql "select dashboard.submit_command('test', '{\"image\": \"bench:i1-1@b1\"}', 'me', 'io test')" >/dev/null
    wait_for 8 "test $n" tests_done "$n"
done
is "select count(*) from farm.attempt where outcome <> 'succeeded'" 0 || fail "an attempt was lost"
say ok
