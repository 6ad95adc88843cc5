/* render.h - tables of the API's rows for people, and text that is safe to show.
 *
 * Everything that comes from outside goes through text_add_safe() of common/base/str.h: a name, a
 * message or a log line must not be able to move the cursor. */
#ifndef BF_CTL_RENDER_H
#define BF_CTL_RENDER_H

#include "common/base/str.h"
#include <jansson.h>

enum cell {
    CELL_TEXT,   /* string, number, boolean; an array joined by commas */
    CELL_NUMBER, /* aligned right */
    CELL_STATE,  /* coloured by what it means */
    CELL_DIGEST, /* 12 digits of it on a terminal */
    CELL_AGE     /* a time; on a terminal how long ago */
};

struct column {
    const char *title; /* NULL: end of the list */
    const char *key;
    enum cell cell;
};

struct style {
    bool terminal; /* short forms, cut to `width` */
    bool colour;
    int width;   /* columns of the terminal; 0: unlimited */
    int64_t now; /* seconds since the epoch */
};

/* Of standard output: a terminal or not, its width, colour unless NO_COLOR is set or TERM is dumb.
 */
struct style style_detect(void);

/* A header and a line for each object of the array `rows`. No rows: `none` and a newline. */
void render_table(const json_t *rows, const struct column *columns, const struct style *style,
                  const char *none, struct str *out);
/* "NAME: VALUE" lines, aligned; absent and null values are left out. */
void render_fields(const json_t *row, const struct column *columns, const struct style *style,
                   struct str *out);

/* A word in the colour of its meaning (Synced green, Degraded red, …). */
void state_add(struct str *out, const char *state, const struct style *style);
/* Raw log bytes for a terminal: keeps newlines, tabs and colours (SGR), shows the rest as ^X. */
void log_add_safe(struct str *out, const char *p, size_t n);

/* RFC 3339 or PostgreSQL's text form in JSON → seconds since the epoch; -1 for anything else. */
int time_parse(const char *text, int64_t *out) BF_MUST_CHECK;
/* "12s", "5m", "3h", "2d" */
void age_add(struct str *out, int64_t seconds);

/* Member of an object as text, "" when absent or null. */
const char *member_text(const json_t *row, const char *key);
int64_t member_number(const json_t *row, const char *key); /* 0 when absent */

#endif
