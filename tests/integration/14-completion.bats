#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What Tab offers, against the command table and a server's names.

load lib

setup() {
	COMPLETION=$TOP_SRCDIR/conf/completion/postbootctl
}

teardown() {
	[ -z "${LAB-}" ] || lab_close
}

# tab WORD...: the last one is being typed; what is offered, in one line.
tab() {
	bash -c '
		source "$1"
		shift
		# A busy machine is not what is tested.
		[ -z "${PATIENT-}" ] || timeout() { command timeout 60 "${@:2}"; }
		COMP_WORDS=("$@")
		COMP_CWORD=$(($# - 1))
		_postbootctl
		printf "%s\n" "${COMPREPLY[@]}" | sort | paste -s -d " "
	' tab "$COMPLETION" "$POSTBOOTCTL" "$@"
}

@test "completion: every noun, verb and option of the program, and nothing else" {
	nouns=$("$POSTBOOTCTL" help | sed -n 's/^  \([a-z]*\) .*/\1/p' | sort -u)
	[ "$(wc -l <<<"$nouns")" -ge 10 ]
	[ "$(tab '')" = "$(paste -s -d ' ' <<<"$nouns")" ]
	[ "$(tab pro)" = product ]
	for noun in product release device attempt event hook; do
		verbs=$("$POSTBOOTCTL" help "$noun" | sed -n "s/^  postbootctl $noun \([a-z]*\).*/\1/p" | sort -u)
		echo "$noun: $verbs"
		[ -n "$verbs" ]
		[ "$(tab "$noun" '')" = "$(paste -s -d ' ' <<<"$verbs")" ]
		for verb in $verbs; do
			options=$("$POSTBOOTCTL" help "$noun" "$verb" | sed -n 's/^  \(--[a-z-]*\).*/\1/p' |
				sort -u - <(printf '%s\n' --help --no-color --output --socket))
			[ "$(tab "$noun" "$verb" --)" = "$(paste -s -d ' ' <<<"$options")" ]
		done
	done
	[ "$(tab device un)" = "unforce unhold unlock untag" ]
	[ "$(tab -o j)" = json ]
	[ -z "$(tab nothing '')" ]
}

@test "completion: words are those of the server's lists, all of them" {
	"$TOP_BUILDDIR/tests/support/contract" >"$BATS_TEST_TMPDIR/tables.json"
	words() { jq -r "$1" "$BATS_TEST_TMPDIR/tables.json" | LC_ALL=C sort -u | paste -s -d ' '; }
	export LC_ALL=C
	[ "$(tab attempt list --verdict '')" = "$(words '.words.Verdict[]')" ]
	[ "$(tab device list --hold '')" = "$(words '"any", .words.Hold[]')" ]
	[ "$(tab device list --state '')" = "$(words '.words.DeviceState[]')" ]
	[ "$(tab event list --topic '')" = "$(words '.topics[]')" ]
	[ "$(tab event follow --topic de)" = "device/boot device/converged device/disabled device/drift device/held device/offline device/online" ]
	keys=$(words '"hardware=", "windows=", "time-zone=", (.policy[].name | gsub("_"; "-") + "=")')
	[ "$(tab product set argon '')" = "$keys" ]
	[ "$(tab product add argon stall-s=1 '')" = "$keys" ]
	[ "$(tab group set argon pilot '')" = "image-rate= max-downloads= name= time-zone= windows=" ]
	[ "$(tab device set argon-1 windows=x '')" = "time-zone= windows=" ]
	[ "$(tab product set argon ba)" = "backoff-max-s= backoff-s=" ]
	[ "$(tab help de)" = device ]
	[ "$(tab help device un)" = "unforce unhold unlock untag" ]
	[ -z "$(tab help explain '')" ]
	[ -z "$(tab help device show '')" ]
}

@test "completion: names of the server" {
	export PATIENT=1
	lab_open
	server_start
	product_add
	ctl product add blinky >/dev/null
	release_add 1.0.0
	release_add 1.1.0
	device_add argon-1
	device_add argon-2
	[ "$(tab product show '')" = "argon blinky" ]
	[ "$(tab product target '')" = "argon blinky" ]
	[ "$(tab product target argon '')" = "1.0.0 1.1.0 none" ]
	[ "$(tab product target blinky '')" = none ]
	[ "$(tab release show argon 1.1)" = 1.1.0 ]
	[ "$(tab release list b)" = blinky ]
	[ "$(tab device hold '')" = "argon-1 argon-2" ]
	[ "$(tab device lock argon-1 '')" = "1.0.0 1.1.0" ]
	[ "$(tab device list --product '')" = "argon blinky" ]
	[ "$(tab device list --state h)" = held ]
	[ "$(tab device show --no-color argon-2)" = argon-2 ]
	[ "$(tab explain '')" = "argon-1 argon-2 release rollout" ]
	[ "$(tab explain release '')" = "argon blinky" ]
	[ "$(tab explain release argon '')" = "1.0.0 1.1.0" ]
	[ -z "$(tab explain argon-1 '')" ]
	[ "$(tab attempt watch '')" = "argon-1 argon-2" ]
	[ "$(tab event follow --device '')" = "argon-1 argon-2" ]
	ctl hook add crm http://127.0.0.1:1/ >/dev/null
	[ "$(tab hook show '')" = crm ]
	[ "$(tab hook set crm --product '')" = "argon blinky" ]
	[ -z "$(tab hook add '')" ]
	for name in night noon day; do
		ctl rollout add argon 1.1.0 --name "$name" >/dev/null
	done
	[ "$(tab rollout show '')" = "argon blinky" ]
	[ "$(tab rollout start argon '')" = "day night noon" ]
	[ "$(tab rollout abort argon n)" = "night noon" ]
	[ "$(tab explain rollout argon n)" = "night noon" ]
	[ -z "$(tab rollout show blinky '')" ]
	# a new name is nobody's
	[ -z "$(tab device add '')" ]
	PATIENT=
	socket=$POSTBOOT_SOCKET
	POSTBOOT_SOCKET=$LAB/none
	[ -z "$(tab device hold '')" ]
	PATIENT=1
	[ "$(tab --socket "$socket" device hold '')" = "argon-1 argon-2" ]
}

@test "completion: a server that does not answer holds nobody up" {
	lab_open
	POSTBOOT_SOCKET=$LAB/deaf
	python3 -c 'import socket, sys, time
s = socket.socket(socket.AF_UNIX)
s.bind(sys.argv[1])
s.listen()
time.sleep(600)' "$POSTBOOT_SOCKET" 3>&- &
	deaf=$!
	until_true 10 test -S "$POSTBOOT_SOCKET"
	begun=$SECONDS
	[ -z "$(tab device hold '')" ]
	[ $((SECONDS - begun)) -le $((60 * SLOWER)) ]
	stop "$deaf"
}
