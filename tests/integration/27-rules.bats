#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Which device may have which release, and when.

load lib

setup() {
	bats_require_minimum_version 1.5.0 2>/dev/null || :
	lab_open
	server_start
	product_add
	release_add 1.0.0
}

teardown() {
	lab_close
}

blocked() { # ID WORD
	wait_device 20 "$1" ".blocked_by | map(.name) | index(\"$2\") != null"
}

explains() { # ID TEXT
	[[ $(ctl -o json explain "$1") == *"$2"* ]]
}

@test "rules: who stays on a withdrawn release is told so, and what to do" {
	device_add argon-1
	device_start argon-1 1.0.0
	ctl device lock argon-1 1.0.0
	wait_device 20 argon-1 '.running.version == "1.0.0" and .online'
	ctl -o json explain argon-1 | jq -e '.runs == {version: "1.0.0", state: "active"}
		and .next_steps == ["nothing to do"]'
	ctl release withdraw argon 1.0.0
	ctl -o json explain argon-1 | jq -e '.runs.state == "withdrawn"
		and (.next_steps[0] | startswith("bring it to another release: postbootctl device lock argon-1 VERSION"))'
	explains argon-1 'The release that it runs, 1.0.0, was withdrawn '
	ctl device unlock argon-1
	explains argon-1 'argon-1 runs 1.0.0 and has no target. The release that it runs, 1.0.0, was withdrawn '
}

@test "rules: a stepping stone on the way, over two updates" {
	release_add 1.5.0
	run -1 release_add 2.0.0 --must-pass 1.7.0
	[[ $output == *"has no release 1.7.0: add that first"* ]]
	release_add 2.0.0 --must-pass 1.5.0 --min-version 1.5.0
	ctl -o json release show argon 2.0.0 |
		jq -e '.requires == {"min_version": "1.5.0", "must_pass": ["1.5.0"]}'
	run -1 ctl release remove argon 1.5.0
	[[ $output == *"the way to release 2.0.0 leads through it"* ]]
	ctl product target argon 2.0.0 >/dev/null
	device_add argon-1
	device_start argon-1 1.0.0 --fault updates-disabled
	wait_device 20 argon-1 '.target == {"version": "1.5.0", "why": "stepping-stone", "goal": "2.0.0"}'
	explains argon-1 "the update to 2.0.0 goes through 1.5.0"
	[[ $(ctl device show argon-1) == *"1.5.0  on the way to 2.0.0"* ]]
	ctl device force argon-1 >/dev/null
	wait_device 40 argon-1 '.state == "in-sync" and .running.version == "2.0.0"'
	cmp "$LAB/2.0.0.bin" "$LAB/argon-1/slot-active"
	events | jq -se '[.[] | select(.topic == "spark/flash/status" and .data == "success") |
		.version] == ["1.5.0", "2.0.0"]'
}

@test "rules: no image below the device's security counter, whoever wants it" {
	release_add 1.1.0 --security-counter 3
	release_add 1.2.0 --security-counter 4 --hardware argon --hardware xenon \
		--boot-loader "postboot-emu 1"
	ctl product target argon 1.1.0 >/dev/null
	device_add argon-1
	device_start argon-1 1.0.0 --security-counter 4
	blocked argon-1 anti-rollback
	explains argon-1 "1.1.0 has security counter 3, and the device has 4"
	ctl device lock argon-1 1.1.0 >/dev/null
	ctl device force argon-1 >/dev/null
	blocked argon-1 anti-rollback
	ctl device lock argon-1 1.2.0 >/dev/null
	wait_device 30 argon-1 '.state == "in-sync" and .running.version == "1.2.0"'
	[ "$(ctl -o json attempt list --device argon-1 | jq '.attempts | length')" -eq 1 ]
}

@test "rules: hardware and boot loader of a release" {
	release_add 1.1.0 --hardware "rev b" --boot-loader "postboot-emu 1.1"
	ctl product target argon 1.1.0 >/dev/null
	device_add argon-1
	device_start argon-1 1.0.0
	blocked argon-1 hardware-mismatch
	blocked argon-1 boot-loader-mismatch
	explains argon-1 "1.1.0 asks for postboot-emu 1.1, and the device says postboot-emu 1"
	[[ $(ctl release show argon 1.1.0) == *"rev b"*"postboot-emu 1.1 or newer"* ]]
	run -1 release_add 1.2.0 --must-pass 1.2.0
	[[ $output == *"1.2.0 is the release itself"* ]]
	run -1 release_add 1.2.0 --must-pass 1.0.0 --must-pass 1.0.0
	[[ $output == *"given twice"* ]]
	run -1 release_add 1.2.0 --hardware 1 --hardware 2 --hardware 3 --hardware 4 --hardware 5 \
		--hardware 6 --hardware 7 --hardware 8 --hardware 9
	[[ $output == *"with 9 there are too many"* ]]
	run -1 release_add 1.2.0 --security-counter -1
	run -1 release_add 1.2.0 --must-pass 1 --must-pass 2 --must-pass 3 --must-pass 4 --must-pass 5
	[[ $output == *"with 5 there are too many"* ]]
}

@test "rules: a low battery waits, and is charged" {
	ctl product set argon min-battery-percent=50 >/dev/null
	release_add 1.1.0
	ctl product target argon 1.1.0 >/dev/null
	device_add argon-1
	device_start argon-1 1.0.0 --battery 20
	blocked argon-1 preflight-power
	explains argon-1 "it reports 20 %, and an update wants 50 %"
	device_stop argon-1
	device_start argon-1 1.0.0 --battery 90
	wait_device 30 argon-1 '.state == "in-sync" and .running.version == "1.1.0"'
}

@test "rules: no downgrade but by a lock, which the audit log tells of" {
	ctl product set argon allow-downgrade=0 >/dev/null
	release_add 0.9.0
	ctl product target argon 0.9.0 >/dev/null
	device_add argon-1
	device_start argon-1 1.0.0
	blocked argon-1 downgrade
	explains argon-1 "0.9.0 is older than 1.0.0, which it runs"
	ctl device lock argon-1 0.9.0 >/dev/null
	wait_device 30 argon-1 '.state == "in-sync" and .running.version == "0.9.0"'
	ctl -o json audit list | jq -e '[.audit[] | select(.act == "device lock")] | length == 1'
}

# A window of a quarter of an hour that is far away from now, wherever the clock stands.
closed_window() {
	printf '%s:00-%s:15' "$(date -u -d '+9 hours' +%H)" "$(date -u -d '+9 hours' +%H)"
}

@test "rules: nothing before the window opens, and at once when a policy opens it" {
	run -1 ctl product set argon windows="Mon 1:00-5:00"
	[[ $output == *'windows: "Mon 1:00-5:00" is not a window'* ]]
	run -1 ctl product set argon time-zone=Europe/Atlantis
	[[ $output == *"Europe/Atlantis"*"neither a time zone"* ]]
	run -1 ctl product set argon time-zone=../../etc/passwd
	ctl product set argon windows="Mon-Sun $(closed_window)" time-zone=UTC0 >/dev/null
	[[ $(ctl product show argon) == *"by the clock of UTC0"* ]]
	release_add 1.1.0
	ctl product target argon 1.1.0 >/dev/null
	device_add argon-1
	device_start argon-1 1.0.0
	blocked argon-1 outside-window
	explains argon-1 "by the clock of UTC0 (windows of product argon, clock of product argon); that is next at"
	ctl -o json device show argon-1 | jq -e '.clear_at'
	ctl product set argon windows= >/dev/null
	wait_device 30 argon-1 '.state == "in-sync" and .running.version == "1.1.0"'
}

@test "rules: a device's own windows before its group's before its product's" {
	run -2 ctl device set argon-1 colour=red
	[[ $output == *'there is no key like "colour" here'* ]]
	run -2 ctl group set argon pilot name=a name=b
	[[ $output == *"name is given twice"* ]]
	# closed by the clock of UTC; in Tokyo, nine hours ahead, it is open
	from=$(date -u -d '+8 hours' +%H) to=$(date -u -d '+11 hours' +%H)
	ctl product set argon windows="$from:00-$to:00" time-zone=UTC0 >/dev/null
	release_add 1.1.0
	ctl product target argon 1.1.0 >/dev/null
	ctl group add argon pilot >/dev/null
	run -1 ctl group set argon pilot windows=now
	[[ $output == *'windows: "now" is not a window'* ]]
	device_add argon-1
	device_add argon-2
	ctl device group argon-1 pilot >/dev/null
	ctl group set argon pilot time-zone=Asia/Tokyo >/dev/null
	[[ $(ctl group show argon pilot) == *"the product's, by the clock of Asia/Tokyo"* ]]
	device_start argon-1 1.0.0
	device_start argon-2 1.0.0
	blocked argon-2 outside-window
	explains argon-2 "(windows of product argon, clock of product argon)"
	wait_device 30 argon-1 '.state == "in-sync" and .running.version == "1.1.0"'
	ctl -o json device show argon-1 | jq -e '.maintenance | .windows_from == "product" and
		.time_zone_from == "group" and .time_zone == "Asia/Tokyo"'
	[[ $(ctl device show argon-2) == *"(product); closed, opens at "*" there (UTC+00:00)"* ]]
	rev=$(ctl -o json device show argon-2 | jq .rev)
	run -1 ctl device set argon-2 windows=00:00-24:00 --if-rev $((rev + 50))
	blocked argon-2 outside-window
	ctl device set argon-2 windows=00:00-24:00 >/dev/null
	wait_device 30 argon-2 '.state == "in-sync" and .maintenance.windows_from == "device"'
	[[ $(ctl explain argon-2) == *"Maintenance windows: 00:00-24:00 (its own), by the clock of UTC0 (product); open now"* ]]
	[[ $(ctl device set argon-2 windows=00:00-24:00) == "Device argon-2 is as it was."* ]]
	ctl device set argon-2 windows= >/dev/null
	ctl -o json device show argon-2 | jq -e '.maintenance.windows_from == "product"'
	ctl -o json audit list --object argon-2 | jq -e '[.audit[] | select(.act == "device set") |
		[.before.windows, .after.windows]] | sort == [[null, "00:00-24:00"], ["00:00-24:00", null]]'
}

@test "rules: an image that comes before its window is kept, native and LwM2M" {
	ctl product set argon windows="$(closed_window)" time-zone=Europe/Berlin window-download=0 \
		>/dev/null
	release_add 1.1.0
	ctl product target argon 1.1.0 >/dev/null
	device_add argon-1
	device_add asked-1
	device_start argon-1 1.0.0
	device_start asked-1 1.0.0 --protocol lwm2m --interval 20
	wait_device 60 argon-1 '.attempt.state == "verified"'
	wait_device 60 asked-1 '.attempt.state == "verified"'
	blocked argon-1 outside-window
	blocked asked-1 outside-window
	explains argon-1 "it has verified the image, and keeps it: no maintenance window is open"
	ctl device force argon-1 >/dev/null
	ctl device force asked-1 >/dev/null
	wait_device 60 argon-1 '.state == "in-sync" and .running.version == "1.1.0"'
	wait_device 60 asked-1 '.state == "in-sync" and .running.version == "1.1.0"'
	[ "$(ctl -o json attempt list | jq '.attempts | length')" -eq 2 ]
}

@test "rules: whoever has been told for long enough is forced" {
	ctl product set argon force-after-s=2 >/dev/null
	release_add 1.1.0
	ctl product target argon 1.1.0 >/dev/null
	device_add argon-1
	device_start argon-1 1.0.0 --fault updates-disabled
	wait_device 40 argon-1 '.state == "in-sync" and .running.version == "1.1.0"'
	[ "$(count_events '.topic == "updates/pending" and .data == "true"')" -eq 1 ]
}
