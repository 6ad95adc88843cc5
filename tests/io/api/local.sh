#!/bin/bash
# Without a farm: plan, lint, init; build and test of a folder; test of a reference in a registry. Real buildah and skopeo, no VM.
set -u
: "${SRC:?}" "${BIN:?}"
# shellcheck source=/dev/null
. "$SRC/tests/lib/registry.sh"
T=$(mktemp -d /var/tmp/bootfarm-local-test.XXXXXX)
trap 'registry_stop_all; umount -l "$T"/state/* 2>/dev/null; rm -rf "$T"' EXIT
export TMPDIR=$T/tmp
mkdir "$TMPDIR"

fail() {
    printf 'FAILED: %.3000s\n' "$*" >&2
    exit 1
}
bf() {
    rc=0
    "$BIN/bootfarm" --socket "$T/none" "$@" >"$T/out" 2>"$T/err" </dev/null || rc=$?
    out=$(cat "$T/out") err=$(cat "$T/err")
}
ends() { [ "$rc" = "$1" ] || fail "exit status $rc instead of $1: $out $err"; }
prints() { grep -qE -- "$1" <<<"$out" || fail "output lacks '$1': $out $err"; }
complains() { grep -qF -- "$1" <<<"$err" || fail "the complaint lacks '$1': $err $out"; }

R=$T/repo
mkdir -p "$R/app" "$R/child" "$R/broken"
cp /bin/busybox "$R/app/"
# They pause before they end: buildah 1.28's chroot isolation does not wait for its own copy of the output.
cat >"$R/app/Containerfile" <<'FILE'
FROM scratch
COPY busybox /bin/busybox
COPY busybox /bin/sh
RUN echo this is the build; sleep 1
FILE
printf 'test: { boot: no, container: ["echo this is the test; sleep 1"] }\n' >"$R/app/image.yaml"
printf 'FROM localhost/app\nRUN echo about to fail; sleep 1; exit 7\n' >"$R/child/Containerfile"
git -C "$T" init -q "$R"
git -C "$R" add -A
git -C "$R" -c user.name=t -c user.email=t@t commit -qm one
printf 'state_dir = %s/state\n' "$T" >"$T/exec.conf"
mkdir "$T/state"

# ---- offline ----------------------------------------------------------------------------------------------------------

bf plan "$R" --json
ends 0
jq -e '[.images[].name] == ["app", "child"]' "$T/out" >/dev/null || fail "plan --json: $out"
bf --json plan "$R"
jq -e '.jobs | length == 6' "$T/out" >/dev/null || fail "--json plan: $out"
bf lint "$R"
ends 0
printf 'FROM ${UNSET}\n' >"$R/broken/Containerfile"
bf lint "$R" --disk
ends 1
grep -qE '^broken/Containerfile:1:[0-9]+: error' <<<"$out$err" || fail "lint says: $out $err"
bf plan --nonsense
ends 2
bf init "$R"
ends 0
[ -s "$R/bootfarm.yaml" ] || fail "init wrote nothing"
rm -r "$R/bootfarm.yaml" "$R/broken"
# Whatever the planner can be told stands in our help, too.
"$BIN/bootfarm-planner" --help | grep -E '^  --' | while read -r option words; do
    for command in plan lint init; do
        case $words in *"($command"* | *" $command"[,\)]*) ;; *) continue ;; esac
        bf $command --help
        grep -qE -- "^  ${option%%=*}( |$)" <<<"$out" || fail "bootfarm $command --help lacks $option"
    done
done || exit 1

# ---- build and test of a folder ---------------------------------------------------------------------------------------------

bf build --local "$R" app --config "$T/exec.conf"
ends 0
prints '^this is the build$'
prints '^succeeded localhost/'
bf test --local "$R" app --config "$T/exec.conf"
ends 0
prints '^this is the test$'
prints '^ok +[0-9]+ +echo this is the test; sleep 1$'
bf test --local "$R" app --config "$T/exec.conf" --json
tail -n +1 "$T/out" | grep -q '"outcome": *"succeeded"' || fail "test --json: $out"
bf build --local "$R" child --config "$T/exec.conf"
ends 1
prints '^about to fail$'
prints '^failed \(user\): run-failed: .*exit'
bf build --local "$R" nothing --config "$T/exec.conf"
ends 1
complains "there is no image 'nothing' here"
bf build --local "$T/nowhere" app
ends 1
bf build --local "$R" app --fake
ends 0
prints '^succeeded sha256:'
[ -z "$(ls "$TMPDIR")" ] || fail "left behind: $(ls -R "$TMPDIR")"

# ---- any reference ------------------------------------------------------------------------------------------------------------

bf test localhost/app:latest --config "$T/exec.conf" --boot no --run "/bin/busybox echo local storage"
ends 0
# Not what the command wrote: it does not pause.
prints '^ok: /bin/busybox echo local storage '

registry_start local "$T/registry" || fail "no registry"
REGISTRY=$REGISTRY_LOCAL
"$SRC/deploy/busybox-image" "docker://$REGISTRY/tools/busybox:1" || fail "no image"
bf test "$REGISTRY/tools/busybox:1" --insecure --boot no --run "true,echo in the container" --fake
ends 0
bf test "$REGISTRY/tools/busybox:none" --insecure --boot no --run true
ends 1
complains "cannot tell what $REGISTRY/tools/busybox:none is"
printf 'state_dir = %s/state\ninsecure_registries = other:1, %s\n' "$T" "$REGISTRY" >"$T/exec.conf"
bf test "$REGISTRY/tools/busybox:1" --config "$T/exec.conf" --boot no --run "true,false"
ends 1
prints '^not ok +[0-9]+ +false'
digest=$(skopeo inspect --tls-verify=false --format '{{.Digest}}' "docker://$REGISTRY/tools/busybox:1")
bf test "$REGISTRY/tools/busybox:1@$digest" --config "$T/exec.conf" --boot no --run "echo in the container; sleep 1"
ends 0
prints '^in the container$'
prints "^succeeded $digest$"

bf test "$REGISTRY/tools/busybox@sha256:12"
ends 2
for bad in "--memory much" "--test-timeout soon" "--cpus 0" "--boot maybe"; do
    # shellcheck disable=SC2086
    bf test quay.io/a/b:1 $bad
    ends 2
    complains "${bad%% *}"
done
[ -z "$(ls "$TMPDIR")" ] || fail "left behind: $(ls -R "$TMPDIR")"

# The interrupt key ends the executor, which cleans up; then we do.
printf 'test: { boot: no, container: ["/bin/busybox sleep 1000"] }\n' >"$R/app/image.yaml"
git -C "$R" -c user.name=t -c user.email=t@t commit -qam two
# In a shell of its own, whose children do not ignore the signal.
setsid "$BIN/bootfarm" test --local "$R" app --config "$T/exec.conf" >"$T/out" 2>&1 </dev/null &
tester=$!
end=$((SECONDS + 60))
until grep -q 'busybox sleep' "$T/out"; do
    [ "$SECONDS" -lt "$end" ] || fail "the test does not begin: $(cat "$T/out")"
    read -r -t 0.05 <> <(:) || :
done
kill -INT -- "-$tester"
rc=0
wait "$tester" || rc=$?
[ "$rc" = 1 ] || fail "interrupted, it ends with $rc: $(cat "$T/out")"
[ -z "$(ls "$TMPDIR")" ] || fail "left behind: $(ls -R "$TMPDIR")"
! pgrep -f "[b]usybox sleep 1000" >/dev/null || fail "the test's process is left"
