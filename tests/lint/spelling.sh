#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
set -eu
. "$(dirname "$0")/tap.sh"
cd "$TOP_SRCDIR"

# Words that are right here: one a line in the here-document, lower case.
cat >"$tap_tmp/words" <<'W'
W
if ! command -v codespell >/dev/null; then
	skip "spelling" "no codespell"
elif ! in_git; then
	skip "spelling" "not a git tree"
else
	tracked | grep -v -E '^(LICENSE|tests/golden/|tests/fuzz/corpus/)' | tr '\n' '\0' |
		xargs -0 codespell -I "$tap_tmp/words" >"$tap_tmp/out" 2>&1 || :
	result "spelling: codespell" "$tap_tmp/out"
fi
done_testing
