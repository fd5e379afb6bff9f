#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2034 # DEVICE_PID is of lib
# LwM2M devices that sleep, servers that die in the middle, and many devices at once.

load lib
load aside

# tests/long/lwm2m-fleet.sh wants nothing but the fleet.
setup_file() {
	[ -n "${POSTBOOT_LWM2M_FLEET-}" ] || aside_start queue restart kill cut leave stuck name
}

teardown_file() {
	aside_stop
}

setup_case() {
	server_start
	product_add
	release_add 1.0.0
	release_add 1.1.0
	ctl product target argon 1.1.0
	device_add lw-1
}

lw() { # [OPTION...]
	device_start lw-1 1.0.0 --protocol lwm2m --interval 20 "$@"
}

said() { # WORDS: on the device's console
	grep -q "$1" "$LAB/lw-1.log"
}

case_queue() {
	ctl product target argon none
	ctl product set argon --protocol-option lwm2m-listen=1
	lw --queue --awake 2 --interval 5
	wait_device 20 lw-1 '.state == "in-sync" or .running.version == "1.0.0"'
	until_true 20 said asleep
	ctl product target argon 1.1.0
	a=$(closed lw-1 40)
	[ "$(verdict "$a" .verdict)" = updated ]
}

@test "lwm2m queue mode: the server waits until the device wakes, and updates it then" {
	aside queue
}

case_restart() {
	lw --fault delay:10 --style anjay --download same
	wait_event 20 '.data == "started"'
	server_stop
	server_start
	a=$(closed lw-1 90)
	[ "$(verdict "$a" .verdict)" = updated ]
	[ "$(count_events '.data == "started"')" -eq 1 ]
}

@test "lwm2m: the server restarts while the device downloads, and the verdict is the same" {
	aside restart
}

case_kill() {
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

@test "lwm2m: kill -9 of the server between Execute and the boot" {
	aside kill
}

case_cut() {
	lw --fault delay:10 --style anjay --download same
	until_true 20 said 'downloaded'
	kill -9 "${DEVICE_PID[lw-1]}"
	wait "${DEVICE_PID[lw-1]}" || :
	lw
	a=$(closed lw-1 60)
	[ "$(verdict "$a" .verdict)" = updated ]
	said 'goes on at byte'
}

@test "lwm2m: kill -9 of the device while it downloads: a power cut, and it goes on" {
	aside cut
}

case_leave() {
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

@test "lwm2m: who de-registers is gone, and comes back" {
	aside leave
}

case_stuck() {
	server_stop
	echo 'hibernate-after = 1s' >>"$LAB/postbootd.conf"
	server_start
	ctl product set argon stall-s=600 --protocol-option lwm2m-poll=3
	lw --fault boot-state:3
	a=$(closed lw-1 90)
	[ "$(verdict "$a" '"\(.verdict) \(.reason)"')" = 'refused busy' ]
}

@test "lwm2m: a device that stays in State 3 is given up, though its session sleeps between two looks" {
	aside stuck
}

stamps() { # the times of the device's console, in ms
	sed -n 's/^\[ *\([0-9]*\)\.\([0-9]*\)\] .*/\1\2/p' "$LAB/lw-1.log"
}

quiet() { # for half a second nothing was said
	[ $(($(date +%s%3N) - seen)) -gt $((10#$(stamps | tail -n 1) + 500)) ]
}

left() {
	ctl device show lw-1 | grep -q 'de-registered'
}

registered() {
	ctl device show lw-1 | grep -q 'registration */rd/'
}

case_name() {
	lw --fault wrong-name
	until_true 20 said 'registration: 4\.'
	# many clients do not show the reason: the operator's log does
	until_true 20 grep -q 'dev=lw-1 talk=lwm2m note="registration refused, 4.03: ep: ' \
		"$LAB/postbootd.log"
	sleep 1
	[ "$(ctl -o json device show lw-1 | jq .running)" = null ]
	ctl explain lw-1 | grep -q 'Its newest registration was refused: 4.03 ep: '
}

@test "lwm2m: a registration under another name is refused with a reason" {
	aside name
}

# ---- many at once ----

setup() {
	LAB=
}

teardown() {
	lab_close
}

successes() {
	metric 'postboot_attempts_closed_total{verdict="updated"}'
}

# all_updated N: as long as one more comes every two minutes it goes on, however busy the machine
# is, but not for ever.
all_updated() {
	local now=0 before=0 end=$((SECONDS + 120 * SLOWER)) last=$((SECONDS + 1500 * SLOWER))
	while [ "$now" -lt "$1" ]; do
		sleep 0.5
		now=$(successes)
		[ "$now" -eq "$before" ] || end=$((SECONDS + 120 * SLOWER))
		before=$now
		if ((SECONDS >= end || SECONDS >= last)); then
			echo "$now of $1 updated; then nothing more, or not in time" >&2
			postboot_tail >&2
			return 1
		fi
	done
}

postboot_tail() {
	ctl status || :
	tail -n 20 "$LAB/postbootd.log" "$LAB/fleet.log"
}

@test "lwm2m: a fleet of ${POSTBOOT_LWM2M_FLEET:-50} is updated, each device once" {
	fleet=${POSTBOOT_LWM2M_FLEET:-50}
	lab_open
	server_start
	# a device may wait for its turn of a busy machine
	product_add stall-s=1200
	release_add 1.0.0
	release_add 1.1.0
	ctl product target argon 1.1.0
	{
		echo id
		seq -f 'fleet-%05.0f' "$fleet"
	} >"$LAB/devices.csv"
	ctl device import "$LAB/devices.csv" --product argon --psk-out "$LAB/keys.csv" >/dev/null
	"$POSTBOOT_DEVICE" --protocol lwm2m --server "$SERVER_URI" --id fleet --count "$fleet" \
		--psk-list "$LAB/keys.csv" --state "$LAB/fleet" --hardware argon --version 1.0.0 \
		--image "$LAB/1.0.0.bin" --lifetime 1200 --quiet >"$LAB/fleet.log" 2>&1 3>&- &
	id=fleet
	DEVICE_PID[$id]=$!
	all_updated "$fleet"
	ctl -o json event list --after 0 >"$LAB/events"
	[ "$(jq '[.events[] | select(.data == "success") | .device] | unique | length' "$LAB/events")" = "$fleet" ]
	[ "$(jq '[.events[] | select(.verdict and .verdict != "updated")] | length' "$LAB/events")" = 0 ]
}
