# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# Cases of one file side by side, each in a lab of its own: most of what they do is waiting.
#
#	setup_case() { ...; }			before each of them, in its own lab
#	case_slow() { ...; }
#	setup_file() { aside_start slow quick; }
#	teardown_file() { aside_stop; }
#	@test "..." { aside slow; }		its end; what it said, if it failed

aside_start() {
	local name
	ASIDE=$(mktemp -d "${TMPDIR:-/tmp}/postboot-aside.XXXXXX")
	export ASIDE
	for name in "$@"; do
		aside_run "$name" >"$ASIDE/$name.log" 2>&1 3>&- &
		echo "$!" >"$ASIDE/$name.pid"
	done
}

# The process of one case: its EXIT trap is what others wait for.
aside_run() {
	CASE=$1
	trap - DEBUG ERR
	set +xT
	set -eE
	trap 'echo "failed: line $LINENO: $BASH_COMMAND" >&2' ERR
	trap 'aside_end $?' EXIT
	trap 'exit 143' TERM
	lab_open
	setup_case
	"case_$CASE"
	exit 0
}

aside_end() {
	local rc=$1
	trap - EXIT ERR
	set +e
	lab_close || rc=1
	echo "$rc" >"$ASIDE/$CASE.tmp"
	mv "$ASIDE/$CASE.tmp" "$ASIDE/$CASE.rc"
}

# aside_over NAME: it has ended, in whatever way.
aside_over() {
	[ -e "$ASIDE/$1.rc" ] || ! kill -0 "$(cat "$ASIDE/$1.pid")" 2>/dev/null
}

aside() {
	until_true 300 aside_over "$1" || echo "$1: no end in 300 s" >&2
	[ "$(cat "$ASIDE/$1.rc" 2>/dev/null)" = 0 ] && return
	cat "$ASIDE/$1.log" >&2
	echo "$1: exit status $(cat "$ASIDE/$1.rc" 2>&1)" >&2
	return 1
}

aside_stop() {
	local pid name
	[ -n "${ASIDE-}" ] || return 0
	for pid in "$ASIDE"/*.pid; do
		name=$(basename "$pid" .pid)
		aside_over "$name" || kill "$(cat "$pid")" 2>/dev/null || :
	done
	for pid in "$ASIDE"/*.pid; do
		until_true 30 aside_over "$(basename "$pid" .pid)" || kill -9 "$(cat "$pid")" || :
	done
	rm -rf "$ASIDE"
}
