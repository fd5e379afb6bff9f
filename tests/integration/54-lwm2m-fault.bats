#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# LwM2M devices that say one thing and run another. What counts is /3/0/3 of a boot after Execute.

load lib

setup() {
	lab_open
	server_start
	product_add stall-s=6
	release_add 1.0.0
	release_add 1.1.0
	ctl product target argon 1.1.0
	device_add lw-1
}

teardown() {
	lab_close
}

lw() { # [OPTION...]
	device_start lw-1 1.0.0 --protocol lwm2m --interval 20 "$@"
}

no_success() {
	[ "$(count_events '.data == "success"')" -eq 0 ]
}

# comes_to VERDICT [OPTION...]: what a device with these options comes to.
comes_to() {
	local wanted=$1
	shift
	lw "$@"
	a=$(closed lw-1 40)
	[[ $(verdict "$a" .verdict) =~ ^($wanted)$ ]] || {
		ctl attempt show "$a"
		cat "$LAB/lw-1.log"
		return 1
	}
}

@test "lwm2m early-result: Result 1 inside Execute, without a reset, is no success" {
	comes_to 'never-rebooted' --fault early-result
	no_success
}

@test "lwm2m liar:old-image: Result 1 after a reset, and the old image runs" {
	comes_to 'reverted' --fault liar:old-image
	no_success
	ctl attempt show "$a" | grep -q 'LwM2M result 1'
}

@test "lwm2m liar:no-reboot: a new registration and the new version in the old boot" {
	ctl product set argon --protocol-option lwm2m-boot-count=/33000/0/0
	comes_to 'never-rebooted|unproven' --fault liar:no-reboot --vendor-object 33000
	no_success
}

@test "lwm2m wrong-result:8: the new image runs, so it is a success" {
	comes_to 'updated' --fault wrong-result:8
}

@test "lwm2m wrong-result:0: 0/0 after the reset, and the new image runs" {
	comes_to 'updated' --fault wrong-result:0
}

@test "lwm2m stuck-state:1: downloaded, and never says so" {
	comes_to 'transfer-stalled' --fault stuck-state:1
	no_success
}

@test "lwm2m stuck-state:2: Execute does nothing" {
	comes_to 'never-rebooted' --fault stuck-state:2
	no_success
}

@test "lwm2m stuck-state:3: for ever updating" {
	comes_to 'never-rebooted' --fault stuck-state:3
	no_success
}

@test "lwm2m boot-state:1: it says that it downloads, and it does not" {
	comes_to 'updated' --fault boot-state:1
}

@test "lwm2m no-fetch: State 2 without a byte, and nothing to boot" {
	comes_to 'device-failed' --fault no-fetch
	diagnosed "$a" cached-image
	[ "$(verdict "$a" .served_bytes)" -eq 0 ]
	no_success
}

@test "lwm2m no-notify: lost notifications are made up for by looking" {
	ctl product set argon stall-s=60
	comes_to 'updated' --fault no-notify
}

again() { # N: so many registrations after its second boot
	[ "$(sed -n '/boot #2/,$p' "$LAB/lw-1.log" | grep -c 'registered as')" -ge "$1" ]
}

@test "lwm2m re-register, double-register: registrations are no boots" {
	ctl product set argon stall-s=60
	comes_to 'updated' --fault re-register:1 --fault double-register
	until_true 20 again 4
	[ "$(count_events '.topic == "device/boot"')" -eq 2 ]
}

@test "lwm2m never-reboot and never-return: the deadline says which" {
	comes_to 'never-rebooted' --fault never-reboot
	device_stop lw-1
	device_add lw-2
	device_start lw-2 1.0.0 --protocol lwm2m --interval 20 --fault never-return
	a=$(closed lw-2 40)
	[ "$(verdict "$a" .verdict)" = never-came-back ]
	no_success
}

@test "lwm2m bad-flash: Result 5 is a bad digest, with its number and text" {
	comes_to 'device-failed' --fault bad-flash:70000
	[ "$(verdict "$a" .reason)" = bad-digest ]
	ctl attempt show "$a" | grep -q 'LwM2M result 5: integrity check failed'
}

@test "lwm2m: no room is Result 2" {
	comes_to 'refused|device-failed' --slot-size 100000
	[ "$(verdict "$a" .reason)" = no-space ]
}

@test "lwm2m fail-download:9: unsupported protocol, then by push where the device can" {
	comes_to 'updated' --fault fail-download:9
	grep -q 'offered by push' "$LAB/lw-1.log"
}

@test "lwm2m fs-full: the record is lost, Anjay says Result 1, and the old image runs" {
	comes_to 'reverted' --fault fs-full:1 --style anjay
	diagnosed "$a" storage-full
	no_success
}

@test "lwm2m bootloader-reject: Result 8 on the old image" {
	comes_to 'device-failed' --fault bootloader-reject
	ctl attempt show "$a" | grep -q 'LwM2M result 8'
	no_success
}

@test "lwm2m power-cut: interrupted, and the same attempt goes on" {
	ctl product set argon stall-s=60 --protocol-option lwm2m-boot-count=/33000/0/0
	comes_to 'updated' --fault power-cut:100000 --fault brown-out:after --vendor-object 33000
	[ "$(verdict "$a" .interruptions)" -ge 1 ]
	[ "$(count_events '.data == "started"')" -eq 1 ]
}

@test "lwm2m brown-out:before: a reset after Execute that changed nothing, and the next attempt" {
	ctl product set argon stall-s=60
	lw --fault brown-out:before
	wait_event 40 '.verdict == "updated"'
	[ "$(count_events '.verdict == "updated"')" -eq 1 ]
}

@test "lwm2m: the example of postboot-device(1)" {
	device_add meter-3
	cp "$LAB/meter-3.psk" "$LAB/meter-3.key"
	awk '/^\.Bd/ { inside = 1; text = ""; next } /^\.Ed/ { inside = 0 } inside { text = text $0 "\n" }
		END { printf "%s", text }' "$TOP_SRCDIR/man/postboot-device.1" |
		sed "s/\\\\e$/\\\\/; s,coaps://127.0.0.1,$SERVER_URI,; s,postboot-device,timeout 60 $POSTBOOT_DEVICE," \
			>"$LAB/example"
	grep -q 'protocol lwm2m' "$LAB/example"
	(cd "$LAB" && sh -eu example)
}
