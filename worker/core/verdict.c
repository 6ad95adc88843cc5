#include "worker/core/verdict.h"

static void say(struct verdict *v, enum blame blame, const char *fmt, ...) BF_PRINTF(3, 4);
static void say(struct verdict *v, enum blame blame, const char *fmt, ...)
{
    va_list ap;
    v->blame = blame;
    va_start(ap, fmt);
    str_addv(&v->message, fmt, ap);
    va_end(ap);
}

static void add_units(struct verdict *v, const struct tap *t)
{
    vec_for_each (i, &t->pending)
        str_addf(&v->message, "%s%s", i == 0 ? "; waiting for " : ", ", t->pending.v[i]);
}

/* The first script that is to blame; one that overran comes before one that only failed after. */
static void judge_tests(const struct tap *t, struct verdict *v)
{
    vec_for_each (i, &t->tests) {
        const struct tap_test *test = &t->tests.v[i];
        switch (test->result) {
        case TAP_OK:
        case TAP_SKIP:
            continue;
        case TAP_NOT_OK:
            say(v, BLAME_SCRIPT_FAILED, "%s: %s", test->name, test->message);
            return;
        case TAP_TIMEOUT:
            say(v, BLAME_TEST_TIMEOUT, "%s: %s", test->name, test->message);
            return;
        }
    }
    if (t->planned != (int64_t)t->tests.n)
        say(v, BLAME_GUEST_ENDED, "the guest announced %lld results and gave %zu",
            (long long)t->planned, t->tests.n);
}

static void judge_ended(const struct tap *t, struct verdict *v)
{
    if (t->exit_status == 0) {
        judge_tests(t, v);
        return;
    }
    say(v, BLAME_NOT_SETTLED, "%s",
        t->not_ready != NULL ? t->not_ready : "the system did not get ready");
    add_units(v, t);
}

static void judge_stopped(const struct tap *t, int64_t limit, struct verdict *v)
{
    if (t->ready) {
        say(v, BLAME_TEST_TIMEOUT, "%s was still running after %lld s",
            t->running != NULL ? t->running : "a script", (long long)limit);
        return;
    }
    say(v, BLAME_NOT_SETTLED, "not ready after %lld s: %s", (long long)limit,
        t->up ? "the system was still starting" : "systemd had not come as far as the test's unit");
}

void verdict_of(const struct tap *t, const struct console *c, enum vm_end end, const char *problem,
                int64_t limit, struct verdict *out)
{
    *out = (struct verdict){.message = STR_INIT};
    if (t->ended)
        judge_ended(t, out);
    else if (c->panic != NULL)
        say(out, BLAME_GUEST_PANIC, "%s", c->panic);
    else if (t->init_failed != NULL)
        say(out, BLAME_VM_FAILED, "%s", t->init_failed);
    else if (end == VM_BROKEN)
        say(out, BLAME_VM_FAILED, "%s", problem);
    else if (end == VM_STOPPED)
        judge_stopped(t, limit, out);
    else
        say(out, BLAME_GUEST_ENDED, "the guest powered off or rebooted %s",
            t->running != NULL ? "during a script"
            : t->ready         ? "after it was ready"
                               : "before it was ready");
}
