#include "pgd.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

void pgd_start(struct pgd *p)
{
    int in[2], out[2];
    cr_assert_eq(pipe2(in, O_CLOEXEC), 0); /* what the test forks later must not keep it */
    cr_assert_eq(pipe2(out, O_CLOEXEC), 0);
    p->pid = fork();
    if (p->pid == 0) {
        dup2(in[0], 0);
        dup2(out[1], 1);
        execl("/bin/bash", "bash", PGD, (char *)NULL);
        _exit(127);
    }
    close(in[0]);
    close(out[1]);
    p->to = fdopen(in[1], "w");
    p->from = fdopen(out[0], "r");
    char line[256] = "";
    cr_assert_not_null(fgets(line, sizeof line, p->from), "no PostgreSQL");
    cr_assert_eq(sscanf(line, "%127s %15s", p->host, p->port), 2, "no PostgreSQL");
    snprintf(p->conninfo, sizeof p->conninfo, "host=%s port=%s user=postgres dbname=postgres",
             p->host, p->port);
}

void pgd_do(struct pgd *p, const char *line, struct str *out)
{
    char text[4096];
    fprintf(p->to, "%s\n", line);
    fflush(p->to);
    while (fgets(text, sizeof text, p->from)) {
        if (strcmp(text, "done\n") == 0)
            return;
        if (out)
            str_add(out, text);
    }
    cr_assert_fail("the PostgreSQL of the test has ended");
}

void pgd_stop(struct pgd *p)
{
    fclose(p->to);
    fclose(p->from);
    waitpid(p->pid, NULL, 0);
}
