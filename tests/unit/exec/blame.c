/* The table of blame: what the tools really say (buildah 1.28, skopeo 1.9), row by row. */
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

struct build_row {
    int status;
    const char *error;
    bool no_network;
    enum blame blame;
};

static const struct build_row builds[] = {
    {42, "building at STEP \"RUN echo hi; exit 42\": exit status 42", false, BLAME_RUN_FAILED},
    {125, "building at STEP \"RUN exit 125\": exit status 125", false, BLAME_RUN_FAILED},
    {1, "building at STEP \"RUN a\": while running runtime: exit status 1", false,
     BLAME_RUN_FAILED},
    {42, "", false, BLAME_RUN_FAILED},
    {125, "creating build container: other:1: image not known", false, BLAME_UNPINNED_BASE},
    {125, "COPY --from=h/x:1: no stage or image found with that name", false, BLAME_UNPINNED_BASE},
    {125,
     "building at STEP \"RUN --mount=type=bind,from=h/x:1,target=/m true\": from=h/x:1: no stage "
     "or "
     "image found with that name",
     false, BLAME_UNPINNED_BASE},
    {125,
     "building at STEP \"COPY nothere /y\": checking on sources under \"/ctx\": copier: stat: "
     "\"/nothere\": no such file or directory",
     false, BLAME_CONTAINERFILE},
    {125,
     "building at STEP \"RUNN \": Build error: Unknown instruction: \"RUNN\" &imagebuilder.Step{}",
     false, BLAME_CONTAINERFILE},
    {125, "no FROM statement found", false, BLAME_CONTAINERFILE},
    {125, "no contents in \"/ctx/Containerfile\"", false, BLAME_CONTAINERFILE},
    {125, "FROM requires either one argument, or three: FROM <source> [as <name>]", false,
     BLAME_CONTAINERFILE},
    {125, "The target \"nope\" was not found in the provided Dockerfile", false,
     BLAME_CONTAINERFILE},
    {125,
     "building at STEP \"RUN true\": determining run uid: user: unknown user error looking up user "
     "\"nobody1\"",
     false, BLAME_CONTAINERFILE},
    /* a server that a build fetches from is down; without network it is the definition that asks */
    {125,
     "building at STEP \"ADD http://h/x /x\": reading \"http://h/x\": Get \"http://h/x\": dial tcp "
     "127.0.0.1:1: connect: connection refused",
     false, BLAME_REGISTRY},
    {125,
     "building at STEP \"ADD http://h/x /x\": reading \"http://h/x\": Get \"http://h/x\": dial tcp "
     "127.0.0.1:1: connect: network is unreachable",
     true, BLAME_CONTAINERFILE},
    /* ours */
    {125, "committing container: copying layers: write /x: no space left on device", false,
     BLAME_NO_SPACE},
    {125, "building at STEP \"COPY a /b\": storing \"/b\": write: no space left on device", false,
     BLAME_NO_SPACE},
    {125, "mounting new container: creating overlay mount: invalid argument", false,
     BLAME_TOOL_FAILED},
    {125, "something that nobody has seen before", false, BLAME_TOOL_FAILED},
    {125, "", false, BLAME_TOOL_FAILED},
    {1, "", false, BLAME_TOOL_FAILED},
    /* what the user writes into the step decides nothing */
    {125, "building at STEP \"RUN echo no space left on device; dial tcp\": unknown user", false,
     BLAME_CONTAINERFILE},
    {3, "building at STEP \"RUN echo \"x\": no space left on device\": exit status 3", false,
     BLAME_RUN_FAILED},
};

Test(blame, build)
{
    for (size_t i = 0; i < ARRAY_SIZE(builds); i++) {
        enum blame b = blame_build(builds[i].status, builds[i].error, builds[i].no_network);
        cr_expect(b == builds[i].blame, "%s: %s, expected %s", builds[i].error, blame_code(b),
                  blame_code(builds[i].blame));
    }
}

static const struct {
    const char *error;
    enum blame blame;
} pulls[] = {
    {"initializing source docker://h/x@sha256:0: reading manifest sha256:0 in h/x: manifest "
     "unknown: "
     "manifest unknown",
     BLAME_BASE_NOT_FOUND},
    {"reading manifest 1 in quay.io/x/y: name unknown: repository not found", BLAME_BASE_NOT_FOUND},
    {"writing blob: adding layer with blob \"sha256:1\": processing tar file(write /bin/busybox: "
     "no space "
     "left on device): exit status 1",
     BLAME_NO_SPACE},
    {"reading manifest 1 in h/x: unauthorized: authentication required", BLAME_AUTH},
    {"reading manifest 1 in h/x: denied: requested access to the resource is denied", BLAME_AUTH},
    {"pinging container registry h: Get \"https://h/v2/\": dial tcp 127.0.0.1:1: connect: "
     "connection "
     "refused",
     BLAME_REGISTRY},
    {"pinging container registry h: Get \"https://h/v2/\": x509: certificate signed by unknown "
     "authority",
     BLAME_REGISTRY},
    {"received unexpected HTTP status: 503 Service Unavailable", BLAME_REGISTRY},
    {"too many requests to registry", BLAME_REGISTRY},
    {"whatever else it may be", BLAME_REGISTRY},
};

Test(blame, registry)
{
    for (size_t i = 0; i < ARRAY_SIZE(pulls); i++) {
        enum blame b = blame_registry(pulls[i].error, BLAME_BASE_NOT_FOUND);
        cr_expect(b == pulls[i].blame, "%s: %s, expected %s", pulls[i].error, blame_code(b),
                  blame_code(pulls[i].blame));
    }
}
