/* Signed commits, by git's own verify-commit with ssh-keygen or gpg. */
#include "scheduler/planner/fetch_private.h"

#include "common/base/clock.h"
#include "common/loop/file.h"
#include <stdio.h>
#include <unistd.h>

/* 1: accepted. 0: not; *why has what was said. */
static int verify_with(const struct remote *r, const char *mirror, const char *const *config,
                       const char *home, const char *oid, struct str *why, struct err *e)
{
    char *dir = xasprintf("--git-dir=%s", mirror);
    const char *const argv[] = {"git",     dir,  "-c",      config[0],       "-c",
                                config[1], "-c", config[2], "verify-commit", "--",
                                oid,       NULL};
    struct str words = STR_INIT;
    struct proc_exit how;
    char line[400];
    int rc = git_run(r, argv, home, NULL, NULL, &words, &how, e);
    if (rc == 0)
        rc = how.end == PROC_EXITED && how.status == 0;
    git_words(words.p, line, sizeof line);
    if (rc == 0)
        str_addf(why, "%s%s", why->len > 0 && *line != '\0' ? "; " : "", line);
    str_release(&words);
    free(dir);
    return rc;
}

static int verify_ssh(const struct remote *r, const char *allowed, const char *mirror,
                      const char *oid, struct str *why, struct err *e)
{
    char *file = xasprintf("gpg.ssh.allowedSignersFile=%s", allowed);
    /* `fully`: a good signature of a key that is not in the list will not do. No OpenPGP here. */
    const char *const config[] = {"gpg.minTrustLevel=fully", file, "gpg.program=/bin/false"};
    int rc = access(allowed, R_OK) == 0 ? verify_with(r, mirror, config, NULL, oid, why, e)
                                        : err_sys(e, "%s", allowed);
    free(file);
    return rc;
}

static int import_keys(const struct remote *r, const char *keyring, const char *home, struct err *e)
{
    const char *const argv[] = {"gpg",      "--homedir", home,
                                "--batch",  "--quiet",   "--no-autostart",
                                "--import", keyring,     NULL};
    struct str words = STR_INIT;
    struct proc_exit how;
    char line[400];
    bf_time left = r->deadline - clock_mono();
    struct proc_spec spec = {
        .argv = argv, .timeout = left > BF_MSEC ? left : BF_MSEC, .grace = BF_SEC};
    int rc = proc_run(&spec, NULL, &words, sizeof line, &how, e);
    git_words(words.p, line, sizeof line);
    if (rc == 0 && (how.end != PROC_EXITED || how.status != 0))
        rc = err_set(e, ERR_CONFIG, "gpg cannot read the keyring %s: %s", keyring, line);
    str_release(&words);
    return rc;
}

/* The keyring stands alone in a private folder: any key in it is a signer's. */
static int verify_pgp(const struct remote *r, const char *keyring, const char *mirror,
                      const char *oid, struct str *why, struct err *e)
{
    static const char *const config[] = {"gpg.minTrustLevel=undefined", "gpg.program=gpg",
                                         "gpg.ssh.program=/bin/false"};
    const char *tmp = getenv("TMPDIR");
    char *home = xasprintf("%s/bootfarm-gpg-XXXXXX", tmp != NULL ? tmp : "/tmp");
    int rc = mkdtemp(home) != NULL ? 0 : err_sys(e, "%s", home);
    if (rc == 0) {
        char *variable = xasprintf("GNUPGHOME=%s", home);
        rc = import_keys(r, keyring, home, e);
        if (rc == 0)
            rc = verify_with(r, mirror, config, variable, oid, why, e);
        (void)!dir_remove(home, NULL);
        free(variable);
    }
    free(home);
    return rc;
}

int remote_verify(const struct remote *r, const struct signers *signers, const char *mirror,
                  const char *oid, struct str *why, enum remote_fault *fault, struct err *e)
{
    int rc = 0;
    *fault = FAULT_INTERNAL;
    if (signers->allowed != NULL)
        rc = verify_ssh(r, signers->allowed, mirror, oid, why, e);
    if (rc == 0 && signers->keyring != NULL)
        rc = verify_pgp(r, signers->keyring, mirror, oid, why, e);
    return rc;
}
