#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Sets up, builds and plays the story (tests/demo/story.sh).
set -eu
cd "$(dirname "$0")"
# shellcheck source=build-aux/common.sh
. build-aux/common.sh

usage() {
	cat <<END
usage: demo.sh [--no-install] [--fast]
Sets up, builds in build/, and plays the story in about a minute: a healthy
device, one with a full file system, one with updates disabled, one locked to an
older release, one with an LwM2M client, and what the operator sees of them. It happens in a throw-away
folder and on a free local port.

  --no-install  install no Debian packages: name the missing ones and stop.
                On Debian 12 mbedTLS 3.6 is fetched as source and built in
                .deps/ all the same, once
  --fast        without the pauses for reading
  -h, --help    this text
END
}

no_install='' fast=''
for arg; do
	case $arg in
	--no-install) no_install=$arg ;;
	--fast) fast=$arg ;;
	-h | --help)
		usage
		exit 0
		;;
	*)
		echo "demo.sh: $arg: unknown" >&2
		usage >&2
		exit 2
		;;
	esac
done

echo "Setting up (nothing to do the second time) ..."
# shellcheck disable=SC2086
set_up $no_install
echo "Building ..."
build_in build --enable-werror

# The story finds the programs here, as the tests do.
TOP_SRCDIR=$PWD
TOP_BUILDDIR=$PWD/build
POSTBOOTD=$TOP_BUILDDIR/src/daemon/postbootd
POSTBOOTCTL=$TOP_BUILDDIR/src/ctl/postbootctl
POSTBOOT_DEVICE=$TOP_BUILDDIR/src/emu/postboot-device
export TOP_SRCDIR TOP_BUILDDIR POSTBOOTD POSTBOOTCTL POSTBOOT_DEVICE
# shellcheck disable=SC2086
exec tests/demo/story.sh $fast
