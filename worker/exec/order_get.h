/* order_get.h - members of a JSON object, checked. Each getter names the member in its error. */
#ifndef BF_EXEC_ORDER_GET_H
#define BF_EXEC_ORDER_GET_H

#include "worker/exec/order.h"

typedef bool text_check(const char *s);

enum want { WANT_REQUIRED, WANT_OPTIONAL };

/* `expected` completes "member 'x' …: expected EXPECTED". An absent or null optional member leaves
 * *out alone. */
int get_text(const json_t *o, const char *name, enum want want, text_check *check,
             const char *expected, const char **out, struct err *e) BF_MUST_CHECK;
int get_int(const json_t *o, const char *name, enum want want, int64_t min, int64_t max,
            int64_t *out, struct err *e) BF_MUST_CHECK;
int get_number(const json_t *o, const char *name, enum want want, double min, double max,
               double *out, struct err *e) BF_MUST_CHECK;
int get_bool(const json_t *o, const char *name, bool *out, struct err *e) BF_MUST_CHECK;
/* Absent or null gives an empty list. The list is freed with the order. */
int get_list(struct order *order, const json_t *o, const char *name, text_check *check,
             const char *expected, strings *out, struct err *e) BF_MUST_CHECK;
int get_object(const json_t *o, const char *name, enum want want, json_t **out,
               struct err *e) BF_MUST_CHECK;
int get_array(const json_t *o, const char *name, json_t **out, struct err *e) BF_MUST_CHECK;

/* Zeroed memory that is freed with the order. */
void *order_alloc(struct order *o, size_t n, size_t size);

#endif
