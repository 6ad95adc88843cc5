/* The table of blame. */
#include "worker/core/blame.h"
#include <criterion/criterion.h>

Test(blame, every_code_has_a_class)
{
    for (int b = BLAME_NONE + 1; b < BLAME_COUNT; b++) {
        const char *class = blame_class((enum blame)b);
        cr_expect(blame_code((enum blame)b)[0] != '\0');
        cr_expect(strcmp(class, "user") == 0 || strcmp(class, "infra") == 0 ||
                      strcmp(class, "timeout") == 0,
                  "%s has class %s", blame_code((enum blame)b), class);
    }
}
