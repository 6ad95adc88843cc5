/* lines.h - a stream of bytes cut into lines, whatever the peer sends.
 *
 * A line ends with '\n' or '\r'; empty ones are not reported. What a terminal would interpret is
 * taken out (escape sequences, control characters), invalid UTF-8 becomes '?'. A line longer than
 * LINE_MAX_BYTES keeps its head and its end around " ... ". */
#ifndef BF_WORKER_LINES_H
#define BF_WORKER_LINES_H

#include "common/base/str.h"

#define LINE_MAX_BYTES 8192

struct lines {
    struct str buf; /* the unfinished line */
    bool cut;       /* its middle is missing */
};

/* `line` is NUL-terminated and may be changed in place. */
typedef void line_fn(void *arg, char *line);

void lines_init(struct lines *l);
void lines_release(struct lines *l);
void lines_feed(struct lines *l, const char *p, size_t n, line_fn *fn, void *arg);
/* The stream has ended: reports a last line that has no end. */
void lines_end(struct lines *l, line_fn *fn, void *arg);
/* The unfinished line as it stands, cleaned; for a prompt that nobody ends. */
const char *lines_rest(struct lines *l);

/* The length of the longest beginning of `s` with at most `max` bytes that ends with a whole
 * character. */
size_t text_cut(const char *s, size_t max);

#endif
