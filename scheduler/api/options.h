/* options.h - the options of bootfarm-api. */
#ifndef BF_API_OPTIONS_H
#define BF_API_OPTIONS_H

#include "common/base/conf.h"

struct options {
    char *socket;
    char *socket_mode;  /* octal text */
    char *socket_group; /* NULL: the process's own */
    char *database;     /* libpq connection string; NULL: PG* variables */
    int64_t db_connections;
    int64_t max_connections;
    bf_time request_timeout;
    bf_time query_timeout;
    int log_level;
};

extern const struct conf options_conf;

#endif
