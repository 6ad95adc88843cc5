#!/bin/sh
# The embedded application is a whole OCI archive.
set -eu
tar -tf /usr/share/gateway/apps/telemetry.oci.tar | grep -qx index.json
