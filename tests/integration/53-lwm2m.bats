#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# LwM2M devices, as they are sold, and their updates.

load lib
load aside

setup_file() {
	aside_start pull styles push strong example
}

teardown_file() {
	aside_stop
}

setup_case() {
	server_start
	product_add
	release_add 1.0.0
	release_add 1.1.0
	ctl product target argon 1.1.0 >/dev/null
}

lw() { # ID [OPTION...]
	device_add "$1"
	device_start "$1" 1.0.0 --protocol lwm2m --interval 20 "${@:2}"
}

shows() { # NAME=VALUE...: options of the product
	local option options=()
	for option in "$@"; do
		options+=(--protocol-option "$option")
	done
	ctl product set argon "${options[@]}" >/dev/null
}

# updated ID: its verdict, and the bytes that it runs.
updated() {
	a=$(closed "$1" 60)
	[ "$(verdict "$a" '"\(.verdict) \(.via) \(.success)"')" = "updated ota true" ] || {
		ctl attempt show "$a"
		cat "$LAB/$1.log"
		return 1
	}
	cmp "$LAB/1.1.0.bin" "$LAB/$1/slot-active"
}

explained() { # ID WORDS: are they in explain, however its lines are broken?
	ctl explain "$1" | tr -s ' \n' ' ' | grep -qF -- "$2"
}

proves() { # ID BOOT IMAGE: what is shown of its proof
	ctl -o json device show "$1" | jq -e --arg boot "$2" --arg image "$3" \
		'[.. | objects | select(has("proof of a boot"))][0] |
		."proof of a boot" == $boot and ."proof of the image" == $image'
}

case_pull() {
	lw lw-1
	updated lw-1
	[ "$(verdict "$a" .grade)" = weak ]
	explained lw-1 'so a success is weak; a boot counter or an uptime would show it'
	explained lw-1 'product set argon --protocol-option lwm2m-boot-count=/O/I/R'
	explained lw-1 'What it runs is only known by its label (/3/0/3); a digest would show the bytes'
	proves lw-1 'a new registration (weak)' version
	ctl -o json attempt show "$a" | jq -e '
		([.ladder[] | select(.at).rung] | index("rebooted") <= index("running-target"))
		and .served_bytes >= .size'
	[ "$(count_events '.topic == "flash/status"')" -eq 2 ]
	wait_device 10 lw-1 '.state == "in-sync" and .running.version == "1.1.0"'
	[ "$(metric 'postboot_protocol_devices{protocol="lwm2m"}')" -eq 1 ]
	[ "$(metric 'postboot_protocol_attempts_closed_total{protocol="lwm2m",verdict="updated"}')" -eq 1 ]
	metric_is_at_least 2 'postboot_protocol_requests_total{protocol="lwm2m"}'
	metric_is_at_least 6 'postboot_protocol_asks_total{protocol="lwm2m"}'
	[ "$(metric 'postboot_protocol_requests_total{protocol="native"}')" -eq 0 ]
}

@test "lwm2m: pull, and success only after the reboot; weak, as it is only registered anew" {
	aside pull
}

case_styles() {
	lw anjay --style anjay
	lw wakaama --style wakaama
	lw zephyr --style zephyr
	lw push --delivery push --block 512
	lw tlv --lwm2m 1.0
	lw small --block 128 --download own
	for id in anjay wakaama zephyr push tlv small; do
		updated "$id"
	done
	for id in wakaama push; do
		grep -q 'offered by push' "$LAB/$id.log"
	done
	for id in anjay zephyr tlv small; do
		grep -q 'offered by coaps:' "$LAB/$id.log"
	done
}

@test "lwm2m: as Anjay, Wakaama and Zephyr do it, by push, in TLV, in small blocks" {
	aside styles
}

case_push() {
	shows lwm2m-transfer=push lwm2m-block=256
	lw lw-1
	updated lw-1
	grep -q 'offered by push' "$LAB/lw-1.log"
}

@test "lwm2m: push in the blocks that the product wants, to a device that can do both" {
	aside push
}

case_strong() {
	shows lwm2m-boot-count=/33000/0/0 lwm2m-uptime=/33000/0/1 lwm2m-digest=/33000/0/2 \
		lwm2m-digest-kind=file lwm2m-confirmed=/33000/0/3 lwm2m-hardware=/3/0/18
	lw lw-1 --interval 2 --vendor-object 33000
	updated lw-1
	[ "$(verdict "$a" .grade)" = strong ]
	proves lw-1 'boot counter (standard)' 'version, digest (file), confirmation'
	[ "$(ctl explain lw-1 | grep -cE 'weak|It does not show|digest would show')" -eq 0 ]
	ctl -o json attempt show "$a" | jq -e '[.evidence[] | select(.held).item] ==
		["new-boot", "version", "digest", "confirmed"]'
}

@test "lwm2m: a boot counter, an uptime, a digest, a confirmation make the proof strong" {
	aside strong
}

# The N-th example of postboot-lwm2m(7), with these programs.
example() {
	awk -v n="$1" '/^\.Sh EXAMPLES/ { examples = 1 }
		/^\.Bd/ { inside = examples; count += inside; next }
		/^\.Ed/ { inside = 0 }
		inside && count == n' "$TOP_SRCDIR/man/postboot-lwm2m.7" |
		sed "s/\\\\e$/\\\\/; s,^postbootctl,timeout 60 $POSTBOOTCTL," >"$LAB/example-$1"
	[ "$(wc -l <"$LAB/example-$1")" -ge 3 ]
	(cd "$LAB" && sh -eu "example-$1")
}

case_example() {
	image 1.0.0
	image 1.1.0
	cp "$LAB/1.0.0.bin" "$LAB/meter-1.0.0.bin"
	cp "$LAB/1.1.0.bin" "$LAB/meter-1.1.0.bin"
	example 1
	cp "$LAB/meter-1.key" "$LAB/meter-1.psk"
	device_start meter-1 1.0.0 --protocol lwm2m --interval 20
	wait_device 20 meter-1 '.online'
	example 2 >"$LAB/said"
	grep -q 'updated' "$LAB/said"
	grep -q 'registration *.*/rd/' "$LAB/said"
	example 3
}

@test "lwm2m: the board of postboot-lwm2m(7), from the beginning" {
	aside example
}
