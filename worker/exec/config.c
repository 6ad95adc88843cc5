#include "worker/exec/config.h"

#include "common/base/mem.h"

static const char *const isolations[] = {"auto", "chroot", "oci", NULL};
static const char *const kvm_modes[] = {"auto", "off", NULL};
static const char *const disk_modes[] = {"auto", "nvme", "virtio", NULL};

#define AT(member) offsetof(struct exec_config, member)
static const struct conf_option options[] = {
    {.name = "state_dir",
     .type = CONF_PATH,
     .offset = AT(state_dir),
     .def = "/var/lib/bootfarm/exec",
     .help = "container storage, caches and locks of this worker; one per worker and trust domain"},
    {.name = "isolation",
     .type = CONF_ENUM,
     .offset = AT(isolation),
     .def = "auto",
     .choices = isolations,
     .help =
         "how RUN is isolated: oci, chroot (no security boundary), or auto: the best that works"},
    {.name = "insecure_registries",
     .type = CONF_LIST,
     .offset = AT(insecure_registries),
     .help = "HOST:PORT of registries that speak plain HTTP, or HTTPS with any certificate"},
    {.name = "certs_dir",
     .type = CONF_PATH,
     .offset = AT(certs_dir),
     .help = "directory of *.crt files: authorities that registries' certificates may come from"},
    {.name = "authfile",
     .type = CONF_PATH,
     .offset = AT(authfile),
     .help = "registry credentials per host (containers-auth.json(5))"},
    {.name = "secrets_dir",
     .type = CONF_PATH,
     .offset = AT(secrets_dir),
     .help = "one file per build secret that this worker may use"},
    {.name = "kvm",
     .type = CONF_ENUM,
     .offset = AT(kvm),
     .def = "auto",
     .choices = kvm_modes,
     .help = "auto: where a probe has booted a guest with it; off: always emulate"},
    {.name = "disk",
     .type = CONF_ENUM,
     .offset = AT(disk),
     .def = "auto",
     .choices = disk_modes,
     .help = "how a tested image sees its disk; auto: the first its kernel has built in"},
    {.name = "mitigations",
     .type = CONF_BOOL,
     .offset = AT(mitigations),
     .def = "true",
     .help = "false boots guests with mitigations=off: faster, and recorded as a shortcut"},
    {.name = "limits",
     .type = CONF_BOOL,
     .offset = AT(limits),
     .def = "true",
     .help = "put builds into a cgroup of their own with the memory and CPUs of the order"},
    {.name = "cache_size",
     .type = CONF_SIZE,
     .offset = AT(cache_size),
     .def = "4GiB",
     .help = "contexts and embedded images that are kept for later attempts"},
    {.name = "min_free",
     .type = CONF_SIZE,
     .offset = AT(min_free),
     .def = "5GiB",
     .help = "with less than this free, a sweep without live attempts empties storage and caches"},
    {.name = NULL},
};

const struct conf exec_conf = {
    .program = "bootfarm-exec",
    .summary = "does the work of one attempt: build, test, publish or mirror",
    .options = options,
};

int exec_config_load(const char *file, struct exec_config *c, struct err *e)
{
    char program[] = "bootfarm-exec";
    BF_CLEANUP(free_ptr) char *arg = file != NULL ? xasprintf("--config=%s", file) : NULL;
    char *argv[] = {program, arg, NULL};
    int rest;
    *c = (struct exec_config){0};
    return conf_load(&exec_conf, file != NULL ? 2 : 1, argv, c, &rest, e);
}

void exec_config_release(struct exec_config *c)
{
    conf_release(&exec_conf, c);
}
