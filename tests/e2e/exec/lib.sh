# lib.sh - for the tests of bootfarm-exec with real buildah, skopeo, QEMU and registry.
# shellcheck shell=bash
#
# BOOTFARM_BIN is the folder of the programs under test (build/dev/bin where it is not set). T is a directory of the test's own, gone afterwards.
set -euo pipefail
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../../.." && pwd)
# shellcheck source=tests/lib/registry.sh
. "$top/tests/lib/registry.sh"
exec_bin=${BOOTFARM_BIN:=$top/build/dev/bin}/bootfarm-exec

T=$(mktemp -d /var/tmp/bootfarm-exec-XXXXXX)
STATE=$T/state
CONFIG=$T/exec.conf
failures=0

say() { printf -- '-- %4d s  %s\n' "$SECONDS" "$*"; }
fail() {
    printf 'FAILED: %s\n' "$*" >&2
    failures=$((failures + 1))
    [ "${ATTEMPT:-}" != "${shown:-}" ] || return 0
    shown=${ATTEMPT:-}
    [ ! -s "$T/log" ] || tail -n 40 "$T/log" | sed 's/^/    | /' >&2
    [ -z "${RESULT:-}" ] || [ ! -s "$RESULT" ] || sed 's/^/    = /' "$RESULT" >&2
}
die() { fail "$@"; exit 1; }

finish() {
    local status=$?
    set +e
    registry_stop_all
    grep -F " $T/" /proc/mounts | awk '{print $2}' | sort -r | xargs -r -n1 umount -l
    rm -rf --one-file-system "$T"
    [ "$status" != 0 ] || [ "$failures" = 0 ] || status=1
    exit "$status"
}
trap finish EXIT

# configure [LINE...]: the worker's settings
configure() {
    {
        echo "state_dir = $STATE"
        echo "insecure_registries = ${REGISTRY_STAGING:-},${REGISTRY_RELEASE:-},${REGISTRY_SITE:-}"
        printf '%s\n' "$@"
    } >"$CONFIG"
}

new_attempt() { cat /proc/sys/kernel/random/uuid; }

# order KIND JSON-OBJECT: a work order in $T/order.json, of a new attempt, with these members
order() {
    ATTEMPT=$(new_attempt)
    jq -n --arg kind "$1" --arg attempt "$ATTEMPT" --argjson more "$2" '
        {v: 1, kind: $kind, job: ($kind + ":plant:x@main"), attempt: $attempt, image: "plant:x@main", arch: "amd64",
         timeout_ms: 300000, silence_ms: 0} + $more' >"$T/order.json"
}

# execute: runs the order; sets RESULT, DIR
execute() {
    DIR=$T/attempts/$ATTEMPT
    RESULT=$DIR/result.json
    mkdir -p "$DIR"
    local kind
    kind=$(jq -r .kind "$T/order.json")
    "$exec_bin" "$kind" --order "$T/order.json" --dir "$DIR" --config "$CONFIG" "$@" >"$T/log" 2>&1 || fail "bootfarm-exec exits with status $?"
}

result() { jq -r "$1" "$RESULT"; }

# expect WHAT FILTER VALUE: what a jq filter says of the result
expect() {
    local got
    got=$(result "$2") || got="(no result)"
    [ "$got" = "$3" ] || fail "$1: expected $2 = $3, got $got"
}
expect_failure() { # expect_failure WHAT CODE CLASS
    expect "$1" .outcome failed
    expect "$1" .code "$2"
    expect "$1" .class "$3"
}

# nothing_left: no mount, container or process of this worker, and no lock of an attempt
nothing_left() {
    local left
    left=$(grep -F " $T/" /proc/mounts || true)
    [ -z "$left" ] || fail "mounts are left: $left"
    left=$(find "$STATE/storage/root" -path '*-containers/*' -name buildah.json 2>/dev/null || true)
    [ -z "$left" ] || fail "containers are left: $left"
    left=$(ls "$STATE/attempts" 2>/dev/null || true)
    [ -z "$left" ] || fail "attempts are left: $left"
    left=$(ps -eww -o pid=,args= | grep -F "$T/" | grep -E 'buildah|qemu|skopeo' | grep -v grep || true)
    [ -z "$left" ] || fail "processes are left: $left"
    left=$(find /sys/fs/cgroup -type d -name "bootfarm-$ATTEMPT" 2>/dev/null || true)
    [ -z "$left" ] || fail "cgroups are left: $left"
}

tools_image() { # tools_image HOST/REPO:TAG: one static busybox
    "$top/deploy/busybox-image" "docker://$1"
}

# context DIR REF: DIR as the planner ships it, an artifact at REF; prints REPO@DIGEST
context() {
    local dir=$1 ref=$2 oci=$T/artifact
    rm -rf "$oci"
    mkdir -p "$oci/blobs/sha256"
    tar -C "$dir" --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner -cf "$oci/layer" .
    printf '{}' >"$oci/config"
    local file hex size json=()
    for file in config layer; do
        hex=$(sha256sum <"$oci/$file" | cut -d' ' -f1)
        size=$(stat -c %s "$oci/$file")
        mv "$oci/$file" "$oci/blobs/sha256/$hex"
        json+=("\"digest\":\"sha256:$hex\",\"size\":$size")
    done
    printf '{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":"application/vnd.bootfarm.context.config.v1+json",%s},"layers":[{"mediaType":"application/vnd.bootfarm.context.v1.tar",%s}]}' \
        "${json[0]}" "${json[1]}" >"$oci/manifest"
    hex=$(sha256sum <"$oci/manifest" | cut -d' ' -f1)
    size=$(stat -c %s "$oci/manifest")
    mv "$oci/manifest" "$oci/blobs/sha256/$hex"
    printf '{"schemaVersion":2,"manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"sha256:%s","size":%s,"annotations":{"org.opencontainers.image.ref.name":"context"}}]}' "$hex" "$size" >"$oci/index.json"
    echo '{"imageLayoutVersion":"1.0.0"}' >"$oci/oci-layout"
    skopeo copy -q --preserve-digests --dest-tls-verify=false "oci:$oci:context" "docker://$ref:latest"
    echo "$ref@sha256:$hex"
}
