#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# sum-tests.sh DIR...: the test cases of all *.trs below, as "N passed, N failed[, N skipped]",
# the failed ones named before. Exit status 1 if any failed or none ran.
set -eu
find "$@" -name '*.trs' -exec grep -H '^:test-result:' {} + 2>/dev/null | awk '
	{ line = $0; sub(/:test-result: /, ": ", line) }
	$2 == "PASS" || $2 == "XFAIL" { passed++ }
	$2 == "SKIP" { skipped++ }
	$2 == "FAIL" || $2 == "ERROR" || $2 == "XPASS" { failed++; print line }
	END {
		printf "%d passed, %d failed", passed, failed
		if (skipped)
			printf ", %d skipped", skipped
		print ""
		exit failed || !passed
	}'
