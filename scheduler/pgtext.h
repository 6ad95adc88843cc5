/* pgtext.h - PostgreSQL's text forms: array literals out and in, UUIDs and digests from columns.
 *
 * Writing: start with an empty str, one pga_* call for each element, pga_end. Elements are quoted
 * and escaped, so any text without NUL is safe. Reading: what PostgreSQL sends for one-dimensional
 * arrays. */
#ifndef BF_PGTEXT_H
#define BF_PGTEXT_H

#include "common/base/str.h"
#include "common/base/vec.h"

void pga_i64(struct str *a, int64_t v);
void pga_text(struct str *a, const char *v); /* NULL: SQL NULL */
void pga_bool(struct str *a, bool v);
void pga_id(struct str *a, struct id128 id);
void pga_digest(struct str *a, const struct sha256 *d); /* none: SQL NULL */
/* Closes the literal and returns it; "{}" when nothing was added. */
const char *pga_end(struct str *a);
/* A whole array of ids. */
const char *pga_ids(struct str *a, const int64_t *v, size_t n);

/* A bytea[] in PostgreSQL's binary form, for a binary parameter: as text the bytes would double.
 * Begin with how many elements there will be; then one pgb_bytes() for each. */
void pgb_begin(struct str *a, size_t elements);
void pgb_bytes(struct str *a, const void *p, size_t n);

typedef VEC(int64_t) pg_ids;
typedef VEC(char *) pg_texts; /* owned */

/* "{1,2,3}", appended; NULL text: nothing. -1: no such array. */
int pga_read_ids(const char *text, pg_ids *out) BF_MUST_CHECK;
int pga_read_texts(const char *text, pg_texts *out) BF_MUST_CHECK;
void pg_texts_release(pg_texts *t);

#endif
