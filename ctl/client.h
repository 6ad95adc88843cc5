/* client.h - HTTP to bootfarm-api over its Unix socket.
 *
 * Errors: ERR_INPUT, the API refused (its own words); ERR_TEMPORARY, nobody answers or PostgreSQL
 * is away (says what to start). */
#ifndef BF_CTL_CLIENT_H
#define BF_CTL_CLIENT_H

#include "common/base/err.h"
#include "common/base/str.h"
#include <jansson.h>

#define CLIENT_ANSWER_MAX ((size_t)64 << 20)

struct client;

struct client *client_new(const char *socket);
void client_free(struct client *c); /* accepts NULL */

/* Adds ?name=value or &name=value, escaped. */
void path_add(struct str *path, const char *name, const char *value);
/* Adds one pair for each of the comma-separated `values` (NULL: none). */
void path_add_list(struct str *path, const char *name, const char *values);

/* Adds text as one piece of the path, escaped. */
void path_segment(struct str *path, const char *text);

/* GET and parse. */
int client_get(struct client *c, const char *path, json_t **out, struct err *e) BF_MUST_CHECK;
/* POST a JSON document (not taken) and parse the answer. */
int client_post(struct client *c, const char *path, const json_t *doc, json_t **out,
                struct err *e) BF_MUST_CHECK;
/* GET a body of any length, piece by piece. `*got` counts its bytes, also when it breaks off. */
typedef void client_piece(void *arg, const char *p, size_t n);
int client_stream(struct client *c, const char *path, client_piece *piece, void *arg, size_t *got,
                  struct err *e) BF_MUST_CHECK;

static inline void json_free(json_t **j)
{
    json_decref(*j);
}

#endif
