/* explain, graph: why an image was built, and what is built from what. */
#include "ctl/ctl.h"
#include "ctl/graph.h"
#include "ctl/program.h"

const struct arg_option options_explain[] = {
    {"since", 0, "REV", "All its builds since that commit; with --local: what would be built"},
    {"local", 0, "DIR", "Without a farm, from the repository in DIR: needs --since"},
    {"alias", 0, "NAME=REF", "With --local: what a short image name means; may be repeated"},
    {0},
};
const struct arg_option options_graph[] = {
    {"format", 0, "WORD", "dot (default), mermaid or json"},
    {"image", 0, "IMAGE", "Only this one, what it is built from and what is built from it"},
    {0},
};

/* ---- explain: at the farm ---------------------------------------------------------------------
 */

static void add_word(struct str *out, const char *before, const char *text)
{
    if (!*text)
        return;
    str_add(out, before);
    text_add_safe(out, text);
}

/* "    plant:base@main, job 7 (succeeded): external quay.io/…: was → is" */
static void add_step(struct str *out, const json_t *row)
{
    const char *was = member_text(row, "was"), *is_now = member_text(row, "is_now");
    const char *revision = member_text(row, "revision");
    const char *previous = member_text(row, "previous_revision");
    const char *because = member_text(row, "because");

    for (int64_t i = member_number(row, "step"); i >= 0; i--)
        str_add(out, "  ");
    text_add_safe(out, member_text(row, "subject"));
    str_addf(out, ", job %lld", (long long)member_number(row, "job"));
    add_word(out, " (", member_text(row, "state"));
    str_add(out, ")");
    add_word(out, ": ", because);
    add_word(out, " ", member_text(row, "because_of"));
    if (*was || *is_now) {
        add_word(out, ": ", *was ? was : "nothing");
        add_word(out, " → ", *is_now ? is_now : "not known yet");
    }
    if (*previous && strcmp(previous, revision) != 0)
        str_addf(out, " (between the commits %.12s and %.12s)", previous, revision);
    str_addch(out, '\n');
    if (strcmp(because, "context") == 0 && *previous && strcmp(previous, revision) != 0) {
        str_addf(out, "      git diff --stat %.12s %.12s --", previous, revision);
        add_word(out, " ", member_text(row, "because_of"));
        str_addch(out, '\n');
    }
}

/* What is the matter now, of each architecture. */
static int add_states(struct ctl *c, const char *image, struct str *out, struct err *e)
{
    BF_CLEANUP(str_release) struct str path = STR_INIT;
    BF_CLEANUP(json_free) json_t *rows = NULL;
    size_t i;
    json_t *row;

    str_add(&path, "/v1/images");
    path_add(&path, "name", image);
    if (client_get(c->client, path.p, &rows, e) < 0)
        return -1;
    json_array_foreach(rows, i, row)
    {
        text_add_safe(out, image);
        add_word(out, " ", member_text(row, "arch"));
        add_word(out, ": ", member_text(row, "state"));
        add_word(out, ", ", member_text(row, "reason"));
        add_word(out, ": ", member_text(row, "detail"));
        str_addch(out, '\n');
    }
    return 0;
}

static int at_farm(struct ctl *c)
{
    const char *image = arg_pos(&c->args, 0), *since = arg_value(&c->args, "since");
    BF_CLEANUP(str_release) struct str path = STR_INIT;
    BF_CLEANUP(str_release) struct str out = STR_INIT;
    BF_CLEANUP(json_free) json_t *rows = NULL;
    struct err e = ERR_INIT;
    size_t i;
    json_t *row;

    str_add(&path, "/v1/explain/");
    path_segment(&path, image);
    path_add(&path, "since", since);
    if (client_get(c->client, path.p, &rows, &e) < 0)
        return ctl_fail(&e);
    if (c->json)
        return ctl_print(c, json_incref(rows), NULL, NULL);
    if (json_array_size(rows) == 0) {
        ctl_say("%s was not built since %s: neither its definition, context, arguments and inputs "
                "nor anything that it is built from has changed",
                image, since ? since : "the farm knows it");
        return EXIT_DONE;
    }
    if (add_states(c, member_text(json_array_get(rows, 0), "name"), &out, &e) < 0)
        return ctl_fail(&e);
    json_array_foreach(rows, i, row) add_step(&out, row);
    ctl_put(&out);
    return EXIT_DONE;
}

/* ---- explain: of a repository -----------------------------------------------------------------
 */

static const json_t *build_job(const json_t *plan, const char *image, const char *arch)
{
    size_t i;
    json_t *job;

    json_array_foreach(json_object_get(plan, "jobs"), i, job)
    {
        if (strcmp(member_text(job, "kind"), "build") == 0 &&
            strcmp(member_text(job, "image"), image) == 0 &&
            (!arch || strcmp(member_text(job, "arch"), arch) == 0))
            return job;
    }
    return NULL;
}

/* From the image to the file, argument or reference where it began. */
static void add_chain(const json_t *plan, const char *image, const char *arch, struct str *out)
{
    size_t depth = 0, most = json_array_size(json_object_get(plan, "jobs"));

    for (const json_t *job; depth <= most && (job = build_job(plan, image, arch)); depth++) {
        const char *reason = member_text(job, "reason");

        for (size_t i = 0; i < depth; i++)
            str_add(out, "  ");
        text_add_safe(out, image);
        add_word(out, " ", member_text(job, "arch"));
        add_word(out, ": ", reason);
        add_word(out, " ", member_text(job, "because"));
        str_addch(out, '\n');
        if (strcmp(reason, "parent") != 0)
            return;
        image = member_text(job, "because");
    }
}

static bool is_planned(const json_t *plan, const char *image)
{
    size_t i;
    json_t *v;

    json_array_foreach(json_object_get(plan, "images"), i, v)
    {
        if (strcmp(member_text(v, "name"), image) == 0)
            return true;
    }
    return false;
}

/* The first error that keeps the image out of the plan; NULL: none concerns it. */
static const json_t *error_of(const json_t *plan, const char *image)
{
    size_t i, k;
    json_t *v, *name;

    json_array_foreach(json_object_get(plan, "errors"), i, v)
    {
        json_array_foreach(json_object_get(v, "images"), k, name)
        {
            if (strcmp(json_string_value(name), image) == 0)
                return v;
        }
    }
    return NULL;
}

static void set_not_planned(const json_t *plan, const char *dir, const char *image, struct err *e)
{
    BF_CLEANUP(str_release) struct str at = STR_INIT;
    const json_t *why = error_of(plan, image);

    if (!why) {
        err_set(e, ERR_INPUT, "%s has no image %s; `bootfarm plan` lists them", dir, image);
        return;
    }
    text_add_safe(&at, member_text(why, "file"));
    str_addf(&at, ":%lld:%lld: ", (long long)member_number(why, "line"),
             (long long)member_number(why, "column"));
    text_add_safe(&at, member_text(why, "message"));
    err_set(e, ERR_INPUT, "%s is not built, since its definition has errors: %s", image, at.p);
}

static void add_aliases(const struct args *args, const char **argv)
{
    for (size_t i = 0; i < args->n_seen; i++) {
        if (strcmp(args->seen[i]->name, "alias") != 0)
            continue;
        *argv++ = "--alias";
        *argv++ = args->value[i];
    }
}

static int in_repository(struct ctl *c, const char *dir, const char *since)
{
    const char *argv[6 + 2 * ARRAY_SIZE(c->args.seen) + 1] = {"bootfarm-planner", "plan", dir,
                                                              "--since",          since,  "--json"};
    const char *image = arg_pos(&c->args, 0);
    BF_CLEANUP(str_release) struct str text = STR_INIT;
    BF_CLEANUP(str_release) struct str out = STR_INIT;
    BF_CLEANUP(json_free) json_t *plan = NULL;
    struct err e = ERR_INIT;
    size_t i;
    json_t *job;

    add_aliases(&c->args, argv + 6);
    if (program_run(argv, &text, &e) < 0)
        return ctl_fail(&e);
    plan = json_loadb(text.p ? text.p : "", text.len, 0, NULL);
    if (!plan)
        return EXIT_FAILED; /* the planner has said why */
    if (!is_planned(plan, image)) {
        set_not_planned(plan, dir, image, &e);
        return ctl_fail(&e);
    }
    json_array_foreach(json_object_get(plan, "jobs"), i, job)
    {
        if (strcmp(member_text(job, "kind"), "build") == 0 &&
            strcmp(member_text(job, "image"), image) == 0)
            add_chain(plan, image, member_text(job, "arch"), &out);
    }
    if (out.len)
        ctl_put(&out);
    else
        ctl_say("%s is not built: nothing that it is made from has changed since %s", image, since);
    return EXIT_DONE;
}

int cmd_explain(struct ctl *c)
{
    const char *dir = arg_value(&c->args, "local"), *since = arg_value(&c->args, "since");

    if (!dir)
        return at_farm(c);
    if (!since)
        return ctl_usage("explain --local needs --since REV");
    if (c->json)
        return ctl_usage("explain --local has no --json; bootfarm plan --since REV --json has all");
    return in_repository(c, dir, since);
}

/* ---- graph ------------------------------------------------------------------------------------
 */

int cmd_graph(struct ctl *c)
{
    const char *format = arg_value(&c->args, "format"), *image = arg_value(&c->args, "image");
    BF_CLEANUP(json_free) json_t *graph = NULL;
    BF_CLEANUP(str_release) struct str out = STR_INIT;
    struct err e = ERR_INIT;

    if (!format)
        format = c->json ? "json" : "dot";
    if (strcmp(format, "dot") != 0 && strcmp(format, "mermaid") != 0 && strcmp(format, "json") != 0)
        return ctl_usage("--format '%s': expected dot, mermaid or json", format);
    if (client_get(c->client, "/v1/graph", &graph, &e) < 0)
        return ctl_fail(&e);
    if (image) {
        json_t *part = graph_around(graph, image, &e);

        if (!part)
            return ctl_fail(&e);
        json_decref(graph);
        graph = part;
    }
    if (strcmp(format, "json") == 0) {
        c->json = true;
        return ctl_print(c, json_incref(graph), NULL, NULL);
    }
    if (strcmp(format, "dot") == 0)
        graph_dot(graph, &out);
    else
        graph_mermaid(graph, &out);
    ctl_put(&out);
    return EXIT_DONE;
}
