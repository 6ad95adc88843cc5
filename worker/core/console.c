#include "worker/core/console.h"

#include "common/base/mem.h"

#define PANIC "Kernel panic - not syncing"

void console_init(struct console *c, const char *pattern, uint64_t limit)
{
    *c = (struct console){.pattern = pattern, .limit = limit};
    lines_init(&c->lines);
}

void console_release(struct console *c)
{
    lines_release(&c->lines);
    free(c->panic);
    c->panic = NULL;
}

struct feed {
    struct console *c;
    line_fn *log;
    void *arg;
};

static void look_for_panic(struct console *c, const char *line)
{
    const char *p = strstr(line, PANIC);
    if (p != NULL && c->panic == NULL)
        c->panic = xstrdup(p);
}

static void look_for_pattern(struct console *c, const char *text)
{
    if (c->pattern != NULL && strstr(text, c->pattern) != NULL)
        c->seen = true;
}

static void on_line(void *arg, char *line)
{
    struct feed *f = arg;
    struct console *c = f->c;
    char said[] = "(the console goes on; no more of it is kept)";
    look_for_panic(c, line);
    look_for_pattern(c, line);
    if (c->flooded)
        return;
    c->shown += strlen(line) + 1;
    c->flooded = c->shown > c->limit;
    f->log(f->arg, c->flooded ? said : line);
}

/* A login prompt has no end of line. */
void console_feed(struct console *c, const char *p, size_t n, line_fn *log, void *arg)
{
    struct feed f = {c, log, arg};
    lines_feed(&c->lines, p, n, on_line, &f);
    if (c->pattern != NULL && !c->seen)
        look_for_pattern(c, lines_rest(&c->lines));
}

void console_end(struct console *c, line_fn *log, void *arg)
{
    struct feed f = {c, log, arg};
    lines_end(&c->lines, on_line, &f);
}
