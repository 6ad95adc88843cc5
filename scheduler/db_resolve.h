/* db_resolve.h - host names of a connection string → addresses, on the loop; with the defaults that
 * every connection of ours has (name, UTF-8, keepalives). Used by db.h and by the API's pool. */
#ifndef BF_DB_RESOLVE_H
#define BF_DB_RESOLVE_H

#include <libpq-fe.h>
#include <uv.h>

struct resolve; /* opaque */

/* Once: NULL-terminated keywords and values for PQconnectStartParams, valid during the call, or an
 * error. */
typedef void resolve_cb(void *arg, const char *const *keys, const char *const *values,
                        const char *error);

struct resolve_spec {
    uv_loop_t *loop;
    /* Must parse (PQconninfoParse). Kept by pointer until `done`, as are the others. */
    const char *conninfo;
    const char *name;     /* application_name where the string sets none */
    const char *settings; /* server settings, "-c name=value …"; "" for none */
    resolve_cb *done;
    void *arg;
};

/* `*slot` holds it until `done` is called: at once where nothing is to be asked, else from the
 * loop. What stands in the string is used first, then what the environment says (PGHOST, …). */
void resolve_start(const struct resolve_spec *spec, struct resolve **slot);
/* `done` is not called any more; accepts an empty slot. */
void resolve_abandon(struct resolve **slot);

#endif
