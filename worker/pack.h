/* pack.h - the compression of log chunks: one zstd frame each. */
#ifndef BF_WORKER_PACK_H
#define BF_WORKER_PACK_H

#include "common/base/base.h"

/* Raw bytes of a chunk; compressed, whatever they are, they fit a frame of the wire. */
#define PACK_MAX ((size_t)65536)
/* More than zstd ever makes of PACK_MAX bytes. */
#define PACK_ROOM (PACK_MAX + PACK_MAX / 16)

struct packer;

struct packer *packer_new(void);
void packer_free(struct packer *p); /* accepts NULL */
/* Compresses n bytes, at most PACK_MAX; returns how many there are of them. */
size_t packer_pack(struct packer *p, const void *raw, size_t n, unsigned char out[PACK_ROOM]);

#endif
