/* fixture.h - a tree in memory and a plan of it. */
#ifndef PLAN_FIXTURE_H
#define PLAN_FIXTURE_H

#include "scheduler/plan/jobs.h"
#include "scheduler/plan/plan.h"

#define FILES_MAX 64

struct file {
    const char *path, *text;
    enum tree_kind kind;
    size_t n; /* bytes of text; 0: up to its NUL */
};

/* Order does not matter; ends with path NULL. */
struct fixture {
    struct file file[FILES_MAX];
    struct tree_entry entry[FILES_MAX];
    struct tree tree;
    struct plan plan;
};

/* A stand-in for SHA-256 with no library: enough to tell contents apart. */
void fake_hash(const struct span *parts, size_t n, struct sha256 *out);
void fixture_tree(struct fixture *f, const struct file *files);
/* Plans `files` for registry.example/plant at ref "main" on amd64. */
void fixture_plan(struct fixture *f, const struct file *files);
void fixture_release(struct fixture *f);

/* The image must be there. */
const struct image *image_of(const struct fixture *f, const char *name);
/* "file:line:column code" of each error, separated by newlines. Free it. */
char *errors_text(const struct diags *d);
void expect_errors(const struct fixture *f, const char *expected);
void expect_no_errors(const struct fixture *f);

#endif
