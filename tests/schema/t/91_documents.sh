#!/bin/bash
# What the documents say is what the database has: the states of scheduler/core, the columns of every view, every function.
set -u
root=$(cd "$(dirname "$0")/../../.." && pwd)
n=0
same() { # HAVE WANT NAME
    n=$((n + 1))
    if [ "$1" = "$2" ]; then echo "ok $n - $3"; else echo "not ok $n - $3"; diff <(echo "$1") <(echo "$2") | sed 's/^/# /'; fi
}
q() { psql -X -A -t -q -v ON_ERROR_STOP=1 -c "$1"; }

# scheduler/core/README.md holds what core/job.c prints of its table (a unit test compares the two).
mermaid=$(sed -n 's/^ *\([a-z]*\) --> \([a-z]*\)$/\1 \2/p' "$root/scheduler/core/README.md" | LC_ALL=C sort)
[ -n "$mermaid" ] || echo "Bail out! no states in scheduler/core/README.md"
same "$(q 'SELECT from_state, to_state FROM farm.job_transition' | tr '|' ' ' | LC_ALL=C sort)" "$mermaid" "farm.job_transition is the table of scheduler/core/job.c"

# "### dashboard.NAME" and the first column of the table below it.
documented() {
    awk '/^### `dashboard\./ { split($2, p, /[.`]/); view = p[3]; next } /^#/ { view = "" }
         view != "" && /^\| `/ { m = split($0, cell, "|"); k = split(cell[2], name, "`"); for (i = 2; i <= k; i += 2) print view "." name[i] }' "$root/schema/README.md"
}
same "$(q "SELECT c.relname || '.' || a.attname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
            WHERE c.relnamespace = 'dashboard'::regnamespace AND c.relkind = 'v' AND a.attnum > 0" | LC_ALL=C sort)" \
    "$(documented | LC_ALL=C sort)" "schema/README.md documents each column of each view, and no other"

# Functions that a role may call are in the README's tables, by name.
same "$(q "SELECT DISTINCT proname FROM pg_proc WHERE pronamespace = 'farm'::regnamespace AND has_function_privilege('bootfarm_scheduler', oid, 'EXECUTE')" | LC_ALL=C sort)" \
    "$(sed -n '/^## Functions for the scheduler/,/^## Functions for the API/s/^| `\([a-z_]*\)(.*/\1/p' "$root/schema/README.md" | LC_ALL=C sort -u)" \
    "schema/README.md has the scheduler's functions, and no other"
same "$(q "SELECT verb || '.' || arg FROM farm.command_arg" | LC_ALL=C sort)" \
    "$(awk -F'|' '/^## Functions for the API/ { on = 1; next } /^## / { on = 0 }
                  on && /^\| `/ { split($2, v, "`"); k = split($3, a, "`"); for (i = 2; i <= k; i += 2) print v[2] "." a[i] }' "$root/schema/README.md" | LC_ALL=C sort)" \
    "schema/README.md has the commands with their arguments, and no other"
echo "1..$n"
