/* executor_fake.c - the twin of every executor: the same order and result, no tool.
 *
 * It lets the daemon and the scheduler be tested end to end in milliseconds. Its work is to wait on
 * a timer; SIGTERM ends the wait. */
#include "common/base/hash.h"
#include "worker/exec/executor.h"
#include "worker/exec/run.h"
#include <stdio.h>

/* The digest is a function of the inputs, as a reproducible build's would be. */
static void digest_of(const char *text, char out[static DIGEST_TEXT])
{
    struct sha256 d;
    struct span part = {text, strlen(text)};
    hash_openssl(&part, 1, &d);
    digest_format(&d, out);
}

static bool work(struct exec *x, struct result *r)
{
    const struct fake_order *f = &x->order->fake;
    exec_phase(x, "fake");
    for (int64_t i = 1; i <= f->lines; i++)
        exec_say(x, "fake %s line %lld", order_kind_name(x->order->kind), (long long)i);
    exec_sleep(x, f->sleep);
    if (x->cancelled)
        return false;
    if (f->succeeds)
        return true;
    r->fake_class = f->class;
    r->fake_code = f->code;
    result_fail(r, BLAME_EXECUTOR_DIED, "%s", f->message);
    return false;
}

void executor_fake_build(struct exec *x, struct result *r)
{
    const char *key = x->order->input_key != NULL ? x->order->input_key : x->order->image;
    if (work(x, r))
        digest_of(key, r->digest);
}

void executor_fake_test(struct exec *x, struct result *r)
{
    const struct test_order *t = &x->order->test;
    if (!work(x, r))
        return;
    if (!t->local)
        snprintf(r->digest, sizeof r->digest, "%s", strchr(t->source, '@') + 1);
    json_t *tests = json_array();
    for (strings s = t->names; *s != NULL; s++)
        json_array_append_new(tests,
                              json_pack("{ssssss}", "name", *s, "result", "ok", "message", ""));
    json_object_set_new(r->detail, "tests", tests);
}

void executor_fake_publish(struct exec *x, struct result *r)
{
    if (work(x, r))
        snprintf(r->digest, sizeof r->digest, "%s", x->order->publish.digest);
}

void executor_fake_mirror(struct exec *x, struct result *r)
{
    executor_fake_publish(x, r);
}
