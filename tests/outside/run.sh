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
	# The plan of make check; each disagreement fails it.
	count=200
	[ "${SANITIZED-no}" = no ] || count=100
	[ -z "${OUTSIDE_COUNT-}" ] || count=$OUTSIDE_COUNT
	outside 20261123 "$count" 30
fi
