/* text.h - text as builds and boots write it: package installs, compilers, copies of layers, tests,
 * a kernel's console. Lines of each kind come in runs, as they do in a log; names, versions, sizes,
 * times and digests are drawn, so that no run repeats another. */
#ifndef BF_LOGSWARM_TEXT_H
#define BF_LOGSWARM_TEXT_H

#include "common/base/str.h"

/* Appends whole lines until *out has at least n bytes. */
void text_make(uint64_t seed, size_t n, struct str *out);

#endif
