# load.sh - applies roles and migrations with psql, for tests of the SQL alone. Source it after pg.sh.
schema_load() {
    local dir=$1 f version
    psql -X -q -v ON_ERROR_STOP=1 -f "$dir/roles.sql" || return 1
    for f in "$dir"/[0-9]*.sql; do
        psql -X -q -v ON_ERROR_STOP=1 --single-transaction -c 'SET ROLE bootfarm_migrator' -f "$f" >/dev/null || return 1
    done
}
