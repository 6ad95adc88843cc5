#include "tests/unit/core/kit.h"

/* Not a hash of any strength, and needs none: equal in, equal out, and different for our texts. */
static void fake_hash(const struct span *parts, size_t n, struct sha256 *out)
{
    uint64_t h[4] = {1469598103934665603u, 7, 77, 777};
    for (size_t i = 0; i < n; i++) {
        const uint8_t *p = parts[i].p;
        for (size_t k = 0; k < parts[i].n; k++) {
            for (int l = 0; l < 4; l++)
                h[l] = (h[l] ^ p[k]) * (1099511628211u + 2u * (unsigned)l);
        }
    }
    memcpy(out->b, h, sizeof out->b);
}

struct sha256 digest_of(const char *text)
{
    struct sha256 d = {0};
    if (text)
        fake_hash(&(struct span){text, strlen(text)}, 1, &d);
    return d;
}

struct id128 boot(int n)
{
    return (struct id128){{[15] = (uint8_t)n}};
}

/* ---- life ------------------------------------------------------------------------------------ */

void kit_init(struct kit *k)
{
    *k = (struct kit){.now = 1000 * BF_SEC, .said = STR_INIT};
    struct brain_config c = {.term = 1,
                             .lease = 45 * BF_SEC,
                             .kill_time = 15 * BF_SEC,
                             .backoff_min = 5 * BF_SEC,
                             .backoff_max = 600 * BF_SEC,
                             .lost_limit = 3,
                             .hash = fake_hash,
                             .seed = 1};
    k->w = world_new(&c);
    struct site_row hub = {.id = 1, .name = "hub", .hub = true};
    struct site_row acp = {
        .id = 2, .name = "acp", .continue_on_partition = true, .grace = 600 * BF_SEC};
    kit_step(k, &(struct input){.type = IN_SITE, .site = &hub});
    kit_step(k, &(struct input){.type = IN_SITE, .site = &acp});
}

void kit_release(struct kit *k)
{
    world_free(k->w);
    effects_release(&k->e);
    str_release(&k->said);
    vec_release(&k->answers);
}

/* ---- what the brain says --------------------------------------------------------------------- */

static const char *seen_name(enum worker_state s)
{
    static const char *const names[] = {"never-seen", "connected", "draining", "disconnected",
                                        "resting"};
    return names[s];
}

static void render_next(struct str *out, const struct op *op, bf_time now)
{
    str_addf(out, " %s", job_state_name(op->next));
    if (op->reason != WAIT_NONE)
        str_addf(out, " %s", wait_reason_name(op->reason));
    if (op->not_before)
        str_addf(out, " +%lld", (long long)((op->not_before - now) / BF_SEC));
}

static void render(struct kit *k, const struct op *op)
{
    struct str *s = &k->said;
    long long job = op->job, worker = op->worker;
    switch (op->type) {
    case OP_MAKE_READY:
        str_addf(s, "ready %lld", job);
        k->key[job] = op->key;
        k->pin[job] = op->n_pins ? op->pins[0].digest : (struct sha256){0};
        break;
    case OP_RETRY_READY:
        str_addf(s, "again %lld", job);
        break;
    case OP_CLAIM:
        str_addf(s, "claim %lld on %lld", job, worker);
        k->attempt[job] = op->attempt;
        break;
    case OP_START:
        str_addf(s, "start %lld", job);
        break;
    case OP_FINISH:
        str_addf(s, "finish %lld", job);
        render_next(s, op, k->now);
        break;
    case OP_LOSE:
        str_addf(s, "lose %lld", job);
        render_next(s, op, k->now);
        break;
    case OP_WAIT:
        str_addf(s, "wait %lld %s", job,
                 op->reason == WAIT_NONE ? "no more" : wait_reason_name(op->reason));
        if (op->detail)
            str_addf(s, ": %s", op->detail);
        break;
    case OP_EXPLAIN:
        str_addf(s, "explain %s", wait_reason_name(op->reason));
        if (op->detail)
            str_addf(s, ": %s", op->detail);
        break;
    case OP_END:
        str_addf(s, "end %lld %s", job, job_state_name(op->next));
        if (op->who)
            str_addf(s, " by %s", op->who);
        break;
    case OP_REOPEN:
        str_addf(s, "reopen %lld by %s", job, op->who);
        break;
    case OP_WORKER_SEEN:
        str_addf(s, "seen %lld %s", worker, seen_name(op->worker_state));
        break;
    case OP_DRAIN:
        str_addf(s, "drain %lld %s", worker, op->drained ? "yes" : "no");
        break;
    case OP_COMMAND_DONE:
        str_addf(s, "done %lld%s%s", (long long)op->command, op->refused ? " refused: " : "",
                 op->detail ? op->detail : "");
        break;
    }
    str_addch(s, '\n');
}

static void render_after(struct kit *k, const struct effect *x)
{
    if (x->type == EFF_ORDERS)
        str_addf(&k->said, "orders %lld\n", (long long)x->worker);
    else
        str_addf(&k->said, "reload %lld\n", (long long)x->job);
}

void kit_step(struct kit *k, const struct input *in)
{
    size_t ops = k->e.n_ops, after = k->e.n_after;
    brain_step(k->w, in, k->now, &k->e);
    for (; ops < k->e.n_ops; ops++)
        render(k, &k->e.ops[ops]);
    for (; after < k->e.n_after; after++)
        render_after(k, &k->e.after[after]);
}

void forget(struct kit *k)
{
    str_clear(&k->said);
}

void expect_at(struct kit *k, const char *lines, const char *file, int line)
{
    cr_assert(strcmp(k->said.p, lines) == 0, "%s:%d: expected\n%sgot\n%s", file, line, lines,
              k->said.p);
    forget(k);
}

/* ---- rows ------------------------------------------------------------------------------------ */

void kit_worker(struct kit *k, int64_t id, int64_t site, unsigned roles)
{
    char *name = xasprintf("w%lld", (long long)id);
    struct worker_row row = {.id = id, .name = name, .site = site, .roles = roles};
    kit_step(k, &(struct input){.type = IN_WORKER, .worker = &row});
    free(name);
}

void kit_image(struct kit *k, struct image_spec s)
{
    int64_t parents[2] = {s.parent, s.parent2};
    char *name = xasprintf("%s:%s@main", s.repo ? s.repo : "p", s.name);
    struct image_row row = {
        .id = s.id,
        .image = s.id,
        .name = name,
        .arch = "amd64",
        .recipe = digest_of(s.recipe ? s.recipe : s.name),
        .tests_key = digest_of("tests"),
        .passing_digest = digest_of(s.passing),
        .passing_repository = s.passing ? "reg/old" : NULL,
        .parents = parents,
        .n_parents = s.parent2  ? 2
                     : s.parent ? 1
                                : 0,
        .bases = &s.base,
        .n_bases = s.base ? 1 : 0,
        .removed = s.removed,
        .barred = s.barred,
    };
    kit_step(k, &(struct input){.type = IN_IMAGE, .image = &row});
    free(name);
}

void kit_base(struct kit *k, int64_t id, const char *digest)
{
    struct base_row row = {.id = id,
                           .reference = "quay.io/base:1",
                           .digest = digest_of(digest),
                           .error = digest ? NULL : "connection refused"};
    kit_step(k, &(struct input){.type = IN_BASE, .base = &row});
}

struct job_row kit_row(int64_t id, enum job_kind kind, int64_t image)
{
    static int64_t image_of[64];
    image_of[id] = image;
    bool by_arch = kind == JOB_BUILD || kind == JOB_TEST;
    return (struct job_row){
        .id = id,
        .kind = kind,
        .image = image,
        .image_arch = by_arch ? image : 0,
        .image_archs = &image_of[id],
        .n_image_archs = 1,
        .target_site = kind == JOB_MIRROR ? 2 : 0,
        .run_site = kind == JOB_MIRROR ? 2 : 1,
        .revision_serial = 1,
        .state = JOB_WAITING,
    };
}

void kit_job(struct kit *k, struct job_row row)
{
    kit_step(k, &(struct input){.type = IN_JOB, .job = &row});
}

void kit_simple(struct kit *k, int64_t id, enum job_kind kind, int64_t image)
{
    kit_job(k, kit_row(id, kind, image));
}

void kit_loaded(struct kit *k)
{
    kit_step(k, &(struct input){.type = IN_LOADED});
}

/* ---- Reports and commands -------------------------------------------------------------------- */

struct worker_report kit_says(int64_t worker, unsigned slots)
{
    return (struct worker_report){.worker = worker,
                                  .boot = boot((int)worker),
                                  .arch = "amd64",
                                  .slots = slots,
                                  .accepting = true};
}

void kit_report(struct kit *k, struct worker_report r)
{
    kit_step(k, &(struct input){.type = IN_REPORT, .report = &r});
}

void kit_hello(struct kit *k, int64_t worker, unsigned slots)
{
    kit_report(k, kit_says(worker, slots));
}

void kit_runs(struct kit *k, int64_t worker, unsigned slots, int64_t job)
{
    struct worker_report r = kit_says(worker, slots);
    struct running_report running = {.attempt = k->attempt[job], .started = true, .phase = "build"};
    r.running = &running;
    r.n_running = 1;
    kit_report(k, r);
}

void kit_ends(struct kit *k, int64_t worker, unsigned slots, int64_t job, enum outcome outcome,
              enum fail_class fail_class)
{
    struct worker_report r = kit_says(worker, slots);
    struct result_report result = {
        .attempt = k->attempt[job], .outcome = outcome, .fail_class = fail_class, .code = "x"};
    char *made = xasprintf("made by job %lld", (long long)job);
    if (outcome == OUTCOME_SUCCEEDED)
        result.digest = digest_of(made);
    free(made);
    r.results = &result;
    r.n_results = 1;
    kit_report(k, r);
}

void kit_command(struct kit *k, enum input_type type, int64_t command, int64_t object)
{
    kit_step(k,
             &(struct input){.type = type,
                             .command = {.id = command, .object = object, .who = "operator:eve"}});
}

/* ---- the transaction ------------------------------------------------------------------------- */

void kit_answer(struct kit *k, enum op_type type, int64_t job, enum op_status status,
                const char *digest)
{
    *vec_push(&k->answers) = (struct answer){type, job, status, digest_of(digest)};
}

/* False: plain yes. */
static bool answer_of(struct kit *k, const struct op *op, struct input *in)
{
    in->status.op = op;
    in->status.status = ST_OK;
    vec_for_each (i, &k->answers) {
        struct answer a = k->answers.v[i];
        if (a.type != op->type || a.job != op->job)
            continue;
        in->status.status = a.status;
        in->status.digest = a.digest;
        vec_remove_swap(&k->answers, i);
        return true;
    }
    if (op->type != OP_FINISH || op->job == 0 || op->next != JOB_SUCCEEDED)
        return false;
    char *made = xasprintf("made by job %lld", (long long)op->job);
    struct job *j = world_job(k->w, op->job);
    in->status.digest = j && j->kind == JOB_TEST ? k->pin[op->job] : digest_of(made);
    free(made);
    return true;
}

void kit_commit(struct kit *k)
{
    struct effects done = k->e;
    k->e = (struct effects){0};
    kit_step(k, &(struct input){.type = IN_COMMITTED});
    for (size_t i = 0; i < done.n_ops; i++) {
        struct input in = {.type = IN_STATUS, .status.repository = "reg/build"};
        if (answer_of(k, &done.ops[i], &in))
            kit_step(k, &in);
    }
    effects_release(&done);
    while (brain_deadline(k->w) <= k->now)
        kit_step(k, &(struct input){.type = IN_TICK});
    if (k->e.n_ops)
        kit_commit(k);
}

void kit_at(struct kit *k, int seconds)
{
    bf_time end = (1000 + (bf_time)seconds) * BF_SEC;
    while (brain_deadline(k->w) <= end) {
        bf_time due = brain_deadline(k->w);
        k->now = due > k->now ? due : k->now;
        kit_step(k, &(struct input){.type = IN_TICK});
        kit_commit(k);
    }
    k->now = end;
}

void kit_run_all(struct kit *k, int64_t worker)
{
    for (int turns = 0; turns < 1000; turns++) {
        kit_commit(k);
        struct orders_view o;
        if (!world_orders(k->w, worker, &o) || o.n_wanted == 0)
            return;
        for (int64_t job = 1; job < 64; job++) {
            if (id128_eq(k->attempt[job], o.wanted[0])) {
                kit_ends(k, worker, 1, job, OUTCOME_SUCCEEDED, FAIL_NONE);
                break;
            }
        }
    }
    cr_assert_fail("it goes on for ever");
}
