/* Any bytes as the name of an image, and as something that a registry's path or tag is made of. */
#include "scheduler/plan/reference.h"
#include "common/base/err.h"
#include "tests/fuzz/fuzz.h"

#include "common/base/str.h"

/* The normal form means itself. */
static void check_normal(struct arena *a, const char *text)
{
    struct reference r, again;
    struct err e = ERR_INIT;
    if (reference_parse(a, text, &r, &e) < 0) {
        BUG_ON(e.msg[0] == '\0');
        return;
    }
    BUG_ON((r.tag == NULL) == (r.digest == NULL));
    const char *normal = reference_text(a, &r);
    BUG_ON(reference_parse(a, normal, &again, &e) < 0);
    BUG_ON(strcmp(reference_text(a, &again), normal) != 0);
}

/* What is made fit for a registry is taken for a name, if it is not too long. */
static void check_made(struct arena *a, const char *text)
{
    struct reference r;
    struct err e = ERR_INIT;
    const char *path = registry_path(a, text), *tag = registry_tag(a, text);
    BUG_ON(strcmp(registry_path(a, path), path) != 0 || strcmp(registry_tag(a, tag), tag) != 0);
    if (*path == '\0' || *tag == '\0' || strlen(path) > 200)
        return;
    BUG_ON(reference_parse(a, arena_fmt(a, "q.io/%s:%s", path, tag), &r, &e) < 0);
    BUG_ON(strcmp(r.path, path) != 0 || strcmp(r.tag, tag) != 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct arena a = ARENA_INIT;
    char *text = arena_strn(&a, (const char *)data, n);
    check_normal(&a, text);
    check_made(&a, text);
    (void)reference_is_transport(text);
    arena_release(&a);
    return 0;
}
