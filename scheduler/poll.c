/* poll.c - one poll, step by step:
 *
 *     SETTINGS ──► PLANNER ──► UPLOADS ──► COMMITS ──► POLLED ──► (end)
 *         └───────────┴───────────┴──── fail() ──────────┘
 */
#include "scheduler/poll.h"

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/loop/file.h"
#include "common/loop/proc.h"
#include "scheduler/plan_out.h"
#include <stdio.h>

#define MAX_OUTPUT ((size_t)128 << 20) /* read on a thread, for it takes a while */
#define MAX_COMPLAINT 4096
#define COMMIT_DEADLINE (120 * BF_SEC)

struct poll {
    const struct poll_deps *deps;
    int64_t term;
    struct repo_row repo; /* with strings of its own: */
    char *slug, *url, *git, *known_refs;
    pg_texts refs;
    char *mirror, *out;
    char *staging; /* HOST/contexts/SLUG */
    struct proc *proc;
    struct str text, complaint; /* what the planner says */
    /* While `reading` is queued a thread owns the text and what is made of it. */
    uv_work_t reading;
    bool well; /* the planner's exit status was 0 */
    struct err wrong;
    struct planner_output said;
    struct blobs_batch *batch;
    size_t plan; /* that is committed next */
    unsigned waits;
    bf_time began;
    bool cancelled; /* only waits for callbacks that cannot be taken back */
};

static void commit_next(struct poll *p);

/* ---- the end ----------------------------------------------------------------------------------
 */

static void poll_free(struct poll *p)
{
    struct err e = ERR_INIT;
    if (dir_remove(p->out, &e))
        log_warn("cannot remove a poll's folder", "error", e.msg);
    free(p->slug);
    free(p->url);
    free(p->git);
    free(p->known_refs);
    pg_texts_release(&p->refs);
    free(p->mirror);
    free(p->out);
    free(p->staging);
    str_release(&p->text);
    str_release(&p->complaint);
    planner_output_release(&p->said);
    free(p);
}

/* A callback has come. True: nobody wants it any more. */
static bool is_over(struct poll *p)
{
    p->waits--;
    if (!p->cancelled)
        return false;
    if (p->waits == 0)
        poll_free(p);
    return true;
}

void poll_cancel(struct poll *p)
{
    p->cancelled = true;
    if (p->proc)
        proc_kill_now(p->proc);
    if (p->batch) {
        blobs_cancel(p->batch);
        p->waits--;
    }
    p->batch = NULL;
    if (p->waits == 0)
        poll_free(p);
}

int64_t poll_repo(const struct poll *p)
{
    return p->repo.id;
}

static void on_polled(void *arg, const struct db_reply *r)
{
    struct poll *p = arg;
    if (is_over(p))
        return;
    if (r->end == DB_REFUSED)
        log_error("cannot record a poll", "repository", p->slug, "error", r->message);
    if (r->end == DB_DONE) {
        pg_ids none = {0}, removed = {0};
        st_read_ids(r->result[1], &removed);
        if (removed.n)
            p->deps->on_rows(p->deps->rows_arg, &none, &removed);
        vec_release(&removed);
    }
    p->deps->on_end(p->deps->end_arg, p);
    poll_free(p);
}

static void record(struct poll *p, const char *error)
{
    const char *head = json_string_value(json_object_get(p->said.doc, "head"));
    const json_t *list = json_object_get(p->said.doc, "refs");
    char *refs = !error && list ? json_dumps(list, JSON_COMPACT) : NULL;
    struct db_tx *tx = st_write(p->deps->db, p->term);
    st_repo_polled(tx, p->repo.id, p->repo.sync_wanted, error ? NULL : head, refs, error);
    free(refs);
    p->waits++;
    db_submit(tx, on_polled, p);
}

static void fail(struct poll *p, const char *error)
{
    log_warn("a poll failed", "repository", p->slug, "error", error);
    record(p, error);
}

/* ---- plans into PostgreSQL --------------------------------------------------------------------
 */

static void on_committed(void *arg, const struct db_reply *r)
{
    struct poll *p = arg;
    if (is_over(p))
        return;
    if (r->end != DB_DONE) {
        const json_t *ref = json_array_get(json_object_get(p->said.doc, "planned"), p->plan);
        char *text = xasprintf("the plan of %s was not stored: %s",
                               json_is_string(ref) ? json_string_value(ref) : "a ref", r->message);
        fail(p, text);
        free(text);
        return;
    }
    pg_ids jobs = {0}, images = {0};
    char n_jobs[24], ms[24];
    st_read_planned(r->result[r->n - 1], &jobs, &images);
    snprintf(n_jobs, sizeof n_jobs, "%zu", jobs.n);
    snprintf(ms, sizeof ms, "%lld", (long long)((clock_mono() - p->began) / BF_MSEC));
    log_info("planned", "repository", p->slug, "jobs", n_jobs, "ms", ms);
    p->deps->on_rows(p->deps->rows_arg, &jobs, &images);
    vec_release(&jobs);
    vec_release(&images);
    p->plan++;
    commit_next(p);
}

static void commit_next(struct poll *p)
{
    if (p->plan == p->said.plans.n) {
        record(p, NULL);
        return;
    }
    struct db_tx *tx = st_write(p->deps->db, p->term);
    if (p->plan == 0) {
        vec_for_each (i, &p->said.artifacts) {
            const struct plan_artifact *a = &p->said.artifacts.v[i];
            st_add_artifact(tx, a->key, a->digest, p->staging, a->size);
        }
    }
    st_plan_commit(tx, p->repo.id, p->said.plans.v[p->plan]);
    db_tx_deadline(tx, COMMIT_DEADLINE);
    p->waits++;
    db_submit(tx, on_committed, p);
}

/* ---- uploads ----------------------------------------------------------------------------------
 */

static void on_uploaded(void *arg, const char *error)
{
    struct poll *p = arg;
    p->batch = NULL;
    if (is_over(p))
        return;
    if (error)
        fail(p, error);
    else
        commit_next(p);
}

static void upload(struct poll *p)
{
    size_t n = p->said.artifacts.n;
    if (n == 0) {
        commit_next(p);
        return;
    }
    struct blob *blob = xcalloc(n, sizeof *blob);
    char **dirs = xcalloc(n, sizeof *dirs);
    for (size_t i = 0; i < n; i++) {
        const struct plan_artifact *a = &p->said.artifacts.v[i];
        dirs[i] = xasprintf("%s/%s", p->out, a->path);
        blob[i] = (struct blob){
            .dir = dirs[i], .repository = p->staging, .tag = a->key + strlen("sha256:")};
    }
    p->waits++;
    p->batch = blobs_put(p->deps->blobs, blob, n, on_uploaded, p);
    for (size_t i = 0; i < n; i++)
        free(dirs[i]);
    free(dirs);
    free(blob);
}

/* ---- the planner ------------------------------------------------------------------------------
 */

static void on_out(void *arg, const char *text, size_t n)
{
    struct poll *p = arg;
    if (p->text.len + n > MAX_OUTPUT)
        proc_kill_now(p->proc);
    else
        str_addmem(&p->text, text, n);
}

static void on_err(void *arg, const char *text, size_t n)
{
    struct poll *p = arg;
    size_t room = MAX_COMPLAINT - p->complaint.len;
    str_addmem(&p->complaint, text, n < room ? n : room);
}

static const char *end_text(struct proc_exit how)
{
    switch (how.end) {
    case PROC_EXITED:
        return "it printed no document";
    case PROC_SIGNALLED:
        return "killed by a signal; perhaps the memory limit";
    case PROC_TIMEOUT:
    case PROC_SILENCE:
        return "not done before its deadline";
    case PROC_KILLED:
        return "its output is too large";
    }
    BUG("process end %d", (int)how.end);
}

static void read_output(uv_work_t *work)
{
    struct poll *p = work->data;
    if (planner_output(&p->said, p->text.p, p->text.len, p->well, &p->wrong))
        BUG_ON(p->wrong.kind == ERR_NONE);
    str_release(&p->text);
    str_init(&p->text);
}

static void on_read(uv_work_t *work, int status)
{
    struct poll *p = work->data;
    (void)status; /* nothing cancels it */
    if (is_over(p))
        return;
    if (p->wrong.kind != ERR_NONE) {
        if (p->complaint.len)
            log_warn("the planner complains", "repository", p->slug, "text", p->complaint.p);
        fail(p, p->wrong.msg);
        return;
    }
    upload(p);
}

static void planned(struct poll *p, struct proc_exit how)
{
    if (how.end != PROC_EXITED) {
        struct err e = ERR_INIT;
        err_set(&e, ERR_TEMPORARY, "the planner was stopped: %s", end_text(how));
        fail(p, e.msg);
        return;
    }
    p->well = how.status == 0;
    p->reading.data = p;
    p->waits++;
    if (uv_queue_work(p->deps->loop, &p->reading, read_output, on_read) != 0)
        BUG("a thread for a plan cannot be had");
}

static void on_exit_cb(void *arg, struct proc_exit how)
{
    struct poll *p = arg;
    p->proc = NULL;
    if (!is_over(p))
        planned(p, how);
}

static int prepare_folders(struct poll *p, struct err *e)
{
    char *mirrors = xasprintf("%s/mirrors", p->deps->state_dir);
    int rc = dir_make(mirrors, 0700, e);
    free(mirrors);
    if (rc || dir_remove(p->out, e))
        return -1;
    return dir_make(p->out, 0700, e);
}

static void plan(struct poll *p, const struct poll_settings *s, const PGresult *contexts)
{
    struct err e = ERR_INIT;
    struct planner_paths paths = {.mirror = p->mirror,
                                  .out = p->out,
                                  .registry = s->release,
                                  .arch = s->arch,
                                  .onbuild = s->onbuild,
                                  .timeout = p->deps->timeout};
    const char *argv[] = {p->deps->planner, "poll", NULL};
    char *in = planner_input(&p->repo, contexts, &paths);
    struct proc_spec spec = {.argv = argv,
                             .in = in,
                             .in_len = strlen(in),
                             /* it keeps its own deadline; this one is for a planner that hangs */
                             .timeout = p->deps->timeout + 5 * BF_SEC,
                             .grace = BF_SEC,
                             .max_memory = p->deps->max_memory,
                             .on_out = on_out,
                             .on_err = on_err,
                             .on_exit = on_exit_cb,
                             .arg = p};
    if (prepare_folders(p, &e) || proc_spawn(p->deps->loop, &spec, &p->proc, &e))
        fail(p, e.msg);
    else
        p->waits++;
    free(in);
}

/* ---- settings, what is known ------------------------------------------------------------------
 */

static void on_known(void *arg, const struct db_reply *r)
{
    struct poll *p = arg;
    if (is_over(p))
        return;
    if (r->end != DB_DONE) {
        fail(p, r->message);
        return;
    }
    struct poll_settings s;
    st_read_poll_settings(r->result[0], r->result[2], &s);
    if (!s.staging || !s.release || !s.arch) {
        fail(p, "the settings staging_registry and release_registry are not set: "
                "bootfarm setting set NAME HOST[:PORT]");
        return;
    }
    p->staging = xasprintf("%s/contexts/%s", s.staging, p->slug);
    if (!registry_text_ok(p->staging)) {
        fail(p, "the setting staging_registry is not HOST[:PORT]");
        return;
    }
    plan(p, &s, r->result[1]);
}

static void copy_row(struct poll *p, const struct repo_row *repo)
{
    p->repo = *repo;
    p->repo.slug = p->slug = xstrdup(repo->slug);
    p->repo.url = p->url = xstrdup(repo->url);
    p->repo.git = p->git = repo->git ? xstrdup(repo->git) : NULL;
    p->repo.known_refs = p->known_refs = repo->known_refs ? xstrdup(repo->known_refs) : NULL;
    p->repo.head = NULL;
    for (size_t i = 0; i < repo->n_refs; i++)
        *vec_push(&p->refs) = xstrdup(repo->refs[i]);
    p->repo.refs = (const char *const *)p->refs.v;
}

struct poll *poll_start(const struct poll_deps *deps, int64_t term, const struct repo_row *repo)
{
    struct poll *p = xcalloc(1, sizeof *p);
    p->deps = deps;
    p->term = term;
    p->began = clock_mono();
    copy_row(p, repo);
    p->mirror = xasprintf("%s/mirrors/%lld.git", deps->state_dir, (long long)repo->id);
    /* A name of its own: an earlier poll that was stopped may still be dying in another. */
    p->out = xasprintf("%s/tmp/poll-%lld-%lld", deps->state_dir, (long long)repo->id,
                       (long long)p->began);
    str_init(&p->text);
    str_init(&p->complaint);
    struct db_tx *tx = db_tx_new(deps->db, DB_SNAPSHOT);
    st_poll_settings(tx);
    st_known_contexts(tx, repo->id);
    st_triggers_across(tx);
    p->waits++;
    db_submit(tx, on_known, p);
    return p;
}
