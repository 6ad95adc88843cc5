#!/usr/bin/env bash
# Builds with real buildah, registry and contexts: what is pinned is built, each failure has the right blame, nothing is left behind.
. "$(dirname "$0")/lib.sh"

registry_start staging "$T/staging"
R=$REGISTRY_STAGING
mkdir -p "$T/secrets" "$T/ctx"
printf 'correct-horse-battery\n' >"$T/secrets/token"
configure "secrets_dir = $T/secrets"
tools_image "$R/external/tools:1"
BASE=$R/external/tools@$(registry_digest "$R/external/tools:1")
PINS=$(jq -nc --arg image "$BASE" '[{written: ["tools:1", "${TOOLS}"], ref: "registry.example/tools:1", image: $image, use: "from"}]')

# build MEMBERS: the Containerfile on standard input, the files of $T/ctx beside it
build() {
    cat >"$T/ctx/Containerfile"
    local ref
    ref=$(context "$T/ctx" "$R/contexts/plant")
    order build "$(jq -nc --arg ref "$ref" --arg push "$R/build/plant/x" --argjson pins "$PINS" --argjson more "$1" \
        '{context: {ref: $ref, size: 1}, containerfile: "Containerfile", pins: $pins, push: $push, timestamp: 0} + $more')"
    execute
}

say "a build: pushed by digest, reproducible, nothing left"
echo hello >"$T/ctx/greeting"
build '{"args": {"WORD": "a b"}}' <<'CF'
ARG TOOLS=tools:1
FROM ${TOOLS}
ARG WORD
COPY greeting /etc/greeting
RUN test "$WORD" = "a b" && echo built > /etc/built
CF
expect "a build" .outcome succeeded
first=$(result .digest)
[ "$(registry_digest "$R/build/plant/x:$ATTEMPT")" = "$first" ] || fail "the registry has another digest under the attempt's tag"
[ "$(result .size)" -gt 1000000 ] || fail "size is $(result .size)"
nothing_left
rm -rf "$STATE/storage" "$STATE/cache"
execute
expect "the same build in an empty storage" .digest "$first"
nothing_left

say "a tag that moved after pinning: the pinned content is built"
printf 'FROM scratch\nCOPY greeting /other\n' >"$T/ctx/moved"
buildah --root "$T/other/root" --runroot "$T/other/run" build -q -f "$T/ctx/moved" -t other "$T/ctx" >/dev/null
buildah --root "$T/other/root" --runroot "$T/other/run" push -q --tls-verify=false other "docker://$R/external/tools:1"
umount "$T/other/root/overlay" 2>/dev/null || true
PINS=$(jq -nc --arg image "$BASE" --arg tag "$R/external/tools:1" '[{written: [$tag], ref: $tag, image: $image, use: "from"}]')
build '{"no_cache": true}' <<CF
FROM $R/external/tools:1
RUN test ! -e /other && test -e /bin/busybox
CF
expect "a moved tag" .outcome succeeded

say "built-in arguments: in FROM declared or not, and where the stage declares them; a stage by an argument that is given"
arch=$(dpkg --print-architecture)
built_in() { # built_in WRITTEN MEMBERS: the pin of an image whose name holds the architecture
    build "$(jq -nc --arg image "$BASE" --arg written "$1" --arg ref "localhost/tools-$arch" --argjson more "$2" \
        '{pins: [{written: [$written], ref: $ref, image: $image, use: "from"}]} + $more')"
}
built_in 'localhost/tools-${TARGETARCH}' '{}' <<'CF'
FROM localhost/tools-${TARGETARCH} AS one
FROM localhost/tools-${TARGETARCH}
COPY --from=one /bin/busybox /one
CF
expect "FROM with a built-in argument that is not declared" .outcome succeeded
built_in 'localhost/tools-$TARGETARCH' '{}' <<CF
ARG TARGETARCH
FROM localhost/tools-\$TARGETARCH
ARG TARGETARCH
ARG TARGETPLATFORM
COPY --from=localhost/tools-\$TARGETARCH /bin/busybox /one
RUN test "\$TARGETARCH \$TARGETPLATFORM" = "$arch linux/$arch"
CF
expect "built-in arguments that are declared" .outcome succeeded
built_in "localhost/tools-$arch" '{"args": {"WHICH": "b"}}' <<CF
ARG WHICH
FROM localhost/tools-$arch AS stage-a
FROM localhost/tools-$arch AS stage-b
RUN touch /b
FROM stage-\$WHICH
RUN test -e /b
CF
expect "a stage by an argument that is given" .outcome succeeded

say "a FROM that no pin covers"
build '{"pins": []}' <<CF
FROM $R/external/tools:1
RUN true
CF
expect_failure "an unpinned FROM" unpinned-base user
build '{}' <<CF
FROM $R/external/tools:1
COPY --from=$R/external/tools:2 /bin/busybox /b
CF
expect_failure "an unpinned COPY --from" unpinned-base user
nothing_left

say "a pin that the registry does not have; a registry that is down"
build "$(jq -nc --arg image "$R/external/none@sha256:$(printf '0%.0s' {1..64})" '{pins: [{written: ["a"], ref: "a", image: $image}]}')" <<<'FROM a'
expect_failure "a missing base" base-not-found user
build "$(jq -nc --arg image "127.0.0.1:1/external/none@sha256:$(printf '0%.0s' {1..64})" '{pins: [{written: ["a"], ref: "a", image: $image}]}')" <<<'FROM a'
expect_failure "a registry that is down" registry infra

say "a RUN that fails, a file that is wrong, a file that is missing"
build '{}' <<CF
FROM $R/external/tools:1
RUN echo about to fail; sleep 1; exit 7
CF
# Without the pause buildah 1.28's chroot isolation loses the last output of one such RUN in a hundred.
expect_failure "RUN exit 7" run-failed user
expect "RUN exit 7" .step "RUN echo about to fail; sleep 1; exit 7"
expect "RUN exit 7" .message "exit status 7"
result '.detail.tail[]' | grep -qx 'about to fail' || fail "the tail does not hold the RUN's output"
build '{}' <<CF
FROM $R/external/tools:1
RUNN true
CF
expect_failure "an unknown instruction" containerfile user
build '{}' <<CF
FROM $R/external/tools:1
COPY nothing /x
CF
expect_failure "COPY of nothing" containerfile user
nothing_left

say "time: silence, and all of it"
build '{"silence_ms": 1500}' <<CF
FROM $R/external/tools:1
RUN echo quiet now; sleep 60
CF
expect_failure "silence" build-silent timeout
expect "silence" .step "RUN echo quiet now; sleep 60"
nothing_left
build '{"timeout_ms": 4000}' <<CF
FROM $R/external/tools:1
RUN while :; do echo busy; sleep 0.2; done
CF
expect_failure "time-out" build-timeout timeout
nothing_left

say "secrets: there for RUN, nowhere else"
build '{"secrets": ["token"]}' <<CF
FROM $R/external/tools:1
RUN --mount=type=secret,id=token sha256sum /run/secrets/token | grep -q ^$(sha256sum <"$T/secrets/token" | cut -d' ' -f1) && cat /run/secrets/token && sleep 1
CF
expect "a secret" .outcome succeeded
! grep -q correct-horse "$T/log" || fail "the secret is in the log"
grep -qF '******' "$T/log" || fail "the log does not show that something was taken out"
skopeo copy -q --src-tls-verify=false "docker://$R/build/plant/x@$(result .digest)" "dir:$T/image"
for blob in "$T/image"/*; do
    ! { zcat -f "$blob" | grep -aq correct-horse; } || fail "the secret is in the image: $blob"
done
! grep -rq correct-horse "$STATE" || fail "the secret is in the worker's state"
build '{"secrets": ["token"]}' <<CF
FROM $R/external/tools:1
RUN --mount=type=secret,id=token cat /run/secrets/token; sleep 1; exit 3
CF
expect_failure "a RUN that fails with a secret" run-failed user
! grep -q correct-horse "$T/log" "$RESULT" || fail "the secret is in the log or the result"
build '{"secrets": ["other"]}' <<<"FROM $R/external/tools:1"
expect_failure "a secret that is not here" secret-missing infra

say "network none: no host interface, not even the registry on loopback"
build '{"network": "none", "no_cache": true}' <<CF
FROM $R/external/tools:1
RUN ! wget -q -O /dev/null http://$R/v2/ && ip addr show lo | grep -q LOOPBACK,UP && ! ip route | grep -q .
CF
expect "network none" .outcome succeeded
build '{"network": "host", "no_cache": true}' <<CF
FROM $R/external/tools:1
RUN wget -q -O /dev/null http://$R/v2/
CF
expect "network host" .outcome succeeded

say "needs_images: the same archive bytes on every worker"
NEEDS=$(jq -nc --arg image "$BASE" --arg tag "$R/external/tools:1" '[{written: [$tag], ref: $tag, image: $image}, {written: ["localhost/app:latest"], ref: "localhost/app:latest", image: $image, use: "needs"}]')
embed() {
    build "$(jq -nc --argjson pins "$NEEDS" '{pins: $pins}')" <<CF
FROM $R/external/tools:1
COPY --from=needs_images app.oci.tar /app.oci.tar
RUN tar -tf /app.oci.tar | grep -qx index.json
CF
}
embed
expect "needs_images" .outcome succeeded
digest=$(result .digest)
rm -rf "$STATE/cache"
sleep 1.1 # the tool's own archive would now hold another second
embed
expect "needs_images again" .digest "$digest"

say "remote cache: an empty storage takes the layers from the registry"
cached() {
    build "$(jq -nc --arg cache "$R/cache/plant" '{cache: $cache}')" <<CF
FROM $R/external/tools:1
RUN cat /proc/uptime > /made
CF
}
cached
expect "with a remote cache" .outcome succeeded
digest=$(result .digest)
rm -rf "$STATE/storage"
cached
expect "from the remote cache" .digest "$digest"

say "two attempts at once in one storage; SIGTERM to one; SIGKILL to the other, then a sweep"
build_slow() { # starts a build that takes long; returns when its RUN has begun
    cat >"$T/ctx/Containerfile" <<CF
FROM $R/external/tools:1
RUN echo begun $1; sleep 100
CF
    local ref
    ref=$(context "$T/ctx" "$R/contexts/plant")
    order build "$(jq -nc --arg ref "$ref" --arg push "$R/build/plant/x" --argjson pins "$PINS" \
        '{context: {ref: $ref, size: 1}, containerfile: "Containerfile", pins: $pins, push: $push, timestamp: 0}')"
    mkdir -p "$T/slow-$1"
    : >"$T/slow-$1.log"
    cp "$T/order.json" "$T/slow-$1.json"
    "$exec_bin" build --order "$T/slow-$1.json" --dir "$T/slow-$1" --config "$CONFIG" >"$T/slow-$1.log" 2>&1 &
    local pid=$! n
    for ((n = 0; n < 600; n++)); do
        ! grep -qx "begun $1" "$T/slow-$1.log" || break
        sleep 0.1
    done
    printf -v "PID_$1" '%s' "$pid"
    printf -v "ATTEMPT_$1" '%s' "$ATTEMPT"
}
build_slow a
build_slow b
kill "$PID_a"
status=0
wait "$PID_a" || status=$?
[ "$status" = 1 ] || fail "after SIGTERM it exits $status"
[ ! -e "$T/slow-a/result.json" ] || fail "there is a result after SIGTERM"
[ "$(find "$STATE/storage/root" -name buildah.json | wc -l)" = 1 ] || fail "the other attempt's container is gone, or its own is left"
"$exec_bin" sweep --config "$CONFIG" >"$T/log" 2>&1 || fail "sweep fails"
[ "$(find "$STATE/storage/root" -name buildah.json | wc -l)" = 1 ] || fail "a sweep took a live attempt's container"
kill -KILL "$PID_b"
wait "$PID_b" || true
ATTEMPT=$ATTEMPT_b
"$exec_bin" sweep --config "$CONFIG" --live "$ATTEMPT_b" >"$T/log" 2>&1 || fail "sweep fails"
[ "$(find "$STATE/storage/root" -name buildah.json | wc -l)" = 1 ] || fail "a sweep took what --live names"
"$exec_bin" sweep --config "$CONFIG" >"$T/log" 2>&1 || fail "sweep fails"
nothing_left

say "memory: a build that takes more than it may is stopped, and the message says why"
build '{"memory": 268435456}' <<CF
FROM $R/external/tools:1
RUN dd if=/dev/zero of=/dev/null bs=600M count=1
CF
if [ -d /sys/fs/cgroup/memory ]; then
    expect_failure "memory" run-failed user
    result .message | grep -q memory || fail "the message does not speak of memory: $(result .message)"
fi
nothing_left

say "named contexts are folders of the context"
mkdir -p "$T/ctx/common"
echo shared >"$T/ctx/common/file"
build '{"contexts": {"common": "common"}}' <<CF
FROM $R/external/tools:1
COPY --from=common file /file
RUN grep -qx shared /file
CF
expect "a named context" .outcome succeeded

say "local runs: no registry to push to, tags instead of pins, names of their own"
mkdir "$T/local"
printf 'FROM tools\nCOPY Containerfile /x\n' >"$T/local/Containerfile"
local_build() { # local_build IMAGE-OF-PIN NAME
    order build "$(jq -nc --arg dir "$T/local" --arg image "$1" --arg name "$2" \
        '{context_dir: $dir, containerfile: "Containerfile", names: [$name], pins: [{written: ["tools"], ref: "tools", image: $image}]}')"
    execute
}
tools_image "$R/external/tools:local"
local_build "$R/external/tools:local" localhost/parent:latest
expect "a local build from a tag" .outcome succeeded
expect "a local build" .detail.local "localhost/bootfarm/build:$ATTEMPT"
local_build localhost/parent:latest localhost/child:latest
expect "a local build from a local image" .outcome succeeded
local_build localhost/missing:latest localhost/child:latest
expect_failure "a local image that is missing" base-not-found user
order test '{"source": "localhost/child:latest", "test": {"container": ["/bin/cat /x"]}}'
execute
expect "a local test" .outcome succeeded
build '{"pins": []}' <<<'FROM localhost/child:latest'
expect_failure "a farm's build does not see local images" unpinned-base user
nothing_left
say "done"
