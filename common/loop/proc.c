/* The pipes and a pidfd on the loop, three timers. A proc is born in proc_spawn, ends when the
 * pidfd says so and the pipes are drained, and dies with the close callback of its last handle. */
#include "common/loop/proc.h"
#include "common/base/list.h"
#include "common/base/mem.h"
#include "common/loop/cgroup.h"
#include "common/loop/proc_init.h"
#include "common/loop/proc_start.h"
#include <errno.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define DEFAULT_GRACE (10 * BF_SEC)

typedef void output_cb(void *arg, const char *p, size_t n);

struct stream {
    uv_poll_t poll;
    struct proc *proc;
    output_cb *cb;
    int fd; /* -1: closed */
};

struct proc {
    uv_loop_t *loop;
    pid_t pid;
    int init_fd;    /* pidfd of the init process */
    int reports_fd; /* its last report */
    struct cgroup cgroup;
    struct stream out, err, extra;
    uv_poll_t init_poll;
    uv_timer_t wall, silence, grace;
    unsigned handles; /* not yet closed */
    bool paused;
    bool ended;   /* the init process is reaped */
    bool closing; /* nothing is left but close callbacks */
    bool doomed;  /* somebody killed it; how.end says why */
    bf_time silence_limit, grace_limit;
    struct proc_exit how;
    void (*on_exit)(void *arg, struct proc_exit how);
    void *arg;
};

static int pidfd_of(pid_t pid)
{
    return (int)syscall(SYS_pidfd_open, pid, 0);
}

/* By descriptor, so that a recycled pid is never hit. */
static void tell_init(const struct proc *p, int sig)
{
    if (!p->ended)
        syscall(SYS_pidfd_send_signal, p->init_fd, sig, NULL, 0);
}

static void on_closed(uv_handle_t *handle)
{
    struct proc *p = handle->data;

    if (--p->handles > 0)
        return;
    cgroup_remove(&p->cgroup);
    p->on_exit(p->arg, p->how);
    free(p);
}

static void close_handle(uv_handle_t *handle)
{
    uv_close(handle, on_closed);
}

static void close_stream(struct stream *s)
{
    if (s->fd < 0)
        return;
    close_handle((uv_handle_t *)&s->poll);
    close(s->fd);
    s->fd = -1;
}

static void finish_if_done(struct proc *p)
{
    if (!p->ended || p->out.fd >= 0 || p->err.fd >= 0 || p->extra.fd >= 0 || p->closing)
        return;
    p->closing = true;
    close_handle((uv_handle_t *)&p->wall);
    close_handle((uv_handle_t *)&p->silence);
    close_handle((uv_handle_t *)&p->grace);
}

static uint64_t to_ms(bf_time t)
{
    return (uint64_t)((t + BF_MSEC - 1) / BF_MSEC);
}

static void arm(struct proc *p, uv_timer_t *timer, bf_time after, uv_timer_cb cb)
{
    uv_update_time(p->loop);
    BUG_ON(uv_timer_start(timer, cb, to_ms(after), 0) != 0);
}

static void on_grace_over(uv_timer_t *timer)
{
    tell_init(timer->data, INIT_KILL);
}

/* The first reason counts; one that comes after the end does not. */
static void doom(struct proc *p, enum proc_end why)
{
    if (p->ended || p->doomed)
        return;
    p->doomed = true;
    p->how.end = why;
}

static void terminate(struct proc *p, enum proc_end why)
{
    bool first = !p->doomed && !p->ended;

    doom(p, why);
    if (!first)
        return;
    tell_init(p, INIT_TERMINATE);
    arm(p, &p->grace, p->grace_limit, on_grace_over);
}

static void on_wall(uv_timer_t *timer)
{
    terminate(timer->data, PROC_TIMEOUT);
}

static void on_silence(uv_timer_t *timer)
{
    terminate(timer->data, PROC_SILENCE);
}

static void note_output(struct proc *p)
{
    if (p->silence_limit > 0 && !p->paused && !p->ended)
        arm(p, &p->silence, p->silence_limit, on_silence);
}

/* Reads what is there. Ends at the end of the pipe; when the process has ended, also where nothing
 * is left in it: whoever may still hold the other side is a stranger. */
static void drain(struct stream *s, unsigned reads)
{
    char buf[64 * 1024];

    while (s->fd >= 0 && !s->proc->paused && reads-- > 0) {
        ssize_t n = read(s->fd, buf, sizeof buf);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN && !s->proc->ended)
            return;
        if (n <= 0) {
            close_stream(s);
            return;
        }
        note_output(s->proc);
        s->cb(s->proc->arg, buf, (size_t)n);
    }
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    struct stream *s = container_of(poll, struct stream, poll);

    (void)status;
    (void)events;
    drain(s, 4); /* then it is somebody else's turn */
    finish_if_done(s->proc);
}

static void drain_rest(struct proc *p)
{
    drain(&p->out, UINT_MAX);
    drain(&p->err, UINT_MAX);
    drain(&p->extra, UINT_MAX);
    finish_if_done(p);
}

static void on_resume(uv_timer_t *timer)
{
    drain_rest(timer->data);
}

/* Without a report the init process itself was killed; then all there is left of the child is the
 * cgroup, which on_closed() clears. */
static void read_end(struct proc *p)
{
    struct init_report r = {.event = INIT_SIGNALLED, .value = SIGKILL};
    bool signalled;

    if (read(p->reports_fd, &r, sizeof r) != (ssize_t)sizeof r)
        r = (struct init_report){.event = INIT_SIGNALLED, .value = SIGKILL};
    signalled = r.event == INIT_SIGNALLED;
    p->how.status = r.value;
    if (!p->doomed)
        p->how.end = signalled ? PROC_SIGNALLED : PROC_EXITED;
}

static void on_init_ended(uv_poll_t *poll, int status, int events)
{
    struct proc *p = poll->data;
    siginfo_t info;

    (void)status;
    (void)events;
    info.si_pid = 0;
    if (waitid(P_PIDFD, (id_t)p->init_fd, &info, WEXITED | WNOHANG) == 0 && info.si_pid == 0)
        return;
    read_end(p);
    p->ended = true;
    close_handle((uv_handle_t *)poll);
    close(p->init_fd);
    close(p->reports_fd);
    uv_timer_stop(&p->wall);
    uv_timer_stop(&p->silence);
    uv_timer_stop(&p->grace);
    drain_rest(p);
}

/* What epoll refuses for a descriptor in hand is a lack of kernel memory: as for any other. */
static void watch(struct proc *p, uv_poll_t *poll, int fd, uv_poll_cb cb)
{
    if (uv_poll_init(p->loop, poll, fd) != 0 || uv_poll_start(poll, UV_READABLE, cb) != 0)
        BUG("cannot watch descriptor %d", fd);
    poll->data = p;
    p->handles++;
}

static void add_stream(struct proc *p, struct stream *s, int fd, output_cb *cb)
{
    *s = (struct stream){.proc = p, .cb = cb, .fd = fd};
    if (fd >= 0)
        watch(p, &s->poll, fd, on_readable);
}

static void add_timer(struct proc *p, uv_timer_t *timer)
{
    uv_timer_init(p->loop, timer);
    timer->data = p;
    p->handles++;
}

static struct proc *proc_new(uv_loop_t *loop, const struct proc_spec *spec,
                             const struct started *run)
{
    struct proc *p = xcalloc(1, sizeof *p);

    p->loop = loop;
    p->pid = run->pid;
    p->init_fd = run->init_fd;
    p->reports_fd = run->reports_fd;
    p->cgroup = run->cgroup;
    p->on_exit = spec->on_exit;
    p->arg = spec->arg;
    p->silence_limit = spec->silence;
    p->grace_limit = spec->grace ? spec->grace : DEFAULT_GRACE;
    watch(p, &p->init_poll, p->init_fd, on_init_ended);
    add_stream(p, &p->out, run->out_fd, spec->on_out);
    add_stream(p, &p->err, run->err_fd, spec->on_err);
    add_stream(p, &p->extra, run->extra_fd, spec->on_extra);
    add_timer(p, &p->wall);
    add_timer(p, &p->silence);
    add_timer(p, &p->grace);
    if (spec->timeout > 0)
        arm(p, &p->wall, spec->timeout, on_wall);
    note_output(p);
    return p;
}

int proc_prepare(struct err *e)
{
    return init_program(e) < 0 ? -1 : 0;
}

int proc_spawn(uv_loop_t *loop, const struct proc_spec *spec, struct proc **out, struct err *e)
{
    struct started run;

    BUG_ON(!spec->on_exit);
    if (proc_start(spec, &run, e) < 0)
        return -1;
    run.init_fd = pidfd_of(run.init_pid);
    if (run.init_fd < 0) {
        err_sys(e, "cannot watch %s", spec->argv[0]);
        proc_abort_start(&run);
        return -1;
    }
    *out = proc_new(loop, spec, &run);
    return 0;
}

pid_t proc_pid(const struct proc *p)
{
    return p->pid;
}

static void pause_stream(struct stream *s, bool paused)
{
    if (s->fd < 0)
        return;
    if (paused)
        uv_poll_stop(&s->poll);
    else
        BUG_ON(uv_poll_start(&s->poll, UV_READABLE, on_readable) != 0);
}

void proc_pause(struct proc *p, bool paused)
{
    if (p->paused == paused || p->closing)
        return;
    p->paused = paused;
    pause_stream(&p->out, paused);
    pause_stream(&p->err, paused);
    pause_stream(&p->extra, paused);
    if (paused)
        uv_timer_stop(&p->silence);
    else if (p->ended) /* from the loop, not from here: the caller may be in its own callback */
        arm(p, &p->grace, 0, on_resume);
    else
        note_output(p);
}

void proc_kill(struct proc *p)
{
    terminate(p, PROC_KILLED);
}

void proc_kill_now(struct proc *p)
{
    doom(p, PROC_KILLED);
    tell_init(p, INIT_KILL);
}
