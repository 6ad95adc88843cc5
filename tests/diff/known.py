"""Where the reader and the installed buildah differ, and why that is meant: name of the case → reason.

The reader follows current buildah; 1.28 of Debian 12 is older. Each of these is built and has to differ, so that the list
shrinks when buildah becomes newer."""

# Images that are not made, since only a mistake could ask for them.
ABSENT = {"nowhere", "7"}

NEWER = "1.28 does not know this yet"
STRICTER = "a mistake that buildah passes over, or finds in no stage that it builds"
FLAGS = "flags are for buildah to judge, which learns new ones: those that the reader does not know change no reference"
BEYOND = "buildah knows no ${X-d}, ${X+a}, ${X?m}: the definition's format does, as Docker does"

DIFFERENCES = {
    # variables
    **{f"in FROM: {name}": NEWER for name in [
        "shortest prefix", "longest prefix", "shortest suffix", "longest suffix", "no prefix", "no suffix", "replace one",
        "replace all", "replace nothing", "delete", "replace at the begin", "replace at the end", "must be set", "builtin",
        "builtin os", "builtin build"]},
    **{f"in FROM: {name}": BEYOND for name in [
        "default without colon, set", "default without colon, unset", "alternative without colon, set",
        "alternative without colon, empty", "alternative without colon, unset", "must be set without colon"]},
    "in FROM: no name": STRICTER,
    "arg in a stage of a stage": NEWER,
    "names with variables": NEWER,
    "stage by a variable": NEWER,
    "stage by a builtin": NEWER,
    "stage by a builtin of the header": NEWER,
    "copy from by an argument": NEWER,
    "mount of a stage by an argument": "buildah leaves the stage out and looks for an image; the reader sees the stage, so that nothing is missed",
    "env goes before arg": "buildah looks for the image by the ARG's value and then for a stage by the ENV's: no build can succeed",
    "arg then env": "as above",
    # stages
    "target by number": NEWER,
    "target of two equal names": "1.28 takes the first of two equal names, newer ones the last",
    # instructions
    "before FROM": STRICTER,
    "ENV before FROM": STRICTER,
    "onbuild of nothing known": STRICTER,
    "copy from a number too high": "1.28 crashes; newer ones look for an image of that name, as the reader does",
    "add from": "the format has --from for ADD, too",
    "FROM with an unknown flag": FLAGS,
    "copy with an unknown flag": FLAGS,
    "mount and network": NEWER,
}

# The same for dockerfile-ast: what the text holds → reason. Each has to be behind some difference.
AST = {
    "^# syntax=.*\n# escape=`": "buildah looks for the escape directive before any other one",
    "[\f\v]": "dockerfile-ast separates words by blanks and tabs only",
    r":\\x": "dockerfile-ast takes the escape out of a word, the reader leaves that to the expansion",
    "cat <<\"E F\"": "dockerfile-ast knows no heredoc with a blank in its name, buildah does",
    "cat << E": "dockerfile-ast finds no end of a heredoc whose name stands apart",
    "cat <<- E": "to buildah the name may stand apart from <<, but not from <<-",
    "<<E # don't": "buildah sees no heredoc in a line with a quote that is not closed",
    "\"a <<E b\"": "in quotes it is none to buildah",
    "RUN 3<<E": "dockerfile-ast knows no heredoc with the number of a descriptor, buildah does",
}
