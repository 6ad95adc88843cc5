# base.sh - the bootable base image for tests, made once per recipe and kept.
# shellcheck shell=bash
#
#   base_image        prints the path of an OCI layout (tag: base); makes it first where it is missing (about a minute)

base_image() {
    local top cache key dir
    top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
    cache=${BOOTFARM_TEST_CACHE:-/var/tmp/bootfarm-test}
    key=$(cat "$top/deploy/base-image" "$top/deploy/oci.sh" | sha256sum | cut -c1-16)
    dir=$cache/base-$key
    mkdir -p "$cache"
    (
        flock 9
        [ ! -d "$dir" ] || exit 0
        rm -rf "$dir.new"
        if ! "$top/deploy/base-image" "oci:$dir.new:base" >"$dir.log" 2>&1; then
            tail -n 30 "$dir.log" >&2
            exit 1
        fi
        mv "$dir.new" "$dir"
    ) 9>"$cache/lock" || return 1
    echo "$dir"
}
