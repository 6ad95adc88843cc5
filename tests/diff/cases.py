"""Containerfiles for the comparison with buildah: each rule of the reader alone, and each pair of rules together.

Names under q.io are images that the comparison makes. @DIGEST@ stands for the digest of all of them, @ESC@ for the
file's escape character. Nothing here is random: the same files come out each time."""

import dataclasses
import itertools


@dataclasses.dataclass
class Case:
    name: str
    text: str
    args: dict = dataclasses.field(default_factory=dict)
    contexts: tuple = ()
    target: str = ""


# ---- each rule alone: name → text, or (text, other fields) ----

A = "FROM q.io/a:1\n"

# What may stand in FROM behind `ARG V=1.2.3`, `ARG E=` and `ARG P=a/b`; U is not declared.
WORDS = {
    "bare": "$V", "braces": "${V}", "quotes": '"1"', "single quotes": "'1'", "part in quotes": 'x"$V"',
    "default, set": "${V:-d}", "default, empty": "${E:-d}", "default, unset": "${U:-d}",
    "default without colon, set": "${V-d}", "default without colon, unset": "${U-d}",
    "alternative, set": "${V:+a}", "alternative, empty": "x${E:+a}", "alternative, unset": "x${U:+a}",
    "alternative without colon, set": "${V+a}", "alternative without colon, empty": "${E+a}", "alternative without colon, unset": "x${U+a}",
    "must be set": "${V:?m}", "must be set and is empty": "${E:?m}", "must be set and is not": "${U:?m}", "must be set without colon": "${V?m}",
    "must be set without colon and is not": "${U?m}",
    "shortest prefix": "${V#*.}", "longest prefix": "${V##*.}", "shortest suffix": "${V%.*}", "longest suffix": "${V%%.*}",
    "no prefix": "${V#x}", "no suffix": "${V%x}",
    "replace one": "${V/./-}", "replace all": "${V//./-}", "replace nothing": "${V/x/-}", "delete": "${V//.}",
    "replace at the begin": "${V/#1/x}", "replace at the end": "${V/%3/x}",
    "nested default": "${U:-${V}}", "default twice nested": "${U:-${W:-d}}", "text around nested": "${U:-a${V}b}",
    "quotes in a default": '${U:-"d"}', "escaped dollar": "x\\$V", "escaped letter": "\\x",
    "assignment": "${V:=a}", "no operator": "${V!}", "open": "${V", "no name": "x${}", "lone dollar": "x$",
    "open default": "${V:-a", "open double quote": '"1', "open single quote": "'1",
    "digits": "x$1", "underscore": "x${_u}", "name ends at a dash": "$V-x", "name ends at a dot": "$V.x",
    "colon alone": "${V:a}", "prefix without pattern": "${V#}", "replace without pattern": "${V/}",
    "builtin": "$TARGETARCH", "builtin os": "${TARGETOS}", "builtin build": "${BUILDARCH:-d}", "builtin variant": "x${TARGETVARIANT}",
}

ALONE = {
    "plain": A,
    "no final newline": "FROM q.io/a:1",
    "lower case": "from q.io/a:1 as x\nfrom x\ncopy a /x\n",
    "mixed case": "From q.io/a:1 aS x\nfRoM x\n",
    "tabs": "FROM\tq.io/a:1\tAS\tx\n\tCOPY\ta\t/x\n",
    "leading blanks": "   FROM q.io/a:1\n  COPY a /x\n",
    "trailing blanks": "FROM q.io/a:1   \nCOPY a /x \t\n",
    "crlf": "FROM q.io/a:1\r\nCOPY a /x\r\n",
    "crlf and continuations": "FROM q.io/a:1\r\nCOPY \\\r\n  a \\\r\n  /x\r\n",
    "byte order mark": "\ufeffFROM q.io/a:1\n",
    "empty": "",
    "only comments": "# x\n# y\n",
    "only blank lines": "\n\n",
    "only arguments": "ARG A=1\n",
    "form feed and vertical tab": "FROM\fq.io/a:1\vAS x\n",
    "long line": A + "RUN : " + "x" * 145_000 + "\n",
    # continuations
    "continuation": "FROM \\\n q.io/a:1 \\\n AS x\n",
    "a word over two lines": "FROM q.io/\\\na:1\n",
    "an instruction over two lines": "FR\\\nOM q.io/a:1\n",
    "comment in a continuation": A + "COPY \\\n# c\n   # d \\\n a /x\n",
    "blank line in a continuation": A + "COPY \\\n\n\n a /x\n",
    "continuation at the end": A + "RUN : \\",
    "continuation and newline at the end": A + "RUN : \\\n",
    "continuation of FROM at the end": "FROM q.io/a:1 \\\n",
    "blanks behind the escape": "FROM \\ \t\n q.io/a:1\n",
    "two escapes": A + "RUN : \\\\\nCOPY a /x\n",
    "comment line that ends in an escape": "# x \\\nFROM q.io/a:1\n",
    "a comment does not continue": A + "# c \\\nCOPY a /x\n",
    "hash behind a word": A + "COPY a /x # y /z/\n",
    "only a continuation": "\\\nFROM q.io/a:1\n",
    # directives
    "escape backtick": "# escape=`\nFROM `\n q.io/a:1\n",
    "escape backslash": "# escape=\\\nFROM \\\n q.io/a:1\n",
    "escape without blanks": "#escape=`\nFROM `\n q.io/a:1\n",
    "escape with blanks": "#   escape  =  `\nFROM `\n q.io/a:1\n",
    "escape in capitals": "# ESCAPE=`\nFROM `\n q.io/a:1\n",
    "escape behind a comment": "# x\n# escape=`\nFROM \\\n q.io/a:1\n",
    "escape behind syntax": "# syntax=docker/dockerfile:1\n# escape=`\nFROM \\\n q.io/a:1\n",
    "escape behind a blank line": "\n# escape=`\nFROM \\\n q.io/a:1\n",
    "escape twice": "# escape=`\n# escape=`\nFROM q.io/a:1\n",
    "escape unknown": "# escape=x\nFROM q.io/a:1\n",
    "escape empty": "# escape=\nFROM q.io/a:1\n",
    "escape with more": "# escape=`x\nFROM q.io/a:1\n",
    "escape behind FROM": A + "# escape=`\nCOPY \\\n a /x\n",
    "syntax": "# syntax=docker/dockerfile:1\nFROM q.io/a:1\n",
    "check": "# check=skip=all\nFROM q.io/a:1\n",
    "unknown directive": "# other=1\nFROM q.io/a:1\n",
    "backtick escapes no word": "# escape=`\nFROM q.io/a:1\nRUN : a`\n",
    # ARG
    "arg": "ARG V=1\nFROM q.io/a:$V\n",
    "arg of an arg": "ARG V=1\nARG R=q.io/a:$V\nFROM $R\n",
    "arg given": ("ARG V=1\nFROM q.io/a:$V\n", {"args": {"V": "2"}}),
    "arg given and empty by default": ("ARG V\nFROM q.io/a:$V\n", {"args": {"V": "2"}}),
    "arg without a value, default in FROM": "ARG V\nFROM q.io/a:${V:-3}\n",
    "arg without a value": "ARG V\nFROM q.io/a$V\n",
    "arg given but not declared": ("FROM q.io/a:${V:-0}\n", {"args": {"V": "2"}}),
    "arg of a stage": "FROM q.io/a:1\nARG V=1\nFROM q.io/b:${V:-none}\n",
    "arg names itself": "ARG V=${V:-7}\nFROM q.io/a:$V\n",
    "arg names itself, given": ("ARG V=${V:-7}\nFROM q.io/a:$V\n", {"args": {"V": "2"}}),
    "several args": "ARG V=1 W=2\nFROM q.io/a:$V$W\n",
    "several args, the second uses the first": "ARG V=1 W=$V\nFROM q.io/a:x$W\n",
    "arg in quotes": "ARG V=\"1\" W='2'\nFROM q.io/a:$V$W\n",
    "arg again": "ARG V=1\nARG V=2\nFROM q.io/a:$V\n",
    "arg again without a value": "ARG V=1\nARG V\nFROM q.io/a:$V\n",
    "arg between stages": "ARG V=1\nFROM q.io/a:$V\nFROM q.io/b:$V\n",
    "arg in a stage sees the header's": "ARG V=1\nFROM q.io/a:1\nARG V\nCOPY --from=q.io/b:$V a /b\n",
    "arg in a stage, own default": "ARG V=1\nFROM q.io/a:1\nARG V=2\nCOPY --from=q.io/b:$V a /b\n",
    "arg in a stage, given": ("FROM q.io/a:1\nARG V=2\nCOPY --from=q.io/b:$V a /b\n", {"args": {"V": "3"}}),
    "arg in a stage of a stage": "FROM q.io/a:1 AS x\nARG V=2\nFROM x\nCOPY --from=q.io/b:$V a /b\n",
    "arg without words": "ARG\nFROM q.io/a:1\n",
    "env in --from": "FROM q.io/a:1\nENV V=2\nCOPY --from=q.io/b:$V a /b\n",
    "env goes before arg": "FROM q.io/a:1\nENV V=2\nARG V=3\nCOPY --from=q.io/b:$V a /b\n",
    "arg then env": "FROM q.io/a:1\nARG V=3\nENV V=2\nCOPY --from=q.io/b:$V a /b\n",
    "env is inherited": "FROM q.io/a:1 AS x\nENV V=2\nFROM x\nCOPY --from=q.io/b:$V a /b\n",
    "env in its old form": "FROM q.io/a:1\nENV V 2\nCOPY --from=q.io/b:$V a /b\n",
    "env sees what was before": "FROM q.io/a:1\nENV V=1\nENV V=2 W=$V\nCOPY --from=q.io/b:$W a /b\n",
    "env without value": "FROM q.io/a:1\nENV V\n",
    "env with a word that is no assignment": "FROM q.io/a:1\nENV V=1 W\n",
    "builtin of the header": "ARG TARGETARCH\nARG TARGETOS\nFROM q.io/a:$TARGETARCH-${TARGETOS}\n",
    "builtin of the header, empty": "ARG TARGETVARIANT\nFROM q.io/a:x$TARGETVARIANT\n",
    "builtin of the builder": "ARG BUILDARCH\nARG BUILDOS\nFROM q.io/a:$BUILDARCH-${BUILDOS}\n",
    "builtin in a stage without ARG": "FROM q.io/a:1\nCOPY --from=q.io/b:x$TARGETARCH a /b\n",
    "builtin in a stage with ARG": "FROM q.io/a:1\nARG TARGETARCH\nCOPY --from=q.io/b:x$TARGETARCH a /b\n",
    "platform": "FROM --platform=linux/amd64 q.io/a:1\n",
    "platform from a builtin": "FROM --platform=$TARGETPLATFORM q.io/a:1\n",
    "platform from an arg": "ARG P=linux/amd64\nFROM --platform=$P q.io/a:1\n",
    # FROM
    "untagged": "FROM q.io/a\n",
    "registry with a port": "FROM q.io:5000/a:1\n",
    "digest": "FROM q.io/a@@DIGEST@\n",
    "tag and digest": "FROM q.io/a:1@@DIGEST@\n",
    "scratch": "FROM scratch\nCOPY a /x\n",
    "docker transport": "FROM docker://q.io/a:1\n",
    "short name": "FROM short\n",
    "localhost": "FROM localhost/l:1\n",
    "docker hub": "FROM docker.io/library/hub:1\n",
    "docker hub, short": "FROM docker.io/hub:1\n",
    "FROM without words": "FROM\n",
    "FROM with two words": "FROM q.io/a:1 x\n",
    "FROM with AS alone": "FROM q.io/a:1 AS\n",
    "FROM with four words": "FROM q.io/a:1 AS x y\n",
    "FROM with a comment": "FROM q.io/a:1 # text\n",
    "FROM with AS and a comment": "FROM q.io/a:1 AS x # text\n",
    "FROM nothing": 'FROM ""\n',
    "FROM capitals": "FROM q.io/A:1\n",
    "FROM with an unknown flag": "FROM --frob=1 q.io/a:1\n",
    "before FROM": "RUN x\nFROM q.io/a:1\n",
    "ENV before FROM": "ENV V=1\nFROM q.io/a:1\n",
    "unknown instruction": A + "COPPY a /x\n",
    # stages
    "stage": "FROM q.io/a:1 AS x\nFROM x\n",
    "stage by number": "FROM q.io/a:1\nFROM 0\n",
    "named stage by number": "FROM q.io/a:1 AS x\nFROM 0\n",
    "stage shadows an image": "FROM q.io/a:1 AS q.io/b\nFROM q.io/b\n",
    "stage shadows a short name": "FROM q.io/a:1 AS short\nFROM short\n",
    "only earlier stages count": "FROM later\nFROM q.io/a:1 AS later\n",
    "only earlier stages count, reached": "FROM later AS x\nFROM q.io/a:1 AS later\nFROM x\n",
    "equal names": "FROM q.io/a:1 AS x\nFROM q.io/b:1 AS x\nFROM x\n",
    "equal names, copied": "FROM q.io/a:1 AS x\nFROM q.io/b:1 AS x\nFROM q.io/c:1\nCOPY --from=x a /x\n",
    "a stage named as what it begins with": "FROM q.io/a:1 AS x\nFROM x AS x\nFROM x\n",
    "names are case-sensitive": "FROM q.io/a:1 AS X\nFROM q.io/b:1\nCOPY --from=x a /x\n",
    "names are case-sensitive in FROM": "FROM q.io/a:1 AS X\nFROM x\n",
    "names with variables": "ARG N=x\nFROM q.io/a:1 AS $N\nFROM x\n",
    "stage by a variable": "ARG N=x\nFROM q.io/a:1 AS x\nFROM $N\n",
    "stage by a given argument": ("ARG N\nFROM q.io/a:1 AS s-x\nFROM s-$N\n", {"args": {"N": "x"}}),
    "stage by a builtin": "FROM q.io/a:1 AS s-amd64\nFROM s-$TARGETARCH\n",
    "stage by a builtin of the header": "ARG TARGETARCH\nFROM q.io/a:1 AS s-amd64\nFROM s-$TARGETARCH\n",
    "a chain": "FROM q.io/a:1 AS x\nFROM x AS y\nFROM y AS z\nFROM z\n",
    "not reached": "FROM q.io/a:1 AS x\nFROM q.io/b:1\n",
    "not reached and wrong": "FROM q.io/a:1 AS x\nCOPY --from=nowhere a /b\nFROM q.io/b:1\n",
    "target": ("FROM q.io/a:1 AS x\nFROM q.io/b:1 AS y\n", {"target": "x"}),
    "target by number": ("FROM q.io/a:1 AS x\nFROM q.io/b:1 AS y\n", {"target": "0"}),
    "target that is not there": ("FROM q.io/a:1 AS x\n", {"target": "y"}),
    "target in other case": ("FROM q.io/a:1 AS x\nFROM q.io/b:1\n", {"target": "X"}),
    "target of two equal names": ("FROM q.io/a:1 AS x\nFROM q.io/b:1 AS x\nFROM q.io/c:1\n", {"target": "x"}),
    "target with an earlier part": ("FROM q.io/a:1 AS x\nFROM x AS y\nFROM q.io/b:1\n", {"target": "y"}),
    "a name that is a number": "FROM q.io/a:1 AS 1\nFROM q.io/b:1\nFROM q.io/c:1\nCOPY --from=1 a /x\n",
    "a name that is no name": "FROM q.io/a:1 AS x/y:z\nFROM q.io/b:1\n",
    # COPY and ADD
    "copy from a stage": "FROM q.io/a:1 AS x\nFROM q.io/b:1\nCOPY --from=x a /x\n",
    "copy from a number": "FROM q.io/a:1\nFROM q.io/b:1\nCOPY --from=0 a /x\n",
    "copy from an image": A + "COPY --from=q.io/b:1 a /x\n",
    "copy from a later stage": "FROM q.io/a:1 AS w\nCOPY --from=x a /x\nFROM q.io/b:1 AS x\nFROM w\n",
    "copy from itself": "FROM q.io/a:1 AS x\nCOPY --from=x a /x\n",
    "copy from its own number": A + "COPY --from=0 a /x\n",
    "copy from a number too high": A + "COPY --from=7 a /x\n",
    "copy from in quotes": "FROM q.io/a:1 AS x\nFROM q.io/b:1\nCOPY --from=\"x\" a /x\n",
    "copy from behind other flags": "FROM q.io/a:1 AS x\nFROM q.io/b:1\nCOPY --chown=0:0 --from=x a /x\n",
    "copy from before other flags": "FROM q.io/a:1 AS x\nFROM q.io/b:1\nCOPY --from=x --chown=0:0 a /x\n",
    "copy from behind a path": "FROM q.io/a:1 AS x\nFROM q.io/b:1\nCOPY a --from=x /d/\n",
    "copy from by an argument": "FROM q.io/a:1 AS x\nFROM q.io/b:1\nARG F=x\nCOPY --from=$F a /x\n",
    "copy from an image by an argument": A + "ARG F=q.io/b:1\nCOPY --from=$F a /x\n",
    "copy in the json form": "FROM q.io/a:1 AS x\nFROM q.io/b:1\nCOPY --from=x [\"a\", \"/x\"]\n",
    "copy in the json form from the context": A + "COPY [\"a\", \"/x\"]\n",
    "copy in what is no json": A + "COPY [a] /y\n",
    "copy in json of numbers": A + "COPY [1, 2]\n",
    "copy without words": A + "COPY\n",
    "copy with one word": A + "COPY a\n",
    "copy over lines": "FROM q.io/a:1 AS x\nFROM q.io/b:1\nCOPY \\\n --from=x \\\n a /x\n",
    "add": A + "ADD a /x\n",
    "add from": "FROM q.io/a:1 AS x\nFROM q.io/b:1\nADD --from=x a /x\n",
    "copy with an unknown flag": A + "COPY --frob=1 a /x\n",
    "copy from nothing": A + "COPY --from= a /x\n",
    # RUN --mount
    "run": A + "RUN :\n",
    "mount of a stage": "FROM q.io/a:1 AS x\nFROM q.io/b:1\nRUN --mount=type=bind,from=x,target=/m :\n",
    "mount of a named stage by its number": "FROM q.io/a:1 AS x\nFROM q.io/b:1\nRUN --mount=type=bind,from=0,target=/m :\n",
    "mount of a number": "FROM q.io/a:1\nFROM q.io/b:1\nRUN --mount=type=bind,from=0,target=/m :\n",
    "mount of an image": A + "RUN --mount=type=bind,from=q.io/b:1,target=/m :\n",
    "mount without a type": A + "RUN --mount=from=q.io/b:1,target=/m :\n",
    "mount with the type at the end": A + "RUN --mount=target=/m,from=q.io/b:1,type=bind :\n",
    "mount of the context": A + "RUN --mount=type=bind,source=a,target=/m :\n",
    "mount of a cache": A + "RUN --mount=type=cache,target=/m :\n",
    "mount of a cache from a stage": "FROM q.io/a:1 AS x\nFROM q.io/b:1\nRUN --mount=type=cache,from=x,target=/m :\n",
    "mount of memory": A + "RUN --mount=type=tmpfs,target=/m :\n",
    "two mounts": "FROM q.io/a:1 AS x\nFROM q.io/b:1\nRUN --mount=type=bind,from=x,target=/m --mount=type=bind,from=q.io/c:1,target=/n :\n",
    "mount behind the first word": A + "RUN : --mount=type=bind,from=q.io/b:1,target=/m\n",
    "mount in quotes": A + "RUN --mount=\"type=bind,from=q.io/b:1,target=/m\" :\n",
    "mount by an argument": A + "ARG F=q.io/b:1\nRUN --mount=type=bind,from=$F,target=/m :\n",
    "mount of a stage by an argument": "FROM q.io/a:1 AS x\nFROM q.io/b:1\nARG F=x\nRUN --mount=type=bind,from=$F,target=/m :\n",
    "mount and network": A + "RUN --network=none --mount=type=bind,from=q.io/b:1,target=/m :\n",
    "run in the json form": A + "RUN [\"/bin/sh\", \"-c\", \":\"]\n",
    "run with shifts and here-strings": A + "RUN : $((1<<2)) a<<b\n",
    "mount only reaches": "FROM q.io/a:1 AS w\nFROM q.io/b:1 AS x\nFROM q.io/c:1\nRUN --mount=type=bind,from=w,target=/m :\n",
    # ONBUILD
    "onbuild": A + "ONBUILD COPY a /x\n",
    "onbuild in a stage of a stage": "FROM q.io/a:1 AS x\nONBUILD COPY --from=q.io/b:1 a /x\nFROM x\n",
    "onbuild with a mount in a stage of a stage": "FROM q.io/a:1 AS x\nONBUILD RUN --mount=type=bind,from=q.io/b:1,target=/m :\nFROM x\n",
    "onbuild names a stage": "FROM q.io/b:1 AS w\nFROM q.io/a:1 AS x\nONBUILD COPY --from=w a /x\nFROM x\n",
    "onbuild from is for children": A + "ONBUILD COPY --from=q.io/b:1 a /x\n",
    "onbuild FROM": A + "ONBUILD FROM q.io/b:1\n",
    "onbuild ONBUILD": A + "ONBUILD ONBUILD RUN :\n",
    "onbuild without words": A + "ONBUILD\n",
    "onbuild of nothing known": A + "ONBUILD FROB\n",
    # named contexts
    "context in copy": (A + "COPY --from=ctx a /x\n", {"contexts": ("ctx",)}),
    "context in a mount": (A + "RUN --mount=type=bind,from=ctx,target=/m :\n", {"contexts": ("ctx",)}),
    "context before a stage": ("FROM q.io/b:1 AS ctx\nFROM q.io/a:1\nCOPY --from=ctx a /x\n", {"contexts": ("ctx",)}),
    "context by an argument": (A + "ARG F=ctx\nCOPY --from=$F a /x\n", {"contexts": ("ctx",)}),
    "context that nobody names": (A, {"contexts": ("ctx",)}),
    # the other instructions
    "others": A + "LABEL a=b\nMAINTAINER x\nEXPOSE 80\nUSER 0\nWORKDIR /\nVOLUME /v\nSTOPSIGNAL 9\nSHELL [\"/bin/sh\", \"-c\"]\n"
                  "HEALTHCHECK NONE\nCMD [\"x\"]\nENTRYPOINT [\"y\"]\n",
}


def alone():
    for name, rule in ALONE.items():
        text, fields = rule if isinstance(rule, tuple) else (rule, {})
        yield Case(name, text, **fields)
    for name, word in WORDS.items():
        yield Case(f"in FROM: {name}", f"ARG V=1.2.3\nARG E=\nARG P=a/b\nFROM q.io/a:{word}\n")


# ---- pairs: one choice for each side of a file; every two choices meet in some file ----

TOP = ["", "\ufeff", "# a comment\n", "# syntax=docker/dockerfile:1\n", "# escape=\\\n", "# escape=`\n", "\n\n",
       "# syntax=x\n# escape=`\n"]
LAYOUT = ["plain", "crlf", "lower", "tabs", "open end", "continued", "comments", "escape at the end", "indented"]
BASE = [  # header, FROM's reference, arguments
    ("", "q.io/a:1", {}),
    ("ARG V=1\n", "q.io/a:$V", {}),
    ("ARG V=1\n", "q.io/a:${V}", {"V": "2"}),
    ("ARG V=1\nARG R=q.io/a:$V\n", "$R", {}),
    ("ARG V=\"1\" W='2'\n", "q.io/a:$V$W", {}),
    ("ARG V\n", "q.io/a:${V:-3}", {}),
    ("ARG V=1.2\n", "q.io/a:${V:+3}", {}),
    ("ARG V=${V:-1}\n", "q.io/a:${U:-x${V}}", {}),
    ("", "q.io:5000/a", {}),
    ("", "q.io/a:1@@DIGEST@", {}),
    ("", '"q.io/a:1"', {}),
]
PLATFORM = ["", "--platform=linux/amd64 ", "--platform=$TARGETPLATFORM "]
LAST = [  # the last stages: `base` and `side` stand before
    "FROM base\n", "FROM 0\n", "FROM q.io/c:1\n", "FROM side AS last\n", "FROM q.io/c:1 AS base\nFROM base\n",
    "FROM q.io/c:1 AS q.io/d\nFROM q.io/d\n", "FROM base AS base\n", "FROM scratch AS s\nCOPY a /s\nFROM base AS last\n",
]
COPY = [
    "", "COPY --from=side a /c\n", "COPY --from=1 a /c\n", "COPY --from=q.io/e:1 a /c\n", "ARG V=1\nCOPY --from=q.io/e:$V a /c\n",
    "COPY --chown=0:0 --from=\"side\" a /c\n", "COPY --from=side [\"a\", \"/c\"]\n", "ADD a /c\n", "ONBUILD COPY --from=side a /c\n",
]
MOUNT = [
    "", "RUN --mount=type=bind,from=side,target=/m :\n", "RUN --mount=target=/m,from=q.io/f:1 :\n", "RUN --mount=from=base,target=/m,type=bind :\n",
    "RUN --mount=type=bind,source=a,target=/m :\n", "RUN : --mount=type=bind,from=q.io/f:1,target=/m\n",
]
TARGET = ["", "side"]
SIDES = [TOP, LAYOUT, BASE, PLATFORM, LAST, COPY, MOUNT, TARGET]


def pair_rows():
    """Greedy: the row that meets most pairs that no row has met, among those that begin with an open pair."""
    columns = list(itertools.combinations(range(len(SIDES)), 2))
    open_pairs = {(i, x, j, y) for i, j in columns for x in range(len(SIDES[i])) for y in range(len(SIDES[j]))}
    while open_pairs:
        i, x, j, y = min(open_pairs)
        row = {i: x, j: y}
        for k in range(len(SIDES)):
            if k not in row:
                row[k] = max(range(len(SIDES[k])), key=lambda v: (meets(row, k, v, open_pairs), -v))
        open_pairs -= {(i, row[i], j, row[j]) for i, j in columns}
        yield [row[k] for k in range(len(SIDES))]


def meets(row, k, v, open_pairs):
    return sum(((i, x, k, v) if i < k else (k, v, i, x)) in open_pairs for i, x in row.items())


def lay_out(layout, lines, escape):
    if layout == "lower":
        lines = [" ".join([w.lower() if n == 0 or w == "AS" else w for n, w in enumerate(line.split(" "))]) for line in lines]
    if layout == "tabs":
        lines = ["\t" + line.replace(" ", "\t") for line in lines]
    if layout == "indented":
        lines = ["  " + line + "  " for line in lines]
    if layout == "continued":
        lines = [line.replace(" ", f" {escape}\n  ") for line in lines]
    if layout == "comments":
        lines = [line.replace(" ", f" {escape}\n# comment {escape}\n\n  ", 1) for line in lines]
    text = "\n".join(lines) + "\n"
    if layout == "escape at the end":
        text = text[:-1] + f" {escape}"
    if layout == "open end":
        text = text[:-1]
    return text.replace("\n", "\r\n") if layout == "crlf" else text


def pairs():
    for n, row in enumerate(pair_rows()):
        top, layout, (header, base, args), platform, last, copy, mount, target = (side[x] for side, x in zip(SIDES, row))
        escape = "`" if top == "# escape=`\n" else "\\"
        body = f"{header}FROM {platform}{base} AS base\nCOPY a /b\nFROM q.io/side:1 AS side\nCOPY a /s\n{last}COPY a /l\n{copy}{mount}"
        text = lay_out(layout, body.splitlines(), escape)
        if layout == "crlf":
            top = top.replace("\n", "\r\n")
        yield Case(f"pair {n}: " + " ".join(map(str, row)), top + text, args=args, target=target)


def all_cases():
    return [*alone(), *pairs()]


# ---- heredocs, which the installed buildah does not know: for other readers ----

BODIES = ["", "x\n", "FROM q.io/no:1\n", "COPY --from=no a b\n", "\\\n", "# c\n\n", "x \\\n", "E2\n E\nEE\n", "ARG V=1\nRUN <<X\n", "\tx\n"]
OPENERS = {  # what opens it → the lines that close it
    "RUN <<E": ["E"], "RUN <<-E": ["\tE"], "RUN <<\"E\"": ["E"], "RUN <<'E'": ["E"], "RUN <<E cat": ["E"], "RUN cat <<E": ["E"],
    "RUN <<E cat && <<F cat": ["E", "F"], "RUN cat <<E >/x": ["E"], "RUN 3<<E cat": ["E"], "RUN --mount=type=cache,target=/c <<E": ["E"],
    "COPY <<E /x": ["E"], "COPY <<E <<F /x/": ["E", "F"], "COPY --chown=0:0 <<E /x": ["E"], "COPY a <<E /x/": ["E"], "ADD <<E /x": ["E"],
    "COPY <<-E /x": ["\tE"], "COPY <<'E' /x": ["E"], "COPY \\\n <<E /x": ["E"], "RUN x \\\n && cat <<E": ["E"], "run <<E": ["E"],
    # none at all
    "RUN cat <<\"E F\"": ["E F"], "RUN cat <<E|cat": ["E|cat"], "RUN <<E <<E": ["E", "E"], "COPY <<E.txt /x": ["E.txt"],
    "RUN cat <<<E": [], "RUN echo \"<<E\"": [], "RUN echo '<<E'": [], "RUN cat << E": ["E"], "RUN cat <<- E": [], "RUN cat <<E # don't": [], "RUN echo \"a <<E b\"": [], "RUN x=<<E": [],
    "ONBUILD COPY a <<b": [], "ENTRYPOINT <<E": [], "ENV A=<<E": [],
    "RUN : $((1<<2))": [], "RUN a<<b": [], "RUN [\"cat\", \"<<E\"]": [], "CMD cat <<E": [], "LABEL a=<<E": [],
}


def heredocs():
    for opener, closers in OPENERS.items():
        for n, body in enumerate(BODIES if closers else [""]):
            here = "".join(body + closer + "\n" for closer in closers)
            yield Case(f"{opener!r} with body {n}", f"FROM q.io/a:1 AS x\n{opener}\n{here}COPY --from=x a /b\nFROM x\n")
