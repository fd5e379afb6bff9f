#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Another postbootd is installed over the one that serves many devices, and started in its place
# while they go on: their socket is kept, and their sessions.
#
# POSTBOOT_UPGRADE_SESSIONS=2000 for more of them, as tests/long/upgrade.sh does.

load lib
load sessions

SESSIONS=${POSTBOOT_UPGRADE_SESSIONS:-200}
REPORTERS=4
ALL=$((SESSIONS + REPORTERS))
LOAD=$TOP_BUILDDIR/tests/load/postboot-load

setup() {
	lab_open
	mkdir "$LAB/bin"
	cp "$POSTBOOTD" "$LAB/bin/postbootd"
	POSTBOOTD=$LAB/bin/postbootd
	server_start 'handshakes-per-second = 100000' 'requests-per-second = 1000000' \
		'device-requests-per-second = 100000'
	product_add
	release_add 1.0.0
	release_add 1.1.0
	ctl product target argon 1.1.0 >/dev/null
	devices_add "$ALL"
}

teardown() {
	[ -z "${LOADING-}" ] || kill "$LOADING" 2>/dev/null || :
	lab_close
}

# devices_add COUNT: with the keys in $LAB/keys, over one connection.
devices_add() {
	awk -v n="$1" 'BEGIN {
		for (i = 1; i <= n; i++)
			printf "up-%05d:%032x\n", i, i
	}' >"$LAB/keys"
	awk -F: -v socket="$LAB/admin.sock" '{
		printf "next\nurl = \"http://localhost/v1/devices\"\noutput = \"/dev/null\"\n"
		printf "unix-socket = \"%s\"\nheader = \"Content-Type: application/json\"\n", socket
		printf "data = \"{\\\"id\\\":\\\"%s\\\",\\\"product\\\":\\\"argon\\\",", $1
		printf "\\\"psk\\\":\\\"%s\\\"}\"\n", $2
	}' "$LAB/keys" >"$LAB/requests"
	curl --silent --show-error --fail --config "$LAB/requests"
	[ "$(ctl -o json status | jq .devices)" -eq "$1" ]
}

# said KEY: what the load client said of it.
said() {
	tr ' ' '\n' <"$LAB/load.out" | sed -n "s/^$1=//p"
}

# Datagrams that the kernel had no room for, of the devices' socket.
lost() {
	awk -v port=":$(printf %04X "$SERVER_PORT")" '$2 ~ port "$" { sum += $NF } END { print sum + 0 }' \
		/proc/net/udp
}

# What another version of the package does.
install_another() {
	cp "$POSTBOOTD" "$POSTBOOTD.new"
	printf '\0' >>"$POSTBOOTD.new"
	mv "$POSTBOOTD.new" "$POSTBOOTD"
}

running() {
	readlink "/proc/$(pgrep -P "$SERVER_PID" -f "$POSTBOOTD")/exe"
}

@test "an upgrade under load: no request is lost, none is sent more than twice" {
	manager_start
	# Downloads at their times, whatever happens to the server, and reports without a pause.
	"$LOAD" --port "$SERVER_PORT" --psk-list "$LAB/keys" --report-first --expect "$LAB/1.1.0.bin" \
		--sessions "$SESSIONS" --window 2 --rate $((SESSIONS * 5)) --reporters "$REPORTERS" \
		--sockets 4 --seconds 6 --drain >"$LAB/load.out" 2>"$LAB/load.err" 3>&- &
	LOADING=$!
	for _ in 1 2; do
		until_true 60 metric_is_at_least "$SESSIONS" postboot_image_blocks_total
		install_another
		[[ $(running) == *" (deleted)" ]]
		manager_restart "$ALL"
		[[ $(running) != *" (deleted)" ]]
		[ "$(metric 'postboot_handshakes_total{result="ok"}')" = 0 ]
		grep -q "^<6>sessions=restored count=$ALL refused=0 " "$LAB/postbootd.log"
	done
	wait "$LOADING"
	LOADING=
	cat "$LAB/load.out" "$LAB/load.err" "$LAB/postbootd.log"
	[ "$(said wrong)" = 0 ]
	[ "$(said refused)" = 0 ]
	[ "$(said failed)" = 0 ]
	[ "$(said unanswered)" = 0 ]
	[ "$(said overdue)" = 0 ]
	[ "$(said repeats_most)" -le 1 ]
	[ "$(lost)" = 0 ]
	[ "$(metric 'postboot_handshakes_total{result="ok"}')" = 0 ]
}
