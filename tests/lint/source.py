"""What every lint needs: the tracked files, C without comments and strings, and one way to complain."""

import re
import subprocess
import sys

_problems = 0


def tracked(*suffixes):
    """Tracked files whose names end in one of `suffixes` (all of them without any), links left out."""
    listing = subprocess.run(["git", "ls-files", "-z", "-s"], check=True, capture_output=True, text=True).stdout
    for entry in listing.split("\0"):
        mode, _, name = entry.partition("\t")
        if name and mode.startswith("100") and (not suffixes or name.endswith(suffixes)):
            yield name


def text(path):
    """The file's text; empty for what is not text."""
    with open(path, "rb") as f:
        data = f.read()
    return "" if b"\0" in data else data.decode("utf-8", "replace")


def code(path):
    """The lines of a C file, with comments and the insides of strings blanked; includes keep their names."""
    pattern = re.compile(r"(?m)^[ \t]*#[ \t]*include[^\n]*|//[^\n]*|/\*.*?\*/|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])+'", re.S)

    def blank(match):
        found = match.group(0)
        return found if found.lstrip().startswith("#") else re.sub(r"[^\n]", " ", found)

    return pattern.sub(blank, text(path)).split("\n")


def complain(path, line, message):
    global _problems
    _problems += 1
    print(f"{path}:{line}: {message}")


def finish():
    sys.exit(1 if _problems else 0)
