#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Devices that boot, or say they did, other than they should.

load lib

setup() {
	lab_open
	server_start
	product_add stall-s=4
	release_add 1.0.0
	release_add 1.1.0
	ctl product target argon 1.1.0
	device_add argon-1
}

teardown() {
	lab_close
}

no_success() {
	[ "$(count_events '.data == "success"')" -eq 0 ]
}

@test "liar:old-image: claims and reboots do not help, it runs the old image" {
	device_start argon-1 1.0.0 --fault liar:old-image
	a=$(closed argon-1 30)
	[ "$(verdict "$a" .verdict)" = reverted ]
	no_success
}

@test "liar:no-reboot: the new version in the old boot is no success" {
	device_start argon-1 1.0.0 --fault liar:no-reboot
	a=$(closed argon-1 30)
	[[ $(verdict "$a" .verdict) =~ ^(never-rebooted|unproven)$ ]]
	ctl -o json attempt show "$a" | jq -e 'any(.evidence[]; .item == "new-boot" and (.held | not))'
	no_success
}

@test "never-reboot: the deadline says so, and why" {
	device_start argon-1 1.0.0 --fault never-reboot
	a=$(closed argon-1 30)
	[ "$(verdict "$a" .verdict)" = never-rebooted ]
	diagnosed "$a" reset-blocked
	no_success
}

@test "never-return: never came back" {
	device_start argon-1 1.0.0 --fault never-return
	a=$(closed argon-1 30)
	[ "$(verdict "$a" .verdict)" = never-came-back ]
	diagnosed "$a" silent-since
	no_success
}

@test "crash-loop: unstable in probation" {
	ctl product set argon probation-s=60 stall-s=60
	device_start argon-1 1.0.0 --fault crash-loop:8
	a=$(closed argon-1 60)
	[ "$(verdict "$a" .verdict)" = unstable ]
	diagnosed "$a" crash-loop
	no_success
}

@test "crash-loop, then back to the old image: rolled back" {
	ctl product set argon probation-s=60 stall-s=60
	device_start argon-1 1.0.0 --fault crash-loop:1,revert
	a=$(closed argon-1 60)
	[ "$(verdict "$a" .verdict)" = rolled-back ]
	no_success
}

@test "rollback-after within probation: rolled back" {
	ctl product set argon probation-s=60 stall-s=60
	device_start argon-1 1.0.0 --fault rollback-after:2
	a=$(closed argon-1 60)
	[ "$(verdict "$a" .verdict)" = rolled-back ]
	no_success
}

@test "rollback-after a success: drifted, and not flashed again" {
	device_start argon-1 1.0.0 --fault rollback-after:4
	a=$(closed argon-1 30)
	[ "$(verdict "$a" .verdict)" = updated ]
	wait_event 30 '.topic == "device/drift"'
	wait_device 10 argon-1 '.drifted and ([.blocked_by[].name] | index("drifted") != null)'
	[ "$(count_events '.data == "started"')" -eq 1 ]
}

@test "probation: success only when it has been healthy so long" {
	ctl product set argon probation-s=3 stall-s=60
	device_start argon-1 1.0.0
	a=$(closed argon-1 60)
	[ "$(verdict "$a" .verdict)" = updated ]
	ctl -o json attempt show "$a" | jq -e 'any(.evidence[]; .item == "stable" and .held)'
}

@test "wrong-label: right bytes, other label, held at once" {
	device_start argon-1 1.0.0 --fault wrong-label:9.9.9
	a=$(closed argon-1 30)
	[ "$(verdict "$a" .verdict)" = label-mismatch ]
	diagnosed "$a" label-is-not-image
	wait_device 10 argon-1 '.hold.reason == "label-mismatch"'
	no_success
}

@test "wrong-digest: right label, other bytes, held at once" {
	device_start argon-1 1.0.0 --fault wrong-digest
	a=$(closed argon-1 30)
	[ "$(verdict "$a" .verdict)" = digest-mismatch ]
	wait_device 10 argon-1 '.hold.reason == "digest-mismatch"'
	no_success
}

@test "no-confirm: runs the new image, never makes it permanent" {
	device_start argon-1 1.0.0 --fault no-confirm
	a=$(closed argon-1 30)
	[ "$(verdict "$a" .verdict)" = not-confirmed ]
	no_success
}

@test "no-gate-answer: a lost answer to applying costs nothing" {
	ctl product set argon stall-s=60
	device_start argon-1 1.0.0 --fault no-gate-answer
	a=$(closed argon-1 60)
	[ "$(verdict "$a" .verdict)" = updated ]
}

boots() { # N: so many boots are in the journal
	jq -s --argjson n "$1" -e \
		'([.[] | select(.event == "boot") | .boot_id] | unique | length) >= $n' "$journal"
}

@test "power-loss: new boots again and again, and the journal has what really ran" {
	journal=$LAB/journal
	ctl product set argon max-interruptions=100 stall-s=60
	device_start argon-1 1.0.0 --fault power-loss:2 --journal "$journal"
	a=$(closed argon-1 60)
	[ "$(verdict "$a" .verdict)" = updated ]
	until_true 30 boots 3
	[ "$(jq -s --argjson a "$a" 'any(.event == "applying" and .attempt == $a)' "$journal")" = true ]
	last=$(jq -s '[.[] | select(.event == "boot")] | last' "$journal")
	[ "$(jq -r .version <<<"$last")" = 1.1.0 ]
	[ "$(jq -r .sha256 <<<"$last")" = "$(sha256sum <"$LAB/1.1.0.bin" | cut -d ' ' -f 1)" ]
}

@test "a journal that cannot be written is told" {
	image 1.0.0
	run device_run argon-1 1.0.0 --journal "$LAB/none/journal"
	[ "$status" -eq 2 ]
	[[ $output == *"$LAB/none/journal: No such file or directory"* ]]
}
