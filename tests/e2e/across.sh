#!/usr/bin/env bash
# Two repositories: an image of `apps` stands on a release of `base`. It follows what base releases, pinned by digest, and nothing that failed there.
# A pull request of base is built and tested, releases nothing, and says what its merge would rebuild in both.
. "$(dirname "$0")/farm.sh"
export FARM_SCHEDULER_OPTIONS="backoff_min = 500ms
backoff_max = 2s"
e2e_prepare
e2e_farm

release=$(farm_registry release)
sql() { farm_psql -d bootfarm -Atc "$1"; }
is() { [ "$(sql "$1")" = "$2" ]; }
state() { sql "select state from dashboard.images where name = '$1'"; }
synced() { [ "$(state "$1")" = Synced ]; }
digest_of() { skopeo inspect --tls-verify=false --format '{{.Digest}}' "docker://$release/$1:main"; }
layers_of() { skopeo inspect --tls-verify=false "docker://$release/$1:main" | jq -c .Layers; }
pin_of() { # pin_of IMAGE: by which digest the newest build of it took base:os@main
    sql "select j.pins->('image:' || p.id)->>'digest' from farm.job j join dashboard.jobs d on d.id = j.id, farm.image_arch p join farm.named_image n on n.image_id = p.image_id
         where d.kind = 'build' and d.image = '$1' and n.title = 'base:os@main' order by j.id desc limit 1"
}
work_lines() { # what was done after job $last, without what was skipped
    jobs_after "$last" | jq -r '.[] | select(.kind != "mirror" and .state != "skipped") | "\(.image) \(.kind) \(.state)"' | sort
}
stands_on_release() { # panel is made of the os that is released now
    [ "$(pin_of apps:panel@main)" = "$(digest_of base/os)" ] || fail "panel was built on $(pin_of apps:panel@main), released is $(digest_of base/os)"
    jq -en --argjson os "$(layers_of base/os)" --argjson panel "$(layers_of apps/panel)" '$panel[:$os | length] == $os and ($panel | length) == ($os | length) + 1' >/dev/null ||
        fail "the layers of os do not begin panel's: $(layers_of base/os) $(layers_of apps/panel)"
}

say "a reference that nobody releases yet: the image waits, and says for what"
repo=$FARM/etc/apps
e2e_template "$repo"
mkdir "$repo/panel"
printf 'FROM %s/base/os:main\nRUN echo panel > /etc/panel\n' "$release" >"$repo/panel/Containerfile"
number_file "$repo/alone/Containerfile" alone
farm_repo apps "$repo"
wait_for 120 "alone to be released" synced apps:alone@main
said() { bf status | grep -q "apps:panel@main: build waits: base: $release/base/os:main: .*manifest unknown"; }
wait_for 30 "status to say what is missing" said

say "the repository that releases it arrives: the image goes on by itself"
repo=$FARM/etc/base
e2e_template "$repo"
number_file "$repo/os/Containerfile" 1
farm_repo base "$repo" --refs 'HEAD,pull/*'
wait_for 120 "panel" synced apps:panel@main
wait_for 60 "all of it" settled
stands_on_release
bf graph --image panel | grep -q '"base:os@main:amd64" -> "apps:panel@main:amd64"' || fail "graph: $(bf graph)"
bf base list --json | jq -e 'length == 1' >/dev/null || fail "what the farm makes is no external base: $(bf base list)"

say "a push to base: its image, and then what stands on it in the other repository"
last=$(newest_job)
was=$(digest_of base/os)
number_file "$FARM/base/os/Containerfile" 2
commit base "number 2" && push base
wait_for 120 "the push" settled
expect_lines "jobs of a push to base" "apps:panel@main build succeeded
apps:panel@main publish succeeded
apps:panel@main test succeeded
base:os@main build succeeded
base:os@main publish succeeded
base:os@main test succeeded" "$(work_lines)"
stands_on_release
now=$(digest_of base/os)
[ "$now" != "$was" ] || fail "number 2 was not released"
is "select t.ended_at <= c.leased_at from dashboard.jobs t, dashboard.jobs c where t.id > $last and c.id > $last
    and t.name = 'test:base:os@main:amd64' and c.name = 'build:apps:panel@main:amd64'" t || fail "panel did not wait for the verdict of os"
bf explain panel >"$FARM/etc/said"
grep -q "apps:panel@main, job .*: parent base:os@main: $was → $now" "$FARM/etc/said" && grep -q '  base:os@main, job .*: context os: ' "$FARM/etc/said" || fail "explain: $(cat "$FARM/etc/said")"

say "a test of base fails: the other repository keeps what passed, and says for what it waits"
last=$(newest_job)
panel=$(digest_of apps/panel)
printf 'ARG TOOLS_BASE\nFROM ${TOOLS_BASE}\nRUN echo no number\n' >"$FARM/base/os/Containerfile"
commit base "no number" && push base
blocked() { bf queue --json | jq -e '[.[] | select(.name == "build:apps:panel@main:amd64" and .reason == "blocked" and (.detail | contains("test:base:os@main:amd64 failed")))] | length == 1' >/dev/null; }
wait_for 120 "panel to be blocked by the test of os" blocked
[ "$(digest_of base/os) $(digest_of apps/panel)" = "$now $panel" ] || fail "what failed was released"
bf status | grep -q "^apps:panel@main .*Degraded .*blocked .*test:base:os@main:amd64 failed" || fail "status does not say why panel waits: $(bf status)"

say "a commit of the other repository goes on meanwhile, on what passed last"
sed -i 's/echo panel/echo panel 2/' "$FARM/apps/panel/Containerfile"
commit apps "panel 2" && push apps
wait_for 120 "panel 2" synced apps:panel@main
[ "$(digest_of apps/panel)" != "$panel" ] || fail "panel 2 was not released"
stands_on_release

say "the fix: both go on"
last=$(newest_job)
number_file "$FARM/base/os/Containerfile" 3
commit base "number 3" && push base
wait_for 120 "the fix" settled
synced base:os@main && synced apps:panel@main || fail "not all is Synced: $(bf status)"
[ "$(digest_of base/os)" != "$now" ] || fail "number 3 was not released"
stands_on_release

say "a pull request: built and tested, not released; what its merge would rebuild is said"
pull() { # pull NUMBER COMMAND: a commit as pull request 7, forced; COMMAND is its RUN
    git -C "$FARM/base" checkout -q -B change main
    printf 'ARG TOOLS_BASE\nFROM ${TOOLS_BASE}\nRUN echo %s > /etc/number%s\n' "$1" "${2:+; $2}" >"$FARM/base/os/Containerfile"
    commit base "number $1"
    git -C "$FARM/base" push -q --force origin HEAD:refs/pull/7/head
    wait_for 60 "the plan of pull/7" planned base pull/7 "$(git -C "$FARM/base" rev-parse HEAD)"
}
untouched() { # what is released is as it was
    [ "$(digest_of base/os) $(digest_of apps/panel)" = "$released" ] || fail "a pull request changed a release"
    [ "$(skopeo list-tags --tls-verify=false "docker://$release/base/os" | jq -c .Tags)" = '["main"]' ] || fail "a pull request has a tag"
}
released="$(digest_of base/os) $(digest_of apps/panel)"
last=$(newest_job)
pull 4
wait_for 120 "the pull request" settled
expect_lines "jobs of a pull request" "base:os@pull/7 build succeeded
base:os@pull/7 test succeeded" "$(work_lines)"
untouched
bf repo previews --json >"$FARM/etc/previews"
jq -e 'length == 1 and .[0].ref == "pull/7" and .[0].images == 2 and (.[0].summary | startswith("rebuilds 2 images, about "))' "$FARM/etc/previews" >/dev/null || fail "previews: $(bf repo previews)"
bf repo refs --json | jq -e '.[] | select(.ref == "pull/7" and (.trusted or .publish or .mirror or .secrets or .place | not))' >/dev/null || fail "refs: $(bf repo refs)"
! bf publish base:os@pull/7 2>"$FARM/etc/said" || fail "a pull request can be published"
grep -q 'pull requests build and test only' "$FARM/etc/said" || fail "publish of a pull request: $(cat "$FARM/etc/said")"
untouched

say "a newer push of the pull request takes the place of what is under way"
last=$(newest_job)
begun() { bf job logs "$(jobs_after "$last" | jq '[.[] | select(.kind == "build") | .id] | max')" 2>/dev/null | grep -qx begun; }
pull 5 'echo begun; mkfifo /etc/never; cat /etc/never'
wait_for 60 "a build without end" begun
pull 6
wait_for 120 "the newer push" is "select string_agg(kind || ' ' || state, ', ' order by id) from dashboard.jobs
    where id > $last and revision = '$(git -C "$FARM/base" rev-parse HEAD)'" "build succeeded, test succeeded"
untouched

! settled || fail "the build without end has ended"
bf job cancel "$(sql "select id from dashboard.jobs where state = 'running' and kind = 'build' and image = 'base:os@pull/7'")"
wait_for 60 "the build without end to be cancelled" settled

say "a pull request that is gone: its images and its preview, too"
git -C "$FARM/base" push -q origin :refs/pull/7/head
wait_for 60 "the images of a pull request that is gone to go" is "select count(*) from dashboard.images where ref = 'pull/7'" 0
bf repo previews --json | jq -e 'length == 0' >/dev/null || fail "previews: $(bf repo previews)"
bf repo refs --json | jq -e '[.[].ref] | index("pull/7") == null' >/dev/null || fail "refs: $(bf repo refs)"

say "its merge: built again, since nothing of a pull request is taken for a release; it rebuilds what the preview said"
last=$(newest_job)
push base main
wait_for 120 "the merge" settled
expect_lines "jobs of the merge" "apps:panel@main build succeeded
apps:panel@main publish succeeded
apps:panel@main test succeeded
base:os@main build succeeded
base:os@main publish succeeded" "$(work_lines)" # equal bytes have their verdict
[ "$(jobs_after "$last" | jq '[.[] | select(.kind == "build")] | length')" = "$(jq '.[0].images' "$FARM/etc/previews")" ] || fail "the preview said something else: $(cat "$FARM/etc/previews")"
stands_on_release
say "done"
