#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# tests/fault with every way of failing at every operation, and at the allocations: four minutes of
# a processor, shared by four processes.
set -eu
test=${TOP_BUILDDIR:-build}/tests/fault/test_fault
dir=$(mktemp -d "${TMPDIR:-/tmp}/postboot-fault.XXXXXX")
pids=
# shellcheck disable=SC2086
trap 'kill $pids 2>/dev/null || :; wait; rm -rf "$dir"' EXIT

# share NAME TEST FIRST STEP
share() {
	names="$names $1"
	FAULT_LONG=1 CMOCKA_MESSAGE_OUTPUT=TAP "$test" "$2" "$3" "$4" >"$dir/$1" 2>&1 &
	pids="$pids $!"
}

names=
share memory-even 'test_memory_*' 0 2
share memory-odd 'test_memory_*' 1 2
share kill 'test_kill_*' 0 1
share fault 'test_fault_*' 0 1
status=0
for pid in $pids; do
	wait "$pid" || status=1
done
pids=

echo 1..4
for name in $names; do
	grep -q -E '^(not )?ok 1 ' "$dir/$name" || echo "not ok - $name ended early"
	# Each has one test, the first of its own.
	sed -E -e '/^1\.\.1$/d' -e "s/^(not )?ok 1 -? ?/\1ok - $name: /" "$dir/$name"
done
exit "$status"
