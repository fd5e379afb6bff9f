#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The admin API as curl sees it; what a unit test cannot do: a daemon that dies or restarts.

load lib

setup() {
	lab_open
	server_start
}

teardown() {
	lab_close
}

api() {
	local path=$1
	shift
	curl -sS --max-time 30 --unix-socket "$POSTBOOT_SOCKET" \
		-H 'Content-Type: application/json' "$@" "http://localhost/v1/$path"
}

upload() {
	local version=$1
	shift
	curl -sS --max-time 60 --unix-socket "$POSTBOOT_SOCKET" -X POST "$@" \
		"http://localhost/v1/products/p/releases?version=$version"
}

# Begins an upload of 8 MiB that takes a while; its process is $!.
upload_slowly() {
	truncate -s 8M "$LAB/image"
	curl -sS --max-time 60 --limit-rate 2M --unix-socket "$POSTBOOT_SOCKET" -X POST \
		-T "$LAB/image" "http://localhost/v1/products/p/releases?version=$1" \
		>/dev/null 2>&1 3>&- &
	until_true 10 under_way
}

under_way() {
	[ -n "$(find "$LAB/state/images" -name '.tmp-*' -size +0)" ]
}

# images N: the image folder has N files, soon.
images() {
	until_true 10 images_now "$1"
}

images_now() {
	# shellcheck disable=SC2012
	[ "$(ls -A "$LAB/state/images" | wc -l)" -eq "$1" ]
}

no_images() {
	[ -z "$(ls -A "$LAB/state/images")" ]
}

@test "admin: the examples of postboot-api(7) work" {
	image 1.1.0
	api products -d '{"name":"blinky"}' | jq -e '.name == "blinky" and .rev == 1'
	curl -sS --unix-socket "$POSTBOOT_SOCKET" -X POST -T "$LAB/1.1.0.bin" \
		'http://localhost/v1/products/blinky/releases?version=1.1.0' |
		jq -e --arg sha "$(sha256sum <"$LAB/1.1.0.bin" | cut -d' ' -f1)" \
			'.sha256 == $sha and .running == ["file:" + $sha] and .size == 245760'
	api products/blinky/target -X PUT -d '{"version":"1.1.0"}' | jq -e '.target == "1.1.0"'
	cmp "$LAB/1.1.0.bin" "$LAB"/state/images/*
}

@test "admin: an upload by chunks, and the same bytes again, are one file" {
	image 1.0.0
	api products -d '{"name":"p"}' >/dev/null
	upload 1.0.0 -T - <"$LAB/1.0.0.bin" | jq -e '.size == 245760'
	upload 1.0.1 -T "$LAB/1.0.0.bin" | jq -e '.version == "1.0.1"'
	images 1
	api products/p/releases/1.0.0 -X DELETE
	images 1
	api products/p/releases/1.0.1 -X DELETE
	until_true 10 no_images
}

@test "admin: problems say what and where" {
	api products -d '{"name":"p","policy":{"stall_s":0}}' |
		jq -e '.status == 400 and .detail == "policy.stall_s: 0 is below 1"'
	api products -d '{"name":"p","polices":{}}' | jq -e '.detail | contains("\"polices\"")'
	api nothing | jq -e '.status == 404 and .code == "not-found"'
	[ "$(api status -X PUT -o /dev/null -w '%{http_code} %header{allow}')" = "405 GET" ]
	api products -d '{"name":"p"}' >/dev/null
	truncate -s 65M "$LAB/big"
	upload 1.0.0 -T "$LAB/big" | jq -e '.status == 413'
	no_images
}

@test "admin: a client that is cut in the middle of an upload leaves nothing" {
	api products -d '{"name":"p"}' >/dev/null
	upload_slowly 1.0.0
	kill -9 $!
	wait $! || :
	until_true 10 no_images
	api products/p/releases | jq -e '.releases == []'
}

@test "admin: a daemon that is killed in the middle of an upload leaves nothing" {
	api products -d '{"name":"p"}' >/dev/null
	upload_slowly 1.0.0
	kill -9 "$SERVER_PID"
	wait "$SERVER_PID" || :
	wait
	server_start
	no_images
	api products/p/releases | jq -e '.releases == []'
	upload 1.0.0 -T "$LAB/image" | jq -e '.size == 8388608'
	images 1
}

@test "admin: a follower goes on after a restart where it was" {
	api products -d '{"name":"p"}' >/dev/null
	api devices -d '{"id":"d","product":"p","psk_generate":true}' |
		jq -e '.psk | test("^[0-9a-f]{64}$")'
	api devices/d | jq -e 'has("psk") | not'
	api 'events?follow=1' -N -D "$LAB/head" >"$LAB/follow" 3>&- &
	follower=$!
	until_true 10 test -s "$LAB/head"
	api devices/d/hold -X POST >/dev/null
	until_true 10 grep -q device/held "$LAB/follow"
	cursor=$(jq -r .cursor "$LAB/follow")
	server_stop # does not wait for followers
	wait "$follower" || :
	server_start
	api devices/d/unhold -X POST >/dev/null
	api "events?after=$cursor" | jq -se 'length == 1 and .[0].topic == "spark/device/held"
		and .[0].data == "none"'
	api events -H 'Accept: text/event-stream' -H "Last-Event-ID: $cursor" |
		grep -q '^event: spark/device/held$'
	api "events?after=${cursor%:*}:99999" | jq -e '.status == 410 and (.head | endswith(":2"))'
	api "events?after=0123:1" | jq -e '.status == 410'
}
