#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The running daemon while its world breaks: it goes on, serves what it can, refuses the rest with
# a reason, says so once, and recovers by itself.

load lib

setup() {
	lab_open
	MOUNTS=()
}

teardown() {
	local dir
	[ -n "${LAB-}" ] || return 0
	for id in "${!DEVICE_PID[@]}"; do
		device_stop "$id"
	done
	server_stop
	chattr -R -i "$LAB/state" 2>/dev/null || :
	for dir in "${MOUNTS[@]}"; do
		umount -l "$dir"
	done
	lab_close
}

# small DIR SIZE: DIR is a file system of its own.
small() {
	mkdir -p "$1"
	mount -t tmpfs -o "size=$2" none "$1" 2>/dev/null ||
		skip "no permission to mount a file system"
	MOUNTS=("$1" "${MOUNTS[@]}")
}

fill() {
	dd if=/dev/zero of="$1/fill" bs=4k status=none 2>/dev/null || :
}

api() {
	local path=$1
	shift
	curl -sS --max-time 30 --unix-socket "$POSTBOOT_SOCKET" "$@" "http://localhost$path"
}

json() {
	api "$1" -H 'Content-Type: application/json' "${@:2}"
}

# condition NAME: it is set.
condition() {
	api /v1/health | jq -e --arg name "$1" 'any(.conditions[]; .name == $name)' >/dev/null
}

healthy() {
	api /v1/health | jq -e '.health == "ok"' >/dev/null
}

# One line when it begins and one when it ends, however many requests there were.
told_once() {
	[ "$(grep -c "^<3>health=degraded begin=$1 what=\".*\" do=\".*\"$" "$LAB/postbootd.log")" -eq 1 ]
	[ "$(grep -c "^<6>health=[a-z]* end=$1 lasted_s=[0-9]*$" "$LAB/postbootd.log")" -eq 1 ]
}

# No event is missing, each `started` has exactly one end, and the daemon is still the same.
whole() {
	local head
	kill -0 "$SERVER_PID"
	head=$(api /v1/status | jq .head)
	# more may come meanwhile
	api /v1/events | jq -s -e --argjson head "$head" \
		'length >= $head and [.[].seq] == [range(1; length + 1)]'
	api /v1/events | jq -s -e '
		[.[] | select(.topic == "spark/flash/status")] | group_by(.attempt) |
		all(map(.data) | sort | . == ["failed", "started"] or . == ["started", "success"])'
}

# A device on 1.0.0 that has updated to 1.1.0, and 1.2.0 for later.
fleet() {
	product_add stall-s=60
	for v in 1.0.0 1.1.0 1.2.0; do
		release_add "$v"
	done
	device_add argon-1
	ctl product target argon 1.1.0
	device_start argon-1 1.0.0 "$@"
	wait_event 30 '.data == "success"'
	mark
}

responses() {
	api /metrics | sed -n "s/^postboot_coap_responses_total{code=\"$1\"} //p"
}

# Until the device's newest attempt has come to STATE.
attempt_in() {
	ctl -o json device show argon-1 | jq -e --arg s "$1" '.attempt.state == $s' >/dev/null
}

# refused STATUS CODE WORDS: what an operator is told who wants to change something.
refused() {
	json /v1/products/argon/target -X PUT -d '{"version":"1.2.0"}' >"$LAB/answer" \
		-w '\n%{http_code} %{content_type}\n'
	cat "$LAB/answer"
	[ "$(sed -n 3p "$LAB/answer")" = "$1 application/problem+json" ]
	head -n 1 "$LAB/answer" | jq -e --argjson status "$1" --arg code "$2" --arg words "$3" \
		'.status == $status and .code == $code and (.detail | contains($words))'
}

# It goes on by itself, and everything is as if nothing had been.
recovered() {
	until_true 30 healthy
	ctl status
	told_once "$1"
}

target_1_2_0() {
	json /v1/products/argon/target -X PUT -d '{"version":"1.2.0"}' | jq -e '.target == "1.2.0"'
	wait_event 60 '.data == "success"'
}

@test "disk of the database full: refused with what to do, the rest served, back by itself" {
	small "$LAB/state" 8m
	server_start
	fleet
	fill "$LAB/state"
	refused 507 disk-full "Free space"
	condition database-write # at once: whoever asks why is told
	api /v1/devices/argon-1 | jq -e '.id == "argon-1"'
	api /v1/events | jq -s -e 'length > 0'
	run ctl status
	[ "$status" -eq 3 ]
	[[ ${lines[0]} == "postbootd "*": degraded, up for "* ]]
	says "no space left.*free space on its file system"
	api /v1/status | jq -e '.health == "degraded" and (.problems | length == 1)'
	api /metrics | grep -q '^postboot_health_condition{name="database-write"} 1$'
	rm "$LAB/state/fill"
	recovered database-write
	target_1_2_0
	whole
}

@test "disk full in the middle of an update: the image goes on, nobody is judged, it ends well" {
	small "$LAB/state" 8m
	server_start
	fleet --fault delay:$((20 * SLOWER))
	ctl product set argon stall-s=4 outage-grace-s=5 >/dev/null
	ctl product target argon 1.2.0 >/dev/null
	wait_event 30 '.data == "started"' >/dev/null
	fill "$LAB/state"
	before=$(api /metrics | sed -n 's/^postboot_image_blocks_total //p')
	until_true 10 condition database-write
	# The whole of it comes, though nothing can be written down.
	until_true 30 blocks_since "$before" 60
	until_true 20 has_responses 5.03
	sleep 6 # its stall deadline goes by
	[ -z "$(responses 5.00)" ]
	ctl -o json attempt list --device argon-1 | jq -e '.attempts[0].state != "closed"'
	rm "$LAB/state/fill"
	wait_event 60 '.data == "success"' >/dev/null
	[ "$(count_events '.data == "failed"')" -eq 0 ]
	recovered database-write
	whole
}

blocks_since() {
	[ "$(api /metrics | sed -n 's/^postboot_image_blocks_total //p')" -ge $(($1 + $2)) ]
}

has_responses() {
	[ -n "$(responses "$1")" ]
}

@test "disk of the images full: an upload leaves nothing, devices are served, back by itself" {
	export UNSOUND=1 # the images are gone with their file system
	mkdir "$LAB/state"
	small "$LAB/state/images" 2m
	server_start
	fleet
	head -c 4000000 /dev/urandom >"$LAB/big"
	api '/v1/products/argon/releases?version=9' -X POST -T "$LAB/big" -w '\n%{http_code}\n' >"$LAB/answer"
	[ "$(sed -n 3p "$LAB/answer")" = 507 ]
	head -n 1 "$LAB/answer" | jq -e '.code == "disk-full" and (.detail | contains("Free space"))'
	# It was too large, but a smaller one finds room: nothing is wrong with the server.
	sleep 3
	healthy
	[ "$(grep -c 'begin=images-write' "$LAB/postbootd.log")" -eq 0 ]
	fill "$LAB/state/images"
	api '/v1/products/argon/releases?version=9' -X POST -T "$LAB/big" -o /dev/null -w '%{http_code}' | grep -qx 507
	until_true 10 condition images-write
	[ -z "$(find "$LAB/state/images" -name '.tmp-*' ! -name '*-probe')" ]
	target_1_2_0
	# Room for it: the fault is over without another upload.
	mount -o remount,size=16m "$LAB/state/images"
	recovered images-write
	api '/v1/products/argon/releases?version=9' -X POST -T "$LAB/big" | jq -e '.size == 4000000'
	whole
}

@test "database that may not be written: 503 read-only, and back by itself" {
	server_start
	fleet
	chattr +i "$LAB"/state/postboot.db "$LAB"/state/postboot.db-wal 2>/dev/null ||
		skip "no chattr here"
	refused 503 read-only "chattr"
	condition database-write # at once: whoever asks why is told
	chattr -i "$LAB"/state/postboot.db "$LAB"/state/postboot.db-wal
	recovered database-write
	target_1_2_0
	whole
}

@test "a limit of the file size: as a full disk, no signal kills it" {
	server_start
	fleet
	prlimit --pid "$SERVER_PID" --fsize=4096:unlimited
	refused 507 disk-full "Free space"
	until_true 10 condition database-write
	prlimit --pid "$SERVER_PID" --fsize=unlimited:unlimited
	recovered database-write
	target_1_2_0
	whole
}

@test "state folder moved away: nothing is written into nowhere; put back, and it goes on" {
	server_start
	fleet
	mv "$LAB/state" "$LAB/elsewhere"
	refused 503 moved "moved, replaced or removed"
	until_true 10 condition database-write
	api /v1/devices/argon-1 | jq -e '.id == "argon-1"'
	rm -rf "$LAB/state"
	mv "$LAB/elsewhere" "$LAB/state"
	until_true 30 healthy
	target_1_2_0
	whole
}

@test "another database in its place: refused, and neither is written" {
	server_start
	fleet
	cp -a "$LAB/state/postboot.db" "$LAB/other"
	mv "$LAB/state/postboot.db" "$LAB/mine"
	mv "$LAB/other" "$LAB/state/postboot.db"
	before=$(cksum <"$LAB/state/postboot.db")
	refused 503 moved "moved, replaced or removed"
	[ "$(cksum <"$LAB/state/postboot.db")" = "$before" ]
	mv "$LAB/mine" "$LAB/state/postboot.db"
	until_true 30 healthy
	target_1_2_0
	whole
}

@test "write-ahead log removed: refused; an orderly restart has lost nothing" {
	server_start
	fleet
	head=$(api /v1/status | jq .head)
	rm "$LAB/state/postboot.db-wal"
	refused 503 moved "moved, replaced or removed"
	server_stop
	server_start
	[ "$(api /v1/status | jq .head)" -ge "$head" ]
	target_1_2_0
	whole
}

@test "damage in the running database: told, the rest served, and over when it is mended" {
	server_start
	fleet
	server_stop
	cp "$LAB/state/postboot.db" "$LAB/good"
	server_start
	pages=$(($(stat -c %s "$LAB/good") / 4096))
	dd if=/dev/urandom of="$LAB/state/postboot.db" bs=4096 seek=1 count=$((pages - 1)) conv=notrunc status=none
	run api /v1/events -w '\n%{http_code}\n'
	until_true 10 condition database-read
	run ctl status
	[ "$status" -eq 3 ]
	says "damaged.*restore a backup"
	dd if="$LAB/good" of="$LAB/state/postboot.db" bs=4096 seek=1 skip=1 conv=notrunc status=none
	until_true 40 healthy
	target_1_2_0
	kill -0 "$SERVER_PID"
}

@test "damage found at the start: refused with what to do, the file untouched" {
	export UNSOUND=1
	server_start
	fleet
	server_stop
	pages=$(($(stat -c %s "$LAB/state/postboot.db") / 4096))
	dd if=/dev/zero of="$LAB/state/postboot.db" bs=4096 seek=1 count=$((pages - 1)) conv=notrunc status=none
	before=$(cksum <"$LAB/state/postboot.db")
	run timeout 30 "$POSTBOOTD" -c "$LAB/postbootd.conf"
	[ "$status" -eq 1 ]
	[[ $output == *"<3>start=failed"*'do="'*"backup"* ]]
	[ "$(cksum <"$LAB/state/postboot.db")" = "$before" ]
}

# image_of VERSION: its file.
image_of() {
	echo "$LAB/state/images/$(sha256sum <"$LAB/$1.bin" | cut -d' ' -f1)"
}

@test "image missing, cut short, and put back: 5.03, told, no verdict, and over by itself" {
	server_start
	fleet
	ctl product set argon stall-s=4 outage-grace-s=5 >/dev/null
	file=$(image_of 1.2.0)
	mv "$file" "$LAB/away"
	until_true 10 condition images-read
	ctl product target argon 1.2.0 >/dev/null
	run ctl status
	[ "$status" -eq 3 ]
	says "is missing.*upload the same bytes again"
	sleep 6 # its stall deadline goes by
	head -c 1000 "$LAB/away" >"$file"
	until_true 10 says "is cut short"
	[ "$(count_events '.data == "failed"')" -eq 0 ]
	mv "$LAB/away" "$file"
	wait_event 60 '.data == "success"' >/dev/null
	[ "$(count_events '.data == "failed"')" -eq 0 ]
	[ -z "$(responses 5.00)" ]
	recovered images-read
	whole
}

says() {
	ctl status | tr -s ' \n' ' ' | grep -q -e "$1"
}

@test "image folder removed: it is made anew, and an upload of the same bytes mends it" {
	server_start
	fleet
	rm -r "$LAB/state/images"
	until_true 10 condition images-read
	until_true 10 test -d "$LAB/state/images"
	for v in 1.0.0 1.1.0 1.2.0; do
		api "/v1/products/argon/releases?version=$v-again" -X POST -T "$LAB/$v.bin" |
			jq -e '.size == 245760'
	done
	recovered images-read
	target_1_2_0
	whole
}
