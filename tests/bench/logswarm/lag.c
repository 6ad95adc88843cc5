#include "lag.h"

#include "common/base/clock.h"
#include "common/base/str.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

static void take_line(char *line, bf_time now)
{
    int64_t at;
    line[strcspn(line, "\n")] = '\0';
    if (str_starts(line, LAG_MARK) && parse_i64(line + strlen(LAG_MARK), 0, INT64_MAX, &at) == 0)
        printf("%.3f\n", (double)(now - at) / BF_MSEC);
}

/* The whole lines of `text`; what is behind them stays. */
static void take_lines(struct str *text, bf_time now)
{
    char *line = text->p, *nl;
    while ((nl = memchr(line, '\n', text->len - (size_t)(line - text->p))) != NULL) {
        take_line(line, now);
        line = nl + 1;
    }
    size_t left = text->len - (size_t)(line - text->p);
    memmove(text->p, line, left);
    text->len = left;
}

int lag_print(struct err *e)
{
    static char buf[65536];
    struct str text = STR_INIT;
    ssize_t n;
    while ((n = read(STDIN_FILENO, buf, sizeof buf)) > 0 || (n < 0 && errno == EINTR)) {
        bf_time now = clock_mono();
        if (n > 0) {
            str_addmem(&text, buf, (size_t)n);
            take_lines(&text, now);
        }
    }
    str_release(&text);
    return n < 0 ? err_sys(e, "standard input") : 0;
}
