#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Other people's clients against the whole daemon: report, observe, a download byte by byte, the
# gate, a reboot, success; on a good line and on a bad one.

load lib

setup_file() {
	export LAB
	lab_open
	server_start 'listen = coap://127.0.0.1:0' 'plain-devices = yes'
	PLAIN_PORT=$(ctl -o json status | jq -r '[.listen[] | select(startswith("coap:"))][0]')
	PLAIN_PORT=${PLAIN_PORT##*:}
	product_add
	for v in 1.0.0 1.1.0; do # small: stop-and-wait pays 2 s for each loss
		head -c 20001 /dev/urandom >"$LAB/$v.bin"
		ctl release add argon "$LAB/$v.bin" --version $v >/dev/null
	done
	ctl product target argon 1.1.0
	export SERVER_PORT PLAIN_PORT SERVER_PID POSTBOOT_SOCKET
}

teardown_file() {
	lab_close
}

setup() {
	export MARK=0
	bad_line=
	port=$SERVER_PORT
}

teardown() {
	[ -z "$bad_line" ] || stop "$bad_line"
}

# A radio that loses a tenth, doubles and swaps some.
line_gets_bad() { # SEED [PORT]
	rm -f "$LAB/lossy.port" # of the test before
	"$TOP_BUILDDIR/tests/support/lossy" "${2:-$SERVER_PORT}" 10 5 5 "$1" \
		>"$LAB/lossy.port" 2>"$LAB/lossy.sum" 3>&- &
	bad_line=$!
	until_true 20 test -s "$LAB/lossy.port"
	port=$(cat "$LAB/lossy.port")
}

# The line was bad indeed.
line_was_bad() {
	stop "$bad_line"
	bad_line=
	cat "$LAB/lossy.sum"
	[[ $(cat "$LAB/lossy.sum") =~ passed=[1-9].*\ lost=[1-9] ]]
}

# OPTION... PATH: sets `client` to the command. Without TLS the query says who it is.
client_is() {
	client=(timeout $((60 * SLOWER)) "coap-client-$flavour" "${@:1:$#-1}")
	if [ "$flavour" = notls ]; then
		client+=("coap://127.0.0.1:$port/${!#}?ep=$id")
	else
		client+=(-u "$id" -k "key-of-$id-by-hand" "coaps://127.0.0.1:$port/${!#}")
	fi
}

# METHOD PATH [OPTION...]: until it was answered with a success. A client that gave up on a bad
# line says so or not, and is started again.
coap() {
	local method=$1 path=$2 i
	shift 2
	for ((i = 0; i < 6; i++)); do
		client_is -B $((50 * SLOWER)) -m "$method" -v 7 "$@" "$path"
		"${client[@]}" >"$LAB/$id.client" 2>&1
		! grep -q 'c:2\.0[0-9]' "$LAB/$id.client" || return 0
		[ -n "$bad_line" ] || break
	done
	cat "$LAB/$id.client" >&2
	return 1
}

report() { # BOOT VERSION
	rm -f "$LAB/$id.answer"
	coap post report -t 50 -A 50 -o "$LAB/$id.answer" \
		-e "{\"0\":\"$1\",\"2\":\"$2\",\"12\":\"argon\",\"17\":7}"
}

status() { # STATE SEQ
	coap post status -t 50 -e "{\"0\":$attempt,\"1\":$1,\"7\":\"$boot1\",\"8\":$2}"
}

# FLAVOUR ID: a whole life of a device.
lives() {
	flavour=$1
	id=$2
	boot1=a1a1a1a1a1a1a1a1
	if [ "$flavour" = notls ]; then
		ctl device add "$id" --product argon --plain >/dev/null
		grade=weak
	else
		device_add "$id" "key-of-$id-by-hand"
		grade=standard
	fi

	report $boot1 1.0.0
	attempt=$(jq '."1"' "$LAB/$id.answer")
	path=$(jq -r '."5"' "$LAB/$id.answer")
	[ "$attempt" -gt 0 ]

	for _ in 1 2 3; do # a client that gives up in the middle says nothing
		rm -f "$LAB/$id.bin"
		coap get "${path#/}" -o "$LAB/$id.bin"
		! cmp -s "$LAB/$id.bin" "$LAB/1.1.0.bin" || break
	done
	cmp "$LAB/$id.bin" "$LAB/1.1.0.bin"

	status 2 1
	status 3 2
	wait_device 20 "$id" '.attempt.state == "applying"'
	report b2b2b2b2b2b2b2b2 1.1.0
	wait_event 20 ".attempt == $attempt and .data == \"success\""
	[ "$(verdict "$attempt" '"\(.verdict) \(.via) \(.grade)"')" = "updated ota $grade" ]
	[ "$(count_events ".attempt == $attempt and .data == \"started\"")" -eq 1 ]
}

# FLAVOUR ID: a lock rings the doorbell of a client that observes /desired.
hears_the_bell() {
	flavour=$1
	id=$2
	client_is -B $((60 * SLOWER)) -s $((60 * SLOWER)) -A 50 -o "$LAB/$id.bell" desired
	local observer before i
	for ((i = 0; i < 6; i++)); do # on a bad line it may give up before it has begun
		rm -f "$LAB/$id.bell"
		"${client[@]}" 2>/dev/null 3>&- &
		observer=$!
		! until_true 5 test -s "$LAB/$id.bell" || break
		stop "$observer"
	done
	before=$(wc -c <"$LAB/$id.bell")
	ctl device lock "$id" 1.0.0 >/dev/null
	until_true 20 eval "[ \$(wc -c <'$LAB/$id.bell') -gt $before ]"
	kill "$observer"
	wait "$observer" 2>/dev/null || :
}

@test "clients openssl: a device's life" {
	lives openssl o-1
	hears_the_bell openssl o-1
}

@test "clients gnutls: a device's life" {
	lives gnutls g-1
	hears_the_bell gnutls g-1
}

@test "clients openssl: a device's life on a bad line" {
	line_gets_bad 1
	lives openssl o-2
	hears_the_bell openssl o-2
	line_was_bad
}

@test "clients gnutls: a device's life on a bad line" {
	line_gets_bad 2
	lives gnutls g-2
	hears_the_bell gnutls g-2
	line_was_bad
}

@test "clients notls: a plain device's life" {
	port=$PLAIN_PORT
	lives notls n-1
	hears_the_bell notls n-1
}

@test "clients notls: a plain device's life on a bad line" {
	line_gets_bad 3 "$PLAIN_PORT"
	lives notls n-2
	hears_the_bell notls n-2
	line_was_bad
}
