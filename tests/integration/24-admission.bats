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
