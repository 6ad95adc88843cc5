#!/bin/bash
# scheduler/README.md names every option with its default, and no other.
set -u
readme=$(cd "$(dirname "$0")/../../.." && pwd)/scheduler/README.md
said=$("${BIN:?}/bootfarm-scheduler" --help | awk '
    /^  --/ { sub(/^  --/, ""); sub(/=.*/, ""); gsub(/-/, "_"); name = $0 }
    /; default: / { sub(/.*; default: /, ""); sub(/;.*/, ""); print name " " $0 }' | sort)
written=$(awk -F'|' '
    /^## / { here = $0 == "## Configuration" }
    here && /^\| `/ { gsub(/[ `]/, "", $2); gsub(/[ `]/, "", $3); print $2 " " ($3 == "" || $3 == "–" ? "none" : $3) }' "$readme" | sort)
[ -n "$said" ] || { echo "no options in --help"; exit 1; }
diff <(echo "$said") <(echo "$written") && echo ok
