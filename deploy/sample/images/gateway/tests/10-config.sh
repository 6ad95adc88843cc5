#!/bin/sh
# Only root reads the gateway's configuration.
set -eu
test "$(stat -c '%a %U' /etc/plant/gateway.conf)" = "600 root"
