/* pair.h - a server and a client of zloop.h on one loop, over a real TCP connection. */
#ifndef BF_TEST_PAIR_H
#define BF_TEST_PAIR_H

#include "common/loop/zloop.h"

struct end {
    struct zsock *sock;
    struct pair *f;
    unsigned got, up, down, refused;
    size_t parts;
    char user_id[64], text[64], peer[16], why[128];
    size_t peer_len;
    unsigned echo_left; /* answer that many messages */
    void (*on_message)(struct end *end);
};

struct pair {
    uv_loop_t loop;
    struct zloop *z;
    struct end server, client;
    char server_public[41], server_secret[41], client_public[41], client_secret[41];
    unsigned asked;
    unsigned refuse; /* the authenticator says no so many times first */
};

/* A loop, a zloop with an authenticator that knows the client's key, and two key pairs. */
void pair_init(struct pair *f);
/* Everything on the loop must be closed. */
void pair_release(struct pair *f);
void pair_listen(struct pair *f, const char *endpoint);
struct zsock_spec pair_client_spec(struct pair *f);
void pair_connect(struct pair *f, struct zsock_spec spec);
/* Runs the loop until the counter has come that far. */
void pair_run(struct pair *f, const unsigned *counter, unsigned at_least);
/* All of that, to the established connection. */
void pair_up(struct pair *f);
int send_text(struct zsock *s, const char *text);

const char *know_client(void *arg, const char *public_key, const char *address);
void on_server_recv(void *arg, const struct zpart *part, size_t n, const char *user_id);

#endif
