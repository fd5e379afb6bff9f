# shellcheck shell=sh
# SPDX-License-Identifier: Apache-2.0
# TAP for the lint scripts. "result NAME FILE" is a pass if FILE is empty, else a failure that
# shows FILE; "done_testing" ends the script.

tap_n=0
tap_failed=0
tap_tmp=$(mktemp -d)
trap 'rm -rf "$tap_tmp"' EXIT

result() {
	tap_n=$((tap_n + 1))
	if [ -s "$2" ]; then
		tap_failed=1
		sed 's/^/# /' "$2"
		echo "not ok $tap_n - $1"
	else
		echo "ok $tap_n - $1"
	fi
}

skip() {
	tap_n=$((tap_n + 1))
	echo "ok $tap_n - $1 # SKIP $2"
}

done_testing() {
	if [ "$tap_n" -gt 0 ]; then
		echo "1..$tap_n"
	else
		echo "1..0 # SKIP nothing to look at"
	fi
	exit "$tap_failed"
}

# The source files that git knows or would know, one a line. The tree may belong to another user.
tracked() {
	git -c safe.directory="$TOP_SRCDIR" -C "$TOP_SRCDIR" ls-files --cached --others --exclude-standard |
		while read -r tap_f; do
			[ ! -f "$TOP_SRCDIR/$tap_f" ] || echo "$tap_f"
		done
}

in_git() {
	command -v git >/dev/null && [ -e "$TOP_SRCDIR/.git" ]
}

# Scripts also run by hand, in the source tree.
: "${TOP_SRCDIR:=$(cd "$(dirname "$0")/../.." && pwd)}"
