#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Devices whose storage or boot loader lets them down.

load lib

setup() {
	lab_open
	server_start
	product_add
	release_add 1.0.0
	release_add 1.1.0
	ctl product target argon 1.1.0
	device_add argon-1
}

teardown() {
	lab_close
}

@test "fs-full: reverted twice, the second time fresh, held, explained, and cured" {
	device_start argon-1 1.0.0 --fault fs-full:1
	a=$(closed argon-1 30)
	[ "$(verdict "$a" '"\(.verdict) \(.charged) \(.fresh)"')" = "reverted true false" ]
	diagnosed "$a" storage-full
	wait_device 30 argon-1 '.state == "held" and .hold.reason == "reverts"'
	ctl -o json attempt list --device argon-1 | jq -e '
		[.attempts[] | [.verdict, .fresh, .served_bytes >= .size]] ==
			[["reverted", true, true], ["reverted", false, true]]'
	[ "$(count_events '.data == "success"')" -eq 0 ]
	ctl -o json explain argon-1 | jq -e '[.diagnoses[].name] | index("storage-full") != null'
	mark
	space_free argon-1
	ctl device unhold argon-1
	a=$(closed argon-1 30)
	[ "$(verdict "$a" .verdict)" = updated ]
}

@test "fs-full with an old agent: the second attempt is seen as cached" {
	device_start argon-1 1.0.0 --fault cached --fault fs-full:1
	wait_device 40 argon-1 '.state == "held"'
	a=$(ctl -o json attempt list --device argon-1 | jq '.attempts[0].id')
	[ "$(verdict "$a" '"\(.verdict) \(.cached) \(.served_bytes)"')" = "reverted true 0" ]
	diagnosed "$a" cached-image
	diagnosed "$a" re-flash-loop
}

@test "bootloader-reject: failed, with the boot loader named" {
	device_start argon-1 1.0.0 --fault bootloader-reject
	a=$(closed argon-1 30)
	[[ $(verdict "$a" .verdict) =~ ^(device-failed|reverted)$ ]]
	[ "$(verdict "$a" .reason)" = boot-loader ]
	diagnosed "$a" boot-loader-rejected
}

@test "bad-flash: the device finds out and says so" {
	device_start argon-1 1.0.0 --fault bad-flash:70000
	a=$(closed argon-1 40)
	[ "$(verdict "$a" '"\(.verdict) \(.reason)"')" = "device-failed bad-digest" ]
}

@test "power-cut at many bytes: interrupted, resumed, updated" {
	device_start argon-1 1.0.0 --fault power-cut:1 --fault power-cut:65536 --fault power-cut:245759
	a=$(closed argon-1 60)
	[ "$(verdict "$a" .verdict)" = updated ]
	[ "$(verdict "$a" .interruptions)" -ge 2 ]
	[ "$(count_events '.data == "started"')" -eq 1 ]
}

@test "power-cut too often: interrupted" {
	ctl product set argon max-interruptions=1
	device_start argon-1 1.0.0 --fault power-cut:50000 --fault power-cut:100000 \
		--fault power-cut:150000 --fault power-cut:200000
	a=$(closed argon-1 60)
	[ "$(verdict "$a" .verdict)" = interrupted ]
}

@test "brown-out before the hand-over: not a revert, and it goes on" {
	device_start argon-1 1.0.0 --fault brown-out:before
	a=$(closed argon-1 60)
	[ "$(verdict "$a" '"\(.verdict) \(.interruptions)"')" = "updated 1" ]
}

@test "brown-out after the hand-over: updated all the same" {
	device_start argon-1 1.0.0 --fault brown-out:after
	a=$(closed argon-1 40)
	[ "$(verdict "$a" .verdict)" = updated ]
}
