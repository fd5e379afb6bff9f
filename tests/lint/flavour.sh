#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Two flavours of libcoap in one process link without an error and clash: the daemon loads only
# libcoap-3-notls, the device only libcoap-3-openssl, and the CLI none.
set -eu
. "$(dirname "$0")/tap.sh"
: "${TOP_BUILDDIR:=$TOP_SRCDIR/build}"

only() { # PROGRAM FLAVOUR
	ldd "$1" >"$tap_tmp/ldd"
	grep -o 'libcoap-3-[a-z]*' "$tap_tmp/ldd" | sort -u | grep -v -x -F "libcoap-3-$2" \
		>"$tap_tmp/out" || :
	result "flavour: ${1##*/} loads no libcoap but $2" "$tap_tmp/out"
}
only "${POSTBOOTD:-$TOP_BUILDDIR/src/daemon/postbootd}" notls
only "${POSTBOOT_DEVICE:-$TOP_BUILDDIR/src/emu/postboot-device}" openssl
only "${POSTBOOTCTL:-$TOP_BUILDDIR/src/ctl/postbootctl}" none
done_testing
