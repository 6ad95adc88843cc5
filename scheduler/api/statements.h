/* statements.h - every statement of this program, but for those that views.c makes from its table.
 * They read `dashboard` only, and call its one function that writes. */
#ifndef BF_API_STATEMENTS_H
#define BF_API_STATEMENTS_H

/* One row, one column: JSON. A leader that was silent for 5 s is none. */
#define SQL_HEALTH                                                                               \
    "SELECT row_to_json(h)::text FROM (SELECT true AS database, "                                \
    "CASE WHEN l.seconds_ago < 5 THEN l.holder END AS leader, l.term, $1::text AS version FROM " \
    "(SELECT 1) one LEFT JOIN dashboard.leader l ON true) h"
#define SQL_SETTING "SELECT row_to_json(s)::text FROM dashboard.settings s WHERE s.name = $1::text"

/* $1: a list that grows. One row: how far it can be paged through. */
#define SQL_SETTLED "SELECT dashboard.settled($1::text)::text"

/* A job with its attempts and events instead of their number; the newest one that fits. */
#define SQL_JOB_(which)                                                                         \
    "SELECT (to_jsonb(j) || jsonb_build_object("                                                \
    "'attempts', (SELECT coalesce(jsonb_agg(t ORDER BY t.number), '[]') FROM "                  \
    "(SELECT * FROM dashboard.attempts a WHERE a.job_id = j.id ORDER BY a.number DESC LIMIT "   \
    "1000) t), "                                                                                \
    "'events', (SELECT coalesce(jsonb_agg(v ORDER BY v.id), '[]') FROM "                        \
    "(SELECT * FROM dashboard.events e WHERE e.job_id = j.id ORDER BY e.id DESC LIMIT 1000) v)" \
    "))::text FROM " which " ORDER BY j.id DESC LIMIT 1"
#define SQL_JOB_BY_ID SQL_JOB_("dashboard.jobs j WHERE j.id = $1::bigint")
/* The parts of the name find the rows by index; the name itself is made by the view. */
#define SQL_NAMED_JOB_                                                                 \
    "(SELECT regexp_match($1::text, '^([a-z]+):([^:@]+):[^:@]+@([^:]+)') AS part) p, " \
    "dashboard.jobs j WHERE j.kind = p.part[1] AND j.repository = p.part[2] "          \
    "AND j.ref = p.part[3] AND j.name = $1::text"
#define SQL_JOB_BY_NAME SQL_JOB_(SQL_NAMED_JOB_)

/* $1 as there. No row: there is no such job. */
#define SQL_WHY_(which)                                                                       \
    "SELECT row_to_json(y)::text FROM (SELECT j.id FROM " which " ORDER BY j.id DESC LIMIT 1" \
    ") q, LATERAL dashboard.why_job(q.id) y"
#define SQL_WHY_BY_ID SQL_WHY_("dashboard.jobs j WHERE j.id = $1::bigint")
#define SQL_WHY_BY_NAME SQL_WHY_(SQL_NAMED_JOB_)

#define SQL_BASE_COST                                                                \
    "SELECT coalesce(json_agg(c ORDER BY c.wave, c.name, c.arch), '[]')::text FROM " \
    "dashboard.base_cost($1::text) c"

/* $2: empty for the newest build. */
#define SQL_EXPLAIN                                                                   \
    "SELECT coalesce(json_agg(c ORDER BY c.arch, c.build, c.step), '[]')::text FROM " \
    "dashboard.explain($1::text, $2::text) c"

/* In an order that depends on names alone. NULL: too large an answer. */
#define SQL_GRAPH                                                                               \
    "SELECT CASE WHEN length(g.doc) <= $1::int THEN g.doc END FROM (SELECT json_build_object("  \
    "'nodes', (SELECT coalesce(json_agg(n ORDER BY n.id COLLATE \"C\"), '[]') FROM ("           \
    "SELECT i.name || ':' || i.arch AS id, 'image' AS kind, i.name, i.arch, i.state, i.reason " \
    "FROM dashboard.images i UNION ALL "                                                        \
    "SELECT 'base ' || b.reference || ':' || b.arch, 'base', b.reference, b.arch, "             \
    "CASE WHEN b.error IS NULL THEN 'resolved' ELSE 'unresolved' END, b.error "                 \
    "FROM dashboard.bases b) n), "                                                              \
    "'edges', (SELECT coalesce(json_agg(json_build_object('from', e.f, 'to', e.t) "             \
    "ORDER BY e.f COLLATE \"C\", e.t COLLATE \"C\"), '[]') FROM ("                              \
    "SELECT DISTINCT CASE kind WHEN 'base' THEN 'base ' ELSE '' END || parent || ':' || "       \
    "parent_arch AS f, child || ':' || child_arch AS t FROM dashboard.edges) e))::text AS doc"  \
    ") g"

#define SQL_SUBMIT "SELECT dashboard.submit_command($1::text, $2::jsonb, $3::text, $4::text)"
/* The row as JSON, and whether it is still open. */
#define SQL_COMMAND                                                                 \
    "SELECT row_to_json(c)::text, c.state = 'submitted' FROM dashboard.commands c " \
    "WHERE c.id = $1::bigint"

/* The attempt whose log is wanted: of job $1 (number or readable id, then the newest such job), the
 * $2-th or, NULL, the newest. */
#define SQL_ATTEMPT_(which)                                    \
    "SELECT t.id FROM dashboard.attempts t WHERE t.job_id = "  \
    "(SELECT j.id FROM " which " ORDER BY j.id DESC LIMIT 1) " \
    "AND ($2::int IS NULL OR t.number = $2::int) ORDER BY t.number DESC LIMIT 1"
#define SQL_ATTEMPT_BY_ID SQL_ATTEMPT_("dashboard.jobs j WHERE j.id = $1::bigint")
#define SQL_ATTEMPT_BY_NAME SQL_ATTEMPT_(SQL_NAMED_JOB_)

/* Of attempt $1 from byte $2, at most $3 chunks: has the log ended, its length (NULL: not sealed),
 * and a chunk in each row (NULL: there is no further one). */
#define SQL_LOG                                                      \
    "SELECT ended, length, byte_offset, raw_bytes, gap_bytes, data " \
    "FROM dashboard.log_tail($1::uuid, $2::bigint, $3::int)"
/* Attempt $1 is followed. */
#define SQL_FOLLOW "SELECT pg_notify('farm_follow', $1)"

#endif
