#!/usr/bin/env bash
# External bases, scheduled rebuilds and the breaker on a real farm: a new digest under a tag rebuilds what depends on it, in order; a registry that is
# down changes nothing; an image that keeps failing is left alone until somebody intervenes; a schedule rebuilds what nobody touched.
. "$(dirname "$0")/farm.sh"
export FARM_SCHEDULER_OPTIONS="base_window = 2s
backoff_min = 500ms
backoff_max = 2s"
e2e_prepare
e2e_farm

tools=$(farm_registry release)/external/busybox:1
sql() { farm_psql -d bootfarm -Atc "$1"; }
sha() { sha256sum <"$1" | cut -d' ' -f1; }
accept='Accept: application/vnd.oci.image.manifest.v1+json'
put_blob() { # put_blob FILE: into the repository of the tools
    local url=http://${tools%%/*}/v2/external/busybox/blobs/uploads/ location
    location=$(curl -sf -X POST -D - -o /dev/null "$url" | sed -n 's/^[Ll]ocation: *\([^[:space:]]*\).*/\1/p')
    curl -sf -X PUT -H 'Content-Type: application/octet-stream' --data-binary "@$1" "$location&digest=sha256:$(sha "$1")"
}
# bump_tag N: the tag names an image with another file, in a layer more than before
bump_tag() {
    local url=http://${tools%%/*}/v2/external/busybox layer=$FARM/etc/layer.tar
    mkdir -p "$FARM/etc/layer/etc" && echo "$1" >"$FARM/etc/layer/etc/release"
    tar -C "$FARM/etc/layer" --owner=0 --group=0 -cf "$layer" etc/release
    curl -sf -H "$accept" "$url/manifests/1" >"$FARM/etc/old.json"
    curl -sf "$url/blobs/$(jq -r .config.digest "$FARM/etc/old.json")" |
        jq -c --arg d "sha256:$(sha "$layer")" '.rootfs.diff_ids += [$d] | .history += [{created: "1970-01-01T00:00:00Z", created_by: "release"}]' >"$FARM/etc/config.json"
    put_blob "$layer"
    put_blob "$FARM/etc/config.json"
    jq -c --arg c "sha256:$(sha "$FARM/etc/config.json")" --argjson cn "$(stat -c %s "$FARM/etc/config.json")" --arg l "sha256:$(sha "$layer")" \
        --argjson ln "$(stat -c %s "$layer")" \
        '.config.digest = $c | .config.size = $cn | .layers += [{mediaType: "application/vnd.oci.image.layer.v1.tar", digest: $l, size: $ln}]' \
        "$FARM/etc/old.json" >"$FARM/etc/new.json"
    curl -sf -X PUT -H "Content-Type: ${accept#* }" --data-binary "@$FARM/etc/new.json" "$url/manifests/1"
    digest=sha256:$(sha "$FARM/etc/new.json")
}
is() { [ "$(sql "$1")" = "$2" ]; }
build_of() { # build_of IMAGE: the newest build after job $last
    sql "select state || ' ' || because || ' ' || coalesce(because_of, '') from dashboard.jobs where kind = 'build' and image = 'line:$1@main' and id > $last order by id desc limit 1"
}
settled_but_fragile() { [ "$(sql "select count(*) from dashboard.jobs where state in ('waiting', 'ready', 'leased', 'running') and image <> 'line:fragile@main'")" = 0 ]; }
built() { # built IMAGE [STATE...]: there is such a build
    local found
    found=$(build_of "$1")
    [ -n "$found" ] && case $found in "${2:-}"*) ;; *) return 1 ;; esac
}

repo=$FARM/etc/repo
e2e_template "$repo"
number_file "$repo/base/Containerfile" 1
mkdir "$repo/child" "$repo/alone"
printf 'FROM localhost/base:latest\nRUN echo child > /etc/child\n' >"$repo/child/Containerfile"
number_file "$repo/fragile/Containerfile" fragile
printf 'FROM scratch\nCOPY number /etc/number\n' >"$repo/alone/Containerfile"
echo alone >"$repo/alone/number"
printf 'test: { container: [] }\n' >"$repo/alone/image.yaml"
farm_repo line "$repo"
wait_for 60 "first jobs" has_jobs
wait_for 240 "the first builds" settled
is "select string_agg(state, ' ') from dashboard.images" "Synced Synced Synced Synced" || fail "not all is Synced: $(bf status)"

say "base list"
bf base list --json | jq -e --arg r "$tools" 'length == 1 and .[0].reference == $r and .[0].images == 2 and .[0].error == null' >/dev/null || fail "base list: $(bf base list)"

say "what a bump would cost: waves, and time from the past"
cost=$(bf base bump "$tools" --dry-run)
grep -q 'rebuilds 3 images in 2 waves' <<<"$cost" && grep -q '^about .* of work' <<<"$cost" || fail "dry run: $cost"
! grep -q 'never built' <<<"$cost" || fail "dry run knows no past: $cost"
[ "$(bf base bump external/busybox:1 --dry-run --json | jq -r '[.[] | "\(.name) \(.wave)"] | sort | join(" ")')" = 'line:base@main 0 line:child@main 1 line:fragile@main 0' ] ||
    fail "dry run: $(bf base bump external/busybox:1 --dry-run --json)"

say "nothing changed: a check makes no job"
last=$(newest_job)
bf base check >/dev/null || fail "base check failed"
[ "$(newest_job)" = "$last" ] || fail "a check made jobs"

say "another digest under the tag: what depends on it is rebuilt, parents first"
bump_tag 1
bf base check external/busybox:1 | grep -q "$digest" || fail "the check does not see the new digest: $(bf base list)"
wait_for 60 "jobs of the new digest" built child
wait_for 240 "the rebuild" settled
[ "$(build_of base)" = "succeeded external $tools" ] || fail "base: $(build_of base)"
[ "$(build_of child)" = "succeeded parent base" ] || fail "child: $(build_of child)"
bf explain child | grep -q "base@main.*external $tools: sha256:.* → $digest" || fail "explain: $(bf explain child)"
bf graph --image child | grep -q "\"base $tools:amd64\" -> \"line:base@main:amd64\"" || fail "graph: $(bf graph)"
[ -z "$(build_of alone)" ] || fail "alone was rebuilt: $(build_of alone)"
is "select bool_and(t.ended_at <= c.leased_at) from dashboard.jobs t, dashboard.jobs c where t.id > $last and c.id > $last
    and t.name = 'test:line:base@main:amd64' and c.name = 'build:line:child@main:amd64'" t || fail "the child did not wait for its parent's verdict"
is "select string_agg(distinct outdated::text, ' ') from dashboard.bases" 0 || fail "something is outdated: $(bf base list)"
is "select string_agg(state, ' ') from dashboard.images" "Synced Synced Synced Synced" || fail "not all is Synced: $(bf status)"

say "a registry that is down: said with since when, and no change"
last=$(newest_job)
farm_stop registry-release
! bf base check >/dev/null || fail "a check of a registry that is down succeeds"
bf base list --json | jq -e '.[0] | .error != null and .error_since != null' >/dev/null || fail "base list: $(bf base list)"
[ "$(bf base list --json | jq -r '.[0].digest')" = "$digest" ] || fail "the digest is gone"
! bf base bump "$tools" 2>/dev/null || fail "a bump of what cannot be resolved succeeds"
farm_registry_start release
bf base check >/dev/null || fail "the check after the registry came back"
bf base list --json | jq -e '.[0].error == null' >/dev/null || fail "the error stays: $(bf base list)"
[ "$(newest_job)" = "$last" ] || fail "an outage made jobs"

say "a bump by a person"
bump_tag 2
bf base bump "$tools" | grep -q '3 images are rebuilt' || bf base bump "$tools" | grep -q 'nothing to do' || fail "bump"
wait_for 60 "jobs of the bump" built child
wait_for 240 "the bump" settled
[ "$(build_of child)" = "succeeded parent base" ] || fail "child: $(build_of child)"

say "an image that fails three times: automatic rebuilds stop, and it says so"
printf 'ARG TOOLS_BASE\nFROM ${TOOLS_BASE}\nRUN echo will fail; exit 3\n' >"$FARM/line/fragile/Containerfile"
last=$(newest_job)
commit line "fails" && push line
wait_for 120 "the first failure" built fragile failed
for n in 3 4; do
    last=$(newest_job)
    bump_tag "$n"
    bf base check >/dev/null
    wait_for 120 "failure by digest $n" built fragile "failed external"
    wait_for 240 "the others" settled_but_fragile
done
bf status | grep -q 'no automatic rebuilds' || fail "status does not speak of the breaker: $(bf status)"
[ "$(bf status --json | jq -r '.[] | select(.name == "line:fragile@main") | .reason')" = breaker ] || fail "$(bf status)"
last=$(newest_job)
bump_tag 5
bf base check >/dev/null
wait_for 60 "the others to be rebuilt" built child
[ -z "$(build_of fragile)" ] || fail "the breaker let it through: $(build_of fragile)"
bf events --json | jq -e '[.[] | .detail.breaker] | contains(["open", "held back"])' >/dev/null || fail "no events of the breaker"
wait_for 240 "the others" settled_but_fragile

say "a commit closes it"
number_file "$FARM/line/fragile/Containerfile" mended
last=$(newest_job)
commit line "mended" && push line
wait_for 240 "the fix" settled
is "select string_agg(state, ' ') from dashboard.images" "Synced Synced Synced Synced" || fail "not all is Synced: $(bf status)"

say "a schedule rebuilds what nobody touched, without cache"
printf 'rebuild: { every: 1h }\ntest: { container: [] }\n' >"$FARM/line/alone/image.yaml"
commit line "schedule" && push line
wait_for 120 "the commit" settled
last=$(newest_job)
sql "update farm.image_arch_state a set scheduled_at = now() - interval '2 hours' from farm.image_arch_plan p join farm.image i on i.id = p.image_id where p.id = a.id and i.name = 'alone'"
wait_for 60 "the scheduled rebuild" built alone
wait_for 120 "its end" settled
[ "$(build_of alone)" = "succeeded scheduled every 1h" ] || fail "alone: $(build_of alone)"
is "select forced from dashboard.jobs where id > $last and kind = 'build'" t || fail "it was not forced"
say "done"
