/* utf8.h - one character at a time. The question "is it valid at all" is utf8_valid in str.h. */
#ifndef BF_UTF8_H
#define BF_UTF8_H

#include "common/base/base.h"

/* Decodes the character at s[0..n), n > 0, into *cp and returns its length, 1 to 4. A byte that
 * begins no valid character (RFC 3629) has length 1 and *cp = UTF8_BAD + byte, which is no code
 * point. */
#define UTF8_BAD UINT32_C(0x80000000)
size_t utf8_next(const char *s, size_t n, uint32_t *cp);

#endif
