#include "common/base/str.h"
#include "common/base/mem.h"
#include "common/base/utf8.h"
#include <criterion/criterion.h>

Test(str, life)
{
    struct str s = STR_INIT, zeroed = {0};

    cr_expect(s.p[0] == '\0' && s.len == 0);
    str_clear(&s);
    str_add(&s, "job");
    str_addch(&s, ' ');
    str_addf(&s, "%d/%s", 42, "x");
    str_addmem(&s, "\0y", 2);
    str_addhex(&s, "\x00\xff", 2);
    cr_expect(s.len == strlen("job 42/x") + 2 + 4);
    cr_expect(memcmp(s.p, "job 42/x\0y00ff", s.len + 1) == 0);
    str_clear(&s);
    cr_expect(s.len == 0 && s.p[0] == '\0');
    str_release(&s);
    str_release(&s);
    str_add(&zeroed, "a");
    cr_expect(strcmp(zeroed.p, "a") == 0);
    str_release(&zeroed);
}

Test(str, steal_gives_a_string_even_when_empty)
{
    struct str s = STR_INIT;
    BF_CLEANUP(free_ptr) char *empty = str_steal(&s);
    str_add(&s, "abc");
    BF_CLEANUP(free_ptr) char *full = str_steal(&s);

    cr_expect(strcmp(empty, "") == 0);
    cr_expect(strcmp(full, "abc") == 0);
    cr_expect(s.len == 0 && s.p == str_empty);
}

Test(str, grows_through_many_additions)
{
    struct str s = STR_INIT;

    for (int i = 0; i < 10000; i++)
        str_addf(&s, "%d,", i % 10);
    cr_expect(s.len == 20000 && strlen(s.p) == 20000);
    str_release(&s);
}

Test(str, starts_and_ends)
{
    cr_expect(str_starts("abc", "") && str_starts("abc", "ab") && str_starts("abc", "abc"));
    cr_expect(!str_starts("abc", "abcd") && !str_starts("", "a"));
    cr_expect(str_ends("abc", "") && str_ends("abc", "bc") && str_ends("abc", "abc"));
    cr_expect(!str_ends("abc", "xabc") && !str_ends("", "a") && !str_ends("abc", "b"));
}

Test(str, integers)
{
    int64_t v = 7;

    cr_expect(parse_i64("0", 0, 0, &v) == 0 && v == 0);
    cr_expect(parse_i64("-1", -5, 5, &v) == 0 && v == -1);
    cr_expect(parse_i64("9223372036854775807", 0, INT64_MAX, &v) == 0 && v == INT64_MAX);
    cr_expect(parse_i64("-9223372036854775808", INT64_MIN, 0, &v) == 0 && v == INT64_MIN);
    v = 7;
    static const char *const bad[] = {"",
                                      "-",
                                      "+1",
                                      " 1",
                                      "1 ",
                                      "0x1",
                                      "1.0",
                                      "--1",
                                      "1e3",
                                      "9223372036854775808",
                                      "-9223372036854775809",
                                      "99999999999999999999999"};
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        cr_expect(parse_i64(bad[i], INT64_MIN, INT64_MAX, &v) == -1, "%s", bad[i]);
    cr_expect(parse_i64("6", 0, 5, &v) == -1 && parse_i64("-1", 0, 5, &v) == -1);
    cr_expect(v == 7, "a refused number must not be stored");
}

Test(str, durations)
{
    static const struct {
        const char *text;
        bf_time want;
    } rows[] = {
        {"0", 0},
        {"5", 5 * BF_SEC},
        {"500ms", 500 * BF_MSEC},
        {"90s", 90 * BF_SEC},
        {"10m", 600 * BF_SEC},
        {"2h", 7200 * BF_SEC},
        {"7d", 604800 * BF_SEC},
        {"", -1},
        {"s", -1},
        {"-1s", -1},
        {"1 s", -1},
        {"1S", -1},
        {"1.5h", -1},
        {"1h30m", -1},
        {"1us", -1},
        {"106751991d", INT64_C(106751991) * 86400 * BF_SEC},
        {"106751992d", -1},
        {"99999999999999999999d", -1},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        bf_time got = -1;
        int rc = parse_duration(rows[i].text, &got);
        cr_expect(got == rows[i].want && rc == (rows[i].want < 0 ? -1 : 0), "%s", rows[i].text);
    }
}

Test(str, sizes)
{
    uint64_t v = 0;

    cr_expect(parse_size("1000", &v) == 0 && v == 1000);
    cr_expect(parse_size("10KiB", &v) == 0 && v == 10240);
    cr_expect(parse_size("512MiB", &v) == 0 && v == 512u << 20);
    cr_expect(parse_size("2GiB", &v) == 0 && v == UINT64_C(2) << 30);
    cr_expect(parse_size("1TiB", &v) == 0 && v == UINT64_C(1) << 40);
    static const char *const bad[] = {"", "KiB", "-1", "1kb", "1 MiB", "1mib", "1G", "8388608TiB"};
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        cr_expect(parse_size(bad[i], &v) == -1, "%s", bad[i]);
}

Test(str, utf8_follows_rfc_3629)
{
    static const char *const good[] = {"",
                                       "a",
                                       "\x7f",
                                       "\xc2\x80",
                                       "\xdf\xbf",
                                       "\xe0\xa0\x80",
                                       "\xed\x9f\xbf",
                                       "\xee\x80\x80",
                                       "\xef\xbf\xbf",
                                       "\xf0\x90\x80\x80",
                                       "\xf4\x8f\xbf\xbf"};
    static const char *const bad[] = {"\x80",
                                      "\xbf",
                                      "\xc0\x80",
                                      "\xc1\xbf",
                                      "\xc2",
                                      "\xc2"
                                      "a",
                                      "\xe0\x80\x80",
                                      "\xe0\x9f\xbf",
                                      "\xed\xa0\x80",
                                      "\xed\xbf\xbf",
                                      "\xe2\x82",
                                      "\xf0\x8f\xbf\xbf",
                                      "\xf0\x90\x80",
                                      "\xf4\x90\x80\x80",
                                      "\xf5\x80\x80\x80",
                                      "\xff"};

    for (size_t i = 0; i < ARRAY_SIZE(good); i++)
        cr_expect(utf8_valid(good[i], strlen(good[i])), "good %zu", i);
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        cr_expect(!utf8_valid(bad[i], strlen(bad[i])), "bad %zu", i);
    cr_expect(utf8_valid("\0", 1), "NUL is a character");
    cr_expect(!utf8_valid("\xc3\xa9", 1), "the length counts, not the terminator");
}

Test(str, utf8_next_steps_over_bad_bytes)
{
    uint32_t cp;

    cr_expect(utf8_next("\xe2\x82\xac", 3, &cp) == 3 && cp == 0x20AC);
    cr_expect(utf8_next("\xe2\x82", 2, &cp) == 1 && cp == UTF8_BAD + 0xE2);
}

/* The textbook table, as a second opinion. */
static unsigned distance_by_table(const char *a, const char *b)
{
    enum { MAX = 16 };
    unsigned d[MAX][MAX];
    size_t n = strlen(a), m = strlen(b);

    for (size_t i = 0; i <= n; i++) {
        for (size_t j = 0; j <= m; j++) {
            if (i == 0 || j == 0) {
                d[i][j] = (unsigned)(i + j);
                continue;
            }
            unsigned best = d[i - 1][j - 1] + (a[i - 1] != b[j - 1]);
            if (d[i - 1][j] + 1 < best)
                best = d[i - 1][j] + 1;
            if (d[i][j - 1] + 1 < best)
                best = d[i][j - 1] + 1;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
                d[i - 2][j - 2] + 1 < best)
                best = d[i - 2][j - 2] + 1;
            d[i][j] = best;
        }
    }
    return d[n][m] > 3 ? 3 : d[n][m];
}

/* All words of up to four letters over {a, b, c} against each other. */
Test(str, distance_agrees_with_the_table)
{
    enum { WORDS = 121 };
    char word[WORDS][5];
    size_t n = 0;

    word[n++][0] = '\0';
    for (size_t from = 0; n < WORDS; from++) {
        for (char c = 'a'; c <= 'c'; c++, n++) {
            size_t len = strlen(word[from]);
            memcpy(word[n], word[from], len);
            word[n][len] = c;
            word[n][len + 1] = '\0';
        }
    }
    for (size_t i = 0; i < WORDS; i++) {
        for (size_t j = 0; j < WORDS; j++)
            cr_assert(edit_distance(word[i], word[j]) == distance_by_table(word[i], word[j]),
                      "\"%s\" and \"%s\": %u", word[i], word[j], edit_distance(word[i], word[j]));
    }
}

Test(str, distance_of_words)
{
    cr_expect(edit_distance("context", "context") == 0);
    cr_expect(edit_distance("context", "contxet") == 1);
    cr_expect(edit_distance("timeout", "time_out") == 1);
    cr_expect(edit_distance("mirror", "publish") == 3);
    cr_expect(edit_distance("", "abcdef") == 3);
}
