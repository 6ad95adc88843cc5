#!/bin/sh
# Port 8080 answers with the panel.
set -eu
n=0
until busybox wget -q -O /tmp/page http://127.0.0.1:8080/index.html; do
    n=$((n + 1))
    test "$n" -lt 20
    sleep 1
done
grep -q 'Operator panel' /tmp/page
