#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Each header of src/ compiles alone, and twice.
set -eu
. "$(dirname "$0")/tap.sh"
: "${HEADER_CC:=cc -D_GNU_SOURCE -I$TOP_SRCDIR/src}"

(cd "$TOP_SRCDIR/src" && find . -name '*.h' | sed 's/^\.\///' | sort) >"$tap_tmp/headers"
while read -r h; do
	printf '#include "%s"\n#include "%s"\ntypedef int headers_not_empty;\n' "$h" "$h" >"$tap_tmp/h.c"
	eval "$HEADER_CC -Werror -fsyntax-only \"\$tap_tmp/h.c\"" >"$tap_tmp/out" 2>&1 ||
		echo "$h does not compile alone" >>"$tap_tmp/out"
	result "headers: $h" "$tap_tmp/out"
done <"$tap_tmp/headers"
done_testing
