#include "scheduler/planner/cpp.h"

#include "common/base/mem.h"
#include "common/loop/file.h"
#include "common/loop/proc.h"
#include <errno.h>
#include <unistd.h>

#define CPP_TIME (5 * BF_SEC)
#define CPP_MEMORY ((uint64_t)512 << 20)

static int write_files(const struct prepro_input *in, const char *dir, struct err *e)
{
    char *cwd = xasprintf("%s/%s", dir, in->dir);
    int rc = dir_make(cwd, 0700, e);
    for (size_t i = 0; i < in->files && rc == 0; i++) {
        char *path = xasprintf("%s/%s", dir, in->file[i].path), *slash = strrchr(path, '/');
        *slash = '\0';
        rc = dir_make(path, 0700, e);
        *slash = '/';
        if (rc == 0)
            rc = file_write_atomic(path, in->file[i].text, in->file[i].n, 0600, e);
        free(path);
    }
    free(cwd);
    return rc;
}

/* A path of cpp's, as one of the tree: "./x" in context "a" is "a/x". */
static bool may_read(const struct prepro_input *in, struct arena *a, const char *path)
{
    const char *real = *path != '/' ? path_join(a, in->dir, path) : NULL;
    for (size_t i = 0; i < in->files && real != NULL; i++) {
        if (strcmp(in->file[i].path, real) == 0)
            return true;
    }
    return false;
}

/* -H names each file that was opened, on a line of its own: ". a/x", ".. b/y". */
static int check_opened(const struct prepro_input *in, const char *words, struct str *complaints,
                        struct err *e)
{
    struct arena a = ARENA_INIT;
    int rc = 0;
    for (const char *p = words; *p != '\0' && rc == 0;) {
        size_t n = strcspn(p, "\n"), dots = strspn(p, ".");
        if (dots > 0 && p[dots] == ' ') {
            const char *path = arena_strn(&a, p + dots + 1, n - dots - 1);
            if (!may_read(in, &a, path))
                rc = err_set(e, ERR_INPUT,
                             "it includes '%.200s', which is no file of the repository", path);
        } else {
            str_addmem(complaints, p, n);
            str_addch(complaints, '\n');
        }
        p += n + (p[n] == '\n');
    }
    arena_release(&a);
    return rc;
}

static int run_in(const char *dir, const struct prepro_input *in, struct str *text,
                  struct str *complaints, struct err *e)
{
    /* As buildah runs it, and: without this host's headers, with the names of what was opened. */
    static const char *const argv[] = {
        "cpp",          "-E",     "-iquote", ".", "-nostdinc", "-H", "-fno-diagnostics-show-caret",
        "-traditional", "-undef", "-",       NULL};
    struct str words = STR_INIT;
    struct proc_exit how;
    char *cwd = xasprintf("%s/%s", dir, in->dir),
         *home = xasprintf("PATH=%s", getenv("PATH") != NULL ? getenv("PATH") : "/usr/bin:/bin");
    const char *const env[] = {home, "LC_ALL=C.UTF-8", NULL};
    struct proc_spec spec = {.argv = argv,
                             .env = env,
                             .cwd = cwd,
                             .in = in->main.text,
                             .in_len = in->main.n,
                             .timeout = CPP_TIME,
                             .grace = BF_SEC,
                             .max_memory = CPP_MEMORY};
    int rc = proc_run(&spec, text, &words, PREPRO_MAX_BYTES, &how, e);
    if (rc < 0 && e->sys_errno == ENOENT)
        rc = err_set(e, ERR_CONFIG, "this host has no C preprocessor (cpp)");
    if (rc == 0 && how.end != PROC_EXITED)
        rc = err_set(e, ERR_INPUT, "the C preprocessor did not end within %d s and %d MiB",
                     (int)(CPP_TIME / BF_SEC), (int)(CPP_MEMORY >> 20));
    if (rc == 0 && text->len >= PREPRO_MAX_BYTES)
        rc = err_set(e, ERR_INPUT, "the C preprocessor makes more than %zu bytes of it",
                     PREPRO_MAX_BYTES);
    if (rc == 0)
        rc = check_opened(in, words.p, complaints, e);
    if (rc == 0 && how.status != 0 && strstr(complaints->p, "error: ") == NULL)
        rc = err_set(e, ERR_INPUT, "the C preprocessor failed without a word (status %d)",
                     how.status);
    free(cwd);
    free(home);
    str_release(&words);
    return rc;
}

int cpp_run(void *arg, const struct prepro_input *in, struct str *text, struct str *complaints,
            struct err *e)
{
    const char *tmp = getenv("TMPDIR");
    (void)arg;
    char *dir = xasprintf("%s/bootfarm-cpp-XXXXXX", tmp != NULL ? tmp : "/tmp");
    int rc = mkdtemp(dir) != NULL ? 0 : err_sys(e, "%s", dir);
    if (rc == 0) {
        rc = write_files(in, dir, e);
        if (rc == 0)
            rc = run_in(dir, in, text, complaints, e);
        (void)!dir_remove(dir, NULL);
    }
    free(dir);
    return rc;
}
