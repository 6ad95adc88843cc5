/* Containerfiles: what the reached stages are built from, and where that stands. */
#include "scheduler/plan/containerfile.h"
#include "tests/unit/plan/fixture.h"

#include <criterion/criterion.h>

struct sample {
    const char *what, *text;
    const char *uses;    /* "KIND EXPANDED LINE:COLUMN" each, separated by newlines */
    const char *errors;  /* "LINE:COLUMN CODE" each; NULL: none */
    const char *sources; /* separated by blanks; "*": the whole context; NULL: do not look */
    const char *target;
    struct cf_arg arg[3];
};

static const struct sample samples[] = {
    {"plain", "FROM quay.io/a:1\n", "from quay.io/a:1 1:6", NULL, "", NULL, {{0}}},
    {"no final newline", "FROM a.io/b", "from a.io/b 1:6", NULL, NULL, NULL, {{0}}},
    {"names in any case, tabs",
     "from\ta.io/b\tas\tX\nFrom scratch\nCopy --from=X /a /b\n",
     "from a.io/b 1:6",
     NULL,
     "",
     NULL,
     {{0}}},
    {"byte order mark and CRLF",
     "\xef\xbb\xbf"
     "FROM a.io/b\r\nCOPY x /\r\n",
     "from a.io/b 1:6",
     NULL,
     "x",
     NULL,
     {{0}}},
    {"continuation", "FROM \\\n  a.io/b \\\n  AS x\n", "from a.io/b 2:3", NULL, NULL, NULL, {{0}}},
    {"comments and blank lines inside a continuation",
     "FROM a.io/b\nCOPY \\\n# a comment\n\n   # another \\\n  --from=c.io/d \\\n\n  /x /y\n",
     "from a.io/b 1:6\ncopy c.io/d 6:10",
     NULL,
     NULL,
     NULL,
     {{0}}},
    {"a continuation at the end of the file",
     "FROM a.io/b\nRUN x \\",
     "from a.io/b 1:6",
     NULL,
     NULL,
     NULL,
     {{0}}},
    {"a word over two lines", "FROM a.io/\\\nb\n", "from a.io/b 1:6", NULL, NULL, NULL, {{0}}},
    {"escape directive",
     "# escape=`\nFROM a.io/b `\n AS x\nCOPY a\\b `\n /\n",
     "from a.io/b 2:6",
     NULL,
     NULL,
     NULL,
     {{0}}},
    {"escape directive that is not at the top is a comment",
     "# x\n# escape=`\nFROM a.io/b \\\n AS x\n",
     "from a.io/b 3:6",
     NULL,
     NULL,
     NULL,
     {{0}}},
    {"escape directive that is not understood",
     "# escape=x\nFROM a.io/b\n",
     "",
     "1:10 bad-directive",
     NULL,
     NULL,
     {{0}}},
    {"header arguments",
     "ARG V=1\nARG R=a.io/b:$V\nFROM $R\n",
     "from a.io/b:1 3:6",
     NULL,
     NULL,
     NULL,
     {{0}}},
    {"the definition's value goes first",
     "ARG V=1\nFROM a.io/b:$V\n",
     "from a.io/b:2 2:6",
     NULL,
     NULL,
     NULL,
     {{"V", "2"}}},
    {"a value for an argument that is not declared",
     "FROM a.io/b:${V:-0}\n",
     "from a.io/b:0 1:6",
     NULL,
     NULL,
     NULL,
     {{"V", "2"}}},
    {"ARG of a stage is not seen by FROM",
     "FROM a.io/b\nARG V=1\nFROM a.io/c:${V:-none}\n",
     "from a.io/c:none 3:6",
     NULL,
     NULL,
     NULL,
     {{0}}},
    {"a stage sees a header argument only after its own ARG",
     "ARG V=1\nFROM a.io/b\nCOPY --from=c.io/d:${V:-x} / /\nARG V\nCOPY --from=c.io/d:$V / /\n",
     "from a.io/b 2:6\ncopy c.io/d:x 3:13\ncopy c.io/d:1 5:13",
     NULL,
     NULL,
     NULL,
     {{0}}},
    {"a stage's own default goes before the header's",
     "ARG V=1\nFROM a.io/b\nARG V=2\nCOPY --from=c.io/d:$V / /\n",
     "from a.io/b 2:6\ncopy c.io/d:2 4:13",
     NULL,
     NULL,
     NULL,
     {{0}}},
    {"several assignments, quotes",
     "ARG A=1 B=\"x y\" C='z'\nFROM a.io/b:$A$C\n",
     "from a.io/b:1z 2:6",
     NULL,
     NULL,
     NULL,
     {{0}}},
    {"a default that names the variable itself",
     "ARG V=${V:-7}\nFROM a.io/b:$V\n",
     "from a.io/b:7 2:6",
     NULL,
     NULL,
     NULL,
     {{0}}},
    {"built-in arguments",
     "FROM a.io/b:$TARGETARCH-${TARGETOS}${TARGETVARIANT}\n",
     "from a.io/b:arm64-linux 1:6",
     NULL,
     NULL,
     NULL,
     {{0}}},
    {"built-in arguments need an ARG inside a stage",
     "FROM a.io/b\nCOPY --from=c.io/d:x$TARGETARCH / /\nARG TARGETARCH\nCOPY "
     "--from=c.io/d:x$TARGETARCH / /\n",
     "from a.io/b 1:6\ncopy c.io/d:x 2:13\ncopy c.io/d:xarm64 4:13",
     NULL,
     NULL,
     NULL,
     {{0}}},
    {"ENV goes before ARG, and is inherited by stages",
     "FROM a.io/b AS one\nARG X=1\nENV X=2 Y $X\nFROM one\nCOPY --from=c.io/d:$X / /\n",
     "from a.io/b 1:6\ncopy c.io/d:2 5:13",
     "3:9 bad-env",
     NULL,
     NULL,
     {{0}}},
    {"ENV in its old form",
     "FROM a.io/b\nENV X some words\nCOPY $X/y /\n",
     "from a.io/b 1:6",
     NULL,
     "some words/y",
     NULL,
     {{0}}},
    {"values of one ENV see what was there before",
     "FROM a.io/b\nENV X=1\nENV X=2 Y=$X\nCOPY $Y /\n",
     "from a.io/b 1:6",
     NULL,
     "1",
     NULL,
     {{0}}},
    {"a stage name shadows an image",
     "FROM a.io/b AS debian\nFROM debian\n",
     "from a.io/b 1:6",
     NULL,
     NULL,
     NULL,
     {{0}}},
    {"only earlier stages count",
     "FROM later\nFROM a.io/b AS later\n",
     "from a.io/b 2:6",
     NULL,
     NULL,
     NULL,
     {{0}}},
    {"a stage that names itself is an image",
     "FROM a.io/b AS x\nFROM x AS y\nFROM y AS y\n",
     "from a.io/b 1:6",
     NULL,
     NULL,
     NULL,
     {{0}}},
    {"the later of two equal names wins, but both are built",
     "FROM a.io/b AS x\nFROM c.io/d AS x\nFROM scratch\nCOPY --from=x / /\n",
     "from a.io/b 1:6\nfrom c.io/d 2:6",
     NULL,
     NULL,
     NULL,
     {{0}}},
    {"stage names are case-sensitive",
     "FROM a.io/b AS X\nFROM scratch\nCOPY --from=x / /\n",
     "copy x 3:13",
     NULL,
     NULL,
     NULL,
     {{0}}},
    {"stages by number",
     "FROM a.io/b\nFROM c.io/d\nFROM scratch\nCOPY --from=1 / /\n",
     "from c.io/d 2:6",
     NULL,
     NULL,
     NULL,
     {{0}}},
    {"in FROM and mounts a number means a stage without a name",
     "FROM a.io/b AS x\nFROM c.io/d\nFROM 1\nRUN --mount=from=0,target=/m --mount=from=1,target=/n "
     "true\n",
     "from c.io/d 2:6\nmount 0 4:18",
     NULL,
     NULL,
     NULL,
     {{0}}},
    {"a number that is a name",
     "FROM a.io/b AS 1\nFROM c.io/d\nFROM e.io/f\nCOPY --from=1 / /\n",
     "from a.io/b 1:6\nfrom c.io/d 2:6\nfrom e.io/f 3:6",
     NULL,
     NULL,
     NULL,
     {{0}}},
    {"--from sees no ENV",
     "FROM a.io/b\nENV V=1\nARG W=2\nENV W=3\nCOPY --from=c.io/d:x$V$W / /\nRUN "
     "--mount=from=e.io/f:x$V$W,target=/m x\n",
     "from a.io/b 1:6\ncopy c.io/d:x2 5:13\nmount e.io/f:x2 6:18",
     NULL,
     NULL,
     NULL,
     {{0}}},
    {"values of one ARG see what was there before",
     "ARG V=1 W=x$V\nARG X=$V\nFROM a.io/b:$W$X\nARG Y=2 Z=y$Y\nCOPY --from=c.io/d:$Z / /\n",
     "from a.io/b:x1 3:6\ncopy c.io/d:y 5:13",
     NULL,
     NULL,
     NULL,
     {{0}}},
    {"ARG without a name", "ARG\nFROM a.io/b\n", "", "1:1 bad-arg", NULL, NULL, {{0}}},
    {"COPY of one word", "FROM a.io/b\nCOPY a\n", "", "2:1 bad-copy", NULL, NULL, {{0}}},
    {"ADD of nothing", "FROM a.io/b\n ADD\n", "", "2:2 bad-copy", NULL, NULL, {{0}}},
    {"COPY of one word in a stage that is not reached",
     "FROM a.io/b\nCOPY a\nFROM c.io/d\n",
     "from c.io/d 3:6",
     NULL,
     NULL,
     NULL,
     {{0}}},
    {"a number that is no earlier stage",
     "FROM a.io/b\nCOPY --from=0 / /\n",
     "from a.io/b 1:6\ncopy 0 2:13",
     NULL,
     NULL,
     NULL,
     {{0}}},
    {"a stage that is not reached is no dependency",
     "FROM a.io/b AS unused\nCOPY --from=x.io/y / /\nFROM c.io/d\n",
     "from c.io/d 3:6",
     NULL,
     "",
     NULL,
     {{0}}},
    {"errors of a stage that is not reached do not count",
     "FROM a.io/b${ AS unused\nFROM c.io/d\n",
     "from c.io/d 2:6",
     NULL,
     NULL,
     NULL,
     {{0}}},
    {"target by name",
     "FROM a.io/b AS one\nFROM c.io/d AS two\n",
     "from a.io/b 1:6",
     NULL,
     NULL,
     "one",
     {{0}}},
    {"target by number",
     "FROM a.io/b AS one\nFROM c.io/d AS two\n",
     "from a.io/b 1:6",
     NULL,
     NULL,
     "0",
     {{0}}},
    {"no such target", "FROM a.io/b AS one\n", "", "9:9 no-such-stage", NULL, "two", {{0}}},
    {"stage names with variables",
     "ARG N=x\nFROM a.io/b AS $N\nFROM x\n",
     "from a.io/b 2:6",
     NULL,
     NULL,
     NULL,
     {{0}}},
    {"what the escape directive is not",
     "# syntax=docker/dockerfile:1\n# check=skip=all\n# escape\n# escapes=`\nFROM a.io/b \\\n AS "
     "x\n",
     "from a.io/b 5:6",
     NULL,
     NULL,
     NULL,
     {{0}}},
    {"built-in arguments of the machine that builds",
     "FROM --platform=$BUILDPLATFORM a.io/b:$BUILDARCH-$BUILDOS-x$BUILDVARIANT-$TARGETPLATFORM\n",
     "from a.io/b:arm64-linux-x-linux/arm64 1:32",
     NULL,
     NULL,
     NULL,
     {{0}}},
    {"a definition's value does not change a built-in default of the stage",
     "FROM a.io/b\nARG TARGETARCH=x V=y\nCOPY --from=c.io/d:$TARGETARCH-$V a b\n",
     "from a.io/b 1:6\ncopy c.io/d:arm64-z 3:13",
     NULL,
     NULL,
     NULL,
     {{"V", "z"}}},
    {"a target that stands behind others of its name",
     "FROM a.io/b AS x\nFROM c.io/d AS x\nFROM e.io/f\n",
     "from a.io/b 1:6\nfrom c.io/d 2:6",
     NULL,
     NULL,
     "x",
     {{0}}},
    {"a stage inherits the arguments of the one below",
     "FROM a.io/b AS x\nARG V=1\nFROM x\nCOPY --from=c.io/d:$V a b\nFROM a.io/b\nCOPY "
     "--from=c.io/d:x$V a b\nCOPY --from=1 a b\n",
     "from a.io/b 1:6\ncopy c.io/d:1 4:13\nfrom a.io/b 5:6\ncopy c.io/d:x 6:13",
     NULL,
     NULL,
     NULL,
     {{0}}},
    {"the last of several flags of one name counts",
     "FROM a.io/b\nCOPY --from=c.io/d --from=e.io/f a b\n",
     "from a.io/b 1:6\ncopy e.io/f 2:27",
     NULL,
     NULL,
     NULL,
     {{0}}},
    {"an archive that an earlier stage writes is no image",
     "FROM a.io/b AS x\nRUN --mount=type=bind,target=/o,rw make\nFROM oci-archive:out.tar\nCOPY "
     "--from=x a b\n",
     "from a.io/b 1:6",
     NULL,
     "*",
     NULL,
     {{0}}},
    {"platform",
     "FROM --platform=linux/arm64 a.io/b\n",
     "from a.io/b 1:29",
     NULL,
     NULL,
     NULL,
     {{0}}},
    {"FROM --after",
     "FROM a.io/b AS one\nFROM --after=one c.io/d\n",
     "from a.io/b 1:6\nfrom c.io/d 2:18",
     NULL,
     NULL,
     NULL,
     {{0}}},
    {"quotes around a reference", "FROM \"a.io/b\"\n", "from a.io/b 1:6", NULL, NULL, NULL, {{0}}},
    {"scratch and transports",
     "FROM scratch AS x\nFROM oci-archive:x.tar\n",
     "",
     NULL,
     NULL,
     NULL,
     {{0}}},
    {"mounts in any key order",
     "FROM a.io/b\nRUN --mount=from=c.io/d,target=/x "
     "--mount=type=bind,target=/y,from=e.io/f,source=/s true\n",
     "from a.io/b 1:6\nmount c.io/d 2:18\nmount e.io/f 2:68",
     NULL,
     "",
     NULL,
     {{0}}},
    {"mounts of stages and caches",
     "FROM a.io/b AS x\nFROM c.io/d\nRUN --mount=type=cache,target=/c "
     "--mount=type=bind,from=x,target=/y true\n",
     "from a.io/b 1:6\nfrom c.io/d 2:6",
     NULL,
     "",
     NULL,
     {{0}}},
    {"a bind mount reads the context",
     "FROM a.io/b\nRUN --mount=type=bind,src=lib,target=/l true\n",
     "from a.io/b 1:6",
     NULL,
     "lib",
     NULL,
     {{0}}},
    {"a bind mount without a source reads all of it",
     "FROM a.io/b\nRUN --mount=target=/l true\n",
     "from a.io/b 1:6",
     NULL,
     "*",
     NULL,
     {{0}}},
    {"flags only before the first argument",
     "FROM a.io/b\nRUN echo --mount=from=c.io/d\n",
     "from a.io/b 1:6",
     NULL,
     NULL,
     NULL,
     {{0}}},
    {"quotes in flags",
     "FROM a.io/b\nCOPY --from=\"c.io/d\" --chown='a b' / /\n",
     "from a.io/b 1:6\ncopy c.io/d 2:13",
     NULL,
     NULL,
     NULL,
     {{0}}},
    {"sources",
     "FROM a.io/b\nCOPY a b/c /d/\nADD ./e* https://x.io/y.tar /f/\nCOPY [\"g h\", \"/i\"]\n",
     "from a.io/b 1:6",
     NULL,
     "a b/c e* g h",
     NULL,
     {{0}}},
    {"the whole context", "FROM a.io/b\nCOPY . /\n", "from a.io/b 1:6", NULL, "*", NULL, {{0}}},
    {"a source that cannot be decided",
     "FROM a.io/b\nCOPY $FROM_THE_BASE/x /\n",
     "from a.io/b 1:6",
     NULL,
     "*",
     NULL,
     {{0}}},
    {"the base image's environment goes before arguments and defaults",
     "FROM a.io/b\nARG V=1\nCOPY v$V /\n",
     "from a.io/b 1:6",
     NULL,
     "*",
     NULL,
     {{0}}},
    {"the base image's environment goes before a default",
     "FROM a.io/b\nCOPY ${V:-1} /\n",
     "from a.io/b 1:6",
     NULL,
     "*",
     NULL,
     {{0}}},
    {"an ENV of what the base image may set",
     "FROM a.io/b AS x\nENV V=${W:-w}\nFROM x\nCOPY $V /\n",
     "from a.io/b 1:6",
     NULL,
     "*",
     NULL,
     {{0}}},
    {"scratch brings no environment",
     "FROM scratch AS x\nARG V=1\nENV W=${U:-w}\nFROM x\nCOPY v$V $W /\n",
     "",
     NULL,
     "v1 w",
     NULL,
     {{0}}},
    {"a variable in the source of a mount",
     "FROM a.io/b\nENV V=1\nRUN --mount=source=$V,target=/m x\n",
     "from a.io/b 1:6",
     NULL,
     "*",
     NULL,
     {{0}}},
    {"a source above the context",
     "FROM a.io/b\nCOPY ../x /\n",
     "from a.io/b 1:6",
     NULL,
     "*",
     NULL,
     {{0}}},
    {"heredocs are data",
     "FROM a.io/b\nRUN <<EOF\nFROM x.io/y\nCOPY --from=z.io/a / /\nEOF\nCOPY a /\n",
     "from a.io/b 1:6",
     NULL,
     "a",
     NULL,
     {{0}}},
    {"a heredoc whose name stands apart",
     "FROM a.io/b\nRUN cat << E\nFROM no\nE\nCOPY a /\n",
     "from a.io/b 1:6",
     NULL,
     "a",
     NULL,
     {{0}}},
    {"a shift is no heredoc",
     "FROM a.io/b\nRUN : $((1 << 2)) && \\\n  : $((1 << 3))\nCOPY a /\nRUN : $((1 << 4))\nCOPY b "
     "/\n",
     "from a.io/b 1:6",
     NULL,
     "a b",
     NULL,
     {{0}}},
    {"no heredoc where a quote is not closed, or the dash stands apart",
     "FROM a.io/b\nRUN cat <<E # don't\nRUN cat <<- E\nCOPY a /\n",
     "from a.io/b 1:6",
     NULL,
     "a",
     NULL,
     {{0}}},
    {"keys of a mount in quotes and over two lines have the place of the flag",
     "FROM a.io/b\nRUN --mount='from=c.io/d,target=/m' --mount=type=bind,\\\nfrom=e.io/f,target=/n "
     "x\n",
     "from a.io/b 1:6\nmount c.io/d 2:13\nmount e.io/f 2:45",
     NULL,
     NULL,
     NULL,
     {{0}}},
    {"heredocs with tabs, quotes, several on a line",
     "FROM a.io/b\nRUN <<-A 3<<\"B C\" cat\n\tFROM x.io/y\n\tA\n$X\nB C\nCOPY <<'E' x /\nFROM "
     "no\nE\n",
     "from a.io/b 1:6",
     NULL,
     "x",
     NULL,
     {{0}}},
    {"no heredocs",
     "FROM a.io/b\nRUN cat <<<EOF && echo $((1<<2)) a<<b\nCOPY a /\n",
     "from a.io/b 1:6",
     NULL,
     "a",
     NULL,
     {{0}}},
    {"the JSON form has no heredocs",
     "FROM a.io/b\nRUN [\"cat\", \"<<EOF\"]\nCOPY a /\n",
     "from a.io/b 1:6",
     NULL,
     "a",
     NULL,
     {{0}}},
    {"a heredoc after flags and continuations",
     "FROM a.io/b\nRUN --mount=type=tmpfs,target=/x \\\n  sh <<E\nFROM no\nE\n",
     "from a.io/b 1:6",
     NULL,
     NULL,
     NULL,
     {{0}}},
    {"a heredoc that is not closed",
     "FROM a.io/b\nRUN x <<EOF\ny\n",
     "",
     "2:7 unterminated-heredoc",
     NULL,
     NULL,
     {{0}}},
    {"ONBUILD is for children",
     "FROM a.io/b\nONBUILD COPY --from=c.io/d / /\n",
     "from a.io/b 1:6",
     NULL,
     "",
     NULL,
     {{0}}},
    {"a comment behind FROM", "FROM a.io/b # text\n", "", "1:13 bad-from", NULL, NULL, {{0}}},
    {"FROM without an image", "FROM\n", "", "1:1 bad-from", NULL, NULL, {{0}}},
    {"FROM with two words", "FROM a.io/b x\n", "", "1:13 bad-from", NULL, NULL, {{0}}},
    {"nothing", "", "", "1:1 no-from", NULL, NULL, {{0}}},
    {"only arguments", "ARG A=1\n", "", "1:1 no-from", NULL, NULL, {{0}}},
    {"an instruction before FROM",
     "RUN x\nFROM a.io/b\n",
     "",
     "1:1 before-from",
     NULL,
     NULL,
     {{0}}},
    {"an unknown instruction",
     "FROM a.io/b\n  COPPY a /\n",
     "",
     "2:3 unknown-instruction",
     NULL,
     NULL,
     {{0}}},
    {"a template", "FROM {{ base }}\n", "", "1:6 template", NULL, NULL, {{0}}},
    {"a template's control line",
     "{% if x %}\nFROM a.io/b\n",
     "",
     "1:1 template",
     NULL,
     NULL,
     {{0}}},
    {"a bad substitution", "FROM a.io/${X!}\n", "", "1:6 bad-substitution", NULL, NULL, {{0}}},
    {"JSON of other things", "FROM a.io/b\nCOPY [1]\n", "", "2:1 json-form", NULL, NULL, {{0}}},
    {"ONBUILD FROM", "FROM a.io/b\nONBUILD FROM x\n", "", "2:9 bad-onbuild", NULL, NULL, {{0}}},
};

static void show_uses(struct str *s, const struct cf_result *r)
{
    static const char *const kind[] = {
        [CF_USE_FROM] = "from", [CF_USE_COPY] = "copy", [CF_USE_MOUNT] = "mount"};
    for (size_t i = 0; i < r->uses; i++)
        str_addf(s, "%s%s %s %u:%u", i > 0 ? "\n" : "", kind[r->use[i].kind], r->use[i].expanded,
                 r->use[i].at.line, r->use[i].at.column);
}

static void show_sources(struct str *s, const struct cf_result *r)
{
    for (size_t i = 0; i < r->sources && !r->whole_context; i++)
        str_addf(s, "%s%s", i > 0 ? " " : "", r->source[i]);
    if (r->whole_context)
        str_add(s, "*");
}

static void check(const struct sample *x)
{
    struct arena a = ARENA_INIT;
    struct diags errors = {.a = &a}, warnings = {.a = &a};
    struct str uses = STR_INIT, sources = STR_INIT, problems = STR_INIT;
    struct cf_env env = {.arg = x->arg,
                         .arch = "arm64",
                         .target = x->target,
                         .target_at = {.file = "f", .line = 9, .column = 9}};
    struct cf_result r = {.uses = 0};
    while (env.args < ARRAY_SIZE(x->arg) && x->arg[env.args].name != NULL)
        env.args++;
    const struct cfile *f = cf_parse(&a, "f", x->text, strlen(x->text), &errors, &warnings);
    if (!f->broken && cf_resolve(&a, f, &env, &errors, &r) == 0)
        show_uses(&uses, &r);
    vec_for_each (i, &errors.list)
        str_addf(&problems, "%s%u:%u %s", i > 0 ? "\n" : "", errors.list.v[i]->at.line,
                 errors.list.v[i]->at.column, errors.list.v[i]->code);
    show_sources(&sources, &r);
    cr_expect_str_eq(problems.p, x->errors != NULL ? x->errors : "", "%s: got errors\n%s", x->what,
                     problems.p);
    if (x->errors == NULL)
        cr_expect_str_eq(uses.p, x->uses, "%s: got\n%s", x->what, uses.p);
    if (x->sources != NULL)
        cr_expect_str_eq(sources.p, x->sources, "%s: got sources %s", x->what, sources.p);
    str_release(&uses);
    str_release(&sources);
    str_release(&problems);
    diags_release(&errors);
    diags_release(&warnings);
    arena_release(&a);
}

Test(containerfile, cases)
{
    for (size_t i = 0; i < ARRAY_SIZE(samples); i++)
        check(&samples[i]);
}

Test(containerfile, long_lines_and_many_lines)
{
    struct arena a = ARENA_INIT;
    struct diags d = {.a = &a};
    struct str s = STR_INIT;
    str_add(&s, "FROM a.io/b\nRUN ");
    for (int i = 0; i < 145 * 1024; i++)
        str_addch(&s, 'x');
    str_add(&s, "\n");
    for (int i = 0; i < 20000; i++)
        str_addf(&s, "COPY --from=c.io/d:%d a b\n", i);
    const struct cfile *f = cf_parse(&a, "f", s.p, s.len, &d, &d);
    struct cf_env env = {.arch = "amd64"};
    struct cf_result r;
    cr_assert(!f->broken);
    cr_assert_eq(cf_resolve(&a, f, &env, &d, &r), 0);
    cr_expect_eq(r.uses, 20001);
    cr_expect_eq(r.use[20000].at.line, 20002);
    str_release(&s);
    diags_release(&d);
    arena_release(&a);
}

static const char *code_of(const char *text, size_t n)
{
    struct arena a = ARENA_INIT;
    struct diags d = {.a = &a};
    const struct cfile *f = cf_parse(&a, "f", text, n, &d, &d);
    const char *code = f->broken ? d.list.v[0]->code : "";
    diags_release(&d);
    arena_release(&a);
    return code;
}

Test(containerfile, bounds)
{
    struct str s = STR_INIT;
    for (int i = 0; i < CF_MAX_STAGES + 2; i++)
        str_add(&s, "FROM scratch\n");
    cr_expect_str_eq(code_of(s.p, s.len), "too-large");
    while (s.len <= CF_MAX_BYTES)
        str_add(&s, "# comments fill the file up to its bound, and beyond\n");
    cr_expect_str_eq(code_of(s.p, s.len), "too-large");
    cr_expect_str_eq(code_of("FROM a\0b\n", 9), "bad-text");
    str_release(&s);
}

/* Each variable doubles the one before: refused before it eats the memory. */
Test(containerfile, values_cannot_explode)
{
    struct arena a = ARENA_INIT;
    struct diags d = {.a = &a};
    struct str s = STR_INIT;
    str_add(&s, "ARG V0=xxxxxxxxxxxxxxxx\n");
    for (int i = 1; i < 64; i++)
        str_addf(&s, "ARG V%d=$V%d$V%d\n", i, i - 1, i - 1);
    str_add(&s, "FROM a.io/b\n");
    const struct cfile *f = cf_parse(&a, "f", s.p, s.len, &d, &d);
    struct cf_env env = {.arch = "amd64"};
    struct cf_result r;
    cr_expect_eq(cf_resolve(&a, f, &env, &d, &r), -1);
    cr_expect_str_eq(d.list.v[0]->code, "bad-substitution");
    cr_expect_lt(a.total, 16 * 1024 * 1024);
    str_release(&s);
    diags_release(&d);
    arena_release(&a);
}

/* Each value is within its bound, but there are many of them. */
Test(containerfile, values_together_are_bounded)
{
    struct arena a = ARENA_INIT;
    struct diags d = {.a = &a};
    struct str s = STR_INIT;
    str_add(&s, "ARG V=");
    for (int i = 0; i < 60000; i++)
        str_addch(&s, 'x');
    str_add(&s, "\n");
    for (int i = 0; i < 1000; i++)
        str_addf(&s, "ARG A%d=$V\n", i);
    str_add(&s, "FROM a.io/b\n");
    const struct cfile *f = cf_parse(&a, "f", s.p, s.len, &d, &d);
    struct cf_env env = {.arch = "amd64"};
    struct cf_result r;
    cr_expect_eq(cf_resolve(&a, f, &env, &d, &r), -1);
    cr_expect_str_eq(d.list.v[0]->code, "too-large");
    cr_expect_eq(d.list.v[0]->at.line, 282);
    cr_expect_eq(d.list.v[0]->at.column, 5);
    cr_expect_lt(a.total, 64 * 1024 * 1024);
    str_release(&s);
    diags_release(&d);
    arena_release(&a);
}

Test(containerfile, patterns_together_are_bounded)
{
    struct arena a = ARENA_INIT;
    struct diags d = {.a = &a};
    struct str s = STR_INIT;
    str_add(&s, "ARG "
                "V="
                "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
                "aaaaaa\n");
    for (int i = 0; i < 4000; i++)
        str_add(&s, "ARG A=${V//*a*a*b/x}\n");
    str_add(&s, "FROM a.io/b\n");
    const struct cfile *f = cf_parse(&a, "f", s.p, s.len, &d, &d);
    struct cf_env env = {.arch = "amd64"};
    struct cf_result r;
    cr_expect_eq(cf_resolve(&a, f, &env, &d, &r), -1);
    cr_expect_str_eq(d.list.v[0]->code, "too-large");
    str_release(&s);
    diags_release(&d);
    arena_release(&a);
}

Test(containerfile, a_hundred_errors_are_enough)
{
    struct arena a = ARENA_INIT;
    struct diags d = {.a = &a};
    struct str s = STR_INIT;
    for (int i = 0; i < 5000; i++)
        str_add(&s, "FORM a.io/b\n");
    const struct cfile *f = cf_parse(&a, "f", s.p, s.len, &d, &d);
    cr_expect(f->broken);
    cr_expect_eq(d.list.n, CF_MAX_ERRORS);
    str_clear(&s);
    diags_release(&d);
    d = (struct diags){.a = &a};
    str_add(&s, "FROM a.io/b\n");
    for (int i = 0; i < 5000; i++)
        str_add(&s, "COPY a\n");
    f = cf_parse(&a, "f", s.p, s.len, &d, &d);
    struct cf_env env = {.arch = "amd64"};
    struct cf_result r;
    cr_expect_eq(cf_resolve(&a, f, &env, &d, &r), -1);
    cr_expect_eq(d.list.n, CF_MAX_ERRORS);
    str_release(&s);
    diags_release(&d);
    arena_release(&a);
}

/* A value that a stage inherits is the one at the end of the stage below it. */
Test(containerfile, long_chains_of_stages)
{
    struct arena a = ARENA_INIT;
    struct diags d = {.a = &a};
    struct str s = STR_INIT;
    str_add(&s, "FROM a.io/b AS s0\nARG V=bottom\n");
    for (int i = 1; i < CF_MAX_STAGES; i++)
        str_addf(&s, "FROM s%d AS s%d\nARG W%d=%d\n", i - 1, i, i % 7, i);
    str_add(&s, "COPY --from=c.io/$V-$W3-$W4 a b\n");
    const struct cfile *f = cf_parse(&a, "f", s.p, s.len, &d, &d);
    struct cf_env env = {.arch = "amd64"};
    struct cf_result r;
    cr_assert_eq(cf_resolve(&a, f, &env, &d, &r), 0);
    cr_assert_eq(r.uses, 2);
    cr_expect_str_eq(r.use[1].expanded, "c.io/bottom-997-998");
    cr_expect_eq(r.base, 0);
    str_release(&s);
    diags_release(&d);
    arena_release(&a);
}

/* Named contexts stand in for stages and images, by the name as written or expanded. */
Test(containerfile, named_contexts)
{
    static const char text[] = "ARG C=ctx\nFROM a.io/b AS ctx\nFROM a.io/b\nCOPY --from=ctx a b\n"
                               "RUN --mount=from=ctx,target=/m x\nFROM $C\nCOPY --from=1 a b\n";
    static const char *const contexts[] = {"ctx", "a.io/b", NULL};
    struct arena a = ARENA_INIT;
    struct diags d = {.a = &a};
    struct cf_env env = {.arch = "amd64", .contexts = contexts};
    struct cf_result r;
    const struct cfile *f = cf_parse(&a, "f", text, strlen(text), &d, &d);
    cr_assert_eq(cf_resolve(&a, f, &env, &d, &r), 0);
    cr_expect(!r.reached[0] && r.reached[1] && r.reached[2]);
    cr_assert_eq(r.uses, 4);
    for (size_t i = 0; i < r.uses; i++)
        cr_expect(r.use[i].context, "use %zu: %s", i, r.use[i].expanded);
    cr_expect_eq(r.base, 2);
    diags_release(&d);
    arena_release(&a);
}

/* A parent's triggers act at the beginning of the stage that is built on it, and stand in its file.
 */
Test(containerfile, triggers_of_the_parent)
{
    static const char parent[] =
        "FROM a.io/b AS x\nONBUILD COPY --from=no.io/c a b\nFROM x\nONBUILD ARG V=1\n"
        "ONBUILD COPY --from=c.io/d:$V a b\nONBUILD COPY src /src\n";
    static const char child[] = "FROM a.io/w\nFROM a.io/parent\nCOPY --from=e.io/f:$V a b\n";
    struct arena a = ARENA_INIT;
    struct diags d = {.a = &a};
    const struct cfile *p = cf_parse(&a, "parent", parent, strlen(parent), &d, &d);
    const struct cfile *c = cf_parse(&a, "child", child, strlen(child), &d, &d);
    struct cf_onbuild trigger = {.stage = 1, .file = p, .target = 1};
    struct cf_env env = {.arch = "amd64", .onbuild = &trigger, .onbuilds = 1};
    struct cf_result r;
    cr_assert_eq(cf_resolve(&a, c, &env, &d, &r), 0);
    cr_assert_eq(r.uses, 3);
    cr_expect_str_eq(r.use[1].expanded, "c.io/d:1");
    cr_expect_str_eq(r.use[1].at.file, "parent");
    cr_expect_eq(r.use[1].at.line, 5);
    cr_expect_eq(r.use[1].at.column, 21);
    cr_expect_str_eq(r.use[2].expanded, "e.io/f:1");
    cr_expect_str_eq(r.use[2].at.file, "child");
    cr_assert_eq(r.sources, 1);
    cr_expect_str_eq(r.source[0], "src");
    diags_release(&d);
    arena_release(&a);
}

Test(containerfile, platforms_and_capabilities)
{
    static const char text[] =
        "ARG P=linux/arm64\nFROM --platform=$P a.io/b AS one\nFROM --after=one c.io/d\n"
        "RUN <<E\nE\n";
    struct arena a = ARENA_INIT;
    struct diags d = {.a = &a};
    struct cf_env env = {.arch = "amd64"};
    struct cf_result r;
    const struct cfile *f = cf_parse(&a, "f", text, strlen(text), &d, &d);
    cr_assert_eq(cf_resolve(&a, f, &env, &d, &r), 0);
    cr_assert_eq(r.uses, 2);
    cr_expect_str_eq(r.use[0].platform, "linux/arm64");
    cr_expect(r.use[1].platform == NULL);
    cr_expect_eq(r.from_after.line, 3);
    cr_expect_eq(r.from_after.column, 14);
    cr_expect_eq(r.heredoc.line, 4);
    diags_release(&d);
    arena_release(&a);
}

/* Lines at which a stage's name hangs on variables; 0: nowhere. V is given. */
static void expect_stage_args(const char *text, size_t line, size_t own_line)
{
    static const struct cf_arg given[] = {{"V", "x"}};
    struct arena a = ARENA_INIT;
    struct diags d = {.a = &a};
    struct cf_env env = {.arg = given, .args = 1, .arch = "amd64"};
    struct cf_result r;
    const struct cfile *f = cf_parse(&a, "f", text, strlen(text), &d, &d);
    cr_assert_eq(cf_resolve(&a, f, &env, &d, &r), 0);
    cr_expect_eq(r.stage_args.line, line, "%s", text);
    cr_expect_eq(r.stage_own_args.line, own_line, "%s", text);
    diags_release(&d);
    arena_release(&a);
}

Test(containerfile, stages_whose_names_hang_on_variables)
{
    expect_stage_args("FROM a.io/b AS x\nFROM x\nCOPY --from=x a b\n", 0, 0);
    expect_stage_args("FROM a.io/b:$TARGETARCH\nCOPY --from=c.io/d:$BUILDARCH a b\n", 0, 0);
    expect_stage_args("ARG V\nFROM a.io/b AS s-x\nFROM s-$V\n", 0, 0);
    expect_stage_args("ARG V\nFROM a.io/b AS x\nFROM ${V%y}\n", 3, 0);
    expect_stage_args("ARG W=x\nFROM a.io/b AS s-x\nFROM s-$W\n", 3, 0);
    expect_stage_args("FROM a.io/b AS s-amd64\nFROM s-$TARGETARCH\n", 2, 0);
    expect_stage_args("ARG V\nFROM a.io/b AS s-$V\nFROM s-x\n", 3, 0);
    expect_stage_args("ARG V\nFROM a.io/b AS s-x\nFROM c.io/d\nARG V\nCOPY --from=s-$V a b\n", 5,
                      0);
    expect_stage_args("FROM a.io/b AS s-x\nFROM c.io/d\nARG V\nCOPY --from=s-$V a b\n", 0, 4);
    expect_stage_args("FROM a.io/b AS s-amd64\nFROM c.io/d\nARG TARGETARCH\nCOPY "
                      "--from=s-$TARGETARCH a b\n",
                      4, 0);
    expect_stage_args("ARG W=x\nFROM a.io/b AS s-x\nFROM s-$W AS unused\nFROM c.io/d\n", 0, 0);
}

Test(containerfile, which_arguments_matter)
{
    static const char text[] = "ARG H\nFROM a.io/b AS unused\nARG U\nFROM c.io/d\nARG S=1\n";
    static const struct cf_arg args[] = {{"H", "1"}, {"U", "2"}, {"S", "3"}, {"X", "4"}};
    struct arena a = ARENA_INIT;
    struct diags d = {.a = &a};
    struct cf_env env = {.arg = args, .args = 4, .arch = "amd64"};
    struct cf_result r;
    const struct cfile *f = cf_parse(&a, "f", text, strlen(text), &d, &d);
    cr_assert_eq(cf_resolve(&a, f, &env, &d, &r), 0);
    cr_expect(r.arg_used[0] && !r.arg_used[1] && r.arg_used[2] && !r.arg_used[3]);
    diags_release(&d);
    arena_release(&a);
}
