#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Every script, Bats files included, under the eyes of shellcheck.
set -eu
. "$(dirname "$0")/tap.sh"
cd "$TOP_SRCDIR"

if ! command -v shellcheck >/dev/null; then
	skip "scripts" "no shellcheck"
else
	find build-aux src tests conf man \( -name '*.sh' -o -name '*.bats' -o -name '*.bash' \) |
		sort >"$tap_tmp/scripts"
	while read -r f; do
		# What automake put into build-aux is not ours.
		grep -q 'SPDX-License-Identifier: Apache-2\.0' "$f" || continue
		shellcheck -S warning -x -P SCRIPTDIR:. "$f" >"$tap_tmp/out" 2>&1 || :
		result "scripts: $f" "$tap_tmp/out"
	done <<EOF
check.sh
demo.sh
.ci/run
conf/completion/postbootctl
$(cat "$tap_tmp/scripts")
EOF
fi
done_testing
