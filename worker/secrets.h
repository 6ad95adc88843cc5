/* secrets.h - the files of secrets_dir: which there are, and a redactor for those an attempt uses.
 */
#ifndef BF_WORKER_SECRETS_H
#define BF_WORKER_SECRETS_H

#include "common/base/err.h"
#include "worker/core/redact.h"

#define SECRETS_MAX 200 /* announced by one worker */

/* Calls `found` for each well-named regular file. A directory that cannot be read has none. */
void secrets_list(const char *dir, void (*found)(void *arg, const char *name), void *arg);
/* A redactor for the named secrets; absent files are skipped (the executor says so). -1: a file
 * exists and cannot be read or is too big; then nothing may run, since its value could leak. */
int secrets_redactor(const char *dir, char *const *names, struct redact **out,
                     struct err *e) BF_MUST_CHECK;
void secrets_forget(struct redact *r); /* accepts NULL */

#endif
