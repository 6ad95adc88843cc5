#!/bin/bash
# The command line over a real API: lists, commands, logs, what status says, mistakes, exit statuses.
. "$(dirname "$0")/lib.sh"
farm_up

# bf ARG...: output in $out, errors in $err, exit status in $rc
bf() {
    rc=0
    "$BIN/bootfarm" "$@" >"$T/out" 2>"$T/err" </dev/null || rc=$?
    out=$(cat "$T/out") err=$(cat "$T/err")
    case $rc in 0 | 1 | 2) ;; *) fail "bootfarm $* ended with $rc: $err" ;; esac
}
ends() { [ "$rc" = "$1" ] || fail "exit status $rc instead of $1: $out $err"; }
prints() { grep -qE -- "$1" <<<"$out" || fail "output lacks '$1': $out"; }
complains() { grep -qF -- "$1" <<<"$err" || fail "the complaint lacks '$1': $err"; }

# ---- an empty farm ---------------------------------------------------------------------------------------------------

sql "update farm.leader set renewed_at = now() - interval '1 hour'"
bf status
ends 0
prints 'no images yet'
prints 'no scheduler leads'
prints 'worker hub-1: enrolled, but never connected'
bf health
ends 1
bf repo sync plant --timeout 1s
ends 1
complains "no scheduler has taken it up yet"
bf repo sync plant --no-wait
ends 0
prints '^submitted as command [0-9]+$'

leader_start
led() { bf health && [ "$rc" = 0 ]; }
soon "a leader is seen" led

# ---- every list: a table, and the rows as the API has them -----------------------------------------------------------------

act "select t.push(t.plan('one', array[t.image('base', '1'), t.image('hmi', '1', '{base}'), t.image('gateway', '1', '{base}')],
                   errors => '[{\"file\": \"images/x/Containerfile\", \"line\": 3, \"column\": 8, \"code\": \"unset-argument\", \"message\": \"V is not set\", \"hint\": \"set it\"}]'))" \
    "select farm.base_resolved(b.id, t.d('debian'), null) from farm.base b" \
    "select t.run_all('plant:base@main', t.d('base-1'))" \
    "select t.ready(t.job('build:plant:gateway@main:amd64'))" \
    "select t.finish(t.claim(t.job('build:plant:gateway@main:amd64')), '{\"outcome\": \"failed\", \"class\": \"user\", \"code\": \"run-failed\", \"step\": \"RUN exit 7\", \"message\": \"exit status 7\", \"detail\": {\"tail\": [\"about to fail\", \"now\"]}}'::jsonb, 'failed')" \
    "select farm.worker_seen(array[t.worker('hub-1')], array[t.uuid(1)], array['connected'], array['{\"arch\": \"amd64\", \"slots\": 2, \"version\": \"1\"}'::jsonb])" \
    "select farm.worker_seen(array[t.worker('hub-2')], array[t.uuid(2)], array[u], array['{}'::jsonb]) from unnest('{connected,disconnected}'::text[]) u" >/dev/null

while read -r view filter words; do
    # shellcheck disable=SC2086
    bf ${words//\~/ } --json
    ends 0
    jq -cS . <<<"$out" >"$T/ours"
    get "/v1/$view?limit=10000${filter#-}"
    jq -cS . <<<"$body" | diff - "$T/ours" || fail "bootfarm $words differs from the API"
    # shellcheck disable=SC2086
    bf ${words//\~/ }
    ends 0
    [ "$(wc -l <<<"$out")" -gt 1 ] || fail "bootfarm $words shows no row: $out"
    grep -q "[[:cntrl:]]" <<<"${out//$'\n'/}" && fail "bootfarm $words sends control characters into a pipe"
done <<'LISTS'
images - status
repositories - repo~list
repositories - repo
ref_policies - repo~refs
sites - site~list
bases - base~list
bases &arch=amd64 base~list~--arch~amd64
workers - worker~list
workers &site=acp-1 worker~list~--site~acp-1
workers &state=connected&state=disconnected worker~list~--state~connected,disconnected
jobs &order=newest job~list
jobs &order=newest&state=failed&state=succeeded&kind=build job~list~--state=failed,succeeded~--kind~build
jobs &order=newest&image=plant:base@main job~list~--image~plant:base@main
queue - queue
queue &kind=test queue~--kind~test
events &order=newest events
events &order=newest&actor=worker:hub-1 events~--actor~worker:hub-1
releases &order=newest release~list
presence - presence~list
presence &state=Present presence~list~--state~Present
commands &order=newest command~list
commands &order=newest&verb=site_add command~list~--verb~site_add
LISTS
bf job list -n 2 --json
[ "$(jq length <<<"$out")" = 2 ] || fail "-n 2 gave $(jq length <<<"$out")"
bf job list --state nonsense
ends 0
prints '^nothing that matches$'

# ---- status ------------------------------------------------------------------------------------------------------------------

bf status
ends 0
prints '^plant:base@main +amd64 +Synced'
prints '^plant:gateway@main +amd64 +Degraded'
prints '^3 images: 1 Synced, 1 Progressing, 1 Degraded'
prints 'plant@main: images/x/Containerfile:3:8: error: V is not set \(set it\)'
prints 'plant:gateway@main: build failed: RUN exit 7: exit status 7: run-failed; bootfarm job logs [0-9]+'
prints '^    \| about to fail$'
prints 'worker hub-2: disconnected for'
hub_1_is() { act "select farm.worker_seen(array[t.worker('hub-1')], array[t.uuid(1)], array['$1'], array['{}'::jsonb])" >/dev/null && bf status; }
hub_1_is resting
prints 'worker hub-1: resting for .*: it failed what went through at others$'
hub_1_is connected
! grep -q 'worker hub-1' <<<"$out" || fail "a connected worker is a problem: $out"
bf status --repository none --json
[ "$out" = "[]" ] || fail "a filter shows $out"

# On a terminal: colours, and not with NO_COLOR.
tty_run() { script -qec "env $1 TERM=xterm $BIN/bootfarm status" /dev/null </dev/null; }
tty_run NO_COLOR= | grep -q $'\033\\[31mDegraded' || fail "no colour on a terminal"
! tty_run NO_COLOR=1 | grep -q $'\033' || fail "colours in spite of NO_COLOR"
! tty_run "NO_COLOR= TERM=dumb" | grep -q $'\033\\[31m' || true

# ---- commands ---------------------------------------------------------------------------------------------------------------------

bf repo add https://git.example/shop.git --refs 'main,tags/v*' --poll-every 2m --ssh-key /etc/key
ends 0
[ "$(sql "select refs::text || poll_every || (git->>'ssh_key') from farm.repo where slug = 'shop'")" = '{main,tags/v*}00:02:00/etc/key' ] ||
    fail "repo add stored $(sql "select * from farm.repo where slug = 'shop'")"
bf repo set shop --weight 3
ends 0
bf repo list --json
[ "$(jq -r '.[] | select(.name == "shop").weight' <<<"$out")" = 3 ] || fail "repo set: $out"
bf repo set shop --weight 1001
ends 1
complains 'weight must be a number from 1 to 1000'
bf repo set shop
ends 2
complains '--weight is needed'
bf repo remove shop
ends 0
bf repo remove shop
ends 1
complains "there is no repository shop"
bf site add acp-3 --registry acp3:5000 --on-partition kill --grace 10m
ends 0
[ "$(sql "select kind || registry || on_partition || grace from farm.site where name = 'acp-3'")" = acpacp3:5000kill00:10:00 ] || fail "site add"
bf base bump debian:12 --dry-run
ends 0
prints '^another digest of quay.io/os/debian:12 rebuilds 3 images in 2 waves$'
prints '^ *0 +1 .* plant:base@main:amd64$'
prints '^ *1 +2 .* plant:gateway@main:amd64,plant:hmi@main:amd64$'
prints '^2 of 3 images were never built here'
prints '^about [0-9]+ s of work'
bf base bump debian:13 --dry-run
ends 1
complains 'there is no base debian:13'
bf base check debian:12 --timeout 1s
ends 1
complains 'not all registries have answered yet'
act "select farm.base_resolved(id, t.d('debian'), null, asked) from farm.bases_due('1h')" >/dev/null
sql "update farm.base set check_done = 9" >/dev/null       # as if the registry had answered in time
bf base bump debian:12
ends 0
prints '^nothing to do: all that stands on quay.io/os/debian:12 is built from its newest digest'
bf worker drain hub-1
ends 0
prints 'done by the test'
bf worker resume hub-1
ends 0
bf worker set hub-1 --slots 2
ends 0
[ -z "$err" ] || fail "two slots are offered: $err"
bf worker set hub-1 --slots 1000
ends 0
complains 'hub-1 offers 2 slots by its own configuration'
bf worker set hub-1
ends 2
bf worker set hub-1 --slots 5000
ends 1
complains 'slots must be a number from 1 to 1024, or auto'
bf site scale hub 3 --max 10
ends 0
bf site list
prints '^hub +hub( +[0-9]+){5} +0 +10 +3 '
bf site scale hub --auto --min none --max none
ends 0
bf site scale hub 3 --auto
ends 2
bf site scale hub
ends 2
bf worker revoke hub-2
ends 0
bf worker revoke hub-2x
ends 1
complains "there is no worker hub-2x"
bf setting set release_registry release:5000
ends 0
bf setting get release_registry
[ "$out" = release:5000 ] || fail "setting get printed $out"
bf debug record monday --for 5m
ends 0
bf debug record ../monday
ends 1
complains 'not by a path (it is written below the state_dir of the scheduler that leads'
bf debug record monday --off
ends 2
bf setting get nothing
ends 1
bf setting set nothing 1
ends 1
complains "there is no setting nothing"
bf build plant:gateway@main
ends 0
prints '^made build:plant:gateway@main:amd64, test:plant:gateway@main:amd64'
bf build gateway --json
[ "$(jq -r .state <<<"$out")" = done ] || fail "build --json printed $out"
bf build nothing
ends 1
complains "there is no image nothing"
bf test base
ends 0
bf publish plant:base
ends 0
bf mirror base --site acp-1
ends 0
prints 'mirror:plant:base@main:acp-1'
bf mirror base --site hub
ends 1
complains "hub"
bf job cancel build:plant:hmi@main:amd64
ends 0
bf job retry 1
ends 0
bf job retry build:x:y@z:amd64
ends 1
bf events --json -n 1
ends 0

# ---- enrolment ------------------------------------------------------------------------------------------------------------------------

bf worker enroll edge --site acp-1 --roles mirror --key "$T/edge.key"
ends 1
complains "public key" # of the farm: no scheduler has said it yet
sql "insert into farm.setting values ('curve_public', rpad('f', 40, 'f'))"
bf worker enroll edge --site acp-1 --roles mirror --key "$T/edge.key" --schedulers tcp://hub:1
ends 0
! grep -vE '^#|^[a-z_]+ = |^$' <<<"$out" || fail "more than the configuration is on standard output: $out"
[ "$(stat -c %a "$T/edge.key")" = 600 ] || fail "the key has mode $(stat -c %a "$T/edge.key")"
prints '^name = edge$'
prints '^schedulers = tcp://hub:1$'
prints '^# log_endpoints = '
prints "^server_key = $(printf 'f%.0s' {1..40})$"
prints "^key_file = $T/edge.key$"
! grep -qF "$(cat "$T/edge.key")" <<<"$out$err" || fail "the secret key was printed"
! sql "select args from farm.command" | grep -qF "$(cat "$T/edge.key")" || fail "the secret key was sent"
[ "$(sql "select length(public_key) from farm.worker where name = 'edge'")" = 40 ] || fail "no public key"
# Again with the key that is there: the same worker.
before=$(sql "select public_key from farm.worker where name = 'edge'")
bf worker enroll edge --site acp-1 --roles mirror,publish --key "$T/edge.key" --config "$T/edge.conf"
ends 0
[ "$(sql "select public_key || roles::text from farm.worker where name = 'edge'")" = "$before{mirror,publish}" ] || fail "enrolling again"
grep -q '^roles = mirror,publish$' "$T/edge.conf" || fail "the configuration: $(cat "$T/edge.conf")"
# The worker knows every name in it.
"$BIN/bootfarm-worker" --help >"$T/worker.help"
sed -n 's/^#\{0,1\} *\([a-z_]*\) = .*/\1/p' "$T/edge.conf" | tr _ - >"$T/names"
[ "$(wc -l <"$T/names")" = 9 ] || fail "the configuration has other names: $(cat "$T/edge.conf")"
while read -r name; do
    grep -q -- "^  --$name=" "$T/worker.help" || fail "bootfarm-worker has no option $name"
done <"$T/names"
bf worker enroll w --roles fly --key "$T/w.key"
ends 1
bf worker enroll w --roles build
ends 2
complains "--roles and --key are needed"

# ---- a job and its log ------------------------------------------------------------------------------------------------------------------

bf job show build:plant:base@main:amd64
ends 0
prints '^state: +succeeded'
prints '^ +1 +hub-1 .* succeeded'
bf job show build:plant:base@main:amd64 --json
[ "$(jq '.attempts | length' <<<"$out")" = 1 ] || fail "job show --json printed $out"
bf job show nothing
ends 1
bf job logs test:plant:hmi@main:amd64
ends 1
complains "has no attempt, so no log"

# why: the same sentence in both commands, a place for what is ready only
bf why build:plant:base@main:amd64
ends 0
prints '^build:plant:base@main:amd64 \(job [0-9]+, succeeded\): succeeded at '
bf why test:plant:gateway@main:amd64
ends 0
prints '^test:plant:gateway@main:amd64 \(job [0-9]+, waiting\): waits for build:plant:gateway@main:amd64 \(waiting, job [0-9]+\), and that in the end for test:plant:base@main:amd64 \(waiting, job [0-9]+\)$'
act "select t.ready(t.job('build:plant:gateway@main:amd64'))" >/dev/null
bf why build:plant:gateway@main:amd64
ends 0
prints ', ready\): no amd64 worker with secret:key at hub'
text=${out#*): }
bf why "$(sql "select id from dashboard.jobs where name = 'build:plant:gateway@main:amd64' order by id desc limit 1")" --json
[ "$(jq -r '[.state, .reason, .text, .rank] | join("|")' <<<"$out")" = "ready|worker|$text|1" ] || fail "why --json printed $out"
bf job show build:plant:gateway@main:amd64
ends 0
prints '^why: +no amd64 worker with '
prints '^rank: +1$'
bf job show build:plant:gateway@main:amd64 --json
[ "$(jq -r '.why + " " + (.rank | tostring)' <<<"$out")" = "$text 1" ] || fail "job show --json has no why: $out"
bf job show build:plant:base@main:amd64 --json
[ "$(jq 'has("why")' <<<"$out")" = false ] || fail "why of a job that has ended"
bf why nothing
ends 1
complains 'job nothing: it does not exist'

J=test:plant:gateway@main:amd64
follow_begin() { "$BIN/bootfarm" job logs -f "$J" >"$T/followed" 2>"$T/follow.err" & follower=$!; }
followed() { grep -q "$1" "$T/followed"; }
follow_begin # there is no attempt yet: it waits for one
act "select t.finish(t.claim(t.job('build:plant:gateway@main:amd64')), t.ok(t.d('gateway-2')), 'succeeded')" "select t.ready(t.job('$J'))" "select t.claim(t.job('$J'))" >/dev/null
chunk() { # of a frame with one raw block
    act "select farm.log_append(a.id, farm.log_end(a.id), length(b), 0, '\x28b52ffd20'::bytea || set_byte('\x00', 0, length(b)) || set_byte('\x000000', 0, ((length(b) << 3) | 1) & 255) || b)
         from farm.attempt a, (select convert_to(E'$1\n', 'UTF8') as b) x where a.job_id = t.job('$J')" >/dev/null
}
chunk first
soon "the follower has the first line" followed first
# The API is started again: the follower goes on where it was.
api_stop
api_start
chunk second
soon "the follower goes on" followed second
act "select farm.log_seal(a.id, farm.log_end(a.id), farm.log_end(a.id), '') from farm.attempt a where a.job_id = t.job('$J')" >/dev/null
wait "$follower" || fail "job logs -f ended badly: $(cat "$T/follow.err")"
[ "$(cat "$T/followed")" = $'first\nsecond' ] || fail "the follower read: $(cat "$T/followed")"
bf job logs "$J"
[ "$out" = $'first\nsecond' ] || fail "the log reads $out"
bf job logs "$J" --attempt 7
ends 1

# ---- watching ----------------------------------------------------------------------------------------------------------------------------

act "select t.finish(a.id, t.ok(), 'succeeded') from farm.attempt a where a.job_id = t.job('$J')" >/dev/null
bf status --until synced --timeout 1s
ends 1
complains "not synced in time"
bf status --until dawn
ends 2
bf status --timeout 5s
ends 2

# acp-3 has no worker: nobody mirrors there.
forget_acp3() {
    act "delete from farm.image_site where site_id = (select id from farm.site where name = 'acp-3')" \
        "select farm.end_jobs(array_agg(j.id), array_agg('cancelled'::text), array_agg('operator:test'::text)) from farm.job j join farm.site s on s.id = j.target_site_id where s.name = 'acp-3'" >/dev/null
}
forget_acp3
act "update farm.repo set polled_at = now(), sync_done = sync_wanted" "delete from farm.definition_error" >/dev/null
"$BIN/bootfarm" status -w --until synced --timeout 60s >"$T/watched" 2>&1 &
watcher=$!
seen() { grep -q "$1" "$T/watched"; }
soon "it shows what is" seen 'plant:gateway@main Progressing'
act "select t.run('publish:plant:gateway@main')" "select t.run('mirror:plant:gateway@main:' || s, null, 'acp-1-mirror') from unnest('{acp-1,acp-2}'::text[]) s" >/dev/null
soon "it shows the change" seen 'plant:gateway@main Synced mirrored'
# base was tested and published again by the commands above, hmi's build cancelled and what follows of it waits: all of it goes its way.
act "select t.run('test:plant:base@main:amd64')" "select t.run('publish:plant:base@main')" "select t.run('mirror:plant:base@main:' || s, null, 'acp-1-mirror') from unnest('{acp-1,acp-2}'::text[]) s" \
    "select t.do('build', '{\"image\": \"plant:hmi@main\"}')" "select t.run_all('plant:hmi@main', t.d('hmi-1'))" >/dev/null
wait "$watcher" || fail "watching until synced ended badly: $(cat "$T/watched"; bf status; echo "$out"; bf presence list; echo "$out")"
grep -q 'plant:hmi@main Synced' "$T/watched" || fail "hmi was never shown as Synced: $(cat "$T/watched")"

# Nothing moves, and it is not reached: said within a few seconds, long before the end of the time.
act "select t.push(t.plan('two', array[t.image('base', '1'), t.image('hmi', '2', '{base}'), t.image('gateway', '1', '{base}')]))" \
    "select t.ready(t.job('build:plant:hmi@main:amd64'))" "select t.finish(t.claim(t.job('build:plant:hmi@main:amd64')), t.bad('user', 'run-failed'), 'failed')" >/dev/null
forget_acp3
begin=$SECONDS
bf status --until synced --timeout 60s
ends 1
grep -qF "nothing more happens by itself" <<<"$err" || { bf status; said=$out; bf queue; fail "it waits on: $err $said $out"; }
[ $((SECONDS - begin)) -lt 45 ] || fail "it took $((SECONDS - begin)) s to see that nothing moves"

# ---- mistakes --------------------------------------------------------------------------------------------------------------------------------

bf
ends 2
bf statsu
ends 2
complains "did you mean 'status'"
bf job list --kidn build
ends 2
complains "did you mean --kind"
bf job list --limit 0
ends 1
complains "limit: expected a number from 1 to 10000"
bf repo add
ends 2
complains "usage: bootfarm repo add URL"
bf status --socket "$T/none.sock"
ends 1
complains "nobody answers at $T/none.sock: No such file or directory: start bootfarm-api"
if [ "$(id -u)" = 0 ]; then
    cp "$BIN/bootfarm" "$T/bootfarm" && chmod 755 "$T/bootfarm"
    runuser -u nobody -- "$T/bootfarm" --socket "$SOCK" status >"$T/out" 2>"$T/err" && fail "nobody may"
    err=$(cat "$T/err")
    complains "may not be opened by this user"
fi
bf --version
ends 0
prints '^bootfarm [0-9]'

# Each command has a help that names its options, and the man page says the same.
bf --help
commands=$(sed -n '/^Commands/,/^$/s/^  \([a-z ]*[a-z]\).*/\1/p' <<<"$out")
[ "$(wc -l <<<"$commands")" -gt 25 ] || fail "--help lists: $commands"
while read -r command; do
    # shellcheck disable=SC2086
    bf $command --help
    ends 0
    prints "^Usage: bootfarm $command"
    prints '--socket PATH'
done <<<"$commands"
for program in bootfarm bootfarm-api bootfarm-scheduler bootfarm-worker; do
    page=$(ls "$BIN/../deploy/man/$program".[18]) || fail "no man page of $program"
    troff=$(groff -ww -man -Tascii -P-cbou "$page" 2>&1 >"$T/page") || fail "groff: $troff"
    [ -z "$troff" ] || fail "groff says of $page: $troff"
    for option in $("$BIN/$program" --help | grep -oE '^  (-., )?--[a-z-]+' | grep -oE -- '--[a-z-]+'); do
        grep -qF -- "$option" "$T/page" || fail "$page lacks $option"
    done
done

# A base that names another digest, and a person who does not wait.
act "select farm.base_resolved(id, t.d('debian-2'), null) from farm.base" >/dev/null
sql "update farm.base set check_done = 9" >/dev/null
bf base bump debian:12
ends 0
prints '^quay.io/os/debian:12: 3 images are rebuilt, by [0-9]+ jobs$'

# ---- explain and graph -----------------------------------------------------------------------------------------------------------------

bf explain hmi
ends 0
prints '^plant:hmi@main amd64: Progressing'
prints '^  plant:hmi@main, job [0-9]+ \(waiting\): parent base'
prints '^    plant:base@main, job [0-9]+ \(waiting\): external quay.io/os/debian:12'
bf explain hmi --json
[ "$(jq -r '.[1].because_of' <<<"$out")" = quay.io/os/debian:12 ] || fail "explain --json printed $out"
bf explain hmi --since "$(sql "select left(oid, 8) from farm.revision order by id limit 1")"
ends 0
bf explain hmi --since ffffffff
ends 1
complains 'the farm saw no commit ffffffff'
bf explain nothing
ends 1
complains 'there is no image nothing'

bf graph
ends 0
prints '^digraph bootfarm'
prints '"base quay.io/os/debian:12:amd64" -> "plant:base@main:amd64";'
prints '"plant:base@main:amd64" -> "plant:hmi@main:amd64";'
first=$out
bf graph --format dot
[ "$out" = "$first" ] || fail "the graph is another one the second time"
bf graph --format json --image plant:hmi@main
[ "$(jq -r '[.nodes[].name] | join(" ")' <<<"$out")" = "quay.io/os/debian:12 plant:base@main plant:hmi@main" ] || fail "graph --image printed $out"
[ "$(jq '.edges | length' <<<"$out")" = 2 ] || fail "graph --image printed $out"
bf graph --format mermaid
prints '^graph LR$'
prints '^    n0\(\["quay.io/os/debian:12 amd64"\]\)$'
bf graph --format svg
ends 2
bf graph --image nothing
ends 1

git init -q -b main "$T/repo"
git -C "$T/repo" config user.name x
git -C "$T/repo" config user.email x@localhost
mkdir "$T/repo/base" "$T/repo/app" "$T/repo/other"
printf 'FROM quay.io/os/debian:12\nCOPY a /a\n' >"$T/repo/base/Containerfile"
printf 'FROM localhost/base\nRUN true\n' >"$T/repo/app/Containerfile"
printf 'FROM quay.io/os/debian:12\nRUN true\n' >"$T/repo/other/Containerfile"
echo 1 >"$T/repo/base/a"
git -C "$T/repo" add -A && git -C "$T/repo" commit -qm one
echo 2 >"$T/repo/base/a"
git -C "$T/repo" add -A && git -C "$T/repo" commit -qm two
bf explain app --local "$T/repo" --since HEAD~1
ends 0
prints '^app amd64: parent base$'
prints '^  base amd64: context base/a$'
bf explain other --local "$T/repo" --since HEAD~1
ends 0
prints '^other is not built: nothing that it is made from has changed since HEAD~1$'
bf explain nothing --local "$T/repo" --since HEAD~1
ends 1
complains 'has no image nothing'
echo FROM short >"$T/repo/other/Containerfile"
git -C "$T/repo" add -A && git -C "$T/repo" commit -qm three
bf explain other --local "$T/repo" --since HEAD~1
ends 1
complains "other is not built, since its definition has errors: other/Containerfile:1:6: 'short:latest' names no registry"
bf explain other --local "$T/repo" --since HEAD~1 --alias short=quay.io/s/short
ends 0
prints '^other amd64: definition other/Containerfile$'
bf explain app --local "$T/repo"
ends 2

# A reader that has enough is no failure; a full disk is one.
"$BIN/bootfarm" command list | head -n 1 >/dev/null
[ "${PIPESTATUS[0]}" = 0 ] || fail "head -n 1 made it fail"
rc=0
"$BIN/bootfarm" command list >/dev/full 2>"$T/err" || rc=$?
[ "$rc" = 1 ] || fail "a full disk gave status $rc"

# PostgreSQL is away.
leader_stop
pg_kill
gone() { bf status && [ "$rc" = 1 ] && grep -q "PostgreSQL is away" <<<"$err"; }
soon "status says that PostgreSQL is away" gone
pg_again
back() { bf status && [ "$rc" = 0 ]; }
soon "and goes on" back
api_stop
