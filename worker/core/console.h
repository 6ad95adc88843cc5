/* console.h - what is looked for on a guest's console: a kernel panic, and the text that says the
 * system is ready. */
#ifndef BF_WORKER_CONSOLE_H
#define BF_WORKER_CONSOLE_H

#include "worker/core/lines.h"

struct console {
    struct lines lines;
    const char *pattern;   /* borrowed; NULL: none */
    bool seen;             /* the pattern */
    char *panic;           /* the line that says so; NULL: none */
    uint64_t shown, limit; /* bytes given to the log, and how many may be */
    bool flooded;
};

void console_init(struct console *c, const char *pattern, uint64_t limit);
void console_release(struct console *c);
void console_feed(struct console *c, const char *p, size_t n, line_fn *log, void *arg);
/* The guest is gone: what stands on the last line. */
void console_end(struct console *c, line_fn *log, void *arg);

#endif
