#include "scheduler/registry.h"

#include "common/base/mem.h"
#include "common/base/str.h"
#include "common/loop/proc.h"
#include <ctype.h>
#include <stdio.h>

#define CALL_DEADLINE (10 * 60 * BF_SEC)
#define MANIFEST_DEADLINE (60 * BF_SEC)
#define MAX_OUT ((size_t)4 << 20) /* the registry's own limit for a manifest */
#define MAX_ERR 2048

struct registry {
    uv_loop_t *loop;
    char *skopeo, *authfile, *cert_dir, *insecure, *tmp_env;
};

struct registry_call {
    struct proc *proc;
    struct str out, err;
    bool cancelled;
    registry_cb *cb;
    void *arg;
};

bool registry_text_ok(const char *text)
{
    static const char others[] = "._-/:@";
    size_t n = strlen(text);
    if (n == 0 || n > 1024 || !isalnum((unsigned char)*text))
        return false;
    for (const char *c = text; *c; c++) {
        if (!isalnum((unsigned char)*c) && !strchr(others, *c))
            return false;
    }
    return true;
}

/* Is the host of HOST[:PORT]/… in the list? */
static bool is_insecure(const struct registry *r, const char *reference)
{
    size_t host = strcspn(reference, "/");
    for (const char *w = r->insecure; *w;) {
        size_t n = strcspn(w, ",");
        size_t lead = strspn(w, " ");
        size_t len = n;
        while (len > lead && w[len - 1] == ' ')
            len--;
        if (len - lead == host && strncmp(w + lead, reference, host) == 0)
            return true;
        w += n + (w[n] == ',');
    }
    return false;
}

/* ---- the child --------------------------------------------------------------------------------
 */

static void on_out(void *arg, const char *p, size_t n)
{
    struct registry_call *c = arg;
    if (c->out.len + n > MAX_OUT) {
        proc_kill_now(c->proc);
        return;
    }
    str_addmem(&c->out, p, n);
}

static void on_err(void *arg, const char *p, size_t n)
{
    struct registry_call *c = arg;
    size_t room = MAX_ERR - c->err.len;
    str_addmem(&c->err, p, n < room ? n : room);
}

/* skopeo writes logrus lines; the last one says what went wrong, in msg="…", with escapes. */
static void last_message(struct str *err)
{
    while (err->len && isspace((unsigned char)err->p[err->len - 1]))
        err->p[--err->len] = '\0';
    const char *line = strrchr(err->p, '\n');
    line = line ? line + 1 : err->p;
    const char *msg = strstr(line, "msg=\"");
    struct str said = STR_INIT;
    for (const char *p = msg ? msg + 5 : line; *p && !(msg && *p == '"'); p++) {
        if (msg && *p == '\\' && p[1])
            p++;
        str_addch(&said, (unsigned char)*p < ' ' ? ' ' : *p);
    }
    str_release(err);
    *err = said;
}

static void on_exit_cb(void *arg, struct proc_exit how)
{
    struct registry_call *c = arg;
    bool ok = how.end == PROC_EXITED && how.status == 0;
    if (how.end == PROC_TIMEOUT) {
        str_clear(&c->err);
        str_add(&c->err, "no answer before the deadline");
    }
    if (!ok)
        last_message(&c->err);
    if (!ok && !c->err.len)
        str_addf(&c->err, "skopeo ended with %d", how.status);
    if (!c->cancelled)
        c->cb(c->arg, ok, c->out.p, c->out.len, c->err.p);
    str_release(&c->out);
    str_release(&c->err);
    free(c);
}

static int start(struct registry *r, const char *const *argv, bf_time timeout, registry_cb *cb,
                 void *arg, struct registry_call **out, struct err *e)
{
    const char *env[] = {"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                         "LANG=C.UTF-8", "HOME=/nonexistent", r->tmp_env, NULL};
    struct registry_call *c = xcalloc(1, sizeof *c);
    c->cb = cb;
    c->arg = arg;
    str_init(&c->out);
    str_init(&c->err);
    struct proc_spec spec = {.argv = argv,
                             .env = env,
                             .timeout = timeout,
                             .grace = BF_SEC,
                             .on_out = on_out,
                             .on_err = on_err,
                             .on_exit = on_exit_cb,
                             .arg = c};
    if (proc_spawn(r->loop, &spec, &c->proc, e)) {
        free(c);
        return err_wrap(e, "%s", r->skopeo);
    }
    *out = c;
    return 0;
}

/* The options that both subcommands share. */
static size_t common_options(const struct registry *r, bool insecure, const char *tls_option,
                             const char **argv)
{
    size_t n = 0;
    if (r->authfile) {
        argv[n++] = "--authfile";
        argv[n++] = r->authfile;
    }
    if (insecure)
        argv[n++] = tls_option;
    return n;
}

int registry_push(struct registry *r, const char *dir, const char *repository, const char *tag,
                  registry_cb *cb, void *arg, struct registry_call **out, struct err *e)
{
    const char *argv[16] = {r->skopeo, "--insecure-policy", "copy", "--quiet",
                            "--preserve-digests"};
    size_t n = 5;
    if (!registry_text_ok(repository) || !registry_text_ok(tag))
        return err_set(e, ERR_INPUT, "%s:%s is no repository and tag", repository, tag);
    n += common_options(r, is_insecure(r, repository), "--dest-tls-verify=false", argv + n);
    if (r->cert_dir) {
        argv[n++] = "--dest-cert-dir";
        argv[n++] = r->cert_dir;
    }
    char *from = xasprintf("oci:%s:context", dir);
    char *to = xasprintf("docker://%s:%s", repository, tag);
    argv[n++] = from;
    argv[n++] = to;
    int rc = start(r, argv, CALL_DEADLINE, cb, arg, out, e);
    free(from);
    free(to);
    return rc;
}

/* skopeo takes a tag or a digest; with both, the digest counts. */
static char *without_tag(const char *reference)
{
    const char *at = strchr(reference, '@');
    const char *slash = strrchr(reference, '/');
    const char *colon = strchr(slash ? slash : reference, ':');
    if (!at || !colon || colon > at)
        return xstrdup(reference);
    return xasprintf("%.*s%s", (int)(colon - reference), reference, at);
}

int registry_manifest(struct registry *r, const char *reference, registry_cb *cb, void *arg,
                      struct registry_call **out, struct err *e)
{
    const char *argv[16] = {r->skopeo, "--insecure-policy", "inspect", "--raw"};
    size_t n = 4;
    if (!registry_text_ok(reference))
        return err_set(e, ERR_INPUT, "\"%.200s\" is no reference", reference);
    n += common_options(r, is_insecure(r, reference), "--tls-verify=false", argv + n);
    if (r->cert_dir) {
        argv[n++] = "--cert-dir";
        argv[n++] = r->cert_dir;
    }
    char *plain = without_tag(reference);
    char *from = xasprintf("docker://%s", plain);
    argv[n++] = from;
    int rc = start(r, argv, MANIFEST_DEADLINE, cb, arg, out, e);
    free(from);
    free(plain);
    return rc;
}

void registry_cancel(struct registry_call *c)
{
    c->cancelled = true;
    proc_kill_now(c->proc);
}

/* ---- life -------------------------------------------------------------------------------------
 */

struct registry *registry_new(uv_loop_t *loop, const struct registry_config *config)
{
    struct registry *r = xcalloc(1, sizeof *r);
    r->loop = loop;
    r->skopeo = xstrdup(config->skopeo);
    r->authfile = config->authfile ? xstrdup(config->authfile) : NULL;
    r->cert_dir = config->cert_dir ? xstrdup(config->cert_dir) : NULL;
    r->insecure = xstrdup(config->insecure ? config->insecure : "");
    r->tmp_env = xasprintf("TMPDIR=%s", config->tmp);
    return r;
}

void registry_free(struct registry *r)
{
    if (!r)
        return;
    free(r->skopeo);
    free(r->authfile);
    free(r->cert_dir);
    free(r->insecure);
    free(r->tmp_env);
    free(r);
}
