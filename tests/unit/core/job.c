/* The table of states: names, what it forbids, and the README's drawing of it. */
#include "scheduler/core/job.h"

#include "scheduler/core/brain.h"
#include <criterion/criterion.h>
#include <stdio.h>

Test(core_job, names_round_trip)
{
    for (int i = 0; i < JOB_KINDS; i++) {
        enum job_kind k;
        cr_assert_eq(job_kind_parse(job_kind_name((enum job_kind)i), &k), 0);
        cr_assert_eq((int)k, i);
    }
    for (int i = 0; i < JOB_STATES; i++) {
        enum job_state s;
        cr_assert_eq(job_state_parse(job_state_name((enum job_state)i), &s), 0);
        cr_assert_eq((int)s, i);
    }
    for (int i = WAIT_NONE + 1; i <= WAIT_LAST; i++) {
        enum wait_reason r;
        cr_assert_eq(wait_reason_parse(wait_reason_name((enum wait_reason)i), &r), 0);
        cr_assert_eq((int)r, i);
    }
    for (int i = FAIL_NONE + 1; i <= FAIL_TIMEOUT; i++) {
        enum fail_class c;
        cr_assert_eq(fail_class_parse(fail_class_name((enum fail_class)i), &c), 0);
        cr_assert_eq((int)c, i);
    }
    cr_assert_null(wait_reason_name(WAIT_NONE));
    cr_assert_null(fail_class_name(FAIL_NONE));
}

Test(core_job, unknown_names)
{
    enum job_kind k = JOB_MIRROR;
    enum job_state s = JOB_READY;
    enum wait_reason r = WAIT_BUSY;
    enum fail_class c = FAIL_USER;
    cr_assert_eq(job_kind_parse("Build", &k), -1);
    cr_assert_eq(job_state_parse("", &s), -1);
    cr_assert_eq(wait_reason_parse("no", &r), -1);
    cr_assert_eq(fail_class_parse("infra ", &c), -1);
    cr_assert(k == JOB_MIRROR && s == JOB_READY && r == WAIT_BUSY && c == FAIL_USER);
}

Test(core_job, what_may_follow)
{
    for (int to = 0; to < JOB_STATES; to++) {
        cr_assert_not(job_may(JOB_SUCCEEDED, (enum job_state)to));
        cr_assert_not(job_may(JOB_SKIPPED, (enum job_state)to));
        cr_assert_not(job_may(JOB_SUPERSEDED, (enum job_state)to));
        cr_assert_eq(job_may(JOB_FAILED, (enum job_state)to), to == JOB_WAITING);
        cr_assert_eq(job_may(JOB_CANCELLED, (enum job_state)to), to == JOB_WAITING);
    }
    cr_assert(job_may(JOB_READY, JOB_LEASED));
    cr_assert_not(job_may(JOB_READY, JOB_RUNNING), "nothing runs that was not claimed");
    cr_assert_not(job_may(JOB_WAITING, JOB_LEASED));
    cr_assert_not(job_may(JOB_READY, JOB_SKIPPED));
    cr_assert_not(job_may(JOB_RUNNING, JOB_LEASED));
}

static char *read_file(const char *path)
{
    static char text[65536];
    FILE *f = fopen(path, "r");
    cr_assert_not_null(f, "%s", path);
    size_t n = fread(text, 1, sizeof text - 1, f);
    fclose(f);
    text[n] = '\0';
    return text;
}

/* The text between the fences of the first mermaid block. */
static char *drawing_of_readme(void)
{
    char *text = read_file(SOURCE_DIR "/scheduler/core/README.md");
    char *from = strstr(text, "```mermaid\n");
    cr_assert_not_null(from);
    from += strlen("```mermaid\n");
    char *to = strstr(from, "```");
    cr_assert_not_null(to);
    *to = '\0';
    return from;
}

Test(core_job, the_drawing_in_the_readme_is_the_table)
{
    struct str s = STR_INIT;
    job_states_mermaid(&s);
    cr_assert_str_eq(drawing_of_readme(), s.p);
    str_release(&s);
}

/* The rows of farm.job_transition, as the migration inserts them: ('waiting', 'ready'), … */
Test(core_job, the_schema_has_the_same_table)
{
    bool in_schema[JOB_STATES][JOB_STATES] = {{0}};
    char *text = read_file(SOURCE_DIR "/schema/0002_states.sql");
    char *at = strstr(text, "INSERT INTO farm.job_transition");
    cr_assert_not_null(at);
    *strstr(at, ";\n") = '\0'; /* comments hold semicolons, too */
    while ((at = strstr(at, "    ('")) != NULL) {
        char from[16], to[16];
        enum job_state f, t;
        cr_assert_eq(sscanf(at, " ('%15[a-z]', '%15[a-z]')", from, to), 2, "%.40s", at);
        cr_assert_eq(job_state_parse(from, &f), 0);
        cr_assert_eq(job_state_parse(to, &t), 0);
        in_schema[f][t] = true;
        at += 4;
    }
    for (int f = 0; f < JOB_STATES; f++) {
        for (int t = 0; t < JOB_STATES; t++)
            cr_assert_eq(job_may((enum job_state)f, (enum job_state)t), in_schema[f][t], "%s -> %s",
                         job_state_name((enum job_state)f), job_state_name((enum job_state)t));
    }
}
