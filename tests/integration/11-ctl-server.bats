#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The commands against a server, without a device.

load lib

setup() {
	bats_require_minimum_version 1.5.0 2>/dev/null || :
	lab_open
	server_start
}

teardown() {
	lab_close
}

@test "ctl: a product, its releases and a device, in JSON" {
	ctl product add argon --hardware argon stall-s=10m backoff_s=2
	[ "$(ctl -o json product show argon | jq .policy.stall_s)" -eq 600 ]
	ctl product set argon stall-s=1h hardware=argon-2
	[ "$(ctl -o json product show argon | jq -r '"\(.policy.stall_s) \(.hardware)"')" = "3600 argon-2" ]
	release_add 1.0.0
	sum=$(sha256sum <"$LAB/1.0.0.bin")
	[ "$(ctl -o json release show argon 1.0.0 | jq -r .sha256)" = "${sum%% *}" ]
	ctl release add argon "$LAB/1.0.0.bin" --version 1.0.1 --running vendor-1:00112233 \
		--reports no-digest,no-confirm
	ctl -o json release show argon 1.0.1 |
		jq -e '.reports == ["no-digest", "no-confirm"] and (.running | length) == 2'
	[ "$(ctl -o json release list argon | jq '.releases | length')" -eq 2 ]
	ctl product target argon 1.0.0
	[ "$(ctl -o json product list | jq -r '.products[0].target')" = 1.0.0 ]
	device_add argon-1
	[ "$(stat -c %a "$LAB/argon-1.psk")" = 600 ]
	[ "$(ctl -o json device list | jq -r '.devices[0].id')" = argon-1 ]
	ctl -o json explain argon-1 | jq -e '[.blocked_by[].name] | index("no-baseline") != null'
	ctl -o json device remove argon-1 | jq -e .removed
	[ "$(ctl -o json device list | jq '.devices | length')" -eq 0 ]
}

@test "ctl: what the server refuses is exit 1 and one line" {
	refused() {
		run --separate-stderr ctl "$@"
		[ "$status" -eq 1 ]
		[ -z "$output" ]
		# shellcheck disable=SC2154
		[ "$(wc -l <<<"$stderr")" -eq 1 ]
		[[ $stderr == "postbootctl: $1 "* ]] || [[ $stderr == "postbootctl: $1: "* ]]
	}
	product_add
	refused product add argon
	refused product add "x/y"
	refused product show none
	refused product set argon no-such-key=1
	refused product set argon window=99
	refused product target argon 9.9
	refused release show argon 9.9
	: >"$LAB/empty.bin"
	refused release add argon "$LAB/empty.bin" --version 1
	refused release add argon "$LAB/none.bin" --version 1
	refused release add argon "$LAB/postbootd.conf" --version "a b"
	refused device add argon-1 --product none --psk-generate
	refused device show nobody
	refused device lock nobody 1.0.0
	device_add argon-1
	refused device add argon-1 --product argon --psk-file "$LAB/argon-1.psk"
	refused device lock argon-1 9.9
	refused attempt list --device nobody
	refused product set argon backoff-s=2h backoff-max-s=1h
	refused attempt show 12345
	refused attempt cancel 12345
	refused explain nobody
	refused event list --after 999999
}

@test "ctl: an upload that is refused by its head is told why, every time" {
	head -c 1000000 /dev/zero >"$LAB/1m.bin"
	for n in {1..60}; do
		run -1 ctl release add nope "$LAB/1m.bin" --version "$n"
		[ "$output" = 'postbootctl: release add: there is no product "nope"' ]
	done
}

@test "ctl: an act whose work is done succeeds and says so" {
	product_add
	device_add argon-1
	[[ $(ctl device unhold argon-1) == *"was not held."* ]]
	[[ $(ctl device unlock argon-1) == *"was not locked."* ]]
	[[ $(ctl device unforce argon-1) == *"was not forced."* ]]
	[[ $(ctl device hold argon-1) == *" is held."* ]]
	[[ $(ctl device hold argon-1) == *"was held already."* ]]
	[[ $(ctl device unhold argon-1) == *"is no longer held."* ]]
	# This server was not told to serve plain devices.
	[[ $(ctl device add argon-2 --product argon --plain) == *"plain-devices = yes"* ]]
	[[ $(ctl explain argon-2) == *"plain-devices"* ]]
}

@test "ctl: no table is wider than its terminal, no line ends in blanks" {
	command -v script || skip "no script(1)"
	long=a-product-with-a-name-that-is-rather-long-even-for-its-kind
	ctl product add "$long"
	ctl device add "a-device-of-which-the-name-is-rather-long-as-well" --product "$long" \
		--psk-generate
	run script -qec "stty cols 80; NO_COLOR=1 $POSTBOOTCTL device list" /dev/null </dev/null
	[[ $output == *a-device* ]]
	while IFS= read -r line; do
		line=${line%$'\r'}
		[ "${#line}" -le 80 ]
	done <<<"$output"
	ctl product set "$long" hardware=the-second-revision-of-it
	run script -qec "stty cols 80; NO_COLOR=1 $POSTBOOTCTL audit list" /dev/null </dev/null
	[[ $output == *the-second-revision-of-it* ]]
	for list in "device list" "product list" "release list" "attempt list" "event list"; do
		# shellcheck disable=SC2086
		run ctl $list
		[ "$status" -eq 0 ]
		[[ $output != *" "$'\n'* ]]
	done
}

# The words of a view; how long ago something was differs from one time to the next.
words() {
	tr -d '\r' | tr -s '[:space:]' ' ' | sed -E 's/[0-9]+ (s|min) ago|just now/ago/g'
}

@test "ctl: on a terminal a long fact goes on in the next line, elsewhere it is one" {
	command -v script || skip "no script(1)"
	product_add 'windows=Mon-Fri 22:00-23:30; Sat 01:00-05:00' time-zone=Europe/Berlin \
		window-download=0 window-apply=0
	release_add 1.0.0
	release_add 1.1.0
	device_add argon-1
	device_start argon-1 1.0.0 --fault fs-full:2
	ctl rollout add argon 1.1.0 --name a-rollout-with-a-long-name --waves 1,100%
	ctl rollout start argon a-rollout-with-a-long-name
	attempt=$(closed argon-1 30)
	halted() { ctl rollout show argon a-rollout-with-a-long-name | grep -q '^  halted'; }
	until_true 20 halted
	device_stop argon-1
	for columns in 80 60; do
		for view in "rollout show argon a-rollout-with-a-long-name" "event list" \
			"attempt show $attempt" "audit verify" "device show argon-1"; do
			run script -qec "stty cols $columns; NO_COLOR=1 $POSTBOOTCTL $view" /dev/null </dev/null
			[ "$status" -eq 0 ]
			folded=$output
			while IFS= read -r line; do
				line=${line%$'\r'}
				# A word that has no room is left whole.
				[ "${#line}" -le "$columns" ] || [[ $line =~ ^\ *[^\ ]+$ ]]
			done <<<"$folded"
			[ "$view" != "device show argon-1" ] || break # its boot may be told of meanwhile
			# shellcheck disable=SC2086
			[ "$(words <<<"$folded")" = "$(ctl $view | words)" ]
		done
	done
	grep -A 1 '^  windows  ' <<<"$folded" | grep '^ \{14\}[^ ]'
	ctl device show argon-1 | grep '^  windows .*Sat 01:00-05:00.*by the clock of Europe/Berlin'
	ctl rollout show argon a-rollout-with-a-long-name | grep '^  do  .*rollout devices.*rollout abort'
	ctl event list | grep 'rollout/state .*: halted, failures'
	# What is to be copied stands whole in its line.
	run script -qec "stty cols 72; NO_COLOR=1 $POSTBOOTCTL audit verify" /dev/null </dev/null
	head=$(ctl audit verify | sed -n 's/^  head  *//p')
	[ "${#head}" -ge 66 ]
	[[ $output == *$'\n'"    $head"* ]]
}

@test "ctl: a release in use is not removed" {
	product_add
	release_add 1.0.0
	release_add 1.1.0
	device_add argon-1
	ctl product target argon 1.1.0
	run ctl release remove argon 1.1.0
	[ "$status" -eq 1 ]
	ctl product target argon none
	ctl device lock argon-1 1.1.0
	run ctl release remove argon 1.1.0
	[ "$status" -eq 1 ]
	ctl device unlock argon-1
	ctl release remove argon 1.1.0
	[ "$(ctl -o json release list | jq '.releases | length')" -eq 1 ]
}

@test "ctl: lists go over all pages" {
	product_add
	key=00112233445566778899aabbccdd
	for i in $(seq 1000 1119); do
		echo "$key$i" | ctl device add "d-$i" --product argon --psk-file - >/dev/null
	done
	[ "$(ctl -o json device list | jq '.devices | length')" -eq 120 ]
	[ "$(ctl -o json device list | jq -r '[.devices[].id] | unique | length')" -eq 120 ]
}

@test "ctl: lists take filters, also where a page of the server has none that fits" {
	[[ $(ctl device list) == "No devices yet: "* ]]
	product_add
	key=00112233445566778899aabbccdd
	for i in $(seq 1000 1029); do
		echo "$key$i" | ctl device add "d-$i" --product argon --psk-file - >/dev/null
	done
	ctl device hold d-1028
	ctl device hold d-1003
	ids() { ctl -o json device list "$@" | jq -r '[.devices[].id] | join(" ")'; }
	[ "$(ids --hold any)" = "d-1003 d-1028" ]
	[ "$(ids --hold operator --product argon --offline)" = "d-1003 d-1028" ]
	[ "$(ids --state held)" = "d-1003 d-1028" ]
	[ -z "$(ids --hold reverts)" ]
	[ -z "$(ids --online)" ]
	[ "$(ctl device list --version 9.9)" = "No device fits." ]
	[ "$(ids --state new --offline | wc -w)" -eq 28 ]
	for bad in "--state x" "--hold x" "--online --offline"; do
		# shellcheck disable=SC2086
		run ctl device list $bad
		[ "$status" -ne 0 ]
	done
	[ "$(ctl -o json event list --topic device/held | jq '.events | length')" -eq 2 ]
	event=$(ctl -o json event list --topic device/held | jq -r '.events[0].time')
	[[ $(TZ=UTC ctl event list --topic device/held | head -1) == *" ${event:5:5} ${event:11:8}  d-1028 "* ]]
	[ "$(ctl -o json event list --topic device/boot | jq '.events | length')" -eq 0 ]
	for verb in list follow; do
		run --separate-stderr timeout 20 "$POSTBOOTCTL" event $verb --topic device/helt
		[ "$status" -eq 1 ]
		[[ $stderr == *'"device/helt" is not a topic'* ]]
	done
	run --separate-stderr "$POSTBOOTCTL" event list --device nobody
	[[ $stderr == *'there is no device "nobody" now'* ]]
	"$POSTBOOTCTL" event follow --device nobody >/dev/null 2>"$LAB/nobody" 3>&- &
	follower=$!
	until_true 10 grep -q 'there is no device "nobody" now' "$LAB/nobody"
	stop "$follower"
	run --separate-stderr ctl event list --device d-1003
	[ -z "$stderr" ]
	[ "$(ctl -o json attempt list --since 1h --verdict reverted | jq '.attempts | length')" -eq 0 ]
	for bad in "--since yesterday" "--verdict x" "--release 1" "--product none"; do
		# shellcheck disable=SC2086
		run ctl attempt list $bad
		[ "$status" -ne 0 ]
	done
}

@test "ctl: follow goes on where it stopped over a restart of the server" {
	product_add check-in-s=1
	release_add 1.0.0
	"$POSTBOOTCTL" -o json event follow --after 0 >"$LAB/followed" 2>"$LAB/followed.err" 3>&- &
	follower=$!
	ctl product target argon 1.0.0
	device_add argon-1
	device_start argon-1 1.0.0
	until_true 20 grep -q device/boot "$LAB/followed"
	server_stop
	server_start
	until_true 10 grep -q "trying again" "$LAB/followed.err"
	device_stop argon-1
	rm -rf "$LAB/argon-1"
	device_start argon-1 1.0.0
	wait_event 30 '.topic == "device/boot" and .boot_seq == 2'
	until_true 10 grep -q '"boot_seq":2' "$LAB/followed"
	stop "$follower"
	jq -se '[.[].seq] == [range(1; length + 1)]' "$LAB/followed"
}

@test "ctl: an upload that is cut short leaves nothing" {
	product_add
	image 1.0.0
	mkfifo "$LAB/fifo"
	"$POSTBOOTCTL" release add argon "$LAB/fifo" --version 1.0.0 >/dev/null 2>&1 3>&- &
	upload=$!
	exec {out}>"$LAB/fifo"
	head -c 200000 "$LAB/1.0.0.bin" >&"$out" # less stays in the buffers on the way
	begun() { [ -n "$(find "$LAB/state/images" -name '.tmp-*' -size +0)" ]; }
	until_true 10 begun
	kill -9 "$upload"
	exec {out}>&-
	wait "$upload" || :
	[ "$(ctl -o json release list | jq '.releases | length')" -eq 0 ]
	left() { [ -z "$(find "$LAB/state/images" -type f)" ]; }
	until_true 10 left
	ctl release add argon - --version 1.0.0 <"$LAB/1.0.0.bin"
	[ "$(ctl -o json release show argon 1.0.0 | jq .size)" -eq 245760 ]
}

@test "ctl: colours on a terminal only, and not where NO_COLOR is set" {
	command -v script || skip "no script(1)"
	product_add
	device_add argon-1
	on_terminal() { script -qec "$1" /dev/null </dev/null; }
	run on_terminal "TERM=xterm $POSTBOOTCTL device list"
	[[ $output == *$'\e['* ]]
	run on_terminal "TERM=xterm NO_COLOR=1 $POSTBOOTCTL device list"
	[[ $output != *$'\e['* ]]
	run on_terminal "TERM=xterm $POSTBOOTCTL --no-color device list"
	[[ $output != *$'\e['* ]]
	run ctl device list
	[[ $output != *$'\e['* ]]
}
