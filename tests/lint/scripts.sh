#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# shellcheck on every script, Bats files included.
set -eu
. "$(dirname "$0")/tap.sh"
cd "$TOP_SRCDIR"

if ! command -v shellcheck >/dev/null; then
	skip "scripts" "no shellcheck"
else
	for f in check.sh demo.sh .ci/run $(find build-aux src tests conf \( -name '*.sh' -o -name '*.bats' -o -name '*.bash' \) | sort); do
		[ -s "$f" ] || continue
		# What automake put into build-aux is not ours.
		grep -q 'SPDX-License-Identifier: Apache-2\.0' "$f" || continue
		shellcheck -x "$f" >"$tap_tmp/out" 2>&1 || :
		result "scripts: $f" "$tap_tmp/out"
	done
fi
done_testing
