#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Updates that go well, and what an operator can do about them.

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

@test "update: success comes only after the reboot, with every proof" {
	device_start argon-1 1.0.0
	a=$(closed argon-1 30)
	[ "$(verdict "$a" '"\(.verdict) \(.via) \(.grade) \(.success)"')" = "updated ota strong true" ]
	ctl -o json attempt show "$a" | jq -e 'all(.evidence[]; .held)
		and ([.ladder[] | select(.at).rung] | index("rebooted") < index("running-target"))'
	events | jq -se '
		[.[] | {t: .topic, d: .data}] as $e |
		($e | index({t: "spark/flash/status", d: "started"})) as $started |
		($e | index({t: "spark/flash/status", d: "success"})) as $success |
		([.[] | .topic == "spark/device/boot" and .running == "1.1.0"] | index(true)) as $boot |
		$started < $boot and $boot < $success'
	[ "$(count_events '.topic == "flash/status"')" -eq 2 ]
	wait_device 10 argon-1 '.state == "in-sync" and .running.version == "1.1.0"'
	cmp "$LAB/1.1.0.bin" "$LAB/argon-1/slot-active"
}

@test "update: watch follows an attempt to its verdict" {
	device_start argon-1 1.0.0
	run ctl attempt watch argon-1 --wait
	[ "$status" -eq 0 ]
	[[ $output == *applying*rebooted*success* ]]
}

@test "update: lock to an older release and back" {
	device_start argon-1 1.1.0
	wait_device 20 argon-1 '.state == "in-sync"'
	ctl device lock argon-1 1.0.0
	a=$(closed argon-1 30)
	[ "$(verdict "$a" '"\(.verdict) \(.version)"')" = "updated 1.0.0" ]
	mark
	ctl device unlock argon-1
	a=$(closed argon-1 30)
	[ "$(verdict "$a" '"\(.verdict) \(.version)"')" = "updated 1.1.0" ]
}

@test "update: hold keeps a device from being offered anything" {
	ctl device hold argon-1
	device_start argon-1 1.0.0
	wait_device 20 argon-1 '.running and ([.blocked_by[].name] | index("held") != null)'
	[ "$(count_events '.topic == "flash/status"')" -eq 0 ]
	ctl device unhold argon-1
	a=$(closed argon-1 30)
	[ "$(verdict "$a" .verdict)" = updated ]
}

@test "update: an open attempt keeps its release, and is cancelled with its device" {
	device_start argon-1 1.0.0 --fault never-return
	wait_device 20 argon-1 '.attempt.state == "applying"'
	a=$(ctl -o json device show argon-1 | jq .attempt.id)
	ctl product target argon none
	run ctl release remove argon 1.1.0
	[ "$status" -eq 1 ]
	run ctl attempt cancel "$a"
	[ "$status" -eq 1 ]
	ctl device remove argon-1
	wait_event 10 ".attempt == $a and .verdict == \"cancelled\" and .charged == false"
	ctl release remove argon 1.1.0
}

@test "update: a device with updates disabled is told, and forced" {
	device_start argon-1 1.0.0 --fault updates-disabled
	wait_event 20 '.topic == "updates/pending" and .data == "true"'
	wait_device 10 argon-1 '[.blocked_by[].name] | index("updates-disabled") != null'
	[ "$(count_events '.topic == "flash/status"')" -eq 0 ]
	ctl device force argon-1
	a=$(closed argon-1 30)
	[ "$(verdict "$a" '"\(.verdict) \(.forced)"')" = "updated true" ]
}

@test "update: a device that defers is asked again, and nobody is charged" {
	device_start argon-1 1.0.0 --fault defer:3
	wait_event 20 '.verdict == "refused" and .charged == false'
	wait_event 30 '.data == "success"'
}

@test "update: the server restarts in the middle, and the verdict is the same" {
	device_start argon-1 1.0.0 --fault power-cut:100000 --fault delay:20
	wait_event 20 '.data == "started"'
	server_stop
	server_start
	a=$(closed argon-1 60)
	[ "$(verdict "$a" .verdict)" = updated ]
	[ "$(count_events '.data == "started"')" -eq 1 ]
}
