#include "scheduler/api/logtext.h"
#include "common/base/mem.h"
#include <inttypes.h>
#include <zstd.h>

struct logtext {
    ZSTD_DCtx *zstd;
    char *buf; /* LOG_RAW_MAX */
};

struct logtext *logtext_new(void)
{
    struct logtext *t = xcalloc(1, sizeof *t);

    t->zstd = ZSTD_createDCtx();
    BUG_ON(!t->zstd);
    t->buf = xmalloc(LOG_RAW_MAX);
    return t;
}

void logtext_free(struct logtext *t)
{
    if (!t)
        return;
    ZSTD_freeDCtx(t->zstd);
    free(t->buf);
    free(t);
}

static void add_mark(struct str *out, int64_t n, const char *what)
{
    if (out->len && out->p[out->len - 1] != '\n')
        str_addch(out, '\n');
    str_addf(out, "[bootfarm: %" PRId64 " bytes of this log %s]\n", n, what);
}

/* The chunk's bytes, or NULL when they are not what was announced. */
static const char *unpack(struct logtext *t, const struct log_chunk *c)
{
    size_t n;

    if (c->raw < 0 || c->raw > LOG_RAW_MAX)
        return NULL;
    n = ZSTD_decompressDCtx(t->zstd, t->buf, LOG_RAW_MAX, c->data, c->n);
    return ZSTD_isError(n) || n != (size_t)c->raw ? NULL : t->buf;
}

void logtext_add(struct logtext *t, const struct log_chunk *c, int64_t *next, struct str *out)
{
    const char *text;
    int64_t skip;

    if (c->offset > *next) {
        add_mark(out, c->offset - *next, c->gap ? "were left out" : "are missing");
        *next = c->offset;
    }
    skip = *next - c->offset;
    if (skip >= c->raw)
        return;
    if ((text = unpack(t, c)) != NULL)
        str_addmem(out, text + skip, (size_t)(c->raw - skip));
    else
        add_mark(out, c->raw - skip, "are damaged");
    *next = c->offset + c->raw;
}

void logtext_end(int64_t length, int64_t next, struct str *out)
{
    if (length > next)
        add_mark(out, length - next, "are missing");
}
