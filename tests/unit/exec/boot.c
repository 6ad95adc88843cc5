/* What a guest says and shows, and the verdict on it: a scenario per row of the table of blame. */
#include "worker/core/modules.h"
#include "worker/core/verdict.h"
#include <criterion/criterion.h>

struct scenario {
    const char *results, *console;
    enum vm_end end;
    enum blame blame;
    const char *message; /* a part of it */
};

#define UP "TAP version 13\n# bf-up\n# bf-state running\n# bf-ready\n"

static const struct scenario scenarios[] = {
    {UP "# bf-run a\n# > hello\nok 1 - a # ms=12\n1..1\n# bf-exit 0\n", "", VM_OFF, BLAME_NONE, ""},
    {UP "1..0\n# bf-exit 0\n", "", VM_OFF, BLAME_NONE, ""},
    {UP "# bf-run a\n# > why\nnot ok 1 - a # ms=1 exit=3\nok 2 - b # ms=1\n1..2\n# bf-exit 0\n", "",
     VM_OFF, BLAME_SCRIPT_FAILED, "a: exit status 3: why"},
    {UP "not ok 1 - a # ms=9000 TIMEOUT after 9 s\n1..1\n# bf-exit 0\n", "", VM_OFF,
     BLAME_TEST_TIMEOUT, "a: timed out after 9 s"},
    {"# bf-up\n# bf-state starting\n# bf-pending x.service start running\n# bf-not-ready still "
     "starting\n"
     "# bf-exit 3\n",
     "", VM_OFF, BLAME_NOT_SETTLED, "still starting; waiting for x.service start running"},
    {UP "# bf-run a\n", "", VM_STOPPED, BLAME_TEST_TIMEOUT, "a was still running"},
    {"# bf-up\n", "", VM_STOPPED, BLAME_NOT_SETTLED, "still starting"},
    {"", "nothing yet", VM_STOPPED, BLAME_NOT_SETTLED, "not come as far"},
    {"", "[ 1.0] Kernel panic - not syncing: Attempted to kill init!\n", VM_OFF, BLAME_GUEST_PANIC,
     "Kernel panic - not syncing: Attempted"},
    {UP "# bf-run a\n", "Kernel panic - not syncing: sysrq\n", VM_STOPPED, BLAME_GUEST_PANIC,
     "sysrq"},
    {UP "# bf-run a\n", "", VM_OFF, BLAME_GUEST_ENDED, "during a script"},
    {"", "", VM_OFF, BLAME_GUEST_ENDED, "before it was ready"},
    /* results that were announced and did not come */
    {UP "ok 1 - a # ms=1\n1..2\n# bf-exit 0\n", "", VM_OFF, BLAME_GUEST_ENDED, "announced 2"},
    {UP "# bf-exit 0\n", "", VM_OFF, BLAME_GUEST_ENDED, "announced -1"},
    {"", "", VM_BROKEN, BLAME_VM_FAILED, "exit status 1"},
    {"# bf-init-failed cannot mount /dev/nvme0n1\n", "", VM_OFF, BLAME_VM_FAILED, "cannot mount"},
    /* the last line was said; how the machine ended afterwards does not matter */
    {UP "1..0\n# bf-exit 0\n", "Kernel panic - not syncing\n", VM_BROKEN, BLAME_NONE, ""},
    /* what a script prints is marked and cannot be a result or the end */
    {UP "# bf-run a\n# > # bf-exit 0\n# > ok 1 - a # ms=1\n", "", VM_OFF, BLAME_GUEST_ENDED,
     "during"},
};

static void ignore(void *arg, char *line)
{
    (void)arg;
    (void)line;
}

static enum blame judge(const struct scenario *s, struct str *message)
{
    struct tap t;
    struct console c;
    struct verdict v;
    tap_init(&t);
    console_init(&c, NULL, 1000);
    tap_feed(&t, s->results, strlen(s->results), NULL, NULL);
    console_feed(&c, s->console, strlen(s->console), ignore, NULL);
    console_end(&c, ignore, NULL);
    verdict_of(&t, &c, s->end, "qemu: exit status 1", 60, &v);
    *message = v.message;
    tap_release(&t);
    console_release(&c);
    return v.blame;
}

Test(verdict, rows)
{
    for (size_t i = 0; i < ARRAY_SIZE(scenarios); i++) {
        struct str message;
        enum blame b = judge(&scenarios[i], &message);
        cr_expect(b == scenarios[i].blame, "%zu: %s, expected %s", i, blame_code(b),
                  blame_code(scenarios[i].blame));
        cr_expect(strstr(message.p, scenarios[i].message) != NULL, "%zu: '%s' has no '%s'", i,
                  message.p, scenarios[i].message);
        str_release(&message);
    }
}

Test(tap, results_in_every_cut)
{
    static const char text[] =
        UP "# bf-failed a.service\nok 1 - tests/a b.sh # ms=340\r\nok 2 - c # ms=5 SKIP\n"
           "not ok 3 - d # ms=7 exit=9\n1..3\n# bf-exit 0\nok 4 - after # ms=1\n";
    for (size_t piece = 1; piece < 50; piece += 7) {
        struct tap t;
        tap_init(&t);
        for (size_t i = 0, n; i < sizeof text - 1; i += n) {
            n = sizeof text - 1 - i < piece ? sizeof text - 1 - i : piece;
            tap_feed(&t, text + i, n, NULL, NULL);
        }
        cr_assert(t.tests.n == 3 && t.ended && t.ready && t.planned == 3);
        cr_assert_str_eq(t.tests.v[0].name, "tests/a b.sh");
        cr_assert(t.tests.v[0].ms == 340 && t.tests.v[0].result == TAP_OK);
        cr_assert(t.tests.v[1].result == TAP_SKIP);
        cr_assert_str_eq(t.tests.v[2].message, "exit status 9");
        cr_assert_str_eq(t.state, "running");
        cr_assert(t.failed.n == 1);
        tap_release(&t);
    }
}

Test(tap, a_flood_is_bounded)
{
    struct tap t;
    tap_init(&t);
    for (int i = 0; i < 5000; i++) {
        static const char line[] = "ok 1 - x # ms=1\n# bf-pending u\n# bf-failed u\n# bf-run y\n";
        tap_feed(&t, line, strlen(line), NULL, NULL);
    }
    cr_assert(t.tests.n == TAP_MAX_TESTS && t.pending.n == TAP_MAX_UNITS &&
              t.failed.n == TAP_MAX_UNITS);
    tap_release(&t);
}

static void count(void *arg, char *line)
{
    (void)line;
    ++*(size_t *)arg;
}

Test(console, pattern_without_end_of_line_and_a_flood)
{
    struct console c;
    size_t lines = 0;
    console_init(&c, "login:", 100);
    console_feed(&c, "host log", 8, count, &lines);
    cr_assert(!c.seen);
    console_feed(&c, "in: ", 4, count, &lines);
    cr_assert(c.seen && lines == 0);
    for (int i = 0; i < 1000; i++)
        console_feed(&c, "0123456789\n", 11, count, &lines);
    cr_assert(c.flooded && lines < 12, "%zu", lines);
    console_feed(&c, "Kernel panic - not syncing: late\n", 33, count, &lines);
    cr_assert_str_eq(c.panic, "Kernel panic - not syncing: late");
    console_release(&c);
}

static const char builtin[] = "kernel/fs/ext4/ext4.ko\nkernel/drivers/nvme/host/nvme-core.ko\n"
                              "kernel/drivers/nvme/host/nvme.ko\n";
static const char dep[] =
    "kernel/drivers/virtio/virtio.ko:\nkernel/drivers/virtio/virtio_ring.ko:\n"
    "kernel/drivers/virtio/virtio_pci.ko: kernel/drivers/virtio/virtio.ko "
    "kernel/drivers/virtio/virtio_ring.ko\n"
    "kernel/drivers/block/virtio_blk.ko: kernel/drivers/virtio/virtio.ko "
    "kernel/drivers/virtio/virtio_ring.ko\n"
    "kernel/drivers/nvme/host/nvme.ko.xz: kernel/drivers/nvme/host/nvme-core.ko.xz\n"
    "kernel/drivers/nvme/host/nvme-core.ko.xz:\n";

Test(modules, built_in_drivers_need_nothing)
{
    struct module_plan p;
    modules_plan(builtin, dep, DRIVER_NONE, &p);
    cr_assert(p.driver == DRIVER_NVME && p.load.list.n == 0);
    module_plan_release(&p);
}

Test(modules, dependencies_come_first_and_once)
{
    static const char *const expected[] = {
        "kernel/drivers/virtio/virtio_ring.ko", "kernel/drivers/virtio/virtio.ko",
        "kernel/drivers/virtio/virtio_pci.ko", "kernel/drivers/block/virtio_blk.ko"};
    struct module_plan p;
    modules_plan(builtin, dep, DRIVER_VIRTIO, &p);
    cr_assert(p.driver == DRIVER_VIRTIO && p.load.list.n == ARRAY_SIZE(expected));
    for (size_t i = 0; i < ARRAY_SIZE(expected); i++)
        cr_expect_str_eq(p.load.list.v[i], expected[i]);
    module_plan_release(&p);
}

Test(modules, modules_where_nothing_is_built_in)
{
    struct module_plan p;
    modules_plan("kernel/fs/ext4/ext4.ko\n", dep, DRIVER_NONE, &p);
    cr_assert(p.driver == DRIVER_NVME && p.load.list.n == 2);
    cr_expect_str_eq(p.load.list.v[0], "kernel/drivers/nvme/host/nvme-core.ko.xz");
    cr_expect_str_eq(p.load.list.v[1], "kernel/drivers/nvme/host/nvme.ko.xz");
    module_plan_release(&p);
    modules_plan("", "", DRIVER_NONE, &p);
    cr_assert(p.driver == DRIVER_NONE);
    module_plan_release(&p);
    modules_plan("kernel/drivers/nvme/host/nvme.ko\n", "", DRIVER_NONE, &p);
    cr_assert(p.driver == DRIVER_NONE, "no ext4");
    module_plan_release(&p);
}
