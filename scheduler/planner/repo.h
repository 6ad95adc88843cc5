/* repo.h - what objects.c and disk.c share. */
#ifndef BF_PLANNER_REPO_H
#define BF_PLANNER_REPO_H

#include "scheduler/planner/objects.h"
#include <git2.h>

struct repo {
    git_repository *git; /* NULL: a plain folder */
    char *root;
};

/* Sets *e to what libgit2 says and returns -1. */
int git_failed(struct err *e, const char *what);

#endif
