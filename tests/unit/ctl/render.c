/* render.h */
#include "ctl/render.h"
#include <criterion/criterion.h>

static const struct style piped = {.now = 1700000000};
static const struct style terminal = {
    .terminal = true, .colour = true, .width = 40, .now = 1700000000};

static const struct column columns[] = {
    {"ID", "id", CELL_NUMBER},         {"STATE", "state", CELL_STATE}, {"AT", "at", CELL_AGE},
    {"DIGEST", "digest", CELL_DIGEST}, {"NAME", "name", CELL_TEXT},    {0}};

#define DIGEST_A "sha256:aaaaaaaaaaaabbbbbbbbbbbbccccccccccccddddddddddddeeeeeeeeeeeeffff"

static json_t *rows(void)
{
    return json_pack("[{s:i, s:s, s:s, s:s, s:s}, {s:i, s:s, s:n, s:s}]", "id", 7, "state",
                     "Synced", "at", "2023-11-14T22:13:15.5+00:00", "digest", DIGEST_A, "name",
                     "a rather long name that does not fit", "id", 1234, "state", "Degraded", "at",
                     "name", "x");
}

Test(render, piped_is_aligned_and_complete)
{
    BF_CLEANUP(str_release) struct str out = STR_INIT;
    json_t *r = rows();

    render_table(r, columns, &piped, "none", &out);
    cr_expect_str_eq(
        out.p, "  ID  STATE     AT                           DIGEST"
               "                                                                   NAME\n"
               "   7  Synced    2023-11-14T22:13:15.5+00:00  " DIGEST_A
               "  a rather long name that does not fit\n"
               "1234  Degraded                               "
               "                                                                         x\n");
    json_decref(r);
}

Test(render, terminal_is_short_coloured_and_cut)
{
    BF_CLEANUP(str_release) struct str out = STR_INIT;
    json_t *r = rows();

    render_table(r, columns, &terminal, "none", &out);
    cr_expect_str_eq(out.p, "  ID  STATE     AT  DIGEST        NAME\n"
                            "   7  \033[32mSynced\033[0m    5s  aaaaaaaaaaaa  a rather lo…\n"
                            "1234  \033[31mDegraded\033[0m                    x\n");
    json_decref(r);
}

Test(render, no_rows_says_so)
{
    BF_CLEANUP(str_release) struct str out = STR_INIT;
    json_t *r = json_array();

    render_table(r, columns, &piped, "no images yet", &out);
    cr_expect_str_eq(out.p, "no images yet\n");
    json_decref(r);
}

Test(render, kinds_of_values)
{
    static const struct column kinds[] = {{"A", "a", CELL_TEXT},
                                          {"B", "b", CELL_TEXT},
                                          {"C", "c", CELL_TEXT},
                                          {"D", "d", CELL_TEXT},
                                          {0}};
    BF_CLEANUP(str_release) struct str out = STR_INIT;
    json_t *r = json_pack("[{s:[s,s], s:b, s:{s:i}, s:f}]", "a", "build", "test", "b", 1, "c", "k",
                          1, "d", 1.5);

    render_table(r, kinds, &piped, "", &out);
    cr_expect_str_eq(out.p, "A           B    C        D\nbuild,test  yes  {\"k\":1}  1.5\n");
    json_decref(r);
}

Test(render, cells_cannot_move_the_cursor)
{
    BF_CLEANUP(str_release) struct str out = STR_INIT;

    text_add_safe(&out, "a\033[2Jb\nc\td\x7f\xc2\x9b"
                        "e\xff\xc3\xa9");
    cr_expect_str_eq(out.p, "a?[2Jb c d??e?\xc3\xa9");
}

Test(render, logs_keep_colours_only)
{
    BF_CLEANUP(str_release) struct str out = STR_INIT;
    static const char text[] = "\033[1;31mred\033[0m\r\n\033[2J\033]0;title\a\0\xff";

    log_add_safe(&out, text, sizeof text - 1);
    cr_expect_str_eq(out.p, "\033[1;31mred\033[0m^M\n^[[2J^[]0;title^G^@?");
}

Test(render, fields_leave_out_what_is_null)
{
    BF_CLEANUP(str_release) struct str out = STR_INIT;
    json_t *r = json_pack("{s:i, s:n, s:s}", "id", 7, "state", "name", "hmi");

    render_fields(r, columns, &piped, &out);
    cr_expect_str_eq(out.p, "ID:     7\nNAME:   hmi\n");
    json_decref(r);
}

Test(render, times)
{
    static const struct {
        const char *text;
        int64_t at;
    } good[] = {{"2023-11-14T22:13:20Z", 1700000000},
                {"2023-11-14T22:13:20.123456+00:00", 1700000000},
                {"2023-11-15 00:13:20+02", 1700000000},
                {"2023-11-14T16:43:20-05:30", 1700000000}};
    static const char *const bad[] = {"",
                                      "yesterday",
                                      "2023-11-14",
                                      "2023-11-14T22:13:20",
                                      "2023-11-14T22:13:20+xx",
                                      "2023-11-14T22:13:20+02:00x"};
    int64_t at;

    for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
        cr_assert(time_parse(good[i].text, &at) == 0, "%s", good[i].text);
        cr_expect_eq(at, good[i].at, "%s", good[i].text);
    }
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        cr_expect(time_parse(bad[i], &at) == -1, "%s", bad[i]);
}

Test(render, ages)
{
    static const struct {
        int64_t s;
        const char *text;
    } ages[] = {{-5, "0s"}, {99, "99s"}, {100, "1m"}, {5999, "99m"}, {6000, "1h"}, {200000, "2d"}};

    for (size_t i = 0; i < ARRAY_SIZE(ages); i++) {
        BF_CLEANUP(str_release) struct str out = STR_INIT;

        age_add(&out, ages[i].s);
        cr_expect_str_eq(out.p, ages[i].text);
    }
}
