/* submit.c - bootfarm-submit: asks for jobs one at a time through submit_command(), as an
 * operator's program does, and writes when. The clock is read just before the call.
 *
 *     bootfarm-submit DATABASE VERB GAP_MS < IMAGES        prints `IMAGE NANOSECONDS`
 * (CLOCK_MONOTONIC)
 *
 * Waits half to one and a half GAP_MS from one call to the next, less what the call took. */
#include "common/base/mem.h"
#include "common/base/str.h"
#include <libpq-fe.h>
#include <poll.h>
#include <stdio.h>
#include <time.h>

#define NS 1000000000LL

static long long mono_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (long long)t.tv_sec * NS + t.tv_nsec;
}

/* The pace of the load. */
static void wait_until(long long ns)
{
    long long left = ns - mono_ns();
    if (left > 0)
        (void)poll(NULL, 0, (int)(left / 1000000) + 1);
}

static int submit(PGconn *c, const char *verb, const char *image)
{
    char *args = xasprintf("{\"image\": \"%s\"}", image);
    const char *values[] = {verb, args};
    PGresult *r =
        PQexecParams(c, "select dashboard.submit_command($1, $2::jsonb, 'bench', 'tests/bench')", 2,
                     NULL, values, NULL, NULL, 0);
    int rc = PQresultStatus(r) == PGRES_TUPLES_OK ? 0 : -1;
    if (rc)
        fprintf(stderr, "bootfarm-submit: %s: %s", image, PQerrorMessage(c));
    PQclear(r);
    free(args);
    return rc;
}

static int run(PGconn *c, const char *verb, int64_t gap_ms)
{
    char image[300];
    unsigned draw = 1;
    long long next = mono_ns();
    while (fgets(image, sizeof image, stdin)) {
        image[strcspn(image, "\n")] = '\0';
        wait_until(next);
        long long begin = mono_ns();
        if (submit(c, verb, image))
            return 1;
        printf("%s %lld\n", image, begin);
        draw = draw * 1103515245U + 12345U;
        next = begin + gap_ms * 1000 * (500 + (long long)(draw >> 16) % 1000);
    }
    return 0;
}

int main(int argc, char **argv)
{
    int64_t gap_ms;
    if (argc != 4 || parse_i64(argv[3], 0, 60000, &gap_ms)) {
        fprintf(stderr, "usage: bootfarm-submit DATABASE VERB GAP_MS < IMAGES\n");
        return 2;
    }
    PGconn *c = PQconnectdb(argv[1]);
    int rc = 1;
    if (PQstatus(c) == CONNECTION_OK)
        rc = run(c, argv[2], gap_ms);
    else
        fprintf(stderr, "bootfarm-submit: %s", PQerrorMessage(c));
    PQfinish(c);
    return rc;
}
