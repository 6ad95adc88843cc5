#!/usr/bin/env bash
# The JSON Schemas in proto/ are what the planner's table says, and a validator agrees with the planner about documents.
# schema.sh PLANNER SOURCES BUILD
set -euo pipefail
planner=$1 top=$2 build=$3
here=$top/tests/io/planner/schema

for name in bootfarm image; do
    "$planner" schema "$name.yaml" | diff - "$top/proto/$name.schema.json" ||
        { echo "write it anew: bootfarm-planner schema $name.yaml >proto/$name.schema.json" >&2; exit 1; }
done
status=0
"$planner" schema other.yaml >/dev/null 2>&1 || status=$?
[ "$status" = 2 ] || { echo "schema of an unknown file: status $status, not 2" >&2; exit 1; }

# Every key stands in the tables for people.
for key in $("$planner" schema bootfarm.yaml |
             jq -r '.properties.images.items.properties | to_entries[] | .key as $k |
                    if .value.additionalProperties == false
                    then .value.properties | keys[] else $k end' | sort -u); do
    grep -q "\`\(\w*\.\|\.\)\?$key\`" "$top/scheduler/planner/README.md" ||
        case $key in files | exclude) ;; *) echo "scheduler/planner/README.md does not describe '$key'" >&2; exit 1 ;; esac
done

mkdir -p "$build"
cmp -s "$here/package.json" "$build/package.json" || rm -rf "$build/node_modules"
cp "$here/package.json" "$here/check.mjs" "$build/"
[ -d "$build/node_modules/ajv" ] ||
    (cd "$build" && npm install --silent --no-audit --no-fund --no-package-lock --ignore-scripts)
exec node "$build/check.mjs" "$planner" "$top" "$build/documents"
