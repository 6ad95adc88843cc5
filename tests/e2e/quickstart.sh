#!/usr/bin/env bash
# The main job, as a new user meets it: deploy/quickstart until everything is Synced and Present; then what each kind of push sets in motion.
. "$(dirname "$0")/farm.sh"
export BOOTFARM_HOME
BOOTFARM_HOME=$(e2e_home)
# shellcheck source=deploy/farm.sh
. "$top/deploy/farm.sh"
trap 'farm_init "$BOOTFARM_HOME"; e2e_cleanup "$BOOTFARM_HOME" $?' EXIT

say "a directory of somebody else's is neither taken nor removed"
mkdir "$BOOTFARM_HOME/run"
for option in --timeout=1 --stop --clean; do
    status=0
    "$top/deploy/quickstart" "$option" 2>"$BOOTFARM_HOME/run/said" || status=$?
    [ "$status" = 2 ] || fail "quickstart $option in a foreign directory: exit status $status"
    grep -F "$BOOTFARM_HOME is not empty" "$BOOTFARM_HOME/run/said" || fail "quickstart $option does not say what is wrong with a foreign directory"
    [ "$(find "$BOOTFARM_HOME" -mindepth 1 -printf '%P ')" = "run run/said " ] || fail "quickstart $option changed a foreign directory"
done
rm -r "$BOOTFARM_HOME/run"

"$top/deploy/quickstart" --timeout 1500
farm_init "$BOOTFARM_HOME"
work=$FARM/plant

images=$(bf status --json | jq -r '.[] | "\(.name) \(.state)"' | sort)
expect_lines "images" "plant:base@main Synced
plant:gateway-acp-1@main Synced
plant:gateway-acp-2@main Synced
plant:gateway@main Synced
plant:hmi-acp-1@main Synced
plant:hmi-acp-2@main Synced
plant:hmi@main Synced
plant:telemetry@main Synced" "$images"
[ "$(bf presence list --json | jq '[.[] | select(.site == "acp-1" and .state == "Present")] | length')" = 8 ] || fail "not all images are present at acp-1"
digest_of() { skopeo inspect --tls-verify=false --format '{{.Digest}}' "docker://$1"; }
for image in base hmi gateway hmi-acp-1 telemetry; do
    [ "$(digest_of "$(farm_registry release)/plant/$image:main")" = "$(digest_of "$(farm_registry acp-1)/plant/$image:main")" ] ||
        fail "$image: the site's registry holds another digest than the hub's"
done
first=$(digest_of "$(farm_registry release)/plant/hmi:main")

say "an edit of hmi: hmi and its children, nothing else"
last=$(newest_job)
sed -i 's/Operator panel/Operator panel 2/' "$work/images/hmi/files/index.html"
commit plant "A new title" && push plant
wait_for 600 "the edit of hmi" settled
expect_lines "an edit of hmi" "$(for k in build mirror publish test; do for i in hmi hmi-acp-1 hmi-acp-2; do echo "$k $i succeeded"; done; done)" "$(job_lines "$last")"
[ "$(digest_of "$(farm_registry release)/plant/hmi:main")" != "$first" ] || fail "the edit of hmi was not released"

say "an edit of a test script: only the test runs"
last=$(newest_job)
echo 'systemctl show -p MainPID hmi.service' >>"$work/images/hmi/tests/10-service.sh"
commit plant "Show more" && push plant
wait_for 300 "the edit of a test" settled
expect_lines "jobs that ran after an edit of a test script" "test hmi succeeded" "$(job_lines "$last" | grep -v skipped)"

say "a commit that changes nothing relevant: no job"
last=$(newest_job)
echo 'More words.' >>"$work/README.md"
commit plant "More words" && push plant
expect_lines "jobs after an irrelevant commit" "" "$(job_lines "$last")"

say "a revert: builds nothing, releases the earlier digest"
last=$(newest_job)
sed -i 's/Operator panel 2/Operator panel/' "$work/images/hmi/files/index.html"
git -C "$work" checkout -q HEAD~2 -- images/hmi/tests
commit plant "Back to the first title" && push plant
wait_for 120 "the revert" settled
! job_lines "$last" | grep -E '^(build|test) .* succeeded' || fail "a revert built or tested something"
[ "$(digest_of "$(farm_registry release)/plant/hmi:main")" = "$first" ] || fail "the revert did not release the earlier digest"

say "a new branch that may release, with equal content: builds nothing, gets its tags"
last=$(newest_job)
bf repo policy plant next
push plant next
wait_for 120 "the new branch" settled
! job_lines "$last" | grep -E '^(build|test) .* succeeded' || fail "a new branch with equal content built or tested something"
for image in base hmi gateway hmi-acp-1 telemetry; do
    [ "$(digest_of "$(farm_registry release)/plant/$image:next")" = "$(digest_of "$(farm_registry release)/plant/$image:main")" ] ||
        fail "$image:next is not $image:main"
done

say "quickstart again: idempotent; it sees what was pushed while the API was down"
last=$(newest_job)
farm_stop api
echo 'Still more words.' >>"$work/README.md"
commit plant "Still more words" && git -C "$work" push -q origin HEAD:main
"$top/deploy/quickstart" --timeout 120
[ "$(newest_job)" = "$last" ] || fail "quickstart run again made jobs"
planned plant main "$(git -C "$work" rev-parse HEAD)" || fail "quickstart run again did not see the last push"

say "nothing is left behind after --stop"
"$top/deploy/quickstart" --stop
! ls /proc/[0-9]*/exe -l 2>/dev/null | grep -F "$FARM/" || fail "processes of the farm are left"
! grep -F " $FARM/" /proc/mounts || fail "mounts of the farm are left"
say "done"
