/* sim_replay [--dump] [--set NAME=VALUE]... FILE: a trace of `bootfarm debug record` once more.
 *
 * Exit status: 0 the same decisions, 1 another one (told on standard error), 2 no whole trace, or
 * wrong usage. A brain that stops at an input (BUG) stops here, too; which one, is said. */
#include "common/base/err.h"
#include "common/base/mem.h"
#include "common/loop/file.h"
#include "tests/sim/replay.h"
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#define FILE_MAX ((size_t)4 << 30)

struct setting {
    const char *name;
    size_t offset;
    bool number; /* else a duration */
    const char *value;
};

#define SETTING(m, is_number)                                 \
    {                                                         \
#m, offsetof(struct brain_config, m), is_number, NULL \
    }
static struct setting settings[] = {
    SETTING(lease, false),       SETTING(kill_time, false), SETTING(backoff_min, false),
    SETTING(backoff_max, false), SETTING(lost_limit, true),
};

static char where[64]; /* for the handler */

static int usage(void)
{
    fputs("usage: sim_replay [--dump] [--set NAME=VALUE]... FILE\n"
          "  --dump            print every input, and what is decided\n"
          "  --set NAME=VALUE  what would have been with another lease, kill_time, backoff_min,\n"
          "                    backoff_max (90s, 10m) or lost_limit\n",
          stderr);
    return 2;
}

static void configure(void *arg, struct brain_config *c)
{
    (void)arg;
    int64_t n;
    for (size_t i = 0; i < ARRAY_SIZE(settings); i++) {
        const struct setting *s = &settings[i];
        char *at = (char *)c + s->offset;
        if (s->value && s->number && parse_i64(s->value, 1, 100, &n) == 0)
            memcpy(at, &(int){(int)n}, sizeof(int));
        else if (s->value && !s->number && parse_duration(s->value, &n) == 0)
            memcpy(at, &n, sizeof n);
    }
}

static int take_setting(char *text)
{
    bf_time t;
    char *eq = strchr(text, '=');
    if (!eq)
        return -1;
    *eq = 0;
    for (size_t i = 0; i < ARRAY_SIZE(settings); i++) {
        struct setting *s = &settings[i];
        if (strcmp(s->name, text) != 0)
            continue;
        s->value = eq + 1;
        return s->number ? parse_i64(s->value, 1, 100, &t) : parse_duration(s->value, &t);
    }
    return -1;
}

static void before(void *arg, size_t input)
{
    (void)arg;
    snprintf(where, sizeof where, "the brain stops at input %zu\n", input);
}

static void on_abort(int sig)
{
    (void)!write(STDERR_FILENO, where, strlen(where));
    signal(sig, SIG_DFL);
    raise(sig);
}

static void line(void *arg, const char *text)
{
    (void)arg;
    puts(text);
}

static const char *ending(const struct replay *r)
{
    if (!r->ended)
        return "; it has no end: its scheduler was killed, or it still grows";
    switch (r->why) {
    case TRACE_ASKED:
        return "";
    case TRACE_TIME:
        return "; its time was over";
    case TRACE_SIZE:
        return "; it had reached its size";
    }
    return "";
}

static void summary(const struct replay *r, enum replay_end end)
{
    static const char *const words[] = {"the same decisions", "another decision",
                                        "the same decisions as far as it can be read"};
    fprintf(end == REPLAY_SAME ? stdout : stderr, "%zu worlds, %zu inputs, %zu ops: %s%s\n",
            r->worlds, r->inputs, r->ops, words[end], end == REPLAY_SAME ? ending(r) : "");
}

static int run(const char *path, bool dump)
{
    struct str file = STR_INIT, said = STR_INIT;
    struct err e = ERR_INIT;
    struct replay r = {.configure = configure, .before = before, .line = dump ? line : NULL};
    if (file_read(path, FILE_MAX, &file, &e)) {
        fprintf(stderr, "sim_replay: %s\n", e.msg);
        return 2;
    }
    enum replay_end end = replay_run(&r, file.p, file.len, &said);
    if (end != REPLAY_SAME)
        fprintf(stderr, "sim_replay: %s: %s\n", path, said.p);
    if (r.worlds)
        summary(&r, end);
    str_release(&file);
    str_release(&said);
    return end == REPLAY_SAME ? 0 : end == REPLAY_DIFFERS ? 1 : 2;
}

int main(int argc, char **argv)
{
    bool dump = false;
    int i = 1;
    for (; i < argc && str_starts(argv[i], "--"); i++) {
        if (strcmp(argv[i], "--dump") == 0)
            dump = true;
        else if (strcmp(argv[i], "--set") != 0 || ++i >= argc || take_setting(argv[i]))
            return usage();
    }
    if (i + 1 != argc)
        return usage();
    signal(SIGABRT, on_abort);
    return run(argv[i], dump);
}
