#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# What libcore.a calls: memory and string functions, err_* and buf_*; no clock, no allocation,
# no output. Linked whole, as a plain archive would hide what nothing refers to.
set -eu
. "$(dirname "$0")/tap.sh"
lib=${TOP_BUILDDIR:-$TOP_SRCDIR/build}/src/core/libcore.a

if [ "${SANITIZED-no}" = yes ]; then
	skip "purity: libcore.a" "sanitizers call their own run time"
elif [ -z "$(ar t "$lib")" ]; then
	skip "purity: libcore.a" "it is empty"
else
	# Fortified forms (__memcpy_chk) are the same functions.
	allowed='memcpy|memmove|memset|memcmp|memchr|strlen|strnlen|strcmp|strncmp|strspn|strcspn|strrchr|err_.*|buf_.*'
	allowed="$allowed|__assert_fail|__stack_chk_fail|__chk_fail|_GLOBAL_OFFSET_TABLE_"
	if "${LD:-ld}" -r --whole-archive -o "$tap_tmp/core.o" "$lib" >"$tap_tmp/out" 2>&1 &&
		"${NM:-nm}" -u "$tap_tmp/core.o" >"$tap_tmp/undefined" 2>"$tap_tmp/out"; then
		awk '{ print $NF }' "$tap_tmp/undefined" |
			sed 's/^__\(mem[a-z]*\|str[a-z]*\)_chk$/\1/' |
			grep -v -x -E "$allowed" |
			sed 's/^/libcore.a may not call /' >"$tap_tmp/out" || :
	else
		echo "no list of undefined symbols" >>"$tap_tmp/out"
	fi
	result "purity: libcore.a calls only memory, strings, err and buf" "$tap_tmp/out"
fi
done_testing
