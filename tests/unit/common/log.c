#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/str.h"
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static FILE *sink;
static int saved;

/* Standard error goes to a file that has no name. */
static void redirect(void)
{
    sink = tmpfile();
    cr_assert(sink);
    fflush(stderr);
    saved = dup(STDERR_FILENO);
    cr_assert(dup2(fileno(sink), STDERR_FILENO) == STDERR_FILENO);
    unsetenv("JOURNAL_STREAM");
    log_init("test", LOG_LVL_INFO);
}

static void restore(void)
{
    dup2(saved, STDERR_FILENO);
    close(saved);
    fclose(sink);
}

TestSuite(log, .init = redirect, .fini = restore);

/* What was written since the last call. */
static const char *written(void)
{
    static char text[8192];
    static long from;
    ssize_t n = pread(fileno(sink), text, sizeof text - 1, from);

    cr_assert(n >= 0);
    text[n] = '\0';
    from += n;
    return text;
}

static void expect_tail(const char *want)
{
    const char *got = written();

    cr_expect(str_ends(got, want), "%s", got);
}

Test(log, a_line_has_time_level_process_message_and_pairs)
{
    unsigned year;
    int end = 0;

    log_info("attempt started", "job", "build:site-1/hmi:amd64", "worker", "hub-build");
    const char *line = written();
    cr_expect(sscanf(line, "%4u-%*2u-%*2uT%*2u:%*2u:%*2u.%*3uZ info test: %n", &year, &end) == 1);
    cr_expect(end > 0 && year >= 2024, "%s", line);
    cr_expect_str_eq(line + end, "attempt started job=build:site-1/hmi:amd64 worker=hub-build\n");
}

Test(log, levels)
{
    enum log_level level;

    log_debug("hidden");
    cr_expect_str_eq(written(), "");
    log_set_level(LOG_LVL_DEBUG);
    log_debug("shown");
    expect_tail("debug test: shown\n");
    log_set_level(LOG_LVL_ERROR);
    log_warn("hidden");
    cr_expect_str_eq(written(), "");
    log_error("shown");
    expect_tail("error test: shown\n");
    cr_expect(log_level_parse("warn", &level) == 0 && level == LOG_LVL_WARN);
    cr_expect(log_level_parse("loud", &level) == -1 && log_level_parse("", &level) == -1);
}

Test(log, values_are_quoted_where_they_must_be)
{
    log_info("m", "a", "", "b", "two words", "c", "x=y", "d", "say \"hi\"", "e", "back\\slash");
    expect_tail(" m a=\"\" b=\"two words\" c=\"x=y\" d=\"say \\\"hi\\\"\" e=\"back\\\\slash\"\n");
}

/* A name with an escape sequence must not steer the reader's terminal, nor begin a line. */
Test(log, control_characters_and_bad_text_are_escaped)
{
    log_info("one\ntwo", "v", "\x1b[2J\r\n\t\x7f", "w", "caf\xc3\xa9", "x", "\xff\xc3", "y",
             "\xc2\x9b!");
    expect_tail(" one\\ntwo v=\"\\x1b[2J\\x0d\\n\\t\\x7f\" w=\"caf\xc3\xa9\" x=\"\\xff\\xc3\" "
                "y=\"\\xc2\\x9b!\"\n");
}

Test(log, long_values_are_cut)
{
    BF_CLEANUP(free_ptr) char *value = xcalloc(1, 5001);

    memset(value, 'x', 5000);
    log_info("m", "v", value);
    const char *line = written();
    cr_expect(strlen(line) < 2200 && str_ends(line, "xxx...\n"));
}

Test(log, a_null_value_ends_the_line)
{
    const char *none = NULL;

    log_info("m", "a", none, "b", "c");
    expect_tail(" m a=(null)\n");
}

Test(log, the_journal_gets_a_priority_and_no_time)
{
    struct stat st;
    BF_CLEANUP(free_ptr) char *stream = NULL;

    cr_assert(fstat(STDERR_FILENO, &st) == 0);
    stream = xasprintf("%llu:%llu", (unsigned long long)st.st_dev, (unsigned long long)st.st_ino);
    setenv("JOURNAL_STREAM", stream, 1);
    log_init("test", LOG_LVL_INFO);
    log_warn("disk is full", "path", "/var");
    cr_expect_str_eq(written(), "<4>disk is full path=/var\n");
    setenv("JOURNAL_STREAM", "1:1", 1); /* inherited, but stderr is not the journal */
    log_init("test", LOG_LVL_INFO);
    log_warn("again");
    expect_tail("Z warn test: again\n");
}
