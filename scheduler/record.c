#include "scheduler/record.h"

#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/loop/file.h"
#include "common/loop/timer.h"
#include "scheduler/core/trace.h"
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <unistd.h>

#define NAME_MAX_LEN 64
#define BUFFER ((size_t)64 << 10)
#define PERIOD (60 * BF_SEC)
#define PERIOD_MAX (24 * 3600 * BF_SEC)

enum record_state { RECORD_OFF, RECORD_WAITING, RECORD_ON };

struct record {
    enum record_state state;
    char *dir;
    uint64_t max_size, written;
    uv_timer_t *timer;
    char *name;
    int fd;
    struct str buffer;
};

/* ---- the file ---------------------------------------------------------------------------------
 */

static void leave(struct record *r)
{
    close(r->fd);
    r->fd = -1;
    r->state = RECORD_OFF;
    uv_timer_stop(r->timer);
    free(r->name);
    r->name = NULL;
    str_release(&r->buffer);
}

static void failed(struct record *r)
{
    log_error("the trace ends here", "file", r->name, "error", strerror(errno));
    leave(r);
}

/* Regular files take everything or fail. */
static void flush(struct record *r)
{
    size_t done = 0;
    while (done < r->buffer.len) {
        ssize_t n = write(r->fd, r->buffer.p + done, r->buffer.len - done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            failed(r);
            return;
        }
        done += (size_t)n;
    }
    r->written += done;
    str_clear(&r->buffer);
}

static void end(struct record *r, enum trace_why why)
{
    char bytes[24];
    if (r->state == RECORD_OFF)
        return;
    trace_end(&r->buffer, why);
    flush(r);
    if (r->state == RECORD_OFF)
        return;
    snprintf(bytes, sizeof bytes, "%llu", (unsigned long long)r->written);
    log_info("a trace was recorded", "file", r->name, "bytes", bytes);
    leave(r);
}

static void on_timer(uv_timer_t *t)
{
    end(t->data, TRACE_TIME);
}

/* `begin`: where the frame begins that was just added. */
static void added(struct record *r, size_t begin)
{
    bool readable = r->buffer.len - begin <= TRACE_FRAME_MAX;
    if (!readable || r->written + r->buffer.len > r->max_size) {
        r->buffer.len = readable ? r->buffer.len : begin;
        end(r, TRACE_SIZE);
    } else if (r->buffer.len >= BUFFER) {
        flush(r);
    }
}

/* ---- the command ------------------------------------------------------------------------------
 */

static bool is_name(const char *s)
{
    static const char letters[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    size_t n = strlen(s);
    return n > 0 && n <= NAME_MAX_LEN && s[0] != '.' && s[0] != '-' && strspn(s, letters) == n;
}

static int make_file(struct record *r, const char *name, struct err *e)
{
    if (dir_make(r->dir, 0700, e))
        return -1;
    char *path = xasprintf("%s/%s", r->dir, name);
    r->fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    int rc = 0;
    if (r->fd < 0 && errno == EEXIST)
        rc = err_set(e, ERR_INPUT, "there is a trace %s already: give another name", name);
    else if (r->fd < 0)
        rc = err_sys(e, "%s", path);
    free(path);
    return rc;
}

static int begin(struct record *r, const char *name, bf_time period, struct err *e)
{
    if (r->state == RECORD_WAITING && strcmp(r->name, name) == 0)
        return 0;
    if (r->state != RECORD_OFF)
        return err_set(e, ERR_INPUT, "the trace %s is being recorded: end it with --off", r->name);
    if (!is_name(name))
        return err_set(e, ERR_INPUT,
                       "a trace is named by letters, digits, '.', '_' and '-', not by a path: it "
                       "is written below the scheduler's state_dir, to traces/NAME");
    if (make_file(r, name, e))
        return -1;
    r->state = RECORD_WAITING;
    r->name = xstrdup(name);
    r->written = 0;
    str_init(&r->buffer);
    trace_head(&r->buffer);
    uv_timer_start(r->timer, on_timer, (uint64_t)(period / BF_MSEC), 0);
    log_info("a trace begins with the next world", "file", r->name);
    return 0;
}

static int read_period(const char *text, bf_time *out, struct err *e)
{
    *out = PERIOD;
    if (!text || (parse_duration(text, out) == 0 && *out >= BF_SEC && *out <= PERIOD_MAX))
        return 0;
    return err_set(e, ERR_INPUT, "a trace lasts from 1s to 24h, not %.40s", text);
}

int record_command(struct record *r, const char *args, struct err *e)
{
    const char *name = NULL, *period = NULL;
    int off = 0, rc;
    bf_time t;
    json_t *doc = json_loads(args, 0, NULL);
    if (json_unpack(doc, "{s?s, s?s, s?b}", "file", &name, "period", &period, "off", &off) ||
        !off == !name)
        rc = err_set(e, ERR_INPUT, "give either a name for the trace, or --off");
    else if (off && r->state == RECORD_OFF)
        rc = err_set(e, ERR_INPUT, "this scheduler is not recording");
    else if (off)
        rc = (end(r, TRACE_ASKED), 0);
    else
        rc = read_period(period, &t, e) || begin(r, name, t, e) ? -1 : 0;
    json_decref(doc);
    return rc;
}

bool record_waits(const struct record *r)
{
    return r->state == RECORD_WAITING;
}

/* ---- from the farm ----------------------------------------------------------------------------
 */

void record_world(struct record *r, const struct brain_config *c)
{
    if (!r || r->state == RECORD_OFF)
        return;
    r->state = RECORD_ON;
    size_t at = r->buffer.len;
    trace_world(&r->buffer, c);
    added(r, at);
}

static bool is_row(enum input_type t)
{
    return t <= IN_JOB;
}

void record_input(struct record *r, const struct input *in, bf_time now)
{
    if (!r || r->state != RECORD_ON)
        return;
    size_t at = r->buffer.len;
    trace_input(&r->buffer, in, now);
    added(r, at);
    if (r->state == RECORD_ON && !is_row(in->type))
        flush(r);
}

void record_output(struct record *r, const struct effects *e, size_t op, size_t after)
{
    if (!r || r->state != RECORD_ON)
        return;
    size_t at = r->buffer.len;
    trace_output(&r->buffer, e, op, after);
    added(r, at);
}

/* ---- life -------------------------------------------------------------------------------------
 */

struct record *record_new(uv_loop_t *loop, const char *state_dir, uint64_t max_size)
{
    struct record *r = xcalloc(1, sizeof *r);
    r->dir = xasprintf("%s/traces", state_dir);
    r->max_size = max_size;
    r->fd = -1;
    r->timer = timer_new(loop, r);
    return r;
}

void record_free(struct record *r)
{
    if (!r)
        return;
    end(r, TRACE_ASKED);
    timer_free(r->timer);
    free(r->dir);
    free(r);
}
