#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2034 # DEVICE_PID is of lib
# LwM2M devices that sleep, servers that die in the middle, and many devices at once.

load lib

setup() {
	lab_open
	server_start
	product_add
	release_add 1.0.0
	release_add 1.1.0
	ctl product target argon 1.1.0
	device_add lw-1
}

teardown() {
	lab_close
}

lw() { # [OPTION...]
	device_start lw-1 1.0.0 --protocol lwm2m --interval 20 "$@"
}

said() { # WORDS: on the device's console
	grep -q "$1" "$LAB/lw-1.log"
}

@test "lwm2m queue mode: the server waits until the device wakes, and updates it then" {
	ctl product target argon none
	ctl product set argon --protocol-option lwm2m-listen=1
	lw --queue --awake 2 --interval 5
	wait_device 20 lw-1 '.state == "in-sync" or .running.version == "1.0.0"'
	until_true 20 said asleep
	ctl product target argon 1.1.0
	a=$(closed lw-1 40)
	[ "$(verdict "$a" .verdict)" = updated ]
}

@test "lwm2m: the server restarts while the device downloads, and the verdict is the same" {
	lw --fault delay:10 --style anjay --download same
	wait_event 20 '.data == "started"'
	server_stop
	server_start
	a=$(closed lw-1 90)
	[ "$(verdict "$a" .verdict)" = updated ]
	[ "$(count_events '.data == "started"')" -eq 1 ]
}

@test "lwm2m: kill -9 of the server between Execute and the boot" {
	lw --boot-time 3000
	wait_event 20 '.topic == "flash/status" and .data == "started"'
	until_true 20 said 'handed over'
	kill -9 "$SERVER_PID"
	wait "$SERVER_PID" || :
	server_start
	a=$(closed lw-1 60)
	[ "$(verdict "$a" .verdict)" = updated ]
	[ "$(count_events '.data == "started"')" -eq 1 ]
}

@test "lwm2m: kill -9 of the device while it downloads: a power cut, and it goes on" {
	lw --fault delay:10 --style anjay --download same
	until_true 20 said 'downloaded'
	kill -9 "${DEVICE_PID[lw-1]}"
	wait "${DEVICE_PID[lw-1]}" || :
	lw
	a=$(closed lw-1 60)
	[ "$(verdict "$a" .verdict)" = updated ]
	said 'goes on at byte'
}

@test "lwm2m: who de-registers is gone, and comes back" {
	ctl product target argon none
	lw
	until_true 20 said 'session up'
	seen=$(date +%s%3N)
	wait_device 20 lw-1 '.online and .running.version == "1.0.0"'
	until_true 20 quiet
	ended=$(date +%s%3N)
	device_stop lw-1
	until_true 20 left
	# The last line, too, has the time at which it was written.
	[ "$(stamps | tail -n 1)" -ge $((ended - seen)) ]
	lw
	until_true 20 registered
}

@test "lwm2m: a device that stays in State 3 is given up, though its session sleeps between two looks" {
	server_stop
	echo 'hibernate-after = 1s' >>"$LAB/postbootd.conf"
	server_start
	ctl product set argon stall-s=600 --protocol-option lwm2m-poll=5
	lw --fault boot-state:3
	a=$(closed lw-1 90)
	[ "$(verdict "$a" '"\(.verdict) \(.reason)"')" = 'refused busy' ]
}

stamps() { # the times of the device's console, in ms
	sed -n 's/^\[ *\([0-9]*\)\.\([0-9]*\)\] .*/\1\2/p' "$LAB/lw-1.log"
}

quiet() { # for half a second nothing was said
	[ $(($(date +%s%3N) - seen)) -gt $(($(stamps | tail -n 1) + 500)) ]
}

left() {
	ctl device show lw-1 | grep -q 'de-registered'
}

registered() {
	ctl device show lw-1 | grep -q 'registration */rd/'
}

@test "lwm2m: a registration under another name is refused with a reason" {
	lw --fault wrong-name
	until_true 20 said 'registration: 4\.'
	# many clients do not show the reason: the operator's log does
	until_true 20 grep -q 'dev=lw-1 talk=lwm2m note="registration refused, 4.03: ep: ' \
		"$LAB/postbootd.log"
	sleep 1
	[ "$(ctl -o json device show lw-1 | jq .running)" = null ]
}

successes() {
	[ "$(count_events '.data == "success"')" -ge "$1" ]
}

@test "lwm2m: a fleet of ${POSTBOOT_LWM2M_FLEET:-50} is updated, each device once" {
	fleet=${POSTBOOT_LWM2M_FLEET:-50}
	for i in $(seq -f '%05.0f' "$fleet"); do
		ctl device add "fleet-$i" --product argon --psk-generate --psk-out "$LAB/psk" >/dev/null
		echo "fleet-$i:$(cat "$LAB/psk")"
		rm "$LAB/psk"
	done >"$LAB/keys"
	image 1.0.0
	"$POSTBOOT_DEVICE" --protocol lwm2m --server "$SERVER_URI" --id fleet --count "$fleet" \
		--psk-list "$LAB/keys" --state "$LAB/fleet" --hardware argon --version 1.0.0 \
		--image "$LAB/1.0.0.bin" --lifetime 600 --quiet >"$LAB/fleet.log" 2>&1 3>&- &
	id=fleet
	DEVICE_PID[$id]=$!
	until_true $((60 + fleet / 3)) successes "$fleet"
	ctl -o json event list --after 0 >"$LAB/events"
	[ "$(jq '[.events[] | select(.data == "success") | .device] | unique | length' "$LAB/events")" = "$fleet" ]
	[ "$(jq '[.events[] | select(.verdict and .verdict != "updated")] | length' "$LAB/events")" = 0 ]
}
