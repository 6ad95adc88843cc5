#include "worker/exec/copy.h"

#include <stddef.h>
#include <sys/sendfile.h>

/* copy_file_range(2) would refuse to leave an overlay. */
int copy_fd(int in, int out)
{
    ssize_t n;
    do
        n = sendfile(out, in, NULL, (size_t)1 << 30);
    while (n > 0);
    return n < 0 ? -1 : 0;
}
