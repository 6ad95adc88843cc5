/* init: the bootfarm.yaml that it writes changes nothing about the images. */
#include "common/loop/file.h"
#include "tests/io/planner/site.h"

#include <criterion/criterion.h>

static char *config_text(const struct site *s)
{
    struct str path = STR_INIT, text = STR_INIT;
    str_addf(&path, "%s/bootfarm.yaml", s->work);
    cr_assert_eq(file_read(path.p, 65536, &text, NULL), 0, "%s", path.p);
    str_release(&path);
    return str_steal(&text);
}

Test(init, keeps_what_has_errors)
{
    struct site s;
    struct outcome o;
    site_open(&s);
    site_write(&s, "images/gw/Containerfile", "FROM debian:12\n");
    site_write(&s, "tools/app/Dockerfile", "FROM scratch\nNONSENSE\n");
    site_planner(&s, &o, "init", "work", NULL);
    cr_expect_eq(o.status, 0);
    cr_expect(strstr(o.err.p, "images/gw/Containerfile:1:6: error: ") != NULL, "%s", o.err.p);
    cr_expect(strstr(o.err.p, "tools/app/Dockerfile:2:1: error: ") != NULL, "%s", o.err.p);
    char *told = str_steal(&o.err);
    outcome_release(&o);
    char *text = config_text(&s);
    cr_expect(
        strstr(text, "- files: [\"images/*/Containerfile\"]\n    name: \"images/{dir}\"") != NULL &&
            strstr(text, "- files: [\"tools/*/Dockerfile\"]\n    name: \"tools/{dir}\"") != NULL,
        "%s", text);
    free(text);
    site_planner(&s, &o, "lint", "work", "--disk", NULL);
    cr_expect_eq(o.status, 1);
    cr_expect_str_eq(o.out.p, told);
    free(told);
    outcome_release(&o);
    site_close(&s);
}

/* Runs init and plans; the names of the images, a blank after each. The file must hold no rule. */
static char *init_without_rules(struct site *s)
{
    struct outcome o;
    struct str names = STR_INIT;
    size_t i;
    const json_t *image;
    site_planner(s, &o, "init", "work", NULL);
    cr_assert_eq(o.status, 0, "%s", o.err.p);
    outcome_release(&o);
    char *text = config_text(s);
    cr_expect(strstr(text, "\nimages:") == NULL, "%s", text);
    free(text);
    site_write(s, "late/Containerfile", "FROM scratch\n");
    json_t *plan = plan_json(s, 0, "work", "--disk");
    json_array_foreach(json_object_get(plan, "images"), i, image)
        str_addf(&names, "%s ", text_of(image, "name"));
    json_decref(plan);
    return str_steal(&names);
}

Test(init, writes_no_rule_that_would_change_what_is_an_image)
{
    struct site s;
    site_open(&s);
    char *names = init_without_rules(&s); /* nothing is there yet */
    cr_expect_str_eq(names, "late ");
    free(names);
    site_git(&s, "clean", "-qfdx");
    site_write(&s, "hmi/Containerfile", "FROM scratch\n");
    site_write(&s, "vendor/Containerfile", "FROM scratch\n");
    names = init_without_rules(&s);
    cr_expect_str_eq(names, "hmi late ");
    free(names);
    site_git(&s, "clean", "-qfdx");
    site_write(&s, "a\"b/hmi/Containerfile", "FROM scratch\n");
    site_write(&s, "a\"b/hmi/image.yaml", "name: odd\n");
    names = init_without_rules(&s);
    cr_expect_str_eq(names, "late odd ");
    free(names);
    site_close(&s);
}

Test(init, writes_rules_that_give_the_same_images_and_names)
{
    struct site s;
    struct outcome o;
    site_open(&s);
    site_write(&s, "images/hmi/Containerfile", "FROM scratch\n");
    site_write(&s, "images/gw/Containerfile", "FROM scratch\n");
    site_write(&s, "Dockerfile", "FROM scratch\n");
    site_planner(&s, &o, "init", "work", "--arch=amd64", NULL);
    cr_expect_eq(o.status, 0, "%s", o.err.p);
    outcome_release(&o);
    json_t *plan = plan_json(&s, 0, "work", "--disk");
    const json_t *images = json_object_get(plan, "images");
    cr_assert_eq(json_array_size(images), 3);
    cr_expect_str_eq(text_of(json_array_get(images, 0), "name"), "images/gw");
    cr_expect_str_eq(text_of(json_array_get(images, 2), "name"), "work");
    json_decref(plan);
    site_planner(&s, &o, "init", "work", NULL);
    cr_expect_eq(o.status, 1);
    outcome_release(&o);
    char *text = config_text(&s);
    cr_expect(strstr(text, "files: [\"images/*/Containerfile\"]") != NULL, "%s", text);
    free(text);
    /* Folders of one name: the whole path tells them apart. */
    site_git(&s, "clean", "-qfdx");
    site_write(&s, "images/hmi/Containerfile", "FROM scratch\n");
    site_write(&s, "apps/hmi/Containerfile", "FROM scratch\n");
    site_planner(&s, &o, "init", "work", NULL);
    outcome_release(&o);
    plan = plan_json(&s, 0, "work", "--disk");
    images = json_object_get(plan, "images");
    cr_assert_eq(json_array_size(images), 2);
    cr_expect_str_eq(text_of(json_array_get(images, 0), "name"), "apps/hmi");
    json_decref(plan);
    site_close(&s);
}
