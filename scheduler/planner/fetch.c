#include "scheduler/planner/fetch_private.h"

#include "common/base/clock.h"
#include "common/base/str.h"

#define LIST_MAX_BYTES ((size_t)64 * 1024 * 1024)
#define GIT_MEMORY ((uint64_t)4 << 30)

const char *const remote_fault_names[] = {[FAULT_UNREACHABLE] = "unreachable",
                                          [FAULT_AUTH] = "auth",
                                          [FAULT_REPOSITORY] = "repository",
                                          [FAULT_LIMIT] = "limit",
                                          [FAULT_INTERNAL] = "internal"};

/* ---- how git is run ---- */

/* Everything that git would read from this host, said here instead. */
static const char *const config[][2] = {
    {"core.hooksPath", "/dev/null"},
    {"core.fsmonitor", "false"},
    {"core.packedGitLimit", "256m"},
    {"credential.helper", ""},
    {"fetch.fsckObjects", "true"},
    /* Harmless faults of old histories. */
    {"fetch.fsck.zeroPaddedFilemode", "ignore"},
    {"fetch.fsck.badTimezone", "ignore"},
    {"fetch.fsck.missingSpaceBeforeDate", "ignore"},
    {"gc.autoDetach", "false"},
    {"http.lowSpeedLimit", "100"},
    {"http.lowSpeedTime", "30"},
    {"pack.threads", "1"},
    {"protocol.version", "2"},
    {"safe.directory", "*"},
    {"submodule.recurse", "false"},
};

struct git_env {
    VEC(const char *) v;
    struct arena a;
    int pairs;
};

static void add_config(struct git_env *env, const char *key, const char *value)
{
    *vec_push(&env->v) = arena_fmt(&env->a, "GIT_CONFIG_KEY_%d=%s", env->pairs, key);
    *vec_push(&env->v) = arena_fmt(&env->a, "GIT_CONFIG_VALUE_%d=%s", env->pairs, value);
    env->pairs++;
}

/* For sh: in single quotes. */
static const char *quoted(struct arena *a, const char *text)
{
    struct str s = STR_INIT;
    str_addch(&s, '\'');
    for (; *text != '\0'; text++) {
        if (*text == '\'')
            str_add(&s, "'\\''");
        else
            str_addch(&s, *text);
    }
    str_addch(&s, '\'');
    const char *out = arena_strn(a, s.p, s.len);
    str_release(&s);
    return out;
}

static const char *ssh_command(struct git_env *env, const struct remote *r)
{
    struct str s = STR_INIT;
    str_add(&s, "ssh -F /dev/null -o BatchMode=yes -o StrictHostKeyChecking=yes "
                "-o ConnectTimeout=15 -o ServerAliveInterval=15 -o ServerAliveCountMax=3 "
                "-o GlobalKnownHostsFile=/dev/null");
    str_addf(&s, " -o UserKnownHostsFile=%s",
             r->known_hosts != NULL ? quoted(&env->a, r->known_hosts) : "/dev/null");
    if (r->ssh_key != NULL)
        str_addf(&s, " -o IdentitiesOnly=yes -i %s", quoted(&env->a, r->ssh_key));
    const char *out = arena_strn(&env->a, s.p, s.len);
    str_release(&s);
    return out;
}

static void make_env(struct git_env *env, const struct remote *r, const char *more)
{
    static const char *const fixed[] = {"GIT_CONFIG_GLOBAL=/dev/null",
                                        "GIT_CONFIG_SYSTEM=/dev/null",
                                        "GIT_CONFIG_NOSYSTEM=1",
                                        "GIT_TERMINAL_PROMPT=0",
                                        "GIT_ASKPASS=/bin/false",
                                        "SSH_ASKPASS=/bin/false",
                                        "GIT_ALLOW_PROTOCOL=file:git:ssh:https",
                                        "GIT_SSH_VARIANT=ssh",
                                        "HOME=/nonexistent",
                                        "LC_ALL=C.UTF-8",
                                        "GIT_ATTR_NOSYSTEM=1"};
    const char *path = getenv("PATH"), *tmp = getenv("TMPDIR");
    for (size_t i = 0; i < ARRAY_SIZE(fixed); i++)
        *vec_push(&env->v) = fixed[i];
    *vec_push(&env->v) =
        arena_fmt(&env->a, "PATH=%s", path != NULL ? path : "/usr/local/bin:/usr/bin:/bin");
    *vec_push(&env->v) = arena_fmt(&env->a, "TMPDIR=%s", tmp != NULL ? tmp : "/tmp");
    *vec_push(&env->v) = arena_fmt(&env->a, "GIT_SSH_COMMAND=%s", ssh_command(env, r));
    for (size_t i = 0; i < ARRAY_SIZE(config); i++)
        add_config(env, config[i][0], config[i][1]);
    if (r->ca_file != NULL)
        add_config(env, "http.sslCAInfo", r->ca_file);
    if (r->credentials != NULL)
        add_config(env, "credential.helper",
                   arena_fmt(&env->a, "store --file=%s", quoted(&env->a, r->credentials)));
    *vec_push(&env->v) = arena_fmt(&env->a, "GIT_CONFIG_COUNT=%d", env->pairs);
    if (more != NULL)
        *vec_push(&env->v) = more;
    *vec_push(&env->v) = NULL;
}

static void release_env(struct git_env *env)
{
    vec_release(&env->v);
    arena_release(&env->a);
}

/* What git's words mean; the words are those of LC_ALL=C. */
static enum remote_fault classify(const char *text)
{
    static const struct {
        const char *words;
        enum remote_fault fault;
    } known[] = {
        {"Host key verification failed", FAULT_AUTH},
        {"Permission denied", FAULT_AUTH},
        {"Authentication failed", FAULT_AUTH},
        {"could not read Username", FAULT_AUTH},
        {"could not read Password", FAULT_AUTH},
        {"terminal prompts disabled", FAULT_AUTH},
        {"The requested URL returned error: 401", FAULT_AUTH},
        {"The requested URL returned error: 403", FAULT_AUTH},
        {"not allowed", FAULT_REPOSITORY}, /* transport '…' not allowed */
        {"does not appear to be a git repository", FAULT_REPOSITORY},
        {"not found", FAULT_REPOSITORY},
        {"does not exist", FAULT_REPOSITORY},
        {"File too large", FAULT_LIMIT},
        {"File size limit exceeded", FAULT_LIMIT},
        {"out of memory", FAULT_LIMIT},
        {"Cannot allocate memory", FAULT_LIMIT},
        {"died of signal 25", FAULT_LIMIT}, /* SIGXFSZ */
        {"fsck error", FAULT_REPOSITORY},
        {"pack has bad object", FAULT_REPOSITORY},
        {"index-pack failed", FAULT_REPOSITORY},
        {"No space left", FAULT_INTERNAL},
    };
    for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
        if (strstr(text, known[i].words) != NULL)
            return known[i].fault;
    }
    return FAULT_UNREACHABLE;
}

void git_words(const char *text, char *line, size_t size)
{
    size_t n = 0;
    for (; *text != '\0' && n + 3 < size; text++) {
        if (*text != '\n')
            line[n++] = *text >= ' ' || *text < 0 ? *text : ' ';
        else if (text[1] != '\0' && text[1] != '\n')
            n += (size_t)snprintf(line + n, size - n, "; ");
    }
    line[n] = '\0';
}

static void say(struct err *e, const char *text)
{
    char line[900];
    git_words(text, line, sizeof line);
    err_set(e, ERR_TEMPORARY, "%s", *line != '\0' ? line : "git failed without a word");
}

int git_run(const struct remote *r, const char *const *argv, const char *more, const char *in,
            struct str *out, struct str *words, struct proc_exit *how, struct err *e)
{
    struct git_env env = {.pairs = 0};
    bf_time left = r->deadline - clock_mono();
    make_env(&env, r, more);
    struct proc_spec spec = {.argv = argv,
                             .env = env.v.v,
                             .in = in,
                             .in_len = in != NULL ? strlen(in) : 0,
                             .timeout = left > BF_MSEC ? left : BF_MSEC,
                             .grace = BF_SEC,
                             .max_memory = GIT_MEMORY};
    int rc = proc_run(&spec, out, words, LIST_MAX_BYTES, how, e);
    release_env(&env);
    return rc;
}

static int run_git(const struct remote *r, const char *const *argv, const char *in, struct str *out,
                   enum remote_fault *fault, struct err *e)
{
    struct str words = STR_INIT;
    struct proc_exit how;
    int rc = git_run(r, argv, NULL, in, out, &words, &how, e);
    if (rc < 0) {
        *fault = e->kind == ERR_TEMPORARY ? FAULT_UNREACHABLE : FAULT_INTERNAL;
    } else if (how.end == PROC_SIGNALLED && how.status == SIGXFSZ) {
        *fault = FAULT_LIMIT;
        rc = err_set(e, ERR_INPUT, "the repository is larger than this planner may store");
    } else if (how.end != PROC_EXITED || how.status != 0) {
        *fault = classify(words.p);
        say(e, words.p);
        rc = -1;
    } else if (out != NULL && out->len >= LIST_MAX_BYTES) {
        *fault = FAULT_LIMIT;
        rc = err_set(e, ERR_INPUT, "the list of refs is larger than %zu bytes", LIST_MAX_BYTES);
    }
    str_release(&words);
    return rc;
}

/* A repository on this host may belong to another user: its owner is vouched for by whoever
 * configured the URL. For a path, git runs this program; elsewhere it is the server's business. */
static const char *upload_pack(const char *url)
{
    bool local = *url == '/' || str_starts(url, "file://");
    return local ? "--upload-pack=git -c safe.directory=* upload-pack"
                 : "--upload-pack=git-upload-pack";
}

static int check_url(const struct remote *r, enum remote_fault *fault, struct err *e)
{
    if (*r->url != '\0' && *r->url != '-' && strpbrk(r->url, "\n\r") == NULL)
        return 0;
    *fault = FAULT_REPOSITORY;
    return err_set(e, ERR_INPUT, "'%s' is not a URL", r->url);
}

/* ---- ls-remote ---- */

static bool is_oid(const char *p, size_t n)
{
    return n == 40 && strspn(p, "0123456789abcdef") >= 40;
}

static int by_name(const void *x, const void *y)
{
    return strcmp(((const struct remote_ref *)x)->ref, ((const struct remote_ref *)y)->ref);
}

struct lister {
    struct arena *a;
    struct remote_refs *out;
    VEC(struct remote_ref) list;
};

/* "ref: refs/heads/main\tHEAD", "OID\tHEAD", "OID\trefs/heads/x", "OID\trefs/tags/v1^{}". */
static void take_line(struct lister *l, const char *line, size_t n)
{
    const char *tab = memchr(line, '\t', n);
    if (tab == NULL)
        return;
    const char *name = arena_strn(l->a, tab + 1, n - (size_t)(tab + 1 - line));
    size_t left = (size_t)(tab - line), len = strlen(name);
    if (left > 5 && memcmp(line, "ref: ", 5) == 0) {
        if (strcmp(name, "HEAD") == 0)
            l->out->head = arena_strn(l->a, line + 5, left - 5);
        return;
    }
    if (!is_oid(line, left))
        return;
    if (strcmp(name, "HEAD") == 0) {
        memcpy(l->out->head_oid, line, 40);
        return;
    }
    if (str_ends(name, "^{}")) { /* what the annotated tag before it stands for */
        struct remote_ref *last = l->list.n > 0 ? &l->list.v[l->list.n - 1] : NULL;
        if (last != NULL && strlen(last->ref) == len - 3 && memcmp(last->ref, name, len - 3) == 0)
            memcpy(last->oid, line, 40);
        return;
    }
    struct remote_ref *ref = vec_push(&l->list);
    *ref = (struct remote_ref){.ref = name};
    memcpy(ref->oid, line, 40);
}

int remote_list(struct arena *a, const struct remote *r, struct remote_refs *out,
                enum remote_fault *fault, struct err *e)
{
    const char *const argv[] = {"git",
                                "ls-remote",
                                "--symref",
                                upload_pack(r->url),
                                "--",
                                r->url,
                                "HEAD",
                                "refs/heads/*",
                                "refs/tags/*",
                                r->pulls ? "refs/pull/*/head" : NULL,
                                "refs/merge-requests/*/head",
                                NULL};
    struct str text = STR_INIT;
    struct lister l = {.a = a, .out = out};
    *out = (struct remote_refs){.head = NULL};
    int rc = check_url(r, fault, e);
    if (rc == 0)
        rc = run_git(r, argv, NULL, &text, fault, e);
    for (const char *p = text.p; rc == 0 && *p != '\0';) {
        size_t n = strcspn(p, "\n");
        take_line(&l, p, n);
        p += n + (p[n] == '\n');
    }
    if (l.list.n > 1)
        qsort(l.list.v, l.list.n, sizeof *l.list.v, by_name);
    arena_take(a, &l.list, &out->v, &out->n);
    str_release(&text);
    return rc;
}

/* ---- fetch ---- */

static bool is_spoilt(const char *message)
{
    static const char *const words[] = {
        ".lock': File exists", "is corrupt",
        "cannot be accessed",  "inflate: ",
        "unable to read",      "not a git repository",
        "bad object refs/",    "did not send all necessary objects"};
    for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
        if (strstr(message, words[i]) != NULL)
            return true;
    }
    return false;
}

int remote_fetch(const struct remote *r, const char *mirror, const char *const *refs, size_t n,
                 bool *spoilt, enum remote_fault *fault, struct err *e)
{
    char *dir = xasprintf("--git-dir=%s", mirror);
    const char *const argv[] = {"git",
                                dir,
                                "fetch",
                                "--quiet",
                                "--force",
                                "--no-tags",
                                "--no-write-fetch-head",
                                "--no-recurse-submodules",
                                "--no-progress",
                                upload_pack(r->url),
                                "--stdin",
                                "--",
                                r->url,
                                NULL};
    struct str specs = STR_INIT;
    int rc = check_url(r, fault, e);
    for (size_t i = 0; i < n; i++)
        str_addf(&specs, "+%s:%s\n", refs[i], refs[i]);
    if (rc == 0)
        rc = run_git(r, argv, specs.p, NULL, fault, e);
    *spoilt = rc < 0 && is_spoilt(e->msg);
    str_release(&specs);
    free(dir);
    return rc;
}
