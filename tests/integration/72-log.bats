#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The log of a long run, by one grammar: <N>, perhaps one word, then KEY=VALUE.

load lib

setup() {
	lab_open
}

teardown() {
	lab_close
}

# Prints the lines that are not as postbootd(8) says.
strangers() {
	grep -v -E '^<[3467]>([a-z][a-z-]*( |$))?([a-z][a-z0-9_-]*=([^ "=]+|"[^"]*")( |$))*$' "$1" || :
}

@test "log: every line of a long run has its form, and each transition stands once" {
	server_start 'log-level = debug' 'plain-devices = yes'
	product_add max-reverts=5 backoff-s=0
	release_add 1.0.0
	release_add 1.1.0
	for id in good-1 full-1 never-1; do
		device_add "$id"
	done
	device_add 'quote-1'
	ctl product target argon 1.1.0
	device_start good-1 1.0.0
	device_start full-1 1.0.0 --fault fs-full:2
	device_start never-1 1.0.0 --fault never-reboot
	# A device that nobody knows, with a name that would break a line.
	printf '%064d' 1 >"$LAB/evil.psk"
	"$POSTBOOT_DEVICE" --server "$SERVER_URI" --id 'a" b=c' --psk-file "$LAB/evil.psk" \
		--state "$LAB/evil" --hardware argon --version 1.0.0 --image "$LAB/1.0.0.bin" \
		--interval 1 >/dev/null 2>&1 3>&- &
	evil=$!
	wait_event 30 '.device == "good-1" and .data == "success"'
	wait_event 30 '.device == "full-1" and .data == "failed"'
	until_true 20 grep -q "^<6>net peer=[^ ]* handshake=failed reason=unknown-device identity=\"a? b=c\"$" "$LAB/postbootd.log"
	stop "$evil"
	chmod 0 "$LAB/state/images/"* # root reads them all the same; others have a condition
	ctl device remove never-1
	run ctl product add argon
	# what is refused before its body is read, too, is told with who asked
	curl -s -o /dev/null --unix-socket "$POSTBOOT_SOCKET" -X POST 'http://localhost/v1/products/argon/releases?no=1'
	grep -q "^<6>admin refused=400 .* who=\"$(id -un)\" uid=$(id -u) pid=[1-9]" "$LAB/postbootd.log"
	echo 'log-level = loud' >>"$LAB/postbootd.conf"
	kill -HUP "$SERVER_PID"
	until_true 10 grep -q 'reload=failed' "$LAB/postbootd.log"
	sed -i '/^log-level = loud/d' "$LAB/postbootd.conf"
	server_stop
	strangers "$LAB/postbootd.log" | tee "$LAB/strangers"
	[ ! -s "$LAB/strangers" ]
	[ "$(wc -l <"$LAB/postbootd.log")" -gt 40 ]
	# dev= attempt= state=a->b cause=: each step once, and each leads on from the one before.
	grep -o 'dev=[^ ]* attempt=[0-9]* state=[a-z]*->[a-z]* cause=[a-z-]*' "$LAB/postbootd.log" >"$LAB/steps"
	[ "$(wc -l <"$LAB/steps")" -ge 10 ]
	awk '{
			split($3, part, "=")
			split(part[2], s, "->")
			if (($2 in at ? at[$2] : "none") != s[1]) { print; bad = 1 }
			at[$2] = s[2]
		}
		END { exit bad }' "$LAB/steps"
	[ "$(grep -c -E '(psk|key)=[0-9a-f]{16}' "$LAB/postbootd.log")" -eq 0 ]
}
