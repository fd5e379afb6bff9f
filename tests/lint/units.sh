#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The units that are installed: every path is filled in, and systemd-analyze finds them well shut.
set -eu
. "$(dirname "$0")/tap.sh"
: "${TOP_BUILDDIR:=$TOP_SRCDIR/build}"
MOST=15 # tenths of systemd's exposure level

exposure() {
	systemd-analyze security --offline=yes --no-pager --threshold="$1" "$2"
}

for unit in "$TOP_BUILDDIR"/conf/*.service "$TOP_BUILDDIR"/conf/*.socket; do
	[ -e "$unit" ] || continue # configured without units
	name=${unit##*/}
	grep -n '@[a-z]*dir@' "$unit" >"$tap_tmp/out" || :
	grep -q '^\[Unit\]' "$unit" || echo "no [Unit]" >>"$tap_tmp/out"
	result "units: $name has its paths" "$tap_tmp/out"
done

for unit in "$TOP_BUILDDIR"/conf/*.service; do
	[ -e "$unit" ] || continue # configured without units
	name=${unit##*/}
	if ! systemd-analyze --help 2>/dev/null | grep -q -e '--offline='; then
		skip "units: exposure of $name" "no systemd-analyze that works offline"
		continue
	fi
	: >"$tap_tmp/out"
	exposure "$MOST" "$unit" >"$tap_tmp/table" 2>&1 || grep -v '^✓' "$tap_tmp/table" >"$tap_tmp/out"
	grep -q 'Overall exposure' "$tap_tmp/table" || cat "$tap_tmp/table" >"$tap_tmp/out"
	result "units: exposure of $name is at most $MOST tenths" "$tap_tmp/out"
done

# The limit bites: a unit without any sandbox is over it.
if systemd-analyze --help 2>/dev/null | grep -q -e '--offline='; then
	printf '[Service]\nExecStart=/bin/true\n' >"$tap_tmp/open.service"
	: >"$tap_tmp/out"
	! exposure "$MOST" "$tap_tmp/open.service" >"$tap_tmp/table" 2>&1 ||
		cat "$tap_tmp/table" >"$tap_tmp/out"
	result "units: an open unit is over the limit" "$tap_tmp/out"
fi
done_testing
