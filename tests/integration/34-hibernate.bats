#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Sessions that hibernate between two reports: devices and operators notice nothing.

load lib
load sessions

setup() {
	sessions_open
}

teardown() {
	lab_close
}

hibernated() {
	[ "$(metric postboot_sessions_hibernated)" = "$1" ]
}

# woken N: so often, at least.
woken() {
	[ "$(metric 'postboot_wakes_total{result="received"}')" -ge "$1" ]
}

@test "a session goes on over hibernation without a handshake" {
	device_start argon-1 1.0.0 --interval 3
	until_true 20 woken 2
	until_true 20 hibernated 1
	[ "$(metric postboot_sessions)" = 1 ]
	[ "$(metric 'postboot_handshakes_total{result="ok"}')" = 1 ]
	[ "$(metric 'postboot_wakes_total{result="forged"}')" = 0 ]
	# What is asked of its session is told while it sleeps.
	ctl -o json device show argon-1 | jq -e '.sessions == 1 and (.address | startswith("127.0.0.1:"))'
}

@test "the doorbell reaches a hibernated session" {
	device_start argon-1 1.0.0 --interval 600
	until_true 20 hibernated 1
	release_add 1.1.0
	ctl product target argon 1.1.0
	closed argon-1 60
	ctl -o json device show argon-1 | jq -e '.report.version == "1.1.0" or .running.version == "1.1.0"'
	[ "$(metric 'postboot_wakes_total{result="sent"}')" -ge 1 ]
	# One more for the boot after the update.
	[ "$(metric 'postboot_handshakes_total{result="ok"}')" = 2 ]
}

@test "the doorbell reaches a hibernated LwM2M device, which is asked before it reports" {
	device_start argon-1 1.0.0 --protocol lwm2m --interval 600
	wait_device 20 argon-1 '.running.version == "1.0.0"'
	until_true 20 hibernated 1
	release_add 1.1.0
	ctl product target argon 1.1.0
	wait_event 20 '.topic == "flash/status" and .data == "started"'
}

@test "a hibernated session ends with its device, and with its key" {
	device_start argon-1 1.0.0 --interval 600
	until_true 20 hibernated 1
	ctl device key argon-1 --psk-generate --psk-out "$LAB/next.psk"
	hibernated 1
	cp "$LAB/next.psk" "$LAB/argon-1.psk"
	id=other
	"$POSTBOOT_DEVICE" --server "$SERVER_URI" --id argon-1 --psk-file "$LAB/next.psk" \
		--state "$LAB/other" --hardware argon --version 1.0.0 --image "$LAB/1.0.0.bin" \
		--interval 600 --boot-time 300 >>"$LAB/other.log" 2>&1 3>&- &
	# shellcheck disable=SC2034 # of lib
	DEVICE_PID[$id]=$!
	# It has proved the next key, so the session of the old one is closed.
	until_true 20 metric_is_at_least 2 'postboot_handshakes_total{result="ok"}'
	until_true 20 eval '[ "$(metric postboot_sessions)" = 1 ]'
	until_true 20 hibernated 1
	ctl device remove argon-1
	until_true 20 eval '[ "$(metric postboot_sessions)" = 0 ]'
	hibernated 0
}
