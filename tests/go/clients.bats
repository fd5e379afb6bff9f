#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# A client in Go on pion's DTLS, from Debian's packages and built without a network, against the
# whole daemon: each cipher suite, small datagrams, a bad line, a NAT that forgets. It offers to
# resume its first session. Run by check.sh --all.

load ../integration/matrix

GOCODE=/usr/share/gocode

setup_file() {
	export LAB GO_DEVICE="$TOP_BUILDDIR/tests/go/device"
	go_there || return 0
	mkdir -p "$TOP_BUILDDIR/tests/go"
	GO111MODULE=off GOPATH=$GOCODE GOFLAGS='' GOCACHE="$TOP_BUILDDIR/tests/go/cache" \
		go build -o "$GO_DEVICE" "$BATS_TEST_DIRNAME/device.go" 2>&1 || {
		echo "device.go cannot be built" >&2
		return 1
	}
	matrix_open
}

teardown_file() {
	[ -z "${LAB-}" ] || lab_close
}

go_there() {
	command -v go >/dev/null && [ -e "$GOCODE/src/github.com/pion/dtls/v2" ]
}

setup() {
	go_there || skip "golang-go or golang-github-pion-dtls.v2-dev is not installed"
	matrix_begin
}

teardown() {
	matrix_end
}

by_go() { # ID [SUITE [MTU [FIRST]]]
	lives "$1" "$GO_DEVICE" "$LINE_PORT" "$1" "key-of-$1-by-hand" "$LAB/$1.bin" "${@:2}"
}

@test "clients go: every cipher suite, and an offer to resume" {
	for suite in CCM-8 CCM GCM; do
		device_by_hand "p-$suite"
		by_go "p-$suite" $suite
		grep -q '^sessions 2$' "$LAB/p-$suite.life"
	done
}

@test "clients go: handshakes in small datagrams" {
	for mtu in 1280 576 100; do # 100: the ClientHello comes in fragments
		device_by_hand "p-$mtu"
		by_go "p-$mtu" CCM-8 $mtu
	done
}

@test "clients go: a device's life on a bad line" {
	device_by_hand p-bad
	line 10 5 5 11
	by_go p-bad CCM-8 0 500
	line_was 'passed=[1-9].* lost=[1-9]'
}

@test "clients go: the device's address changes in the middle" {
	device_by_hand p-nat
	line 0 0 0 1 0 25
	by_go p-nat CCM-8 0 300
	[ "$(sed -n 's/^sessions //p' "$LAB/p-nat.life")" -ge 3 ]
	line_was 'rebound=[1-9]'
}
