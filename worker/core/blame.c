#include "worker/core/blame.h"

#include "common/base/str.h"

static const struct {
    const char *code, *class;
} table[BLAME_COUNT] = {[BLAME_NONE] = {"", ""},
#define X(member, code_text, class_text) [BLAME_##member] = {code_text, class_text},
                        BLAME_LIST(X)
#undef X
};

const char *blame_code(enum blame b)
{
    return table[b].code;
}

const char *blame_class(enum blame b)
{
    return table[b].class;
}

/* NULL-terminated lists of what to look for, as the tools write it. */
typedef const char *const phrases[];

static bool says(const char *error, const char *const *list)
{
    for (; *list != NULL; list++)
        if (strstr(error, *list) != NULL)
            return true;
    return false;
}

static phrases no_space = {"no space left on device", "disk quota exceeded", NULL};

static phrases not_there = {"manifest unknown",
                            "name unknown",
                            "repository name not known",
                            "StatusCode: 404",
                            "status code 404",
                            "404 (Not Found)",
                            "blob unknown",
                            NULL};

static phrases refused = {
    "unauthorized",    "authentication required",   "access to the resource is denied",
    "denied:",         "StatusCode: 401",           "StatusCode: 403",
    "403 (Forbidden)", "invalid username/password", NULL};

/* Somebody on the network is down, slow or overloaded. */
static phrases network = {"dial tcp",
                          "dial unix",
                          "connection refused",
                          "connection reset",
                          "broken pipe",
                          "i/o timeout",
                          "TLS handshake",
                          "no such host",
                          "network is unreachable",
                          "no route to host",
                          "Client.Timeout",
                          "unexpected EOF",
                          "received unexpected HTTP status",
                          "StatusCode: 5",
                          "StatusCode: 429",
                          "too many requests",
                          "toomanyrequests",
                          "server gave HTTP response to HTTPS client",
                          "x509:",
                          NULL};

/* The worker's own host gives way under the tool. */
static phrases host = {"input/output error",     "too many open files",
                       "cannot allocate memory", "resource temporarily unavailable",
                       "mounting new container", "database is locked",
                       "layer not known",        NULL};

enum blame blame_registry(const char *error, enum blame not_found)
{
    if (says(error, no_space))
        return BLAME_NO_SPACE;
    if (says(error, not_there))
        return not_found;
    return says(error, refused) ? BLAME_AUTH : BLAME_REGISTRY;
}

/* `…: exit status 42`, at the very end: what RUN returned. */
static bool ends_with_exit_status(const char *error)
{
    static const char mark[] = ": exit status ";
    const char *p = NULL;
    for (const char *next = error; (next = strstr(next, mark)) != NULL; next += strlen(mark))
        p = next + strlen(mark);
    return p != NULL && *p != '\0' && p[strspn(p, "0123456789")] == '\0';
}

static phrases unpinned = {"image not known", "no stage or image found with that name", NULL};

/* Said by the parser, before or between steps. */
static phrases parser = {"no FROM statement found",
                         "FROM requires",
                         "no contents in",
                         "was not found in the provided Dockerfile",
                         "Unknown instruction",
                         "unknown instruction",
                         "parse error",
                         "Syntax error",
                         "nknown flag",
                         "invalid reference format",
                         "the specified Containerfile or Dockerfile does not exist",
                         "no stage",
                         "resolving",
                         "requires at least one argument",
                         NULL};

#define AT_STEP "building at STEP \""

/* Without the text of the step, which buildah quotes as it stands and which is the user's. */
static const char *without_step(const char *error)
{
    static const char mark[] = "\": ";
    if (!str_starts(error, AT_STEP))
        return error;
    for (const char *next; (next = strstr(error, mark)) != NULL;)
        error = next + strlen(mark);
    return error;
}

/* Everything that needs no look at RUN's own status. */
static enum blame blame_buildah(const char *error, bool no_network)
{
    const char *own = without_step(error);
    bool at_step = own != error;
    if (says(own, no_space))
        return BLAME_NO_SPACE;
    if (says(own, unpinned))
        return BLAME_UNPINNED_BASE;
    if (says(own, network))
        return no_network && at_step ? BLAME_CONTAINERFILE : BLAME_REGISTRY;
    if (says(own, host))
        return BLAME_TOOL_FAILED;
    return at_step || says(own, parser) ? BLAME_CONTAINERFILE : BLAME_TOOL_FAILED;
}

enum blame blame_build(int status, const char *error, bool no_network)
{
    if (str_starts(error, AT_STEP) && ends_with_exit_status(error))
        return BLAME_RUN_FAILED;
    if (error[0] == '\0')
        return status != 125 && status != 1 ? BLAME_RUN_FAILED : BLAME_TOOL_FAILED;
    return blame_buildah(error, no_network);
}
