#include "worker/core/refname.h"

#include "common/base/str.h"

static bool is_lower_alnum(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static bool is_alnum(char c)
{
    return is_lower_alnum(c) || (c >= 'A' && c <= 'Z');
}

/* One path component: [a-z0-9]+ separated by '.', '_', '__' or any number of '-'. */
static bool component_is_valid(const char *s, size_t n)
{
    if (n == 0 || !is_lower_alnum(s[0]) || !is_lower_alnum(s[n - 1]))
        return false;
    for (size_t i = 0; i < n; i++)
        if (!is_lower_alnum(s[i]) && s[i] != '.' && s[i] != '_' && s[i] != '-')
            return false;
    return true;
}

static bool components_are_valid(const char *s, size_t n)
{
    while (true) {
        const char *slash = memchr(s, '/', n);
        size_t len = slash != NULL ? (size_t)(slash - s) : n;
        if (!component_is_valid(s, len))
            return false;
        if (slash == NULL)
            return true;
        s += len + 1;
        n -= len + 1;
    }
}

static bool port_is_valid(const char *s, size_t n)
{
    if (n == 0 || n > 5)
        return false;
    for (size_t i = 0; i < n; i++)
        if (s[i] < '0' || s[i] > '9')
            return false;
    return true;
}

static bool host_is_valid(const char *s, size_t n)
{
    const char *colon = memchr(s, ':', n);
    size_t name = colon != NULL ? (size_t)(colon - s) : n;
    if (colon != NULL && !port_is_valid(colon + 1, n - name - 1))
        return false;
    if (name == 0 || !is_alnum(s[0]) || !is_alnum(s[name - 1]))
        return false;
    for (size_t i = 0; i < name; i++)
        if (!is_alnum(s[i]) && s[i] != '.' && s[i] != '-')
            return false;
    return true;
}

static bool repo_is_valid(const char *s, size_t n)
{
    const char *slash = memchr(s, '/', n);
    if (slash == NULL || !host_is_valid(s, (size_t)(slash - s)))
        return false;
    return components_are_valid(slash + 1, n - (size_t)(slash + 1 - s));
}

bool ref_is_repo(const char *s)
{
    size_t n = strlen(s);
    return n < REF_MAX && repo_is_valid(s, n);
}

bool ref_is_pinned(const char *s)
{
    const char *at = strchr(s, '@');
    struct sha256 digest;
    return strlen(s) < REF_MAX && at != NULL && repo_is_valid(s, (size_t)(at - s)) &&
           digest_parse(at + 1, &digest) == 0;
}

bool ref_is_local(const char *s)
{
    if (s[0] == '\0' || strlen(s) >= REF_MAX)
        return false;
    size_t n = ref_untagged_len(s);
    if (s[n] == ':' && !tag_is_valid(s + n + 1))
        return false;
    return components_are_valid(s, n) || repo_is_valid(s, n);
}

bool tag_is_valid(const char *s)
{
    size_t n = strlen(s);
    if (n == 0 || n > 128 || (!is_alnum(s[0]) && s[0] != '_'))
        return false;
    for (size_t i = 1; i < n; i++)
        if (!is_alnum(s[i]) && s[i] != '_' && s[i] != '.' && s[i] != '-')
            return false;
    return true;
}

bool secret_name_is_valid(const char *s)
{
    return s[0] != '_' && tag_is_valid(s);
}

bool arch_is_valid(const char *s)
{
    size_t n = strlen(s);
    if (n == 0 || n > 32)
        return false;
    for (size_t i = 0; i < n; i++)
        if (!is_lower_alnum(s[i]))
            return false;
    return true;
}

bool path_is_inside(const char *s)
{
    if (!text_is_plain(s, PATH_TEXT_MAX) || s[0] == '\0' || s[0] == '-')
        return false;
    while (true) {
        size_t n = strcspn(s, "/");
        if (n == 0 || (n == 1 && s[0] == '.') || (n == 2 && s[0] == '.' && s[1] == '.'))
            return false;
        if (s[n] == '\0')
            return true;
        s += n + 1;
    }
}

bool text_is_plain(const char *s, size_t max)
{
    size_t n = strlen(s);
    if (n > max || !utf8_valid(s, n))
        return false;
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)s[i];
        if (c < 0x20 || c == 0x7f || (c == 0xc2 && (unsigned char)s[i + 1] < 0xa0))
            return false;
    }
    return true;
}

const char *ref_base_name(const char *ref, size_t *n)
{
    const char *end = strchr(ref, '@');
    if (end == NULL)
        end = ref + strlen(ref);
    const char *start = end;
    while (start > ref && start[-1] != '/')
        start--;
    const char *colon = memchr(start, ':', (size_t)(end - start));
    *n = (size_t)((colon != NULL ? colon : end) - start);
    return start;
}

size_t ref_repo_len(const char *pinned)
{
    return strcspn(pinned, "@");
}

size_t ref_untagged_len(const char *ref)
{
    const char *slash = strrchr(ref, '/');
    const char *colon = strrchr(ref, ':');
    if (colon == NULL || (slash != NULL && colon < slash))
        return strlen(ref);
    return (size_t)(colon - ref);
}

size_t ref_host_len(const char *ref)
{
    return strcspn(ref, "/");
}
