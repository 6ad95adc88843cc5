/* bench_reader [SECONDS]: how fast Containerfiles are read, on one core, as one line of JSON.
 *
 * The files are made here and look like those that people write: comments, long RUNs over many
 * lines, COPYs, labels, a build stage and a heredoc in some. Each file is read alone, as the
 * planner does it. */
#include "common/base/str.h"
#include "scheduler/plan/containerfile.h"
#include "tests/lib/cpu_time.h"

#include <stdio.h>
#include <stdlib.h>

#define FILES 1400

static void add_packages(struct str *s, unsigned n)
{
    str_add(s, "RUN dnf install -y --setopt=install_weak_deps=False \\\n");
    for (unsigned i = 0; i < 8 + n % 23; i++)
        str_addf(s, "        package-number-%u \\\n", i * 7 + n);
    str_add(s, "    && dnf clean all \\\n    && rm -rf /var/cache/dnf /var/log/dnf*\n\n");
}

static void add_service(struct str *s, unsigned n)
{
    str_addf(s,
             "# The unit is enabled here, so that it runs from the first boot on. Its settings "
             "come from\n"
             "# /etc/plant/service-%u.conf, which the configuration management writes.\n"
             "COPY files/service-%u.service /usr/lib/systemd/system/\n"
             "COPY --chown=0:0 --chmod=0644 files/service-%u.conf files/defaults.conf /etc/plant/\n"
             "RUN systemctl enable service-%u.service && \\\n"
             "    mkdir -p /var/lib/plant/service-%u && \\\n"
             "    chown -R plant:plant /var/lib/plant\n\n",
             n, n, n, n, n);
}

static void make(struct str *s, unsigned n)
{
    str_addf(
        s,
        "# Image number %u of the plant: what it is for, who asks for it, and where its settings "
        "are.\n"
        "ARG VERSION=%u.%u\nARG REGISTRY=registry.example:5000\n\n"
        "FROM ${REGISTRY}/tools/builder-%u:${VERSION} AS build\n"
        "WORKDIR /src\nCOPY go.mod go.sum ./\nCOPY cmd/ ./cmd/\n"
        "RUN --mount=type=cache,target=/root/.cache go build -trimpath -o /out/app ./cmd/app\n\n"
        "FROM ${REGISTRY}/base/os-%u:${VERSION}\n"
        "LABEL org.opencontainers.image.title=\"plant-%u\" \\\n"
        "      org.opencontainers.image.description=\"A part of the plant\" \\\n"
        "      containers.bootc=1\n"
        "ENV LANG=C.UTF-8 PLANT_HOME=/opt/plant\n\n",
        n, n % 9, n % 17, n % 11, n % 40, n);
    add_packages(s, n);
    for (unsigned i = 0; i < 1 + n % 4; i++)
        add_service(s, n + i);
    str_add(s, "COPY --from=build /out/app /usr/bin/app\n");
    if (n % 5 == 0)
        str_add(s, "RUN <<EOF\nset -e\nfor f in /etc/plant/*; do\n  echo \"$f\"\ndone\nEOF\n");
    str_add(
        s, "USER 1001\nEXPOSE 8080\nENTRYPOINT [\"/usr/bin/app\", \"--config\", \"/etc/plant\"]\n");
}

static void fail(const struct diags *d)
{
    fprintf(stderr, "%u:%u %s\n", d->list.v[0]->at.line, d->list.v[0]->at.column,
            d->list.v[0]->message);
    exit(1);
}

static void read_file(const struct str *text, bool resolve)
{
    struct arena a = ARENA_INIT;
    struct diags d = {.a = &a};
    struct cf_env env = {.arch = "amd64"};
    struct cf_result r;
    const struct cfile *f = cf_parse(&a, "Containerfile", text->p, text->len, &d, &d);
    if (f->broken || (resolve && (cf_resolve(&a, f, &env, &d, &r) < 0 || r.uses != 2)))
        fail(&d);
    diags_release(&d);
    arena_release(&a);
}

/* MB/s of the fastest round: others on the machine make rounds slower, never faster. */
static double measure(const struct str *files, size_t bytes, bool resolve, double seconds)
{
    double end = cpu_time() + seconds, least = 1e9;
    while (cpu_time() < end) {
        double begin = cpu_time();
        for (size_t i = 0; i < FILES; i++)
            read_file(&files[i], resolve);
        double took = cpu_time() - begin;
        least = took < least ? took : least;
    }
    return (double)bytes / least / 1e6;
}

int main(int argc, char **argv)
{
    static struct str files[FILES];
    double seconds = argc > 1 ? strtod(argv[1], NULL) : 3;
    size_t bytes = 0;
    for (unsigned i = 0; i < FILES; i++) {
        str_init(&files[i]);
        make(&files[i], i);
        bytes += files[i].len;
    }
    double parse = measure(files, bytes, false, seconds);
    double all = measure(files, bytes, true, seconds);
    printf("{\"bench\": \"reader\", \"files\": %d, \"bytes\": %zu, \"parse_mb_s\": %.0f, "
           "\"parse_and_resolve_mb_s\": %.0f}\n",
           FILES, bytes, parse, all);
    for (unsigned i = 0; i < FILES; i++)
        str_release(&files[i]);
    return 0;
}
