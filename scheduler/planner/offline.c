/* plan and lint: a repository or folder of this host, without a server. */
#include "common/loop/file.h"
#include "scheduler/plan/definition.h"
#include "scheduler/plan/jobs.h"
#include "scheduler/plan/reference.h"
#include "scheduler/plan/update.h"
#include "scheduler/planner/commands.h"
#include "scheduler/planner/cpp.h"
#include "scheduler/planner/json.h"

#include <limits.h>

#define CONFIG_MAX ((size_t)1024 * 1024)

/* ---- opening ---- */

/* The default of `repo add`: the last part of the path, as registries allow it. */
static char *slug_of(const char *path)
{
    char real[PATH_MAX];
    struct arena a = ARENA_INIT;
    const char *base = path_base(realpath(path, real) != NULL ? real : path);
    if (strcmp(base, ".git") == 0)
        base = path_base(path_dir(&a, real));
    char *name = arena_str(&a, base);
    if (str_ends(name, ".git"))
        name[strlen(name) - 4] = '\0';
    const char *clean = registry_path(&a, name);
    char *slug = xstrdup(*clean != '\0' ? clean : "repository");
    arena_release(&a);
    return slug;
}

static int open_files(struct offline *f, const char *rev, bool disk, struct err *e)
{
    bool git = repo_is_git(f->repo);
    if (!git && rev != NULL)
        return err_set(e, ERR_CONFIG,
                       "this folder is not a Git repository, so it has no revisions");
    if (git && !disk && repo_commit(f->repo, rev != NULL ? rev : "HEAD", f->oid, e) == 0)
        return files_of_commit(f->repo, f->oid, &f->files, e);
    if (rev != NULL || (git && !repo_has_work_tree(f->repo)))
        return -1;
    return files_on_disk(f->repo, &f->files, e); /* no commit yet, or no Git */
}

static void set_ref(struct offline *f, const struct options *o, const char *rev)
{
    if (o->ref != NULL)
        f->ref = xstrdup(o->ref);
    else if (rev != NULL && strlen(rev) < 40 && strcmp(rev, "HEAD") != 0)
        f->ref = xstrdup(rev);
    else
        f->ref = repo_head_branch(f->repo);
    if (f->ref == NULL)
        f->ref = xstrdup("main");
}

static int open_repo(const struct options *o, const char *path, const char *config,
                     struct offline *out, struct err *e)
{
    *out = (struct offline){.repo = NULL};
    str_init(&out->config);
    if (o->config != NULL && config == NULL &&
        file_read(o->config, CONFIG_MAX, &out->config, e) < 0)
        return -1;
    out->repo = repo_open(path, e);
    out->slug = o->slug != NULL ? xstrdup(o->slug) : slug_of(path);
    return out->repo != NULL ? 0 : -1;
}

static struct plan_input input_of(const struct options *o, const struct offline *f,
                                  const char *config)
{
    struct plan_input in = {.tree = &f->files.tree,
                            .hash = hash_openssl,
                            .preprocess = cpp_run,
                            .slug = f->slug,
                            .registry = o->registry,
                            .arch = o->arch != NULL ? o->arch : host_arch(),
                            .ref = f->ref,
                            .alias = o->alias.v,
                            .aliases = o->alias.n,
                            .config = config != NULL      ? config
                                      : o->config != NULL ? f->config.p
                                                          : NULL,
                            .config_name = o->config != NULL ? o->config : CONFIG_FILE};
    in.config_len = config != NULL ? strlen(config) : f->config.len;
    return in;
}

int offline_plan(const struct options *o, const char *path, const char *rev, bool disk,
                 const char *config, struct offline *out, struct err *e)
{
    if (open_repo(o, path, config, out, e) < 0 || open_files(out, rev, disk, e) < 0)
        return -1;
    out->has_files = true;
    set_ref(out, o, rev);
    struct plan_input in = input_of(o, out, config);
    plan_make(&in, &out->plan);
    out->has_plan = true;
    return 0;
}

void offline_close(struct offline *f)
{
    if (f->has_plan)
        plan_release(&f->plan);
    if (f->has_files)
        files_release(&f->files);
    repo_close(f->repo);
    free(f->slug);
    free(f->ref);
    str_release(&f->config);
}

const char *path_argument(const struct options *o)
{
    return o->args > 0 ? o->arg[0] : ".";
}

/* ---- what people read ---- */

void print_diags(const struct diags *d, const char *kind, FILE *to)
{
    vec_for_each (i, &d->list) {
        const struct diag *g = d->list.v[i];
        print_line(to, "%s:%u:%u: %s: %s [%s]", g->at.file, g->at.line, g->at.column, kind,
                   g->message, g->code);
        if (g->hint != NULL)
            print_line(to, "  hint: %s", g->hint);
    }
}

void print_findings(const struct plan *p, FILE *to)
{
    print_diags(&p->errors, "error", to);
    print_diags(&p->warnings, "warning", to);
}

static void add_parents(struct str *out, const struct plan *p, const struct image *image)
{
    const char *between = "";
    for (size_t i = 0; i < image->needs; i++) {
        const struct need *n = &image->need[i];
        str_addf(out, "%s%s", between,
                 n->parent != PLAN_EXTERNAL ? p->image[n->parent].name : n->ref);
        between = ", ";
    }
}

static int name_width(const struct plan *p)
{
    size_t width = strlen("IMAGE");
    for (size_t i = 0; i < p->images; i++)
        width = strlen(p->image[i].name) > width ? strlen(p->image[i].name) : width;
    return width > 60 ? 60 : (int)width;
}

static void print_images(const struct plan *p)
{
    struct str from = STR_INIT;
    int width = name_width(p);
    printf("%-4s %-*s %-8s BUILT FROM\n", "WAVE", width, "IMAGE", "ARCH");
    for (size_t i = 0; i < p->images; i++) {
        const struct image *image = &p->image[p->order[i]];
        str_clear(&from);
        add_parents(&from, p, image);
        print_line(stdout, "%-4zu %-*s %-8s %s", image->wave, width, image->name, image->arch,
                   from.p);
    }
    str_release(&from);
}

static void print_jobs(const struct plan_jobs *jobs)
{
    printf("\n%zu job%s%s\n", jobs->n, jobs->n == 1 ? "" : "s", jobs->n > 0 ? ":" : "");
    for (size_t i = 0; i < jobs->n; i++)
        print_line(stdout, "  %s  (%s: %s)", jobs->v[i].id, plan_reason_names[jobs->v[i].reason],
                   jobs->v[i].because);
}

static void print_json(const struct offline *f, const struct plan_jobs *jobs)
{
    json_t *images = json_array();
    for (size_t i = 0; i < f->plan.images; i++)
        json_array_append_new(images, json_image(&f->plan, &f->plan.image[i]));
    json_t *out = json_pack("{s:o, s:o, s:o, s:o, s:o}", "rev",
                            f->oid[0] != '\0' ? json_string(f->oid) : json_null(), "images", images,
                            "jobs", json_jobs(jobs), "errors", json_diags(&f->plan.errors),
                            "warnings", json_diags(&f->plan.warnings));
    BUG_ON(out == NULL);
    json_dumpf(out, stdout, JSON_INDENT(1));
    putchar('\n');
    json_decref(out);
}

/* ---- plan ---- */

int status_of(const struct err *e)
{
    return e->kind == ERR_CONFIG ? 2 : 1;
}

/* Who names no revision may well mean the files that the editor shows. */
static void tell_what_is_read(const struct options *o, const struct offline *f)
{
    if (o->rev == NULL && f->oid[0] != '\0' && repo_has_changes(f->repo))
        print_line(stderr, "bootfarm-planner: uncommitted changes are not looked at, only the "
                           "commit at HEAD; --disk reads the files as they are");
}

static int show_plan(const struct options *o, struct offline *now, const struct offline *before)
{
    struct plan_jobs jobs;
    plan_jobs_make(&now->plan, before != NULL ? &before->plan : NULL, &jobs);
    tell_what_is_read(o, now);
    if (o->json) {
        print_json(now, &jobs);
    } else {
        print_images(&now->plan);
        print_jobs(&jobs);
        print_findings(&now->plan, stderr);
    }
    return now->plan.errors.list.n > 0 ? 1 : 0;
}

/* Both plans are of one ref: only what stands in the files differs. */
static int plan_before(const struct options *o, const struct offline *now, struct offline *before,
                       struct err *e)
{
    struct options same = *o;
    same.ref = now->ref;
    return offline_plan(&same, path_argument(o), o->since, false, NULL, before, e);
}

static bool is_commit(const struct options *o, struct offline *f)
{
    return repo_is_git(f->repo) && !o->disk &&
           repo_commit(f->repo, o->rev != NULL ? o->rev : "HEAD", f->oid, NULL) == 0;
}

/* The earlier plan, and the present one from it where only contents of contexts differ. */
static int plan_since(const struct options *o, struct offline *now, struct offline *before,
                      struct err *e)
{
    size_t *changed, n;
    int like = 0;
    if (open_repo(o, path_argument(o), NULL, now, e) < 0)
        return -1;
    bool commit = is_commit(o, now);
    set_ref(now, o, o->rev);
    if (plan_before(o, now, before, e) < 0)
        return -1;
    if (commit)
        like = files_like(now->repo, now->oid, &before->files, &now->files, &changed, &n, e);
    if (like < 0 || (like == 0 && open_files(now, o->rev, o->disk, e) < 0))
        return -1;
    now->has_files = true;
    struct plan_input in = input_of(o, now, NULL);
    if (like == 0 || !plan_update(&in, &before->plan, changed, n, &now->plan))
        plan_make(&in, &now->plan);
    now->has_plan = true;
    return 0;
}

int cmd_plan(const struct options *o)
{
    struct offline now = {.repo = NULL}, before = {.repo = NULL};
    struct err e = ERR_INIT;
    int status, rc;
    str_init(&before.config);
    if (o->since != NULL)
        rc = plan_since(o, &now, &before, &e);
    else
        rc = offline_plan(o, path_argument(o), o->rev, o->disk, NULL, &now, &e);
    status = rc < 0 ? complain(&e, status_of(&e))
                    : show_plan(o, &now, o->since != NULL ? &before : NULL);
    offline_close(&now); /* it may live on the earlier one */
    offline_close(&before);
    return status;
}

/* ---- lint ---- */

int cmd_lint(const struct options *o)
{
    struct offline f;
    struct err e = ERR_INIT;
    int status = 0;
    if (offline_plan(o, path_argument(o), o->rev, o->disk, NULL, &f, &e) < 0) {
        status = complain(&e, status_of(&e));
    } else if (o->json) {
        json_t *out = json_pack("{s:o, s:o}", "errors", json_diags(&f.plan.errors), "warnings",
                                json_diags(&f.plan.warnings));
        json_dumpf(out, stdout, JSON_INDENT(1));
        putchar('\n');
        json_decref(out);
    } else {
        print_findings(&f.plan, stdout);
    }
    if (status == 0)
        tell_what_is_read(o, &f);
    if (status == 0 && f.plan.errors.list.n > 0)
        status = 1;
    offline_close(&f);
    return status;
}
