/* order.h - the work order: read, capped, every member checked before anything acts on it.
 *
 * Strings are borrowed from the JSON document, which the order owns. An order that was accepted
 * holds no reference, path or name that an argument list or a file name could misread. */
#ifndef BF_EXEC_ORDER_H
#define BF_EXEC_ORDER_H

#include "common/base/err.h"
#include <jansson.h>

#define ORDER_MAX_BYTES (UINT64_C(1) << 20)
#define ORDER_MAX_ITEMS 1024 /* members of any list or map */

enum order_kind { ORDER_BUILD, ORDER_TEST, ORDER_PUBLISH, ORDER_MIRROR };
const char *order_kind_name(enum order_kind kind);
int order_kind_parse(const char *name, enum order_kind *out) BF_MUST_CHECK;

/* A tar in a registry, or a directory on this host for local runs; both NULL: none. */
struct order_artifact {
    const char *ref; /* HOST/REPO@sha256:… */
    uint64_t size;   /* bytes of the tar as announced */
    const char *dir; /* absolute */
};

enum pin_use { PIN_FROM, PIN_NEEDS };
struct pin {
    const char *const *written; /* as they stand in the file; NULL-terminated */
    const char *ref;            /* expanded */
    const char *image;          /* HOST/REPO@sha256:…; in a local run also a tag */
    enum pin_use use;
};

/* A NULL-terminated list; never NULL itself. */
typedef const char *const *strings;

struct build_order {
    struct order_artifact context;
    const char *containerfile;
    const char *target; /* NULL: the last stage */
    json_t *args;       /* object of strings, or NULL */
    json_t *contexts;   /* named contexts: object of paths inside the context, or NULL */
    strings names;      /* local run: what the result is called besides */
    struct pin *pins;
    size_t n_pins;
    const char *push;  /* NULL: stays in the local storage */
    const char *cache; /* NULL: no remote cache */
    bool no_network;
    uint64_t memory; /* bytes; 0: no limit */
    double cpus;     /* 0: no limit */
    strings secrets;
    int64_t timestamp; /* seconds since the epoch */
    bool no_cache;
};

enum boot_mode { BOOT_AUTO, BOOT_YES, BOOT_NO };
struct test_order {
    const char *source;
    bool local; /* source is a name: in the local storage, else in its registry */
    struct order_artifact scripts;
    enum boot_mode boot;
    strings container;
    strings names;       /* of scripts, inside the artifact */
    uint64_t memory;     /* bytes */
    unsigned cpus;       /* whole ones; at least 1 */
    bf_time timeout;     /* boot and scripts together */
    const char *ready;   /* systemd target, when pattern is NULL */
    const char *pattern; /* text on the console */
};

struct publish_order { /* and mirror */
    const char *source;
    const char *digest;
    const char *dest;
    strings tags;
    strings fixed_tags; /* those of `tags` that never move */
    strings parents;
};

struct fake_order {
    bf_time sleep;
    int64_t lines;
    bool succeeds;
    const char *class, *code, *message;
};

struct order {
    json_t *doc;
    enum order_kind kind;
    const char *job, *attempt, *image, *arch;
    const char *input_key;    /* NULL in local runs */
    bf_time timeout, silence; /* 0: none */
    struct build_order build;
    struct test_order test;
    struct publish_order publish;
    struct fake_order fake;
    bool local;   /* without a farm: its images are kept apart from those of farms */
    void *blocks; /* what the lists above live in: a chain, the link first in each */
};

/* ERR_INPUT names the member and what was expected. `expect` is the kind of the command line. */
int order_read(const char *path, enum order_kind expect, struct order *o,
               struct err *e) BF_MUST_CHECK;
void order_release(struct order *o);

#endif
