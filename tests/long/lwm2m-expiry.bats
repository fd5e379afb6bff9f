#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2034,SC2154 # DEVICE_PID is of lib
# A registration that expires: more than a minute, as a device has 60 s beyond its lifetime. In make
# check it is test_lwm2m_register, in virtual time.

load ../integration/lib

setup() {
	lab_open
	server_start 'hibernate-after = 1s'
	product_add
	release_add 1.0.0
	release_add 1.1.0
	device_add lw-1
}

teardown() {
	lab_close
}

lw() {
	device_start lw-1 1.0.0 --protocol lwm2m --interval 5 --lifetime 10
}

@test "lwm2m: a registration expires, the device is offline, and is updated when it is back" {
	lw
	wait_device 20 lw-1 '.online and .running.version == "1.0.0"'
	kill -9 "${DEVICE_PID[lw-1]}"
	wait "${DEVICE_PID[lw-1]}" || :
	mark
	wait_event 100 '.topic == "device/offline"'
	[ "$(ctl -o json device show lw-1 | jq .online)" = false ]
	# nothing is asked of it meanwhile
	ctl product target argon 1.1.0
	ctl explain lw-1 | grep -q '^  offline$'
	lw
	a=$(closed lw-1 60)
	[ "$(verdict "$a" .verdict)" = updated ]
	wait_device 20 lw-1 '.online and .running.version == "1.1.0"'
}
