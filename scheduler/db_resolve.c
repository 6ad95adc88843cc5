/* db_resolve.c - host names of a connection string → addresses, on the loop.
 *
 * libpq resolves with a blocking getaddrinfo unless `hostaddr` is given. Every name becomes as many
 * (host, hostaddr, port) triples as it has addresses; sockets (paths) and literal addresses stay
 * as they are. `host` keeps the name, since certificates are checked against it. */
#include "scheduler/db_resolve.h"

#include "common/base/list.h"
#include "common/base/mem.h"
#include "common/base/str.h"
#include <arpa/inet.h>
#include <netdb.h>
#include <stdio.h>

#define MAX_HOSTS 16

struct resolve {
    uv_getaddrinfo_t req;
    struct resolve_spec spec;
    struct resolve **slot; /* NULL: abandoned */
    PQconninfoOption *given;
    char *hosts[MAX_HOSTS], *ports[MAX_HOSTS];
    size_t n, at;
    struct str host, addr, port; /* the lists to be given to libpq */
    struct str options;          /* what the connection string sets, then what we need */
    char error[256];
};

static void next_host(struct resolve *r);

static const char *given(const struct resolve *r, const char *key)
{
    for (PQconninfoOption *o = r->given; o->keyword; o++) {
        if (strcmp(o->keyword, key) == 0)
            return o->val && *o->val ? o->val : NULL;
    }
    return NULL;
}

static void resolve_free(struct resolve *r)
{
    PQconninfoFree(r->given);
    for (size_t i = 0; i < r->n; i++) {
        free(r->hosts[i]);
        free(r->ports[i]);
    }
    str_release(&r->host);
    str_release(&r->addr);
    str_release(&r->port);
    str_release(&r->options);
    free(r);
}

/* The connection string first, our defaults where it is silent. */
static size_t fill(const struct resolve *r, const char **keys, const char **values, size_t max)
{
    const struct {
        const char *key, *value;
    } defaults[] = {
        {"application_name", r->spec.name}, {"client_encoding", "UTF8"},
        {"keepalives_idle", "5"},           {"keepalives_interval", "2"},
        {"keepalives_count", "3"},          {"tcp_user_timeout", "8000"},
        {"gssencmode", "disable"}, /* would look up names, too */
    };
    size_t n = 0;
    for (PQconninfoOption *o = r->given; o->keyword && n + 1 < max; o++) {
        bool ours =
            r->host.len && (strcmp(o->keyword, "host") == 0 ||
                            strcmp(o->keyword, "hostaddr") == 0 || strcmp(o->keyword, "port") == 0);
        ours = ours || strcmp(o->keyword, "options") == 0;
        if (!o->val || !*o->val || ours)
            continue;
        keys[n] = o->keyword;
        values[n++] = o->val;
    }
    for (size_t i = 0; i < ARRAY_SIZE(defaults) && n + 1 < max; i++) {
        if (given(r, defaults[i].key))
            continue;
        keys[n] = defaults[i].key;
        values[n++] = defaults[i].value;
    }
    return n;
}

static void finish(struct resolve *r)
{
    const char *keys[72] = {NULL}, *values[72] = {NULL};
    size_t n = fill(r, keys, values, ARRAY_SIZE(keys) - 5);
    keys[n] = "options";
    values[n++] = r->options.p;
    if (r->host.len) {
        keys[n] = "host";
        values[n++] = r->host.p;
        keys[n] = "hostaddr";
        values[n++] = r->addr.p;
        keys[n] = "port";
        values[n++] = r->port.p;
    }
    *r->slot = NULL;
    if (r->n && !r->host.len)
        r->spec.done(r->spec.arg, NULL, NULL, r->error);
    else
        r->spec.done(r->spec.arg, keys, values, NULL);
    resolve_free(r);
}

static void add_triple(struct resolve *r, const char *addr)
{
    const char *comma = r->host.len ? "," : "";
    str_addf(&r->host, "%s%s", comma, r->hosts[r->at]);
    str_addf(&r->addr, "%s%s", comma, addr);
    str_addf(&r->port, "%s%s", comma, r->ports[r->at]);
}

static void on_addresses(uv_getaddrinfo_t *req, int status, struct addrinfo *list)
{
    struct resolve *r = container_of(req, struct resolve, req);
    if (!r->slot) {
        uv_freeaddrinfo(list);
        resolve_free(r);
        return;
    }
    if (status)
        snprintf(r->error, sizeof r->error, "host \"%.180s\": %s", r->hosts[r->at],
                 uv_strerror(status));
    for (struct addrinfo *a = list; a; a = a->ai_next) {
        char text[64];
        if (getnameinfo(a->ai_addr, a->ai_addrlen, text, sizeof text, NULL, 0, NI_NUMERICHOST) == 0)
            add_triple(r, text);
    }
    uv_freeaddrinfo(list);
    r->at++;
    next_host(r);
}

static bool is_literal(const char *host)
{
    struct in6_addr any;
    return *host == '/' || *host == '@' || inet_pton(AF_INET, host, &any) == 1 ||
           inet_pton(AF_INET6, host, &any) == 1;
}

static void next_host(struct resolve *r)
{
    while (r->at < r->n) {
        const char *host = r->hosts[r->at];
        if (is_literal(host)) {
            add_triple(r, *host == '/' || *host == '@' ? "" : host);
            r->at++;
            continue;
        }
        struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG};
        int rc = uv_getaddrinfo(r->spec.loop, &r->req, on_addresses, host, NULL, &hints);
        if (rc == 0)
            return;
        snprintf(r->error, sizeof r->error, "host \"%.180s\": %s", host, uv_strerror(rc));
        r->at++;
    }
    finish(r);
}

/* "a,b" with "1,2", or with one port for all, or none. */
static void split_hosts(struct resolve *r, const char *hosts, const char *ports)
{
    while (r->n < MAX_HOSTS) {
        size_t len = strcspn(hosts, ","), plen = ports ? strcspn(ports, ",") : 0;
        r->hosts[r->n] = xstrndup(hosts, len);
        r->ports[r->n] = xstrndup(ports ? ports : "", plen);
        r->n++;
        if (!hosts[len])
            return;
        hosts += len + 1;
        if (ports && ports[plen])
            ports += plen + 1;
    }
}

/* What the environment gives (PGHOST, PGPORT) counts where the string is silent. */
static void take_environment(struct resolve *r)
{
    PQconninfoOption *env = PQconndefaults();
    for (PQconninfoOption *d = env, *o = r->given; d && d->keyword && o->keyword; d++, o++) {
        bool wanted = strcmp(o->keyword, "host") == 0 || strcmp(o->keyword, "hostaddr") == 0 ||
                      strcmp(o->keyword, "port") == 0;
        if (wanted && !o->val && d->val)
            o->val = strdup(d->val);
    }
    PQconninfoFree(env);
}

void resolve_start(const struct resolve_spec *spec, struct resolve **slot)
{
    struct resolve *r = xcalloc(1, sizeof *r);
    r->spec = *spec;
    r->slot = slot;
    str_init(&r->host);
    str_init(&r->addr);
    str_init(&r->port);
    str_init(&r->options);
    r->given = PQconninfoParse(spec->conninfo, NULL);
    BUG_ON(!r->given); /* the caller has parsed it once */
    take_environment(r);
    const char *options = given(r, "options");
    str_addf(&r->options, "%s%s%s", options ? options : "", options ? " " : "", spec->settings);
    if (given(r, "host") && !given(r, "hostaddr"))
        split_hosts(r, given(r, "host"), given(r, "port"));
    *slot = r;
    next_host(r);
}

void resolve_abandon(struct resolve **slot)
{
    struct resolve *r = *slot;
    if (!r)
        return;
    *slot = NULL;
    r->slot = NULL;
    uv_cancel((uv_req_t *)&r->req); /* where it runs already, on_addresses frees it later */
}
