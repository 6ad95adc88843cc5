#!/bin/bash
# The push hook: tells the farm, and never fails a push.
. "$(dirname "$0")/lib.sh"
farm_up

git init -q --bare -b main "$T/plant.git"
install -m 0755 "$SRC/deploy/hooks/post-receive" "$T/plant.git/hooks/post-receive"
git -C "$T/plant.git" config bootfarm.socket "$SOCK"
git -C "$T/plant.git" config bootfarm.command "$BIN/bootfarm"
unset BOOTFARM_SOCKET
git init -q -b main "$T/work"
git -C "$T/work" remote add origin "$T/plant.git"
push() {
    git -C "$T/work" -c user.name=t -c user.email=t@t commit -q --allow-empty -m more
    git -C "$T/work" push -q origin main >"$T/push" 2>&1 || fail "the push failed: $(cat "$T/push")"
}
commands() { sql "select count(*) from farm.command where verb = 'repo_sync' and args->>'slug' = '$1'"; }

# By the folder's name, and by the configured one.
push
grep -q 'bootfarm: told to look at plant' "$T/push" || fail "the hook said: $(cat "$T/push")"
[ "$(commands plant)" = 1 ] || fail "no command was stored"
act "select t.do('repo_add', '{\"url\": \"file:///srv/other.git\", \"slug\": \"other\"}')" >/dev/null
git -C "$T/plant.git" config bootfarm.repository other
push
[ "$(commands other)" = 1 ] || fail "the configured name was not used: $(cat "$T/push")"

# A farm that does not know it, is down, hangs, or has no program: said, and pushed.
git -C "$T/plant.git" config bootfarm.repository nobody
push
grep -q 'could not be told.*there is no repository nobody' "$T/push" || fail "the hook said: $(cat "$T/push")"
git -C "$T/plant.git" config bootfarm.repository plant
kill -STOP "$API_PID"
begin=$SECONDS
push
[ $((SECONDS - begin)) -le 8 ] || fail "a farm that hangs held the push for $((SECONDS - begin)) s"
grep -q 'could not be told' "$T/push" || fail "the hook said: $(cat "$T/push")"
kill -CONT "$API_PID"
api_stop
push
grep -q 'could not be told.*start bootfarm-api' "$T/push" || fail "the hook said: $(cat "$T/push")"
git -C "$T/plant.git" config bootfarm.command /no/such/program
push
grep -q 'could not be told' "$T/push" || fail "the hook said: $(cat "$T/push")"
[ "$(git -C "$T/plant.git" rev-list --count main)" = 6 ] || fail "not every push arrived"
