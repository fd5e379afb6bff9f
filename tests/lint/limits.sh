#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Every bound of base/limits.h is named by a test (house rule 9). That the test is at the bound and
# one beyond it is for who reads it.
set -eu
. "$(dirname "$0")/tap.sh"
cd "$TOP_SRCDIR"

# Those that need none of their own, and why.
cat >"$tap_tmp/free" <<'END'
END

sed -n 's/^\(#define \|	\)\(LIMIT_[A-Z0-9_]*\)[ 	].*/\2/p' src/base/limits.h | sort >"$tap_tmp/limits"
find tests -type f \( -name '*.c' -o -name '*.h' -o -name '*.bats' -o -name '*.scn' -o -name '*.py' \) \
	-exec grep -h -o -w 'LIMIT_[A-Z0-9_]*' {} + | sort -u >"$tap_tmp/named"

: >"$tap_tmp/out"
[ "$(wc -l <"$tap_tmp/limits")" -eq "$(grep -c '^\(#define \|	\)LIMIT_' src/base/limits.h)" ] &&
	grep -q LIMIT_DEVICE_ID "$tap_tmp/limits" || echo "limits.h is not read" >"$tap_tmp/out"
result "limits: base/limits.h is read" "$tap_tmp/out"

cut -d ' ' -f 1 "$tap_tmp/free" | sort -u >"$tap_tmp/names"
comm -23 "$tap_tmp/limits" "$tap_tmp/named" | comm -23 - "$tap_tmp/names" |
	sed 's/$/: no test names it/' >"$tap_tmp/out"
result "limits: each is named by a test" "$tap_tmp/out"

# The list says no more than it must.
comm -23 "$tap_tmp/names" "$tap_tmp/limits" | sed 's/$/: not in limits.h/' >"$tap_tmp/out"
comm -12 "$tap_tmp/names" "$tap_tmp/named" | sed 's/$/: a test names it/' >>"$tap_tmp/out"
result "limits: those without a test are there, and have none" "$tap_tmp/out"
done_testing
