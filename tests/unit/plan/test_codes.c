/* Each code of scheduler/plan/README.md: what it looks like, where it stands, what it advises. */
#include "tests/unit/plan/fixture.h"

#include <criterion/criterion.h>
#include <stdio.h>

/* Files hold a word for what is too long to be written here. */
static char *filled(const char *text, size_t *len)
{
    struct str s = STR_INIT;
    if (strcmp(text, "NUL") == 0) {
        str_addmem(&s, "a\0b\n", 4);
    } else if (strcmp(text, "MEBIBYTE") == 0) {
        for (size_t i = 0; i <= YAML_MAX_BYTES; i++)
            str_addch(&s, '#');
    } else if (strstr(text, "LONG") != NULL) {
        str_addf(&s, "name: %05000d\n", 1);
    } else if (strstr(text, "LIST") != NULL || strstr(text, "NUMBERS") != NULL) {
        const char *word = strstr(text, "LIST") != NULL ? "LIST" : "NUMBERS";
        const char *at = strstr(text, word);
        int n = *word == 'L' ? 1001 : 22;
        str_addmem(&s, text, (size_t)(at - text));
        for (int i = 0; i < n; i++)
            str_addf(&s, "%s%d", i == 0 ? "[" : ",", i);
        str_addf(&s, "]%s", at + strlen(word));
    } else {
        str_add(&s, text);
    }
    *len = s.len;
    return str_steal(&s);
}

struct code_case {
    const char *code;
    struct file file[6];
    const char *said; /* FILE:LINE:COLUMN: MESSAGE[\nHINT], of the first with this code */
};

static const struct code_case cases[] = {
    {"yaml",
     {{.path = "a/Containerfile", .text = "FROM scratch\n"},
      {.path = "a/image.yaml", .text = "name: [a\n"}},
     "a/image.yaml:1:1: flow sequence without a closing bracket"},
    {"yaml",
     {{.path = "a/Containerfile", .text = "FROM scratch\n"},
      {.path = "a/image.yaml", .text = "a: *nowhere\n"}},
     "a/image.yaml:1:4: there is no anchor &nowhere before this alias"},
    {"yaml",
     {{.path = "a/Containerfile", .text = "FROM scratch\n"},
      {.path = "a/image.yaml", .text = "a: &x [*x]\n"}},
     "a/image.yaml:1:8: the alias *x stands inside its own anchor"},
    {"yaml",
     {{.path = "a/Containerfile", .text = "FROM scratch\n"},
      {.path = "a/image.yaml", .text = "name: a\n---\nname: b\n"}},
     "a/image.yaml:2:1: only one document a file\nremove this line and what is below, or join "
     "both"},
    {"yaml",
     {{.path = "a/Containerfile", .text = "FROM scratch\n"},
      {.path = "a/image.yaml", .text = "? [a]\n: 1\n"}},
     "a/image.yaml:1:3: a key must be a plain word"},
    {"yaml",
     {{.path = "a/Containerfile", .text = "FROM scratch\n"},
      {.path = "a/image.yaml", .text = "args: {<<: 1}\n"}},
     "a/image.yaml:1:12: a merge key (<<) takes a map or a list of maps"},
    {"yaml",
     {{.path = "a/Containerfile", .text = "FROM scratch\n"},
      {.path = "a/image.yaml", .text = "name: \"\377\"\n"}},
     "a/image.yaml:1:8: this is not UTF-8 text\nsave the file as UTF-8"},
    {"duplicate-key",
     {{.path = "a/Containerfile", .text = "FROM scratch\n"},
      {.path = "a/image.yaml", .text = "name: x\npriority: 1\nname: y\n"}},
     "a/image.yaml:3:1: the key 'name' stands twice in this map\nremove one of them"},
    {"unknown-key",
     {{.path = "a/Containerfile", .text = "FROM scratch\n"},
      {.path = "a/image.yaml", .text = "nmae: x\n"}},
     "a/image.yaml:1:1: there is no key 'nmae' here\ndid you mean 'name'?"},
    {"unknown-key",
     {{.path = "a/Containerfile", .text = "FROM scratch\n"},
      {.path = "a/image.yaml", .text = "test:\n  zzzzzz: 1\n"}},
     "a/image.yaml:2:3: there is no key 'zzzzzz' here"},
    {"unknown-key",
     {{.path = "a/Containerfile", .text = "FROM scratch\n"},
      {.path = "a/image.yaml", .text = "files: [x]\n"}},
     "a/image.yaml:1:1: 'files' belongs to a rule of bootfarm.yaml\nwrite it there, under "
     "`images`"},
    {"unknown-key",
     {{.path = "bootfarm.yaml", .text = "bootfarm: 1\nimges: []\n"},
      {.path = "a/Containerfile", .text = "FROM scratch\n"}},
     "bootfarm.yaml:2:1: there is no key 'imges' here\ndid you mean 'images'?"},
    {"missing-key",
     {{.path = "bootfarm.yaml", .text = "images: []\n"},
      {.path = "a/Containerfile", .text = "FROM scratch\n"}},
     "bootfarm.yaml:1:1: the version of the format is missing\nbegin the file with `bootfarm: 1`"},
    {"missing-key",
     {{.path = "bootfarm.yaml", .text = "bootfarm: 1\nimages:\n  - name: x\n"},
      {.path = "a/Containerfile", .text = "FROM scratch\n"}},
     "bootfarm.yaml:3:5: a rule needs `files`\nsay which files, for example files: "
     "[\"**/Containerfile\"]"},
    {"bad-type",
     {{.path = "a/Containerfile", .text = "FROM scratch\n"},
      {.path = "a/image.yaml", .text = "name: [x]\n"}},
     "a/image.yaml:1:7: 'name' takes a single value\nwrite one word, or a text in quotes"},
    {"bad-type",
     {{.path = "a/Containerfile", .text = "FROM scratch\n"},
      {.path = "a/image.yaml", .text = "name:\n"}},
     "a/image.yaml:1:1: 'name' takes a single value, not nothing\nleave the key out, or give it a "
     "value"},
    {"bad-type",
     {{.path = "a/Containerfile", .text = "FROM scratch\n"},
      {.path = "a/image.yaml", .text = "args: x\n"}},
     "a/image.yaml:1:7: 'args' takes a map of at most 1000 keys\nkeys and values, for example { "
     "NAME: value }"},
    {"bad-type",
     {{.path = "a/Containerfile", .text = "FROM scratch\n"},
      {.path = "a/image.yaml", .text = "inputs: {a: b}\n"}},
     "a/image.yaml:1:9: 'inputs' takes a list of at most 1000 values\nfor example inputs: [one, "
     "two]"},
    {"bad-type",
     {{.path = "a/Containerfile", .text = "FROM scratch\n"},
      {.path = "a/image.yaml", .text = "matrix: { s: x }\n"}},
     "a/image.yaml:1:14: 'matrix.s' takes a list of 1 to 1000 values\nfor example s: [one, two]"},
    {"bad-type",
     {{.path = "a/Containerfile", .text = "FROM scratch\n"},
      {.path = "a/image.yaml", .text = "matrix: { include: x }\n"}},
     "a/image.yaml:1:20: 'matrix.include' takes a list of maps\nfor example include: [{ site: one "
     "}]"},
    {"bad-type",
     {{.path = "a/Containerfile", .text = "FROM scratch\n"},
      {.path = "a/image.yaml", .text = "- a\n"}},
     "a/image.yaml:1:1: expected a map of keys\nfor example `priority: 1`"},
    {"bad-type",
     {{.path = "bootfarm.yaml", .text = "bootfarm: 1\nimages: x\n"},
      {.path = "a/Containerfile", .text = "FROM scratch\n"}},
     "bootfarm.yaml:2:9: `images` takes a list of rules\nfor example `- files: "
     "[\"**/Containerfile\"]`"},
    {"bad-value",
     {{.path = "a/Containerfile", .text = "FROM scratch\n"},
      {.path = "a/image.yaml", .text = "priority: 5000\n"}},
     "a/image.yaml:1:11: 'priority' takes a number from -1000 to 1000, not '5000'"},
    {"bad-value",
     {{.path = "a/Containerfile", .text = "FROM scratch\n"},
      {.path = "a/image.yaml", .text = "build: { memory: lots }\n"}},
     "a/image.yaml:1:18: 'memory' takes a size such as 512MiB or 4GiB, not 'lots'"},
    {"bad-value",
     {{.path = "a/Containerfile", .text = "FROM scratch\n"},
      {.path = "a/image.yaml", .text = "build: { memory: 1KiB }\n"}},
     "a/image.yaml:1:18: 'memory' takes a size such as 512MiB or 4GiB, not '1KiB'\nfrom 64MiB to "
     "1024GiB"},
    {"bad-value",
     {{.path = "a/Containerfile", .text = "FROM scratch\n"},
      {.path = "a/image.yaml", .text = "build: { timeout: soon }\n"}},
     "a/image.yaml:1:19: 'timeout' takes a duration such as 90s, 15m, 2h or 7d, not 'soon'"},
    {"bad-value",
     {{.path = "a/Containerfile", .text = "FROM scratch\n"},
      {.path = "a/image.yaml", .text = "build: { network: nome }\n"}},
     "a/image.yaml:1:19: 'network' takes host or none, not 'nome'\ndid you mean 'none'?"},
    {"bad-value",
     {{.path = "a/Containerfile", .text = "FROM scratch\n"},
      {.path = "a/image.yaml", .text = "build: { cache: perhaps }\n"}},
     "a/image.yaml:1:17: 'cache' takes true or false, not 'perhaps'\nyes and no will do, too"},
    {"bad-value",
     {{.path = "a/Containerfile", .text = "FROM scratch\n"},
      {.path = "a/image.yaml", .text = "build: { secrets: [a/b] }\n"}},
     "a/image.yaml:1:20: 'a/b' is not a valid name\nletters, digits and . _ - between them"},
    {"bad-value",
     {{.path = "a/Containerfile", .text = "FROM scratch\n"},
      {.path = "a/image.yaml", .text = "arch: x86_64\n"}},
     "a/image.yaml:1:7: there is no architecture 'x86_64'\ndid you mean 'amd64'?"},
    {"bad-value",
     {{.path = "a/Containerfile", .text = "FROM scratch\n"},
      {.path = "a/image.yaml", .text = "matrix: { \"a b\": [x] }\n"}},
     "a/image.yaml:1:11: 'a b' is not a valid name\nletters, digits and . _ - between them"},
    {"bad-value",
     {{.path = "bootfarm.yaml", .text = "bootfarm: 2\n"},
      {.path = "a/Containerfile", .text = "FROM scratch\n"}},
     "bootfarm.yaml:1:11: this planner knows version 1 only\nwrite `bootfarm: 1`"},
    {"bad-value",
     {{.path = "a/Containerfile", .text = "FROM scratch\n"},
      {.path = "a/image.yaml", .text = "contexts: { a/b: . }\n"}},
     "a/image.yaml:1:18: 'a/b' cannot name a folder context\nthe name of a folder context has no / "
     "and no ="},
    {"bad-value",
     {{.path = "a/Containerfile", .text = "FROM scratch\n"},
      {.path = "a/image.yaml", .text = "args_files: [x.conf]\n"},
      {.path = "a/x.conf", .text = "1-2=3\n"}},
     "a/x.conf:1:1: '1-2' is not the name of an argument\nletters, digits and _"},
    {"bad-value",
     {{.path = "a/Containerfile", .text = "FROM scratch\n"},
      {.path = "a/image.yaml", .text = "publish: { tags: [''] }\n"}},
     "a/image.yaml:1:19: a tag is not empty\nleave the tag out"},
    {"bad-glob",
     {{.path = "a/Containerfile", .text = "FROM scratch\n"},
      {.path = "a/image.yaml", .text = "inputs: ['a{b']\n"}},
     "a/image.yaml:1:10: 'a{b' is not a valid glob\nclose each [ and {; a \\ takes the meaning "
     "from the character behind it"},
    {"placeholder",
     {{.path = "a/Containerfile", .text = "FROM scratch\n"},
      {.path = "a/image.yaml", .text = "name: '{dri}'\n"}},
     "a/image.yaml:1:7: there is no placeholder {dri}\ndid you mean {dir}?"},
    {"placeholder",
     {{.path = "a/Containerfile", .text = "FROM scratch\n"},
      {.path = "a/image.yaml", .text = "args: { A: '{matrix.site}' }\n"}},
     "a/image.yaml:1:12: {matrix.site} has no value here\nname an axis of `matrix` or a key of its "
     "`include`"},
    {"too-large",
     {{.path = "a/Containerfile", .text = "FROM scratch\n"},
      {.path = "a/image.yaml", .text = "name: LONG\n"}},
     "a/image.yaml:1:7: 'name' is longer than 4096 bytes"},
    {"too-large",
     {{.path = "a/Containerfile", .text = "FROM scratch\n"},
      {.path = "a/image.yaml", .text = "inputs: LIST\n"}},
     "a/image.yaml:1:9: 'inputs' takes a list of at most 1000 values\nfor example inputs: [one, "
     "two]"},
    {"too-large",
     {{.path = "a/Containerfile", .text = "FROM scratch\n"},
      {.path = "a/image.yaml", .text = "matrix: { a: &l NUMBERS, b: *l, c: *l }\n"}},
     "a/image.yaml:1:9: more than 10000 combinations"},
    {"unreadable",
     {{.path = "a/Containerfile", .text = "FROM scratch\n"},
      {.path = "a/image.yaml", .text = "MEBIBYTE"}},
     "a/image.yaml:1:1: a/image.yaml is larger than 1048576 bytes"},
    {"unreadable",
     {{.path = "bootfarm.yaml", .text = "MEBIBYTE"},
      {.path = "a/Containerfile", .text = "FROM scratch\n"}},
     "bootfarm.yaml:1:1: bootfarm.yaml is larger than 1048576 bytes"},
    {"no-such-file",
     {{.path = "a/Containerfile", .text = "FROM scratch\n"},
      {.path = "a/image.yaml", .text = "args_files: [x.conf]\n"}},
     "a/image.yaml:1:14: there is no file a/x.conf\npaths begin at the definition's folder, or "
     "with / at the root"},
    {"no-such-file",
     {{.path = "a/Containerfile", .text = "FROM scratch\n"},
      {.path = "a/image.yaml", .text = "test: { scripts: [x.sh] }\n"}},
     "a/image.yaml:1:19: there is no file 'x.sh'\npaths begin at the definition's folder, or with "
     "/ at the root"},
    {"no-such-file",
     {{.path = "a/Containerfile", .text = "../b", .kind = TREE_LINK},
      {.path = "c/Containerfile", .text = "FROM scratch\n"}},
     "a/Containerfile:1:1: the link leads to no file of the repository\nlinks are followed inside "
     "the repository only"},
    {"no-such-context",
     {{.path = "a/Containerfile", .text = "FROM scratch\n"},
      {.path = "a/image.yaml", .text = "context: src\n"}},
     "a/image.yaml:1:10: there is no folder 'a/src'\npaths begin at the definition's folder, or "
     "with / at the root"},
    {"no-such-context",
     {{.path = "a/Containerfile", .text = "FROM scratch\n"},
      {.path = "a/image.yaml", .text = "contexts: { tools: src }\n"}},
     "a/image.yaml:1:20: there is no folder 'a/src'\nwrite image:NAME for an image"},
    {"outside",
     {{.path = "a/Containerfile", .text = "FROM scratch\n"},
      {.path = "a/image.yaml", .text = "context: ../..\n"}},
     "a/image.yaml:1:10: '../..' leads out of the repository\nbring what it needs into the "
     "repository; / is its root"},
    {"bad-args-file",
     {{.path = "a/Containerfile", .text = "FROM scratch\n"},
      {.path = "a/image.yaml", .text = "args_files: [x.conf]\n"},
      {.path = "a/x.conf", .text = "A=1\nno value\n"}},
     "a/x.conf:2:1: a line reads NAME=VALUE\na comment begins with #"},
    {"template",
     {{.path = "bootfarm.yaml", .text = "bootfarm: 1\nimages: [{files: ['a/*']}]\n"},
      {.path = "a/Containerfile.j2", .text = "FROM scratch\n"}},
     "a/Containerfile.j2:1:1: this is a Jinja template, not a Containerfile\nbuild the file from "
     "it and commit the result"},
    {"template",
     {{.path = "a/Containerfile", .text = "FROM {{ base }}\n"}},
     "a/Containerfile:1:6: FROM holds a template's placeholder\nbuild the file from its template "
     "and commit the result"},
    {"preprocessor",
     {{.path = "bootfarm.yaml", .text = "bootfarm: 1\nimages: [{files: ['a/*.in']}]\n"},
      {.path = "a/Containerfile.in", .text = "#include \"x\"\nFROM scratch\n"}},
     "a/Containerfile.in:1:1: there is no C preprocessor here"},
    {"duplicate-name",
     {{.path = "a/Containerfile", .text = "FROM scratch\n"},
      {.path = "b/Containerfile", .text = "FROM scratch\n"},
      {.path = "b/image.yaml", .text = "name: a\n"}},
     "a/Containerfile:1:1: the name 'a' means two images: a/Containerfile, and "
     "b/Containerfile\nset `name`; {stem} and {matrix.KEY} tell images apart"},
    {"bad-text",
     {{.path = "a/Containerfile", .text = "NUL"}},
     "a/Containerfile:1:1: the file holds a NUL byte"},
    {"yaml",
     {{.path = "a/Containerfile", .text = "FROM scratch\n"},
      {.path = "a/image.yaml", .text = "NUL"}},
     "a/image.yaml:1:2: this is not UTF-8 text\nsave the file as UTF-8"},
    {"bad-directive",
     {{.path = "a/Containerfile", .text = "# escape=x\nFROM scratch\n"}},
     "a/Containerfile:1:10: the escape directive takes \\ or ` and stands once\n"
     "write # escape=` or leave the line out"},
    {"no-from",
     {{.path = "a/Containerfile", .text = "# nothing\n"}},
     "a/Containerfile:1:1: there is no FROM\n"
     "begin with FROM and an image, or FROM scratch"},
    {"before-from",
     {{.path = "a/Containerfile", .text = "RUN true\nFROM scratch\n"}},
     "a/Containerfile:1:1: this instruction stands before the first FROM\nonly ARG may stand "
     "before FROM"},
    {"bad-from",
     {{.path = "a/Containerfile", .text = "FROM a.io/b # base\n"}},
     "a/Containerfile:1:13: a comment cannot stand behind FROM\nput the comment on a line of its "
     "own"},
    {"unknown-instruction",
     {{.path = "a/Containerfile", .text = "FROM scratch\nCOPPY a b\n"}},
     "a/Containerfile:2:1: there is no instruction COPPY\ndid you mean COPY?"},
    {"bad-arg",
     {{.path = "a/Containerfile", .text = "FROM scratch\nARG\n"}},
     "a/Containerfile:2:1: ARG takes a name\n"
     "write ARG NAME or ARG NAME=value"},
    {"bad-copy",
     {{.path = "a/Containerfile", .text = "FROM scratch\nCOPY a\n"}},
     "a/Containerfile:2:1: COPY and ADD take a source and a destination\n"
     "name what is copied, and where to"},
    {"bad-env",
     {{.path = "a/Containerfile", .text = "FROM scratch\nENV A\n"}},
     "a/Containerfile:2:1: ENV takes a name and a value\n"
     "write ENV NAME=value"},
    {"json-form",
     {{.path = "a/Containerfile", .text = "FROM scratch\nCOPY [\"a\", 1]\n"}},
     "a/Containerfile:2:1: the JSON form takes strings only\n"
     "put each path into double quotes"},
    {"bad-onbuild",
     {{.path = "a/Containerfile", .text = "FROM scratch\nONBUILD FROM x\n"}},
     "a/Containerfile:2:9: ONBUILD cannot trigger this instruction\n"
     "all but FROM and ONBUILD can be triggered"},
    {"unterminated-heredoc",
     {{.path = "a/Containerfile", .text = "FROM scratch\nRUN <<E\ntrue\n"}},
     "a/Containerfile:2:5: the heredoc E is not closed\n"
     "write E on a line of its own behind the text"},
    {"bad-substitution",
     {{.path = "a/Containerfile", .text = "ARG A=b\nFROM a.io/${A\n"}},
     "a/Containerfile:2:6: ${A is not closed or not understood\n"
     "${X} ${X:-d} ${X:+a} ${X:?m} ${X#p} ${X%s} ${X/a/b} are known; a $ that is none is \\$"},
    {"no-such-stage",
     {{.path = "a/Containerfile", .text = "FROM scratch\n"},
      {.path = "a/image.yaml", .text = "target: x\n"}},
     "a/image.yaml:1:9: a/Containerfile has no stage 'x'"},
    {"unset-argument",
     {{.path = "a/Containerfile", .text = "ARG B\nFROM $B\n"}},
     "a/Containerfile:2:6: the argument B has no value, so this names no image\ngive it a default, "
     "or a value in `args`"},
    {"unset-argument",
     {{.path = "a/Containerfile", .text = "FROM scratch\nARG A B=x\nFROM $B\n"}},
     "a/Containerfile:3:6: the argument B has no value, so this names no image\nput its ARG above "
     "the first FROM: only those count in FROM"},
    {"unset-argument",
     {{.path = "a/Containerfile", .text = "ARG B=x\nFROM scratch\nCOPY --from=$B a b\n"}},
     "a/Containerfile:3:13: the argument B has no value, so this names no image\nrepeat ARG and "
     "its "
     "name in this stage: those above the first FROM count in FROM only"},
    {"bad-reference",
     {{.path = "a/Containerfile", .text = "FROM a.io/B:!\n"}},
     "a/Containerfile:1:6: 'a.io/B:!': '!' is not a tag"},
    {"bad-reference",
     {{.path = "a/Containerfile", .text = "FROM scratch\n"},
      {.path = "a/image.yaml", .text = "provides: [\"A B\"]\n"}},
     "a/image.yaml:1:12: 'A B' is not a repository name (small letters, digits, and . _ - between "
     "them)"},
    {"short-name",
     {{.path = "a/Containerfile", .text = "FROM debian\n"}},
     "a/Containerfile:1:6: 'debian:latest' names no registry, and the farm has no alias for "
     "it\nname the registry, for example docker.io/library/debian:latest"},
    {"no-such-image",
     {{.path = "a/Containerfile", .text = "FROM localhost/x\n"}},
     "a/Containerfile:1:6: no image of this repository provides localhost/x:latest\nlist it in "
     "`provides` of the image that is meant"},
    {"no-such-image",
     {{.path = "apps/Containerfile", .text = "FROM localhost/app\n"}},
     "apps/Containerfile:1:6: no image of this repository provides localhost/app:latest\ndid you "
     "mean localhost/apps:latest?"},
    {"no-such-arch",
     {{.path = "a/Containerfile", .text = "FROM scratch\n"},
      {.path = "b/Containerfile", .text = "FROM localhost/a\n"},
      {.path = "b/image.yaml", .text = "arch: arm64\n"}},
     "b/Containerfile:1:6: the image a (a/Containerfile) is not built for arm64\nadd arm64 to "
     "`arch` of a"},
    {"ambiguous",
     {{.path = "a/Containerfile", .text = "FROM scratch\n"},
      {.path = "a/image.yaml", .text = "provides: [localhost/x]\n"},
      {.path = "b/Containerfile", .text = "FROM scratch\n"},
      {.path = "b/image.yaml", .text = "provides: [localhost/x]\n"},
      {.path = "c/Containerfile", .text = "FROM localhost/x\n"}},
     "c/Containerfile:1:6: localhost/x:latest is provided by two images: a (a/Containerfile) and b "
     "(b/Containerfile)\nlet only one of them list it in `provides`"},
    {"cycle",
     {{.path = "a/Containerfile", .text = "FROM localhost/b\n"},
      {.path = "b/Containerfile", .text = "FROM localhost/a\n"}},
     "a/Containerfile:1:6: a is built from itself: a -> b -> a"},
    {"broken-parent",
     {{.path = "a/Containerfile", .text = "FRM x\n"},
      {.path = "b/Containerfile", .text = "FROM localhost/a\n"}},
     "b/Containerfile:1:6: b is built from a, whose definition has errors"},
    {"shadowed",
     {{.path = "a/Containerfile", .text = "FROM scratch\n"},
      {.path = "a/Dockerfile", .text = "FROM scratch\n"}},
     "a/Dockerfile:1:1: the Containerfile in this folder is used instead\nremove one of them, or "
     "name both in bootfarm.yaml"},
    {"no-match",
     {{.path = "bootfarm.yaml",
       .text = "bootfarm: 1\nimages: [{files: ['x/*']}, {files: a/Containerfile}]\n"},
      {.path = "a/Containerfile", .text = "FROM scratch\n"}},
     "bootfarm.yaml:2:18: no file matches this rule\npatterns begin at the root of the repository; "
     "** stands for any folders"},
    {"no-match",
     {{.path = "a/Containerfile", .text = "FROM scratch\n"},
      {.path = "a/image.yaml", .text = "inputs: ['x/*']\n"}},
     "a/image.yaml:1:10: no file matches 'x/*'\npaths begin at the definition's folder, or with / "
     "at the root"},
    {"late-directive",
     {{.path = "a/Containerfile", .text = "# a comment\n# escape=`\nFROM scratch\n"}},
     "a/Containerfile:2:10: this escape directive is only a comment to buildah, since it is not "
     "the first line\nmove it to the first line"},
    {"stage-case",
     {{.path = "a/Containerfile", .text = "FROM scratch AS X\nFROM scratch AS x\n"}},
     "a/Containerfile:2:17: the stages X and x differ in case only: two to buildah, one to "
     "Docker\nrename one of them"},
    {"newer-buildah",
     {{.path = "a/Containerfile", .text = "FROM scratch\nRUN <<E\ntrue\nE\n"}},
     "a/Containerfile:2:1: heredocs need a worker with buildah 1.33 or newer"},
    {"newer-buildah",
     {{.path = "a/Containerfile", .text = "ARG V=x\nFROM scratch AS x\nFROM $V\n"}},
     "a/Containerfile:3:6: a stage whose name hangs on variables needs a worker with buildah 1.37 "
     "or newer\nwrite the stage's name out, or give the argument in `args` and use it in FROM"},
};

static const struct diag *find(const struct diags *d, const char *code)
{
    vec_for_each (i, &d->list) {
        if (strcmp(d->list.v[i]->code, code) == 0)
            return d->list.v[i];
    }
    return NULL;
}

Test(codes, each_says_what_where_and_what_to_do)
{
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct fixture f;
        struct file files[7] = {{.path = NULL}};
        struct str said = STR_INIT;
        for (size_t k = 0; cases[i].file[k].path != NULL; k++) {
            files[k] = cases[i].file[k];
            files[k].text = filled(files[k].text, &files[k].n);
        }
        fixture_plan(&f, files);
        const struct diag *g = find(&f.plan.errors, cases[i].code);
        if (g == NULL)
            g = find(&f.plan.warnings, cases[i].code);
        if (g != NULL)
            str_addf(&said, "%s:%u:%u: %s%s%s", g->at.file, g->at.line, g->at.column, g->message,
                     g->hint != NULL ? "\n" : "", g->hint != NULL ? g->hint : "");
        cr_expect_str_eq(said.p, cases[i].said, "case %zu, %s: got\n%s", i, cases[i].code, said.p);
        fixture_release(&f);
        str_release(&said);
        for (size_t k = 0; files[k].path != NULL; k++)
            free((void *)(uintptr_t)files[k].text);
    }
}

static char *read_readme(void)
{
    struct str s = STR_INIT;
    char piece[4096];
    size_t n;
    FILE *f = fopen(TEST_README, "r");
    cr_assert(f != NULL);
    while ((n = fread(piece, 1, sizeof piece, f)) > 0)
        str_addmem(&s, piece, n);
    fclose(f);
    return str_steal(&s);
}

static bool has_case(const char *code, size_t n)
{
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        if (strlen(cases[i].code) == n && memcmp(cases[i].code, code, n) == 0)
            return true;
    }
    return false;
}

Test(codes, each_in_the_readme_has_a_case_and_each_case_is_in_the_readme)
{
    char *text = read_readme(), *from = strstr(text, "\n## Codes\n");
    cr_assert(from != NULL);
    char *to = strstr(from + 1, "\n## ");
    cr_assert(to != NULL);
    *to = '\0';
    size_t found = 0;
    for (const char *p = strchr(from, '`'); p != NULL;) {
        size_t n = strcspn(p + 1, "`");
        cr_expect(has_case(p + 1, n), "no case for %.*s", (int)n, p + 1);
        found++;
        p = strchr(p + 1 + n + 1, '`');
    }
    cr_expect_gt(found, 30);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        char *quoted = xasprintf("`%s`", cases[i].code);
        cr_expect(strstr(from, quoted) != NULL, "%s is not in the README", cases[i].code);
        free(quoted);
    }
    free(text);
}
