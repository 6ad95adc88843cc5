#include "tests/io/common/child.h"
#include "common/loop/file.h"
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

static void maybe_act(struct run *r)
{
    if (r->act && strstr(r->out.p, r->act_on)) {
        void (*act)(struct run *) = r->act;
        r->act = NULL;
        act(r);
    }
}

void run_on_out(void *arg, const char *p, size_t n)
{
    struct run *r = arg;

    cr_assert(r->exits == 0);
    str_addmem(&r->out, p, n);
    maybe_act(r);
}

static void on_err(void *arg, const char *p, size_t n)
{
    str_addmem(&((struct run *)arg)->err, p, n);
}

void run_on_exit(void *arg, struct proc_exit how)
{
    struct run *r = arg;

    r->exits++;
    r->how = how;
}

void run_init(struct run *r)
{
    *r = (struct run){.out = STR_INIT, .err = STR_INIT, .extra = STR_INIT};
    cr_assert(uv_loop_init(&r->loop) == 0);
}

void run_release(struct run *r)
{
    cr_expect(uv_loop_close(&r->loop) == 0, "a handle is still open");
    str_release(&r->out);
    str_release(&r->err);
    str_release(&r->extra);
}

void run_spawn(struct run *r, struct proc_spec spec)
{
    struct err e = ERR_INIT;

    spec.on_out = run_on_out;
    spec.on_err = spec.merge_err ? NULL : on_err;
    spec.on_exit = run_on_exit;
    spec.arg = r;
    cr_assert(proc_spawn(&r->loop, &spec, &r->proc, &e) == 0, "%s", e.msg);
}

void run_finish(struct run *r)
{
    while (r->exits == 0)
        cr_assert(uv_run(&r->loop, UV_RUN_ONCE) != 0 || r->exits > 0, "nothing left to wait for");
    cr_expect(r->exits == 1);
}

void run_shell(struct run *r, const char *script, struct proc_spec spec)
{
    const char *argv[] = {"sh", "-c", script, NULL};

    spec.argv = argv;
    run_spawn(r, spec);
}

void run_expect(const struct run *r, enum proc_end end, int status)
{
    cr_expect(r->how.end == end && r->how.status == status, "ended %d with %d", r->how.end,
              r->how.status);
}

bool is_gone(pid_t pid)
{
    char path[64];
    struct str s = STR_INIT;
    bool gone;

    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    gone = file_read(path, 4096, &s, NULL) < 0 || strstr(s.p, ") Z ") != NULL;
    str_release(&s);
    return gone;
}

pid_t number_after(const struct run *r, const char *label)
{
    const char *p = strstr(r->out.p, label);

    cr_assert(p, "no \"%s\" in \"%s\"", label, r->out.p);
    return (pid_t)strtol(p + strlen(label), NULL, 10);
}
