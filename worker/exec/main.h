/* main.h - the command line, for the commands that are not executors. */
#ifndef BF_EXEC_MAIN_H
#define BF_EXEC_MAIN_H

#include "common/base/vec.h"

struct args {
    const char *order, *dir, *config;
    bool fake;
    VEC(char *) live;
};

#endif
