/* Command lines, as text. */
#include "common/base/str.h"
#include "worker/core/argv_buildah.h"
#include "worker/core/argv_qemu.h"
#include <criterion/criterion.h>

static const struct buildah place = {.root = "/s/root", .runroot = "/s/run", .settings = "/d"};

static bool has(struct argv *a, const char *arg)
{
    for (const char *const *p = argv_get(a); *p != NULL; p++)
        if (strcmp(*p, arg) == 0)
            return true;
    return false;
}

/* The argument that follows `option`. */
static const char *after(struct argv *a, const char *option)
{
    for (const char *const *p = argv_get(a); *p != NULL; p++)
        if (strcmp(*p, option) == 0)
            return p[1];
    return "";
}

static size_t find(struct argv *a, const char *arg)
{
    size_t i = 0;
    for (const char *const *p = argv_get(a); *p != NULL && strcmp(*p, arg) != 0; p++)
        i++;
    return i;
}

Test(argv, buildah_build)
{
    static const struct pair pins[] = {{"${BASE}", "h/r@sha256:1"}, {"debian:12", "h/r@sha256:1"}};
    static const struct pair args[] = {{"A", "x y=z"}, {"B", "--help"}};
    static const struct pair secrets[] = {{"key", "/secrets/key"}};
    static const struct pair contexts[] = {{"common", "/ctx/common"}};
    struct buildah_build w = {.attempt = "ID",
                              .context = "/ctx",
                              .containerfile = "/ctx/Containerfile",
                              .isolation = "chroot",
                              .tag = "localhost/bootfarm/build:ID",
                              .cache = "h/cache/t0",
                              .pins = pins,
                              .n_pins = 2,
                              .args = args,
                              .n_args = 2,
                              .secrets = secrets,
                              .n_secrets = 1,
                              .contexts = contexts,
                              .n_contexts = 1,
                              .needs_dir = "/d/needs_images"};
    struct argv a = {0};
    argv_buildah_build(&a, &place, &w);
    static const char *const expected[] = {
        "--root=/s/root",
        "--runroot=/s/run",
        "--pull=never",
        "--layers",
        "--force-rm",
        "--cgroup-parent=/bootfarm-ID",
        "--isolation=chroot",
        "--timestamp=0",
        "--cache-from=h/cache/t0",
        "--cache-to=h/cache/t0",
        "--build-arg=A=x y=z",
        "--build-arg=B=--help",
        "--build-context=${BASE}=docker-image://h/r@sha256:1",
        "--build-context=debian:12=docker-image://h/r@sha256:1",
        "--build-context=common=/ctx/common",
        "--build-context=needs_images=/d/needs_images",
        "--secret=id=key,src=/secrets/key",
    };
    for (size_t i = 0; i < ARRAY_SIZE(expected); i++)
        cr_expect(has(&a, expected[i]), "%s is missing", expected[i]);
    cr_expect(!has(&a, "--no-cache") && !has(&a, "--network=none"));
    cr_expect(find(&a, "--root=/s/root") < find(&a, "build"), "global options come first");
    cr_expect_str_eq(a.list.v[a.list.n - 1], "/ctx");
    argv_release(&a);

    w.no_cache = true;
    w.no_network = true;
    w.memory = 1000;
    w.cpus = 1.5;
    w.target = "final";
    argv_buildah_build(&a, &place, &w);
    cr_expect(has(&a, "--no-cache") && !has(&a, "--cache-from=h/cache/t0") && has(&a, "--layers"));
    cr_expect(has(&a, "--network=none") && has(&a, "--memory=1000") &&
              has(&a, "--cpu-quota=150000"));
    cr_expect(has(&a, "--target=final"));
    argv_release(&a);
}

Test(argv, buildah_access_goes_to_what_talks_to_registries)
{
    struct buildah b = place;
    struct argv a = {0};
    b.authfile = "/etc/auth.json";
    b.certs_dir = "/etc/certs";
    argv_buildah_pull(&a, &b, "h/r@sha256:1");
    cr_expect(has(&a, "--authfile=/etc/auth.json") && has(&a, "--cert-dir=/etc/certs"));
    cr_expect_str_eq(a.list.v[a.list.n - 1], "docker://h/r@sha256:1");
    argv_release(&a);
    argv_buildah_from(&a, &b, "h/r@sha256:1", "ID-boot");
    cr_expect(!has(&a, "--authfile=/etc/auth.json") && has(&a, "--pull-never"));
    cr_expect(has(&a, "--name=bootfarm-ID-boot"));
    argv_release(&a);
}

Test(argv, qemu)
{
    struct qemu q = {.name = "bootfarm-ID",
                     .owner = "/s/attempts/ID",
                     .cpus = 2,
                     .memory = (UINT64_C(1) << 30) + 1,
                     .kernel = "/d/vmlinuz",
                     .initrd = "/d/initrd",
                     .append = "console=ttyS0 panic=-1",
                     .disk = "/d/a,b.img",
                     .driver = DRIVER_NVME,
                     .results = "/s/attempts/ID/results"};
    struct argv a = {0};
    argv_qemu(&a, &q);
    cr_expect_str_eq(after(&a, "-accel"), "tcg,thread=multi");
    cr_expect_str_eq(after(&a, "-cpu"), "max");
    cr_expect_str_eq(after(&a, "-m"), "1025");
    cr_expect_str_eq(after(&a, "-nic"), "none");
    cr_expect_str_eq(after(&a, "-append"), "console=ttyS0 panic=-1");
    cr_expect(str_starts(after(&a, "-drive"), "file=/d/a,,b.img,"), "a comma in a path is doubled");
    cr_expect(strstr(after(&a, "-drive"), "snapshot=on") != NULL);
    cr_expect(str_starts(after(&a, "-device"), "nvme,"));
    cr_expect(has(&a, "-no-reboot"));
    argv_release(&a);
    q.kvm = true;
    q.memory = 0;
    q.driver = DRIVER_VIRTIO;
    argv_qemu(&a, &q);
    cr_expect_str_eq(after(&a, "-accel"), "kvm");
    cr_expect_str_eq(after(&a, "-cpu"), "host");
    cr_expect_str_eq(after(&a, "-m"), "256");
    cr_expect(str_starts(after(&a, "-device"), "virtio-blk-pci,"));
    argv_release(&a);
}
