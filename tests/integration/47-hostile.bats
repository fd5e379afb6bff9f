#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What others do must not cost an honest device its update, nor the server its life or memory.

load lib

setup() {
	lab_open
	server_start
	product_add
	release_add 1.0.0
	release_add 1.1.0
	ctl product target argon 1.1.0
	before=$(rss)
}

teardown() {
	lab_close
}

rss() { # KiB
	sed -n 's/^VmRSS:[[:space:]]*\([0-9]*\) kB/\1/p' "/proc/$SERVER_PID/status"
}

hostile() {
	timeout $((200 * SLOWER)) "$TOP_BUILDDIR/tests/support/hostile" "$SERVER_PORT" "$@"
}

# Becomes it, so that the job's process is its.
exec_hostile() {
	exec "$TOP_BUILDDIR/tests/support/hostile" "$SERVER_PORT" "$@"
}

# updates ID: an honest device comes and gets its update.
updates() {
	device_add "$1"
	device_start "$1" 1.0.0
	wait_event 30 ".device == \"$1\" and .data == \"success\"" >/dev/null
}

# A sanitizer keeps freed memory for a while.
unharmed() {
	local grown
	grown=$(($(rss) - before))
	echo "grown by $grown KiB"
	[ "$grown" -lt 32768 ] || [ "${SANITIZED-no}" != no ]
	server_stop
	if grep -E 'Sanitizer|runtime error' "$LAB/postbootd.log"; then
		return 1
	fi
}

@test "hostile: 20,000 forged ClientHellos and junk beside an update" {
	hostile hellos 20000 3>&- &
	flood=$!
	hostile junk 5000 7 3>&- &
	junk=$!
	updates honest
	wait $flood $junk
	updates later
	unharmed
}

@test "hostile: one address that holds all half-open places keeps nobody out" {
	exec_hostile hold 300 600 >"$LAB/held" 3>&- &
	holder=$!
	until_true 30 grep -q '^held [1-9]' "$LAB/held"
	updates honest
	kill -0 $holder
	stop $holder
	unharmed
}

@test "hostile: mangled CoAP of a device with a valid key" {
	device_add mangler
	hostile coap 6000 11 mangler "$(cat "$LAB/mangler.psk")" 3>&- &
	mangler=$!
	updates honest
	wait $mangler
	unharmed
}

@test "hostile: one key does not hold more than eight sessions" {
	device_add many
	for _ in {1..40}; do
		echo "many:$(cat "$LAB/many.psk")"
	done >"$LAB/keys"
	"$TOP_BUILDDIR/tests/load/postboot-load" --server 127.0.0.1 \
		--port "$SERVER_PORT" --psk-list "$LAB/keys" --sessions 0 --idle 40 --seconds 1 --mbedtls \
		>"$LAB/load.out" 2>&1 3>&- &
	load=$!
	until_true 10 eval '[ "$(ctl -o json device show many | jq .sessions)" -eq 8 ]'
	until_true 30 metric_is_at_least 20 'postboot_handshakes_total{result="ok"}'
	# Those too many are closed at the end of a turn: who looks within one sees them.
	until_true 10 eval '[ "$(ctl -o json device show many | jq .sessions)" -le 8 ]'
	stop "$load"
	updates honest
	unharmed
}
