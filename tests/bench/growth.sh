# growth.sh - how cost grows with the jobs queued and with the workers. Source it after parts.sh.
# shellcheck shell=bash
# shellcheck disable=SC2154  # the sizes are options of tests/bench/run

growth() {
    local n depths='1000 10000 100000 1000000' farms='10 100 1000 5000'
    [ -z "$quick" ] || depths='200 1000' farms='10 50'
    for n in $depths; do growth_jobs "$n"; done
    for n in $farms; do growth_workers "$n"; done
}

# N jobs queued: what it takes to get there, and how fast the first of them go.
growth_jobs() {
    local n=$1 rss0 rss first=$(($1 < reader_jobs ? $1 : reader_jobs))
    say "growth: $n jobs queued"
    bench_fresh "$workers"
    scheduler_start
    rss0=$(rss_kib "$SCHEDULER")
    scheduler_stop
    fill "$n"
    rss=$(rss_kib "$SCHEDULER")
    emit "queued=$n" growth_enqueue jobs/s "$(rate "$JOBS" "$ENQUEUE_NS")"
    emit "queued=$n" growth_load jobs/s "$LOAD_RATE"
    emit "queued=$n" growth_rss_per_job B "$(calc "($rss - $rss0) * 1024 / $n" 0)"
    emit "queued=$n" growth_rss MiB "$(calc "$rss / 1024")"
    drain_all "$workers" "$slots" "$first"
    emit "queued=$n" growth_drain jobs/s "$(member "$LINE" accepted_per_second)"
    emit "queued=$n" growth_cpu us/job "$CPU_PER_JOB"
    bench_drop
}

# N workers: idle, and then pushes come. There are at most 6,400 slots in all. The workers are in several processes.
growth_workers() {
    local n=$1 each=$((6400 / $1 < slots ? 6400 / $1 : slots)) pushes=$(((reader_jobs + push - 1) / push)) cpu0
    local total=$((pushes * push))
    say "growth: $n workers of $each slots"
    bench_fresh "$n"
    bench_first_build
    pushes_prepare "$pushes"
    idle_start "$n" "$each"
    idle_measure "$n"
    sql "vacuum analyze"
    settle
    cpu0=$(cpu_ms "$SCHEDULER")
    sql "select bench.push($pushes)" >/dev/null
    wait_for 600 "$total results" is "select count(*) from farm.attempt where outcome = 'succeeded'" $((total + 2))
    emit "workers=$n" growth_cpu us/job "$(calc "($(cpu_ms "$SCHEDULER") - $cpu0) * 1000 / $total")"
    read -r -t 1 <> <(:) || : # the last acknowledgements
    swarms_stop
    emit "workers=$n" growth_stream jobs/s "$(stream_rate)"
    checked_history "$total"
    bench_drop
}

# From the first order to the last acknowledgement of all swarms.
stream_rate() {
    cat "$T"/swarm-*.json | sed -n 's/.*"accepted":\([0-9]*\),.*"first_order_us":\([0-9]*\),"last_ack_us":\([0-9]*\),.*/\1 \2 \3/p' |
        awk '{ n += $1; if ($2 && (!first || $2 < first)) first = $2; if ($3 > last) last = $3 } END { printf "%.1f", n * 1e6 / (last - first) }'
}
