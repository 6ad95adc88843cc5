/* router.c - bench_router: what a bare ROUTER with CURVE takes for N idle peers.
 *
 *     bench_router PEERS ROUNDS ASK_BYTES ANSWER_BYTES SECONDS [zap]
 *
 * This process has one ROUTER with the socket options of ours (common/loop/zsock.c) and keeps
 * nothing about its peers; other processes have the peers, each a DEALER with a key pair of its
 * own. Each peer sends ROUNDS messages, the next one after the answer, and then one in 15 seconds.
 * Prints one line of JSON: the resident memory of this process before anybody connected and when
 * all was quiet, and its CPU in SECONDS of the latter, in percent of a core.
 *
 * Without `zap` there is no authenticator: whoever has the server's key may connect. With it there
 * is one (RFC 27) that lets everybody in: what libzmq keeps of each peer's question. */
#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/base/str.h"
#include "tests/lib/cpu_time.h"
#include "tests/lib/resident.h"
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zmq.h>

#define PEERS_PER_PROCESS 500 /* a context has room for 1,023 sockets */
#define CONTROL_HWM 16
#define MAX_BYTES (1 << 20)
#define BEAT_MS 15000
#define GIVE_UP_MS 120000

struct load {
    int64_t peers, rounds, ask, answer, seconds;
    bool zap;
    char server_public[41], server_secret[41];
    char endpoint[64];
};

static void die(const char *what)
{
    fprintf(stderr, "bench_router: %s: %s\n", what, zmq_strerror(errno));
    _exit(1);
}

struct option {
    int name, value;
};

static const struct option common_options[] = {
    {ZMQ_LINGER, 0},
    {ZMQ_HANDSHAKE_IVL, 10000},
    {ZMQ_TCP_KEEPALIVE, 1},
    {ZMQ_TCP_KEEPALIVE_IDLE, 30},
    {ZMQ_TCP_KEEPALIVE_INTVL, 10},
    {ZMQ_TCP_KEEPALIVE_CNT, 3},
    {ZMQ_TCP_MAXRT, 15000},
    {ZMQ_SNDHWM, CONTROL_HWM},
    {ZMQ_RCVHWM, CONTROL_HWM},
};

static const struct option router_options[] = {
    {ZMQ_ROUTER_MANDATORY, 1},
    {ZMQ_CURVE_SERVER, 1},
};

static const struct option dealer_options[] = {
    {ZMQ_IMMEDIATE, 1},         {ZMQ_RECONNECT_IVL, 200},   {ZMQ_RECONNECT_IVL_MAX, 10000},
    {ZMQ_RCVTIMEO, GIVE_UP_MS}, {ZMQ_SNDTIMEO, GIVE_UP_MS},
};

static void set_options(void *zmq, const struct option *options, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (zmq_setsockopt(zmq, options[i].name, &options[i].value, sizeof options[i].value))
            die("a socket option");
}

static void set_key(void *zmq, int name, const char *key)
{
    if (zmq_setsockopt(zmq, name, key, 41))
        die("a key");
}

/* ---- peers ----------------------------------------------------------------------------------- */

static void *peer_new(void *context, const struct load *l)
{
    char public_key[41], secret_key[41];
    void *zmq = zmq_socket(context, ZMQ_DEALER);
    if (!zmq || zmq_curve_keypair(public_key, secret_key))
        die("a peer");
    set_options(zmq, common_options, ARRAY_SIZE(common_options));
    set_options(zmq, dealer_options, ARRAY_SIZE(dealer_options));
    set_key(zmq, ZMQ_CURVE_SERVERKEY, l->server_public);
    set_key(zmq, ZMQ_CURVE_PUBLICKEY, public_key);
    set_key(zmq, ZMQ_CURVE_SECRETKEY, secret_key);
    if (zmq_connect(zmq, l->endpoint))
        die("connect");
    return zmq;
}

/* A byte goes to `here` when each of them has had an answer. */
static _Noreturn void play_peers(const struct load *l, int64_t n, int here)
{
    static void *peer[PEERS_PER_PROCESS];
    char *ask = xcalloc(1, (size_t)l->ask), *answer = xcalloc(1, (size_t)l->answer);
    void *context = zmq_ctx_new();
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (int64_t i = 0; i < n; i++)
        peer[i] = peer_new(context, l);
    for (int64_t round = 0; round < l->rounds; round++) {
        for (int64_t i = 0; i < n; i++)
            if (zmq_send(peer[i], ask, (size_t)l->ask, 0) < 0)
                die("send");
        for (int64_t i = 0; i < n; i++)
            if (zmq_recv(peer[i], answer, (size_t)l->answer, 0) < 0)
                die("receive");
        if (round == 0 && write(here, "", 1) != 1)
            die("write");
    }
    for (int64_t i = 0;; i = (i + 1) % n) {
        poll(NULL, 0, (int)(BEAT_MS / n));
        if (zmq_send(peer[i], ask, (size_t)l->ask, 0) < 0 ||
            zmq_recv(peer[i], answer, (size_t)l->answer, 0) < 0)
            die("a heartbeat");
    }
}

/* ---- the router ------------------------------------------------------------------------------ */

/* Version, request id and what nobody looks at; version, request id, status, text, user, metadata.
 */
static void *authenticate(void *zap)
{
    for (;;) {
        char version[8], request[64], rest[256];
        int more = 1, n = zmq_recv(zap, version, sizeof version, 0);
        int r = zmq_recv(zap, request, sizeof request, 0);
        size_t size = sizeof more;
        while (n >= 0 && r >= 0 && more) {
            if (zmq_recv(zap, rest, sizeof rest, 0) < 0 ||
                zmq_getsockopt(zap, ZMQ_RCVMORE, &more, &size))
                die("authenticator");
        }
        if (n < 0 || r < 0 || zmq_send(zap, "1.0", 3, ZMQ_SNDMORE) < 0 ||
            zmq_send(zap, request, (size_t)r, ZMQ_SNDMORE) < 0 ||
            zmq_send(zap, "200", 3, ZMQ_SNDMORE) < 0 || zmq_send(zap, "OK", 2, ZMQ_SNDMORE) < 0 ||
            zmq_send(zap, "peer", 4, ZMQ_SNDMORE) < 0 || zmq_send(zap, "", 0, 0) < 0)
            die("authenticator");
    }
    return NULL;
}

static void authenticator_start(void *context)
{
    pthread_t thread;
    void *zap = zmq_socket(context, ZMQ_REP);
    if (!zap || zmq_bind(zap, "inproc://zeromq.zap.01") ||
        pthread_create(&thread, NULL, authenticate, zap))
        die("authenticator");
}

static void *router_new(void *context, struct load *l)
{
    if (l->zap)
        authenticator_start(context);
    size_t n = sizeof l->endpoint;
    void *zmq = zmq_socket(context, ZMQ_ROUTER);
    if (!zmq || zmq_curve_keypair(l->server_public, l->server_secret))
        die("the router");
    set_options(zmq, common_options, ARRAY_SIZE(common_options));
    set_options(zmq, router_options, ARRAY_SIZE(router_options));
    set_key(zmq, ZMQ_CURVE_SECRETKEY, l->server_secret);
    if (l->zap && zmq_setsockopt(zmq, ZMQ_ZAP_DOMAIN, "bench", 5))
        die("the domain");
    if (zmq_bind(zmq, "tcp://127.0.0.1:*") ||
        zmq_getsockopt(zmq, ZMQ_LAST_ENDPOINT, l->endpoint, &n))
        die("bind");
    return zmq;
}

static void answer_one(void *router, char *ask, const struct load *l, const char *answer)
{
    char id[256];
    int n = zmq_recv(router, id, sizeof id, 0);
    if (n < 0 || zmq_recv(router, ask, (size_t)l->ask, 0) < 0 ||
        zmq_send(router, id, (size_t)n, ZMQ_SNDMORE) < 0 ||
        zmq_send(router, answer, (size_t)l->answer, 0) < 0)
        die("answer");
}

static void answer_next(void *router, const struct load *l)
{
    static char ask[MAX_BYTES], answer[MAX_BYTES];
    zmq_pollitem_t item = {.socket = router, .events = ZMQ_POLLIN};
    int rc = zmq_poll(&item, 1, GIVE_UP_MS);
    if (rc < 0)
        die("poll");
    if (rc == 0) {
        fprintf(stderr, "bench_router: messages are missing\n");
        _exit(1);
    }
    answer_one(router, ask, l, answer);
}

/* Percent of a core. */
static double idle_cpu(void *router, const struct load *l)
{
    bf_time began = clock_mono(), now;
    double cpu0 = cpu_time();
    do
        answer_next(router, l);
    while ((now = clock_mono()) < began + l->seconds * BF_SEC);
    return (cpu_time() - cpu0) * 100 * (double)BF_SEC / (double)(now - began);
}

/* Not all at once, as workers that are started by and by: a queue of connections that is full is
 * not what is measured. */
static void start_peers(const struct load *l)
{
    int fd[2];
    char byte;
    if (pipe(fd))
        die("pipe");
    for (int64_t at = 0; at < l->peers; at += PEERS_PER_PROCESS) {
        int64_t left = l->peers - at;
        pid_t pid = fork();
        if (pid < 0)
            die("fork");
        if (pid == 0)
            play_peers(l, left < PEERS_PER_PROCESS ? left : PEERS_PER_PROCESS, fd[1]);
        if (read(fd[0], &byte, 1) != 1)
            die("read");
    }
}

/* A context does not survive fork(): a middle process, which has none yet, makes the peers once it
 * is told where the router is. It ends with this one, and they with it. */
static int fork_starter(pid_t *starter)
{
    int fd[2];
    struct load l;
    if (pipe(fd) || (*starter = fork()) < 0)
        die("fork");
    if (*starter > 0) {
        close(fd[0]);
        return fd[1];
    }
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    close(fd[1]);
    if (read(fd[0], &l, sizeof l) != (ssize_t)sizeof l)
        _exit(1);
    start_peers(&l);
    for (;;)
        pause();
}

static void raise_limits(void)
{
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
}

int main(int argc, char **argv)
{
    struct load l = {0};
    l.zap = argc == 7 && strcmp(argv[6], "zap") == 0;
    if (argc != (l.zap ? 7 : 6) || parse_i64(argv[1], 1, 20000, &l.peers) ||
        parse_i64(argv[2], 1, 100000, &l.rounds) || parse_i64(argv[3], 1, MAX_BYTES, &l.ask) ||
        parse_i64(argv[4], 1, MAX_BYTES, &l.answer) || parse_i64(argv[5], 1, 3600, &l.seconds)) {
        fprintf(stderr, "usage: bench_router PEERS ROUNDS ASK_BYTES ANSWER_BYTES SECONDS [zap]\n");
        return 2;
    }
    pid_t starter;
    raise_limits();
    int to_starter = fork_starter(&starter);
    void *router = router_new(zmq_ctx_new(), &l);
    size_t before = resident();
    if (write(to_starter, &l, sizeof l) != (ssize_t)sizeof l)
        die("start");
    for (int64_t left = l.peers * l.rounds; left > 0; left--)
        answer_next(router, &l);
    double cpu = idle_cpu(router, &l);
    printf("{\"peers\":%lld,\"rounds\":%lld,\"rss_before_kib\":%zu,\"rss_kib\":%zu,"
           "\"idle_cpu\":%.2f}\n",
           (long long)l.peers, (long long)l.rounds, before / 1024, resident() / 1024, cpu);
    fflush(stdout);
    kill(starter, SIGKILL);
    waitpid(starter, NULL, 0);
    _exit(0); /* the peers are gone; nothing is worth closing */
}
