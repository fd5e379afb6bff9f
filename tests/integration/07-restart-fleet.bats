#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2034 # DEVICE_PID is of lib
# SIGTERM with downloads, commits, an upload and a reader of events under way, several times.

load lib

setup() {
	lab_open
}

teardown() {
	lab_close
}

FLEET=40

# terminate: the server must end in order, and in time.
terminate() {
	local begun=$SECONDS
	kill -TERM "$SERVER_PID"
	wait "$SERVER_PID"
	((SECONDS - begun < 60 * SLOWER))
	SERVER_PID=
}

successes() {
	[ "$(count_events '.data == "success"')" -ge "$1" ]
}

@test "a fleet is updated over stops in the middle of it" {
	server_start
	product_add
	image 1.0.0
	release_add 1.0.0
	release_add 1.1.0
	for i in $(seq -f '%05.0f' "$FLEET"); do
		ctl device add "fleet-$i" --product argon --psk-generate --psk-out "$LAB/psk" >/dev/null
		echo "fleet-$i:$(cat "$LAB/psk")"
		rm "$LAB/psk"
	done >"$LAB/keys"
	ctl product target argon 1.1.0 >/dev/null
	"$POSTBOOTCTL" -o json event follow --after 0 >"$LAB/followed" 2>/dev/null 3>&- &
	id=follower
	DEVICE_PID[$id]=$!
	"$POSTBOOT_DEVICE" --server "$SERVER_URI" --id fleet --count "$FLEET" --psk-list "$LAB/keys" \
		--state "$LAB/fleet" --hardware argon --version 1.0.0 --image "$LAB/1.0.0.bin" \
		--interval 1 --boot-time 300 --block 256 --quiet >"$LAB/fleet.log" 2>&1 3>&- &
	id=fleet
	DEVICE_PID[$id]=$!
	for done in 1 10 20; do
		until_true 60 successes "$done"
		release_add "1.2.$done" & # an act under way, too: done, or told that it was not
		act=$!
		terminate
		acted=0
		wait "$act" || acted=$?
		server_start
		there=$(ctl -o json release list argon | jq --arg v "1.2.$done" \
			'[.releases[] | select(.version == $v)] | length')
		[ "$acted" -ne 0 ] || [ "$there" = 1 ]
	done
	until_true 90 successes "$FLEET"
	device_stop fleet
	ctl -o json event list --after 0 >"$LAB/events"
	# No number is left out; each started has its one end; each device its one success.
	jq -e '[.events[].seq] | . == [range(1; length + 1)]' "$LAB/events" >/dev/null
	jq -e '[.events[] | select(.attempt and (.data == "started" or .verdict))] | group_by(.attempt) |
		all(.[]; ([.[] | select(.data == "started")] | length) == 1 and
			([.[] | select(.verdict)] | length) == 1)' "$LAB/events" >/dev/null
	[ "$(jq '[.events[] | select(.data == "success") | .device] | unique | length' "$LAB/events")" = "$FLEET" ]
	# Who followed has seen the same, once.
	until_true 20 eval '[ "$(wc -l <"$LAB/followed")" = "$(jq ".events | length" "$LAB/events")" ]'
	device_stop follower
	[ "$(jq -s 'map(.seq)' -c "$LAB/followed")" = "$(jq -c '.events | map(.seq)' "$LAB/events")" ]
}
