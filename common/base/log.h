/* log.h - one line per event on stderr: time, level, process, message, then key=value pairs.
 *
 * Every line names its object: log_info("attempt started", "job", name, "worker", w). Keys and
 * values are strings; values are quoted and escaped where needed; NULL ends the list (the macros
 * add it). Under systemd (JOURNAL_STREAM set) the time is left out and the "<N>" prefix is added
 * (sd-daemon(3)). */
#ifndef BF_LOG_H
#define BF_LOG_H

#include "common/base/err.h"

enum log_level { LOG_LVL_DEBUG, LOG_LVL_INFO, LOG_LVL_WARN, LOG_LVL_ERROR };

/* `process` is kept by pointer. */
void log_init(const char *process, enum log_level level);
void log_set_level(enum log_level level);
bool log_shows(enum log_level level);
int log_level_parse(const char *name, enum log_level *out) BF_MUST_CHECK;
void log_kv(enum log_level level, const char *msg, ...) __attribute__((sentinel));

#define log_debug(...) log_kv(LOG_LVL_DEBUG, __VA_ARGS__, (char *)NULL)
#define log_info(...) log_kv(LOG_LVL_INFO, __VA_ARGS__, (char *)NULL)
#define log_warn(...) log_kv(LOG_LVL_WARN, __VA_ARGS__, (char *)NULL)
#define log_error(...) log_kv(LOG_LVL_ERROR, __VA_ARGS__, (char *)NULL)

#endif
