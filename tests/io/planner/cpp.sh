#!/usr/bin/env bash
# Containerfile.in with the real C preprocessor: as buildah does it, and nothing from outside the repository.
# cpp.sh PLANNER
set -euo pipefail
planner=$1
T=$(mktemp -d)
trap 'rm -rf "$T"' EXIT
export TMPDIR=$T/tmp
mkdir "$TMPDIR"
failures=0

fail() {
    echo "FAIL: $*" >&2
    failures=$((failures + 1))
}

# repo NAME: a folder with a definition a/Containerfile.in (standard input) and files to include
repo() {
    R=$T/$1
    mkdir -p "$R/a/sub" "$R/common"
    printf 'bootfarm: 1\nimages: [{files: ["a/Containerfile.in"]}]\n' >"$R/bootfarm.yaml"
    printf 'ENV I=1\n#include "more.inc"\n' >"$R/a/sub/env.inc"
    printf '# only a comment\nENV J=WHICH\n' >"$R/a/sub/more.inc"
    printf 'LABEL common=1\n' >"$R/common/labels"
    printf 'content\n' >"$R/a/file"
    cat >"$R/a/Containerfile.in"
}

# errors NAME: "FILE:LINE:COLUMN CODE: MESSAGE" of each error of a plan
errors() {
    "$planner" plan --disk --json "$T/$1" >"$T/$1.json" || [ $? = 1 ]
    jq -r '.errors[] | "\(.file):\(.line):\(.column) \(.code): \(.message)"' "$T/$1.json"
}

# expect NAME PATTERN: its errors match the pattern, as one line, and nothing of this host is in them
expect() {
    local got
    got=$(errors "$1" | tr '\n' '|')
    # shellcheck disable=SC2254
    case $got in
    $2) ;;
    *) fail "$1: expected $2, got: $got" ;;
    esac
    ! grep -q "$secret" "$T/$1.json" || fail "$1: what stands in a file of this host is in the plan"
}

secret=9d1c4e5f-not-yours
printf '#error %s\nENV %s=1\n' "$secret" "$secret" >"$T/outside"

repo good <<'END'
/* a C comment */
#define WHICH one
#ifdef OTHER
FROM registry.example/other
#else
FROM scratch
#endif
#include "sub/env.inc"
#include "../common/labels"
COPY file /file
ENV K=WHICH
END
expect good ''

# ---- the same image as buildah makes of the file itself ----
mkdir "$T/order"
"$planner" order --out="$T/order" "$T/good" a >"$T/order.json"
file=$(jq -r '.containerfile // .build.containerfile' "$T/order.json")
[ "$file" = .bootfarm/Containerfile ] || fail "the containerfile is $file"
mv "$T/order/context/.bootfarm" "$T/private" 2>/dev/null || mv "$T/order/.bootfarm" "$T/private"
context=$T/order
[ ! -d "$T/order/context" ] || context=$T/order/context
build() { buildah --root "$T/store" --runroot "$T/run" --storage-driver vfs build --isolation chroot --timestamp 1 -q "$@" 2>"$T/build.log" || cat "$T/build.log" >&2; }
ours=$(build -f "$T/private/Containerfile" "$context")
theirs=$(build -f "$T/good/a/Containerfile.in" "$T/good/a")
[ -n "$ours" ] && [ "$ours" = "$theirs" ] || fail "other images: ours '$ours', buildah's '$theirs'"

# ---- includes are part of the key ----
recipe() { "$planner" plan --disk --json "$T/good" | jq -r '.images[0].recipe'; }
before=$(recipe)
echo 'text that nobody reads' >"$T/good/common/other"
[ "$(recipe)" = "$before" ] || fail "an unrelated file changes the key"
echo 'LABEL common=2' >"$T/good/common/labels"
[ "$(recipe)" != "$before" ] || fail "an included file does not change the key"

# ---- nothing from outside ----
repo absolute <<END
FROM scratch
#include "$T/outside"
END
expect absolute 'a/Containerfile.in:1:1 preprocessor: it includes *outside*no file of the repository|'
repo computed <<END
#define F "$T/outside"
FROM scratch
#include F
END
expect computed 'a/Containerfile.in:1:1 preprocessor: it includes *no file of the repository|'
repo spliced <<END
FROM scratch
#inc\\
lude "$T/outside"
END
expect spliced 'a/Containerfile.in:1:1 preprocessor: it includes *no file of the repository|'
repo upwards <<'END'
FROM scratch
#include "../../../outside"
END
expect upwards 'a/Containerfile.in:1:1 preprocessor: it includes *no file of the repository|'
repo link <<'END'
FROM scratch
#include "sub/link"
END
ln -s ../../../outside "$T/link/a/sub/link"
expect link 'a/Containerfile.in:2:11 preprocessor: sub/link: No such file or directory|'
repo system <<'END'
FROM scratch
#include <stdio.h>
END
expect system 'a/Containerfile.in:2:11 preprocessor: stdio.h: No such file or directory|'

# ---- what is wrong with a file ----
repo missing <<'END'
FROM scratch
# a comment is no error

#include "sub/nope"
ENV A=1
END
expect missing 'a/Containerfile.in:4:11 preprocessor: sub/nope: No such file or directory|'
repo unterminated <<'END'
#ifdef A
FROM scratch
END
expect unterminated 'a/Containerfile.in:1:* preprocessor: unterminated *'
repo instruction <<'END'
FROM scratch
#include "sub/bad"
RUNN true
END
printf '\nCOPPY a b\n' >"$T/instruction/a/sub/bad"
expect instruction 'a/Containerfile.in:3:1 unknown-instruction: *|a/sub/bad:2:1 unknown-instruction: *|'
repo itself <<'END'
FROM scratch
#include "sub/self"
END
echo '#include "self"' >"$T/itself/a/sub/self"
expect itself '*preprocessor: *'
repo bomb <<'END'
FROM scratch
#include "sub/0"
END
for i in $(seq 0 24); do
    printf '#include "%d"\n#include "%d"\n' $((i + 1)) $((i + 1)) >"$T/bomb/a/sub/$i"
done
printf 'ENV %0200d=1\n' 1 >"$T/bomb/a/sub/25"
expect bomb 'a/Containerfile.in:1:1 preprocessor: *'

# ---- a host without cpp ----
mkdir "$T/bin"
status=0
PATH=$T/bin "$planner" plan --disk "$T/good" >"$T/out" 2>&1 || status=$?
[ "$status" = 1 ] || fail "without cpp: status $status"
grep -q 'a/Containerfile.in:1:1: error: this host has no C preprocessor (cpp) \[preprocessor\]' "$T/out" ||
    fail "without cpp: $(cat "$T/out")"

left=$(ls "$TMPDIR")
[ -z "$left" ] || fail "left behind: $left"
exit $((failures > 0))
