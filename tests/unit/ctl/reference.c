/* reference.h */
#include "ctl/reference.h"
#include <criterion/criterion.h>
#include <stddef.h>

Test(reference, registries)
{
    static const char *const yes[] = {"quay.io/fedora/fedora-bootc:41",
                                      "127.0.0.1:5000/plant/hmi:main",
                                      "registry:5000/a",
                                      "localhost/hmi",
                                      "localhost:5000/hmi",
                                      "plant/hmi@sha256:00",
                                      "docker.io/library/debian"};

    for (size_t i = 0; i < sizeof yes / sizeof *yes; i++)
        cr_expect(is_reference(yes[i]), "%s", yes[i]);
}

Test(reference, images_of_the_farm)
{
    static const char *const no[] = {"hmi",
                                     "plant:hmi@main",
                                     "plant:site-1/hmi@main",
                                     "site-1/hmi",
                                     "my.plant:site-1/hmi@feature/a.b",
                                     "plant:hmi@v1.2.3",
                                     "",
                                     "localhosts/hmi",
                                     "plant:/hmi"};

    for (size_t i = 0; i < sizeof no / sizeof *no; i++)
        cr_expect(!is_reference(no[i]), "%s", no[i]);
}
