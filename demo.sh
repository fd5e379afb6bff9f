#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# demo.sh [--no-install] [--fast]: sets up, builds and plays the story: a healthy device, one
# with a full file system, and what the operator sees of both. --fast is handed to the story.
set -eu
cd "$(dirname "$0")"
# shellcheck source=build-aux/common.sh
. build-aux/common.sh

no_install='' fast=''
for arg; do
	case $arg in
	--no-install) no_install=$arg ;;
	--fast) fast=$arg ;;
	*)
		echo "usage: demo.sh [--no-install] [--fast]" >&2
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
if [ -x tests/demo/story.sh ]; then
	# shellcheck disable=SC2086
	exec tests/demo/story.sh $fast
fi
echo "demo.sh: there is no tests/demo/story.sh yet; the programs are built in build/src" >&2
exit 1
