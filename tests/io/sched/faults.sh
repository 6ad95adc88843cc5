#!/bin/bash
# Kills, pauses and outages in the middle of a build. Nothing is lost, nothing is accepted twice, one leader writes.
. "$(dirname "$0")/farm.sh"

# Short leases; a build that is under way waits at the gate.
times=(--lease=6s --kill-time=2s --backoff-min=1s)
beat=(-- --heartbeat=1s)

start_farm
start_scheduler one "${times[@]}"
settle_farm
make_repository
command repo_add "{\"url\": \"file://$T/plant.git\", \"slug\": \"plant\", \"poll_every\": \"1h\"}"
enroll builder hub '["build", "test"]'
enroll other hub '["build", "test"]'
enroll publisher hub '["publish"]'
enroll edge acp-1 '["mirror"]'
start_worker publisher publish one "${beat[@]}"
start_worker edge mirror one "${beat[@]}"
start_worker builder build,test one "${beat[@]}"
wait_for 20 "three workers" is "select count(*) from farm.worker where state = 'connected'" 3
push first
wait_for 60 "the first images" all_done 16

edits=0
# begin_build: an edit of app, whose build runs and stays at the gate; sets job and attempt
begin_build() {
    touch "$T/gate"
    echo "edit $((++edits))" >"$T/plant/images/app/app"
    push "edit $edits"
    wait_for 30 "the build to run" is "select count(*) from farm.job where kind = 'build' and state = 'running'" 1
    job=$(sql "select id from farm.job where state = 'running'")
    attempt=$(sql "select attempt_id from farm.job where id = $job")
}
# end_build ATTEMPTS: the gate opens, all is done, and the build took so many attempts, of which one was accepted
end_build() {
    rm -f "$T/gate"
    wait_for 60 "everything to be done" all_done
    expect "attempts" "select count(*) from farm.attempt where job_id = $job" "$1"
    expect "accepted results" "select count(*) from farm.attempt where job_id = $job and outcome = 'succeeded'" 1
    expect "the release" "select count(*) from farm.release r join farm.job j on j.id = r.job_id
        join farm.job b on b.image_id = j.image_id and b.revision_id = j.revision_id where b.id = $job and r.state = 'released'" 1
    expect "transitions without an event" "select count(*) from farm.job j where j.state <> (select e.via[cardinality(e.via)] from farm.event e where e.job_id = j.id order by seq desc limit 1)" 0
}
# said NAME TEXT LINE: its log has the text at this line or later
said() { tail -n "+$3" "$T/$1.log" | grep "$2" >/dev/null; }
term() { sql 'select term from farm.leader'; }
new_leader() { [ "$(term)" != "$1" ]; }

say "the scheduler is killed in the middle of a build: the build goes on, its result is accepted once"
begin_build
end one KILL
start_scheduler one "${times[@]}"
wait_for 20 "it to lead again" said one loaded "$(grep -n listening "$T/one.log" | tail -n 1 | cut -d: -f1)"
end_build 1
expect "the attempt" "select id from farm.attempt where job_id = $job" "$attempt"

say "a second scheduler on the same state directory is refused"
"$BIN/bootfarm-scheduler" run --config="$T/one.conf" >"$T/twin.out" 2>&1
[ $? = 2 ] || fail "a twin was not refused"
grep -q "state_dir.*another scheduler" "$T/twin.out" || fail "$(cat "$T/twin.out")"

say "all database sessions are terminated in the middle of a build"
begin_build
sql "select count(pg_terminate_backend(pid)) from pg_stat_activity where usename = 'bf'" >/dev/null
end_build 1

say "PostgreSQL is killed in the middle of a build"
begin_build
pg_kill
rm -f "$T/gate"
wait_for 20 "the loss to be noticed" grep -q 'connection lost.*control' "$T/one.log"
pg_again || fail "PostgreSQL does not start again"
end_build 1

say "the worker is killed in the middle of a build, and comes back"
begin_build
end builder KILL
start_worker builder build,test one "${beat[@]}"
end_build 2

say "the worker is killed and does not come back: another one takes over; the late one changes nothing"
start_worker other build,test one "${beat[@]}"
wait_for 20 "other" is "select state from farm.worker where name = 'other'" connected
begin_build
holder=$(sql "select w.name from farm.attempt t join farm.worker w on w.id = t.worker_id where t.id = '$attempt'")
end "$holder" KILL
wait_for 40 "the lease to be over" is "select outcome from farm.attempt where id = '$attempt'" lost
end_build 2
start_worker "$holder" build,test one "${beat[@]}"
wait_for 20 "$holder again" is "select state from farm.worker where name = '$holder'" connected
expect "the lost attempt" "select outcome from farm.attempt where id = '$attempt'" lost

say "the leader is paused: the standby leads, the woken one writes nothing"
start_scheduler two "${times[@]}"
for worker in builder other publisher edge; do
    roles=$(sql "select array_to_string(roles, ',') from farm.worker where name = '$worker'")
    end "$worker"
    wait_for 2 "the leader to know that $worker has ended" is "select state from farm.worker where name = '$worker'" draining
    start_worker "$worker" "$roles" one two "${beat[@]}"
done
wait_for 30 "workers" is "select count(*) from farm.worker where state = 'connected'" 4
begin_build
before=$(term)
lines=$(wc -l <"$T/one.log")
kill -STOP "${PID[one]}"
wait_for 20 "the standby to lead" new_leader "$before"
after=$(term)
end_build 1
kill -CONT "${PID[one]}"
wait_for 20 "the woken one to step down" said one 'no longer the leader' "$lines"
expect "the leader" "select term from farm.leader" "$after"
expect "attempts of the old term since" "select count(*) from farm.attempt where term = $before and leased_at > (select to_timestamp($after / 1000.0))" 0
begin_build
end_build 1
expect "the term of a new attempt" "select term from farm.attempt where job_id = $job" "$after"

say "the leader is killed: the woken one leads"
begin_build
end two KILL
wait_for 20 "a new leader" new_leader "$after"
end_build 1

say "the registry is away during a push"
kill -STOP "${PID[registry]}"
end registry KILL
echo "edit $((++edits))" >"$T/plant/images/app/app"
push "without a registry"
wait_for 30 "a failed upload" grep -q 'an upload failed' "$T/one.log"
n=$(sql "select count(*) from farm.job")
start_registry
wait_for 60 "the push to come through" all_done $((n + 4))

say "PostgreSQL refuses the turn that takes a command up: it is applied by itself"
before=$(term) n=$(sql "select count(*) from farm.job") lines=$(wc -l <"$T/one.log")
sql "revoke execute on function farm.command_take from bootfarm_scheduler"
command test '{"image": "plant:app@main"}'
wait_for 60 "its test" all_done $((n + 1))
said one 'commands cannot be taken up' "$lines" || fail "nothing was refused"
expect "the leader" "select term from farm.leader" "$before"
sql "grant execute on function farm.command_take to bootfarm_scheduler"

expect "quarantine" "select count(*) from farm.quarantine" 0
end one
say ok
