#include "common/loop/proc.h"

struct collect {
    struct str *out, *err;
    size_t max;
    struct proc_exit how;
};

static void add(struct str *s, size_t max, const char *p, size_t n)
{
    if (s)
        str_addmem(s, p, n < max - s->len ? n : max - s->len);
}

static void on_out(void *arg, const char *p, size_t n)
{
    struct collect *c = arg;

    add(c->out, c->max, p, n);
}

static void on_err(void *arg, const char *p, size_t n)
{
    struct collect *c = arg;

    add(c->err, c->max, p, n);
}

static void on_exit_(void *arg, struct proc_exit how)
{
    struct collect *c = arg;

    c->how = how;
}

int proc_run(const struct proc_spec *spec, struct str *out, struct str *err_out, size_t max,
             struct proc_exit *how, struct err *e)
{
    struct collect c = {.out = out, .err = err_out, .max = max};
    struct proc_spec own = *spec;
    struct proc *p;
    uv_loop_t loop;
    int rc;

    BUG_ON((out && out->len > max) || (err_out && err_out->len > max));
    if ((rc = uv_loop_init(&loop)) < 0)
        return err_set(e, ERR_SYSTEM, "cannot make an event loop: %s", uv_strerror(rc));
    own.arg = &c;
    own.on_out = out ? on_out : NULL;
    own.on_err = err_out ? on_err : NULL;
    own.on_exit = on_exit_;
    rc = proc_spawn(&loop, &own, &p, e);
    uv_run(&loop, UV_RUN_DEFAULT);
    BUG_ON(uv_loop_close(&loop) != 0);
    if (rc < 0)
        return -1;
    *how = c.how;
    if (how->end == PROC_TIMEOUT || how->end == PROC_SILENCE)
        return err_set(e, ERR_TEMPORARY, "%s was stopped: %s", spec->argv[0],
                       how->end == PROC_TIMEOUT ? "it ran longer than its time limit"
                                                : "it was silent longer than its limit");
    return 0;
}
