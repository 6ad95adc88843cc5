#include "worker/core/modules.h"

#include "common/base/str.h"

/* What each way needs, besides ext4. virtio_pci is how the machine offers virtio disks. */
static const char *const nvme[] = {"nvme", "ext4", NULL};
static const char *const virtio[] = {"virtio_pci", "virtio_blk", "ext4", NULL};

/* The module's name in a path: "kernel/drivers/nvme/host/nvme-core.ko.xz" is nvme-core; in names
 * '-' and '_' are the same. */
static bool path_is(const char *path, size_t n, const char *name)
{
    const char *base = path;
    for (size_t i = 0; i < n; i++)
        if (path[i] == '/')
            base = path + i + 1;
    size_t left = n - (size_t)(base - path), want = strlen(name);
    if (left < want + 3 || strncmp(base + want, ".ko", 3) != 0)
        return false;
    for (size_t i = 0; i < want; i++)
        if (base[i] != name[i] && !(base[i] == '-' && name[i] == '_'))
            return false;
    return true;
}

/* The line that begins with the module's path; NULL where none does. */
static const char *find_line(const char *text, const char *name)
{
    while (*text != '\0') {
        if (path_is(text, strcspn(text, ":\n"), name))
            return text;
        text += strcspn(text, "\n");
        text += *text == '\n';
    }
    return NULL;
}

static void add_once(struct argv *load, const char *path, size_t n)
{
    vec_for_each (i, &load->list)
        if (strlen(load->list.v[i]) == n && memcmp(load->list.v[i], path, n) == 0)
            return;
    argv_addf(load, "%.*s", (int)n, path);
}

/* depmod lists dependencies so that the last must be loaded first. */
static void add_dependencies(struct argv *load, const char *line)
{
    size_t path = strcspn(line, ":\n");
    size_t end = strcspn(line, "\n");
    for (size_t at = end; at > path + 1;) {
        size_t start = at;
        while (start > path + 1 && line[start - 1] != ' ')
            start--;
        if (at > start)
            add_once(load, line + start, at - start);
        at = start > path + 1 ? start - 1 : start;
    }
    add_once(load, line, path);
}

static bool all_builtin(const char *builtin, const char *const *names)
{
    for (; *names != NULL; names++)
        if (find_line(builtin, *names) == NULL)
            return false;
    return true;
}

/* false: something is neither built in nor a module. */
static bool collect(const char *builtin, const char *dep, const char *const *names,
                    struct argv *load)
{
    for (; *names != NULL; names++) {
        if (find_line(builtin, *names) != NULL)
            continue;
        const char *line = find_line(dep, *names);
        if (line == NULL) {
            argv_release(load);
            return false;
        }
        add_dependencies(load, line);
    }
    return true;
}

void modules_plan(const char *builtin, const char *dep, enum disk_driver only,
                  struct module_plan *out)
{
    bool try_nvme = only != DRIVER_VIRTIO, try_virtio = only != DRIVER_NVME;
    *out = (struct module_plan){.driver = DRIVER_NONE};
    if (try_nvme && all_builtin(builtin, nvme))
        out->driver = DRIVER_NVME;
    else if (try_virtio && all_builtin(builtin, virtio))
        out->driver = DRIVER_VIRTIO;
    else if (try_nvme && collect(builtin, dep, nvme, &out->load))
        out->driver = DRIVER_NVME;
    else if (try_virtio && collect(builtin, dep, virtio, &out->load))
        out->driver = DRIVER_VIRTIO;
}

void module_plan_release(struct module_plan *p)
{
    argv_release(&p->load);
}
