#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# CoAP clients from npm against the whole daemon. node-coap-client has a DTLS of its own that
# dies on a PSK identity hint, which the server therefore never sends. Run by check.sh --all.

load ../integration/lib

setup_file() {
	export LAB NPM_DIR="$TOP_BUILDDIR/tests/npm/clients"
	command -v npm >/dev/null || return 0
	mkdir -p "$NPM_DIR"
	cp "$BATS_TEST_DIRNAME"/{package.json,device.js} "$NPM_DIR"
	if [ ! -e "$NPM_DIR/node_modules/node-coap-client" ]; then
		(cd "$NPM_DIR" && npm install --no-package-lock --no-audit --no-fund --ignore-scripts 2>&1) || {
			echo "npm could not install node-coap-client" >&2
			return 1
		}
	fi
	lab_open
	server_start
	product_add
	for v in 1.0.0 1.1.0; do
		head -c 20001 /dev/urandom >"$LAB/$v.bin"
		ctl release add argon "$LAB/$v.bin" --version $v >/dev/null
	done
	ctl product target argon 1.1.0
	export SERVER_PORT SERVER_PID POSTBOOT_SOCKET
}

teardown_file() {
	[ -z "${LAB-}" ] || lab_close
}

setup() {
	command -v npm >/dev/null || skip "npm is not installed"
	export MARK=0
	bad_line=
	node=
	port=$SERVER_PORT
}

teardown() {
	[ -z "${bad_line-}" ] || stop "$bad_line"
	[ -z "${node-}" ] || stop "$node"
}

# ID: the device lives, hears the doorbell when it is locked, and its verdict is a success.
lives() {
	local id=$1 attempt
	device_add "$id" "key-of-$id-by-hand"
	(cd "$NPM_DIR" && exec timeout 200 node device.js "$port" "$id" "key-of-$id-by-hand" \
		"$LAB/$id.bin") >"$LAB/$id.node" 2>&1 3>&- &
	node=$!
	until_true 120 grep -q '^observing\|^failed' "$LAB/$id.node" || cat "$LAB/$id.node"
	ctl device lock "$id" 1.0.0 >/dev/null
	wait "$node" || {
		cat "$LAB/$id.node"
		return 1
	}
	node=
	grep -q '^rung$' "$LAB/$id.node"
	cmp "$LAB/$id.bin" "$LAB/1.1.0.bin"
	attempt=$(sed -n 's/^attempt //p' "$LAB/$id.node")
	[ "$(verdict "$attempt" '"\(.verdict) \(.via) \(.grade)"')" = "updated ota standard" ]
}

@test "clients npm: node-coap-client, a device's life" {
	lives n-1
}

@test "clients npm: node-coap-client, a device's life on a bad line" {
	rm -f "$LAB/lossy.port" # of the test before
	"$TOP_BUILDDIR/tests/support/lossy" "$SERVER_PORT" 5 3 3 3 \
		>"$LAB/lossy.port" 2>"$LAB/lossy.sum" 3>&- &
	bad_line=$!
	until_true 20 test -s "$LAB/lossy.port"
	port=$(cat "$LAB/lossy.port")
	lives n-2
	stop "$bad_line"
	bad_line=
	cat "$LAB/lossy.sum"
	[[ $(cat "$LAB/lossy.sum") =~ passed=[1-9].*\ lost=[1-9] ]]
}
