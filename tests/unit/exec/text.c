/* Streams of tools: cut into lines, kept at their end, without secrets. */
#include "worker/core/redact.h"
#include "worker/core/tail.h"
#include <criterion/criterion.h>
#include <stdio.h>

static void feed(struct tail *t, const char *s)
{
    tail_feed(t, s, strlen(s));
}

Test(tail, keeps_the_last_lines_step_and_error)
{
    struct tail t;
    tail_init(&t);
    for (int i = 0; i < 100; i++) {
        char line[32];
        snprintf(line, sizeof line, "line %d\n", i);
        feed(&t, line);
    }
    feed(&t, "[1/2] STEP 2/7: RUN echo a; ex");
    feed(&t, "it 7\nsubprocess exited\nError: building at STEP \"RUN x\": exit status 7");
    tail_end(&t);
    cr_assert(t.n == TAIL_LINES);
    cr_assert_str_eq(tail_get(&t, 0), "line 73");
    cr_assert_str_eq(t.step, "RUN echo a; exit 7");
    cr_assert_str_eq(tail_reason(&t), "building at STEP \"RUN x\": exit status 7");
    tail_release(&t);
}

Test(tail, an_error_that_is_not_last_is_output)
{
    struct tail t;
    tail_init(&t);
    feed(&t, "Error: no space left on device\nsomething else\n");
    cr_assert_null(t.error);
    cr_assert_str_eq(tail_reason(&t), "something else");
    feed(&t, "time=\"2026-11-23T03:57:51Z\" level=fatal msg=\"Error parsing \\\"x\\\": no\"\n");
    cr_assert_str_eq(t.error, "Error parsing \"x\": no");
    tail_release(&t);
}

static void collect(void *arg, char *line)
{
    struct str *s = arg;
    str_addf(s, "[%s]", line);
}

Test(lines, cleans_what_a_terminal_would_interpret)
{
    struct lines l;
    struct str s = STR_INIT;
    lines_init(&l);
    static const char in[] = "a\x1b[31mb\x1b[0m\r\n\n\x1b]0;title\ac\x07\n\xff\xfe\n\0x\0y\nopen";
    for (size_t i = 0; i < sizeof in - 1; i++) /* every way of cutting */
        lines_feed(&l, in + i, 1, collect, &s);
    cr_assert_str_eq(s.p, "[ab][c][??][xy]");
    cr_assert_str_eq(lines_rest(&l), "open");
    lines_end(&l, collect, &s);
    cr_assert_str_eq(s.p, "[ab][c][??][xy][open]");
    str_release(&s);
    lines_release(&l);
}

static void measure(void *arg, char *line)
{
    size_t *n = arg;
    *n = strlen(line);
    cr_assert(line[0] == 'a' && line[*n - 1] == 'z' && strstr(line, " ... ") != NULL);
}

Test(lines, a_huge_line_keeps_head_and_end)
{
    struct lines l;
    char block[4096];
    size_t n = 0;
    lines_init(&l);
    lines_feed(&l, "a", 1, measure, &n);
    memset(block, 'x', sizeof block);
    for (int i = 0; i < 10000; i++) {
        lines_feed(&l, block, sizeof block, measure, &n);
        cr_assert(l.buf.len <= 3 * LINE_MAX_BYTES);
    }
    lines_feed(&l, "z\n", 2, measure, &n);
    cr_assert(n > 0 && n <= LINE_MAX_BYTES, "%zu", n);
    lines_release(&l);
}

static char *redacted(const char *text, size_t piece)
{
    struct redact r;
    struct str out = STR_INIT;
    redact_init(&r);
    static const char secret[] = "hunter22\nsecond-line\nab\n";
    redact_learn(&r, secret, strlen(secret));
    for (size_t i = 0, n; i < strlen(text); i += n) {
        n = strlen(text) - i < piece ? strlen(text) - i : piece;
        redact_feed(&r, text + i, n, &out);
    }
    redact_end(&r, &out);
    redact_release(&r);
    return str_steal(&out);
}

Test(redact, whole_and_line_by_line_however_it_is_cut)
{
    for (size_t piece = 1; piece < 30; piece++) {
        char *s =
            redacted("x hunter22 y\nhunter2 ab second-line hunter22\nsecond-line\nab hunt", piece);
        cr_assert_str_eq(s, "x ****** y\nhunter2 ab ****** ****** hunt", "%zu: %s", piece, s);
        free(s);
    }
}

Test(lines, a_cut_keeps_characters_whole)
{
    cr_expect(text_cut("abc", 5) == 3 && text_cut("abc", 2) == 2);
    cr_expect(text_cut("a\xc3\xa4z", 2) == 1 && text_cut("a\xc3\xa4z", 3) == 3);
    cr_expect(text_cut("\xf0\x9f\x98\x80", 3) == 0);
}
