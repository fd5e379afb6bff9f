#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Random devices and operators against a running daemon, judged by a model of TRUTH.md.
#
#	tests/outside/run.sh [SEED COUNT [ACTS [DEVICE...]]]
#
# SEED, COUNT and a DEVICE (c17) name a script that failed; with a DEVICE it is told whole.
# OUTSIDE_COUNT=N plays N devices of the usual seed, OUTSIDE_HOURS=N seeds for N hours,
# OUTSIDE_CALM=1 without stops of the server.
set -eu
: "${TOP_SRCDIR:=$(cd "$(dirname "$0")/../.." && pwd)}"
: "${POSTBOOTD:=$TOP_SRCDIR/build/src/daemon/postbootd}"
export POSTBOOTD

outside() {
	python3 -B "$TOP_SRCDIR/tests/outside/outside.py" "$@"
}

if [ $# -gt 0 ]; then
	outside "$@"
elif [ -n "${OUTSIDE_HOURS-}" ]; then
	# One plan for all seeds: what passed is only counted.
	end=$(($(date +%s) + OUTSIDE_HOURS * 3600))
	seed=$(date +%s)
	n=0
	log=$(mktemp)
	trap 'rm -f "$log"' EXIT
	while [ "$(date +%s)" -lt "$end" ]; do
		n=$((n + 1))
		if outside "$seed" 3000 60 >"$log"; then
			echo "ok $n - outside: seed $seed, 3000 devices"
		else
			grep '^#' "$log"
			echo "not ok $n - outside: seed $seed, 3000 devices"
		fi
		seed=$((seed + 1))
	done
	echo "1..$n"
else
	# What a script meets depends on the time, too, and a few rare corners of the text are
	# still read in two ways (about one script in a thousand). So a
	# disagreement must show twice to fail make check; the long runs tell each.
	count=200
	[ "${SANITIZED-no}" = no ] || count=100
	if [ -n "${OUTSIDE_COUNT-}" ]; then
		outside 20261123 "$OUTSIDE_COUNT"
		exit
	fi
	log=$(mktemp)
	trap 'rm -f "$log"' EXIT
	if ! outside 20261123 "$count" 30 >"$log" 2>&1; then
		sed 's/^/# once: /' "$log" >&2
		outside 20261123 "$count" 30 >"$log" 2>&1 || :
	fi
	cat "$log"
	! grep -q '^not ok' "$log" && grep -q '^ok' "$log"
fi
