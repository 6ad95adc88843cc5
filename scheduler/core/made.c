/* What was made, stored once: builds, tests and images that mean the same digest share a record. */
#include "scheduler/core/world.h"

static uint64_t key_of(const struct sha256 *digest)
{
    uint64_t k;
    memcpy(&k, digest->b, sizeof k);
    return k;
}

static struct made *made_get(struct world *w, const struct sha256 *digest, const char *repository)
{
    struct made *first = map_get(&w->mades, key_of(digest));
    for (struct made *m = first; m; m = m->next) {
        if (sha256_eq(&m->digest, digest) && strcmp(m->repository, repository) == 0)
            return m;
    }
    size_t len = strlen(repository) + 1;
    struct made *m = xmalloc(sizeof *m + len);
    *m = (struct made){.next = first, .digest = *digest};
    memcpy(m->repository, repository, len);
    map_put(&w->mades, key_of(digest), m);
    return m;
}

static void unlink_made(struct world *w, struct made *m)
{
    uint64_t key = key_of(&m->digest);
    struct made *first = map_get(&w->mades, key);
    if (first == m && !m->next)
        map_del(&w->mades, key);
    else if (first == m)
        map_put(&w->mades, key, m->next);
    else {
        while (first->next != m)
            first = first->next;
        first->next = m->next;
    }
}

void made_share(struct world *w, struct made **slot, struct made *m)
{
    struct made *old = *slot;
    if (m)
        m->users++;
    *slot = m;
    if (!old || --old->users > 0)
        return;
    unlink_made(w, old);
    free(old);
}

void made_set(struct world *w, struct made **slot, const struct sha256 *digest,
              const char *repository)
{
    bool none = sha256_is_none(digest);
    made_share(w, slot, none ? NULL : made_get(w, digest, repository ? repository : ""));
}

const struct sha256 *made_digest(const struct made *m)
{
    static const struct sha256 none;
    return m ? &m->digest : &none;
}

const char *made_repository(const struct made *m)
{
    return m && *m->repository ? m->repository : NULL;
}

void mades_free(struct world *w)
{
    uint64_t key;
    void *v;
    for (size_t pos = 0; map_next(&w->mades, &pos, &key, &v);) {
        for (struct made *m = v, *next; m; m = next) {
            next = m->next;
            free(m);
        }
    }
    map_release(&w->mades);
}
