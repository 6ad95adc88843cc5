# parts.sh - what tests/bench/run measures of bootfarm, one function for each part. Source it after dispatch.sh.
# shellcheck shell=bash
# shellcheck disable=SC2154  # the sizes are options of tests/bench/run

# ---- drain -----------------------------------------------------------------------------------------------------------------------

drain() {
    say "drain: $jobs jobs, $workers workers of $slots slots"
    bench_fresh "$workers"
    fill "$jobs"
    emit "jobs=$JOBS" load_until_ready jobs/s "$LOAD_RATE"
    profile_begin
    drain_all "$workers" "$slots" "$jobs"
    profile_end
    checked_history "$jobs"
    emit "workers=$workers,slots=$slots" drain jobs/s "$(member "$LINE" accepted_per_second)"
    emit "workers=$workers,slots=$slots" scheduler_cpu us/job "$CPU_PER_JOB"
    [ -z "$OWN_PG" ] || emit "workers=$workers,slots=$slots" postgresql_cpu us/job "$PG_PER_JOB"
    emit "workers=$workers,slots=$slots" swarm_cpu us/job "$(calc "$(member "$LINE" cpu_s) * 1000000 / $jobs")"
    bench_drop
}

# fill N: a leader with N tests ready. Sets JOBS and ENQUEUE_NS (bench_enqueue) and LOAD_RATE.
fill() {
    local t0
    bench_first_build
    bench_enqueue "$1"
    t0=$(now_ns)
    scheduler_start
    wait_for 1800 "$1 ready jobs" all_ready "$1"
    LOAD_RATE=$(rate "$JOBS" $(($(now_ns) - t0)))
    sql "vacuum analyze"
    settle
}

# The newest job is ready about last; to count a million again and again would be what is measured.
all_ready() {
    is "select state from farm.job_state order by id desc limit 1" ready && is "select count(*) from farm.job_state where state = 'ready'" "$1"
}

# drain_all WORKERS SLOTS JOBS [OPTION...]: sets LINE (what the swarm says), CPU_PER_JOB and PG_PER_JOB.
drain_all() {
    local cpu0 pg0
    cpu0=$(cpu_ms "$SCHEDULER") pg0=$(pg_cpu_ms)
    LINE=$(swarm "$1" --slots="$2" --jobs="$3" --timeout=1800s "${@:4}") || fail "drain: $LINE"
    CPU_PER_JOB=$(calc "($(cpu_ms "$SCHEDULER") - $cpu0) * 1000 / $3")
    PG_PER_JOB=$(calc "($(pg_cpu_ms) - $pg0) * 1000 / $3")
    say "  $LINE"
}

# History is kept: an attempt for each of N tests, and every transition in an event. The first build comes with one more of each.
checked_history() {
    is "select count(*) from farm.job where state = 'succeeded' and kind = 'test'" $(($1 + 1)) || fail "not all jobs succeeded"
    is "select count(*) from farm.attempt where outcome = 'succeeded' and started_at is not null" $(($1 + 2)) || fail "attempts are missing"
    is "select count(*) from farm.job j where j.kind = 'test' and (select array_agg(v order by e.seq, o) from farm.event e, unnest(e.via) with ordinality u (v, o) where e.job_id = j.id)
        = '{waiting,ready,leased,running,succeeded}'" $(($1 + 1)) || fail "transitions are missing"
    is "select count(*) from farm.quarantine" 0 || fail "PostgreSQL refused rows"
}

# ---- floor -----------------------------------------------------------------------------------------------------------------------

# What PostgreSQL needs for the rows alone: no function, trigger, work order, network, scheduler or worker; two sessions. First those that a plan
# inserts; then, each in a database that has not grown by them, the four that a job writes when it runs, and those of a single job from its command on.
floor() {
    local part
    for part in floor_of_a_plan floor_of_a_job floor_of_a_start; do
        bench_fresh 1
        fill "$([ "$part" = floor_of_a_start ] && echo "$single" || echo "$jobs")"
        scheduler_stop
        $part
    done
    emit "c=2" floor_of_stream jobs/s "$(calc "1 / (1 / $PLAN_RATE + 1 / $JOB_RATE)")"
    bench_drop
}

# The same rows once more, into empty tables with the same indexes, 1,000 images a transaction: each a build, which is skipped, and a test. Sets PLAN_RATE.
floor_of_a_plan() {
    local t0 pieces=$(((jobs + 999) / 1000 / 2 * 2))
    [ "$pieces" -gt 0 ] || pieces=2
    say "floor: the inserts of $jobs images"
    {
        printf 'select nextval(%s) as b \\gset\nbegin;\n' "'bench.piece'"
        sql "create sequence bench.piece minvalue 0; select bench.pieces('{image,spec,image_arch_plan,image_arch_state,provided,job_fixed,job_state,event_log}', $pieces)"
        echo 'commit;'
    } >"$T/floor.sql"
    sql "vacuum analyze"
    settle
    t0=$(now_ns)
    "$PG_BIN/pgbench" -n -M prepared -j 1 -c 2 -t $((pieces / 2)) -f "$T/floor.sql" "$DB" >"$T/floor.out" 2>&1 || fail "$(cat "$T/floor.out")"
    PLAN_RATE=$(rate "$jobs" $(($(now_ns) - t0)))
    is "select (select count(*) from bench.to_job_state) = (select count(*) from farm.job_state) and (select count(*) from bench.to_spec) = (select count(*) from farm.spec)" t ||
        fail "not all rows were inserted"
    emit "push=1000,c=2" floor_of_inserts jobs/s "$PLAN_RATE"
}

# One session, two transactions: the command, with a NOTIFY; its end, the job, its state and its event, in one pipeline. A hundred a second, as those of
# `latency` come: one after the other they take two thirds of that, since nothing falls asleep in between. What is late is not counted (the last column).
floor_of_a_start() {
    say "floor: the rows of $single single jobs"
    sql "alter table farm.command disable trigger all" >/dev/null
    {
        cat <<'SQL'
\set b :b + 1
with c as (insert into farm.command (verb, args, who, source) values ('test', '{"image": "an-image", "ref": "main"}', 'bench', 'tests/bench') returning id) select id, pg_notify('bench', '') from c \gset
\startpipeline
begin;
update farm.command set state = 'done', outcome = '{}', ended_at = now() where id = :id;
SQL
        sql "select bench.pieces('{job_fixed,job_state,event_log}', (select count(*)::int from farm.job_state))" # one row each
        printf 'commit;\n\\endpipeline\n'
    } >"$T/floor.sql"
    sql "vacuum analyze"
    settle
    (cd "$T" && "$PG_BIN/pgbench" -n -M prepared -c 1 -R 100 -t "$single" -D b=-1 -l --log-prefix=start -f floor.sql "$DB" >floor.out 2>&1) || fail "$(grep -m 1 -i error "$T/floor.out")"
    is "select count(*) from bench.to_job_state" "$single" || fail "not all rows were inserted"
    awk '{ print ($3 - $7) / 1000 }' "$T"/start.* | sort -g >"$T/latency"
    emit "c=1" floor_of_start_p50 ms "$(quantile 0.5)"
}

# 256 jobs a transaction. Sets JOB_RATE.
floor_of_a_job() {
    local t0 batch=256 rounds
    rounds=$(((jobs + 2 * batch - 1) / (2 * batch)))
    say "floor: the writes of $jobs jobs"
    sql "create table bench.todo as
             select row_number() over (order by j.id) - 1 as ord, j.id, j.image_arch_id, s.input_key, bench.digest('result') as digest, s.repository, s.serial
               from farm.job_fixed j join farm.job_state s on s.id = j.id where s.state = 'ready';
         create unique index on bench.todo (ord);
         create sequence bench.batch minvalue 0;
         alter table farm.job_state disable trigger all" >/dev/null
    sql "vacuum analyze"
    settle
    cat >"$T/floor.sql" <<SQL
select nextval('bench.batch') * $batch as at \gset
update farm.job_state s set state = 'leased', attempts = 1, attempt_id = gen_random_uuid(), worker_id = 1, boot_id = gen_random_uuid(), term = 1, leased_at = now(), leased_seq = nextval('farm.event_seq')
  from bench.todo i where i.ord between :at and :at + $batch - 1 and s.id = any (array[i.id]);
begin;
update farm.job_state s set state = 'succeeded', ended_at = now(), outcome = 'succeeded', next_state = 'succeeded', started_at = now(), finished_at = now(), finished_seq = nextval('farm.event_seq'), digest = i.digest
  from bench.todo i where i.ord between :at and :at + $batch - 1 and s.id = any (array[i.id]);
insert into farm.verdict (test_key, digest, passed, attempt_id)
    select i.input_key, i.digest, true, '00000000-0000-4000-8000-000000000001' from bench.todo i where i.ord between :at and :at + $batch - 1 on conflict (test_key) do nothing;
update farm.image_arch_state a set passing_digest = i.digest, passing_repository = i.repository, passing_serial = i.serial
  from bench.todo i where i.ord between :at and :at + $batch - 1 and a.id = any (array[i.image_arch_id]);
commit;
SQL
    t0=$(now_ns)
    PGOPTIONS='-c enable_seqscan=off -c enable_hashjoin=off -c enable_mergejoin=off' "$PG_BIN/pgbench" -n -M prepared -j 1 -c 2 -t "$rounds" -f "$T/floor.sql" "$DB" >"$T/floor.out" 2>&1 || fail "$(cat "$T/floor.out")"
    JOB_RATE=$(rate "$jobs" $(($(now_ns) - t0)))
    is "select count(*) from farm.job_state where state = 'succeeded' and kind = 'test'" $((jobs + 1)) || fail "not all jobs were written"
    emit "batch=$batch,c=2" floor_of_writes jobs/s "$JOB_RATE"
}

# ---- e2e -------------------------------------------------------------------------------------------------------------------------

# Each push is to a repository of its own. The planner is replaced by one that prints what it would have planned; all that the scheduler does about a
# push is there: the command, the poll, the process, its output, the commit, the rows into the brain.
e2e() {
    local pushes=$(((jobs + push - 1) / push)) t0 ns pid
    local total=$((pushes * push))
    say "e2e: $pushes pushes of $push images, $workers workers of $slots slots"
    bench_fresh "$workers"
    bench_first_build
    pushes_prepare "$pushes"
    scheduler_start
    swarm "$workers" --slots="$slots" --jobs="$total" --timeout=900s >"$T/swarm.json" &
    pid=$!
    wait_for 60 "the workers" is "select count(*) from farm.worker where state = 'connected'" "$workers"
    sql "vacuum analyze"
    settle
    profile_begin
    t0=$(now_ns)
    sql "select bench.push($pushes)" >/dev/null
    wait "$pid" || fail "e2e: $(cat "$T/swarm.json")"
    ns=$(($(now_ns) - t0))
    profile_end
    say "  $(cat "$T/swarm.json")"
    checked_history "$total"
    emit "workers=$workers,push=$push" "e2e_enqueue+run+durable" jobs/s "$(rate "$total" "$ns")"
    bench_drop
}

# pushes_prepare N: so many repositories, and the plans of their next commit. Nobody leads.
pushes_prepare() {
    local n
    sql "select bench.push_repos($1)" >/dev/null
    mkdir -p "$T/pushes"
    for n in $(seq "$1"); do sql "select bench.push_document($n, $push)" >"$T/pushes/push-$n"; done
    # shellcheck disable=SC2016 # it is for the planner's shell
    printf '#!/bin/sh\nexec cat "%s/$(sed %s)"\n' "$T/pushes" "'s/.*\"slug\":\"\([^\"]*\)\".*/\1/'" >"$T/planner"
    chmod +x "$T/planner"
}

# ---- latency ---------------------------------------------------------------------------------------------------------------------

latency() {
    say "latency: $single jobs, one at a time"
    bench_fresh 2
    bench_first_build
    bench_enqueue $((single + WARM))
    scheduler_start
    swarm 1 --slots=64 --jobs=$((single + WARM)) --timeout=300s >/dev/null || fail "the first tests"
    one_at_a_time "$single" 1
    emit "workers=1" submit_to_start_p50 ms "$P50"
    emit "workers=1" submit_to_start_p99 ms "$P99"
    bench_drop
}

# one_at_a_time N WORKER: tests of N images again, on an idle farm whose only worker is that one, never seen before. The leader is a new one, too: the
# last one still counts on the workers of before, whose lease goes on. The first WARM jobs do not count. Sets P50 and P99.
WARM=50
one_at_a_time() {
    local n=$(($1 + WARM)) pid p
    wait_for 60 "an idle farm" is "select count(*) from farm.job where state in ('waiting', 'ready', 'leased', 'running')" 0
    scheduler_stop
    scheduler_start
    swarm 1 --first="$2" --slots=64 --jobs="$n" --timeout=300s --starts="$T/starts" >"$T/swarm.json" &
    pid=$!
    wait_for 30 "the worker" is "select state from farm.worker where name = 'swarm-$(($2 + 1))'" connected
    settle
    profile_begin
    for ((p = 1; p <= n; p++)); do echo "bench:i1-$p@b1"; done |
        "$BIN/bootfarm-submit" "host=$PGHOST port=$PGPORT user=postgres dbname=$DB" test 10 >"$T/asked" || fail submit
    wait "$pid" || fail "latency: $(cat "$T/swarm.json")"
    profile_end
    join <(tail -n "+$((WARM + 1))" "$T/asked" | sort) <(sort "$T/starts") | awk '{ print ($3 - $2) / 1e6 }' | sort -g >"$T/latency"
    [ "$(wc -l <"$T/latency")" = "$1" ] || fail "only $(wc -l <"$T/latency") of $1 jobs were seen"
    P50=$(quantile 0.5)
    P99=$(quantile 0.99)
}
quantile() { awk -v p="$1" '{ v[NR] = $1 } END { i = int(NR * p + 0.999999); printf "%.3f", v[i < 1 ? 1 : i] }' "$T/latency"; }

# ---- enqueue ---------------------------------------------------------------------------------------------------------------------

enqueue() {
    say "enqueue: plans of 10,000 images"
    bench_fresh 1
    bench_enqueue "$jobs"
    emit "plan=10000 images" enqueue_bulk jobs/s "$(rate "$JOBS" "$ENQUEUE_NS")"
    bench_drop
}

# ---- memory ----------------------------------------------------------------------------------------------------------------------

memory() {
    queued_memory
    bench_fresh "$idle"
    idle_start "$idle" 4
    idle_measure "$idle"
    swarms_stop
    scheduler_stop
    traffic_of_one "$idle"
    bare_router "$idle"
    bench_drop
}

queued_memory() {
    local rss0 rss
    say "memory: $queued jobs queued"
    bench_fresh 1
    scheduler_start
    rss0=$(rss_kib "$SCHEDULER")
    scheduler_stop
    fill "$queued"
    rss=$(rss_kib "$SCHEDULER")
    emit "queued=$queued" rss MiB "$(calc "$rss / 1024")"
    emit "queued=$queued" rss_per_job B "$(calc "($rss - $rss0) * 1024 / $queued" 0)"
}

# idle_start N SLOTS: a leader with so many workers. Not all at once: refused connections are not what is measured. Sets RSS0, without them.
idle_start() {
    local n=$1 k per=500
    say "memory: $n idle workers"
    scheduler_start
    RSS0=$(rss_kib "$SCHEDULER")
    for ((k = 0; k < n; k += per)); do
        swarm_start $((n - k < per ? n - k : per)) --first="$k" --slots="$2"
        wait_for 300 "connected workers" is "select count(*) from farm.worker where state = 'connected'" $((n - k < per ? n : k + per))
    done
    read -r -t 5 <> <(:) || : # the connecting is not idle time
}

# Heartbeats only; memory is looked at after them.
idle_measure() {
    local n=$1 rss began cpu0
    began=$(now_ns) cpu0=$(cpu_ms "$SCHEDULER")
    read -r -t "$idle_seconds" <> <(:) || :
    emit "workers=$n" idle_cpu percent "$(calc "($(cpu_ms "$SCHEDULER") - $cpu0) * 1e8 / ($(now_ns) - $began)" 2)"
    rss=$(rss_kib "$SCHEDULER")
    emit "workers=$n" idle_rss MiB "$(calc "($rss - $RSS0) / 1024")"
    emit "workers=$n" idle_rss_per_worker KiB "$(calc "($rss - $RSS0) / $n")"
}

# Sets ROUNDS, ASK and ANSWER: the messages of one of N workers.
traffic_of_one() {
    local reports orders in out
    reports=$(sum_of reports) orders=$(sum_of orders) in=$(sum_of bytes_in) out=$(sum_of bytes_out)
    ROUNDS=$(calc "$reports / $1" 0) ASK=$(calc "$out / $reports" 0) ANSWER=$(calc "$in / $orders" 0)
    say "  each: $ROUNDS reports of $ASK bytes, $(calc "$orders / $1") orders of $ANSWER bytes"
}
sum_of() { cat "$T"/swarm-*.json | sed -n "s/.*\"$1\":\\([0-9]*\\).*/\\1/p" | awk '{ n += $1 } END { print n }'; }

# As many peers and messages, and nothing but a socket; then a socket with an authenticator.
bare_router() {
    local n=$1 with line kib
    for with in '' zap; do
        line=$("$BIN/bench_router" "$n" "$ROUNDS" "$ASK" "$ANSWER" "$idle_seconds" $with) || fail "bench_router"
        kib=$(($(member "$line" rss_kib) - $(member "$line" rss_before_kib)))
        emit_as "router${with:+-$with}" "peers=$n" idle_rss MiB "$(calc "$kib / 1024")"
        emit_as "router${with:+-$with}" "peers=$n" idle_rss_per_peer KiB "$(calc "$kib / $n")"
        emit_as "router${with:+-$with}" "peers=$n" idle_cpu percent "$(member "$line" idle_cpu)"
    done
}

# ---- reader ----------------------------------------------------------------------------------------------------------------------

# The same drain and the same single jobs twice; the second time beside a reader that has been idle in a transaction from the beginning.
reader() {
    local who
    for who in none idle; do
        say "reader: $who, $reader_jobs jobs"
        bench_fresh $((workers + 1))
        [ "$who" = none ] || reader_start
        fill "$reader_jobs"
        drain_all "$workers" "$slots" "$reader_jobs"
        one_at_a_time "$single" "$workers"
        [ "$who" = none ] || reader_is_idle || fail "the reader's transaction has ended"
        reader_stop
        emit "reader=$who" reader_drain jobs/s "$(member "$LINE" accepted_per_second)"
        emit "reader=$who" reader_submit_to_start_p50 ms "$P50"
        emit "reader=$who" reader_submit_to_start_p99 ms "$P99"
        bench_drop
    done
}
