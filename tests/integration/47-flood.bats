#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Floods, of strangers and of a device with a valid key: honest devices beside it get every answer,
# with no more than RFC 7252's retransmissions, and the server does not grow. Nothing is timed here;
# tests/load/flood.sh measures, and FLOOD_SECONDS and FLOOD_RATE make this longer and wilder.

load lib

RATE=${FLOOD_RATE-20000}
TIME=${FLOOD_SECONDS-2}
HONEST=4

setup() {
	lab_open
	server_start 'listen = coap://127.0.0.1:0'
	PLAIN_PORT=$(ctl -o json status | jq -r '.listen[] | select(startswith("coap:"))')
	PLAIN_PORT=${PLAIN_PORT##*:}
	product_add
	for id in honest-{1..4} flooder; do
		device_add "$id"
		echo "$id:$(cat "$LAB/$id.psk")" >>"$LAB/keys"
	done
	before=$(rss)
}

teardown() {
	lab_close
}

rss() { # KiB
	sed -n 's/^VmRSS:[[:space:]]*\([0-9]*\) kB/\1/p' "/proc/$SERVER_PID/status"
}

# Becomes the flood, so that the job's process is the flood's.
flood_run() {
	exec timeout $((120 * SLOWER + TIME)) "$TOP_BUILDDIR/tests/load/postboot-flood" "$@"
}

flood() {
	(flood_run "$@")
}

# beside WORDS...: that flood, and honest devices from before its beginning to its end.
beside() {
	flood_run "$SERVER_PORT" honest "$LAB/keys" "$HONEST" 50 "$((TIME + 1))" >"$LAB/honest" 3>&- &
	local honest=$!
	until_true 30 grep -q '^up' "$LAB/honest"
	flood "$@"
	wait $honest || {
		cat "$LAB/honest"
		return 1
	}
	cat "$LAB/honest"
}

# A sanitizer keeps freed memory for a while.
bounded() {
	local grown
	grown=$(($(rss) - before))
	echo "grown by $grown KiB"
	[ "$grown" -lt 8192 ] || [ "${SANITIZED-no}" != no ]
	server_stop
	! grep -E 'Sanitizer|runtime error' "$LAB/postbootd.log"
}

@test "flood: ClientHellos from everywhere" {
	beside "$SERVER_PORT" hellos "$RATE" "$TIME"
	[ "$(metric postboot_handshakes_open)" -eq 0 ]
	[ "$(metric postboot_datagrams_received_total)" -gt 1000 ]
	bounded
}

@test "flood: garbage from everywhere" {
	beside "$SERVER_PORT" garbage "$RATE" "$TIME"
	[ "$(metric postboot_datagrams_dropped_total)" -gt 1000 ]
	bounded
}

@test "flood: connection IDs at a guess" {
	beside "$SERVER_PORT" cids "$RATE" "$TIME"
	[ "$(metric 'postboot_connection_id_records_dropped_total{reason="unknown"}')" -gt 1000 ]
	[ "$(metric 'postboot_connection_id_records_dropped_total{reason="forged"}')" -eq 0 ]
	bounded
}

@test "flood: a device's own record again and again, and records forged in its name" {
	beside "$SERVER_PORT" replay "$LAB/keys" "$RATE" "$TIME"
	beside "$SERVER_PORT" forge "$LAB/keys" "$RATE" "$TIME"
	# They cost the device nothing.
	[ "$(metric 'postboot_messages_shed_total{reason="device"}')" -eq 0 ]
	[ "$(metric 'postboot_coap_responses_total{code="4.29"}')" -eq 0 ]
	bounded
}

@test "flood: plain requests from everywhere" {
	beside "$PLAIN_PORT" plain "$RATE" "$TIME"
	[ "$(metric 'postboot_messages_shed_total{reason="device"}')" -eq 0 ]
	[ "$(metric postboot_coap_requests_total)" -gt 1000 ]
	bounded
}

@test "flood: a device with a valid key asks for what is not there, reports, observes, pings" {
	# Alone first: of all kinds together the few refusals that are answered at all may be of
	# pings and repeats, which have no 4.29.
	flood "$SERVER_PORT" device "$LAB/keys" 404 2000 1
	[ "$(metric 'postboot_coap_responses_total{code="4.29"}')" -gt 0 ]
	for kind in 404 report observe ping bad same block; do
		flood_run "$SERVER_PORT" device "$LAB/keys" "$kind" "$RATE" 1 3>&- &
		flooders+=($!)
	done
	beside "$SERVER_PORT" device "$LAB/keys" 404 "$RATE" "$TIME"
	wait "${flooders[@]}"
	[ "$(metric 'postboot_messages_shed_total{reason="silent"}')" -gt 0 ]
	# The log says who it is, and that it goes on.
	grep -q '^<6>dev=flooder limited=requests refused=' "$LAB/postbootd.log"
	[ "$(grep -c 'dev=honest-[0-9] limited=' "$LAB/postbootd.log")" -eq 0 ]
	ctl -o json status | jq -e '.health == "ok" and any(.warnings[]; contains("were refused"))'
	curl -sS --fail --unix-socket "$POSTBOOT_SOCKET" http://localhost/v1/health |
		jq -e 'any(.conditions[]; .name == "shedding" and .severity == "warning")'
	until_true 60 grep -q '^<6>health=ok end=shedding lasted_s=' "$LAB/postbootd.log"
	bounded
}

@test "flood: a device that asks nonsense in a loop still gets the image that cures it" {
	release_add 1.0.0
	release_add 1.1.0
	ctl product target argon 1.1.0
	flood_run "$SERVER_PORT" device "$LAB/keys" 404 3500 600 3>&- &
	loop=$!
	until_true 30 eval '[ "$(metric "postboot_messages_shed_total{reason=\"device\"}")" -gt 0 ]'
	device_start flooder 1.0.0
	wait_event 60 '.device == "flooder" and .data == "success"'
	kill -0 $loop
	stop $loop
	bounded
}

@test "flood: limits reload, and beyond that of all the answer is 5.03" {
	echo 'requests-per-second = 2' >>"$LAB/postbootd.conf"
	kill -HUP "$SERVER_PID"
	until_true 10 grep -q 'reload=done' "$LAB/postbootd.log"
	flood "$SERVER_PORT" device "$LAB/keys" observe 100 1
	[ "$(metric 'postboot_messages_shed_total{reason="all"}')" -gt 0 ]
	[ "$(metric 'postboot_coap_responses_total{code="5.03"}')" -gt 0 ]
	[ "$(metric 'postboot_coap_responses_total{code="4.29"}')" -eq 0 ]
	bounded
}
