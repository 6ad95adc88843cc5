#include "worker/workspace.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/loop/file.h"
#include "common/loop/proc.h"

static void release(struct workspace *ws)
{
    free(ws->path);
    free(ws->order);
    free(ws->dir);
    free(ws->result);
    *ws = (struct workspace){0};
}

int workspace_make(const char *state_dir, struct id128 id, const void *order, size_t n,
                   struct workspace *ws, struct err *e)
{
    char name[ID128_TEXT];
    id128_format(id, name);
    ws->path = xasprintf("%s/work/%s", state_dir, name);
    ws->order = xasprintf("%s/order.json", ws->path);
    ws->dir = xasprintf("%s/dir", ws->path);
    ws->result = xasprintf("%s/result.json", ws->dir);
    if (dir_make(ws->dir, 0700, e) == 0 && file_write_atomic(ws->order, order, n, 0600, e) == 0)
        return 0;
    struct err why = ERR_INIT;
    if (dir_remove(ws->path, &why))
        log_warn("work directory stays until the next start", "path", ws->path, "why", why.msg);
    release(ws);
    return -1;
}

static void on_removed(void *arg, struct proc_exit how)
{
    char *path = arg;
    if (how.end != PROC_EXITED || how.status != 0)
        log_warn("work directory stays until the next start", "path", path);
    free(path);
}

void workspace_remove(uv_loop_t *loop, struct workspace *ws)
{
    if (ws->path == NULL)
        return;
    char *path = xstrdup(ws->path);
    const char *argv[] = {"rm", "-rf", "--one-file-system", "--", path, NULL};
    struct proc_spec spec = {.argv = argv, .on_exit = on_removed, .arg = path};
    struct proc *p;
    struct err e = ERR_INIT;
    if (proc_spawn(loop, &spec, &p, &e)) {
        log_warn("work directory stays until the next start", "path", path, "why", e.msg);
        free(path);
    }
    release(ws);
}
