#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# sum-tests.sh DIR...: the test cases of all *.trs below, as "N passed, N failed[, N skipped]",
# after the failed ones by name. Exit status 1 if any failed or none ran.
set -eu

# What went wrong is in the log beside: the TAP lines of the cases, or why there are none.
find "$@" -name '*.trs' -exec grep -l -E '^:test-result: (FAIL|ERROR|XPASS)' {} + 2>/dev/null |
	sort | while read -r trs; do
	log=${trs%.trs}.log
	grep -E '^not ok' "$log" 2>/dev/null | sed "s|^|$log: |" || echo "$log: ended in error"
done

find "$@" -name '*.trs' -exec grep -H '^:test-result:' {} + 2>/dev/null | awk '
	{ file = $1 }
	$2 == "PASS" || $2 == "XFAIL" { passed++ }
	$2 == "SKIP" { skipped++ }
	$2 == "FAIL" || $2 == "XPASS" { failed++; told[file] = 1 }
	# The exit status of a test whose failed cases are counted is no further failure.
	$2 == "ERROR" { error[file]++ }
	END {
		for (file in error)
			if (!told[file])
				failed += error[file]
		printf "%d passed, %d failed", passed, failed
		if (skipped)
			printf ", %d skipped", skipped
		print ""
		exit failed || !passed
	}'
