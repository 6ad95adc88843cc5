#!/usr/bin/env bash
# What a person can get wrong: a broken definition, a failing build, a failing test; and what others do: a registry that is down, a Git
# server that is down, a file of configuration that is wrong. Each is said where people look, nothing is lost, others go on.
. "$(dirname "$0")/farm.sh"
export FARM_SCHEDULER_OPTIONS="backoff_min = 500ms
backoff_max = 2s"
e2e_prepare
e2e_farm

repo=$FARM/etc/repo
e2e_template "$repo"
number_file "$repo/base/Containerfile" 1
number_file "$repo/other/Containerfile" other
mkdir "$repo/child"
printf 'FROM localhost/base:latest\nRUN echo child > /etc/child\n' >"$repo/child/Containerfile"
farm_repo line "$repo"
work=$FARM/line

state() { bf status --json | jq -r ".[] | select(.name == \"line:$1@main\") | .state"; }
is() { [ "$(state "$1")" = "$2" ]; }
digest_of() { skopeo inspect --tls-verify=false --format '{{.Digest}}' "docker://$1"; }
for i in base child other; do wait_for 120 "$i to be Synced" is "$i" Synced; done
first=$(digest_of "$(farm_registry release)/line/base:main")

say "a broken definition: file, line and column are said, other images go on"
printf 'ARG TOOLS_BASE\nFROM ${TOOLS_BASE}  # a comment\nRUN echo 2 > /etc/number\n' >"$work/base/Containerfile"
number_file "$work/other/Containerfile" "other 2"
commit line "broken" && push line
wait_for 60 "other to be rebuilt" is other Synced
bf status | grep -E 'base/Containerfile:2:[0-9]+' || fail "status does not say where the definition is broken"
[ "$(bf lint "$work" 2>&1 | grep -cE '^base/Containerfile:2:[0-9]+: error')" = 1 ] || fail "lint does not say it"
! bf lint "$work" >/dev/null 2>&1 || fail "lint of a broken repository exits 0"

say "a failing build: Degraded with the step and the last lines; the child waits for it by name; the old release stays"
printf 'ARG TOOLS_BASE\nFROM ${TOOLS_BASE}\nRUN echo about to fail; sleep 1; exit 7\n' >"$work/base/Containerfile"
commit line "fails" && push line
wait_for 60 "base to be Degraded" is base Degraded
bf status | grep -q 'exit 7' || fail "status does not name the failing step"
bf status | grep -q 'about to fail' || fail "status does not show the last log lines"
blocked() { bf queue --json | jq -e '.[] | select(.image == "line:child@main" and (.detail | tostring | contains("base")))' >/dev/null; }
wait_for 30 "the child to wait for base by name" blocked
[ "$(digest_of "$(farm_registry release)/line/base:main")" = "$first" ] || fail "a failed build changed the release"

say "a failing test: Degraded, not released"
printf 'ARG TOOLS_BASE\nFROM ${TOOLS_BASE}\nRUN echo no number\n' >"$work/base/Containerfile"
commit line "test fails" && push line
tests_failed() { bf job list --json | jq -e '[.[] | select(.kind == "test" and .image == "line:base@main")] | max_by(.id) | .state == "failed" and .fail_class == "user"' >/dev/null; }
wait_for 90 "base's test to fail" tests_failed
is base Degraded || fail "base is $(state base)"
[ "$(digest_of "$(farm_registry release)/line/base:main")" = "$first" ] || fail "an untested image was released"

say "the fix: everything goes on by itself"
number_file "$work/base/Containerfile" 3
commit line "fixed" && push line
for i in base child other; do wait_for 120 "$i to be Synced" is "$i" Synced; done

say "a branch that is not the remote's HEAD: built, tested and not released, which is said; a rule releases it"
on_topic() { [ "$(bf status --json | jq -r '.[] | select(.name == "line:base@topic") | "\(.state) \(.reason)"')" = "$1" ]; }
push line topic
wait_for 120 "base@topic to be built and tested" on_topic "OutOfSync policy"
! digest_of "$(farm_registry release)/line/base:topic" || fail "a branch that may not publish was released"
bf explain line:base@topic | grep -F 'not released: the ref topic may not publish (see bootfarm repo policy)' || fail "explain does not say why: $(bf explain line:base@topic)"
wait_for 120 "the others" settled
bf status --until synced --timeout 30s || fail "what may not be released counts as not synced"
bf repo policy line topic
wait_for 120 "base@topic to be released" on_topic "Synced null"
[ "$(digest_of "$(farm_registry release)/line/base:topic")" = "$(digest_of "$(farm_registry release)/line/base:main")" ] || fail "base:topic is not base:main"
git -C "$work" push -q origin :topic

say "the staging registry is down: retried, said, nothing lost"
farm_stop registry-staging
number_file "$work/base/Containerfile" 4
commit line "while the registry is down"
git -C "$work" push -q origin main
registry_said() { bf status | grep -qi 'registry'; }
wait_for 60 "status to speak of the registry" registry_said
farm_registry_start staging
head=$(git -C "$work" rev-parse HEAD)
wait_for 60 "the plan" planned line main "$head"
for i in base child; do wait_for 120 "$i to be Synced" is "$i" Synced; done

say "the Git server is down: said, and picked up later"
mv "$FARM/git/line.git" "$FARM/git/away.git"
bf repo sync line || true
git_said() { bf status | grep -q 'line'; bf repo list --json | jq -e '.[] | select(.name == "line" and .error != null)' >/dev/null; }
wait_for 60 "repo list to say that line cannot be read" git_said
mv "$FARM/git/away.git" "$FARM/git/line.git"
git_well() { bf repo list --json | jq -e '.[] | select(.name == "line" and .error == null)' >/dev/null; }
bf repo sync line || true
wait_for 90 "line to be read again" git_well

say "wrong configuration: one line with file, key and what was expected; exit 2"
for program in bootfarm-scheduler bootfarm-api bootfarm-worker; do
    printf 'no_such_key = 1\n' >"$FARM/etc/wrong.conf"
    status=0
    out=$("$FARM_BIN/$program" --config="$FARM/etc/wrong.conf" 2>&1) || status=$?
    [ "$status" = 2 ] || fail "$program with a wrong key exits $status"
    [ "$(printf '%s\n' "$out" | wc -l)" = 1 ] || fail "$program says more than one line: $out"
    case $out in *wrong.conf*no_such_key*) ;; *) fail "$program: $out" ;; esac
    "$FARM_BIN/$program" --version | grep -q '[0-9]' || fail "$program has no version"
done

say "bootfarm-init is not beside the worker: said at the start"
mkdir -p "$FARM/alone"
cp "$FARM_BIN/bootfarm-worker" "$FARM/alone/"
status=0
out=$("$FARM/alone/bootfarm-worker" --config="$FARM/etc/worker-hub-build.conf" 2>&1) || status=$?
[ "$status" = 1 ] || fail "a worker without bootfarm-init exits $status: $out"
case $out in *"cannot open $FARM/alone/bootfarm-init"*) ;; *) fail "a worker without bootfarm-init says: $out" ;; esac
say "done"
