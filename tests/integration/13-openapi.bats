#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# docs/openapi.json: well-formed, complete, and what the server does. Field by field and status
# by status: what the file lacks fails, and so does what it has and the server never shows.

load lib

FILE=$TOP_SRCDIR/docs/openapi.json

openapi() {
	python3 -B "$TOP_SRCDIR/tests/support/openapi.py" "$@"
}

setup() {
	bats_require_minimum_version 1.5.0 2>/dev/null || :
	command -v python3 >/dev/null || skip "no python3"
	python3 -c 'import jsonschema' || skip "no python3-jsonschema"
}

teardown() {
	[ -z "${LAB-}" ] || lab_close
}

@test "openapi: the file keeps the rules of OpenAPI 3.1" {
	openapi check "$FILE"
}

@test "openapi: the check finds what is wrong" {
	broken() { # JQ-FILTER WORDS
		jq "$1" "$FILE" >"$BATS_TEST_TMPDIR/broken.json"
		run openapi check "$BATS_TEST_TMPDIR/broken.json"
		[ "$status" -eq 1 ]
		[[ $output == *"$2"* ]]
	}
	broken '.openapi = "3.0.3"' "not 3.1"
	broken '.paths["/v1/status"].get.parameters = [{"name": "x", "in": "query"}]' "schema is missing"
	broken '.paths["/v1/status"].get.responses["200"] = {"$ref": "#/components/none"}' "leads nowhere"
	broken '.paths["/v1/devices/{id}"] = {}' "twice"
	broken '.paths["/v1/status"].get.operationId = "getDevice"' "operationId twice"
	broken 'del(.paths["/v1/devices/{device}"].get.parameters)' "are not its parameters"
	broken '.components.schemas.Lonely = {}' "nobody uses it"
	broken '.paths["/v1/status"].get.response = {}' "no key of a operation"
}

@test "openapi: routes, words, settings and limits are those of the programs" {
	"$TOP_BUILDDIR/tests/support/contract" >"$BATS_TEST_TMPDIR/tables.json"
	openapi contract "$FILE" "$BATS_TEST_TMPDIR/tables.json"
	differs() { # JQ-FILTER WORDS
		jq "$1" "$FILE" >"$BATS_TEST_TMPDIR/other.json"
		run openapi contract "$BATS_TEST_TMPDIR/other.json" "$BATS_TEST_TMPDIR/tables.json"
		[ "$status" -eq 1 ]
		[[ $output == *"$2"* ]]
	}
	differs 'del(.paths["/v1/status"])' "the file lacks ['GET /v1/status json']"
	differs '.paths["/v1/more"] = {"get": {}}' "do not have ['GET /v1/more json']"
	differs '.paths["/v1/devices"].get.parameters |= .[1:]' "lacks ['product']"
	differs '.components.schemas.Verdict.enum += ["new"]' "do not have ['new']"
	differs '.components.schemas.Policy.properties.window.maximum = 17' "window"
	differs '.components.schemas.Version.maxLength = 65' "maxLength is 65"
}

@test "openapi: every answer of a live server is as the file says" {
	lab_open
	server_start
	ctl backup "$LAB/backup"
	server_stop
	echo 'hook-tries = 1' >>"$LAB/postbootd.conf"
	echo 'hook-retry-max = 1s' >>"$LAB/postbootd.conf"
	"$POSTBOOTD" -c "$LAB/postbootd.conf" --restore "$LAB/backup"
	server_start
	product_add max-reverts=5 backoff-s=0
	release_add 1.0.0
	release_add 1.1.0 --running vendor-1:00112233
	release_add 2.0.0 --hardware xenon
	release_add 3.0.0 --must-pass 2.0.0 --min-version 2.0.0 --boot-loader "x 1" \
		--security-counter 1
	device_add good-1
	device_add full-1
	device_add open-1
	device_add asked-1
	ctl product add meter --protocol lwm2m --protocol-option lwm2m-transfer=pull
	ctl product set meter windows="Mon-Fri 01:00-05:00" time-zone=Europe/Berlin
	ctl product target argon 1.1.0
	device_start good-1 1.0.0
	device_start full-1 1.0.0 --fault fs-full:2
	device_start open-1 1.0.0 --fault delay:300
	device_start asked-1 1.0.0 --protocol lwm2m --interval 20
	wait_event 30 '.device == "good-1" and .data == "success"'
	wait_event 30 '.device == "full-1" and .data == "failed"'
	wait_event 30 '.device == "open-1" and .data == "started"'
	wait_event 60 '.device == "asked-1" and .data == "success"'
	ctl device lock asked-1 3.0.0 # it stays before the stone
	device_stop open-1
	device_stop good-1
	rm -rf "$LAB/good-1"
	device_start good-1 1.0.0
	wait_event 30 '.device == "good-1" and .topic == "device/drift"'
	run openapi live "$FILE" "$POSTBOOT_SOCKET" "$TOP_SRCDIR/tests/golden" good-1 full-1 open-1 \
		asked-1
	echo "$output"
	[ "$status" -eq 0 ]
	server_stop
}
