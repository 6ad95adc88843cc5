#!/usr/bin/env bash
# What refs may do, and whose commits count: a ref that is not trusted builds and tests with results of its own, until an operator's rule says
# otherwise; a repository with signers takes no commit of anybody else.
. "$(dirname "$0")/farm.sh"
e2e_prepare
e2e_farm

release=$(farm_registry release)
sql() { farm_psql -d bootfarm -Atc "$1"; }
is() { [ "$(sql "$1")" = "$2" ]; }
state() { sql "select state from dashboard.images where name = '$1'"; }
synced() { [ "$(state "$1")" = Synced ]; }
tags_of() { skopeo list-tags --tls-verify=false "docker://$1/line/os" | jq -r '.Tags | sort | join(" ")'; }
tested_only() { # feature/x at the commit in the working copy: all that was done
    is "select string_agg(kind || ' ' || state, ', ' order by id) from dashboard.jobs
        where revision = '$(git -C "$FARM/line" rev-parse HEAD)' and image = 'line:os@feature/x'" "build succeeded, test succeeded"
}
work_lines() { jobs_after "$last" | jq -r '.[] | "\(.image) \(.kind) \(.state)"' | sort; }

say "the default ref of a repository with rules"
repo=$FARM/etc/repo
e2e_template "$repo"
number_file "$repo/os/Containerfile" 1
farm_repo line "$repo" --refs '**'
bf repo policy line HEAD
bf repo policy line 'stable/*' --no-mirror
bf repo policy line 'feature/*' --untrusted
wait_for 120 "main" synced line:os@main
wait_for 60 "main at the site" settled

say "a ref that is not trusted: builds and tests by itself what main has built already, and releases nothing"
last=$(newest_job)
push line feature/x
wait_for 120 "feature/x" settled
expect_lines "jobs of feature/x" "line:os@feature/x build succeeded
line:os@feature/x test skipped" "$(work_lines)" # equal bytes have their verdict
[ "$(tags_of "$release") $(tags_of "$(farm_registry acp-1)")" = "main main" ] || fail "feature/x was released"
! bf publish line:os@feature/x 2>"$FARM/etc/said" || fail "feature/x can be published"
grep -q 'the ref feature/x may not publish.*bootfarm repo policy' "$FARM/etc/said" || fail "publish of feature/x: $(cat "$FARM/etc/said")"
! bf mirror line:os@feature/x --site acp-1 2>"$FARM/etc/said" || fail "feature/x can be mirrored"

say "what it may not have is an error at its place, the rest is built"
git -C "$FARM/line" checkout -q -b feature main
number_file "$FARM/line/secret/Containerfile" secret
printf 'build: { secrets: [token] }\n' >"$FARM/line/secret/image.yaml"
number_file "$FARM/line/os/Containerfile" 2
commit line "wants a secret" && push line feature/x
wait_for 120 "os of feature/x" tested_only
bf status | grep -q 'secret/Containerfile.*the ref feature/x may not use secrets' || fail "status does not speak of the secret: $(bf status)"

say "a rule that forbids a part: released at the hub, not mirrored"
git -C "$FARM/line" checkout -q main
last=$(newest_job)
push line stable/1
wait_for 120 "stable/1" settled
synced line:os@stable/1 || fail "stable/1: $(bf status)"
[ "$(tags_of "$release")" = "main stable-1" ] || fail "tags at the hub: $(tags_of "$release")"
[ "$(tags_of "$(farm_registry acp-1)")" = main ] || fail "stable/1 was mirrored"
! work_lines | grep -E ' (build|test) succeeded' || fail "stable/1 was built again, though it may take what main has built"

say "an operator trusts the ref: released from what trusted refs build, nothing of before"
last=$(newest_job)
bf repo policy line 'feature/*' --no-mirror --no-secrets
wait_for 120 "feature/x to be released" synced line:os@feature/x
work_lines | grep -qx 'line:os@feature/x build succeeded' || fail "what an untrusted ref built was released: $(work_lines)"
[ "$(tags_of "$release")" = "feature-x main stable-1" ] || fail "tags at the hub: $(tags_of "$release")"

say "and takes it back"
last=$(newest_job)
bf repo policy line 'feature/*' --untrusted
number_file "$FARM/line/os/Containerfile" 3
git -C "$FARM/line" checkout -q -B feature && commit line "number 3"
git -C "$FARM/line" push -q --force origin HEAD:feature/x
wait_for 120 "number 3" tested_only
[ "$(tags_of "$release")" = "feature-x main stable-1" ] || fail "tags at the hub: $(tags_of "$release")"
bf repo refs --json | jq -e '.[] | select(.ref == "feature/x") | .rule == "feature/*" and (.trusted or .publish | not)' >/dev/null || fail "refs: $(bf repo refs)"

say "signers: a commit of nobody is not planned, and status says so"
farm_dir bootfarm "$FARM/signers" 0755
for who in release stranger; do ssh-keygen -q -t ed25519 -N '' -C "$who" -f "$FARM/keys/sign-$who"; done
printf 'release@localhost namespaces="git" %s\n' "$(cat "$FARM/keys/sign-release.pub")" >"$FARM/signers/allowed"
repo=$FARM/etc/signed
e2e_template "$repo"
number_file "$repo/os/Containerfile" 1
last=$(newest_job)
farm_repo signed "$repo" --allowed-signers "$FARM/signers/allowed"
signed=$FARM/signed
git -C "$signed" config gpg.format ssh
refused() { bf status | grep '^\* signed@main: ' | grep -q "commit $(git -C "$signed" rev-parse --short=12 HEAD) is not signed by one of the farm's signers$1"; }
sign() { # sign WHO NUMBER
    number_file "$signed/os/Containerfile" "$2"
    git -C "$signed" add -A
    git -C "$signed" -c user.signingkey="$FARM/keys/sign-$1" commit -q -S -m "number $2"
}
wait_for 60 "status to name the unsigned commit" refused ''
sign stranger 2
git -C "$signed" push -q origin main
wait_for 60 "status to name the stranger's commit, and the key" refused ': Good "git" signature .* No principal matched'
[ "$(newest_job)" = "$last" ] || fail "a commit that no signer signed made jobs"

say "a signer's commit is built; one of nobody after it changes nothing"
sign release 3
git -C "$signed" push -q origin main
wait_for 120 "the signed commit" synced signed:os@main
wait_for 60 "all of it" settled
! bf status | grep -q 'is not signed' || fail "the error stays: $(bf status)"
digest=$(sql "select released from dashboard.images where name = 'signed:os@main'")
last=$(newest_job)
number_file "$signed/os/Containerfile" 4
commit signed unsigned
git -C "$signed" push -q origin main
wait_for 60 "status to name the unsigned commit" refused ''
[ "$(newest_job)" = "$last" ] || fail "an unsigned commit made jobs"
is "select state || ' ' || (released = '$digest') || ' ' || (detail like 'main: commit % is not signed%') from dashboard.images where name = 'signed:os@main'" 'Degraded true true' ||
    fail "after an unsigned commit: $(bf status)"
say "done"
