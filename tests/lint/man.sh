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
	done <"$tap_tmp/pages"
fi
done_testing
