#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Two units with one key, late messages, and bad links.

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

@test "clone: two units with one key are noticed and held" {
	device_start argon-1 1.0.0 --fault clone
	wait_device 60 argon-1 '.hold.reason == "identity-conflict"'
	wait_event 10 '.topic == "device/held" and .reason == "identity-conflict"'
}

@test "old-boot: a late report of the boot before changes nothing" {
	device_start argon-1 1.0.0 --fault old-boot
	a=$(closed argon-1 30)
	[ "$(verdict "$a" .verdict)" = updated ]
	wait_device 10 argon-1 '.running.version == "1.1.0" and .boot.seq == 2'
}

link() { # FAULT...: byte-exact over a bad link
	local fault args=()
	for fault; do
		args+=(--fault "$fault")
	done
	device_start argon-1 1.0.0 --seed 7 \
		--ack-timeout 1000 --max-retransmit 1 "${args[@]}"
	a=$(closed argon-1 100)
	[ "$(verdict "$a" .verdict)" = updated ]
	[ "$(count_events '.data == "started"')" -eq 1 ]
	cmp "$LAB/1.1.0.bin" "$LAB/argon-1/slot-active"
}

@test "loss: a tenth of the datagrams lost" {
	ctl product set argon stall-s=120
	link loss:10
}

@test "dup and reorder: datagrams twice and out of order" {
	link dup:20 reorder:20
}

@test "delay: a slow link" {
	link delay:50
}

# Without connection IDs each new address costs a time-out and a handshake.
@test "rebind: a new address in the middle of the download" {
	ctl product set argon stall-s=120
	link rebind:10 delay:100
}

@test "a wrong key gets no session" {
	echo 00112233445566778899aabbccddeeff >"$LAB/argon-1.psk"
	device_start argon-1 1.0.0
	wait_status() { [ "$(ctl -o json status | jq .handshakes.failed)" -gt 0 ]; }
	until_true 20 wait_status
	ctl -o json device show argon-1 | jq -e '.running == null'
}
