#!/bin/bash
# External bases on a real registry: an index of several architectures is looked at once; what changes within the window is built once; a registry that
# is down changes nothing.
. "$(dirname "$0")/farm.sh"

start_farm
start_scheduler one --base-window=12s --backoff-min=200ms
settle_farm
make_repository
enroll builder hub '["build", "test"]'
enroll publisher hub '["publish"]'
start_worker builder build,test one
start_worker publisher publish one

# put_index TAG TEXT: an index of the tools for amd64 and arm64; another text, other digests
put_index() {
    local url=http://$REGISTRY/v2/external/both/manifests
    # The manifests differ by what the platform says of them only; each has a digest of its own through an annotation in it.
    for arch in amd64 arm64; do
        jq -c --arg a "$arch $2" '.annotations.for = $a' "$T/manifest" >"$T/$arch"
        curl -sf -X PUT -H 'Content-Type: application/vnd.oci.image.manifest.v1+json' --data-binary "@$T/$arch" "$url/sha256:$(sha256sum <"$T/$arch" | cut -d' ' -f1)"
    done
    for arch in amd64 arm64; do
        jq -n --arg a "$arch" --arg d "sha256:$(sha256sum <"$T/$arch" | cut -d' ' -f1)" --argjson n "$(stat -c %s "$T/$arch")" \
            '{mediaType: "application/vnd.oci.image.manifest.v1+json", digest: $d, size: $n, platform: {os: "linux", architecture: $a}}'
    done | jq -cs '{schemaVersion: 2, mediaType: "application/vnd.oci.image.index.v1+json", manifests: .}' >"$T/index"
    curl -sf -X PUT -H 'Content-Type: application/vnd.oci.image.index.v1+json' --data-binary "@$T/index" "$url/$1"
}
digest_of() { echo "sha256:$(sha256sum <"$T/$1" | cut -d' ' -f1)"; }

skopeo copy -q --preserve-digests --src-tls-verify=false --dest-tls-verify=false "docker://$REGISTRY/external/tools:1" "docker://$REGISTRY/external/both:tools"
curl -sf -H 'Accept: application/vnd.oci.image.manifest.v1+json' "http://$REGISTRY/v2/external/both/manifests/tools" >"$T/manifest"
put_index 1 first
mkdir "$T/plant/images/both"
printf 'FROM %s/external/both:1\nCOPY x /x\n' "$REGISTRY" >"$T/plant/images/both/Containerfile"
printf 'arch: [amd64, arm64]\n' >"$T/plant/images/both/image.yaml"
echo 1 >"$T/plant/images/both/x"
push first
command repo_add "{\"url\": \"file://$T/plant.git\", \"slug\": \"plant\", \"poll_every\": \"1h\"}"
reference=$REGISTRY/external/both:1
wait_for 60 "both architectures to be resolved" is "select count(digest) from farm.base where reference = '$reference'" 2
expect "digests" "select string_agg(digest, ' ' order by arch) from farm.base where reference = '$reference'" "$(digest_of amd64) $(digest_of arm64)"
expect "one look" "select count(distinct checked_at) from farm.base where reference = '$reference'" 1
wait_for 90 "what can be built here" is "select count(*) from farm.job j join farm.image_arch a on a.id = j.image_arch_id where a.arch = 'amd64' and j.kind = 'test' and j.state = 'succeeded'" 5

say "two changes within the window are built once, for both architectures"
n=$(sql "select max(id) from farm.job")
put_index 1 second
command base_check "{\"reference\": \"external/both:1\"}"
wait_for 20 "the second digest" is "select digest from farm.base where reference = '$reference' and arch = 'arm64'" "$(digest_of arm64)"
expect "both change in one moment" "select count(distinct changed_at) || ' ' || count(pending_since) from farm.base where reference = '$reference'" "1 2"
put_index 1 third
command base_check '{}'
wait_for 20 "the third digest" is "select digest from farm.base where reference = '$reference' and arch = 'amd64'" "$(digest_of amd64)"
wait_for 60 "the jobs" is "select string_agg(kind || ':' || coalesce(a.arch, ''), ' ' order by j.id) from farm.job j left join farm.image_arch a on a.id = j.image_arch_id where j.id > $n and j.kind <> 'mirror'" \
    "build:amd64 build:arm64 test:amd64 test:arm64 publish:"
expect "why" "select distinct because || ' ' || because_of from farm.job where id > $n" "external $reference"
wait_for 60 "the build" is "select state from farm.job j join farm.image_arch a on a.id = j.image_arch_id where a.arch = 'amd64' and j.id > $n and kind = 'build'" succeeded
expect "what it stands on" "select j.pins->('base:' || b.id)->>'digest' from farm.job j, farm.base b where j.id > $n and j.kind = 'build' and j.pins ? ('base:' || b.id) and b.reference = '$reference' and b.arch = 'amd64'" \
    "$(digest_of amd64)"
wait_for 20 "arm64, whose build waits for a worker, to have the newest digest" is "select string_agg(j.state || ' ' || (j.pins->('base:' || b.id)->>'digest' = b.digest), ', ' order by j.id)
    from farm.job j join farm.image_arch a on a.id = j.image_arch_id join farm.base b on b.reference = '$reference' and b.arch = 'arm64' where a.arch = 'arm64' and j.kind = 'build'" \
    "superseded false, ready true"

say "a registry that is down"
n=$(sql "select max(id) from farm.job")
digests=$(sql "select string_agg(digest, ' ' order by id) from farm.base")
end registry
command base_check '{}'
wait_for 30 "the errors" is "select count(*) from farm.base where error is not null and error_since is not null" 3
expect "digests" "select string_agg(digest, ' ' order by id) from farm.base" "$digests"
expect "skopeo's words, as they were before its log quoted them" "select count(*) from farm.base where error like '%\"docker://%' and strpos(error, '\\') = 0" 3
start_registry
command base_check '{}'
wait_for 30 "the errors to go" is "select count(*) from farm.base where error is not null" 0
expect "jobs" "select max(id) from farm.job" "$n"

say "stop"
end one
grep -E ' error ' "$T/one.log" && fail "the scheduler wrote errors"
say ok
