/* Any bytes as one word with variables, as a wildcard, and as the JSON form. */
#include "common/base/err.h"
#include "scheduler/plan/containerfile.h"
#include "tests/fuzz/fuzz.h"

static const char *lookup(void *arg, const char *name)
{
    (void)arg;
    if (strcmp(name, "V") == 0)
        return "1.2.3";
    return strcmp(name, "E") == 0 ? "" : NULL;
}

static void check_expand(struct arena *a, const char *word)
{
    struct cf_expansion x, again;
    struct err e = ERR_INIT;
    if (cf_expand(a, word, lookup, NULL, &x, &e) < 0) {
        BUG_ON(e.msg[0] == '\0');
        return;
    }
    BUG_ON(strlen(x.text) > CF_MAX_VALUE);
    if (strpbrk(word, "$\\'\"") == NULL) /* nothing to do */
        BUG_ON(strcmp(x.text, word) != 0);
    BUG_ON(cf_expand(a, word, lookup, NULL, &again, &e) < 0 || strcmp(x.text, again.text) != 0);
}

/* Pattern and name stand before and behind the first newline. */
static void check_glob(const char *text)
{
    const char *nl = strchr(text, '\n');
    if (nl == NULL)
        return;
    char *pattern = xstrndup(text, (size_t)(nl - text));
    bool hit = cf_glob(pattern, nl + 1, strlen(nl + 1));
    if (strpbrk(pattern, "*?[\\") == NULL)
        BUG_ON(hit != (strcmp(pattern, nl + 1) == 0));
    free(pattern);
}

static void check_json(struct arena *a, const char *text)
{
    const char **item;
    int n = cf_json(a, text, &item);
    BUG_ON(n < -2 || (n > 0 && (size_t)n > strlen(text)));
    for (int i = 0; i < n; i++)
        BUG_ON(strlen(item[i]) > strlen(text));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct arena a = ARENA_INIT;
    char *text = arena_strn(&a, (const char *)data, n);
    check_expand(&a, text);
    check_glob(text);
    check_json(&a, text);
    arena_release(&a);
    return 0;
}
