#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Devices with a connection ID (RFC 9146) whose address changes all the time: whole updates, on
# one handshake for each boot. The clients are mbedTLS's own (tests/load).

load lib

setup() {
	lab_open
}

teardown() {
	lab_close
}

# fleet N: devices, a product, and what they shall run.
fleet() {
	product_add
	release_add 1.0.0
	release_add 1.1.0
	ctl product target argon 1.1.0
	for i in $(seq "$1"); do
		device_add "roamer-$i"
		echo "roamer-$i:$(cat "$LAB/roamer-$i.psk")"
	done >"$LAB/keys"
}

# roam OPTION...: the fleet lives through its update; what the load client tells is in $LAB/load.
roam() {
	# It frees nothing at its end, which is not what is tested.
	ASAN_OPTIONS=${ASAN_OPTIONS-}:detect_leaks=0 \
		timeout $((120 * SLOWER)) "$TOP_BUILDDIR/tests/load/postboot-load" --server 127.0.0.1 \
		--port "$SERVER_PORT" --psk-list "$LAB/keys" --lifecycles "$(wc -l <"$LAB/keys")" \
		--in-flight 4 --from 1.0.0 --from-image "$LAB/1.0.0.bin" --to 1.1.0 \
		--expect "$LAB/1.1.0.bin" --window 1 "$@" >"$LAB/load"
	cat "$LAB/load"
}

told() { # KEY
	sed -n "s/.*\<$1=\([0-9]*\).*/\1/p" "$LAB/load"
}

ticks() { # of the server's processor time
	awk '{ print $14 + $15 }' "/proc/$SERVER_PID/stat"
}

@test "connection ID: updates go on from address to address without a handshake" {
	server_start
	fleet 8
	roam --cid --rebind 10
	[ "$(told moves)" -gt 100 ]
	[ "$(told wrong)" -eq 0 ]
	[ "$(told failed)" -eq 0 ]
	[ "$(metric 'postboot_attempts_closed_total{verdict="updated"}')" -eq 8 ]
	[ "$(ctl -o json status | jq .handshakes.ok)" -eq 16 ] # one for each boot
	[ "$(ctl -o json status | jq .handshakes.failed)" -eq 0 ]
	# A move between the last message and the end of a session is not seen by the server.
	[ "$(metric postboot_address_changes_total)" -ge $(($(told moves) - 16)) ]
	[ "$(metric 'postboot_connection_id_records_dropped_total{reason="forged"}')" -eq 0 ]
}

@test "connection ID: 20,000 forged, replayed and guessed ones move nothing and get nothing" {
	server_start
	fleet 1
	device_add honest
	before=$(ticks)
	timeout $((120 * SLOWER)) "$TOP_BUILDDIR/tests/support/hostile" "$SERVER_PORT" cids 20000 3 \
		roamer-1 "$(cat "$LAB/roamer-1.psk")"
	echo "us of processor for each: $((($(ticks) - before) * 1000000 / $(getconf CLK_TCK) / 20000))"
	[ "$(metric postboot_address_changes_total)" -eq 0 ]
	[ "$(metric postboot_handshakes_total'{result="ok"}')" -eq 1 ]
	# All but what did not fit into the receive buffer.
	[ "$(metric 'postboot_connection_id_records_dropped_total{reason="forged"}')" -gt 2000 ]
	[ "$(metric 'postboot_connection_id_records_dropped_total{reason="unknown"}')" -gt 1000 ]
	device_start honest 1.0.0
	wait_event 30 '.device == "honest" and .data == "success"' >/dev/null
}

@test "connection ID: told by status while sessions have one; not given after connection-id = no" {
	server_start
	fleet 3
	idle() {
		timeout $((60 * SLOWER)) "$TOP_BUILDDIR/tests/load/postboot-load" \
			--server 127.0.0.1 --port "$SERVER_PORT" --psk-list "$LAB/keys" \
			--sessions 0 --idle 3 --cid --seconds 600 >"$LAB/idle" 2>&1 3>&- &
		IDLE_PID=$!
	}
	with_id() {
		[ "$(ctl -o json status | jq -c '[.sessions, .connection_ids]')" = "$1" ]
	}
	idle
	until_true 20 with_id '[3,3]'
	[[ $(ctl status || :) == *"3, with connection ID 3, handshakes 3"* ]]
	kill "$IDLE_PID"
	echo 'connection-id = no' >>"$LAB/postbootd.conf"
	kill -HUP "$SERVER_PID"
	until_true 20 grep -q 'reload key=connection-id' "$LAB/postbootd.log"
	idle
	until_true 20 with_id '[6,3]'
	kill "$IDLE_PID"
}
