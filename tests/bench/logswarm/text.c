#include "text.h"

#include "common/base/base.h"
#include <stdio.h>

struct author {
    uint64_t rng;
    uint64_t ms; /* the clock of the log */
    unsigned step;
    struct str *out;
};

/* splitmix64 */
static unsigned draw(struct author *a, unsigned n)
{
    uint64_t z = (a->rng += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return (unsigned)((z ^ (z >> 31)) >> 33) % n;
}

#define PICK(a, list) (list)[draw(a, ARRAY_SIZE(list))]

static const char *const stems[] = {
    "gtk",     "ssl",      "curl",   "xml2",     "glib",     "python3",    "systemd",
    "dbus",    "perl",     "icu",    "gnutls",   "krb5",     "ldap",       "avahi",
    "cups",    "pango",    "cairo",  "harfbuzz", "freetype", "fontconfig", "x11",
    "wayland", "mesa",     "vulkan", "pulse",    "alsa",     "gstreamer",  "boost",
    "opencv",  "protobuf", "zmq",    "uv",       "sqlite",   "pq",         "mariadb",
    "lua",     "ruby",     "node",   "java",     "llvm",     "clang",      "binutils"};
static const char *const suffixes[] = {"",      "-dev",   "-common", "-data", "-bin", "-doc",
                                       "-gtk3", "-utils", "0",       "1",     "2",    "-6"};
static const char *const areas[] = {"core",   "net",   "storage", "ui",   "drivers", "codec",
                                    "parser", "model", "crypto",  "test", "tools",   "platform"};
static const char *const parts[] = {"buffer", "queue",   "socket", "table", "cache",  "session",
                                    "frame",  "message", "index",  "tree",  "loader", "scheduler",
                                    "device", "channel", "handle", "stream"};

static void digest(struct author *a)
{
    for (int i = 0; i < 64; i++)
        str_addch(a->out, "0123456789abcdef"[draw(a, 16)]);
}

static void package(struct author *a)
{
    str_addf(a->out, "lib%s%s", PICK(a, stems), PICK(a, suffixes));
}

static void version(struct author *a)
{
    str_addf(a->out, "%u.%u.%u-%u+deb12u%u", draw(a, 6), draw(a, 40), draw(a, 12), draw(a, 5) + 1,
             draw(a, 4) + 1);
}

static void stamp(struct author *a)
{
    a->ms += draw(a, 400);
    str_addf(a->out, "2025-03-%02uT%02u:%02u:%02u.%03uZ ", (unsigned)(a->ms / 86400000 % 28) + 1,
             (unsigned)(a->ms / 3600000 % 24), (unsigned)(a->ms / 60000 % 60),
             (unsigned)(a->ms / 1000 % 60), (unsigned)(a->ms % 1000));
}

static void apt_get(struct author *a)
{
    str_addf(a->out, "Get:%u http://mirror.example/debian bookworm/main amd64 ", ++a->step);
    package(a);
    str_addf(a->out, " amd64 ");
    version(a);
    str_addf(a->out, " [%u.%u kB]\n", draw(a, 900) + 1, draw(a, 10));
}

static void apt_unpack(struct author *a)
{
    struct str name = STR_INIT, *out = a->out;
    a->out = &name;
    package(a);
    str_add(&name, ":amd64 (");
    version(a);
    a->out = out;
    static const char *const acts[] = {"Unpacking", "Setting up",
                                       "Preparing to unpack .../archives/"};
    str_addf(out, "%s %s) ...\n", PICK(a, acts), name.p);
    str_release(&name);
}

static void compile(struct author *a)
{
    const char *area = PICK(a, areas), *part = PICK(a, parts), *other = PICK(a, parts);
    unsigned step = ++a->step;
    str_addf(a->out,
             "[%u/%u] /usr/bin/c++ -DNDEBUG -D_GNU_SOURCE -I../src/%s/include -I../include "
             "-isystem /usr/include/%s -O2 -g -fPIC -Wall -Wextra -std=gnu++17 -MD -MT "
             "src/%s/CMakeFiles/%s.dir/%s_%s.cpp.o -MF src/%s/CMakeFiles/%s.dir/%s_%s.cpp.o.d -o "
             "src/%s/CMakeFiles/%s.dir/%s_%s.cpp.o -c ../src/%s/%s_%s.cpp\n",
             step, step / 1000 * 1000 + 1000, area, PICK(a, stems), area, area, part, other, area,
             area, part, other, area, area, part, other, area, part, other);
}

static void warning(struct author *a)
{
    const char *area = PICK(a, areas), *part = PICK(a, parts), *name = PICK(a, parts);
    unsigned line = draw(a, 2000) + 1;
    str_addf(a->out,
             "../src/%s/%s.cpp:%u:%u: warning: comparison of integer expressions of different "
             "signedness: 'int' and 'std::%s::size_type' [-Wsign-compare]\n"
             "  %4u |     for (int i_%u = 0; i_%u < %s.size(); i_%u++)\n"
             "       |                     ~~~~^~~~~~~~~~~~~~~~\n",
             area, part, line, draw(a, 80) + 1, name, line, line % 7, line % 7, name, line % 7);
}

static void pip(struct author *a)
{
    const char *name = PICK(a, stems), *part = PICK(a, parts);
    unsigned x = draw(a, 9), y = draw(a, 30), z = draw(a, 10);
    str_addf(a->out,
             "Collecting %s-%s==%u.%u.%u\n  Downloading %s_%s-%u.%u.%u-cp311-cp311-"
             "manylinux_2_17_x86_64.whl (%u kB)\n",
             name, part, x, y, z, name, part, x, y, z, draw(a, 4000) + 4);
}

static void copy(struct author *a)
{
    str_add(a->out, draw(a, 2) ? "Copying blob sha256:" : "Copying config sha256:");
    digest(a);
    str_add(a->out, draw(a, 4) ? " done\n" : " skipped: already exists\n");
}

static void tap(struct author *a)
{
    str_addf(a->out, "ok %u - %s: %s of %s with %u entries # time=%u.%03ums\n", ++a->step,
             PICK(a, areas), PICK(a, parts), PICK(a, parts), draw(a, 5000), draw(a, 90),
             draw(a, 1000));
}

static void console(struct author *a)
{
    a->ms += draw(a, 60);
    str_addf(a->out, "[%5u.%06u] ", (unsigned)(a->ms / 1000 % 100000),
             (unsigned)(a->ms % 1000) * 1000 + draw(a, 1000));
    if (draw(a, 3))
        str_addf(a->out, "systemd[1]: %s %s-%s.service - %s %s.\n",
                 draw(a, 2) ? "Starting" : "Started", PICK(a, stems), PICK(a, parts),
                 PICK(a, areas), PICK(a, parts));
    else
        str_addf(a->out, "pci 0000:%02x:%02x.%u: BAR %u [mem 0x%08x-0x%08x 64bit pref]\n",
                 draw(a, 32), draw(a, 32), draw(a, 8), draw(a, 6), draw(a, 1u << 31) & ~0xfffu,
                 draw(a, 1u << 31) | 0xfffu);
}

static void plain(struct author *a)
{
    str_addf(a->out, "%s: %s %s: processed %u of %u files in %u.%02us (%u kB/s)\n", PICK(a, areas),
             PICK(a, parts), draw(a, 9) ? "info" : "notice", draw(a, 5000), draw(a, 9000) + 5000,
             draw(a, 60), draw(a, 100), draw(a, 90000));
}

/* A run: so many lines of one kind, with a time in front of each or not. */
void text_make(uint64_t seed, size_t n, struct str *out)
{
    static void (*const kinds[])(struct author *) = {apt_get, apt_unpack, compile, compile, warning,
                                                     pip,     copy,       tap,     console, plain};
    struct author a = {.rng = seed, .out = out};
    a.ms = draw(&a, 1u << 31);
    while (out->len < n) {
        void (*kind)(struct author *) = PICK(&a, kinds);
        bool stamped = draw(&a, 3) == 0;
        a.step = draw(&a, 500);
        for (unsigned lines = draw(&a, 120) + 3; lines > 0 && out->len < n; lines--) {
            if (stamped)
                stamp(&a);
            kind(&a);
        }
    }
}
