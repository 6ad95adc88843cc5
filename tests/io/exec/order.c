/* Work orders: what is accepted, and that each wrong member is named. */
#include "worker/exec/order.h"
#include "tests/io/exec/temp.h"

#define HEX "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define PINNED "h:5000/a/b@sha256:" HEX
#define COMMON                                                                                    \
    "\"v\":1,\"job\":\"j\",\"attempt\":\"0b1c2d3e-0000-4000-8000-000000000001\",\"image\":\"p:x@" \
    "main\","                                                                                     \
    "\"arch\":\"amd64\",\"input_key\":\"sha256:" HEX "\",\"timeout_ms\":1000,\"silence_ms\":0,"
#define BUILD "\"kind\":\"build\",\"context\":{\"ref\":\"" PINNED "\",\"size\":1},"

static int read_text(const char *text, enum order_kind kind, struct order *o, struct err *e)
{
    char *dir = temp_dir();
    BF_CLEANUP(free_ptr) char *path = xasprintf("%s/order", dir);
    temp_write(dir, "order", text);
    int rc = order_read(path, kind, o, e);
    temp_remove(dir);
    return rc;
}

Test(order, build)
{
    struct order o;
    struct err e = ERR_INIT;
    int rc = read_text(
        "{" COMMON BUILD "\"containerfile\":\"images/x/Containerfile\",\"target\":\"\","
        "\"args\":{\"A\":\"b c\"},\"contexts\":{\"common\":\"common\"},"
        "\"pins\":[{\"written\":[\"${B}\"],\"ref\":\"b:1\",\"image\":\"" PINNED "\"},"
        "{\"written\":[],\"ref\":\"localhost/app\",\"image\":\"" PINNED "\",\"use\":\"needs\"}],"
        "\"push\":null,\"cache\":\"h/cache\",\"network\":\"none\",\"memory\":5,\"cpus\":1.5,"
        "\"secrets\":[\"key\"],\"timestamp\":0,\"no_cache\":true,\"unknown\":[1]}",
        ORDER_BUILD, &o, &e);
    cr_assert(rc == 0, "%s", e.msg);
    cr_expect(o.build.target == NULL && o.build.push == NULL && o.build.no_network &&
              o.build.no_cache);
    cr_expect(o.build.n_pins == 2 && o.build.pins[0].use == PIN_FROM &&
              o.build.pins[1].use == PIN_NEEDS);
    cr_expect_str_eq(o.build.pins[0].written[0], "${B}");
    cr_expect_str_eq(o.build.secrets[0], "key");
    cr_expect(o.build.secrets[1] == NULL && o.timeout == 1000 * BF_MSEC && !o.local);
    order_release(&o);
}

struct wrong {
    enum order_kind kind;
    const char *text, *says;
};

#define B "{" COMMON BUILD "\"containerfile\":\"C\","
#define T "{" COMMON "\"kind\":\"test\",\"source\":\"" PINNED "\","
#define P "{" COMMON "\"kind\":\"publish\",\"source\":\"" PINNED "\",\"dest\":\"h/x\","

static const struct wrong wrongs[] = {
    {ORDER_BUILD, "", "order"},
    {ORDER_BUILD, "[]", "JSON object"},
    {ORDER_BUILD, "{\"v\":1,\"v\":1}", "duplicate"},
    {ORDER_BUILD, "{\"v\":2}", "'v'"},
    {ORDER_TEST, B "\"x\":1}", "kind is 'build'"},
    {ORDER_BUILD, "{" COMMON BUILD "\"containerfile\":\"../C\"}", "'containerfile'"},
    {ORDER_BUILD, "{" COMMON BUILD "\"containerfile\":\"-f\"}", "'containerfile'"},
    {ORDER_BUILD, "{" COMMON "\"kind\":\"build\",\"containerfile\":\"C\"}", "'context_dir'"},
    {ORDER_BUILD,
     "{" COMMON "\"kind\":\"build\",\"context\":{\"ref\":\"h/a:1\"},\"containerfile\":\"C\"}",
     "'ref'"},
    {ORDER_BUILD, B "\"push\":\"h/a:tag\"}", "'push'"},
    {ORDER_BUILD, B "\"push\":\"--tls-verify=false\"}", "'push'"},
    {ORDER_BUILD, B "\"args\":{\"A B\":\"c\"}}", "'A B'"},
    {ORDER_BUILD, B "\"args\":{\"A\":1}}", "'A'"},
    {ORDER_BUILD, B "\"contexts\":{\"a\":\"/etc\"}}", "'contexts'"},
    {ORDER_BUILD, B "\"contexts\":{\"a=b\":\"c\"}}", "'contexts'"},
    {ORDER_BUILD, B "\"pins\":[{\"written\":[],\"ref\":\"a\",\"image\":\"h/a:1\"}]}", "'image'"},
    {ORDER_BUILD, B "\"pins\":[{\"written\":[\"a=b\"],\"ref\":\"a\",\"image\":\"" PINNED "\"}]}",
     "'written[0]'"},
    {ORDER_BUILD, B "\"secrets\":[\"../key\"]}", "'secrets[0]'"},
    {ORDER_BUILD, B "\"network\":\"bridge\"}", "'network'"},
    {ORDER_BUILD, B "\"memory\":-1}", "'memory'"},
    {ORDER_BUILD, B "\"cpus\":\"2\"}", "'cpus'"},
    {ORDER_BUILD, B "\"no_cache\":1}", "'no_cache'"},
    {ORDER_TEST, T "\"test\":{\"boot\":\"maybe\"}}", "'boot'"},
    {ORDER_TEST, T "\"test\":{\"ready\":\"x.service\"}}", "'ready'"},
    {ORDER_TEST, T "\"test\":{\"ready\":\"--help.target\"}}", "'ready'"},
    {ORDER_TEST, T "\"test\":{\"ready\":\"console:\"}}", "'ready'"},
    {ORDER_TEST, T "\"test\":{\"container\":[\"a\\nb\"]}}", "'container[0]'"},
    {ORDER_TEST, T "\"test\":{\"scripts\":[\"/etc/x\"]}}", "'scripts[0]'"},
    {ORDER_TEST, T "\"test\":{\"scripts\":[\"a.sh\"]}}", "scripts_dir"},
    {ORDER_TEST, T "\"scripts_dir\":\"here\",\"test\":{}}", "'scripts_dir'"},
    {ORDER_TEST, "{" COMMON "\"kind\":\"test\",\"source\":\"-x\",\"test\":{}}", "'source'"},
    {ORDER_PUBLISH, P "\"digest\":\"sha256:0\"}", "'digest'"},
    {ORDER_PUBLISH,
     P "\"digest\":\"sha256:"
       "1111111111111111111111111111111111111111111111111111111111111111\"}",
     "different digests"},
    {ORDER_PUBLISH, P "\"digest\":\"sha256:" HEX "\",\"tags\":[\"a b\"]}", "'tags[0]'"},
    {ORDER_PUBLISH, P "\"digest\":\"sha256:" HEX "\",\"tags\":[\"a\"],\"fixed_tags\":[\"b\"]}",
     "'b'"},
};

Test(order, each_wrong_member_is_named)
{
    for (size_t i = 0; i < ARRAY_SIZE(wrongs); i++) {
        struct order o;
        struct err e = ERR_INIT;
        cr_expect(read_text(wrongs[i].text, wrongs[i].kind, &o, &e) == -1, "%s", wrongs[i].text);
        cr_expect(strstr(e.msg, wrongs[i].says) != NULL, "'%s' does not say %s", e.msg,
                  wrongs[i].says);
        order_release(&o);
    }
}

Test(order, a_local_run_may_have_tags)
{
    struct order o;
    struct err e = ERR_INIT;
    cr_assert(
        read_text(
            "{" COMMON "\"kind\":\"build\",\"context_dir\":\"/x\",\"containerfile\":\"C\","
            "\"pins\":[{\"written\":[\"a\"],\"ref\":\"a\",\"image\":\"localhost/a:latest\"}]}",
            ORDER_BUILD, &o, &e) == 0,
        "%s", e.msg);
    cr_expect(o.local);
    order_release(&o);
}

Test(order, too_large)
{
    struct order o;
    struct err e = ERR_INIT;
    BF_CLEANUP(free_ptr) char *text = xcalloc(1, ORDER_MAX_BYTES + 2);
    memset(text, ' ', ORDER_MAX_BYTES + 1);
    cr_assert(read_text(text, ORDER_BUILD, &o, &e) == -1);
    cr_expect(strstr(e.msg, "larger") != NULL, "%s", e.msg);
    order_release(&o);
}
