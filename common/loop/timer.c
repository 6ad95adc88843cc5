#include "common/loop/timer.h"
#include "common/base/mem.h"

uv_timer_t *timer_new(uv_loop_t *loop, void *data)
{
    uv_timer_t *t = xcalloc(1, sizeof *t);
    uv_timer_init(loop, t);
    t->data = data;
    return t;
}

void timer_in(uv_timer_t *t, bf_time left, uv_timer_cb cb)
{
    uv_timer_start(t, cb, left > 0 ? (uint64_t)(left / BF_MSEC) + 1 : 0, 0);
}

void timer_free(uv_timer_t *t)
{
    uv_close((uv_handle_t *)t, (uv_close_cb)free);
}
