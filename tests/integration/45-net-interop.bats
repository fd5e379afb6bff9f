#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The network room alone (tests/load/net-server) and other people's clients: libcoap on OpenSSL,
# on GnuTLS and without TLS.

: "${TOP_BUILDDIR:=$(cd "$(dirname "$BATS_TEST_FILENAME")/../../build" && pwd)}"
[ "${SANITIZED-no}" = no ] && SLOWER=1 || SLOWER=3

setup() {
	dir=$(mktemp -d "${TMPDIR:-/tmp}/postboot-net.XXXXXX")
	head -c 70001 /dev/urandom >"$dir/image"
	printf 'dev:73656372657473656372657473656372\n' >"$dir/keys"
	"$TOP_BUILDDIR/tests/load/net-server" --file "$dir/image" --psk-list "$dir/keys" \
		--bind 127.0.0.1 --bind ::1 --port 0 --plain-port 0 --tick 300 \
		>"$dir/out" 2>"$dir/err" 3>&- &
	server=$!
	for _ in {1..600}; do
		[ "$(wc -l <"$dir/out")" -ge 4 ] && break
		sleep 0.05
	done
	secure=$(sed -n 's/^coaps //p' "$dir/out" | head -n 1)
	secure6=$(sed -n 's/^coaps //p' "$dir/out" | tail -n 1)
	plain=$(sed -n 's/^coap //p' "$dir/out" | head -n 1)
}

teardown() {
	kill "$server" 2>/dev/null && wait "$server"
	status=$?
	rm -rf "$dir"
	return $status # a sanitizer's finding fails the test
}

coap() { # FLAVOUR [OPTION...] URI-PATH
	local flavour=$1
	shift
	coap_command "$flavour" "$@"
	timeout $((90 * SLOWER)) "${command[@]}" 2>"$dir/coap.err"
}

coap_command() { # as coap; the command is in $command
	local flavour=$1
	shift
	command=("coap-client-$flavour" -B $((60 * SLOWER)) -u dev -k secretsecretsecr "${@:1:$#-1}"
		"coaps://127.0.0.1:$secure/${!#}")
}

whole() { # FLAVOUR PATH [OPTION...]
	local flavour=$1 path=$2
	shift 2
	rm -f "$dir/got"
	coap "$flavour" -o "$dir/got" "$@" "$path"
	cmp "$dir/got" "$dir/image"
}

@test "interop openssl: a file in blocks of several sizes, byte by byte" {
	for b in 64 256 1024; do
		whole openssl fw/x -b $b
	done
	whole openssl whole
}

@test "interop gnutls: a file in blocks of several sizes, byte by byte" {
	for b in 64 256 1024; do
		whole gnutls fw/x -b $b
	done
	whole gnutls whole
}

@test "interop openssl, gnutls: observation is notified" {
	for flavour in openssl gnutls; do
		: >"$dir/notes"
		coap_command $flavour -s $((60 * SLOWER)) desired
		"${command[@]}" >"$dir/notes" 2>/dev/null 3>&- &
		client=$!
		for _ in {1..600}; do # the counter, several times
			[ "$(tr -d '\n' <"$dir/notes" | wc -c)" -lt 4 ] || break
			sleep 0.1
		done
		kill -INT "$client"
		wait "$client" || :
		[ "$(tr -d '\n' <"$dir/notes" | wc -c)" -ge 4 ]
	done
	for _ in {1..600}; do # the clients took their leave
		[ "$(grep -c 'observe-end tag=1' "$dir/err")" -lt 2 ] || break
		sleep 0.1
	done
	[ "$(grep -c 'observe-end tag=1' "$dir/err")" -ge 2 ]
}

@test "interop openssl, gnutls: an answer after its empty ACK" {
	for flavour in openssl gnutls; do
		[ "$(coap $flavour -m post -e x 'report?delay=1300')" = late ]
	done
}

@test "interop openssl, gnutls: wrong key and unknown identity are refused" {
	for flavour in openssl gnutls; do
		run timeout 20 coap-client-$flavour -B 2 -u dev -k wrongwrongwrong1 \
			"coaps://127.0.0.1:$secure/desired"
		[[ $output == *"cannot send"* ]]
		run timeout 20 coap-client-$flavour -B 2 -u nobody -k secretsecretsecr \
			"coaps://127.0.0.1:$secure/desired"
		[[ $output == *"cannot send"* ]]
	done
}

@test "interop openssl, gnutls: IPv6" {
	for flavour in openssl gnutls; do
		rm -f "$dir/got"
		timeout $((90 * SLOWER)) coap-client-$flavour -B $((60 * SLOWER)) -u dev -k secretsecretsecr \
			-o "$dir/got" "coaps://[::1]:$secure6/fw/x"
		cmp "$dir/got" "$dir/image"
	done
}

@test "interop openssl, gnutls: discovery takes a filter" {
	for flavour in openssl gnutls; do
		run coap $flavour '.well-known/core?href=/d*'
		[[ $output == '</desired>;obs;ct=60' ]]
	done
}

@test "interop openssl, gnutls: the answer to a POST in blocks" {
	for flavour in openssl gnutls; do
		[ "$(coap $flavour -m post -b 16 -e x long)" = "an answer that is longer than one block of 16" ]
	done
}

@test "interop notls: .well-known/core in blocks that amplify nothing, the rest is refused" {
	run timeout 20 coap-client-notls -B 5 "coap://127.0.0.1:$plain/.well-known/core"
	[[ $output == *"</desired>;obs"* && $output == *"</status>"* ]]
	run timeout 20 coap-client-notls -B 5 "coap://127.0.0.1:$plain/desired"
	[[ $output == *4.01* ]]
}

@test "interop openssl: unknown method, other Accept, block beyond the end" {
	run coap openssl -m ipatch -e x .well-known/core
	[[ $output$(cat "$dir/coap.err") == *4.05* ]]
	run coap openssl -A 60 .well-known/core
	[[ $output$(cat "$dir/coap.err") == *4.06* ]]
	run coap openssl -b 5000,64 fw/x
	[[ $output$(cat "$dir/coap.err") == *4.00* ]]
}
