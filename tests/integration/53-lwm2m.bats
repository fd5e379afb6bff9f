#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# LwM2M devices, as they are sold, and their updates.

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

lw() { # VERSION [OPTION...]
	device_start lw-1 "$1" --protocol lwm2m "${@:2}"
}

shows() { # NAME=VALUE...
	local option options=()
	for option in "$@"; do
		options+=(--protocol-option "$option")
	done
	ctl product set argon "${options[@]}" >/dev/null
}

no_success() {
	[ "$(count_events '.data == "success"')" -eq 0 ]
}

@test "lwm2m: pull, and success only after the reboot; weak, as it is only registered anew" {
	lw 1.0.0 --interval 20
	a=$(closed lw-1 30)
	[ "$(verdict "$a" '"\(.verdict) \(.via) \(.grade) \(.success)"')" = "updated ota weak true" ]
	ctl -o json attempt show "$a" | jq -e '
		([.ladder[] | select(.at).rung] | index("rebooted") <= index("running-target"))
		and .served_bytes >= .size'
	[ "$(count_events '.topic == "flash/status"')" -eq 2 ]
	wait_device 10 lw-1 '.state == "in-sync" and .running.version == "1.1.0"'
	cmp "$LAB/1.1.0.bin" "$LAB/lw-1/slot-active"
}

@test "lwm2m: push in blocks" {
	lw 1.0.0 --interval 20 --delivery push
	a=$(closed lw-1 60)
	[ "$(verdict "$a" .verdict)" = updated ]
	cmp "$LAB/1.1.0.bin" "$LAB/lw-1/slot-active"
}

@test "lwm2m: push in the blocks that the product wants, to a device that can do both" {
	shows lwm2m-transfer=push lwm2m-block=256
	lw 1.0.0 --interval 20
	a=$(closed lw-1 60)
	[ "$(verdict "$a" .verdict)" = updated ]
	grep -q 'offered by push' "$LAB/lw-1.log"
}

@test "lwm2m: a boot counter, an uptime, a digest, a confirmation make the proof strong" {
	shows lwm2m-boot-count=/33000/0/0 lwm2m-uptime=/33000/0/1 lwm2m-digest=/33000/0/2 \
		lwm2m-digest-kind=file lwm2m-confirmed=/33000/0/3 lwm2m-hardware=/3/0/18
	lw 1.0.0 --interval 2 --vendor-object 33000
	a=$(closed lw-1 30)
	[ "$(verdict "$a" '"\(.verdict) \(.grade)"')" = "updated strong" ]
	ctl -o json attempt show "$a" | jq -e '[.evidence[] | select(.held).item] ==
		["new-boot", "version", "digest", "confirmed"]'
}

@test "lwm2m: as Anjay does it" {
	lw 1.0.0 --interval 20 --style anjay
	a=$(closed lw-1 30)
	[ "$(verdict "$a" .verdict)" = updated ]
}

@test "lwm2m: as Zephyr does it" {
	lw 1.0.0 --style zephyr
	a=$(closed lw-1 60)
	[ "$(verdict "$a" .verdict)" = updated ]
}

@test "lwm2m: as Wakaama does it, State 1 at boot" {
	lw 1.0.0 --interval 20 --style wakaama
	a=$(closed lw-1 60)
	[ "$(verdict "$a" .verdict)" = updated ]
}

@test "lwm2m: 1.0 in TLV" {
	lw 1.0.0 --interval 20 --lwm2m 1.0
	a=$(closed lw-1 30)
	[ "$(verdict "$a" .verdict)" = updated ]
}
