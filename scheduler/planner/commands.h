/* commands.h - the subcommands of bootfarm-planner. Each returns the exit status of the process:
 * 0, 1 (errors in definitions, or the repository cannot be read), 2 (wrong usage). */
#ifndef BF_PLANNER_COMMANDS_H
#define BF_PLANNER_COMMANDS_H

#include "scheduler/plan/plan.h"
#include "scheduler/planner/objects.h"
#include <stdio.h>

/* What the command line may say; see `options` in main.c. */
struct options {
    const char *rev, *since, *config;
    const char *arch, *slug, *ref, *registry;
    const char *kind, *out;
    VEC(struct plan_alias) alias;
    bool json, disk;
    const char *const *arg; /* what stands besides options */
    size_t args;
};

int cmd_poll(const struct options *o);
int cmd_plan(const struct options *o);
int cmd_lint(const struct options *o);
int cmd_init(const struct options *o);
int cmd_order(const struct options *o);
int cmd_schema(const struct options *o);

/* ---- shared by the offline commands ---- */

/* A repository or folder with one plan of it. All zero is empty; offline_close accepts that. */
struct offline {
    struct repo *repo;
    struct files files;
    struct plan plan;
    char *slug, *ref;
    char oid[OID_TEXT]; /* "": from the disk */
    struct str config;
    bool has_plan, has_files;
};

/* Opens `path` and plans it: `rev` NULL means HEAD's commit, or the disk where there is none.
 * `config` is NULL or the text that stands in for bootfarm.yaml. */
int offline_plan(const struct options *o, const char *path, const char *rev, bool disk,
                 const char *config, struct offline *out, struct err *e) BF_MUST_CHECK;
void offline_close(struct offline *f);
/* Printf and a newline. What comes from a repository cannot steer the terminal: see text_add_safe.
 */
void print_line(FILE *to, const char *fmt, ...) BF_PRINTF(2, 3);
/* As compilers do, to stderr (errors) or stdout. */
void print_diags(const struct diags *d, const char *kind, FILE *to);
/* Errors, then warnings. */
void print_findings(const struct plan *p, FILE *to);
/* The repository that the command line names, or the present folder. */
const char *path_argument(const struct options *o);
/* The exit status for it: 2 where the command asks for what cannot be. */
int status_of(const struct err *e);
/* "bootfarm-planner: message" on stderr; returns `status`. */
int complain(const struct err *e, int status);
const char *host_arch(void);

#endif
