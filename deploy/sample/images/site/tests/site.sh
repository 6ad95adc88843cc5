#!/bin/sh
# The node knows where it is and what it does.
set -eu
. /etc/plant/site
case "$BOOTFARM_IMAGE" in
*:"$ROLE-$SITE@"*) ;;
*) echo "image $BOOTFARM_IMAGE says ROLE=$ROLE SITE=$SITE" && exit 1 ;;
esac
systemctl is-active dbus.service
