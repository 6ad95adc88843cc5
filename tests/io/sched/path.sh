#!/bin/bash
# push -> planner -> registry -> PostgreSQL -> workers -> fake executors -> released and mirrored. Every part but the executors is real.
. "$(dirname "$0")/farm.sh"

start_farm
start_scheduler one
settle_farm
make_repository
command repo_add "{\"url\": \"file://$T/plant.git\", \"slug\": \"plant\", \"poll_every\": \"1h\"}"
enroll builder hub '["build", "test"]'
enroll publisher hub '["publish"]'
enroll edge acp-1 '["mirror"]'
start_worker builder build,test one
start_worker publisher publish one
start_worker edge mirror one
wait_for 20 "three workers" is "select count(*) from farm.worker where state = 'connected'" 3

say "a first push: four images, each built, tested, published and mirrored"
push first
wait_for 60 "16 jobs to succeed" all_done 16
expect "jobs" "select kind, state, count(*) from farm.job group by 1, 2 order by 1, 2" \
    $'build|succeeded|4\nmirror|succeeded|4\npublish|succeeded|4\ntest|succeeded|4'
expect "releases" "select count(*) from farm.release where state = 'released'" 4
expect "presence" "select count(*) from farm.presence" 4
expect "quarantine" "select count(*) from farm.quarantine" 0
expect "children are built from what passed" "select count(*) from farm.job c join farm.image_arch a on a.id = c.image_arch_id
    join farm.image_parent p on p.image_arch_id = a.id join farm.image_arch b on b.id = p.parent_arch_id
    where c.kind = 'build' and c.pins->('image:' || b.id)->>'digest' = b.passing_digest" 2
expect "contexts" "select count(*) from farm.artifact" 4
for key in $(sql "select substr(key, 8) || '@' || digest from farm.artifact"); do
    curl -sf -H 'Accept: application/vnd.oci.image.manifest.v1+json' "http://$REGISTRY/v2/contexts/plant/manifests/${key%@*}" |
        sha256sum | grep -q "${key#*@sha256:}" || fail "context $key is not in the registry, or is another one"
done
wait_for 20 "the logs to be sealed" is "select count(*) from farm.attempt t left join farm.log_seal s on s.attempt_id = t.id where s is null" 0
expect "logs" "select bool_and(exists (select from farm.log_chunk c where c.attempt_id = t.id)) from farm.attempt t" t

say "an edit of hmi: hmi only, and its own chain"
n=$(sql "select max(id) from farm.job")
echo 2 >"$T/plant/images/hmi/name"
sql "listen farm_change" "select pg_sleep(4)" "select" >"$T/heard" &
listener=$!
push "edit hmi"
wait_for 60 "4 more jobs" all_done $((n + 4))
wait "$listener"
grep -q 'notification "farm_change" with payload "jobs"' "$T/heard" || fail "who listens was not told that jobs changed: $(cat "$T/heard")"
expect "jobs of the edit" "select distinct i.name from farm.job j join farm.image i on i.id = j.image_id where j.id > $n" hmi

say "a commit that changes nothing makes no job"
n=$(sql "select max(id) from farm.job")
serial=$(sql "select serial from farm.ref")
push "nothing"
wait_for 20 "the revision to be seen" is "select serial from farm.ref" $((serial + 1))
expect "jobs" "select max(id) from farm.job" "$n"

say "a revert builds nothing"
echo hmi >"$T/plant/images/hmi/name"
push "back"
wait_for 60 "the revert" all_done $((n + 1))
wait_for 20 "the first digest to be released again" is "select r.digest = f.digest from farm.image i join lateral
    (select digest from farm.release where image_id = i.id order by serial limit 1) f on true join lateral
    (select digest from farm.release where image_id = i.id and state = 'released' order by serial desc limit 1) r on true where i.name = 'hmi'" t
expect "builds of the revert" "select state from farm.job where kind = 'build' and id > $n" skipped

say "a broken definition concerns its image only"
cp "$T/plant/images/app/Containerfile" "$T/whole"
printf 'FROM\n' >"$T/plant/images/app/Containerfile"
echo 3 >"$T/plant/images/gateway/name"
push "break app"
wait_for 60 "gateway to go on" is "select count(*) from farm.job j join farm.image i on i.id = j.image_id where i.name = 'gateway' and j.state = 'succeeded'" 8
expect "the error" "select file, line from farm.definition_error where severity = 'error'" 'images/app/Containerfile|1'
cp "$T/whole" "$T/plant/images/app/Containerfile"
push "mend app"
wait_for 20 "the error to go" is "select count(*) from farm.definition_error where severity = 'error'" 0

say "a job is cancelled while it runs, and taken up again"
touch "$T/gate"
echo 4 >"$T/plant/images/app/app"
push "edit app"
wait_for 30 "app to run" is "select count(*) from farm.job where state = 'running'" 1
job=$(sql "select id from farm.job where state = 'running'")
command job_cancel "{\"job\": $job}"
expect "the job" "select state from farm.job where id = $job" cancelled
no_executor() { ! pgrep -f "$T/exec build"; }
wait_for 20 "its executor to be gone" no_executor
command job_retry "{\"job\": $job}"
rm "$T/gate"
wait_for 60 "app" all_done

say "a drained worker gets nothing, until it is resumed"
command worker_drain '{"name": "builder"}'
echo 5 >"$T/plant/images/app/app"
push "edit app again"
wait_for 30 "the reason" is "select reason from farm.job where kind = 'build' and state = 'ready'" drained
command worker_resume '{"name": "builder"}'
wait_for 60 "app" all_done

say "what a command asks for is made, ready and leased by one commit"
command test '{"image": "plant:app@main"}'
wait_for 60 "the test" all_done
expect "the time of all three" "select created_at = ready_at and ready_at = leased_at from dashboard.jobs where kind = 'test' order by id desc limit 1" t

say "slots change while the worker runs, and end nothing"
command worker_set '{"name": "builder", "slots": "1"}'
touch "$T/gate"
echo 5 >"$T/plant/images/hmi/name"
echo 5 >"$T/plant/images/gateway/name"
push "edit hmi and gateway"
wait_for 30 "one to run, the other to wait" is "select count(*) filter (where state = 'running') || ' ' || count(*) filter (where reason = 'busy') from farm.job" "1 1"
command worker_set '{"name": "builder", "slots": "auto"}'
wait_for 30 "both to run" is "select count(*) from farm.job where state = 'running'" 2
command worker_set '{"name": "builder", "slots": "1"}'
command worker_drain '{"name": "builder"}'
expect "both still run" "select count(*) from farm.job where state = 'running'" 2
rm "$T/gate"
wait_for 30 "both to end" is "select count(*) filter (where state = 'running') || ' ' || count(*) filter (where kind = 'test' and reason = 'drained') from farm.job" "0 2"
command worker_set '{"name": "builder", "slots": "auto"}'
command worker_resume '{"name": "builder"}'
wait_for 60 "hmi and gateway" all_done

say "a revoked key is dead for a live session"
command worker_revoke '{"name": "builder"}'
wait_for 20 "builder to be disconnected" is "select state from farm.worker where name = 'builder'" disconnected

say "latency: push to the first executor"
enroll builder-2 hub '["build", "test"]'
end builder
start_worker builder-2 build,test one
wait_for 20 "builder-2" is "select state from farm.worker where name = 'builder-2'" connected
for i in 1 2 3 4 5; do
    n=$(sql "select max(id) from farm.job")
    echo "timed $i" >"$T/plant/images/app/app"
    git -C "$T/plant" add -A && git -C "$T/plant" commit -qm "time $i"
    begin=$(ms)
    git -C "$T/plant" push -q origin main
    pushed=$(ms)
    wait_for 30 "run $i" all_done $((n + 4))
    sql "select 'push took $((pushed - begin)) ms; after its begin: asked ' || round(extract(epoch from (select max(at) from farm.command)) * 1000 - $begin)
        || ' planned ' || round(extract(epoch from (select max(seen_at) from farm.revision)) * 1000 - $begin)
        || ' leased ' || round(extract(epoch from t.leased_at) * 1000 - $begin) || ' started ' || round(extract(epoch from t.started_at) * 1000 - $begin)
        || ' released ' || (select round(extract(epoch from max(released_at)) * 1000 - $begin) from farm.release)
        from farm.attempt t join farm.job j on j.id = t.job_id where j.kind = 'build' order by t.leased_at desc limit 1"
done
awk '/VmRSS/ {print "resident: " $2 " KiB"}' "/proc/${PID[one]}/status"

say "stop"
end one
grep -E ' error ' "$T/one.log" && fail "the scheduler wrote errors"
say ok
