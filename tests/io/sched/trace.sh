#!/bin/bash
# debug_record: what a real leader decided, decided again from the file alone.
. "$(dirname "$0")/farm.sh"

refused() { # refused ARGS WORDS: when it is submitted, or by the leader
    local id
    id=$(sql "select dashboard.submit_command('debug_record', '$1', 'test', 'io test')" 2>"$T/said") || {
        grep -q "$2" "$T/said" || fail "$1: $(cat "$T/said")"
        return
    }
    wait_for 20 "the refusal" is "select state from farm.command where id = $id" refused
    [[ "$(sql "select message from farm.command where id = $id")" == *"$2"* ]] || fail "$1: $(sql "select message from farm.command where id = $id")"
}
lines() { grep -c "$1" "$T/one.log"; }
new_world() { [ "$(lines ' loaded ')" -gt "$before" ]; }
record() { # record NAME: and wait for its world
    before=$(lines ' loaded ')
    command debug_record "{\"file\": \"$1\", \"period\": \"10m\"}"
    wait_for 20 "a world for the trace $1" new_world
    FILE=$T/one/traces/$1
}
heard() { "$BIN/sim_replay" --dump "$FILE" 2>/dev/null | grep -q "$1"; }
replay() { # replay STATUS WORDS OPTION... : of FILE
    local status=0 wanted=$1 words=$2
    shift 2
    "$BIN/sim_replay" "$@" "$FILE" >"$T/replay" 2>&1 || status=$?
    [ "$status" = "$wanted" ] && grep -q "$words" "$T/replay" || fail "replay of $FILE, status $status: $(tail -n 20 "$T/replay")"
    tail -n 1 "$T/replay"
}

start_farm
start_scheduler one --lease=5s --kill-time=2s
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
push first
wait_for 60 "16 jobs to succeed" all_done 16

say "what cannot be recorded is refused in words"
refused '{"file": "../../etc/passwd"}' 'not by a path'
refused '{"file": "/tmp/trace"}' 'not by a path'
refused '{"file": "x", "period": "2 weeks"}' 'must be a duration'
refused '{"off": true}' 'is not recording'
refused '{}' 'either a name'
[ ! -e "$T/one/traces" ] || fail "a directory for nothing"

say "a trace that begins in the middle: pushes, a cancel, a retry, a drain"
touch "$T/gate"
echo 2 >"$T/plant/images/app/app"
push "edit app"
wait_for 30 "app to run" is "select count(*) from farm.job where state = 'running'" 1
job=$(sql "select id from farm.job where state = 'running'")
record middle
refused '{"file": "other"}' 'is being recorded'
[ "$(stat -c '%a %F' "$FILE")" = '600 regular file' ] || fail "the mode of the trace"
expect "the job that runs went on" "select count(*) from farm.attempt where job_id = $job" 1
command job_cancel "{\"job\": $job}"
command job_retry "{\"job\": $job}"
command worker_drain '{"name": "builder"}'
rm "$T/gate"
echo 3 >"$T/plant/images/base/version"
push "edit base"
wait_for 30 "the reason" is "select count(*) > 0 from farm.job where state = 'ready' and reason = 'drained'" t
expect "why says so, too" "select distinct y.reason || ': ' || y.text from farm.job j, dashboard.why_job(j.id) y where j.state = 'ready'" 'drained: worker builder drained'
command worker_resume '{"name": "builder"}'
wait_for 60 "everything" all_done 20

say "a worker that is killed, a database that is: the trace goes on in the next world"
end edge KILL
wait_for 20 "edge to be missed" is "select state from farm.worker where name = 'edge'" disconnected
before=$(lines ' loaded ')
pg_kill
pg_again || fail "PostgreSQL does not come back"
wait_for 30 "another world" new_world
start_worker edge mirror one
wait_for 20 "edge" is "select state from farm.worker where name = 'edge'" connected
# No world begins after this one and nothing is planned: the weight comes by the command alone.
command repo_set '{"slug": "plant", "weight": "5"}'
wait_for 20 "the brain to hear of the weight" heard 'repo_weight=5'
command debug_record '{"off": true}'
refused '{"file": "middle"}' 'there is a trace middle already'
replay 0 '^2 worlds, .*: the same decisions$'
replay 0 'command_done' --dump
grep -q 'link_down\|tick' "$T/replay" && grep -q ' claim job=' "$T/replay" || fail "the dump: $(head -n 50 "$T/replay")"
grep -aqF -f <(cat "$T"/*.key) "$FILE" && fail "a secret key is in the trace"

say "with another lease it would have gone another way"
replay 1 'is decided in another way' --set lease=9s

say "a file that was cut off, or is none"
# Where 3000 bytes are a whole number of frames, nothing was cut off.
head -c 3000 "$FILE" >"$T/cut"
! "$BIN/sim_replay" "$T/cut" >/dev/null 2>&1 || head -c 3001 "$FILE" >"$T/cut"
whole=$FILE FILE=$T/cut
replay 2 'cut off\|the same decisions as far'
FILE=$T/one.log
replay 2 'this is no trace'

say "a scheduler that was killed leaves a trace without an end"
record killed
push "nothing new"
wait_for 20 "the revision" is "select count(*) from farm.revision" 4
end one KILL
replay 0 'it has no end'

say "a trace that grows beyond its limit ends, and the farm does not"
start_scheduler one --trace-limit=2KiB
wait_for 20 "workers" is "select count(*) from farm.worker where state = 'connected'" 3
record small
wait_for 20 "its end" grep -q 'a trace was recorded file=small' "$T/one.log"
replay 0 'it had reached its size'
[ "$(stat -c %s "$FILE")" -lt 4096 ] || fail "it is too large"
echo 4 >"$T/plant/images/app/app"
push "edit app"
wait_for 60 "app" all_done

end one
say ok
