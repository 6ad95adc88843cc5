#!/usr/bin/env bash
# Real boots of a real system: scripts that pass, skip and fail, a panic, a system that never settles, and what is left afterwards.
# Emulated, each boot takes 15 to 40 s.
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/lib/base.sh
. "$top/tests/lib/base.sh"

registry_start staging "$T/staging"
R=$REGISTRY_STAGING
configure "disk = ${BOOT_DISK:-auto}"
oci=$(base_image) || die "no base image"
say "base image is there"
skopeo copy -q --preserve-digests --dest-tls-verify=false "oci:$oci:base" "docker://$R/external/base:1"
BASE=$R/external/base@$(registry_digest "$R/external/base:1")

# Images that differ from the base in one small layer.
mkdir -p "$T/ctx" "$T/scripts/tests/lib"
printf '[Service]\nType=oneshot\nExecStart=/bin/sleep infinity\nTimeoutStartSec=infinity\n' >"$T/ctx/sleeper.service"
# variant NAME LINES...: sets VARIANT
variant() {
    local name=$1 ref
    shift
    printf '%s\n' "FROM base" "$@" >"$T/ctx/Containerfile"
    ref=$(context "$T/ctx" "$R/contexts/plant")
    order build "$(jq -nc --arg ref "$ref" --arg push "$R/build/plant/$name" --arg image "$BASE" \
        '{context: {ref: $ref, size: 1}, containerfile: "Containerfile", push: $push, pins: [{written: ["base"], ref: "base", image: $image}]}')"
    execute
    expect "variant $name" .outcome succeeded
    VARIANT=$R/build/plant/$name@$(result .digest)
}

boot() { # boot SOURCE TEST
    local ref
    ref=$(context "$T/scripts" "$R/tests/plant")
    order test "$(jq -nc --arg source "$1" --arg ref "$ref" --argjson test "$2" '{source: $source, scripts: {ref: $ref, size: 1}, test: ({memory: 1073741824, cpus: 2} + $test)}')"
    execute
}

cat >"$T/scripts/tests/pass.sh" <<'SH'
#!/bin/sh
set -eux
test "$(id -u)" = 0
test "$PATH" = /usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
test "$BOOTFARM_IMAGE" = plant:x@main
test "$BOOTFARM_ARCH" = amd64
test -z "$(ls -A .)"
. "$BOOTFARM_SCRIPTS/tests/lib/common.sh"
test "$common" = yes
systemctl is-active multi-user.target dbus.service
# only loopback
test "$(ls /sys/class/net)" = lo
# the tested bits are the image's: nothing of the test is on its disk
test "$(stat -f -c %T /run)" = tmpfs
! find / -xdev -name '*bootfarm*' | grep .
test -z "$(cat /etc/machine-id)" || test "$(wc -c </etc/machine-id)" = 33
test "$(stat -c %a /)" = 755
SH
echo 'common=yes' >"$T/scripts/tests/lib/common.sh"
printf '#!/bin/sh\necho not here; exit 77\n' >"$T/scripts/tests/skip.sh"
printf '#!/bin/sh\necho first; echo "ok 9 - forged # ms=1"; echo "# bf-exit 0"; echo last words; exit 3\n' >"$T/scripts/tests/fail.sh"
printf '#!/bin/sh\nsleep 1000 & trap "" TERM; sleep 1000\n' >"$T/scripts/tests/slow.sh"
printf 'echo no shebang, no mode\n' >"$T/scripts/tests/plain"
chmod 755 "$T/scripts/tests"/*.sh

say "a good image boots, its scripts run"
boot "$BASE" '{"scripts": ["tests/pass.sh", "tests/skip.sh", "tests/plain"], "timeout_ms": 240000}'
expect "boot" .outcome succeeded
expect "boot" '[.detail.tests[] | .name + " " + .result] | join(",")' "tests/pass.sh ok,tests/skip.sh skip,tests/plain ok"
expect "boot" .detail.state running
expect "boot" '.detail.shortcuts | length' 0
[ "$(result .detail.boot_ms)" -gt 1000 ] || fail "boot_ms is $(result .detail.boot_ms)"
grep -q 'no shebang, no mode' "$T/log" || fail "a script's output is not in the log"
echo "   accel $(result .detail.accel), ready after $(result .detail.boot_ms) ms"
nothing_left
[ -z "$(find "$DIR" -name 'results*')" ] || fail "FIFOs are left"

say "a failing script, and one that overruns"
boot "$BASE" '{"scripts": ["tests/fail.sh", "tests/slow.sh"], "timeout_ms": 60000}'
expect_failure "scripts" script-failed user
expect "scripts" .message "tests/fail.sh: exit status 3: last words"
expect "scripts" '[.detail.tests[].result] | join(",")' "not ok,not ok"
result '.detail.tests[1].message' | grep -q 'timed out' || fail "the second script's message is $(result '.detail.tests[1].message')"
result '.detail.tail | length' | grep -qv '^0$' || fail "no console in the result"
nothing_left

say "a panic"
variant panic 'RUN rm /sbin/init /usr/lib/systemd/systemd && printf "#!/bin/sh\necho the last words\n" > /sbin/init && chmod 755 /sbin/init'
boot "$VARIANT" '{"scripts": ["tests/pass.sh"], "timeout_ms": 240000}'
expect_failure "a panic" guest-panic user
grep -q 'Attempted to kill init' "$T/log" || fail "the console is not in the log"
nothing_left

say "a system that never settles"
variant sleeper 'COPY sleeper.service /etc/systemd/system/sleeper.service' 'RUN mkdir -p /etc/systemd/system/multi-user.target.wants && ln -s ../sleeper.service /etc/systemd/system/multi-user.target.wants/'
boot "$VARIANT" '{"scripts": ["tests/pass.sh"], "timeout_ms": 45000}'
expect_failure "never settles" not-settled timeout
result .message | grep -q sleeper.service || fail "the message does not name the unit: $(result .message)"
nothing_left

say "ready by a text on the console; a guest that ends before its last line"
printf '#!/bin/sh\necho off; sleep 1; busybox poweroff -f; sleep 1000\n' >"$T/scripts/tests/off.sh"
chmod 755 "$T/scripts/tests/off.sh"
boot "$VARIANT" '{"scripts": ["tests/off.sh"], "timeout_ms": 240000, "ready": "console:Debian GNU/Linux 12"}'
expect_failure "power off" guest-ended user
nothing_left

begin_boot() { # starts a boot test; returns when QEMU runs; sets pid
    order test "$(jq -nc --arg source "$BASE" '{source: $source, test: {timeout_ms: 240000}}')"
    DIR=$T/attempts/$ATTEMPT
    mkdir -p "$DIR"
    "$exec_bin" test --order "$T/order.json" --dir "$DIR" --config "$CONFIG" >"$T/log" 2>&1 &
    pid=$!
    local n
    for ((n = 0; n < 1200; n++)); do
        ! ps -eww -o args= | grep -F "guest=bootfarm-$ATTEMPT" | grep -vq grep || return 0
        sleep 0.1
    done
    fail "QEMU does not start"
}

say "SIGTERM during a boot: no result, nothing left"
begin_boot
kill "$pid"
status=0
wait "$pid" || status=$?
[ "$status" = 1 ] || fail "after SIGTERM it exits $status"
[ ! -e "$DIR/result.json" ] || fail "there is a result after SIGTERM"
nothing_left

say "SIGKILL during a boot, then a sweep: nothing left"
begin_boot
kill -KILL "$pid"
wait "$pid" || true
"$exec_bin" sweep --config "$CONFIG" >"$T/log" 2>&1 || fail "sweep fails"
nothing_left
say "done"
