#!/bin/sh
# The sysctl file is in force and the identity file has its mode.
set -eu
test "$(cat /proc/sys/kernel/dmesg_restrict)" = 1
test "$(stat -c %a /usr/lib/plant-release)" = 644
test "$(stat -c %a /etc/plant)" = 750
