#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
set -eu
. "$(dirname "$0")/tap.sh"
cd "$TOP_SRCDIR"

if ! command -v mandoc >/dev/null; then
	skip "man" "no mandoc"
else
	find man -name '*.[1-8]' | sort >"$tap_tmp/pages"
	while read -r f; do
		mandoc -T lint -W warning "$f" >"$tap_tmp/out" 2>&1 || :
		result "man: $f" "$tap_tmp/out"
		# man(1) leaves two columns free.
		mandoc -T ascii -O width=78 "$f" |
			awk '{ gsub(/.\010/, "") } length > 78' >"$tap_tmp/out"
		result "man: $f fits into 80 columns" "$tap_tmp/out"
	done <"$tap_tmp/pages"
fi
done_testing
