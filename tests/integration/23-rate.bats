#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Byte rates of downloads: what is held back is a slow link to any client, what is refused is asked
# for again, and neither costs an attempt.

load lib

IMAGE_S=1 # at least, with 128 KiB a second and 240 KiB

setup() {
	lab_open
}

teardown() {
	lab_close
}

# start LINE...
start() {
	server_start "$@"
	product_add
	release_add 1.0.0
	release_add 1.1.0
	ctl product target argon 1.1.0
}

late() { # held|refused
	curl --silent --unix-socket "$POSTBOOT_SOCKET" http://localhost/metrics |
		sed -n "s/^postboot_image_blocks_late_total{how=\"$1\"} //p"
}

was_refused() {
	[ "$(late refused)" -gt 0 ]
}

@test "rate: a device with a window is held back and gets its image" {
	start 'device-rate = 128K'
	device_add argon-1
	began=$(date +%s%N)
	device_start argon-1 1.0.0 --window 16
	a=$(closed argon-1 40)
	[ $((($(date +%s%N) - began) / 1000000000)) -ge $IMAGE_S ]
	[ "$(verdict "$a" .verdict)" = updated ]
	cmp "$LAB/1.1.0.bin" "$LAB/argon-1/slot-active"
	[ "$(late held)" -gt 0 ]
	[ "$(late refused)" -eq 0 ]
}

# fetch FLAVOUR ID: by hand, a block after the other
fetch() {
	local key="key-of-$2-by-hand" client path
	client=(timeout $((60 * SLOWER)) "coap-client-$1" -B 50 -u "$2" -k "$key")
	device_add "$2" "$key"
	"${client[@]}" -m post -t 50 -A 50 -o "$LAB/$2.answer" \
		-e '{"0":"a1a1a1a1a1a1a1a1","2":"1.0.0","12":"argon","17":7}' \
		"coaps://127.0.0.1:$SERVER_PORT/report"
	path=$(jq -r '."5"' "$LAB/$2.answer")
	"${client[@]}" -m get -o "$LAB/$2.bin" "coaps://127.0.0.1:$SERVER_PORT$path"
	cmp "$LAB/1.1.0.bin" "$LAB/$2.bin"
}

@test "rate: libcoap's clients take what is held back for a slow link" {
	start 'image-rate = 128K'
	began=$(date +%s%N)
	fetch openssl o-1
	fetch gnutls g-1
	[ $((($(date +%s%N) - began) / 1000000000)) -ge $((2 * IMAGE_S)) ]
	[ "$(late held)" -gt 0 ]
	[ "$(late refused)" -eq 0 ]
}

@test "rate: devices that are refused ask again, and no attempt is lost" {
	start 'image-rate = 4K'
	device_add argon-1
	device_add argon-2
	device_start argon-1 1.0.0 --window 8
	device_start argon-2 1.0.0 --window 8
	until_true 60 was_refused
	[ "$(count_events '.data == "failed"')" -eq 0 ]
	sed -i '/^image-rate/d' "$LAB/postbootd.conf"
	kill -HUP "$SERVER_PID"
	for id in argon-1 argon-2; do
		a=$(closed $id 60)
		[ "$(verdict "$a" .verdict)" = updated ]
		cmp "$LAB/1.1.0.bin" "$LAB/$id/slot-active"
	done
	[ "$(count_events '.data == "failed"')" -eq 0 ]
}
