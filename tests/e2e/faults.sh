#!/usr/bin/env bash
# Kills: scheduler, leader with a standby, worker, PostgreSQL, each in the middle of a build. Nothing is lost, nothing is done twice.
. "$(dirname "$0")/farm.sh"
export FARM_SCHEDULER_OPTIONS="lease = 15s
kill_time = 2s
backoff_min = 500ms"
export FARM_WORKER_OPTIONS="heartbeat = 2s
kill_time = 1s"
e2e_prepare
e2e_farm

e2e_template "$FARM/etc/repo"
mkdir "$FARM/etc/repo/slow"
cat >"$FARM/etc/repo/slow/Containerfile" <<'CF'
ARG TOOLS_BASE
FROM ${TOOLS_BASE}
COPY number /etc/number
RUN echo begun; sleep 8; echo ended
CF
echo 0 >"$FARM/etc/repo/slow/number"
farm_repo line "$FARM/etc/repo"
wait_for 60 "first jobs" has_jobs
wait_for 120 "the first build" settled

number=0
begin() { # a push that starts a slow build; returns when its RUN has begun
    number=$((number + 1))
    last=$(newest_job)
    echo "$number" >"$FARM/line/slow/number"
    commit line "number $number" && push line
    wait_for 60 "the build to run" begun
}
build_job() { jobs_after "$last" | jq -r '.[] | select(.kind == "build") | .id'; }
begun() { local id; id=$(build_job) && [ -n "$id" ] && bf job logs "$id" 2>/dev/null | grep -qx begun; }
attempts() { farm_psql -d bootfarm -Atc "select count(*) from farm.attempt where job_id = $(build_job)"; }
released() { # the release tag holds this number, from exactly one release of it, and one accepted result per job
    wait_for 120 "release of number $number" settled
    expect_lines "jobs of number $number" "build slow succeeded
mirror slow succeeded
publish slow succeeded
test slow succeeded" "$(job_lines "$last")"
    [ "$(farm_psql -d bootfarm -Atc "select count(*) from farm.release r join farm.job j on j.id = r.job_id where j.id > $last and r.state = 'released'")" = 1 ] ||
        fail "number $number was not released exactly once"
    [ "$(farm_psql -d bootfarm -Atc "select count(*) from (select job_id from farm.attempt where job_id > $last and outcome = 'succeeded' group by 1 having count(*) > 1) x")" = 0 ] ||
        fail "a job of number $number has two accepted results"
}

say "the scheduler is killed: the build goes on, its result is accepted once"
begin
farm_stop scheduler KILL
farm_scheduler_start
released
[ "$(attempts)" = 1 ] || fail "the build was run again after the scheduler's restart"

say "the worker is killed: the job is run again"
begin
farm_stop worker-hub-build KILL
farm_worker_start hub-build root
released
[ "$(attempts)" = 2 ] || fail "the build was not run exactly twice after the worker's death"

say "PostgreSQL is killed"
begin
farm_stop postgres KILL
sleep 1
farm_pg_start
released
[ "$(attempts)" = 1 ] || fail "the build was run again after PostgreSQL's restart"

say "the leader is paused past its lease, a standby leads; the woken one writes nothing"
farm_scheduler_start standby
for w in hub-build hub-publish acp-1; do
    sed -i "s|^schedulers = .*|schedulers = $(farm_control scheduler),$(farm_control standby)|; s|^log_endpoints = .*|log_endpoints = $(farm_log_port scheduler),$(farm_log_port standby)|" \
        "$FARM/etc/worker-$w.conf"
    farm_stop "worker-$w"
done
farm_worker_start hub-build root
farm_worker_start hub-publish bootfarm-publish
farm_worker_start acp-1 bootfarm-mirror
begin
term() { farm_psql -d bootfarm -Atc 'select term from farm.leader'; }
old=$(term)
leader_changed() { [ "$(term)" != "$old" ]; }
kill -STOP "$(farm_pid scheduler)"
wait_for 30 "the standby to lead" leader_changed
new=$(term)
released
kill -CONT "$(farm_pid scheduler)"
stepped_down() { grep -q 'no longer the leader' "$FARM/log/scheduler.log"; }
wait_for 30 "the old leader to step down" stepped_down
[ "$(term)" = "$new" ] || fail "the woken leader took the leadership back"
[ "$(farm_psql -d bootfarm -Atc "select count(*) from farm.attempt where term = $old and leased_at > (select min(leased_at) from farm.attempt where term = $new)")" = 0 ] ||
    fail "the woken leader wrote"
begin
released
say "done"
