#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The load client measures what it says.

load lib

setup() {
	D=$(mktemp -d)
	head -c 100000 /dev/urandom >"$D/image"
	for i in 1 2 3 4; do
		echo "d-$i:000102030405060708090a0b0c0d0e0f"
	done >"$D/keys"
	"$TOP_BUILDDIR/tests/load/net-server" --file "$D/image" --psk-list "$D/keys" --port 0 \
		>"$D/out" 2>/dev/null 3>&- &
	server=$!
	until_true 10 grep -q '^coaps ' "$D/out"
	port=$(sed -n 's/^coaps //p' "$D/out")
}

teardown() {
	kill -CONT "$server" 2>/dev/null || :
	kill "$server" 2>/dev/null || :
	wait "$server" || :
	rm -rf "$D"
}

load_client() { # OPTION...
	"$TOP_BUILDDIR/tests/load/postboot-load" --port "$port" --psk-list "$D/keys" \
		--expect "$D/image" --sessions 4 "$@" 2>"$D/load.err"
}

value() { # NAME
	tr ' ' '\n' <"$D/load.out" | sed -n "s/^$1=\([0-9]*\).*/\1/p"
}

# A server that stands still for a second of four: a quarter of what was due waited, and it counts
# from when it was due, although nothing could be sent then.
@test "load: an open loop does not forget who had to wait" {
	load_client --rate 400 --seconds 4 >"$D/load.out" 3>&- &
	client=$!
	until_true 20 grep -q sessions "$D/load.err"
	kill -STOP "$server"
	sleep 1.3 # its warm-up takes 0.3
	kill -CONT "$server"
	wait "$client"
	cat "$D/load.out"
	[ "$(value wrong)" -eq 0 ]
	[ "$(value overdue)" -eq 0 ]
	[ "$(value asked_per_s)" -ge 380 ]
	[ "$(value asked_per_s)" -le 420 ]
	[ "$(value p99_us)" -ge 500000 ]
	[ "$(value max_us)" -ge 700000 ]
}

@test "load: a wrong byte is told" {
	printf X | dd of="$D/image" bs=1 seek=5000 conv=notrunc 2>/dev/null
	run load_client --seconds 0.2
	[ "$status" -eq 1 ]
	[[ $output == *\ wrong=[1-9]* ]]
}

@test "load: options that make no sense are refused" {
	run "$TOP_BUILDDIR/tests/load/postboot-load" --port 70000
	[ "$status" -eq 2 ]
	[[ $output == *"--port: too large, or no number"* ]]
	run "$TOP_BUILDDIR/tests/load/postboot-load" --psk-list "$D/keys" --window 17
	[ "$status" -eq 2 ]
}
