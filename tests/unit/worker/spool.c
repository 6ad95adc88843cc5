#include "worker/spool.h"
#include "common/base/mem.h"
#include "tests/unit/worker/tmp.h"
#include <criterion/criterion.h>
#include <stdio.h>

static struct err e;
static const struct spool_caps small = {.head = 100, .tail = 40, .total = 10000};

static struct spools *open_all(const struct tmp *t, const struct spool_caps *caps)
{
    struct spools *s;
    cr_assert_eq(spools_open(tmp_path(t, "spool"), caps, &s, &e), 0, "%s", e.msg);
    return s;
}

static struct spool *create(struct spools *s, unsigned n, struct redact *secrets)
{
    struct spool *sp;
    cr_assert_eq(spool_create(s, tmp_id(n), secrets, &sp, &e), 0, "%s", e.msg);
    return sp;
}

/* Everything that can be read, gaps written as "<n>". */
static char *contents(const struct spool *sp)
{
    struct str out = STR_INIT;
    uint64_t at = 0, start, n, gap;
    for (;; at = start + n) {
        char buf[4096];
        spool_peek(sp, at, &start, &n, &gap);
        if (n == 0)
            return str_steal(&out);
        if (gap > 0)
            str_addf(&out, "<%llu>", (unsigned long long)gap);
        cr_assert_leq(n, sizeof buf);
        cr_assert_eq(spool_read(sp, start, buf, (size_t)n, &e), 0, "%s", e.msg);
        str_addmem(&out, buf, (size_t)n);
    }
}

static void expect_contents(const struct spool *sp, const char *expect)
{
    char *got = contents(sp);
    cr_expect_str_eq(got, expect);
    free(got);
}

Test(spool, short_log)
{
    struct tmp t;
    tmp_make(&t);
    struct spools *s = open_all(&t, &small);
    struct spool *sp = create(s, 1, NULL);
    spool_write(sp, "hello ", 6);
    spool_note(sp, "killed: %s", "no longer wanted");
    expect_contents(sp, "hello bootfarm-worker: killed: no longer wanted\n"); /* live */
    spool_end(sp);
    cr_expect_eq(spool_length(sp), 48);
    cr_expect_eq(spools_bytes(s), 48);
    spool_remove(sp);
    cr_expect_eq(spools_bytes(s), 0);
    cr_expect_null(spools_next(s, NULL));
    spools_close(s);
    tmp_remove(&t);
}

Test(spool, head_and_tail_are_kept_and_the_gap_is_told)
{
    struct tmp t;
    tmp_make(&t);
    struct spools *s = open_all(&t, &small);
    struct spool *sp = create(s, 1, NULL);
    char line[16];
    for (int i = 0; i < 1000; i++) {
        snprintf(line, sizeof line, "line %04d\n", i);
        spool_write(sp, line, 10);
    }
    cr_expect_eq(spool_length(sp), 10000);
    cr_expect_leq(spools_bytes(s), 100 + 40 + 2 * 21);
    uint64_t start, n, gap;
    spool_peek(sp, 100, &start, &n, &gap);
    cr_expect_eq(n, 0, "the tail is not settled while it is written");
    spool_end(sp);
    char *got = contents(sp);
    cr_expect(strncmp(got, "line 0000\n", 10) == 0);
    cr_expect_not_null(strstr(got, "line 0009\n<"));
    size_t len = strlen(got);
    cr_expect_str_eq(got + len - 10, "line 0999\n");
    spool_peek(sp, 100, &start, &n, &gap);
    cr_expect_eq(start, 100 + gap);
    cr_expect_geq(10000 - start, 40);
    free(got);
    spools_close(s);
    tmp_remove(&t);
}

Test(spool, a_restart_finds_everything)
{
    struct tmp t;
    tmp_make(&t);
    struct spools *s = open_all(&t, &small);
    struct spool *sp = create(s, 1, NULL), *other = create(s, 2, NULL);
    for (int i = 0; i < 50; i++)
        spool_write(sp, "0123456789", 10);
    spool_write(other, "x", 1);
    spool_end(other);
    uint64_t bytes = spools_bytes(s), length = spool_length(sp);
    spool_end(sp);
    char *before = contents(sp);
    spools_close(
        s); /* without a clean end of the process it is the same: no file is written there */

    s = open_all(&t, &small);
    cr_expect_eq(spools_bytes(s), bytes);
    size_t found = 0;
    for (struct spool *p = spools_next(s, NULL); p != NULL; p = spools_next(s, p)) {
        found++;
        cr_expect(spool_ended(p));
        if (!id128_eq(spool_id(p), tmp_id(1)))
            continue;
        cr_expect_eq(spool_length(p), length);
        expect_contents(p, before);
    }
    cr_expect_eq(found, 2);
    free(before);
    cr_expect_eq(spool_create(s, tmp_id(1), NULL, &sp, &e), -1, "an attempt has one log");
    spools_close(s);
    tmp_remove(&t);
}

Test(spool, a_full_disk_makes_a_gap)
{
    struct tmp t;
    tmp_make(&t);
    struct spools *s = open_all(&t, &small);
    struct spool *sp = create(s, 1, NULL);
    spool_write(sp, "before ", 7);
    spools_set_room(s, false);
    spool_write(sp, "lost", 4);
    spools_set_room(s, true);
    spool_write(sp, "after", 5);
    spool_end(sp);
    expect_contents(sp, "before <4>after");
    cr_expect_eq(spool_length(sp), 16);
    spools_close(s);
    tmp_remove(&t);
}

Test(spool, the_oldest_ended_logs_go_when_all_are_too_much)
{
    struct tmp t;
    const struct spool_caps caps = {.head = 100, .tail = 40, .total = 150};
    tmp_make(&t);
    struct spools *s = open_all(&t, &caps);
    struct spool *a = create(s, 1, NULL), *b = create(s, 2, NULL);
    char x[80];
    memset(x, 'x', sizeof x);
    spool_write(a, x, sizeof x);
    spool_write(b, x, sizeof x);
    cr_expect_eq(spools_bytes(s), 160, "logs that are being written are left alone");
    spool_end(a);
    cr_expect_eq(spools_bytes(s), 80);
    cr_expect_eq(spool_length(a), 80, "its length is still known");
    expect_contents(a, "");
    spool_end(b);
    spools_close(s);
    tmp_remove(&t);
}

Test(spool, secrets_do_not_reach_the_disk)
{
    struct tmp t;
    struct redact r;
    tmp_make(&t);
    redact_init(&r);
    redact_learn(&r, "hunter2-hunter2", 15);
    struct spools *s = open_all(&t, &small);
    struct spool *sp = create(s, 1, &r);
    const char text[] = "password=hunter2-hunter2, again hunter2-hunt";
    for (size_t i = 0; i < sizeof text - 1; i++)
        spool_write(sp, text + i, 1);
    char *live = contents(sp);
    cr_expect_null(strstr(live, "hunter2-hunter2"));
    cr_expect_null(strstr(live, "hunter2-hunt"), "the beginning of one is held back");
    free(live);
    spool_end(sp);
    expect_contents(sp, "password=******, again hunter2-hunt");
    redact_release(&r);
    spools_close(s);
    tmp_remove(&t);
}

Test(spool, foreign_files_are_left_alone)
{
    struct tmp t;
    tmp_make(&t);
    struct spools *s = open_all(&t, &small);
    struct spool *sp = create(s, 1, NULL);
    spool_write(sp, "abc", 3);
    spool_end(sp);
    spools_close(s);
    char id[ID128_TEXT], name[100];
    id128_format(tmp_id(1), id);
    snprintf(name, sizeof name, "spool/%s/notes.txt", id);
    tmp_write(&t, name, "hello", 5);
    snprintf(name, sizeof name, "spool/%s/%020d", id, 1); /* overlaps the head */
    tmp_write(&t, name, "hello", 5);
    tmp_write(&t, "spool/README", "hello", 5);
    s = open_all(&t, &small);
    expect_contents(spools_next(s, NULL), "abc");
    spools_close(s);
    tmp_remove(&t);
}
