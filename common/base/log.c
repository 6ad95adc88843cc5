#include "common/base/log.h"
#include "common/base/clock.h"
#include "common/base/str.h"
#include "common/base/utf8.h"
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* A value longer than this is cut: a log line is for reading. */
enum { VALUE_MAX = 2048 };

static struct {
    const char *process;
    enum log_level level;
    bool journal; /* stderr is systemd's journal, which has its own time and takes "<N>" */
} state = {.process = "bootfarm", .level = LOG_LVL_INFO};

static const struct {
    const char *name;
    int priority; /* sd-daemon(3) */
} levels[] = {
    [LOG_LVL_DEBUG] = {"debug", 7},
    [LOG_LVL_INFO] = {"info", 6},
    [LOG_LVL_WARN] = {"warn", 4},
    [LOG_LVL_ERROR] = {"error", 3},
};

/* JOURNAL_STREAM is "device:inode" of the journal's socket, and is inherited by children whose
 * stderr goes elsewhere: compare. */
static bool stderr_is_journal(void)
{
    const char *stream = getenv("JOURNAL_STREAM");
    unsigned long long device, inode;
    struct stat st;

    return stream && sscanf(stream, "%llu:%llu", &device, &inode) == 2 &&
           fstat(STDERR_FILENO, &st) == 0 && st.st_dev == device && st.st_ino == inode;
}

void log_init(const char *process, enum log_level level)
{
    state.process = process;
    state.level = level;
    state.journal = stderr_is_journal();
}

void log_set_level(enum log_level level)
{
    state.level = level;
}

bool log_shows(enum log_level level)
{
    return level >= state.level;
}

int log_level_parse(const char *name, enum log_level *out)
{
    for (size_t i = 0; i < ARRAY_SIZE(levels); i++) {
        if (strcmp(name, levels[i].name) == 0) {
            *out = (enum log_level)i;
            return 0;
        }
    }
    return -1;
}

/* Control characters (C1 too) and what is no UTF-8 are written as \xNN: a log must not steer the
 * terminal of its reader. */
static void add_char(struct str *line, const char *s, size_t len, uint32_t cp)
{
    if (cp == '\n')
        str_add(line, "\\n");
    else if (cp == '\t')
        str_add(line, "\\t");
    else if (cp < 0x20 || (cp >= 0x7F && cp < 0xA0) || cp >= UTF8_BAD)
        for (size_t i = 0; i < len; i++)
            str_addf(line, "\\x%02x", (unsigned)(unsigned char)s[i]);
    else
        str_addmem(line, s, len);
}

static void add_text(struct str *line, const char *s, bool quoted)
{
    size_t n = strnlen(s, VALUE_MAX + 1);
    bool cut = n > VALUE_MAX;

    for (size_t left = cut ? VALUE_MAX : n; left > 0;) {
        uint32_t cp;
        size_t len = utf8_next(s, left, &cp);
        if (quoted && (cp == '"' || cp == '\\'))
            str_addch(line, '\\');
        add_char(line, s, len, cp);
        s += len;
        left -= len;
    }
    if (cut)
        str_add(line, "...");
}

/* Words of plain printable characters stand without quotes. */
static bool is_plain(const char *s)
{
    if (!*s)
        return false;
    for (; *s; s++) {
        unsigned char c = (unsigned char)*s;
        if (c <= ' ' || c == '"' || c == '=' || c == '\\' || c >= 0x7F)
            return false;
    }
    return true;
}

static void add_pair(struct str *line, const char *key, const char *value)
{
    bool quoted = !is_plain(value);

    str_addf(line, " %s=%s", key, quoted ? "\"" : "");
    add_text(line, value, quoted);
    if (quoted)
        str_addch(line, '"');
}

static void add_head(struct str *line, enum log_level level)
{
    char now[RFC3339_TEXT];

    if (state.journal) {
        str_addf(line, "<%d>", levels[level].priority);
        return;
    }
    rfc3339_format(clock_real(), now);
    str_addf(line, "%s %s %s: ", now, levels[level].name, state.process);
}

/* One write, so that lines of several processes do not mix. */
static void put_line(const struct str *line)
{
    const char *p = line->p;
    size_t left = line->len;

    while (left > 0) {
        ssize_t n = write(STDERR_FILENO, p, left);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return; /* there is nobody left to tell */
        p += n;
        left -= (size_t)n;
    }
}

void log_kv(enum log_level level, const char *msg, ...)
{
    BF_CLEANUP(str_release) struct str line = STR_INIT;
    int saved = errno;
    const char *key, *value;
    va_list ap;

    if (!log_shows(level))
        return;
    add_head(&line, level);
    add_text(&line, msg, false);
    va_start(ap, msg);
    while ((key = va_arg(ap, const char *)) != NULL) {
        value = va_arg(ap, const char *);
        add_pair(&line, key, value ? value : "(null)");
        if (!value) /* it may have been the end of an odd list: read no further */
            break;
    }
    va_end(ap);
    str_addch(&line, '\n');
    put_line(&line);
    errno = saved;
}
