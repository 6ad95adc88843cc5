# farm.sh - a farm of its own for one end-to-end test: real PostgreSQL, registries, git, buildah, skopeo and QEMU.
# shellcheck shell=bash
#
# BOOTFARM_BIN names the folder of the programs under test (default: build/release/bin). The farm lives in a directory below /var/tmp and is gone afterwards;
# where the test failed, the logs are printed first.
set -euo pipefail
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
export FARM_SHARE=$top/deploy
BOOTFARM_BIN=${BOOTFARM_BIN:-$top/build/release/bin}

fail() { echo "FAILED: $*" >&2; exit 1; }
say() { printf '%s %5d s  %s\n' '--' "$SECONDS" "$*"; }

e2e_home() {
    mktemp -d "/var/tmp/bootfarm-e2e-XXXXXX"
}

# e2e_cleanup HOME STATUS: stops everything, checks that nothing is left, removes it
e2e_cleanup() {
    local home=$1 status=$2
    set +e
    if [ "$status" != 0 ]; then
        for log in "$home"/log/*.log; do
            case $log in *registry*|*initdb*) continue ;; esac
            printf '\n---- %s\n' "$log"
            tail -n "${E2E_TAIL:-60}" "$log"
        done
        "$home/usr/bin/bootfarm" status 2>&1
    fi
    farm_stop_all
    farm_unmount "$home"
    rm -rf --one-file-system "$home"
    exit "$status"
}

# e2e_prepare: a farm's directory with the programs under test, nothing started
e2e_prepare() {
    # shellcheck source=deploy/farm.sh
    . "$top/deploy/farm.sh"
    E2E_HOME=$(e2e_home)
    farm_init "$E2E_HOME"
    trap 'e2e_cleanup "$E2E_HOME" $?' EXIT
    mkdir -p "$FARM_BIN"
    cp "$BOOTFARM_BIN"/bootfarm* "$FARM_BIN/"
}

# e2e_farm: a running farm; container images only, so no bootable base is made
e2e_farm() {
    farm_up
    farm_tools_base
    printf 'TOOLS_BASE=%s\n' "$(farm_registry release)/external/busybox:1" >"$FARM/etc/bases.conf"
    say "farm is up in $FARM"
}

# e2e_template DIR: what all repositories of container images share; images are tested by reading /etc/number
e2e_template() {
    mkdir -p "$1"
    cat >"$1/bootfarm.yaml" <<'YAML'
bootfarm: 1
defaults: { mirror: { sites: ["acp-*"] } }
images:
  - files: ["*/Containerfile"]
    args_files: ["/build-args.conf"]
    test: { boot: no, container: ["/bin/cat /etc/number"] }
YAML
}

# number_file FILE NUMBER: a Containerfile that makes /etc/number
number_file() { mkdir -p "$(dirname "$1")" && printf 'ARG TOOLS_BASE\nFROM ${TOOLS_BASE}\nRUN echo %s > /etc/number\n' "$2" >"$1"; }

bf() { "$FARM_BIN/bootfarm" "$@"; }

# Rows of the job list that came after job $1, as JSON.
jobs_after() { bf job list --json --limit 10000 | jq "[.[] | select(.id > $1)]"; }
newest_job() { bf job list --json --limit 10000 | jq '[.[].id] | max // 0'; }

# `kind image state` lines, sorted, of the jobs after job $1; images without repository and ref.
job_lines() { jobs_after "$1" | jq -r '.[] | "\(.kind) \(.image | sub("^.*:"; "") | sub("@.*$"; "")) \(.state)"' | sort; }

# wait_for SECONDS WHAT COMMAND...
wait_for() {
    local until=$((SECONDS + $1)) what=$2
    shift 2
    until "$@"; do
        [ "$SECONDS" -lt "$until" ] || fail "waited for: $what"
        sleep 0.2
    done
}

# The ref's head was planned.
planned() { # planned SLUG REF OID
    [ "$(farm_psql -d bootfarm -Atc "select r.oid from farm.ref r join farm.repo p on p.id = r.repo_id where p.slug = '$1' and r.name = '$2'")" = "$3" ]
}

has_jobs() { [ "$(newest_job)" -gt 0 ]; }

# No job waits or runs.
settled() { [ "$(bf job list --json --limit 10000 | jq '[.[] | select(.state | IN("waiting", "ready", "leased", "running"))] | length')" = 0 ]; }

push() { # push SLUG [REF]: pushes the working copy and waits until the farm has planned it
    local work=$FARM/$1 ref=${2:-main}
    git -C "$work" push -q origin "HEAD:$ref"
    wait_for 60 "plan of $1@$ref" planned "$1" "$ref" "$(git -C "$work" rev-parse HEAD)"
}

commit() { git -C "$FARM/$1" add -A && git -C "$FARM/$1" commit -qm "$2"; }

expect_lines() { # expect_lines WHAT EXPECTED ACTUAL
    [ "$2" = "$3" ] || fail "$1: expected
$2
got
$3"
}
