/* timer.h - timers of modules that may be freed before libuv has let go of the handle. */
#ifndef BF_TIMER_H
#define BF_TIMER_H

#include "common/base/base.h"
#include <uv.h>

/* `data` is what the callback finds in the handle's data. */
uv_timer_t *timer_new(uv_loop_t *loop, void *data);
/* Once, after `left` microseconds, never earlier; at once where they are over. Starts anew if it
 * runs. */
void timer_in(uv_timer_t *t, bf_time left, uv_timer_cb cb);
/* Memory goes with the close callback. */
void timer_free(uv_timer_t *t);

#endif
