#include "tests/io/worker/daemon.h"
#include "common/base/mem.h"
#include "common/loop/file.h"
#include <criterion/criterion.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

static struct err e;

static const struct {
    const char *name, *value;
} defaults[] = {
    {"arch = ", "amd64"},       {"roles = ", "build,test"},  {"heartbeat = ", "500ms"},
    {"kill_time = ", "400ms"},  {"disk_floor = ", "1MiB"},   {"log_floor = ", "1MiB"},
    {"slots = ", "2"},          {"memory_floor = ", "1MiB"}, {"log_level = ", "debug"},
    {"exec = ", TEST_EXECUTOR},
};

void daemon_configure(struct daemon *d, const char *more)
{
    struct str s = STR_INIT;
    str_add(&s, "name = worker-1\nsite = hub\n");
    if (strstr(more, "schedulers = ") == NULL)
        str_addf(&s, "schedulers = %s\nlog_endpoints = %s\n", d->hub.control_endpoint,
                 d->hub.log_endpoint);
    str_addf(&s, "server_key = %s\nkey_file = %s/curve.key\nstate_dir = %s/state\n",
             d->hub.public_key, d->tmp.dir, d->tmp.dir);
    str_addf(&s, "exec_config = %s/exec.conf\nsecrets_dir = %s/secrets\n", d->tmp.dir, d->tmp.dir);
    for (size_t i = 0; i < ARRAY_SIZE(defaults); i++)
        if (strstr(more, defaults[i].name) == NULL)
            str_addf(&s, "%s%s\n", defaults[i].name, defaults[i].value);
    str_add(&s, more);
    tmp_write(&d->tmp, "worker.conf", s.p, s.len);
    str_release(&s);
}

/* No process may stay behind a failed test; and its log says more than the test. */
static void on_late(void *arg)
{
    struct daemon *d = arg;
    char *log = daemon_file(d, "worker.log");
    fprintf(stderr, "%s\n", log);
    free(log);
    if (d->running)
        daemon_signal(d, SIGKILL);
}

void daemon_prepare(struct daemon *d, const char *more)
{
    char secret[41], exec_conf[128];
    *d = (struct daemon){0};
    tmp_make(&d->tmp);
    hub_open(&d->hub);
    d->hub.on_late = on_late;
    d->hub.on_late_arg = d;
    cr_assert_eq(zcurve_keypair(d->hub.worker_key, secret, &e), 0);
    cr_assert_eq(zcurve_save(tmp_path(&d->tmp, "curve.key"), secret, &e), 0, "%s", e.msg);
    cr_assert_eq(dir_make(tmp_path(&d->tmp, "secrets"), 0700, &e), 0);
    tmp_write(&d->tmp, "secrets/token", "t0k3n-t0k3n\n", 12);
    snprintf(exec_conf, sizeof exec_conf, "state_dir = %s/exec\n", d->tmp.dir);
    tmp_write(&d->tmp, "exec.conf", exec_conf, strlen(exec_conf));
    snprintf(d->conf, sizeof d->conf, "--config=%s", tmp_path(&d->tmp, "worker.conf"));
    daemon_configure(d, more);
}

static void on_exit_(uv_process_t *p, int64_t status, int sig)
{
    struct daemon *d = p->data;
    d->running = false;
    d->ended = true;
    d->status = status;
    d->signal = sig;
    uv_close((uv_handle_t *)p, NULL);
}

void daemon_start(struct daemon *d)
{
    char *argv[] = {TEST_WORKER, d->conf, NULL};
    int log = open(tmp_path(&d->tmp, "worker.log"), O_WRONLY | O_CREAT | O_APPEND, 0600);
    uv_stdio_container_t io[3] = {{.flags = UV_IGNORE},
                                  {.flags = UV_INHERIT_FD, .data.fd = log},
                                  {.flags = UV_INHERIT_FD, .data.fd = log}};
    uv_process_options_t o = {
        .exit_cb = on_exit_, .file = TEST_WORKER, .args = argv, .stdio = io, .stdio_count = 3};
    cr_assert_geq(log, 0);
    d->ended = false;
    d->process.data = d;
    int rc = uv_spawn(&d->hub.loop, &d->process, &o);
    cr_assert_eq(rc, 0, "%s", uv_strerror(rc));
    d->running = true;
    close(log);
}

void daemon_setup(struct daemon *d, const char *more)
{
    daemon_prepare(d, more);
    daemon_start(d);
    hub_until(&d->hub, hub_has_report, NULL, "the first report");
}

void daemon_signal(struct daemon *d, int sig)
{
    cr_assert(d->running);
    uv_process_kill(&d->process, sig);
}

static bool has_ended(struct hub *h, const void *arg)
{
    (void)h;
    return ((const struct daemon *)arg)->ended;
}

void daemon_wait(struct daemon *d)
{
    hub_until(&d->hub, has_ended, d, "the daemon to end");
    uv_run(&d->hub.loop, UV_RUN_NOWAIT); /* its handle closes */
}

void daemon_teardown(struct daemon *d)
{
    if (d->running) {
        daemon_signal(d, SIGKILL);
        daemon_wait(d);
    }
    char *log = daemon_file(d, "worker.log");
    cr_expect_null(strstr(log, "Sanitizer"), "%s", log);
    cr_expect_null(strstr(log, "runtime error"), "%s", log);
    free(log);
    hub_close(&d->hub);
    /* What a killed daemon had started dies with it, but not at once, and may still write. */
    for (int tries = 0; tries < 500 && dir_remove(d->tmp.dir, NULL) < 0; tries++)
        poll(NULL, 0, 10);
    tmp_remove(&d->tmp);
}

/* ---- files and processes --------------------------------------------------------------------- */

char *daemon_file(const struct daemon *d, const char *name)
{
    struct str s = STR_INIT;
    if (file_read(tmp_path(&d->tmp, name), 1u << 24, &s, NULL))
        str_clear(&s);
    return str_steal(&s);
}

bool file_has_text(struct hub *h, const void *arg)
{
    const struct file_query *q = arg;
    char *text = daemon_file(q->d, q->name);
    bool has = strchr(text, '\n') != NULL;
    (void)h;
    free(text);
    return has;
}

void wait_for_file(struct daemon *d, const char *name)
{
    struct file_query q = {d, name};
    hub_until(&d->hub, file_has_text, &q, name);
}

long file_number(struct daemon *d, const char *name)
{
    wait_for_file(d, name);
    char *text = daemon_file(d, name);
    long n = strtol(text, NULL, 10);
    free(text);
    cr_assert_gt(n, 1, "%s", name);
    return n;
}

bool process_gone(long pid)
{
    char path[64];
    struct str s = STR_INIT;
    snprintf(path, sizeof path, "/proc/%ld/stat", pid);
    bool gone = file_read(path, 4096, &s, NULL) != 0 || strstr(s.p, ") Z ") != NULL;
    str_release(&s);
    return gone;
}

static bool gate_opens(struct hub *h, const void *arg)
{
    const struct file_query *q = arg;
    int fd = open(tmp_path(&q->d->tmp, q->name), O_WRONLY | O_NONBLOCK | O_CLOEXEC);
    (void)h;
    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

void open_gate(struct daemon *d, const char *name)
{
    struct file_query q = {d, name};
    hub_until(&d->hub, gate_opens, &q, name);
}

static bool is_gone(struct hub *h, const void *pid)
{
    (void)h;
    return process_gone(*(const long *)pid);
}

void wait_process_gone(struct daemon *d, long pid)
{
    hub_until(&d->hub, is_gone, &pid, "a process to be gone");
}

/* ---- orders ---------------------------------------------------------------------------------- */

#define COMMON                                                                              \
    "\"v\": 1, \"kind\": \"build\", \"job\": \"build:plant:hmi@main:amd64\", \"attempt\": " \
    "\"01000000-0000-0000-0000-000000000001\", \"image\": \"plant:hmi@main\", \"arch\": "   \
    "\"amd64\", \"input_key\": "                                                            \
    "\"sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\", "         \
    "\"timeout_ms\": 60000, \"silence_ms\": 60000, \"secrets\": [\"token\"]"

const char *order_sh(const char *sh)
{
    static char text[8192];
    int n = snprintf(text, sizeof text, "{" COMMON ", \"sh\": \"%s\"}", sh);
    cr_assert(n > 0 && n < (int)sizeof text);
    return text;
}

const char *order_fake(const char *fake)
{
    static char text[8192];
    int n = snprintf(text, sizeof text,
                     "{" COMMON ", \"context\": {\"ref\": \"127.0.0.1:1/contexts/plant@sha256:"
                     "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\", "
                     "\"size\": 1}, \"containerfile\": \"Containerfile\", \"target\": null, "
                     "\"args\": {}, \"pins\": [], \"push\": \"127.0.0.1:1/build/plant/hmi\", "
                     "\"cache\": null, \"timestamp\": 0, \"fake\": %s}",
                     fake);
    cr_assert(n > 0 && n < (int)sizeof text);
    return text;
}

void run_to_start(struct daemon *d, struct id128 id, const char *order)
{
    hub_want(&d->hub, id, order);
    hub_until(&d->hub, hub_is_started, &id, "the attempt to start");
}

const Bootfarm__Result *run_to_result(struct daemon *d, struct id128 id, const char *order)
{
    hub_want(&d->hub, id, order);
    hub_until(&d->hub, hub_had_result, &id, "a result");
    return hub_past_result(&d->hub, id);
}
