#!/bin/sh
# An executor for the tests of the daemon: obeys the calling contract of worker/README.md and does what the order's member
# "sh" says. $DIR is the attempt's directory; succeed and fail write the result.
kind=$1
shift
for arg; do
    case $arg in
    --order=*) order=${arg#--order=} ;;
    --dir=*) DIR=${arg#--dir=} ;;
    --config=*) config=${arg#--config=} ;;
    esac
done
if [ "$kind" = sweep ]; then
    echo "sweep $*" >>"$config.sweeps"
    exit 0
fi
if [ "$kind" = probe ]; then
    echo '{"arch": "amd64", "capabilities": ["build-context", "not one", "secret:token", 7]}'
    exit 0
fi
[ -d "$DIR" ] && [ -z "$(ls -A "$DIR")" ] || exit 99
succeed() { echo '{"outcome": "succeeded", "detail": {"kind": "'"$kind"'"}}' >"$DIR/tmp" && mv "$DIR/tmp" "$DIR/result.json"; }
fail() { echo '{"outcome": "failed", "class": "user", "code": "run-failed", "step": "RUN x", "message": "'"$1"'"}' >"$DIR/result.json"; }
phase() { echo "phase $1" >&3; }
T=$(cd "$DIR/../../../.." && pwd)
# Waits until the test opens the gate.
gate() { mkfifo "$T/$1" && cat "$T/$1" >/dev/null; }
# Ignores SIGTERM, and has a grandchild in a session of its own that does, too.
stubborn() {
    trap '' TERM
    setsid sh -c 'trap "" TERM; sleep 1000 & echo $! >"$0/child"; wait' "$T" &
    echo $$ >"$T/self"
    sleep 1000
}
eval "$(jq -r .sh "$order")"
