#include "worker/core/cpio.h"

/* The format's own numbers for the types of files. */
enum { CPIO_DIR = 0040000, CPIO_FILE = 0100000, CPIO_CHAR = 0020000 };

void cpio_init(struct cpio *c)
{
    *c = (struct cpio){.out = STR_INIT};
}

void cpio_release(struct cpio *c)
{
    str_release(&c->out);
}

/* Names and contents begin at multiples of four. */
static void pad(struct str *s)
{
    while (s->len % 4 != 0)
        str_addmem(s, "", 1);
}

static void entry(struct cpio *c, const char *path, unsigned mode, unsigned links, const void *p,
                  size_t n, unsigned major, unsigned minor)
{
    size_t name = strlen(path) + 1;
    str_addf(&c->out, "070701%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X", c->inode++,
             mode, 0u, 0u, links, 0u, (unsigned)n, 0u, 0u, major, minor, (unsigned)name, 0u);
    str_addmem(&c->out, path, name);
    pad(&c->out);
    str_addmem(&c->out, p, n);
    pad(&c->out);
}

void cpio_dir(struct cpio *c, const char *path)
{
    entry(c, path, CPIO_DIR | 0755, 2, "", 0, 0, 0);
}

void cpio_file(struct cpio *c, const char *path, unsigned mode, const void *p, size_t n)
{
    BUG_ON(n > UINT32_MAX);
    entry(c, path, CPIO_FILE | mode, 1, p, n, 0, 0);
}

void cpio_device(struct cpio *c, const char *path, unsigned major, unsigned minor)
{
    entry(c, path, CPIO_CHAR | 0600, 1, "", 0, major, minor);
}

void cpio_end(struct cpio *c)
{
    entry(c, "TRAILER!!!", 0, 1, "", 0, 0, 0);
}
