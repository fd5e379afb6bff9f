#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# A device gets another key in the field, over real handshakes.

load lib

setup() {
	lab_open
	head -c 32 /dev/urandom >"$LAB/service.key"
	server_start "key-file = $LAB/service.key"
	product_add
	image 1.0.0
	device_add argon-1
}

teardown() {
	lab_close
}

# slots: the words of the keys that argon-1 has.
slots() {
	ctl -o json device show argon-1 | jq -r '[.keys[].slot] | join(" ")'
}

has_slots() {
	[ "$(slots)" = "$1" ]
}

# handshakes WHICH: how many were ok or failed.
handshakes() {
	ctl -o json status | jq ".handshakes.$1"
}

more_handshakes() { # WHICH THAN
	[ "$(handshakes "$1")" -gt "$2" ]
}

@test "rotation: the next key retires the current one when the device first uses it" {
	device_start argon-1 1.0.0
	wait_device 20 argon-1 '.online'
	has_slots current
	run ctl device key argon-1 --psk-generate --psk-out "$LAB/next.psk"
	[ "$status" -eq 0 ]
	[[ $output == *"Its key is in $LAB/next.psk."* ]]
	[ "$(stat -c %a "$LAB/next.psk")" = 600 ]
	has_slots "current next"
	ctl device show argon-1 | grep -q 'key .*current, set .*; next, set .*, not used yet'

	# The current one goes on, over new sessions, too.
	device_stop argon-1
	local ok
	ok=$(handshakes ok)
	device_start argon-1 1.0.0
	until_true 20 more_handshakes ok "$ok"
	has_slots "current next"

	# Somebody with neither changes nothing, and is not let in.
	device_stop argon-1
	local failed
	failed=$(handshakes failed)
	cp "$LAB/argon-1.psk" "$LAB/old.psk"
	head -c 32 /dev/urandom | od -An -v -tx1 | tr -d ' \n' >"$LAB/argon-1.psk"
	device_start argon-1 1.0.0
	until_true 30 more_handshakes failed "$((failed + 2))"
	device_stop argon-1
	has_slots "current next"
	ctl explain argon-1 | tr -s '\n ' ' ' | grep -q 'handshakes under its name failed, the newest .*key was not its own'
	ctl explain argon-1 | tr -s '\n ' ' ' | grep -q 'postbootctl device key argon-1 --psk-file'
	grep -q '^<6>net peer=[^ ]* handshake=failed reason=wrong-key identity="argon-1"$' "$LAB/postbootd.log"

	# The device with its next key gets in, from the very address that just failed.
	cp "$LAB/next.psk" "$LAB/argon-1.psk"
	device_start argon-1 1.0.0
	until_true 60 has_slots current
	grep -q 'dev=argon-1 key=next->current' "$LAB/postbootd.log"
	mark
	wait_device 20 argon-1 '.sessions == 1'
	[ "$(ctl explain argon-1 | grep -c 'under its name')" -eq 0 ]
	device_stop argon-1

	# What it had before is nothing now.
	ok=$(handshakes ok)
	failed=$(handshakes failed)
	cp "$LAB/old.psk" "$LAB/argon-1.psk"
	device_start argon-1 1.0.0
	until_true 30 more_handshakes failed "$((failed + 1))"
	[ "$(handshakes ok)" -eq "$ok" ]
	device_stop argon-1
	for key in "$LAB"/*.psk; do
		[ "$(grep -ci "$(cat "$key")" "$LAB/postbootd.log")" -eq 0 ]
	done
}

@test "rotation: a next key that is taken away opens nothing; the current one stays" {
	ctl device key argon-1 --psk-generate --psk-out "$LAB/next.psk"
	run ctl device key argon-1 --drop-next
	[ "$output" = "Device argon-1 has no longer a next key." ]
	run ctl device key argon-1 --drop-next
	[ "$status" -eq 0 ]
	[ "$output" = "Device argon-1 had no next key." ]
	has_slots current
	cp "$LAB/argon-1.psk" "$LAB/old.psk"
	cp "$LAB/next.psk" "$LAB/argon-1.psk"
	device_start argon-1 1.0.0
	until_true 30 more_handshakes failed 0
	device_stop argon-1
	[ "$(handshakes ok)" -eq 0 ]
	cp "$LAB/old.psk" "$LAB/argon-1.psk"
	device_start argon-1 1.0.0
	wait_device 20 argon-1 '.online'
}

@test "rotation: one key is one device's, in whichever slot" {
	device_add argon-2
	ctl device key argon-2 --psk-generate --psk-out "$LAB/next.psk"
	for key in argon-1 argon-2 next; do
		run ctl device key argon-1 --psk-file "$LAB/$key.psk"
		[ "$status" -eq 1 ]
		[[ $output == *"has this key"* ]]
	done
	run ctl device add argon-3 --product argon --psk-file "$LAB/next.psk"
	[ "$status" -eq 1 ]
	ctl device remove argon-2
	ctl device key argon-1 --psk-file "$LAB/next.psk"
	has_slots "current next"
	ctl -o json audit list | jq -e '[.audit[].act] | index("device key")' >/dev/null
}

@test "rotation: usage is told" {
	for words in "" "--psk-generate --drop-next" "--psk-out $LAB/x --drop-next"; do
		# shellcheck disable=SC2086
		run ctl device key argon-1 $words
		[ "$status" -eq 2 ]
		[ ! -e "$LAB/x" ]
	done
	ctl device add plain-1 --product argon --plain >/dev/null
	run ctl device key plain-1 --psk-generate --psk-out "$LAB/x"
	[ "$status" -eq 1 ]
	[[ $output == *"plain device"* ]]
	[ ! -e "$LAB/x" ]
	run ctl device key nobody --psk-generate
	[ "$status" -eq 1 ]
}
