/* store_rows.c - answers → rows. Columns are found by name, so that a later schema may add some. */
#include "scheduler/store_pg.h"

#include "common/base/log.h"

/* ---- columns ----------------------------------------------------------------------------------
 */

static const char *col(const PGresult *r, int row, const char *name)
{
    int c = PQfnumber(r, name);
    return c < 0 || PQgetisnull(r, row, c) ? NULL : PQgetvalue(r, row, c);
}

static const char *col_text(const PGresult *r, int row, const char *name)
{
    const char *v = col(r, row, name);
    return v ? v : "";
}

static int64_t col_i64(const PGresult *r, int row, const char *name)
{
    const char *v = col(r, row, name);
    return v ? strtoll(v, NULL, 10) : 0;
}

static bool col_bool(const PGresult *r, int row, const char *name)
{
    const char *v = col(r, row, name);
    return v && *v == 't';
}

static int col_digest(const PGresult *r, int row, const char *name, struct sha256 *out)
{
    const char *v = col(r, row, name);
    *out = (struct sha256){{0}};
    return v ? digest_parse(v, out) : 0;
}

static int col_id(const PGresult *r, int row, const char *name, struct id128 *out)
{
    const char *v = col(r, row, name);
    *out = (struct id128){{0}};
    return v ? id128_parse(v, out) : 0;
}

static void leave_out(const char *what, const PGresult *r, int row)
{
    log_error("a row was not understood and is left out", "row", what, "id",
              PQnfields(r) && !PQgetisnull(r, row, 0) ? PQgetvalue(r, row, 0) : "");
}

bool st_read_bool(const PGresult *r)
{
    const char *v = st_read_text(r);
    return v && *v == 't';
}

int64_t st_read_i64(const PGresult *r)
{
    const char *v = st_read_text(r);
    return v ? strtoll(v, NULL, 10) : 0;
}

const char *st_read_text(const PGresult *r)
{
    return PQntuples(r) && PQnfields(r) && !PQgetisnull(r, 0, 0) ? PQgetvalue(r, 0, 0) : NULL;
}

int st_read_lead(const PGresult *r, int64_t *term, int64_t *ms_left)
{
    if (PQntuples(r) != 1)
        return -1;
    *term = col_i64(r, 0, "term");
    *ms_left = col_i64(r, 0, "ms_left");
    return 0;
}

/* ---- sites, workers, bases --------------------------------------------------------------------
 */

void st_each_site(const PGresult *r, void (*fn)(void *arg, const struct site_row *), void *arg)
{
    for (int i = 0; i < PQntuples(r); i++) {
        struct site_row s = {.id = col_i64(r, i, "id"),
                             .name = col_text(r, i, "name"),
                             .hub = col_bool(r, i, "hub"),
                             .continue_on_partition = col_bool(r, i, "continue_on_partition"),
                             .grace = col_i64(r, i, "grace_us")};
        fn(arg, &s);
    }
}

static unsigned role_bits(const char *text)
{
    pg_texts names = {0};
    unsigned bits = 0;
    if (pga_read_texts(text, &names) == 0) {
        vec_for_each (i, &names) {
            enum job_kind k;
            if (job_kind_parse(names.v[i], &k) == 0)
                bits |= ROLE_BIT(k);
        }
    }
    pg_texts_release(&names);
    return bits;
}

void st_each_worker(const PGresult *r, void (*fn)(void *arg, const struct worker_row *), void *arg)
{
    for (int i = 0; i < PQntuples(r); i++) {
        struct worker_row w = {.id = col_i64(r, i, "id"),
                               .name = col_text(r, i, "name"),
                               .site = col_i64(r, i, "site_id"),
                               .roles = role_bits(col(r, i, "roles")),
                               .drained = col_bool(r, i, "drained"),
                               .revoked = col_bool(r, i, "revoked"),
                               .slots_wanted = (unsigned)col_i64(r, i, "slots_wanted")};
        fn(arg, &w);
    }
}

void st_each_key(const PGresult *r, void (*fn)(void *arg, const struct worker_key *), void *arg)
{
    for (int i = 0; i < PQntuples(r); i++) {
        struct worker_key k = {.id = col_i64(r, i, "id"),
                               .name = col_text(r, i, "name"),
                               .public_key = col_text(r, i, "public_key"),
                               .revoked = col_bool(r, i, "revoked")};
        fn(arg, &k);
    }
}

void st_each_base(const PGresult *r, void (*fn)(void *arg, const struct base_row *), void *arg)
{
    for (int i = 0; i < PQntuples(r); i++) {
        struct base_row b = {.id = col_i64(r, i, "id"),
                             .reference = col_text(r, i, "reference"),
                             .error = col(r, i, "error")};
        if (col_digest(r, i, "digest", &b.digest))
            leave_out("base", r, i);
        else
            fn(arg, &b);
    }
}

/* ---- images -----------------------------------------------------------------------------------
 */

static int read_image(const PGresult *r, int i, struct image_row *m, pg_ids *parents, pg_ids *bases)
{
    *m = (struct image_row){.id = col_i64(r, i, "id"),
                            .image = col_i64(r, i, "image_id"),
                            .name = col_text(r, i, "name"),
                            .repo = col_i64(r, i, "repo_id"),
                            .arch = col_text(r, i, "arch"),
                            .passing_repository = col(r, i, "passing_repository"),
                            .removed = col_bool(r, i, "removed"),
                            .barred = col_bool(r, i, "barred"),
                            .repo_weight = (unsigned)col_i64(r, i, "repo_weight"),
                            .build_ms = (uint32_t)col_i64(r, i, "build_ms"),
                            .test_ms = (uint32_t)col_i64(r, i, "test_ms")};
    if (col_digest(r, i, "recipe", &m->recipe) || col_digest(r, i, "tests_key", &m->tests_key) ||
        col_digest(r, i, "passing_digest", &m->passing_digest) ||
        pga_read_ids(col(r, i, "parents"), parents) || pga_read_ids(col(r, i, "bases"), bases))
        return -1;
    m->parents = parents->v;
    m->n_parents = parents->n;
    m->bases = bases->v;
    m->n_bases = bases->n;
    return 0;
}

void st_each_image(const PGresult *r, void (*fn)(void *arg, const struct image_row *), void *arg)
{
    pg_ids parents = {0}, bases = {0};
    for (int i = 0; i < PQntuples(r); i++) {
        struct image_row m;
        vec_clear(&parents);
        vec_clear(&bases);
        if (read_image(r, i, &m, &parents, &bases))
            leave_out("image", r, i);
        else
            fn(arg, &m);
    }
    vec_release(&parents);
    vec_release(&bases);
}

/* ---- jobs -------------------------------------------------------------------------------------
 */

/* Names that may be absent. */
static int read_names(const PGresult *r, int i, struct job_row *j)
{
    const char *reason = col(r, i, "reason"), *fail_class = col(r, i, "fail_class");
    if (reason && wait_reason_parse(reason, &j->reason))
        j->reason = WAIT_NONE; /* the brain finds its own */
    if (fail_class && fail_class_parse(fail_class, &j->fail_class))
        return -1;
    return job_kind_parse(col_text(r, i, "kind"), &j->kind) ||
                   job_state_parse(col_text(r, i, "state"), &j->state)
               ? -1
               : 0;
}

static int read_job(const PGresult *r, int i, struct job_row *j, pg_ids *archs, pg_texts *needs)
{
    const char *because = col_text(r, i, "because");
    *j = (struct job_row){.id = col_i64(r, i, "id"),
                          .image = col_i64(r, i, "image_id"),
                          .image_arch = col_i64(r, i, "image_arch_id"),
                          .target_site = col_i64(r, i, "target_site_id"),
                          .run_site = col_i64(r, i, "run_site_id"),
                          .revision_serial = col_i64(r, i, "revision_serial"),
                          .because_parent = strcmp(because, "parent") == 0,
                          .forced = col_i64(r, i, "forced"),
                          .priority = (int)col_i64(r, i, "priority"),
                          .not_before = col_i64(r, i, "not_before_us"),
                          .ready_at = col_i64(r, i, "ready_at_us"),
                          .attempts = (int)col_i64(r, i, "attempts"),
                          .losses = (int)col_i64(r, i, "losses"),
                          .worker = col_i64(r, i, "worker_id"),
                          .created_at = col_i64(r, i, "created_at_us"),
                          .memory_mib = (unsigned)col_i64(r, i, "memory_mib"),
                          .cpus = (unsigned)col_i64(r, i, "cpus"),
                          .rerun = col_bool(r, i, "rerun")};
    if (read_names(r, i, j) || col_digest(r, i, "digest", &j->digest) ||
        col_id(r, i, "attempt_id", &j->attempt) || col_id(r, i, "boot_id", &j->boot) ||
        pga_read_ids(col(r, i, "image_archs"), archs) || pga_read_texts(col(r, i, "needs"), needs))
        return -1;
    if (j->image_arch == 0) {
        j->image_archs = archs->v;
        j->n_image_archs = archs->n;
    }
    j->needs = (const char *const *)needs->v;
    j->n_needs = needs->n;
    return 0;
}

void st_each_job(const PGresult *r, void (*fn)(void *arg, const struct job_row *), void *arg)
{
    pg_ids archs = {0};
    for (int i = 0; i < PQntuples(r); i++) {
        struct job_row j;
        pg_texts needs = {0};
        vec_clear(&archs);
        if (read_job(r, i, &j, &archs, &needs))
            leave_out("job", r, i);
        else
            fn(arg, &j);
        pg_texts_release(&needs);
    }
    vec_release(&archs);
}

void st_each_work(const PGresult *r, void (*fn)(void *arg, struct id128 attempt, const char *work),
                  void *arg)
{
    for (int i = 0; i < PQntuples(r); i++) {
        struct id128 attempt;
        if (col_id(r, i, "attempt", &attempt) == 0)
            fn(arg, attempt, col(r, i, "work"));
    }
}

/* ---- commands ---------------------------------------------------------------------------------
 */

void st_each_command(const PGresult *r, void (*fn)(void *arg, const struct command_row *),
                     void *arg)
{
    for (int i = 0; i < PQntuples(r); i++) {
        struct command_row c = {.id = col_i64(r, i, "id"),
                                .verb = col_text(r, i, "verb"),
                                .args = col_text(r, i, "args"),
                                .who = col_text(r, i, "who"),
                                .state = col_text(r, i, "state"),
                                .message = col_text(r, i, "message")};
        fn(arg, &c);
    }
}

static void read_two_lists(const PGresult *r, pg_ids *jobs, pg_ids *image_archs)
{
    if (PQntuples(r) != 1)
        return;
    if (pga_read_ids(col(r, 0, "jobs"), jobs) ||
        pga_read_ids(col(r, 0, "image_archs"), image_archs))
        leave_out("list of jobs", r, 0);
}

void st_read_applied(const PGresult *r, const char **state, const char **message, pg_ids *jobs,
                     pg_ids *image_archs)
{
    bool any = PQntuples(r) == 1;
    *state = any ? col_text(r, 0, "state") : "";
    *message = any ? col_text(r, 0, "message") : "";
    read_two_lists(r, jobs, image_archs);
}

void st_read_planned(const PGresult *r, pg_ids *jobs, pg_ids *image_archs)
{
    read_two_lists(r, jobs, image_archs);
}

void st_read_ids(const PGresult *r, pg_ids *out)
{
    if (pga_read_ids(st_read_text(r), out))
        leave_out("list", r, 0);
}

/* ---- repositories, bases ----------------------------------------------------------------------
 */

void st_each_repo(const PGresult *r, void (*fn)(void *arg, const struct repo_row *), void *arg)
{
    for (int i = 0; i < PQntuples(r); i++) {
        pg_texts refs = {0};
        struct repo_row p = {.id = col_i64(r, i, "id"),
                             .slug = col_text(r, i, "slug"),
                             .url = col_text(r, i, "url"),
                             .head = col(r, i, "head"),
                             .git = col(r, i, "git"),
                             .known_refs = col(r, i, "known_refs"),
                             .sync_wanted = col_i64(r, i, "sync_wanted"),
                             .next = col_i64(r, i, "next_us")};
        if (pga_read_texts(col(r, i, "refs"), &refs)) {
            leave_out("repository", r, i);
        } else {
            p.refs = (const char *const *)refs.v;
            p.n_refs = refs.n;
            fn(arg, &p);
        }
        pg_texts_release(&refs);
    }
}

void st_read_poll_settings(const PGresult *r, const PGresult *triggers, struct poll_settings *out)
{
    bool any = PQntuples(r) == 1;
    out->staging = any ? col(r, 0, "staging") : NULL;
    out->release = any ? col(r, 0, "release") : NULL;
    out->arch = any ? col(r, 0, "arch") : NULL;
    out->onbuild = PQntuples(triggers) == 1 ? col(triggers, 0, "onbuild") : NULL;
}

void st_each_due_base(const PGresult *r, void (*fn)(void *arg, const struct due_base *), void *arg)
{
    for (int i = 0; i < PQntuples(r); i++) {
        struct due_base b = {.id = col_i64(r, i, "id"),
                             .reference = col_text(r, i, "reference"),
                             .arch = col_text(r, i, "arch"),
                             .asked = col_i64(r, i, "asked")};
        fn(arg, &b);
    }
}

bool st_read_log_row(const PGresult *r, int row, struct id128 *attempt, struct st_log_state *out)
{
    *out = (struct st_log_state){.known = col(r, row, "stored") != NULL,
                                 .stored = (uint64_t)col_i64(r, row, "stored")};
    if (col_id(r, row, "attempt", attempt) == 0)
        return true;
    leave_out("log", r, row);
    return false;
}

void st_read_log(const PGresult *r, struct st_log_state *out)
{
    bool any = PQntuples(r) == 1;
    out->known = any && col_bool(r, 0, "known");
    out->sealed = any && col_bool(r, 0, "sealed");
    out->stored = any ? (uint64_t)col_i64(r, 0, "stored") : 0;
}
