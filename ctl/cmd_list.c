/* Lists that are one view each. */
#include "ctl/ctl.h"

/* A view's list as a command: its columns, and which of its options filter by the column of that
 * name. */
struct listing {
    const char *path; /* with what is always asked for */
    const struct column *columns;
    const char *none;
    const char *filters[12]; /* NULL-terminated */
};

static int run_listing(struct ctl *c, const struct listing *l)
{
    BF_CLEANUP(str_release) struct str path = STR_INIT;

    str_add(&path, l->path);
    ctl_filters(c, &path, l->filters);
    return ctl_list(c, path.p, l->columns, l->none);
}

/* The formatter takes the braces of such lists for blocks. */
/* clang-format off */
#define PAGING                                                                                     \
    {"limit", 'n', "N", "At most so many (default 100, at most 10000)"},                           \
    {"after", 0, "ID", "Go on behind this id"}
/* clang-format on */

static int run_newest(struct ctl *c, const struct listing *l)
{
    BF_CLEANUP(str_release) struct str path = STR_INIT;
    const char *limit = arg_value(&c->args, "limit");

    str_add(&path, l->path);
    path_add(&path, "order", "newest");
    path_add(&path, "limit", limit ? limit : "100");
    path_add(&path, "after", arg_value(&c->args, "after"));
    ctl_filters(c, &path, l->filters);
    return ctl_list(c, path.p, l->columns, l->none);
}

/* ---- repositories, sites, workers -------------------------------------------------------------
 */

int cmd_repo_list(struct ctl *c)
{
    static const struct column columns[] = {
        {"NAME", "name", CELL_TEXT},       {"HEAD", "head", CELL_TEXT},
        {"IMAGES", "images", CELL_NUMBER}, {"ERRORS", "definition_errors", CELL_NUMBER},
        {"WEIGHT", "weight", CELL_NUMBER}, {"POLLED", "polled_at", CELL_AGE},
        {"REFS", "refs", CELL_TEXT},       {"URL", "url", CELL_TEXT},
        {"ERROR", "error", CELL_TEXT},     {0}};
    static const struct listing l = {
        "/v1/repositories", columns, "no repository is watched; bootfarm repo add URL", {0}};

    return run_listing(c, &l);
}

const struct arg_option options_repo_refs[] = {
    {"repository", 0, "SLUG", "Of one repository"},
    {0},
};

int cmd_repo_refs(struct ctl *c)
{
    static const struct column columns[] = {
        {"REPOSITORY", "repository", CELL_TEXT}, {"REF", "ref", CELL_TEXT},
        {"TRUSTED", "trusted", CELL_TEXT},       {"PUBLISH", "publish", CELL_TEXT},
        {"MIRROR", "mirror", CELL_TEXT},         {"SECRETS", "secrets", CELL_TEXT},
        {"PLACE", "place", CELL_TEXT},           {"RULE", "rule", CELL_TEXT},
        {"REVISION", "revision", CELL_TEXT},     {0}};
    static const struct listing l = {
        "/v1/ref_policies", columns, "no ref was seen yet", {"repository"}};

    return run_listing(c, &l);
}

int cmd_repo_previews(struct ctl *c)
{
    static const struct column columns[] = {{"REPOSITORY", "repository", CELL_TEXT},
                                            {"REF", "ref", CELL_TEXT},
                                            {"REVISION", "revision", CELL_TEXT},
                                            {"MERGED", "summary", CELL_TEXT},
                                            {0}};
    static const struct listing l = {"/v1/previews",
                                     columns,
                                     "no pull request is watched; bootfarm repo add URL "
                                     "--refs 'HEAD,pull/*'",
                                     {"repository"}};

    return run_listing(c, &l);
}

int cmd_site_list(struct ctl *c)
{
    static const struct column columns[] = {{"NAME", "name", CELL_TEXT},
                                            {"KIND", "kind", CELL_TEXT},
                                            {"WORKERS", "workers", CELL_NUMBER},
                                            {"CONNECTED", "connected", CELL_NUMBER},
                                            {"SLOTS", "slots", CELL_NUMBER},
                                            {"BUSY", "busy", CELL_NUMBER},
                                            {"QUEUED", "queued", CELL_NUMBER},
                                            {"MIN", "scale_min", CELL_NUMBER},
                                            {"MAX", "scale_max", CELL_NUMBER},
                                            {"MANUAL", "scale_manual", CELL_NUMBER},
                                            {"IMAGES", "images_wanted", CELL_NUMBER},
                                            {"PRESENT", "images_present", CELL_NUMBER},
                                            {"REGISTRY", "registry", CELL_TEXT},
                                            {0}};
    static const struct listing l = {"/v1/sites", columns, "there is no site", {0}};

    return run_listing(c, &l);
}

const struct arg_option options_worker_list[] = {
    {"site", 0, "LIST", "Only of these sites"},
    {"state", 0, "LIST", "Only in these states"},
    {0},
};

int cmd_worker_list(struct ctl *c)
{
    static const struct column columns[] = {{"NAME", "name", CELL_TEXT},
                                            {"SITE", "site", CELL_TEXT},
                                            {"STATE", "state", CELL_STATE},
                                            {"SINCE", "since", CELL_AGE},
                                            {"BUSY", "busy", CELL_NUMBER},
                                            {"SLOTS", "slots", CELL_NUMBER},
                                            {"DRAINED", "drained", CELL_TEXT},
                                            {"ARCH", "arch", CELL_TEXT},
                                            {"VERSION", "version", CELL_TEXT},
                                            {"ROLES", "roles", CELL_TEXT},
                                            {0}};
    static const struct listing l = {
        "/v1/workers", columns, "no worker is enrolled; bootfarm worker enroll", {"site", "state"}};

    return run_listing(c, &l);
}

/* ---- jobs and what became of them -------------------------------------------------------------
 */

const struct arg_option options_job_list[] = {
    {"state", 0, "LIST", "Only in these states, such as failed,running"},
    {"kind", 0, "LIST", "Only build, test, publish or mirror"},
    {"image", 0, "LIST", "Only of these images (repo:name@ref)"},
    {"repository", 0, "LIST", "Only of these repositories"},
    {"ref", 0, "LIST", "Only of these refs"},
    {"worker", 0, "LIST", "Only those whose newest attempt these workers have"},
    PAGING,
    {0},
};

/* One word of why, for people: what failed, or what it waits for, or why it was made. */
static void add_note(json_t *row)
{
    static const char *const parts[][2] = {
        {"step", "message"}, {"reason", "detail"}, {"because", "because_of"}};
    BF_CLEANUP(str_release) struct str note = STR_INIT;

    for (size_t i = 0; i < ARRAY_SIZE(parts) && !note.len; i++) {
        const char *a = member_text(row, parts[i][0]), *b = member_text(row, parts[i][1]);

        str_addf(&note, "%s%s%s", a, *a && *b ? ": " : "", b);
    }
    json_object_set_new(row, "note", json_string(note.p));
}

int cmd_job_list(struct ctl *c)
{
    static const struct column columns[] = {{"ID", "id", CELL_NUMBER},
                                            {"STATE", "state", CELL_STATE},
                                            {"MADE", "created_at", CELL_AGE},
                                            {"WORKER", "worker", CELL_TEXT},
                                            {"NAME", "name", CELL_TEXT},
                                            {"NOTE", "note", CELL_TEXT},
                                            {0}};
    static const char *const filters[] = {"state", "kind",   "image", "repository",
                                          "ref",   "worker", NULL};
    BF_CLEANUP(str_release) struct str path = STR_INIT;
    const char *limit = arg_value(&c->args, "limit");
    struct err e = ERR_INIT;
    json_t *rows, *row;
    size_t i;

    str_add(&path, "/v1/jobs?order=newest");
    path_add(&path, "limit", limit ? limit : "100");
    path_add(&path, "after", arg_value(&c->args, "after"));
    ctl_filters(c, &path, filters);
    if (client_get(c->client, path.p, &rows, &e) < 0)
        return ctl_fail(&e);
    if (!c->json)
        json_array_foreach(rows, i, row) add_note(row);
    return ctl_print(c, rows, columns, "no such job");
}

const struct arg_option options_queue[] = {
    {"reason", 0, "LIST", "Only what waits for these reasons"},
    {"kind", 0, "LIST", "Only build, test, publish or mirror"},
    {"repository", 0, "LIST", "Only of these repositories"},
    {"image", 0, "LIST", "Only of these images (repo:name@ref)"},
    {0},
};

int cmd_queue(struct ctl *c)
{
    static const struct column columns[] = {{"ID", "id", CELL_NUMBER},
                                            {"STATE", "state", CELL_STATE},
                                            {"SINCE", "since", CELL_AGE},
                                            {"REASON", "reason", CELL_TEXT},
                                            {"NAME", "name", CELL_TEXT},
                                            {"DETAIL", "detail", CELL_TEXT},
                                            {0}};
    static const struct listing l = {
        "/v1/queue", columns, "nothing waits", {"reason", "kind", "repository", "image"}};

    return run_listing(c, &l);
}

const struct arg_option options_events[] = {
    {"image", 0, "LIST", "Only of these images (repo:name@ref)"},
    {"job", 0, "LIST", "Only of these jobs (readable ids)"},
    {"actor", 0, "LIST", "Only by these (scheduler, worker:NAME, operator:NAME)"},
    PAGING,
    {0},
};

int cmd_events(struct ctl *c)
{
    static const struct column columns[] = {{"ID", "id", CELL_NUMBER},
                                            {"AT", "at", CELL_AGE},
                                            {"ACTOR", "actor", CELL_TEXT},
                                            {"JOB", "job", CELL_TEXT},
                                            {"VIA", "via", CELL_TEXT},
                                            {"DETAIL", "detail", CELL_TEXT},
                                            {0}};
    static const struct listing l = {
        "/v1/events", columns, "nothing happened", {"image", "job", "actor"}};

    return run_newest(c, &l);
}

const struct arg_option options_release_list[] = {
    {"name", 0, "LIST", "Only of these images (repo:name@ref)"},
    {"repository", 0, "LIST", "Only of these repositories"},
    {"state", 0, "LIST", "Only in these states"},
    {"current", 0, "BOOL", "true: only what is released now"},
    PAGING,
    {0},
};

int cmd_release_list(struct ctl *c)
{
    static const struct column columns[] = {{"ID", "id", CELL_NUMBER},
                                            {"STATE", "state", CELL_STATE},
                                            {"RELEASED", "released_at", CELL_AGE},
                                            {"CURRENT", "current", CELL_TEXT},
                                            {"SERIAL", "serial", CELL_NUMBER},
                                            {"DIGEST", "digest", CELL_DIGEST},
                                            {"NAME", "name", CELL_TEXT},
                                            {"TAGS", "tags", CELL_TEXT},
                                            {0}};
    static const struct listing l = {"/v1/releases",
                                     columns,
                                     "nothing was released",
                                     {"name", "repository", "state", "current"}};

    return run_newest(c, &l);
}

const struct arg_option options_presence_list[] = {
    {"site", 0, "LIST", "Only at these sites"},
    {"name", 0, "LIST", "Only of these images (repo:name@ref)"},
    {"state", 0, "LIST", "Only Absent, Mirroring or Present"},
    {0},
};

int cmd_presence_list(struct ctl *c)
{
    static const struct column columns[] = {
        {"SITE", "site", CELL_TEXT},           {"NAME", "name", CELL_TEXT},
        {"STATE", "state", CELL_STATE},        {"DIGEST", "digest", CELL_DIGEST},
        {"VERIFIED", "verified_at", CELL_AGE}, {"REASON", "reason", CELL_TEXT},
        {"DETAIL", "detail", CELL_TEXT},       {0}};
    static const struct listing l = {
        "/v1/presence", columns, "no site mirrors an image", {"site", "name", "state"}};

    return run_listing(c, &l);
}

const struct arg_option options_command_list[] = {
    {"who", 0, "LIST", "Only by these users"},
    {"verb", 0, "LIST", "Only these verbs"},
    {"state", 0, "LIST", "Only submitted, done or refused"},
    PAGING,
    {0},
};

int cmd_command_list(struct ctl *c)
{
    static const struct column columns[] = {
        {"ID", "id", CELL_NUMBER},         {"AT", "at", CELL_AGE},
        {"WHO", "who", CELL_TEXT},         {"STATE", "state", CELL_STATE},
        {"VERB", "verb", CELL_TEXT},       {"ARGS", "args", CELL_TEXT},
        {"MESSAGE", "message", CELL_TEXT}, {0}};
    static const struct listing l = {
        "/v1/commands", columns, "nobody asked for anything", {"who", "verb", "state"}};

    return run_newest(c, &l);
}
