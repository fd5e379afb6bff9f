#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Whole lives of devices on lines that lose a fifth, double and swap a tenth, hold every datagram
# for seconds, and change the device's address: other people's clients and the emulator.
# A short version is in 46-pipes.bats and tests/unit/test_net_line.c. Run by check.sh --all.
#	POSTBOOT_LINE_SEED=7: other lines

load ../integration/matrix

SEED=${POSTBOOT_LINE_SEED-1}

setup_file() {
	matrix_open 'log-level = debug'
}

teardown_file() {
	lab_close
}

setup() {
	matrix_begin
	MARK_LOG=$(wc -l <"$LAB/postbootd.log")
}

teardown() {
	matrix_end
}

# none_lost [4]: the server ended no session but one that the device ended (0), began anew (2), or
# left behind at another address when it booted (4): silence, loss and disorder are no reason.
none_lost() {
	tail -n +$((MARK_LOG + 1)) "$LAB/postbootd.log" >"$LAB/log.part"
	grep -c 'session=up' "$LAB/log.part"
	! grep 'session=gone' "$LAB/log.part" | grep -v "why=[02${1-}]\$"
}

@test "lines openssl: loss, doubles, disorder, two seconds" {
	device_by_hand o-1
	line 20 10 10 "$SEED" 2000
	PIPE='--first 4' by_openssl o-1 PSK-AES128-CCM8
	line_was 'lost=[1-9].* doubled=[1-9].* swapped=[1-9]'
	none_lost
}

@test "lines gnutls: loss, doubles, disorder, two seconds" {
	device_by_hand g-1
	line 20 10 10 "$((SEED + 1))" 2000
	PIPE='--first 4' by_gnutls g-1 +PSK:+AES-128-CCM-8
	line_was 'lost=[1-9].* doubled=[1-9].* swapped=[1-9]'
	none_lost
}

@test "lines openssl: loss, doubles, disorder, an address that changes" {
	device_by_hand o-2
	line 20 10 10 "$((SEED + 2))" 100 30
	PIPE='--first 0.5 --again 20' by_openssl o-2 PSK-AES128-CCM8
	line_was 'lost=[1-9].* rebound=[1-9]'
	none_lost 4
}

@test "lines emulator: loss, doubles, disorder, two seconds, an address that changes" {
	device_add e-1
	mark
	device_start e-1 1.0.0 --seed "$SEED" --fault loss:20 --fault dup:10 --fault reorder:10 \
		--fault delay:1000 --fault rebind:90
	wait_event 400 '.device == "e-1" and .data == "success"'
	device_stop e-1
	none_lost 4
}
