#include "worker/core/tap.h"

#include <stdio.h>

#define TEXT_MAX 1024

const char *tap_result_name(enum tap_result r)
{
    switch (r) {
    case TAP_OK:
        return "ok";
    case TAP_SKIP:
        return "skip";
    case TAP_NOT_OK:
    case TAP_TIMEOUT:
        return "not ok";
    }
    BUG("result %d", (int)r);
}

void tap_init(struct tap *t)
{
    *t = (struct tap){.planned = -1};
    lines_init(&t->lines);
}

void tap_release(struct tap *t)
{
    vec_for_each (i, &t->tests) {
        free(t->tests.v[i].name);
        free(t->tests.v[i].message);
    }
    vec_for_each (i, &t->pending)
        free(t->pending.v[i]);
    vec_for_each (i, &t->failed)
        free(t->failed.v[i]);
    vec_release(&t->tests);
    vec_release(&t->pending);
    vec_release(&t->failed);
    free(t->running);
    free(t->last_output);
    free(t->not_ready);
    free(t->init_failed);
    lines_release(&t->lines);
    *t = (struct tap){0};
}

static void replace(char **slot, const char *value)
{
    free(*slot);
    *slot = value != NULL ? xstrndup(value, text_cut(value, TEXT_MAX)) : NULL;
}

/* The text behind a prefix; NULL where the line does not begin with it. */
static const char *behind(const char *line, const char *prefix)
{
    return str_starts(line, prefix) ? line + strlen(prefix) : NULL;
}

#define ADD_UNIT(list, text)                                         \
    do {                                                             \
        if ((list)->n < TAP_MAX_UNITS)                               \
            *vec_push(list) = xstrndup((text), text_cut(text, 256)); \
    } while (0)

/* A comment "# bf-…"; true where it is one that people need not see. */
static bool on_comment(struct tap *t, const char *word)
{
    const char *rest;
    if (strcmp(word, "up") == 0)
        t->up = true;
    else if (strcmp(word, "probe") == 0)
        t->probe = true;
    else if (strcmp(word, "waiting") == 0)
        t->waiting = true;
    else if (strcmp(word, "ready") == 0)
        t->ready = true;
    else if ((rest = behind(word, "state ")) != NULL)
        snprintf(t->state, sizeof t->state, "%.30s", rest);
    else if ((rest = behind(word, "exit ")) != NULL)
        t->ended = parse_i64(rest, 0, 255, &t->exit_status) == 0;
    else if ((rest = behind(word, "run ")) != NULL)
        replace(&t->running, rest);
    else if ((rest = behind(word, "pending ")) != NULL)
        ADD_UNIT(&t->pending, rest);
    else if ((rest = behind(word, "failed ")) != NULL)
        ADD_UNIT(&t->failed, rest);
    else if ((rest = behind(word, "not-ready ")) != NULL)
        replace(&t->not_ready, rest);
    else if ((rest = behind(word, "init-failed ")) != NULL)
        replace(&t->init_failed, rest);
    return strcmp(word, "up") == 0 || strcmp(word, "waiting") == 0;
}

/* "exit=3", with the script's last words. */
static char *message_of(const struct tap *t, const char *directive)
{
    const char *exit = strstr(directive, "exit=");
    const char *timeout = strstr(directive, "TIMEOUT ");
    struct str s = STR_INIT;
    if (timeout != NULL)
        str_addf(&s, "timed out %s", timeout + strlen("TIMEOUT "));
    else if (exit != NULL)
        str_addf(&s, "exit status %s", exit + strlen("exit="));
    if (t->last_output != NULL && s.len > 0)
        str_addf(&s, ": %s", t->last_output);
    return str_steal(&s);
}

static enum tap_result result_of(bool ok, const char *directive)
{
    if (strstr(directive, "TIMEOUT") != NULL)
        return TAP_TIMEOUT;
    if (!ok)
        return TAP_NOT_OK;
    return strstr(directive, "SKIP") != NULL ? TAP_SKIP : TAP_OK;
}

/* `rest` stands behind "ok " or "not ok ": "3 - NAME # ms=12 …". */
static void on_result(struct tap *t, bool ok, const char *rest)
{
    rest += strspn(rest, "0123456789");
    if (!str_starts(rest, " - ") || t->tests.n >= TAP_MAX_TESTS)
        return;
    rest += strlen(" - ");
    const char *directive = strstr(rest, " # ");
    size_t name = directive != NULL ? (size_t)(directive - rest) : strlen(rest);
    const char *ms = directive != NULL ? strstr(directive, "ms=") : NULL;
    directive = directive != NULL ? directive : "";
    struct tap_test test = {
        .name = xstrndup(rest, name < TEXT_MAX ? name : text_cut(rest, TEXT_MAX)),
        .result = result_of(ok, directive),
        .ms = ms != NULL ? strtoll(ms + 3, NULL, 10) : 0,
    };
    test.message =
        test.result == TAP_OK || test.result == TAP_SKIP ? xstrdup("") : message_of(t, directive);
    *vec_push(&t->tests) = test;
    replace(&t->running, NULL);
    replace(&t->last_output, NULL);
}

struct feed {
    struct tap *t;
    line_fn *log;
    void *arg;
};

static void show(const struct feed *f, char *line)
{
    if (f->log != NULL)
        f->log(f->arg, line);
}

static void on_line(void *arg, char *line)
{
    struct feed *f = arg;
    struct tap *t = f->t;
    const char *rest;
    bool quiet = str_starts(line, "TAP version");
    if (t->ended)
        return;
    if ((rest = behind(line, "# > ")) != NULL)
        replace(&t->last_output, rest);
    else if ((rest = behind(line, "# bf-")) != NULL)
        quiet = on_comment(t, rest);
    else if ((rest = behind(line, "ok ")) != NULL)
        on_result(t, true, rest);
    else if ((rest = behind(line, "not ok ")) != NULL)
        on_result(t, false, rest);
    else if ((rest = behind(line, "1..")) != NULL &&
             parse_i64(rest, 0, TAP_MAX_TESTS, &t->planned) < 0)
        t->planned = -1;
    if (!quiet)
        show(f, line);
}

void tap_feed(struct tap *t, const char *p, size_t n, line_fn *log, void *arg)
{
    struct feed f = {t, log, arg};
    lines_feed(&t->lines, p, n, on_line, &f);
}
