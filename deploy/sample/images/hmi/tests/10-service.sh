#!/bin/sh
# The panel's service is up.
set -eu
systemctl is-active hmi.service
