#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# A device made by hand with coap-client-openssl: report, doorbell, image, status.

load lib

setup() {
	lab_open
	server_start
	product_add
	release_add 1.0.0
	release_add 1.1.0
	ctl product target argon 1.1.0
	key='a-key-made-by-hand' # coap-client takes text only
	device_add hand "$key"
}

teardown() {
	lab_close
}

coap() { # METHOD PATH [OPTION...]
	local method=$1 path=$2
	shift 2
	timeout $((20 * SLOWER)) coap-client-openssl -B 10 -u hand -k "$key" -m "$method" "$@" \
		"$SERVER_URI/$path" 2>>"$LAB/coap.err"
}

report() { # BOOT VERSION
	coap post report -t 50 -e "{\"0\":\"$1\",\"2\":\"$2\",\"12\":\"argon\",\"17\":7}"
}

status() { # ATTEMPT STATE SEQ BOOT
	coap post status -t 50 -e "{\"0\":$1,\"1\":$2,\"7\":\"$4\",\"8\":$3}"
}

@test "hand-made: report in JSON, download byte by byte, apply, reboot, success" {
	boot1=00000000000000a1 boot2=00000000000000a2
	report $boot1 1.0.0 >"$LAB/directive"
	wait_device 10 hand '.attempt.state == "offered"'
	a=$(ctl -o json device show hand | jq .attempt.id)
	sum=$(sha256sum <"$LAB/1.1.0.bin")
	[ "$(count_events '.data == "started"')" -eq 0 ]

	coap get "fw/${sum:0:16}" -o "$LAB/got" >/dev/null
	cmp "$LAB/got" "$LAB/1.1.0.bin"
	wait_event 10 '.data == "started"'

	status "$a" 2 1 $boot1
	status "$a" 3 2 $boot1
	wait_device 10 hand '.attempt.state == "applying"'
	report $boot1 1.0.0
	[ "$(count_events '.data == "success" or .data == "failed"')" -eq 0 ]
	report $boot2 1.1.0
	wait_event 10 ".attempt == $a and .data == \"success\""
	[ "$(verdict "$a" '"\(.via) \(.grade)"')" = "ota standard" ]
}

@test "hand-made: the image of no attempt of one's own is forbidden" {
	report 00000000000000b1 1.1.0 >/dev/null
	wait_device 10 hand '.state == "in-sync"'
	sum=$(sha256sum <"$LAB/1.1.0.bin")
	coap get "fw/${sum:0:16}" -o "$LAB/got" >"$LAB/out" || :
	grep -q '4\.03' "$LAB/coap.err" "$LAB/out"
	[ ! -s "$LAB/got" ]
}

@test "hand-made: the doorbell rings when the target changes" {
	report 00000000000000c1 1.1.0 >/dev/null
	wait_device 10 hand '.state == "in-sync"'
	coap get desired -s 15 -o "$LAB/bell" >"$LAB/bell.out" 3>&- &
	client=$!
	until_true 10 test -s "$LAB/bell"
	first=$(wc -c <"$LAB/bell")
	sum=$(cksum <"$LAB/bell")
	ctl device lock hand 1.0.0
	changed() { [ "$(wc -c <"$LAB/bell")" != "$first" ] || [ "$(cksum <"$LAB/bell")" != "$sum" ]; }
	until_true 10 changed
	stop "$client"
}

@test "hand-made: a status about another's attempt changes nothing" {
	report 00000000000000d1 1.0.0 >/dev/null
	wait_device 10 hand '.attempt.state == "offered"'
	status 4242 3 1 00000000000000d1 || :
	wait_device 10 hand '.attempt.state == "offered"'
}

@test "hand-made: bad input is refused and the server goes on" {
	for text in '' '{' '[]' '{"2":5}' '{"0":"zz","2":"1.0.0"}' '{"-9":1,"0":"00000000000000e1","2":"1"}'; do
		coap post report -t 50 -e "$text" >/dev/null || :
	done
	coap post report -t 60 -e 'not cbor' >/dev/null || :
	coap put report -t 50 -e '{}' >/dev/null || :
	coap get nothing/here >/dev/null || :
	ctl -o json device show hand | jq -e '.running == null'
	report 00000000000000e2 1.0.0 >/dev/null
	wait_device 10 hand '.running.version == "1.0.0"'
}

@test "hand-made: what a device says cannot drive the operator's terminal" {
	fail() { # ATTEMPT DETAIL
		coap post status -t 50 \
			-e "{\"0\":$1,\"1\":6,\"7\":\"00000000000000f1\",\"8\":1,\"9\":10,\"3\":\"$2\"}"
	}
	report 00000000000000f1 1.0.0 >/dev/null
	wait_device 10 hand '.attempt.state == "offered"'
	a=$(ctl -o json device show hand | jq .attempt.id)
	# a control character is refused by the server; what turns text around is not
	fail "$a" '\u001b[2Jgone' || :
	wait_device 10 hand '.attempt.state == "offered"'
	fail "$a" 'left\u202etfel'
	wait_event 10 '.verdict == "device-failed"'
	ctl attempt show "$a" >"$LAB/shown"
	grep -q 'left?tfel' "$LAB/shown"
	ctl -o json attempt show "$a" >"$LAB/shown"
	grep -q 'left.u202Etfel' "$LAB/shown"
}
