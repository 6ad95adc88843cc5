#!/usr/bin/env bash
# Publish and mirror between real registries, as a user without privileges; container tests.
. "$(dirname "$0")/lib.sh"

registry_start staging "$T/staging"
registry_start release "$T/release"
registry_start site "$T/site"
configure
S=$REGISTRY_STAGING R=$REGISTRY_RELEASE E=$REGISTRY_SITE
tools_image "$S/external/tools:1"

# image REPO:TAG FROM LINE: built and pushed by plain buildah; prints REPO@DIGEST
image() {
    printf 'FROM %s\n%s\n' "$2" "$3" >"$T/Containerfile"
    local storage=(buildah --root "$T/other/root" --runroot "$T/other/run")
    "${storage[@]}" build -q --isolation chroot --layers --tls-verify=false "${@:4}" -f "$T/Containerfile" -t made "$T/empty" >/dev/null
    "${storage[@]}" push -q --tls-verify=false made "docker://$1"
    umount "$T/other/root/overlay" 2>/dev/null || true
    echo "${1%:*}@$(registry_digest "$1")"
}
mkdir "$T/empty"
parent=$(image "$S/build/plant/base:a" "$S/external/tools:1" 'RUN echo base > /base')
child=$(image "$S/build/plant/hmi:a" "$parent" 'RUN echo hmi > /hmi')
stranger=$(image "$S/build/plant/other:a" "$S/external/tools:1" 'RUN echo other > /other')
foreign=$(image "$S/build/plant/arm:a" scratch 'LABEL x=y' --arch arm64)

publish() { # publish KIND SOURCE DEST MEMBERS
    order "$1" "$(jq -nc --arg source "$2" --arg dest "$3" --argjson more "$4" \
        '{source: $source, digest: ($source | sub("^.*@"; "")), dest: $dest} + $more')"
    DIR=$T/attempts/$ATTEMPT
    mkdir -p "$DIR"
    if [ "$(id -u)" = 0 ]; then
        # nobody: no container storage, no home, nothing but skopeo
        mkdir -p "$STATE/attempts"
        chmod 755 "$T" "$T/attempts"
        chown nobody "$STATE" "$STATE/attempts" "$DIR"
        chmod 644 "$T/order.json" "$CONFIG"
        execute_as=(setpriv --reuid nobody --regid nogroup --clear-groups env -i PATH="$PATH")
    fi
    RESULT=$DIR/result.json
    "${execute_as[@]}" "$exec_bin" "$1" --order "$T/order.json" --dir "$DIR" --config "$CONFIG" >"$T/log" 2>&1 || fail "exit status $?"
}
execute_as=()

say "publish: the same digest, its tags"
publish publish "$child" "$R/plant/hmi" "$(jq -nc --arg p "$parent" '{tags: ["main", "2.0.0", "2.0.0-1"], fixed_tags: ["2.0.0-1"], parents: [$p]}')"
expect "publish" .outcome succeeded
expect "publish" .digest "${child#*@}"
for tag in main 2.0.0 2.0.0-1; do
    [ "$(registry_digest "$R/plant/hmi:$tag")" = "${child#*@}" ] || fail "$tag is not the digest"
done
publish publish "$child" "$R/plant/hmi" "$(jq -nc --arg p "$parent" '{tags: ["main", "2.0.0-1"], fixed_tags: ["2.0.0-1"], parents: [$p]}')"
expect "publish again" .outcome succeeded
expect "publish again" '[.detail.tags[].moved] | any' false

say "publish: a fixed tag never moves, and then nothing moves"
publish publish "$parent" "$R/plant/hmi" '{"tags": ["main", "2.0.0-1"], "fixed_tags": ["2.0.0-1"]}'
expect_failure "a fixed tag" tag-conflict user
[ "$(registry_digest "$R/plant/hmi:main")" = "${child#*@}" ] || fail "main moved in spite of the conflict"
publish publish "$parent" "$R/plant/hmi" '{"tags": ["main"]}'
expect "a moving tag" .outcome succeeded
[ "$(registry_digest "$R/plant/hmi:main")" = "${parent#*@}" ] || fail "main did not move"

say "publish: what must not be released"
publish publish "$stranger" "$R/plant/hmi" "$(jq -nc --arg p "$parent" '{tags: ["main"], parents: [$p]}')"
expect_failure "an image without its parent's layers" parent-layers infra
publish publish "$foreign" "$R/plant/arm" '{"tags": ["main"]}'
expect_failure "another architecture" wrong-arch user
publish publish "${child%@*}@sha256:$(printf '1%.0s' {1..64})" "$R/plant/hmi" '{"tags": ["main"]}'
expect_failure "a digest that is not there" digest-gone infra
[ "$(registry_digest "$R/plant/hmi:main")" = "${parent#*@}" ] || fail "main moved"

say "mirror: from the release registry into the site's"
publish mirror "$R/plant/hmi@${child#*@}" "$E/plant/hmi" '{"tags": ["main"]}'
expect "mirror" .outcome succeeded
[ "$(registry_digest "$E/plant/hmi:main")" = "${child#*@}" ] || fail "the site has another digest"

say "mirror: the site's registry is down, and comes back empty"
site=${E##*:}
registry_stop site
publish mirror "$R/plant/hmi@${child#*@}" "$E/plant/hmi" '{"tags": ["main"]}'
expect_failure "a site that is down" registry infra
registry_start site "$T/site-new" "$site"
publish mirror "$R/plant/hmi@${child#*@}" "$E/plant/hmi" '{"tags": ["main"]}'
expect "an empty registry" .outcome succeeded
[ "$(registry_digest "$E/plant/hmi:main")" = "${child#*@}" ] || fail "the site has another digest"
[ -z "$(ls "$STATE/attempts")" ] || fail "attempts are left"

say "TLS and passwords: the authority and the credentials come from the worker's settings"
mkdir "$T/certs"
openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=test -addext subjectAltName=IP:127.0.0.1 -keyout "$T/key.pem" -out "$T/certs/ca.crt" 2>/dev/null
# user "farm", password "secret"
echo 'farm:$2b$04$Bi6C9McyZ4IngWWDcCofD.bBwXRJ/auQCiwg7SOeKiiImWCZuGgpO' >"$T/htpasswd"
REGISTRY_TLS="$T/certs/ca.crt $T/key.pem" REGISTRY_HTPASSWD=$T/htpasswd registry_start closed "$T/closed"
C=$REGISTRY_CLOSED
printf '{"auths":{"%s":{"auth":"%s"}}}' "$C" "$(printf farm:secret | base64)" >"$T/auth.json"
printf '{"auths":{"%s":{"auth":"%s"}}}' "$C" "$(printf farm:wrong | base64)" >"$T/wrong.json"
chmod 755 "$T/certs"
chmod 644 "$T"/*.json "$T/certs/ca.crt"
configure
publish mirror "$R/plant/hmi@${child#*@}" "$C/plant/hmi" '{"tags": ["main"]}'
expect_failure "an unknown authority" registry infra
configure "certs_dir = $T/certs"
publish mirror "$R/plant/hmi@${child#*@}" "$C/plant/hmi" '{"tags": ["main"]}'
expect_failure "no password" auth infra
configure "certs_dir = $T/certs" "authfile = $T/wrong.json"
publish mirror "$R/plant/hmi@${child#*@}" "$C/plant/hmi" '{"tags": ["main"]}'
expect_failure "a wrong password" auth infra
configure "certs_dir = $T/certs" "authfile = $T/auth.json"
publish mirror "$R/plant/hmi@${child#*@}" "$C/plant/hmi" '{"tags": ["main"]}'
expect "TLS and a password" .outcome succeeded
chown root "$STATE" "$STATE/attempts"

test_in_container() { # test_in_container SOURCE TEST
    order test "$(jq -nc --arg source "$1" --argjson test "$2" '{source: $source, test: $test}')"
    execute
}
say "container tests: each command its own result"
test_in_container "$C/plant/hmi@${child#*@}" '{"container": ["/bin/cat /hmi"]}'
expect "buildah with TLS and a password" .outcome succeeded
test_in_container "$child" '{"container": ["/bin/cat /hmi", "test \"$(cat /base)\" = base && echo fine"]}'
expect "container" .outcome succeeded
expect "container" '[.detail.tests[].result] | join(",")' ok,ok
expect "container" .digest "${child#*@}"
nothing_left
test_in_container "$child" '{"container": ["/bin/true", "/bin/cat /nothing", "/bin/true"]}'
expect_failure "a failing command" script-failed user
expect "a failing command" '[.detail.tests[].result] | join(",")' "ok,not ok,ok"
test_in_container "$child" '{"container": ["/bin/sleep 60"], "timeout_ms": 1000}'
expect_failure "a slow command" test-timeout timeout
nothing_left
test_in_container "$child" "$(jq -nc --arg c "wget -q -O /dev/null http://$S/v2/" '{container: [$c]}')"
expect_failure "no network" script-failed user
test_in_container "$foreign" '{"container": ["/bin/true"]}'
expect_failure "another architecture" wrong-arch user
test_in_container "${child%@*}@sha256:$(printf '1%.0s' {1..64})" '{}'
expect_failure "a digest that is not there" digest-gone infra

say "an image that does not boot: its scripts are skipped, unless it must boot"
mkdir -p "$T/scripts/tests"
printf '#!/bin/sh\nexit 1\n' >"$T/scripts/tests/a.sh"
scripts() { jq -nc --arg dir "$T/scripts" --arg source "$child" --argjson test "$1" '{source: $source, scripts_dir: $dir, test: $test}'; }
order test "$(scripts '{"scripts": ["tests/a.sh"]}')"
execute
expect "not bootable" .outcome succeeded
expect "not bootable" '.detail.tests[0].result' skip
order test "$(scripts '{"scripts": ["tests/a.sh"], "boot": "yes"}')"
execute
expect_failure "boot: yes" no-kernel user
nothing_left
say "done"
