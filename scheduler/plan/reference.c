#include "scheduler/plan/reference.h"

#include "common/base/str.h"
#include <ctype.h>

/* Long enough for the normal form of everything whose parts pass. */
#define TEXT_MAX 1024
#define HOST_MAX_LEN 253 /* of a DNS name, RFC 1035 2.3.4 */
#define PATH_MAX_LEN 255

static bool is_small(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static bool is_word(char c)
{
    return is_small(c) || (c >= 'A' && c <= 'Z') || c == '_';
}

/* [a-z0-9]+ joined by one of ".", "_", "__" or dashes. */
static bool component_ok(const char *p, size_t n)
{
    size_t i = 0;
    while (i < n) {
        size_t word = i;
        while (i < n && is_small(p[i]))
            i++;
        if (i == word)
            return false;
        if (i == n)
            return true;
        size_t sep = i;
        while (i < n && p[i] == p[sep] && strchr("._-", p[i]) != NULL)
            i++;
        if (i == sep || (p[sep] == '.' && i - sep > 1) || (p[sep] == '_' && i - sep > 2))
            return false;
    }
    return false;
}

static bool path_ok(const char *p, size_t max)
{
    if (strlen(p) > max)
        return false;
    for (;;) {
        size_t n = strcspn(p, "/");
        if (!component_ok(p, n))
            return false;
        if (p[n] == '\0')
            return true;
        p += n + 1;
    }
}

static bool tag_ok(const char *p)
{
    size_t n = strlen(p);
    if (n == 0 || n > REGISTRY_TAG_MAX || !is_word(p[0]))
        return false;
    for (size_t i = 1; i < n; i++) {
        if (!is_word(p[i]) && p[i] != '.' && p[i] != '-')
            return false;
    }
    return true;
}

static bool host_ok(const char *p)
{
    if (*p == '[') { /* an IPv6 address */
        size_t n = strspn(p + 1, "0123456789abcdefABCDEF:.");
        p += 1 + n;
        if (n == 0 || n > HOST_MAX_LEN || *p++ != ']')
            return false;
    } else {
        size_t n = strcspn(p, ":");
        if (n == 0 || n > HOST_MAX_LEN || !isalnum((unsigned char)p[0]) ||
            !isalnum((unsigned char)p[n - 1]))
            return false;
        for (size_t i = 0; i < n; i++) {
            if (!isalnum((unsigned char)p[i]) && p[i] != '.' && p[i] != '-')
                return false;
        }
        p += n;
    }
    if (*p == '\0')
        return true;
    int64_t port;
    return *p == ':' && parse_i64(p + 1, 1, 65535, &port) == 0;
}

/* The first component is a host when nothing else could look like it. */
static bool looks_like_host(const char *p, size_t n)
{
    return memchr(p, '.', n) != NULL || memchr(p, ':', n) != NULL ||
           (n == 9 && memcmp(p, "localhost", 9) == 0);
}

static void split_host(struct arena *a, char *name, struct reference *out)
{
    char *slash = strchr(name, '/');
    if (slash == NULL || !looks_like_host(name, (size_t)(slash - name))) {
        out->path = name;
        return;
    }
    out->host = arena_strn(a, name, (size_t)(slash - name));
    out->path = slash + 1;
}

static bool is_docker_hub(const char *host)
{
    return host != NULL && (strcmp(host, "docker.io") == 0 || strcmp(host, "index.docker.io") == 0);
}

static bool needs_library(const struct reference *r)
{
    return is_docker_hub(r->host) && strchr(r->path, '/') == NULL;
}

int reference_parse(struct arena *a, const char *text, struct reference *out, struct err *e)
{
    *out = (struct reference){0};
    if (str_starts(text, "docker://"))
        text += strlen("docker://");
    if (*text == '\0')
        return err_set(e, ERR_INPUT, "the reference is empty");
    if (strlen(text) > TEXT_MAX)
        return err_set(e, ERR_INPUT, "a reference has at most %d characters", TEXT_MAX);
    char *name = arena_str(a, text);
    char *at = strchr(name, '@');
    if (at != NULL) {
        struct sha256 digest;
        *at = '\0';
        out->digest = at + 1;
        if (digest_parse(out->digest, &digest) < 0)
            return err_set(e, ERR_INPUT, "'%s' is not a digest (sha256: and 64 hex digits)",
                           out->digest);
    }
    char *slash = strrchr(name, '/');
    char *colon = strchr(slash != NULL ? slash : name, ':');
    const char *tag = "latest";
    if (colon != NULL) {
        *colon = '\0';
        tag = colon + 1;
        if (!tag_ok(tag))
            return err_set(e, ERR_INPUT, "'%s' is not a tag", tag);
    }
    out->tag = out->digest != NULL ? NULL : tag;
    split_host(a, name, out);
    if (out->host != NULL && !host_ok(out->host))
        return err_set(e, ERR_INPUT, "'%s' is not a registry's host", out->host);
    if (!path_ok(out->path, PATH_MAX_LEN - (needs_library(out) ? strlen("library/") : 0)))
        return err_set(
            e, ERR_INPUT,
            "'%s' is not a repository name (small letters, digits, and . _ - between them)",
            out->path);
    return 0;
}

char *reference_text(struct arena *a, const struct reference *r)
{
    const char *host = is_docker_hub(r->host) ? "docker.io" : r->host;
    const char *between = needs_library(r) ? "/library/" : "/";
    return arena_fmt(a, "%s%s%s%s%s", host != NULL ? host : "", host != NULL ? between : "",
                     r->path, r->digest != NULL ? "@" : ":",
                     r->digest != NULL ? r->digest : r->tag);
}

bool reference_is_transport(const char *text)
{
    static const char *const transport[] = {
        "oci-archive:", "docker-archive:",    "oci:", "dir:", "docker-daemon:", "sif:",
        "ostree:",      "containers-storage:"};
    for (size_t i = 0; i < ARRAY_SIZE(transport); i++) {
        if (str_starts(text, transport[i]))
            return true;
    }
    return false;
}

/* One component: forbidden characters become "-", separators at the ends and in rows vanish. */
static size_t component_write(char *out, const char *p, size_t n)
{
    size_t len = 0;
    for (size_t i = 0; i < n; i++) {
        char c = (char)tolower((unsigned char)p[i]);
        if (!is_small(c) && c != '.' && c != '_')
            c = '-';
        bool sep = !is_small(c);
        if (sep && len == 0)
            continue;
        if (sep && !is_small(out[len - 1])) {
            out[len - 1] = out[len - 1] == c ? c : '-';
            continue;
        }
        out[len++] = c;
    }
    while (len > 0 && !is_small(out[len - 1]))
        len--;
    return len;
}

char *registry_path(struct arena *a, const char *text)
{
    char *out = arena_alloc(a, strlen(text) + 2);
    size_t n = 0;
    while (*text != '\0') {
        size_t len = strcspn(text, "/");
        size_t wrote = component_write(out + n + (n > 0), text, len);
        if (wrote > 0) {
            if (n > 0)
                out[n++] = '/';
            n += wrote;
        }
        text += len;
        text += *text == '/';
    }
    out[n] = '\0';
    return out;
}

char registry_tag_char(char c)
{
    c = (char)tolower((unsigned char)c);
    return is_word(c) || c == '.' || c == '-' ? c : '-';
}

char *registry_tag(struct arena *a, const char *text)
{
    size_t n = strlen(text);
    char *out = arena_strn(a, text, n > REGISTRY_TAG_MAX ? REGISTRY_TAG_MAX : n);
    for (char *p = out; *p != '\0'; p++)
        *p = registry_tag_char(*p);
    if (*out == '.' || *out == '-')
        *out = '_';
    return out;
}
