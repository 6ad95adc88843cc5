/* child.h - one child on a loop of its own, for the tests of proc.h. */
#ifndef BF_TEST_CHILD_H
#define BF_TEST_CHILD_H

#include "common/loop/proc.h"

struct run {
    uv_loop_t loop;
    struct proc *proc;
    struct str out, err, extra;
    unsigned exits;
    struct proc_exit how;
    const char *act_on; /* when the output contains this … */
    void (*act)(struct run *r);
};

void run_init(struct run *r);
/* Everything on the loop must be closed. */
void run_release(struct run *r);
/* The callbacks and the argument of `spec` are set here. */
void run_spawn(struct run *r, struct proc_spec spec);
void run_shell(struct run *r, const char *script, struct proc_spec spec);
/* Runs the loop until on_exit has come. */
void run_finish(struct run *r);
void run_expect(const struct run *r, enum proc_end end, int status);
void run_on_out(void *arg, const char *p, size_t n);
void run_on_exit(void *arg, struct proc_exit how);

/* The process is gone, or at least dead. */
bool is_gone(pid_t pid);
/* The number that the child printed behind `label`. */
pid_t number_after(const struct run *r, const char *label);

#endif
