/* log_days.h - the day partitions of the log store: made ahead, and dropped when they are older
 * than the setting log_keep. SQL decides (farm.log_days); this asks it at the start of a term, and
 * then each hour. */
#ifndef BF_LOG_DAYS_H
#define BF_LOG_DAYS_H

#include "scheduler/db.h"

struct log_days; /* opaque */

/* On the connection of the logs: what is asked first is done before the first chunk is stored. */
struct log_days *log_days_new(uv_loop_t *loop, struct db *db);
void log_days_start(struct log_days *d, int64_t term);
void log_days_stop(struct log_days *d);
/* After db_close. Accepts NULL. */
void log_days_free(struct log_days *d);

#endif
