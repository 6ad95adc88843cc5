/* logtext.h - stored log chunks become text again. Pure, but for zstd. */
#ifndef BF_API_LOGTEXT_H
#define BF_API_LOGTEXT_H

#include "common/base/str.h"

#define LOG_RAW_MAX 262144 /* bytes of one chunk after decompression, as on the wire */

struct logtext; /* a decompressor */

struct logtext *logtext_new(void);
void logtext_free(struct logtext *t); /* accepts NULL */

struct log_chunk {
    int64_t offset; /* of its first byte in the log */
    int64_t raw;    /* bytes after decompression */
    int64_t gap;    /* bytes left out just before it */
    const void *data;
    size_t n;
};

/* Appends what the chunk adds behind `*next` (bytes that were there before are skipped) and moves
 * `*next` behind it. Bytes that were left out, lie in no chunk, or cannot be decompressed are one
 * line that says how many. */
void logtext_add(struct logtext *t, const struct log_chunk *c, int64_t *next, struct str *out);
/* The end of a sealed log of `length` bytes: a line when some are missing behind the last chunk. */
void logtext_end(int64_t length, int64_t next, struct str *out);

#endif
