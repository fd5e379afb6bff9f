#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The emulated device as an LwM2M client, against a server that is not ours
# (tests/support/lwm2m_server.py).

load lib
load aside

setup_file() {
	aside_start register pull cut styles claims stuck
}

teardown_file() {
	aside_stop
}

setup() {
	LAB=
}

teardown() {
	lab_close
}

setup_case() {
	image 1.1.0
}

# cases NAME...: each against a device and a server of its own, side by side.
cases() {
	local name bad=0
	local -A pids=()
	for name in "$@"; do
		mkdir "$LAB/$name"
		python3 -B "$TOP_SRCDIR/tests/support/lwm2m_server.py" "$name" "$POSTBOOT_DEVICE" \
			"$LAB/1.1.0.bin" "$LAB/$name" >"$LAB/$name.log" 2>&1 3>&- &
		pids[$name]=$!
	done
	for name in "${!pids[@]}"; do
		wait "${pids[$name]}" && continue
		echo "$name:" >&2
		cat "$LAB/$name.log" >&2
		bad=1
	done
	return "$bad"
}

case_register() {
	cases register formats observe
}

@test "lwm2m device: registers, updates, de-registers, and answers in each format" {
	aside register
}

case_pull() {
	cases pull push cancel smaller
}

@test "lwm2m device: takes firmware by URI and in blocks, and reboots into it" {
	aside pull
}

case_cut() {
	cases resume etag space fault-digest fault-protocol
}

@test "lwm2m device: a download that is cut, changed or too large" {
	aside cut
}

case_styles() {
	cases anjay wakaama zephyr queue
}

@test "lwm2m device: as Anjay, Wakaama and Zephyr do it, and asleep" {
	aside styles
}

case_claims() {
	cases fault-old-image fault-wrong-result fault-record-lost fault-record-lost-anjay
	cases fault-rejected fault-wrong-label fault-early-result fault-liar-no-reboot
}

@test "lwm2m device: what it says of an update, and what is true" {
	aside claims
}

case_stuck() {
	cases fault-stuck-1 fault-stuck-3 fault-boot-state fault-no-fetch fault-no-notify fault-registers
}

@test "lwm2m device: stuck, mute, and with too many registrations" {
	aside stuck
}

@test "lwm2m device: options and faults of the other protocol are refused" {
	lab_open
	refused() {
		run "$POSTBOOT_DEVICE" --server coap://127.0.0.1 --id d --state "$LAB/d" --version 1 "$@"
		[ "$status" -eq 2 ]
	}
	refused --queue
	[[ $output == *"need --protocol lwm2m"* ]]
	refused --protocol lwm2m --fault old-boot
	[[ $output == *"--fault old-boot is not for --protocol lwm2m"* ]]
	refused --fault early-result
	[[ $output == *"--fault early-result is not for --protocol native"* ]]
	refused --protocol lwm2m --json
	refused --protocol lwm2m --awake 5
	refused --protocol lwm2m --style nobody
	[[ $output == *"--style nobody: not a valid NAME"* ]]
	refused --protocol lwm2m --fault stuck-state:4
	[[ $output == *"expected stuck-state:N"* ]]
	refused --protocol lwm2m --vendor-object 5
}
