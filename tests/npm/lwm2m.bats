#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# LwM2M clients from npm against the whole daemon, as they are; object 5 and the boot loader are the
# scripts'. Both speak 1.0 on plain coap. Run by check.sh --all.

load ../integration/lib

setup_file() {
	export NPM_DIR="$TOP_BUILDDIR/tests/npm/lwm2m-clients"
	command -v npm >/dev/null || return 0
	mkdir -p "$NPM_DIR"
	cp "$BATS_TEST_DIRNAME"/{package.json,lwm2m-*.js} "$NPM_DIR"
	if [ ! -e "$NPM_DIR/node_modules/lwm2m-node-lib" ]; then
		(cd "$NPM_DIR" && npm install --no-package-lock --no-audit --no-fund --ignore-scripts 2>&1) || {
			echo "npm could not install the LwM2M clients" >&2
			return 1
		}
	fi
}

setup() {
	command -v npm >/dev/null || skip "npm is not installed"
	node=
	lab_open
	server_start 'listen = coap://127.0.0.1:0' 'plain-devices = yes'
	product_add
	for v in 1.0.0 1.1.0; do
		head -c 20001 /dev/urandom >"$LAB/$v.bin"
		ctl release add argon "$LAB/$v.bin" --version $v >/dev/null
	done
	ctl product set argon --protocol-option lwm2m-poll=5
	ctl device add l-1 --product argon --plain >/dev/null
	port=$(ctl -o json status | jq -r '.listen[] | select(startswith("coap:"))' | sed 's/.*://')
}

teardown() {
	[ -z "${node-}" ] || stop "$node"
	lab_close
}

boot() { # SCRIPT VERSION RESULT
	(cd "$NPM_DIR" && RESULT=$3 exec timeout 200 node "$1" "$port" l-1 "$2" "$LAB/out") \
		>>"$LAB/node.log" 2>&1 3>&- &
	node=$!
}

times() { # WORDS COUNT
	[ "$(grep -c "$1" "$LAB/node.log")" -ge "$2" ]
}

# SCRIPT: a whole update, then two updates of the registration
updated_by() {
	boot "$1" 1.0.0 0
	wait_device 60 l-1 '.online and .running.version == "1.0.0" and .protocol == "lwm2m"'
	ctl product target argon 1.1.0
	until_true 60 times '^reboot' 1
	wait "$node"
	cmp "$LAB/out" "$LAB/1.1.0.bin"
	boot "$1" 1.1.0 1
	a=$(closed l-1 60)
	[ "$(verdict "$a" '"\(.verdict) \(.via) \(.grade)"')" = 'updated ota weak' ]
	until_true 60 times '^update ' 2
	wait_device 20 l-1 '.online and .running.version == "1.1.0" and .state == "in-sync"'
	# none of that was another boot, or another attempt
	[ "$(ctl -o json device show l-1 | jq .resets)" -eq 1 ]
	[ "$(count_events '.data == "started"')" -eq 1 ]
}

@test "clients npm: lwm2m-node-lib, single resources as text, is updated" {
	updated_by lwm2m-node-lib.js
}

@test "clients npm: coap-node, TLV, is updated" {
	updated_by lwm2m-coap-node.js
}
