#include "tests/unit/plan/fixture.h"

#include <criterion/criterion.h>

void fake_hash(const struct span *parts, size_t n, struct sha256 *out)
{
    uint64_t h[4] = {0x9e3779b97f4a7c15, 0xbf58476d1ce4e5b9, 0x94d049bb133111eb,
                     0x2545f4914f6cdd1d};
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < parts[i].n; k++) {
            for (size_t j = 0; j < 4; j++)
                h[j] = (h[j] ^ ((const unsigned char *)parts[i].p)[k]) * (0x100000001b3 + 2 * j);
        }
    }
    memcpy(out->b, h, sizeof out->b);
}

static int by_path(const void *x, const void *y)
{
    return strcmp(((const struct file *)x)->path, ((const struct file *)y)->path);
}

static int read_text(void *arg, const struct tree_entry *entry, size_t max, struct str *out,
                     struct err *e)
{
    const struct fixture *f = arg;
    const struct file *file = &f->file[entry - f->entry];
    if (file->n > max)
        return err_set(e, ERR_INPUT, "%s is larger than %zu bytes", entry->path, max);
    str_addmem(out, file->text, file->n);
    return 0;
}

void fixture_tree(struct fixture *f, const struct file *files)
{
    size_t n = 0;
    memset(f, 0, sizeof *f);
    for (; files[n].path != NULL; n++) {
        cr_assert_lt(n, FILES_MAX);
        f->file[n] = files[n];
        if (files[n].n == 0)
            f->file[n].n = strlen(files[n].text);
    }
    qsort(f->file, n, sizeof *f->file, by_path);
    for (size_t i = 0; i < n; i++) {
        struct span span = {.p = f->file[i].text, .n = f->file[i].n};
        struct sha256 hash;
        fake_hash(&span, 1, &hash);
        f->entry[i] = (struct tree_entry){.path = f->file[i].path, .kind = f->file[i].kind};
        memcpy(f->entry[i].id.b, hash.b, sizeof f->entry[i].id.b);
    }
    f->tree = (struct tree){.entry = f->entry, .n = n, .read = read_text, .arg = f};
}

void fixture_plan(struct fixture *f, const struct file *files)
{
    fixture_tree(f, files);
    struct plan_input in = {.tree = &f->tree,
                            .hash = fake_hash,
                            .slug = "plant",
                            .registry = "registry.example",
                            .arch = "amd64",
                            .ref = "main"};
    plan_make(&in, &f->plan);
}

void fixture_release(struct fixture *f)
{
    plan_release(&f->plan);
}

const struct image *image_of(const struct fixture *f, const char *name)
{
    const struct image *image = plan_find(&f->plan, name, NULL);
    cr_assert(image != NULL, "there is no image %s", name);
    return image;
}

char *errors_text(const struct diags *d)
{
    struct str s = STR_INIT;
    vec_for_each (i, &d->list) {
        const struct diag *g = d->list.v[i];
        str_addf(&s, "%s%s:%u:%u %s", i > 0 ? "\n" : "", g->at.file, g->at.line, g->at.column,
                 g->code);
    }
    return str_steal(&s);
}

void expect_errors(const struct fixture *f, const char *expected)
{
    char *text = errors_text(&f->plan.errors);
    cr_expect_str_eq(text, expected, "got:\n%s", text);
    free(text);
}

void expect_no_errors(const struct fixture *f)
{
    vec_for_each (i, &f->plan.errors.list)
        cr_log_error("%s:%u: %s", f->plan.errors.list.v[i]->at.file,
                     f->plan.errors.list.v[i]->at.line, f->plan.errors.list.v[i]->message);
    cr_assert_eq(f->plan.errors.list.n, 0);
}
