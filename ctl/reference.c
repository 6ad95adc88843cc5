#include "ctl/reference.h"
#include <string.h>

bool is_reference(const char *word)
{
    size_t n = strcspn(word, "/");
    const char *colon = memchr(word, ':', n);
    size_t port = colon ? (size_t)(word + n - colon - 1) : 0;

    if (strstr(word, "@sha256:"))
        return true;
    if (!word[n])
        return false;
    if (colon)
        return port > 0 && strspn(colon + 1, "0123456789") == port;
    return (n == strlen("localhost") && strncmp(word, "localhost", n) == 0) || memchr(word, '.', n);
}
