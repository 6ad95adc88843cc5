/* trace_rows.c - the members of everything that goes into the brain and comes out of it.
 *
 * Whoever adds a member to one of these structs adds a line here. The sizes remind, and a test
 * (tests/unit/core/trace.c) compares the names with the headers. */
#include "scheduler/core/trace.h"

#include <assert.h>

#define SIZE_IS(type, bytes) static_assert(sizeof(type) == (bytes), #type ": see its table below")
SIZE_IS(struct site_row, 32);
SIZE_IS(struct worker_row, 40);
SIZE_IS(struct base_row, 56);
SIZE_IS(struct image_row, 192);
SIZE_IS(struct job_row, 248);
SIZE_IS(struct worker_report, 128);
SIZE_IS(struct running_report, 40);
SIZE_IS(struct result_report, 80);
SIZE_IS(struct pin, 56);
SIZE_IS(struct op, 176);
SIZE_IS(struct effect, 24);
SIZE_IS(struct brain_config, 80);
SIZE_IS(struct input, 64);

/* What kind of member it is follows from its type. A member of an enum needs to be said, for to the
 * compiler it is an unsigned. */
/* clang-format off */
#define FIELD(m)                                                                                   \
    {.name = #m, .offset = offsetof(ROW, m),                                                       \
     .kind = _Generic(((const ROW *)0)->m, bool: FIELD_BOOL, int: FIELD_INT,                       \
                      unsigned: FIELD_UNSIGNED, int64_t: FIELD_I64, uint64_t: FIELD_I64,           \
                      const char *: FIELD_TEXT, char *: FIELD_TEXT, struct id128: FIELD_ID128,     \
                      struct sha256: FIELD_SHA256)}
#define ENUM(m, highest, word_of)                                                                  \
    {.name = #m, .offset = offsetof(ROW, m), .kind = FIELD_ENUM, .last = (highest),                \
     .word = (word_of)}
#define LIST(m, how_many)                                                                          \
    {.name = #m, .offset = offsetof(ROW, m), .count = offsetof(ROW, how_many),                     \
     .kind = _Generic(((const ROW *)0)->m, const int64_t *: FIELD_IDS,                             \
                      const char *const *: FIELD_TEXTS)}
#define ROWS(m, how_many, table)                                                                   \
    {.name = #m, .offset = offsetof(ROW, m), .count = offsetof(ROW, how_many),                     \
     .kind = FIELD_ROWS, .of = &(table)}
#define ONE(m, table) {.name = #m, .offset = offsetof(ROW, m), .kind = FIELD_ROW, .of = &(table)}
#define TABLE(name) const struct fields fields_##name = {name##_v, ARRAY_SIZE(name##_v), sizeof(ROW)}
/* clang-format on */

/* ---- words ----------------------------------------------------------------------------------- */

#define WORD(list, v) ((v) < ARRAY_SIZE(list) ? (list)[v] : "?")

static const char *kind_word(unsigned v)
{
    return job_kind_name((enum job_kind)v);
}

static const char *state_word(unsigned v)
{
    return job_state_name((enum job_state)v);
}

static const char *reason_word(unsigned v)
{
    return wait_reason_name((enum wait_reason)v);
}

static const char *class_word(unsigned v)
{
    return fail_class_name((enum fail_class)v);
}

static const char *outcome_word(unsigned v)
{
    static const char *const words[] = {"succeeded", "failed", "cancelled"};
    return WORD(words, v);
}

static const char *status_word(unsigned v)
{
    static const char *const words[] = {"ok",       "skipped",   "stale",  "refused", "busy",
                                        "outdated", "duplicate", "fenced", "unknown"};
    return WORD(words, v);
}

static const char *worker_word(unsigned v)
{
    static const char *const words[] = {NULL, "connected", "draining", "disconnected", "resting"};
    return WORD(words, v);
}

static const char *op_word(unsigned v)
{
    return op_type_name((enum op_type)v);
}

static const char *effect_word(unsigned v)
{
    static const char *const words[] = {"orders", "reload"};
    return WORD(words, v);
}

/* Without a default: a new op or input is an error of the compiler. */
const char *op_type_name(enum op_type t)
{
    switch (t) {
    case OP_MAKE_READY:
        return "make_ready";
    case OP_RETRY_READY:
        return "retry_ready";
    case OP_CLAIM:
        return "claim";
    case OP_START:
        return "start";
    case OP_FINISH:
        return "finish";
    case OP_LOSE:
        return "lose";
    case OP_WAIT:
        return "wait";
    case OP_END:
        return "end";
    case OP_REOPEN:
        return "reopen";
    case OP_WORKER_SEEN:
        return "worker_seen";
    case OP_DRAIN:
        return "drain";
    case OP_COMMAND_DONE:
        return "command_done";
    case OP_EXPLAIN:
        return "explain";
    }
    return "?";
}

const char *input_type_name(enum input_type t)
{
    switch (t) {
    case IN_SITE:
        return "site";
    case IN_WORKER:
        return "worker";
    case IN_BASE:
        return "base";
    case IN_IMAGE:
        return "image";
    case IN_JOB:
        return "job";
    case IN_LOADED:
        return "loaded";
    case IN_REPORT:
        return "report";
    case IN_LINK_DOWN:
        return "link_down";
    case IN_NO_WORK:
        return "no_work";
    case IN_COMMITTED:
        return "committed";
    case IN_STATUS:
        return "status";
    case IN_CANCEL_JOB:
        return "cancel_job";
    case IN_RETRY_JOB:
        return "retry_job";
    case IN_DRAIN:
        return "drain";
    case IN_RESUME:
        return "resume";
    case IN_TICK:
        return "tick";
    }
    return "?";
}

/* ---- rows ------------------------------------------------------------------------------------ */

#define ROW struct site_row
static const struct field site_v[] = {
    FIELD(id), FIELD(name), FIELD(hub), FIELD(continue_on_partition), FIELD(grace),
};
TABLE(site);
#undef ROW

#define ROW struct worker_row
static const struct field worker_v[] = {
    FIELD(id),      FIELD(name),    FIELD(site),         FIELD(roles),
    FIELD(drained), FIELD(revoked), FIELD(slots_wanted),
};
TABLE(worker);
#undef ROW

#define ROW struct base_row
static const struct field base_v[] = {
    FIELD(id),
    FIELD(reference),
    FIELD(digest),
    FIELD(error),
};
TABLE(base);
#undef ROW

#define ROW struct image_row
static const struct field image_v[] = {
    FIELD(id),
    FIELD(image),
    FIELD(name),
    FIELD(repo),
    FIELD(arch),
    FIELD(recipe),
    FIELD(tests_key),
    FIELD(passing_digest),
    FIELD(passing_repository),
    LIST(parents, n_parents),
    LIST(bases, n_bases),
    FIELD(removed),
    FIELD(barred),
    FIELD(repo_weight),
    FIELD(build_ms),
    FIELD(test_ms),
};
TABLE(image);
#undef ROW

#define ROW struct job_row
static const struct field job_v[] = {
    FIELD(id),
    ENUM(kind, JOB_MIRROR, kind_word),
    FIELD(image),
    FIELD(image_arch),
    LIST(image_archs, n_image_archs),
    FIELD(target_site),
    FIELD(run_site),
    FIELD(revision_serial),
    ENUM(state, JOB_CANCELLED, state_word),
    ENUM(reason, WAIT_LAST, reason_word),
    FIELD(because_parent),
    FIELD(forced),
    LIST(needs, n_needs),
    FIELD(priority),
    FIELD(not_before),
    FIELD(ready_at),
    FIELD(attempts),
    FIELD(losses),
    FIELD(digest),
    ENUM(fail_class, FAIL_TIMEOUT, class_word),
    FIELD(attempt),
    FIELD(worker),
    FIELD(boot),
    FIELD(rerun),
    FIELD(created_at),
    FIELD(memory_mib),
    FIELD(cpus),
};
TABLE(job);
#undef ROW

/* ---- Reports --------------------------------------------------------------------------------- */

#define ROW struct running_report
static const struct field running_v[] = {
    FIELD(attempt),
    FIELD(started),
    FIELD(phase),
    FIELD(started_ago),
};
TABLE(running);
#undef ROW

/* Without the cookie, which is the shell's. */
#define ROW struct result_report
static const struct field result_v[] = {
    FIELD(attempt),
    ENUM(outcome, OUTCOME_CANCELLED, outcome_word),
    ENUM(fail_class, FAIL_TIMEOUT, class_word),
    FIELD(code),
    FIELD(digest),
    FIELD(took),
};
TABLE(result);
#undef ROW

#define ROW struct worker_report
static const struct field report_v[] = {
    FIELD(worker),
    FIELD(boot),
    FIELD(arch),
    FIELD(slots),
    FIELD(accepting),
    FIELD(full),
    FIELD(cpus),
    FIELD(memory_free_mib),
    FIELD(disk_free_mib),
    FIELD(cpu_psi),
    FIELD(io_psi),
    FIELD(memory_psi),
    LIST(capabilities, n_capabilities),
    ROWS(running, n_running, fields_running),
    ROWS(results, n_results, fields_result),
};
TABLE(report);
#undef ROW

/* ---- effects --------------------------------------------------------------------------------- */

#define ROW struct pin
static const struct field pin_v[] = {
    FIELD(base),
    FIELD(id),
    FIELD(digest),
    FIELD(repository),
};
TABLE(pin);
#undef ROW

/* Without the cookie. */
#define ROW struct op
static const struct field op_v[] = {
    ENUM(type, OP_LAST, op_word),
    FIELD(job),
    FIELD(worker),
    FIELD(command),
    FIELD(bucket),
    FIELD(attempt),
    FIELD(boot),
    FIELD(key),
    ROWS(pins, n_pins, fields_pin),
    ENUM(next, JOB_CANCELLED, state_word),
    ENUM(reason, WAIT_LAST, reason_word),
    FIELD(not_before),
    FIELD(ago),
    ENUM(worker_state, WORKER_LAST, worker_word),
    FIELD(drained),
    FIELD(refused),
    FIELD(apart),
    FIELD(detail),
    FIELD(who),
};
TABLE(op);
#undef ROW

#define ROW struct effect
static const struct field effect_v[] = {
    ENUM(type, EFF_RELOAD_JOB, effect_word),
    FIELD(worker),
    FIELD(job),
};
TABLE(effect);
#undef ROW

/* Without the hash function. */
#define ROW struct brain_config
static const struct field config_v[] = {
    FIELD(term),        FIELD(lease),          FIELD(kill_time),      FIELD(backoff_min),
    FIELD(backoff_max), FIELD(lost_limit),     FIELD(seed),           FIELD(max_cpu_psi),
    FIELD(max_io_psi),  FIELD(max_memory_psi), FIELD(disk_floor_mib),
};
TABLE(config);
#undef ROW

/* ---- inputs ---------------------------------------------------------------------------------- */

#define ROW struct input
static const struct field in_site_v[] = {ONE(site, fields_site)};
static const struct field in_worker_v[] = {ONE(worker, fields_worker)};
static const struct field in_base_v[] = {ONE(base, fields_base)};
static const struct field in_image_v[] = {ONE(image, fields_image)};
static const struct field in_job_v[] = {ONE(job, fields_job)};
static const struct field in_report_v[] = {ONE(report, fields_report)};
static const struct field in_link_down_v[] = {FIELD(worker_id)};
static const struct field in_no_work_v[] = {FIELD(attempt)};
static const struct field in_status_v[] = {
    ENUM(status.status, ST_UNKNOWN, status_word),
    FIELD(status.digest),
    FIELD(status.repository),
    ONE(status.op, fields_op),
};
static const struct field in_command_v[] = {
    FIELD(command.id),
    FIELD(command.object),
    FIELD(command.who),
};

#define INPUT(name) static TABLE(name)
INPUT(in_site);
INPUT(in_worker);
INPUT(in_base);
INPUT(in_image);
INPUT(in_job);
INPUT(in_report);
INPUT(in_link_down);
INPUT(in_no_work);
INPUT(in_status);
INPUT(in_command);
static const struct fields fields_nothing = {NULL, 0, sizeof(ROW)};
#undef ROW

const struct fields *input_fields(enum input_type t)
{
    switch (t) {
    case IN_SITE:
        return &fields_in_site;
    case IN_WORKER:
        return &fields_in_worker;
    case IN_BASE:
        return &fields_in_base;
    case IN_IMAGE:
        return &fields_in_image;
    case IN_JOB:
        return &fields_in_job;
    case IN_REPORT:
        return &fields_in_report;
    case IN_LINK_DOWN:
        return &fields_in_link_down;
    case IN_NO_WORK:
        return &fields_in_no_work;
    case IN_STATUS:
        return &fields_in_status;
    case IN_CANCEL_JOB:
    case IN_RETRY_JOB:
    case IN_DRAIN:
    case IN_RESUME:
        return &fields_in_command;
    case IN_LOADED:
    case IN_COMMITTED:
    case IN_TICK:
        return &fields_nothing;
    }
    return NULL;
}
