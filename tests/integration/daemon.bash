# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# For the tests of the daemon's start and end: a folder, a configuration, and processes whose
# state is awaited by what they log. $status and $output are those of "run".
# shellcheck disable=SC2154

daemon_open() {
	D=$(mktemp -d "${TMPDIR:-/tmp}/postbootd.XXXXXX")
	PIDS=()
	conf "$D/a.conf" "$D/a"
}

daemon_close() {
	local pid
	for pid in "${PIDS[@]}"; do
		kill -9 "$pid" 2>/dev/null || :
		wait "$pid" 2>/dev/null || :
	done
	rm -rf "$D"
}

# conf FILE STATE [LINE...]
conf() {
	{
		echo "state-dir = $2"
		echo "admin-socket = $2.sock"
		[[ "${*:3}" == *listen* ]] || echo "listen = coaps://127.0.0.1:0"
		[ $# -lt 3 ] || printf '%s\n' "${@:3}"
	} >"$1"
}

# await FILE PATTERN: until a line of FILE has it, at most 30 s.
await() {
	local i
	for ((i = 0; i < 600; i++)); do
		! grep -q -e "$2" "$1" 2>/dev/null || return 0
		sleep 0.05
	done
	echo "no '$2' in $1:" >&2
	cat "$1" >&2
	return 1
}

# start NAME [COMMAND...]: runs NAME.conf, its log in NAME.log, its process in PID.
start() {
	local name=$1
	shift
	: >"$D/$name.log" # here, not in the child: the log of a run before must not be taken for its
	# Bats waits for its file descriptor 3: no child may keep it.
	"$@" "$POSTBOOTD" -c "$D/$name.conf" >>"$D/$name.log" 2>&1 3>&- &
	PID=$!
	PIDS+=("$PID")
	await "$D/$name.log" '^<6>ready '
}

# refused NAME: it must end by itself with 1; its log is in $output.
refused() {
	run timeout 30 "$POSTBOOTD" -c "$D/$1.conf" 3>&-
	[ "$status" -eq 1 ]
	# One line says it, and nobody has to know the source to act on it.
	[ "$(grep -c '^<3>start=failed .*error=".*" do=".*"$' <<<"$output")" -eq 1 ]
}

api() {
	curl -sS --fail --unix-socket "$D/a.sock" "http://localhost/v1/$1" "${@:2}"
}
