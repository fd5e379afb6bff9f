#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
set -eu
. "$(dirname "$0")/tap.sh"

if ! command -v python3 >/dev/null; then
	skip "log: key=value" "no python3"
else
	python3 -B "$TOP_SRCDIR/tests/lint/log.py" >"$tap_tmp/out" 2>&1 && : >"$tap_tmp/out"
	result "log: every call is key=value" "$tap_tmp/out"
fi
done_testing
