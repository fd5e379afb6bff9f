#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# clang-format 14, the version of Debian 12: others lay out a few things differently.
set -eu
. "$(dirname "$0")/tap.sh"
cd "$TOP_SRCDIR"

if ! command -v clang-format-14 >/dev/null; then
	skip "format" "no clang-format-14"
else
	find src tests -name '*.[ch]' -exec clang-format-14 --dry-run -Werror {} + >"$tap_tmp/out" 2>&1 || :
	result "format: as .clang-format says (clang-format-14 -i FILE)" "$tap_tmp/out"
fi
done_testing
