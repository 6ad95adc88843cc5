#!/usr/bin/env python3
"""seeds.py PART FOLDER: writes the inputs that the fuzzer of that part begins with, and its dictionary (FOLDER.dict)."""

import hashlib
import pathlib
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "diff"))
import cases  # noqa: E402

DIGEST = "sha256:" + "0123456789abcdef" * 4
GLOBS = ["*\nabc", "a*c\nabbc", "[a-c]x\nbx", "[^a]\nb", "\\*\n*", "a?c\nabc", "*a*b*\nxaxbx", "[\\]]\n]", "[a\na"]
JSONS = ['["a", "b c"]', "[]", '["\\u00e4\\ud83d\\ude00"]', '["\\n\\t\\\\"]', "[1]", '[["a"]]', '["a",]', '["a']
REFERENCES = ["quay.io/org/os:1", "docker.io/debian", "localhost/base", "registry:5000/a", "[::1]:5000/a", "docker://q.io/a:1", "debian",
              "a.b/c__d/e-f--g/h_i:T_1.x-y", "q.io/a:1@" + DIGEST, "q.io/a@" + DIGEST, "oci-archive:x", "", "q.io/", "q.io/a:.x",
              "images/HMI", "feature/X", ".x", "a__b", "/a//b/", "x" * 256,
              "docker.io/" + "d" * 250]  # the last with library/ is too long
FOUND = ["FROM q.io/a:1\nRUN --mount='type=bind,target=/m,\\\n  from=x' :\n"]  # places inside a quoted flag of two lines
WORDS = {
    "containerfile": ["FROM ", "ARG ", "ENV ", "COPY ", "ADD ", "RUN ", "ONBUILD ", " AS x", "--from=", "--mount=", "type=bind,", "from=x", "target=/m",
                      "--platform=", "--after=", "<<E", "<<-E", "\nE\n", "# escape=`\n", "# syntax=", "\\\n", "`\n", "\r\n", "${V}", "${V:-d}", "scratch",
                      "q.io/a:1", "[\"", "\", \"", "{{", "{%", "\xef\xbb\xbf"],
    "words": ["${", "}", "${V:-", "${V#", "${V##", "${V%", "${V/", "${V//", "${E:+", "${U:?", "$V", "\"", "'", "\\", "*", "[^", "\\u00e4"],
    "reference": ["docker.io/", "localhost/", ":5000/", "@sha256:", ":latest", "docker://", "oci:", "__", "--", "library/"],
}


def seeds(part):
    if part == "containerfile":
        return [c.text.replace("@DIGEST@", DIGEST) for c in [*cases.all_cases(), *cases.heredocs()] if len(c.text) < 65536] + FOUND
    return [*cases.WORDS.values(), *GLOBS, *JSONS] if part == "words" else REFERENCES


def main(part, folder):
    folder.mkdir(parents=True, exist_ok=True)
    for text in seeds(part):
        data = text.encode()
        (folder / hashlib.sha256(data).hexdigest()[:16]).write_bytes(data)
    escaped = ("".join(f"\\x{b:02x}" for b in word.encode("latin-1")) for word in WORDS[part])
    folder.with_suffix(".dict").write_text("".join(f'"{word}"\n' for word in escaped))


main(sys.argv[1], pathlib.Path(sys.argv[2]))
