/* What stream.c asks of a spool, over memory. */
#include "common/base/mem.h"
#include "swarm.h"

struct spool {
    struct id128 id;
    const struct str *text;
    size_t at;
    bool is_own; /* its bytes are `own` */
    struct str own;
    uint64_t length;
    bool ended;
};

static uint64_t removed;

struct spool *source_new(struct id128 id, const struct str *text, size_t at, bool own)
{
    struct spool *sp = xcalloc(1, sizeof *sp);
    sp->id = id;
    sp->text = text;
    sp->at = at;
    sp->is_own = own;
    str_init(&sp->own);
    return sp;
}

/* Where the line ends that holds byte `at` of the text. */
static size_t line_end(const struct str *text, size_t at)
{
    const char *nl = memchr(text->p + at, '\n', text->len - at);
    return nl ? (size_t)(nl - text->p) + 1 : text->len;
}

void source_grow(struct spool *sp, size_t n)
{
    size_t len = sp->text->len, from = (sp->at + sp->length) % len;
    size_t to = line_end(sp->text, (from + n - 1) % len);
    size_t grown = to > from ? to - from : to + len - from;
    if (!sp->is_own) {
        sp->length += grown;
        return;
    }
    size_t first = grown < len - from ? grown : len - from;
    str_addmem(&sp->own, sp->text->p + from, first);
    str_addmem(&sp->own, sp->text->p, grown - first);
    sp->length = sp->own.len;
}

void source_line(struct spool *sp, const char *line)
{
    str_add(&sp->own, line);
    sp->length = sp->own.len;
}

void source_end(struct spool *sp)
{
    sp->ended = true;
}

uint64_t sources_removed(void)
{
    return removed;
}

/* ---- worker/spool.h ---------------------------------------------------------------------------
 */

struct id128 spool_id(const struct spool *sp)
{
    return sp->id;
}

bool spool_ended(const struct spool *sp)
{
    return sp->ended;
}

uint64_t spool_length(const struct spool *sp)
{
    return sp->length;
}

void spool_peek(const struct spool *sp, uint64_t at, uint64_t *start, uint64_t *n, uint64_t *gap)
{
    *start = at;
    *n = at < sp->length ? sp->length - at : 0;
    *gap = 0;
}

int spool_read(const struct spool *sp, uint64_t start, void *p, size_t n, struct err *e)
{
    (void)e;
    if (sp->is_own) {
        memcpy(p, sp->own.p + start, n);
        return 0;
    }
    size_t from = (sp->at + start) % sp->text->len;
    size_t first = n < sp->text->len - from ? n : sp->text->len - from;
    memcpy(p, sp->text->p + from, first);
    memcpy((char *)p + first, sp->text->p, n - first);
    return 0;
}

void spool_remove(struct spool *sp)
{
    removed++;
    str_release(&sp->own);
    free(sp);
}
