#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Requests of the network room (tests/support/net-asker) to devices on other people's CoAP: libcoap
# as the server on its client session, with OpenSSL and with GnuTLS.

: "${TOP_BUILDDIR:=$(cd "$(dirname "$BATS_TEST_FILENAME")/../../build" && pwd)}"
support=$TOP_BUILDDIR/tests/support
key=secretsecretsecr

setup() {
	dir=$(mktemp -d "${TMPDIR:-/tmp}/postboot-asks.XXXXXX")
	mkdir "$dir/got"
	head -c 70001 /dev/urandom >"$dir/image"
	head -c 2250 /dev/urandom | base64 -w 0 >"$dir/links" # 3,000 bytes: several blocks
	device=
	relay=
}

teardown() {
	# shellcheck disable=SC2086 # none, or one
	kill $asker $device $relay 2>/dev/null
	wait
	rm -rf "$dir"
}

port_in() { # FILE
	for _ in {1..200}; do
		port=$(sed -n 's/^\(coaps \)\?\([0-9]\+\)$/\2/p' "$1" | head -n 1)
		[ -n "$port" ] && return
		sleep 0.05
	done
	return 1
}

# The asker, and a device once it listens; ends with the last ask.
run_asks() { # DEVICE con|non LOSS ASK...
	local program=$1 notify=$2 loss=$3
	shift 3
	"$support/net-asker" $key "$dir/got" "$@" >"$dir/out" 2>"$dir/err" 3>&- &
	asker=$!
	port_in "$dir/out"
	if [ "$loss" -gt 0 ]; then
		"$support/lossy" "$port" "$loss" "$loss" "$loss" 7 >"$dir/relay" 2>/dev/null 3>&- &
		relay=$!
		port_in "$dir/relay"
	fi
	"$support/$program" "$port" $key "$dir/pushed" "$dir/links" "$notify" \
		>"$dir/device" 2>&1 3>&- &
	device=$!
	for _ in {1..1200}; do
		kill -0 $asker 2>/dev/null || break
		sleep 0.1
	done
	cat "$dir/out" "$dir/err" "$dir/device"
	wait $asker # a sanitizer's finding fails the test
}

expect() { # what net-asker said, but its port
	diff - <(sed 1d "$dir/out")
}

everything() { # DEVICE con|non
	run_asks "$1" "$2" 0 get:3/0/3 get:3/0 szx:2 get:3/0 \
		observe:5/0/3 put:5/0/1:1 wait:1 sleep put:5/0/1:2 wait:2 \
		szx:4 push:5/0/0:"$dir/image" post:5/0/2 sleep get:3/0/3 \
		cancel:5/0/3 put:5/0/1:3 get:9/9
	expect <<-END
		rd 3000 format 40
		1 2.05 format -1 length 5 sent 0
		2 2.05 format 40 length 3000 sent 0
		4 2.05 format 40 length 3000 sent 0
		5 2.05 format -1 length 1 sent 0 observed
		6 2.04 format -1 length 0 sent 1
		notified 2.05 1
		asleep
		9 2.04 format -1 length 0 sent 1
		notified 2.05 2
		12 2.04 format -1 length 0 sent 70001
		13 2.04 format -1 length 0 sent 0
		asleep
		15 2.05 format -1 length 5 sent 0
		16 2.05 format -1 length 1 sent 0
		17 2.04 format -1 length 0 sent 1
		18 4.04 format -1 length 9 sent 0
		done
	END
	grep -qx 'registered 2.01 rd 7' "$dir/device"
	[ "$(cat "$dir/got/1")" = 1.2.3 ]
	cmp "$dir/got/rd" "$dir/links"
	cmp "$dir/got/2" "$dir/links"
	cmp "$dir/got/4" "$dir/links"
	cmp "$dir/pushed" "$dir/image"
}

@test "asks openssl: register, read, observe, push, and all that of one who sleeps" {
	everything coap-device con
}

@test "asks gnutls: the same with notifications that are not confirmed" {
	everything coap-device-gnutls non
}

@test "asks openssl: a line that loses, doubles and swaps" {
	head -c 5001 "$dir/image" >"$dir/short"
	run_asks coap-device con 6 get:3/0 szx:5 push:5/0/0:"$dir/short" get:3/0/3
	expect <<-END
		rd 3000 format 40
		1 2.05 format 40 length 3000 sent 0
		3 2.04 format -1 length 0 sent 5001
		4 2.05 format -1 length 5 sent 0
		done
	END
	cmp "$dir/got/rd" "$dir/links"
	cmp "$dir/got/1" "$dir/links"
	cmp "$dir/pushed" "$dir/short"
}
