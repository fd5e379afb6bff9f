#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The DTLS of OpenSSL and GnuTLS by their own tools: every cipher suite, small datagrams, an offer
# to resume, a NAT that forgets; each a device's whole life, byte by byte.

load matrix

setup_file() {
	matrix_open
}

teardown_file() {
	lab_close
}

setup() {
	matrix_begin
}

teardown() {
	matrix_end
}

@test "pipes openssl: every cipher suite" {
	for suite in PSK-AES128-CCM8 PSK-AES128-CCM PSK-AES128-GCM-SHA256 ECDHE-PSK-CHACHA20-POLY1305; do
		device_by_hand "o-$suite"
		by_openssl "o-$suite" $suite
		grep -q '^sessions 1$' "$LAB/o-$suite.life"
	done
}

@test "pipes gnutls: every cipher suite" {
	for suite in AES-128-CCM-8 AES-128-CCM AES-128-GCM; do
		device_by_hand "g-$suite"
		by_gnutls "g-$suite" "+PSK:+$suite"
		grep -q '^sessions 1$' "$LAB/g-$suite.life"
	done
	# Behind this handshake gnutls-cli 3.7 dies of its own words about ECDHE-PSK.
	device_by_hand g-ecdhe
	timeout 10 gnutls-cli --udp --port "$LINE_PORT" --logfile "$LAB/g-ecdhe.log" \
		--priority "$PRIORITY:+ECDHE-PSK:+CHACHA20-POLY1305" --pskusername g-ecdhe \
		--pskkey "$(hex key-of-g-ecdhe-by-hand)" 127.0.0.1 </dev/null || :
	wait_device 10 g-ecdhe '.sessions == 1'
}

@test "pipes openssl: other cipher suites are refused" {
	run timeout 20 openssl s_client -dtls1_2 -timeout -connect "127.0.0.1:$LINE_PORT" \
		-cipher PSK-AES256-CBC-SHA384:@SECLEVEL=0 -psk_identity x -psk 1234 </dev/null
	[[ $output == *"alert handshake failure"* ]]
}

@test "pipes openssl, gnutls: path MTU 576 and 1280" {
	for mtu in 576 1280; do
		export PIPE=''
		[ $mtu -gt 576 ] || PIPE='--szx 4'
		device_by_hand o-$mtu
		by_openssl o-$mtu PSK-AES128-CCM8 -mtu $mtu
		device_by_hand g-$mtu
		by_gnutls g-$mtu +PSK:+AES-128-CCM-8 --mtu $mtu
	done
}

# OpenSSL sends its ClientHello in pieces then.
@test "pipes openssl: handshake messages in fragments" {
	device_by_hand o-256
	PIPE='--szx 2' by_openssl o-256 ALL -mtu 256
}

# FILE TYPE: how many handshake messages of that type (RFC 5246 7.4) s_client -msg tells of.
messages() {
	grep -c "^    $2 00 00" "$1" || :
}

@test "pipes openssl: a cookie is asked for, no identity hint, a session offered again is a new one" {
	device_by_hand o-again
	args=(-dtls1_2 -timeout -connect "127.0.0.1:$LINE_PORT" -cipher PSK-AES128-CCM8:@SECLEVEL=0
		-psk_identity o-again -psk "$(hex key-of-o-again-by-hand)" -msg)
	openssl s_client "${args[@]}" -sess_out "$LAB/session" </dev/null >"$LAB/first" 2>&1
	[ -s "$LAB/session" ]
	openssl s_client "${args[@]}" -sess_in "$LAB/session" </dev/null >"$LAB/second" 2>&1
	for file in "$LAB/first" "$LAB/second"; do
		cat "$file"
		[ "$(messages "$file" 01)" -eq 2 ] # ClientHello, without and with a cookie
		[ "$(messages "$file" 03)" -eq 1 ] # HelloVerifyRequest
		[ "$(messages "$file" 0c)" -eq 0 ] # ServerKeyExchange, which carries the hint
		[ "$(messages "$file" 10)" -eq 1 ] # ClientKeyExchange
		grep -q '^New, .*PSK-AES128-CCM8' "$file"
	done
}

# Without a connection ID the server cannot know who that is: a new handshake, and all goes on.
@test "pipes openssl: the device's address changes in the middle" {
	device_by_hand o-nat
	line 0 0 0 1 0 18
	PIPE='--first 0.3 --again 5' by_openssl o-nat PSK-AES128-CCM8
	grep '^sessions' "$LAB/o-nat.life"
	[ "$(sed -n 's/^sessions //p' "$LAB/o-nat.life")" -ge 2 ]
	line_was 'rebound=[1-9]'
}

@test "pipes openssl: a bad line" {
	device_by_hand o-bad
	line 10 5 5 7
	PIPE='--first 0.5 --again 10' by_openssl o-bad PSK-AES128-CCM8
	line_was 'passed=[1-9].* lost=[1-9]'
}

@test "pipes gnutls: a bad line" {
	device_by_hand g-bad
	line 10 5 5 8
	PIPE='--first 0.5 --again 10' by_gnutls g-bad +PSK:+AES-128-CCM-8
	line_was 'passed=[1-9].* lost=[1-9]'
}
