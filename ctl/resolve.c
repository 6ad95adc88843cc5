#include "ctl/resolve.h"
#include "common/loop/file.h"
#include "ctl/program.h"

#define CONFIG_MAX ((size_t)1 << 20)

void config_value(const char *text, const char *name, struct str *out)
{
    size_t n = strlen(name);

    for (const char *line = text; line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL) {
        const char *p = line + strspn(line, " \t");
        size_t len;

        if (strncmp(p, name, n) != 0)
            continue;
        p += n;
        p += strspn(p, " \t");
        if (*p != '=')
            continue;
        p += 1 + strspn(p + 1, " \t");
        len = strcspn(p, "\r\n");
        while (len && (p[len - 1] == ' ' || p[len - 1] == '\t'))
            len--;
        str_addmem(out, p, len);
        return;
    }
}

bool list_has(const char *list, const char *host, size_t n)
{
    while (*list) {
        size_t len;

        list += strspn(list, ", \t");
        len = strcspn(list, ", \t");
        if (len == n && len && memcmp(list, host, n) == 0)
            return true;
        list += len;
    }
    return false;
}

size_t reference_name_length(const char *reference)
{
    const char *at = strchr(reference, '@');
    size_t n = at ? (size_t)(at - reference) : strlen(reference);

    for (size_t i = n; i-- > 0 && reference[i] != '/';)
        if (reference[i] == ':')
            return i;
    return n;
}

/* What the executors' configuration says about registries. */
struct registries {
    struct str insecure, authfile, certs_dir;
};

static void registries_release(struct registries *r)
{
    str_release(&r->insecure);
    str_release(&r->authfile);
    str_release(&r->certs_dir);
}

static int registries_read(const char *config, struct registries *r, struct err *e)
{
    BF_CLEANUP(str_release) struct str text = STR_INIT;

    if (!config)
        return 0;
    if (file_read(config, CONFIG_MAX, &text, e) < 0)
        return -1;
    config_value(text.p, "insecure_registries", &r->insecure);
    config_value(text.p, "authfile", &r->authfile);
    config_value(text.p, "certs_dir", &r->certs_dir);
    return 0;
}

static int ask_registry(const char *reference, const struct registries *r, bool insecure,
                        struct str *digest, struct err *e)
{
    BF_CLEANUP(str_release) struct str source = STR_INIT;
    const char *argv[12] = {"skopeo", "inspect", "--format", "{{.Digest}}"};
    size_t n = 4;
    int status;

    if (insecure)
        argv[n++] = "--tls-verify=false";
    if (r->authfile.len) {
        argv[n++] = "--authfile";
        argv[n++] = r->authfile.p;
    }
    if (r->certs_dir.len) {
        argv[n++] = "--cert-dir";
        argv[n++] = r->certs_dir.p;
    }
    str_addf(&source, "docker://%s", reference);
    argv[n] = source.p;
    status = program_run(argv, digest, e);
    while (digest->len && digest->p[digest->len - 1] == '\n')
        digest->p[--digest->len] = '\0';
    if (status > 0)
        return err_set(e, ERR_TEMPORARY, "cannot tell what %s is; skopeo said why", reference);
    return status;
}

static int resolve_tag(const char *reference, const char *config, bool insecure, struct str *out,
                       struct err *e)
{
    BF_CLEANUP(registries_release)
    struct registries r = {.insecure = STR_INIT, .authfile = STR_INIT, .certs_dir = STR_INIT};
    BF_CLEANUP(str_release) struct str digest = STR_INIT;
    struct sha256 ignored;

    if (registries_read(config, &r, e) < 0)
        return -1;
    insecure = insecure || list_has(r.insecure.p, reference, strcspn(reference, "/"));
    if (ask_registry(reference, &r, insecure, &digest, e) < 0)
        return -1;
    if (digest_parse(digest.p, &ignored) < 0)
        return err_set(e, ERR_SYSTEM, "skopeo names no digest for %s", reference);
    str_addmem(out, reference, reference_name_length(reference));
    str_addf(out, "@%s", digest.p);
    return 0;
}

int reference_resolve(const char *reference, const char *config, bool insecure, struct str *out,
                      struct err *e)
{
    const char *at = strchr(reference, '@');
    struct sha256 ignored;

    if (at && digest_parse(at + 1, &ignored) < 0)
        return err_set(e, ERR_CONFIG, "'%s': expected @sha256: and 64 hex digits", reference);
    if (at) {
        str_addmem(out, reference, reference_name_length(reference));
        str_add(out, at);
        return 0;
    }
    if (str_starts(reference, "localhost/")) {
        str_add(out, reference);
        return 0;
    }
    return resolve_tag(reference, config, insecure, out, e);
}
