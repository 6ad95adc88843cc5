/* logtext.h */
#include "scheduler/api/logtext.h"
#include <criterion/criterion.h>
#include <zstd.h>

static char packed[4096];

static struct log_chunk chunk(int64_t offset, const char *text, int64_t gap)
{
    size_t n = ZSTD_compress(packed, sizeof packed, text, strlen(text), 1);

    cr_assert(!ZSTD_isError(n));
    return (struct log_chunk){
        .offset = offset, .raw = (int64_t)strlen(text), .gap = gap, .data = packed, .n = n};
}

static struct logtext *unpacker;
static struct str out;
static int64_t next;

static void setup(void)
{
    unpacker = logtext_new();
    str_init(&out);
    next = 0;
}

static void teardown(void)
{
    logtext_free(unpacker);
    str_release(&out);
}

static void add(struct log_chunk c)
{
    logtext_add(unpacker, &c, &next, &out);
}

TestSuite(logtext, .init = setup, .fini = teardown);

Test(logtext, chunks_follow_each_other)
{
    add(chunk(0, "one\ntw", 0));
    add(chunk(6, "o\n", 0));
    cr_expect_str_eq(out.p, "one\ntwo\n");
    cr_expect_eq(next, 8);
}

Test(logtext, what_was_there_is_skipped)
{
    add(chunk(0, "abcdef", 0));
    add(chunk(0, "abcdef", 0));
    add(chunk(4, "efgh", 0));
    cr_expect_str_eq(out.p, "abcdefgh");
}

Test(logtext, gaps_are_said)
{
    add(chunk(0, "head\n", 0));
    add(chunk(1005, "tail\n", 1000));
    cr_expect_str_eq(out.p, "head\n[bootfarm: 1000 bytes of this log were left out]\ntail\n");
    cr_expect_eq(next, 1010);
}

Test(logtext, an_empty_chunk_carries_a_gap)
{
    add(chunk(0, "head\n", 0));
    add((struct log_chunk){.offset = 105, .raw = 0, .gap = 100, .data = "", .n = 0});
    cr_expect_str_eq(out.p, "head\n[bootfarm: 100 bytes of this log were left out]\n");
    cr_expect_eq(next, 105);
}

Test(logtext, holes_and_missing_ends_are_said)
{
    add(chunk(3, "x", 0));
    logtext_end(10, next, &out);
    cr_expect_str_eq(out.p, "[bootfarm: 3 bytes of this log are missing]\nx\n"
                            "[bootfarm: 6 bytes of this log are missing]\n");
}

Test(logtext, damage_is_said_and_passed_over)
{
    struct log_chunk c = chunk(0, "0123456789", 0);

    c.raw = 9; /* not what it unpacks to */
    add(c);
    add((struct log_chunk){.offset = 9, .raw = 4, .data = "junk", .n = 4});
    c = chunk(13, "ok\n", 0);
    add(c);
    cr_expect_str_eq(out.p, "[bootfarm: 9 bytes of this log are damaged]\n"
                            "[bootfarm: 4 bytes of this log are damaged]\nok\n");
}

Test(logtext, a_bomb_is_damage)
{
    static char zeros[1 << 20];
    size_t n = ZSTD_compress(packed, sizeof packed, zeros, sizeof zeros, 1);

    cr_assert(!ZSTD_isError(n));
    add((struct log_chunk){.offset = 0, .raw = 10, .data = packed, .n = n});
    add((struct log_chunk){.offset = 10, .raw = sizeof zeros, .data = packed, .n = n});
    cr_expect(strstr(out.p, "10 bytes of this log are damaged"));
    cr_expect(strstr(out.p, "1048576 bytes of this log are damaged"));
    cr_expect_lt(out.len, 200);
}
