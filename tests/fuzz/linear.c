/* Inputs made to be slow. Each is read and resolved at one size and at eight times that; the
 * processor's time may grow with the size and not faster. The least of several tries counts, and a
 * bound of three times leaves room for caches. */
#include "common/base/str.h"
#include "scheduler/plan/containerfile.h"
#include "tests/lib/cpu_time.h"

#include <stdio.h>

#define SMALL ((size_t)64 * 1024)
#define TIMES 8
#define TRIES 5
#define SLACK 3.0
#define NEGLIGIBLE 0.005 /* seconds */

#define A10 "aaaaaaaaaa"
#define A100 A10 A10 A10 A10 A10 A10 A10 A10 A10 A10
#define A1000 A100 A100 A100 A100 A100 A100 A100 A100 A100 A100

struct slow {
    const char *name;
    const char *head, *unit, *tail; /* "%d" in unit is the number of the unit */
    size_t most;                    /* units; 0: as many as fit */
};

static const struct slow inputs[] = {
    {"one long word", "FROM q.io/a:1\nRUN ", "x", "\n", 0},
    {"one long reference", "FROM q.io/", "x", "\n", 0},
    {"blanks", "FROM q.io/a:1\nRUN ", "  \t", "x\n", 0},
    {"blanks at the ends of lines", "FROM q.io/a:1\nRUN \\", "  \t", "\nx\n", 0},
    {"continuations", "FROM q.io/a:1\nRUN x", " \\\n y", "\n", 0},
    {"continuations without words", "FROM q.io/a:1\nRUN x", " \\\n", "\ny\n", 0},
    {"continued flags", "FROM q.io/a:1\nCOPY ", "--chown=0:%d \\\n", "a b\n", 0},
    {"continued paths", "FROM q.io/a:1\nCOPY ", "a%d \\\n", "b\n", 0},
    {"comments in a continuation", "FROM q.io/a:1\nRUN x \\\n", "# c \\\n", "y\n", 0},
    {"escapes", "FROM q.io/a:1\nENV A=", "\\\\", "\n", 0},
    {"quotes", "FROM q.io/a:1\nENV A=", "\"'\"", "\n", 0},
    {"open quotes", "FROM q.io/a:1\nENV A=", "\"' ", "\n", 0},
    {"open braces", "ARG A=", "${A:-", "\nFROM q.io/a:$A\n", 0},
    {"deep braces", "ARG A=", "${A:-${A:-${A:-x}}}", "\nFROM q.io/a:1\n", 0},
    {"many variables", "", "ARG A%d=x\n", "FROM q.io/a:1\n", 0},
    {"variables of variables", "ARG A=x\n", "ARG A=${A}y\n", "FROM q.io/a:1\n", 2000},
    {"variables that double", "ARG A=x\n", "ARG A=$A$A\n", "FROM q.io/a:1\n", 0},
    {"patterns", "ARG V=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\nARG A=", "${V//*a*a*a*b/x}",
     "\nFROM q.io/a:1\n", 0},
    {"patterns on a long value", "ARG V=" A1000 "\nFROM q.io/a:1\nARG V\n",
     "ARG A=${V//*a*a*b/x}\n", "", 0},
    {"values that are copied", "ARG V=" A1000 "\nFROM q.io/a:1\nARG V\n",
     "ARG A%d=$V$V$V$V$V$V$V$V\n", "", 0},
    {"stages", "", "FROM q.io/a:%d AS s%d\n", "", 1000},
    {"too many stages", "", "FROM scratch\n", "", 0},
    {"stages of one name", "", "FROM q.io/a:1 AS s\nFROM s AS s\n", "", 500},
    {"stages on stages", "FROM q.io/a:1 AS s\n", "FROM s AS s\nARG A=1\nCOPY --from=s $A b\n", "",
     999},
    {"variables of no stage", "FROM q.io/a:1 AS s\n", "FROM s AS s\nCOPY $U b\n", "", 999},
    {"heredocs", "FROM q.io/a:1\n", "RUN <<E\nx\nE\n", "", 0},
    {"heredocs of one line", "FROM q.io/a:1\nRUN ", "<<E ", "\n", 0},
    {"heredocs of one line, closed", "FROM q.io/a:1\nRUN <<A", " <<A", "\nA\nA\n", 0},
    {"shifts", "FROM q.io/a:1\n", "RUN : $((1 << %d))\n", "", 0},
    {"a heredoc that nearly ends", "FROM q.io/a:1\nRUN <<EEEEEEEEEEEEEEEEEEEEEEEE\n",
     "EEEEEEEEEEEEEEEEEEEEEEE\n", "", 0},
    {"a json form", "FROM q.io/a:1\nCOPY [\"a\"", ", \"b\"", "]\n", 0},
    {"an open json form", "FROM q.io/a:1\nCOPY [", "[", "\n", 0},
    {"many images", "FROM q.io/a:1\n", "COPY --from=q.io/b:%d a b\n", "", 0},
    {"mounts", "FROM q.io/a:1\n", "RUN --mount=from=q.io/b:%d,target=/m x\n", "", 0},
    {"a mount of many keys", "FROM q.io/a:1\nRUN --mount=", "a=b,", "from=q.io/b,target=/m x\n", 0},
    {"many mounts of one", "FROM q.io/a:1\nRUN ", "--mount=from=q.io/b,target=/%d ", "x\n", 0},
    {"unknown instructions", "", "FORM x\n", "", 0},
    {"a long unknown instruction", "", "X", "\nFROM q.io/a:1\n", 0},
    {"wrong substitutions", "FROM q.io/a:1\n", "COPY ${X! b\n", "", 0},
    {"escape directives", "", "# escape=\\\n", "FROM q.io/a:1\n", 0},
    {"onbuild", "FROM q.io/a:1\n", "ONBUILD COPY --from=q.io/b:%d a b\n", "", 0},
    {"assignments", "FROM q.io/a:1\nENV ", "A%d=$A ", "\n", 0},
    {"nothing but newlines", "", "\n", "FROM q.io/a:1\n", 0},
    {"escapes and newlines", "", "\\\n", "FROM q.io/a:1\n", 0},
};

static void add_unit(struct str *s, const char *unit, size_t number)
{
    for (const char *p; (p = strstr(unit, "%d")) != NULL; unit = p + 2) {
        str_addmem(s, unit, (size_t)(p - unit));
        str_addf(s, "%zu", number);
    }
    str_add(s, unit);
}

static void make(const struct slow *in, size_t size, struct str *s)
{
    str_add(s, in->head);
    for (size_t n = 0; s->len < size && (in->most == 0 || n < in->most * size / SMALL / TIMES); n++)
        add_unit(s, in->unit, n);
    str_add(s, in->tail);
}

static void read_once(const struct str *s)
{
    struct arena a = ARENA_INIT;
    struct diags d = {.a = &a};
    struct cf_env env = {.arch = "amd64"};
    struct cf_result r;
    const struct cfile *f = cf_parse(&a, "f", s->p, s->len, &d, &d);
    if (!f->broken)
        (void)!cf_resolve(&a, f, &env, &d, &r);
    diags_release(&d);
    arena_release(&a);
}

static double least_time(const struct slow *in, size_t size, size_t *bytes)
{
    struct str s = STR_INIT;
    double least = 0;
    make(in, size, &s);
    *bytes = s.len;
    for (int i = 0; i < TRIES; i++) {
        double begin = cpu_time();
        read_once(&s);
        double took = cpu_time() - begin;
        least = i == 0 || took < least ? took : least;
    }
    str_release(&s);
    return least;
}

int main(void)
{
    int failed = 0;
    for (size_t i = 0; i < ARRAY_SIZE(inputs); i++) {
        size_t small, large;
        double few = least_time(&inputs[i], SMALL, &small);
        double many = least_time(&inputs[i], SMALL * TIMES, &large);
        double growth = (double)large / (double)small;
        bool ok = many < NEGLIGIBLE || many <= few * growth * SLACK;
        printf("%s - %s: %zu bytes %.2f ms, %zu bytes %.2f ms (%.1f MB/s)\n", ok ? "ok" : "not ok",
               inputs[i].name, small, few * 1e3, large, many * 1e3, (double)large / many / 1e6);
        failed += !ok;
    }
    return failed > 0;
}
