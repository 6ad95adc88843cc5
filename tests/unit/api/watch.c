/* watch.h on a real loop. */
#include "scheduler/api/watch.h"
#include <criterion/criterion.h>

static struct {
    struct watch *watch;
    struct watcher a, b;
    int woken_a, woken_b;
    bool remove_b;
} t;

static void wake_a(struct watcher *w)
{
    (void)w;
    t.woken_a++;
    if (t.remove_b)
        watch_del(&t.b);
}

static void wake_b(struct watcher *w)
{
    (void)w;
    t.woken_b++;
}

static void setup(void)
{
    t.watch = watch_new(uv_default_loop());
    t.a = (struct watcher){.channel = CHANNEL_LOG, .wake = wake_a, .poll = 3600 * BF_SEC};
    t.b = (struct watcher){.channel = CHANNEL_CHANGE, .wake = wake_b, .poll = 3600 * BF_SEC};
    list_init(&t.a.link);
    list_init(&t.b.link);
}

/* The owner removes what is left, as the program does when it is woken to stop. */
static void teardown(void)
{
    watch_close(t.watch);
    watch_del(&t.a);
    watch_del(&t.b);
    uv_run(uv_default_loop(), UV_RUN_DEFAULT);
    cr_expect_eq(uv_loop_close(uv_default_loop()), 0);
}

TestSuite(watch, .init = setup, .fini = teardown);

Test(watch, channel_and_key_decide)
{
    t.a.key[0] = 'x';
    watch_add(t.watch, &t.a);
    watch_add(t.watch, &t.b);
    watch_notify(t.watch, CHANNEL_LOG, "y");
    cr_expect(t.woken_a == 0 && t.woken_b == 0);
    watch_notify(t.watch, CHANNEL_LOG, "x");
    cr_expect(t.woken_a == 1 && t.woken_b == 0);
    watch_notify(t.watch, CHANNEL_CHANGE, "jobs");
    cr_expect(t.woken_a == 1 && t.woken_b == 1);
    watch_notify(t.watch, NULL, NULL);
    cr_expect(t.woken_a == 2 && t.woken_b == 2);
}

Test(watch, a_woken_one_may_remove_another)
{
    t.remove_b = true;
    watch_add(t.watch, &t.a);
    watch_add(t.watch, &t.b);
    watch_notify(t.watch, NULL, NULL);
    cr_expect(t.woken_a == 1 && t.woken_b == 0);
    cr_expect(list_is_empty(&t.b.link));
}

Test(watch, changes_are_counted)
{
    int64_t before = watch_changes(t.watch);

    watch_notify(t.watch, CHANNEL_LOG, "x");
    cr_expect_eq(watch_changes(t.watch), before);
    watch_notify(t.watch, CHANNEL_CHANGE, "jobs");
    cr_expect_neq(watch_changes(t.watch), before);
}

Test(watch, the_poll_wakes_without_a_notification)
{
    t.a.poll = BF_MSEC;
    watch_add(t.watch, &t.a);
    while (t.woken_a < 2)
        uv_run(uv_default_loop(), UV_RUN_ONCE);
    watch_del(&t.a);
}
