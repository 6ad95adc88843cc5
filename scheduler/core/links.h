/* links.h - a set of pointers that nearly always has no member or one: eight bytes.
 *
 * A farm has many images, and few of them have more than one parent. All-zero is empty. One member
 * is the word itself; more stand in a block of their own. Members are not NULL, each stands once.
 */
#ifndef BF_CORE_LINKS_H
#define BF_CORE_LINKS_H

#include "common/base/base.h"

struct links {
    uintptr_t word;
};

size_t links_n(const struct links *l);
void *links_at(const struct links *l, size_t i);
void links_add(struct links *l, void *member);
void links_del(struct links *l, const void *member); /* order is not kept; it may be absent */
void links_release(struct links *l);                 /* empty again */

#define links_for_each(i, links) for (size_t i = 0, n_##i = links_n(links); i < n_##i; i++)

#endif
