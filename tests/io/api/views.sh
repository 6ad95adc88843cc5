#!/bin/bash
# Every view by every filter, compared with what PostgreSQL itself says; paging; one job; settings; health.
. "$(dirname "$0")/lib.sh"
farm_up

act "select t.push(t.plan('one', array[t.image('base', '1'), t.image('hmi', '1', '{base}'), t.image('gateway', '1', '{base}')],
                   errors => '[{\"file\": \"images/x/Containerfile\", \"line\": 3, \"column\": 8, \"code\": \"unset-argument\", \"message\": \"V is not set\", \"hint\": \"set it\"}]'))" \
    "select farm.base_resolved(b.id, t.d('debian'), null) from farm.base b" \
    "select t.run_all('plant:base@main', t.d('base-1'))" "select t.run_all('plant:hmi@main', t.d('hmi-1'))" \
    "select t.ready(t.job('build:plant:gateway@main:amd64'))" \
    "select t.finish(t.claim(t.job('build:plant:gateway@main:amd64')), t.bad('user', 'run-failed'), 'failed')" \
    "select t.push(t.plan('two', array[t.image('base', '1')], 'pull/7'))" \
    "select farm.worker_seen(array[t.worker('hub-1')], array[t.uuid(1)], array['connected'], array['{\"arch\": \"amd64\", \"slots\": 2, \"version\": \"1\"}'::jsonb])" \
    "insert into farm.quarantine (what, object, error) values ('test', 'job 1', 'refused')" \
    "select dashboard.submit_command('repo_sync', '{\"slug\": \"plant\"}', 'ann', 'unix:uid=0')" >/dev/null

# ---- lists -----------------------------------------------------------------------------------------------------

known=$(sql "select string_agg(table_name, ' ' order by table_name) from information_schema.views where table_schema = 'dashboard'")
get /v1/nothing
status_is 404
listed=$(jq -r .error <<<"$body" | sed 's/.*there are //; s/,//g' | tr ' ' '\n' | sort | tr '\n' ' ')
[ "$listed" = "$known " ] || fail "the API knows '$listed', the schema '$known'"
sql "select table_name || ' ' || column_name || ' ' || replace(data_type, ' ', '-') from information_schema.columns where table_schema = 'dashboard'" >"$T/columns"

# One psql for each view compares all answers with the view itself. The age of the leader is never the same.
compare() { # compare VIEW FILE CONDITION
    cat <<SQL
\set body \`cat $T/$2\`
select 'differs: $1 where ' || \$q\$$3\$q\$
 where (select coalesce(jsonb_agg(e - 'seconds_ago' order by e::text), '[]') from jsonb_array_elements(:'body') e)
       <> (select coalesce(jsonb_agg(to_jsonb(v) - 'seconds_ago' order by to_jsonb(v)::text), '[]') from dashboard.$1 v where $3);
SQL
}

checked=0
for view in $known; do
    get "/v1/$view"
    status_is 200
    [ "$body" != "[]" ] || fail "the test has no row for $view"
    cp "$T/body" "$T/all"
    compare "$view" all true >"$T/compare.sql"

    get "/v1/$view?no_such_column=1"
    status_is 400
    columns=$(jq -r .error <<<"$body" | sed -E 's/.*it can be by //; s/, (limit|after|order)//g; s/,//g')
    # A value that a row has (of an array one element), else one that fits the type.
    jq -r '[.[] | to_entries[] | select(.value != null) | .value |= if type == "array" then .[0] else . end | select(.value != null)]
           | unique_by(.key)[] | "\(.key) \(.value)"' "$T/all" >"$T/values"
    for column in $columns; do
        type=$(sed -n "s/^$view $column //p" "$T/columns")
        value=$(sed -n "s/^$column //p" "$T/values")
        case $type in
            ARRAY) where="'$value' = any (v.$column)" ;;
            '') fail "$view has no column $column" ;;
            *) where="v.$column = '$value'" ;;
        esac
        if [ -z "$value" ]; then
            where=false
            case $type in bigint | integer) value=1 ;; boolean) value=true ;; uuid) value=00000000-0000-4000-8000-000000000000 ;; *) value=none ;; esac
        fi
        ask -G --data-urlencode "$column=$value" "http://x/v1/$view"
        status_is 200
        checked=$((checked + 1))
        cp "$T/body" "$T/by.$checked"
        compare "$view" "by.$checked" "$where" >>"$T/compare.sql"
    done
    differs=$(psql -X -q -At -v ON_ERROR_STOP=1 -f "$T/compare.sql") || fail "$view cannot be compared"
    [ -z "$differs" ] || fail "$differs"
done
[ "$checked" -gt 80 ] || fail "only $checked filters were checked"

# Text that looks like SQL stays text.
for value in "' or true --" "x'; drop table farm.job; --" '$1' '\' '%' '{a,b}'; do
    ask -G --data-urlencode "state=$value" http://x/v1/jobs
    status_is 200
    [ "$body" = "[]" ] || fail "filter $value found something: $body"
done
[ "$(sql "select count(*) > 0 from farm.job")" = t ] || fail "the jobs are gone"

# ---- several values, paging ---------------------------------------------------------------------------------------

get "/v1/jobs?state=failed&state=succeeded&kind=build"
holds '[.[].state] | unique == ["failed", "succeeded"]'
holds 'all(.[]; .kind == "build") and length == 3'

get "/v1/jobs?limit=10000"
all=$(jq -c '[.[].id]' <<<"$body")
for order in oldest newest; do
    after= seen=()
    while get "/v1/jobs?limit=3&order=$order${after:+&after=$after}" && [ "$body" != "[]" ]; do
        [ "$(jq length <<<"$body")" -le 3 ] || fail "more rows than the limit"
        seen+=($(jq -r '.[].id' <<<"$body"))
        after=${seen[-1]}
    done
    sorted=$(printf '%s\n' "${seen[@]}" | jq -cs "if \"$order\" == \"newest\" then reverse else . end")
    [ "$sorted" = "$all" ] || fail "paging by $order gave $sorted instead of $all"
done

# A slow transaction has a number, a quick one a higher number and is seen first: who reads on misses neither.
event() { echo "insert into farm.event_log (actor, via, ats) values ('$1', '{}', '{}')"; }
last=$(sql "select last_value from farm.event_seq")
writer_begin "$(event slow)"
wrote() { [ "$(sql "select last_value from farm.event_seq")" -gt "$last" ]; }
soon "the slow one has a number" wrote
sql "$(event quick)"
ask -D "$T/head" "http://x/v1/events?after=$last"
status_is 503
says "a transaction is still writing to events (ask again)"
grep -qi '^retry-after: ' "$T/head" || fail "503 without Retry-After: $(cat "$T/head")"
get "/v1/events?order=newest&limit=1"
holds '[.[].actor] == ["quick"]'
writer_end
read_on() { get "/v1/events?after=$last" && [ "$status" = 200 ]; }
soon "the slow one has ended" read_on
holds '[.[].actor] == ["slow", "quick"]'
# Whatever adds to a list is waited for, and nothing else.
while read -r list table; do
    writer_begin "lock table farm.$table in row exclusive mode"
    soon "somebody writes to $table" locked "$table" RowExclusiveLock
    get "/v1/$list?after=0"
    status_is 503
    get "/v1/images?after=0"
    status_is 200
    writer_end
    ended() { get "/v1/$list?after=0" && [ "$status" = 200 ]; }
    soon "nobody writes to $table" ended
done <<'TABLES'
events event_log
events job_fixed
events job_state
jobs job_fixed
releases release
commands command
quarantine quarantine
TABLES

# ---- one thing --------------------------------------------------------------------------------------------------------

get /v1/jobs/build:plant:gateway@main:amd64
status_is 200
holds '.state == "failed" and .code == "run-failed" and (.attempts | length) == 1 and .attempts[0].outcome == "failed"'
holds '[.events[].via[]] == ["waiting", "ready", "leased", "running", "failed"]'
id=$(jq .id <<<"$body")
get "/v1/jobs/$id"
status_is 200
holds ".id == $id"
# The newest one of a name that several have had.
act "select t.do('build', '{\"image\": \"plant:gateway@main\"}')" >/dev/null
get /v1/jobs/build%3Aplant%3Agateway%40main%3Aamd64
holds ".id > $id and .state == \"waiting\""
for absent in 999999 build:plant:nothing@main:amd64 "x'%20or%20true" build::@: 0 -1; do
    get "/v1/jobs/$absent"
    status_is 404
done

get /v1/setting/arch
holds '.name == "arch" and .value == "amd64"'
get /v1/setting/none
status_is 404

sql "update farm.leader set renewed_at = now()"
get /v1/health
status_is 200
holds '.database == true and .leader == "test" and .term > 0 and (.version | length) > 0'
sql "update farm.leader set renewed_at = now() - interval '1 hour'"
get /v1/health
holds '.leader == null'

# ---- changes -----------------------------------------------------------------------------------------------------------

get /v1/changes
change=$(jq .change <<<"$body")
get "/v1/changes?after=$((change - 1))&wait=60"
holds ".change >= $change"
change=$(jq .change <<<"$body")
(ask "http://x/v1/changes?after=$change&wait=60" && echo "$body" >"$T/changed") &
waiter=$!
act "select farm.worker_seen(array[t.worker('hub-1')], array[t.uuid(1)], array['draining'], array['{}'::jsonb])" >/dev/null
wait "$waiter"
[ "$(jq .change "$T/changed")" -gt "$change" ] || fail "a change did not wake: $(cat "$T/changed")"
get "/v1/changes?after=$(jq .change "$T/changed")&wait=1"
status_is 200

# The schema's doors are closed to this role but for the one function.
for statement in "select * from farm.job" "delete from farm.job" "select farm.lead('x')" "insert into dashboard.settings values ('a', 'a', 'b')"; do
    ! psql -X -q -d "$DATABASE" -c "$statement" >/dev/null 2>&1 || fail "the API's role may: $statement"
done
api_stop
