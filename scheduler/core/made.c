/* What was made, stored once: builds, tests and images that mean the same digest share a record. */
#include "scheduler/core/world.h"

static int64_t made_key(const struct sha256 *digest)
{
    int64_t k;
    memcpy(&k, digest->b, sizeof k);
    return k;
}

static struct made *made_new(const struct sha256 *digest, const char *repository)
{
    size_t len = strlen(repository) + 1;
    struct made *m = xmalloc(offsetof(struct made, repository) + len);
    m->digest = *digest;
    m->users = 0;
    memcpy(m->repository, repository, len);
    return m;
}

/* By the first bytes of the digest. In the rare case that another stands there (the same digest
 * lies in two places, say) the new one is nobody else's. */
static struct made *made_get(struct world *w, const struct sha256 *digest, const char *repository)
{
    struct made *m = idmap_get(&w->mades, made_key(digest));
    if (m && sha256_eq(&m->digest, digest) && strcmp(m->repository, repository) == 0)
        return m;
    struct made *own = made_new(digest, repository);
    if (!m)
        idmap_put(&w->mades, own);
    return own;
}

void made_share(struct world *w, struct made **slot, struct made *m)
{
    struct made *old = *slot;
    if (m)
        m->users++;
    *slot = m;
    if (!old || --old->users > 0)
        return;
    if (idmap_get(&w->mades, made_key(&old->digest)) == old)
        idmap_del(&w->mades, made_key(&old->digest));
    free(old);
}

void made_set(struct world *w, struct made **slot, const struct sha256 *digest,
              const char *repository)
{
    const char *where = repository ? repository : "";
    if (*slot && sha256_eq(&(*slot)->digest, digest)) {
        if (strcmp((*slot)->repository, where) == 0)
            return;
        made_share(w, slot, NULL); /* it makes room for the one that says where */
    }
    made_share(w, slot, sha256_is_none(digest) ? NULL : made_get(w, digest, where));
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
