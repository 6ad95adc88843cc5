#include "common/base/clock.h"
#include "common/base/str.h"
#include "scheduler/planner/poll.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <strings.h>
#include <sys/time.h>
#include <unistd.h>

#define INPUT_MAX ((size_t)64 * 1024 * 1024)

static int read_input(struct poll *p, struct err *e)
{
    struct str text = STR_INIT;
    char piece[65536];
    ssize_t n;
    json_error_t where;
    while ((n = read(STDIN_FILENO, piece, sizeof piece)) != 0 && text.len <= INPUT_MAX) {
        if (n < 0 && errno != EINTR)
            break;
        str_addmem(&text, piece, n > 0 ? (size_t)n : 0);
    }
    p->in = text.len <= INPUT_MAX ? json_loadb(text.p, text.len, 0, &where) : NULL;
    int rc = 0;
    if (text.len > INPUT_MAX)
        rc = err_set(e, ERR_INPUT, "the input is larger than %zu bytes", INPUT_MAX);
    else if (!json_is_object(p->in))
        rc = err_set(e, ERR_INPUT, "the input is not a JSON object: line %d: %s", where.line,
                     where.text);
    str_release(&text);
    return rc;
}

static int member(const json_t *in, const char *key, bool required, const char **out, struct err *e)
{
    const json_t *v = json_object_get(in, key);
    *out = json_string_value(v);
    if (*out != NULL || (!required && (v == NULL || json_is_null(v))))
        return 0;
    return err_set(e, ERR_INPUT, "the input's '%s' is not a string", key);
}

static int read_git(struct poll *p, struct err *e)
{
    const json_t *git = json_object_get(p->in, "git");
    int rc = member(git, "ssh_key", false, &p->remote.ssh_key, e);
    if (rc == 0)
        rc = member(git, "known_hosts", false, &p->remote.known_hosts, e);
    if (rc == 0)
        rc = member(git, "ca_file", false, &p->remote.ca_file, e);
    if (rc == 0)
        rc = member(git, "credentials", false, &p->remote.credentials, e);
    if (rc == 0)
        rc = member(git, "allowed_signers", false, &p->signers.allowed, e);
    if (rc == 0)
        rc = member(git, "keyring", false, &p->signers.keyring, e);
    return rc;
}

const char *poll_space(const char *name)
{
    static const char *const spaces[] = {"tags/", "pull/", "merge-requests/"};
    for (size_t i = 0; i < ARRAY_SIZE(spaces); i++) {
        if (str_starts(name, spaces[i]))
            return spaces[i];
    }
    return NULL;
}

static void find_pulls(struct poll *p)
{
    const json_t *patterns = json_object_get(p->in, "refs");
    for (size_t i = 0; i < json_array_size(patterns); i++) {
        const char *pattern = json_string_value(json_array_get(patterns, i));
        const char *space = pattern != NULL ? poll_space(pattern) : NULL;
        p->remote.pulls |= space != NULL && strcmp(space, "tags/") != 0;
    }
}

static void read_known(struct poll *p)
{
    const json_t *known = json_object_get(p->in, "known_contexts");
    p->written = json_object();
    for (size_t i = 0; i < json_array_size(known); i++) {
        const char *key = json_string_value(json_array_get(known, i));
        if (key != NULL)
            json_object_set_new(p->written, key, json_null());
    }
}

static void read_aliases(struct poll *p)
{
    const char *name;
    json_t *value;
    json_object_foreach(json_object_get(p->in, "aliases"), name, value)
    {
        if (json_is_string(value))
            *vec_push(&p->alias) =
                (struct plan_alias){.name = name, .reference = json_string_value(value)};
    }
}

/* Anything but a list of texts: there are triggers, but which is not known. */
static void read_onbuild(struct poll *p)
{
    const char *reference;
    json_t *list;
    json_object_foreach(json_object_get(p->in, "onbuild"), reference, list)
    {
        size_t n = json_array_size(list);
        const char **trigger = arena_array(&p->a, n, sizeof *trigger);
        for (size_t i = 0; i < json_array_size(list); i++) {
            trigger[i] = json_string_value(json_array_get(list, i));
            if (trigger[i] == NULL)
                n = 0;
        }
        *vec_push(&p->onbuild) =
            (struct plan_onbuild){.reference = reference, .trigger = trigger, .triggers = n};
    }
}

/* git keeps the deadline itself; this is for what comes after it. */
static void on_alarm(int sig)
{
    static const char text[] = "{\"error\":{\"kind\":\"limit\",\"message\":"
                               "\"planning took longer than the time of a poll\"}}\n";
    (void)sig;
    (void)!write(STDOUT_FILENO, text, sizeof text - 1);
    _exit(1);
}

static void set_alarm(bf_time deadline)
{
    bf_time left = deadline - clock_mono() + 2 * BF_SEC;
    struct itimerval at = {.it_value = {.tv_sec = left / BF_SEC, .tv_usec = left % BF_SEC}};
    signal(SIGALRM, on_alarm);
    (void)setitimer(ITIMER_REAL, &at, NULL);
}

/* Of "scheme://authority/..." the part up to '@', or of "user:password@host:path". A user alone is
 * no secret, except for http, where it may be a token. */
static bool holds_secret(const char *url)
{
    const char *scheme = strstr(url, "://");
    const char *from = scheme != NULL ? scheme + 3 : url;
    size_t authority = strcspn(from, scheme != NULL ? "/?#" : "/");
    const char *at = memchr(from, '@', authority);
    if (at == NULL)
        return false;
    bool http = scheme != NULL && ((scheme - url >= 4 && strncasecmp(scheme - 4, "http", 4) == 0) ||
                                   (scheme - url >= 5 && strncasecmp(scheme - 5, "https", 5) == 0));
    return http || memchr(from, ':', (size_t)(at - from)) != NULL;
}

/* The URL stands in the arguments of git. The message must not repeat it. */
static int check_secret(struct poll *p, struct err *e)
{
    if (!holds_secret(p->remote.url))
        return 0;
    p->fault = FAULT_REPOSITORY;
    return err_set(e, ERR_INPUT,
                   "the input's 'url' holds a user or a password: take them out of the URL, and "
                   "name a file with --credentials");
}

static int read_spec(struct poll *p, struct err *e)
{
    const struct {
        const char *key;
        bool required;
        const char **out;
    } members[] = {{"slug", true, &p->slug},          {"url", true, &p->remote.url},
                   {"mirror", true, &p->mirror},      {"out", true, &p->dir},
                   {"registry", false, &p->registry}, {"arch", true, &p->arch}};
    for (size_t i = 0; i < ARRAY_SIZE(members); i++) {
        if (member(p->in, members[i].key, members[i].required, members[i].out, e) < 0)
            return -1;
    }
    if (check_secret(p, e) < 0 || read_git(p, e) < 0)
        return -1;
    json_int_t timeout = json_integer_value(json_object_get(p->in, "timeout_ms"));
    if (timeout <= 0 || timeout > 24 * 3600 * 1000)
        timeout = 120000;
    p->remote.deadline = clock_mono() + timeout * BF_MSEC;
    set_alarm(p->remote.deadline);
    read_known(p);
    read_aliases(p);
    read_onbuild(p);
    find_pulls(p);
    return 0;
}

int poll_read_input(struct poll *p, struct err *e)
{
    return read_input(p, e) < 0 ? -1 : read_spec(p, e);
}

void poll_stop_clock(void)
{
    signal(SIGALRM, SIG_IGN);
}
