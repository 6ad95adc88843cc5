/* What an executor may write, and what becomes of it. */
#include "worker/result.h"
#include "common/base/mem.h"
#include "proto/wire.h"
#include "tests/unit/worker/tmp.h"
#include <criterion/criterion.h>

static struct err e;

static int read_text(const char *json, size_t n, struct result *r)
{
    struct tmp t;
    struct redact secrets;
    tmp_make(&t);
    redact_init(&secrets);
    redact_learn(&secrets, "s3cr3t-value", 12);
    tmp_write(&t, "result.json", json, n);
    int rc = result_read(tmp_path(&t, "result.json"), &secrets, r, &e);
    redact_release(&secrets);
    tmp_remove(&t);
    return rc;
}

static int parse(const char *json, struct result *r)
{
    return read_text(json, strlen(json), r);
}

Test(result, success)
{
    struct result r;
    cr_assert_eq(
        parse("{\"outcome\": \"succeeded\", \"digest\": "
              "\"sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\","
              " \"size\": 12, \"detail\": {\"accel\": \"tcg\"}}",
              &r),
        0, "%s", e.msg);
    cr_expect_eq(r.outcome, RESULT_SUCCEEDED);
    cr_expect_eq(r.fail_class, CLASS_NONE);
    cr_expect_eq(r.size, 12);
    cr_expect_str_eq(r.detail, "{\"accel\":\"tcg\"}");
    result_release(&r);
}

Test(result, failure)
{
    struct result r;
    cr_assert_eq(parse("{\"outcome\": \"failed\", \"class\": \"user\", \"code\": \"run-failed\","
                       "\"step\": \"RUN false\", \"message\": \"exit status 1\", \"detail\": {}}",
                       &r),
                 0, "%s", e.msg);
    cr_expect_eq(r.fail_class, CLASS_USER);
    cr_expect_str_eq(r.code, "run-failed");
    cr_expect_str_eq(r.step, "RUN false");
    cr_expect_str_eq(r.detail, "");
    result_release(&r);
}

Test(result, unusable_ones_are_refused)
{
    static const char *const bad[] = {
        "",
        "null",
        "[]",
        "{",
        "{\"outcome\": \"maybe\"}",
        "{\"outcome\": \"failed\"}",
        "{\"outcome\": \"failed\", \"class\": \"mine\", \"code\": \"x\"}",
        "{\"outcome\": \"failed\", \"class\": \"user\"}",
        "{\"outcome\": \"failed\", \"class\": \"user\", \"code\": \"../x\"}",
        "{\"outcome\": \"succeeded\", \"digest\": \"latest\"}",
    };
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        struct result r;
        cr_expect_eq(parse(bad[i], &r), -1, "%s", bad[i]);
    }
}

Test(result, no_file_is_an_error)
{
    struct result r;
    struct redact none;
    redact_init(&none);
    cr_expect_eq(result_read("/nonexistent/result.json", &none, &r, &e), -1);
}

Test(result, text_becomes_a_line)
{
    struct result r;
    cr_assert_eq(parse("{\"outcome\": \"succeeded\", \"message\": \"two\\nlines\\t\\u001b[31m red "
                       "\\u0085\"}",
                       &r),
                 0);
    cr_expect_str_eq(r.message, "two lines  [31m red  ");
    cr_expect(wire_is_line(r.message));
    result_release(&r);

    struct str json = STR_INIT;
    str_add(&json, "{\"outcome\": \"succeeded\", \"step\": \"");
    for (int i = 0; i < 2000; i++)
        str_add(&json, "ä");
    str_add(&json, "\"}");
    cr_assert_eq(parse(json.p, &r), 0);
    cr_expect_eq(strlen(r.step), WIRE_MAX_LINE);
    cr_expect(wire_is_line(r.step));
    result_release(&r);
    str_release(&json);
}

Test(result, secrets_are_taken_out_of_everything)
{
    struct result r;
    cr_assert_eq(parse("{\"outcome\": \"failed\", \"class\": \"user\", \"code\": \"run-failed\","
                       "\"step\": \"RUN echo s3cr3t-value\", \"message\": \"s3cr3t-value\","
                       "\"detail\": {\"tail\": [\"a s3cr3t-value b\"], \"s3cr3t-value\": [[1]]}}",
                       &r),
                 0, "%s", e.msg);
    cr_expect_str_eq(r.step, "RUN echo ******");
    cr_expect_str_eq(r.message, "******");
    cr_expect_str_eq(r.detail, "{\"tail\":[\"a ****** b\"],\"******\":[[1]]}");
    result_release(&r);
}

Test(result, a_detail_that_is_too_long_loses_its_tail_of_lines)
{
    struct result r;
    struct str json = STR_INIT;
    str_add(&json, "{\"outcome\": \"succeeded\", \"detail\": {\"accel\": \"kvm\", \"tail\": [\"");
    for (int i = 0; i < 70000; i++)
        str_addch(&json, 'x');
    str_add(&json, "\"]}}");
    cr_assert_eq(parse(json.p, &r), 0, "%s", e.msg);
    cr_expect_str_eq(r.detail, "{\"accel\":\"kvm\"}");
    result_release(&r);
    str_clear(&json);
    str_add(&json, "{\"outcome\": \"succeeded\", \"detail\": {\"tests\": \"");
    for (int i = 0; i < 70000; i++)
        str_addch(&json, 'x');
    str_add(&json, "\"}}");
    cr_assert_eq(parse(json.p, &r), 0, "%s", e.msg);
    cr_expect_str_eq(r.detail, "{\"truncated\":true}");
    result_release(&r);
    str_release(&json);
}

Test(result, a_deep_or_huge_file_is_refused)
{
    struct result r;
    size_t n = RESULT_MAX_FILE + 1;
    char *big = xmalloc(n);
    memset(big, ' ', n);
    cr_expect_eq(read_text(big, n, &r), -1);
    cr_expect(strstr(e.msg, "larger") != NULL, "%s", e.msg);
    memset(big, '[', 100000);
    cr_expect_eq(read_text(big, 100000, &r), -1);
    free(big);
}
