#include "worker/core/tail.h"

#include "common/base/mem.h"

void tail_init(struct tail *t)
{
    *t = (struct tail){0};
    lines_init(&t->lines);
}

void tail_release(struct tail *t)
{
    for (size_t i = 0; i < t->n; i++)
        free(t->line[i]);
    free(t->step);
    free(t->error);
    lines_release(&t->lines);
    *t = (struct tail){0};
}

static void replace(char **slot, char *value)
{
    free(*slot);
    *slot = value;
}

/* "STEP 2/7: RUN x" and "[1/2] STEP 2/7: RUN x" give "RUN x". */
static const char *step_of(const char *line)
{
    static const char digits[] = "0123456789/";
    if (line[0] == '[') {
        line += 1 + strspn(line + 1, digits);
        if (!str_starts(line, "] "))
            return NULL;
        line += 2;
    }
    if (!str_starts(line, "STEP "))
        return NULL;
    line += strlen("STEP ");
    size_t n = strspn(line, digits);
    return n > 0 && str_starts(line + n, ": ") ? line + n + 2 : NULL;
}

/* msg="…" of a logrus line, with its escapes taken back. */
static char *fatal_message(const char *line)
{
    const char *p = strstr(line, " level=fatal msg=");
    if (!str_starts(line, "time=\"") || p == NULL)
        return NULL;
    p += strlen(" level=fatal msg=");
    if (*p != '"')
        return xstrdup(p);
    struct str s = STR_INIT;
    for (p++; *p != '\0' && *p != '"'; p++) {
        if (*p == '\\' && p[1] != '\0')
            p++;
        str_addch(&s, *p);
    }
    return str_steal(&s);
}

static char *error_of(const char *line)
{
    if (str_starts(line, "Error: "))
        return xstrdup(line + strlen("Error: "));
    return fatal_message(line);
}

static char *shortened(const char *line)
{
    size_t n = strlen(line);
    if (n <= TAIL_WIDTH)
        return xstrdup(line);
    const char *end = line + n - TAIL_WIDTH / 2;
    int head = (int)text_cut(line, TAIL_WIDTH / 2);
    while (((unsigned char)*end & 0xc0) == 0x80)
        end++;
    return xasprintf("%.*s ... %s", head, line, end);
}

static void on_line(void *arg, char *line)
{
    struct tail *t = arg;
    const char *step = step_of(line);
    if (step != NULL)
        replace(&t->step, shortened(step));
    replace(&t->error, error_of(line));
    if (t->n == TAIL_LINES)
        free(t->line[t->next]);
    else
        t->n++;
    t->line[t->next] = shortened(line);
    t->next = (t->next + 1) % TAIL_LINES;
}

void tail_feed(struct tail *t, const char *p, size_t n)
{
    lines_feed(&t->lines, p, n, on_line, t);
}

void tail_end(struct tail *t)
{
    lines_end(&t->lines, on_line, t);
}

const char *tail_get(const struct tail *t, size_t i)
{
    return t->line[t->n < TAIL_LINES ? i : (t->next + i) % TAIL_LINES];
}

const char *tail_reason(const struct tail *t)
{
    if (t->error != NULL)
        return t->error;
    return t->n > 0 ? tail_get(t, t->n - 1) : "";
}
