/* conf_value.h - one option and its text; shared by conf.c and conf_help.c only. */
#ifndef BF_CONF_VALUE_H
#define BF_CONF_VALUE_H

#include "common/base/conf.h"
#include "common/base/str.h"

/* Parses `text` into the member of *target, which owns what it holds. -1 with ERR_CONFIG. */
int conf_set(const struct conf_option *o, void *target, const char *text,
             struct err *e) BF_MUST_CHECK;
/* Does the member own memory? */
bool conf_is_text(enum conf_type type);
/* "a duration such as 90s or 10m, from 1s to 1h" */
void conf_expected(const struct conf_option *o, struct str *out);

#endif
