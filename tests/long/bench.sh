#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The benchmark as a whole, short: every part runs, and every number that is promised is there.
set -eu
. "${TOP_SRCDIR:-.}/tests/lint/tap.sh"
out=${TOP_BUILDDIR:-.}/tests/long/bench-short.json

mkdir -p "${out%/*}"
if "$TOP_SRCDIR/tests/load/bench.sh" --quick --output "$out" >"$tap_tmp/tables" 2>"$tap_tmp/out"; then
	jq -r '.rows[] | select(.value == null and .other == null) | "nothing in " + .key' "$out" \
		>"$tap_tmp/out"
	[ "$(jq '.rows | length' "$out")" -ge 60 ] || echo "rows are missing" >>"$tap_tmp/out"
	! grep -q nan "$out" || echo "no number" >>"$tap_tmp/out"
fi
result "bench: all numbers are there" "$tap_tmp/out"
rm -f "$out"
done_testing
