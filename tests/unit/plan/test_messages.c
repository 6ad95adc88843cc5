/* What the reader of Containerfiles says: each error and warning with its place, its words and its
 * advice. */
#include "scheduler/plan/containerfile.h"
#include "tests/unit/plan/fixture.h"

#include <criterion/criterion.h>

static const struct {
    const char *text;
    const char *said; /* "LINE:COLUMN CODE: MESSAGE[ | HINT]" each, separated by newlines */
} messages[] = {
    /* directives */
    {"# escape=x\nFROM a.io/b\n",
     "1:10 bad-directive: the escape directive takes \\ or ` and stands once | write # escape=` or "
     "leave the line out"},
    {"# escape=`\n#  escape = `\nFROM a.io/b\n",
     "2:13 bad-directive: the escape directive takes \\ or ` and stands once | write # escape=` or "
     "leave the line out"},
    {"# x\n  # escape=`\nFROM a.io/b\n",
     "2:12 late-directive: this escape directive is only a comment to buildah, since it is not the "
     "first line | move it to the first line"},
    /* before the first stage */
    {"# x\n", "1:1 no-from: there is no FROM | begin with FROM and an image, or FROM scratch"},
    {"ARG A\n  RUN x\nFROM a.io/b\n",
     "2:3 before-from: this instruction stands before the first FROM | only ARG may stand before "
     "FROM"},
    /* FROM */
    {"FROM a.io/b\n FROM\n", "2:2 bad-from: FROM takes an image | name an image, or scratch"},
    {"FROM \\\n  a.io/b \\\n  # x\n  x\n",
     "4:3 bad-from: FROM takes an image, or an image, AS and a name | a stage's name stands behind "
     "AS"},
    {"FROM a.io/b AS\n", "1:13 bad-from: FROM takes an image, or an image, AS and a name | a "
                         "stage's name stands behind "
                         "AS"},
    {"FROM a.io/b AS x y\n", "1:13 bad-from: FROM takes an image, or an image, AS and a name | a "
                             "stage's name stands behind "
                             "AS"},
    {"FROM a.io/b # text\n",
     "1:13 bad-from: a comment cannot stand behind FROM | put the comment on a line of its own"},
    {"FROM {{ base }}:{{ tag }}\n",
     "1:6 template: FROM holds a template's placeholder | build the file from its template and "
     "commit the result"},
    {"{% if x %}\nFROM a.io/b\n",
     "1:1 template: this looks like a template, not a Containerfile | build the file from its "
     "template and commit the result"},
    /* names of instructions */
    {"FROM a.io/b\n\tCOPPY a /\n",
     "2:2 unknown-instruction: there is no instruction COPPY | did you mean COPY?"},
    {"FROM a.io/b\nsomething else\n", "2:1 unknown-instruction: there is no instruction SOMETHING"},
    {"FROM a.io/b\nONBUILD RUNN x\n",
     "2:9 unknown-instruction: there is no instruction RUNN | did you mean RUN?"},
    /* words of instructions */
    {"FROM a.io/b\nARG\n", "2:1 bad-arg: ARG takes a name | write ARG NAME or ARG NAME=value"},
    {"FROM a.io/b\nENV A\n", "2:1 bad-env: ENV takes a name and a value | write ENV NAME=value"},
    {"FROM a.io/b\nENV A=1 \\\n  B\n",
     "3:3 bad-env: there is no = in 'B' | put quotes around a value with blanks"},
    {"FROM a.io/b\nCOPY a\n",
     "2:1 bad-copy: COPY and ADD take a source and a destination | name what is copied, and where "
     "to"},
    {"FROM a.io/b\nADD --chown=0:0 [\"a\"]\n",
     "2:1 bad-copy: COPY and ADD take a source and a destination | name what is copied, and where "
     "to"},
    {"FROM a.io/b\nCOPY [\"a\", 1]\n",
     "2:1 json-form: the JSON form takes strings only | put each path into double quotes"},
    {"FROM a.io/b\nONBUILD\n",
     "2:1 bad-onbuild: ONBUILD takes an instruction | name what a child does first, for example "
     "RUN"},
    {"FROM a.io/b\nONBUILD ONBUILD RUN x\n",
     "2:9 bad-onbuild: ONBUILD cannot trigger this instruction | all but FROM and ONBUILD can be "
     "triggered"},
    {"FROM a.io/b\nRUN x \\\n  <<-\"E\"\ny\n",
     "3:3 unterminated-heredoc: the heredoc E is not closed | write E on a line of its own behind "
     "the text"},
    /* variables */
    {"FROM a.io/${A\n",
     "1:6 bad-substitution: ${A is not closed or not understood | ${X} ${X:-d} ${X:+a} ${X:?m} "
     "${X#p} ${X%s} ${X/a/b} are known; a $ that is none is \\$"},
    {"FROM a.io/${}\n", "1:6 bad-substitution: ${ without a name | ${X} ${X:-d} ${X:+a} ${X:?m} "
                        "${X#p} ${X%s} ${X/a/b} are known; a $ that is none is \\$"},
    {"FROM a.io/${A:x}\n",
     "1:6 bad-substitution: ${A: takes one of - + ? after the colon | ${X} ${X:-d} ${X:+a} ${X:?m} "
     "${X#p} ${X%s} ${X/a/b} are known; a $ that is none is \\$"},
    {"ARG B\nFROM a.io/b:${B:-x${A:?which}}\n",
     "2:6 bad-substitution: A is not set: which | give it a value in `args`"},
    {"FROM a.io/b\nCOPY --from='c.io/${X#}' a b\nARG X='\n",
     "2:13 bad-substitution: ${X#} has no pattern | ${X} ${X:-d} ${X:+a} ${X:?m} ${X#p} ${X%s} "
     "${X/a/b} are known; a $ that is none is \\$\n"
     "3:5 bad-substitution: a ' is not closed | close it, or write \\ before it"},
    /* stages */
    {"FROM --after=later a.io/b\nFROM a.io/b AS later\nFROM 0\n",
     "1:14 no-such-stage: --after names no earlier stage 'later' | only stages above this one "
     "count"},
    {"FROM a.io/b AS Build\nFROM a.io/b AS build\n",
     "2:16 stage-case: the stages Build and build differ in case only: two to buildah, one to "
     "Docker | rename one of them"},
    {"FROM a.io/b AS Build\nFROM a.io/c\nCOPY --from=BUILD a b\n",
     "3:13 stage-case: BUILD is no stage to buildah, where case counts; Docker takes the stage "
     "Build "
     "| write Build where the stage is meant"},
    {"FROM a.io/b AS Build\nFROM build\n", "2:6 stage-case: build is no stage to buildah, where "
                                           "case counts; Docker takes the stage Build "
                                           "| write Build where the stage is meant"},
    {"FROM a.io/b AS Build\nFROM a.io/c\nRUN --mount=type=bind,from=build,target=/m x\n",
     "3:28 stage-case: build is no stage to buildah, where case counts; Docker takes the stage "
     "Build "
     "| write Build where the stage is meant"},
    {"FROM a.io/b AS Build\nFROM a.io/c AS x\nFROM x\nCOPY --from=Build a b\n", ""},
    {"FROM build\nFROM a.io/b AS Build\n", ""},
};

static void say(struct str *s, const struct diags *d)
{
    vec_for_each (i, &d->list) {
        const struct diag *g = d->list.v[i];
        str_addf(s, "%s%u:%u %s: %s%s%s", s->len > 0 ? "\n" : "", g->at.line, g->at.column, g->code,
                 g->message, g->hint != NULL ? " | " : "", g->hint != NULL ? g->hint : "");
    }
}

Test(messages, place_words_and_advice)
{
    for (size_t i = 0; i < ARRAY_SIZE(messages); i++) {
        struct arena a = ARENA_INIT;
        struct diags errors = {.a = &a}, warnings = {.a = &a};
        struct cf_env env = {.arch = "amd64"};
        struct cf_result r;
        struct str said = STR_INIT;
        const char *text = messages[i].text;
        const struct cfile *f = cf_parse(&a, "f", text, strlen(text), &errors, &warnings);
        if (!f->broken)
            (void)!cf_resolve(&a, f, &env, &errors, &r);
        say(&said, &errors);
        say(&said, &warnings);
        cr_expect_str_eq(said.p, messages[i].said, "%s\ngot:\n%s", text, said.p);
        str_release(&said);
        diags_release(&errors);
        diags_release(&warnings);
        arena_release(&a);
    }
}
