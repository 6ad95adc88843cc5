#include "worker/exec/vm.h"

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/loop/file.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define CONSOLE_LOG_MAX (UINT64_C(4) << 20)
#define AFTER_PANIC (2 * BF_SEC)
#define AFTER_LAST_LINE (15 * BF_SEC)

static void on_doom(uv_timer_t *t)
{
    struct vm *vm = t->data;
    if (vm->x->running != NULL)
        proc_kill_now(vm->x->running);
}

/* The first reason counts. */
static void doom_after(struct vm *vm, bf_time after)
{
    if (vm->doomed)
        return;
    vm->doomed = true;
    uv_update_time(vm->x->loop);
    uv_timer_start(&vm->doom, on_doom, (uint64_t)(after / BF_MSEC), 0);
}

static void show(void *arg, char *line)
{
    struct vm *vm = arg;
    if (!vm->silent)
        exec_say(vm->x, "%s", line);
}

static void show_console(void *arg, char *line)
{
    struct vm *vm = arg;
    tail_feed(&vm->tail, line, strlen(line));
    tail_feed(&vm->tail, "\n", 1);
    show(vm, line);
}

/* The guest waits for the console's text; a full FIFO would only mean that it was told before. */
static void tell_guest(struct vm *vm)
{
    if (vm->told || !vm->tap.waiting || !vm->console.seen)
        return;
    vm->told = write(vm->go_fd, "go\n", 3) == 3;
}

static void on_console(void *arg, const char *p, size_t n)
{
    struct vm *vm = arg;
    console_feed(&vm->console, p, n, show_console, vm);
    if (vm->console.panic != NULL)
        doom_after(vm, AFTER_PANIC);
    tell_guest(vm);
}

static void on_report(struct vm *vm, const char *p, size_t n)
{
    tap_feed(&vm->tap, p, n, show, vm);
    if (vm->tap.ready && vm->ready_after == 0)
        vm->ready_after = clock_mono() - vm->began;
    if (vm->tap.ended)
        doom_after(vm, AFTER_LAST_LINE);
    tell_guest(vm);
}

static void read_results(struct vm *vm)
{
    char buf[16384];
    for (ssize_t n; (n = read(vm->results_fd, buf, sizeof buf)) > 0;)
        on_report(vm, buf, (size_t)n);
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    (void)status;
    (void)events;
    read_results(poll->data);
}

/* Both ends for reading and writing, so that neither a missing QEMU nor one that ended is an end of
 * file. */
static int open_fifo(const char *base, const char *suffix, struct err *e)
{
    BF_CLEANUP(free_ptr) char *path = xasprintf("%s%s", base, suffix);
    if (mkfifo(path, 0600) < 0 && errno != EEXIST)
        return err_sys(e, "make %s", path);
    int fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
    return fd < 0 ? err_sys(e, "open %s", path) : fd;
}

static int open_results(struct vm *vm, struct err *e)
{
    vm->results_fd = open_fifo(vm->qemu.results, ".out", e);
    vm->go_fd = vm->results_fd >= 0 ? open_fifo(vm->qemu.results, ".in", e) : -1;
    if (vm->go_fd < 0)
        return -1;
    if (uv_poll_init(vm->x->loop, &vm->results, vm->results_fd) != 0 ||
        uv_poll_start(&vm->results, UV_READABLE, on_readable) != 0)
        return err_set(e, ERR_SYSTEM, "cannot watch the results of the guest");
    vm->results.data = vm;
    vm->open_handles++;
    return 0;
}

static void on_closed(uv_handle_t *h)
{
    struct vm *vm = h->data;
    vm->open_handles--;
}

static void close_results(struct vm *vm)
{
    bool watching = vm->open_handles == 2;
    if (watching)
        uv_close((uv_handle_t *)&vm->results, on_closed);
    uv_close((uv_handle_t *)&vm->doom, on_closed);
    while (vm->open_handles > 0)
        uv_run(vm->x->loop, UV_RUN_ONCE);
    if (vm->results_fd >= 0)
        close(vm->results_fd);
    if (vm->go_fd >= 0)
        close(vm->go_fd);
}

static void judge(struct vm *vm, const struct tool_end *end)
{
    char how[64];
    if (tool_succeeded(end))
        vm->end = VM_OFF;
    else if (end->how.end == PROC_TIMEOUT || end->how.end == PROC_KILLED)
        vm->end = VM_STOPPED;
    else
        vm->end = VM_BROKEN;
    if (vm->end == VM_BROKEN)
        snprintf(vm->problem, sizeof vm->problem, "qemu: %s: %.180s", tool_how(end, how),
                 tail_reason(&end->tail));
}

static int run(struct vm *vm, struct err *e)
{
    BF_CLEANUP(argv_release) struct argv a = {0};
    BF_CLEANUP(tool_end_release) struct tool_end end = {0};
    argv_qemu(&a, &vm->qemu);
    struct tool t = {
        .argv = &a, .timeout = vm->limit, .on_out = on_console, .arg = vm, .silent = vm->silent};
    vm->began = clock_mono();
    if (tool_run(vm->x, &t, &end, e) < 0)
        return -1;
    read_results(vm);
    console_end(&vm->console, show_console, vm);
    judge(vm, &end);
    return 0;
}

int vm_run(struct vm *vm, struct err *e)
{
    struct exec *x = vm->x;
    BF_CLEANUP(free_ptr) char *name = xasprintf("bootfarm-%s", x->order->attempt);
    BF_CLEANUP(free_ptr)
    char *owner = xasprintf("%s/attempts/%s", x->config->state_dir, x->order->attempt);
    BF_CLEANUP(free_ptr) char *results = xasprintf("%s/results", owner);
    vm->qemu.name = name;
    vm->qemu.owner = owner;
    vm->qemu.results = results;
    vm->results_fd = vm->go_fd = -1;
    tap_init(&vm->tap);
    tail_init(&vm->tail);
    console_init(&vm->console, vm->pattern, CONSOLE_LOG_MAX);
    uv_timer_init(x->loop, &vm->doom);
    vm->doom.data = vm;
    vm->open_handles = 1;
    int rc = open_results(vm, e) < 0 ? -1 : run(vm, e);
    close_results(vm);
    return rc;
}

void vm_release(struct vm *vm)
{
    tap_release(&vm->tap);
    tail_release(&vm->tail);
    console_release(&vm->console);
}
