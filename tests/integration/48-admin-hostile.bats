#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Those who would hold all connections of the admin socket, and the honest beside them.

load lib
load aside

# What is slow by its nature, beside the rest.
setup_file() {
	command -v python3 >/dev/null || return 0
	aside_start slow
}

teardown_file() {
	aside_stop
}

setup_case() {
	server_start
}

# Becomes the flood, so that the job's process is its.
flood() {
	exec python3 -B "$TOP_SRCDIR/tests/support/admin_flood.py" "$POSTBOOT_SOCKET" "$@"
}

# In the background, what it prints in $LAB/flood; its process in $FLOOD.
flood_begin() {
	flood "$@" >"$LAB/flood" 2>&1 3>&- &
	FLOOD=$!
}

floods_end() {
	local pid
	for pid in ${FLOOD-}; do
		stop "$pid"
	done
	FLOOD=
}

# The command as another user; only root can.
as_other() {
	setpriv --reuid=65534 --regid=65534 --clear-groups "$@"
}

rss_kib() {
	awk '/^VmRSS:/ { print $2 }' "/proc/$SERVER_PID/status"
}

setup() {
	command -v python3 >/dev/null || skip "no python3"
	FLOOD=
	lab_open
	server_start
}

teardown() {
	floods_end
	[ -z "${LAB-}" ] || lab_close
}

@test "admin: 10,000 connections of one process, and everybody else is served" {
	[ "$(ulimit -Hn)" -ge 10100 ] || skip "a process may not open 10,000 files here"
	product_add
	release_add 1.0.0
	release_add 1.1.0
	device_add argon-1
	ctl product target argon 1.1.0
	before=$(rss_kib)
	flood_begin hold 10000 13
	device_start argon-1 1.0.0
	for _ in $(seq 20); do
		timeout 10 "$POSTBOOTCTL" status >/dev/null
	done
	until_true 30 grep -q open "$LAB/flood"
	for _ in $(seq 20); do
		timeout 10 "$POSTBOOTCTL" status >/dev/null
	done
	wait_event 30 '.device == "argon-1" and .data == "success"'
	after=$(rss_kib)
	echo "RSS: $before KiB before, $after KiB after"
	# 64 connections with 64 KiB each, and what the update took.
	[ "$((after - before))" -lt $((32768 * SLOWER * SLOWER)) ]
	wait "$FLOOD"
	FLOOD=
	# Who says nothing is let go; a request was answered, and its connection waited.
	[ "$(tail -n 1 "$LAB/flood")" -le 64 ]
	# Told once, with a number, and not 9,936 times.
	[ "$(grep -c 'connection=refused' "$LAB/postbootd.log")" -eq 1 ]
	[ "$(find "/proc/$SERVER_PID/fd" -type l | wc -l)" -lt 160 ]
}

@test "admin: many processes of one user leave places for another" {
	[ "$(id -u)" -eq 0 ] || skip "only root can be two users"
	command -v setpriv >/dev/null || skip "no setpriv"
	chmod 755 "$LAB"
	chmod 666 "$POSTBOOT_SOCKET"
	for i in 1 2 3 4; do
		flood follow 70 60 >"$LAB/flood$i" 3>&- &
		FLOOD="$FLOOD $!"
		until_true 20 test -s "$LAB/flood$i"
	done
	# LIMIT_ADMIN_PER_PROCESS each, LIMIT_ADMIN_PER_USER together.
	[ "$(cat "$LAB"/flood?)" = $'64\n64\n64\n0' ]
	run ctl status
	echo "$output"
	[ "$status" -eq 1 ]
	[[ $output == *"too many connections"* ]]
	for _ in $(seq 20); do
		as_other timeout 10 curl -sS --fail --unix-socket "$POSTBOOT_SOCKET" \
			http://localhost/v1/status >/dev/null
	done
	# LIMIT_ADMIN_CONNECTIONS: the other has the rest, and none is left for a third, who is told.
	# Who runs the tests may have a python and a tree that nobody else may read.
	install -m 644 "$TOP_SRCDIR/tests/support/admin_flood.py" "$LAB/flood.py"
	as_other env PATH=/usr/bin:/bin python3 -B "$LAB/flood.py" "$POSTBOOT_SOCKET" follow 70 60 \
		>"$LAB/flood5" 3>&- &
	FLOOD="$FLOOD $!"
	until_true 20 test -s "$LAB/flood5"
	[ "$(cat "$LAB/flood5")" = 64 ]
	third() {
		setpriv --reuid=65533 --regid=65533 --clear-groups timeout 10 curl -sS \
			--unix-socket "$POSTBOOT_SOCKET" http://localhost/v1/status
	}
	[[ $(third) == *"too many connections"* ]]
	floods_end
	until_true 10 ctl status
	third | jq -e .version
}

case_slow() {
	local head body
	flood slow head >"$LAB/head" 3>&- &
	head=$!
	flood slow body >"$LAB/body" 3>&- &
	body=$!
	wait "$head"
	wait "$body"
	# 10 s for a head, 30 s for a body, and what a busy machine takes to say so.
	[ "$(cat "$LAB/head")" -ge 9 ]
	[ "$(cat "$LAB/head")" -le 28 ]
	[ "$(cat "$LAB/body")" -ge 29 ]
	[ "$(cat "$LAB/body")" -le 100 ]
}

@test "admin: a request that comes byte by byte is cut off" {
	aside slow
}
