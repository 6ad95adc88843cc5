#include "common/base/hash.h"
#include "common/base/mem.h"
#include <openssl/evp.h>

/* OpenSSL's digest calls fail only without memory or without the algorithm. */
static void must(int ok)
{
    if (ok != 1)
        BUG("SHA-256 is not available in this OpenSSL");
}

struct hasher {
    EVP_MD_CTX *ctx;
};

struct hasher *hasher_new(void)
{
    struct hasher *h = xmalloc(sizeof *h);

    h->ctx = EVP_MD_CTX_new();
    BUG_ON(!h->ctx);
    must(EVP_DigestInit_ex(h->ctx, EVP_sha256(), NULL));
    return h;
}

void hasher_add(struct hasher *h, const void *p, size_t n)
{
    must(EVP_DigestUpdate(h->ctx, p, n));
}

void hasher_finish(struct hasher *h, struct sha256 *out)
{
    must(EVP_DigestFinal_ex(h->ctx, out->b, NULL));
    EVP_MD_CTX_free(h->ctx);
    free(h);
}

void hash_openssl(const struct span *parts, size_t n, struct sha256 *out)
{
    struct hasher *h = hasher_new();

    for (size_t i = 0; i < n; i++)
        hasher_add(h, parts[i].p, parts[i].n);
    hasher_finish(h, out);
}
