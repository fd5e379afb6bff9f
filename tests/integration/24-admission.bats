#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# More devices than may download at the same time: they take turns, and lose nothing by it.

load lib

setup() {
	lab_open
	server_start 'max-downloads = 1' 'device-rate = 2K' # two minutes for the image
	product_add
	release_add 1.0.0
	release_add 1.1.0
	ctl product target argon 1.1.0
}

teardown() {
	lab_close
}

status_says() { # JQ
	ctl -o json status | jq -e "$1" >/dev/null
}

group_says() { # JQ
	ctl -o json group show argon cell | jq -e "$1" >/dev/null
}

@test "admission: one at a time, and nothing is counted against those who wait" {
	ids='argon-1 argon-2 argon-3'
	for id in $ids; do
		device_add $id
	done
	device_start argon-1 1.0.0
	until_true 20 status_says '.downloads.active == 1 and .downloads.limit == 1'
	device_start argon-2 1.0.0
	device_start argon-3 1.0.0
	until_true 20 status_says '.downloads.turned_away >= 2'
	[ "$(metric postboot_downloads_limit)" -eq 1 ]
	[ "$(metric postboot_downloads_turned_away_total)" -ge 2 ]
	run ctl status
	[[ $output =~ downloads\ +1\ of\ 1\ under\ way,\ [12]\ waiting ]]
	# Whoever of the two waits is told of as one who waits, and of nothing else.
	id=$(ctl -o json device list | jq -r '.devices[] |
		select([.blocked_by[].name] == ["admission"]) | .id' | tail -n 1)
	[ -n "$id" ]
	run ctl explain $id
	[[ $output == *'as many devices as may are downloading'* ]]
	[[ $output == *'1 download at a time; it has waited for '* ]]
	[[ $output == *'nothing is counted against it'* ]]
	[ "$(count_events '.data == "started"')" -le 1 ]
	sed -i '/^device-rate/d' "$LAB/postbootd.conf"
	kill -HUP "$SERVER_PID"
	for id in $ids; do
		a=$(closed $id 60)
		[ "$(verdict "$a" .verdict)" = updated ]
		cmp "$LAB/1.1.0.bin" "$LAB/$id/slot-active"
	done
	[ "$(count_events '.data == "started"')" -eq 3 ]
	[ "$(count_events '.data == "failed"')" -eq 0 ]
	status_says '.downloads.active == 0 and .downloads.waiting == 0'
}

@test "admission: a group's own limit, which holds up nobody else" {
	sed -i '/^device-rate/d; s/^max-downloads.*/max-downloads = any/' "$LAB/postbootd.conf"
	kill -HUP "$SERVER_PID"
	ctl group add argon cell >/dev/null
	run ctl group set argon cell image-rate=1K
	[ "$status" -eq 1 ]
	[[ $output == *"image_rate: not a number from 2048 to 1073741824"* ]]
	run ctl group set argon cell max-downloads=many
	[ "$status" -eq 2 ]
	[[ $output == *'"many" is not a number, or any'* ]]
	ctl group set argon cell max-downloads=1 image-rate=2K >/dev/null
	for id in argon-1 argon-2 argon-3; do
		device_add $id
	done
	ctl device group argon-1 cell >/dev/null
	ctl device group argon-2 cell >/dev/null
	device_start argon-1 1.0.0
	until_true 20 group_says '.downloads == {"active": 1, "waiting": 0, "limit": 1}'
	device_start argon-2 1.0.0
	until_true 20 group_says '.downloads.waiting == 1'
	[[ $(ctl group show argon cell) == *"1 of 1 under way, 1 waiting; 2,048 bytes a second"* ]]
	[ "$(metric 'postboot_group_downloads_waiting{product="argon",group="cell"}')" -eq 1 ]
	run ctl explain argon-2
	[[ ${output//$'\n'/ } == *'1 download at a time of devices of group cell'* ]]
	# whoever is not in it comes at once, and at any rate
	device_start argon-3 1.0.0
	a=$(closed argon-3 60)
	[ "$(verdict "$a" .verdict)" = updated ]
	group_says '.downloads.active == 1'
	ctl group set argon cell max-downloads=any image-rate= >/dev/null
	group_says '.max_downloads == null and .image_rate == null'
	for id in argon-1 argon-2; do
		a=$(closed $id 60)
		[ "$(verdict "$a" .verdict)" = updated ]
	done
	[ "$(count_events '.data == "failed"')" -eq 0 ]
	ctl -o json audit list --object "argon cell" | jq -e '[.audit[] | select(.act == "group set")] | length == 2'
}
