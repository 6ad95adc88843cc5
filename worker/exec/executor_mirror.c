/* executor_mirror.c - from the release registry into a site's own, digest and tags. Copying what is
 * there already moves no blob, so a mirror that was cut off goes on where whole blobs ended. */
#include "worker/exec/release.h"

void executor_mirror(struct exec *x, struct result *r)
{
    if (release_copy(x, r) == 0)
        exec_say(x, "present: %s@%s", x->order->publish.dest, r->digest);
}
