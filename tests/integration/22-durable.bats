#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Backup, restore, --check-db, and an old database that somebody put in place by hand.

load lib

setup() {
	lab_open
	server_start
	product_add
	release_add 1.0.0
	release_add 1.1.0
	device_add argon-1
}

teardown() {
	LAB=${HOME_LAB-$LAB}
	lab_close
}

postbootd() {
	"$POSTBOOTD" -c "$LAB/postbootd.conf" "$@"
}

sound() {
	run postbootd --check-db --deep
	echo "$output"
	[ "$status" -eq 0 ]
	[ "${lines[-1]}" = "0 problems (images of 2 releases, read)" ]
}

# A download that lasts until it is let go: two minutes for the image.
slow_down() {
	echo 'device-rate = 2K' >>"$LAB/postbootd.conf"
	kill -HUP "$SERVER_PID"
	until_true 10 grep -q 'reload key=device-rate' "$LAB/postbootd.log"
}

let_go() {
	sed -i '/^device-rate/d' "$LAB/postbootd.conf"
	kill -HUP "$SERVER_PID"
}

restored() { # FILE: in the place of what the server has
	server_stop
	run postbootd --restore "$1"
	echo "$output"
	[ "$status" -eq 0 ]
	server_start
}

@test "durable: an update that ended after the backup is judged by what the device runs" {
	ctl product target argon 1.1.0
	slow_down
	device_start argon-1 1.0.0
	wait_event 30 '.data == "started"'
	ctl backup "$LAB/backup"
	let_go
	[ "$(stat -c %a "$LAB/backup")" = 600 ]
	wait_event 30 '.data == "success"'
	stream=$(ctl -o json status | jq -r .stream)
	a=$(ctl -o json attempt list | jq '.attempts[0].id')
	sound
	restored "$LAB/backup"
	[ "$(ctl -o json status | jq -r .stream)" != "$stream" ]
	export MARK=0
	wait_event 10 ".topic == \"store/restored\" and .stream_before == \"$stream\""
	wait_event 10 ".attempt == $a and .data == \"failed\" and .verdict == \"store-restored\""
	[ "$(verdict "$a" '"\(.verdict) \(.charged)"')" = "store-restored false" ]
	wait_device 30 argon-1 '.state == "in-sync" and .running.version == "1.1.0"'
	[ "$(count_events '.data == "success"')" -eq 0 ]
	sound
	# The reader of the old stream is told.
	run ctl event list --after "$stream:1"
	[ "$status" -eq 1 ]
	[[ $output == *"another event stream"* ]]
	# Nothing of it comes twice.
	server_stop
	server_start
	[ "$(count_events '.topic == "store/restored"')" -eq 1 ]
}

@test "durable: a device in the middle of an update begins again after a restore" {
	ctl product target argon 1.1.0
	slow_down
	device_start argon-1 1.0.0
	a=$(wait_event 30 '.data == "started"' | jq .attempt)
	ctl backup "$LAB/backup"
	restored "$LAB/backup"
	let_go
	export MARK=0
	wait_event 10 ".attempt == $a and .verdict == \"store-restored\""
	wait_event 40 ".data == \"success\" and .attempt != $a"
	wait_device 20 argon-1 '.state == "in-sync" and .running.version == "1.1.0"'
	sound
}

@test "durable: what is no backup is refused, and nothing is changed" {
	ctl backup "$LAB/backup"
	run postbootd --restore "$LAB/backup"
	[ "$status" -eq 1 ]
	[[ $output == *"another postbootd"*"owns this state folder"* ]]
	server_stop
	before=$(sha256sum <"$LAB/state/postboot.db")
	head -c 20000 "$LAB/backup" >"$LAB/cut"
	echo "hello, I am not a database, whatever my name says, not at all" >"$LAB/text"
	: >"$LAB/empty"
	for file in cut text empty none; do
		run postbootd --restore "$LAB/$file"
		echo "$output"
		[ "$status" -eq 1 ]
		[[ $output == *"nothing was changed"* ]]
		[ "$(sha256sum <"$LAB/state/postboot.db")" = "$before" ]
		[ -z "$(find "$LAB/state" -name '*restore*')" ]
	done
}

@test "durable: a database of a newer version is neither served, checked nor restored" {
	export UNSOUND=1
	command -v python3 >/dev/null || skip "no python3"
	ctl backup "$LAB/backup"
	server_stop
	for file in "$LAB/backup" "$LAB/state/postboot.db"; do
		python3 - "$file" <<-'END'
			import sqlite3, sys
			db = sqlite3.connect(sys.argv[1])
			db.execute("PRAGMA user_version = 1000")
			db.commit()
			db.close()
		END
	done
	before=$(sha256sum <"$LAB/state/postboot.db")
	run postbootd
	[ "$status" -eq 1 ]
	[[ $output == *"made by a newer program: its schema is 1000"* ]]
	run postbootd --check-db
	[ "$status" -eq 1 ]
	[[ $output == *"its schema is 1000"*"use the postbootd that wrote it"* ]]
	run postbootd --restore "$LAB/backup"
	[ "$status" -eq 1 ]
	[[ $output == *"its schema is 1000"* ]]
	[ "$(sha256sum <"$LAB/state/postboot.db")" = "$before" ]
}

@test "durable: an old copy that was put in place by hand is noticed" {
	server_stop
	cp "$LAB/state/postboot.db" "$LAB/old.db"
	server_start
	stream=$(ctl -o json status | jq -r .stream)
	ctl product target argon 1.1.0
	server_stop
	cp "$LAB/old.db" "$LAB/state/postboot.db"
	server_start
	[ "$(ctl -o json status | jq -r .stream)" != "$stream" ]
	grep -q 'store=restored why="the mark beside it is newer"' "$LAB/postbootd.log"
	export MARK=0
	wait_event 10 '.topic == "store/restored"'
	# A backup that was copied in place is noticed in any case.
	stream=$(ctl -o json status | jq -r .stream)
	ctl backup "$LAB/backup"
	server_stop
	cp "$LAB/backup" "$LAB/state/postboot.db"
	server_start
	[ "$(ctl -o json status | jq -r .stream)" != "$stream" ]
	grep -q 'store=restored why="it is a backup"' "$LAB/postbootd.log"
}

@test "durable: --check-db tells of images, and images outlive a restore" {
	export UNSOUND=1 # in the end one image is missing
	one=$(ctl -o json release show argon 1.0.0 | jq -r .sha256)
	two=$(ctl -o json release show argon 1.1.0 | jq -r .sha256)
	cp "$LAB/state/images/$two" "$LAB/two"
	printf 'X' | dd of="$LAB/state/images/$two" bs=1 seek=100 conv=notrunc status=none
	run postbootd --check-db
	[ "$status" -eq 0 ]
	run postbootd --check-db --deep
	[ "$status" -eq 1 ]
	[[ $output == *"release 1.1.0"*"other bytes"*"$two"*"1 problem "* ]]
	truncate -s 5 "$LAB/state/images/$two"
	run postbootd --check-db
	[ "$status" -eq 1 ]
	[[ $output == *"another size"* ]]
	rm "$LAB/state/images/$two"
	run postbootd --check-db
	[ "$status" -eq 1 ]
	[[ $output == *"is missing"* ]]
	cp "$LAB/two" "$LAB/state/images/$two"
	sound
	# A backup without the release keeps its image while the old database is kept.
	ctl backup "$LAB/with"
	ctl release remove argon 1.0.0
	[ ! -e "$LAB/state/images/$one" ]
	restored "$LAB/with"
	[[ $output == *"missing: $LAB/state/images/$one"*"next: copy 1 missing image"* ]]
	server_stop
	server_start
	[ -e "$LAB/state/images/$two" ]
}

@test "durable: a backup that cannot be written leaves nothing, and - is for pipes" {
	mkdir "$LAB/there"
	run ctl backup "$LAB/there"
	[ "$status" -eq 1 ]
	[[ $output == *"is there and no file"* ]]
	run ctl backup "$LAB/no/folder"
	[ "$status" -eq 1 ]
	[[ $output == *"No such file"* ]]
	ctl backup - >"$LAB/piped"
	ctl -o json backup "$LAB/named" | jq -e ".bytes == $(stat -c %s "$LAB/piped")"
	[ -z "$(find "$LAB" -maxdepth 1 -name 'named.*')" ]
	[ ! -e "$LAB/state/postboot.db-backup" ]
	if [ -e /dev/full ]; then
		run bash -c '"$1" backup - >/dev/full' - "$POSTBOOTCTL"
		[ "$status" -eq 1 ]
		[[ $output == *"No space left"* ]]
	fi
	ctl -o json audit list | jq -e '[.audit[] | select(.act == "backup")] | length >= 2'
}

@test "durable: a state folder that has lost its database is left as it is" {
	ctl backup "$LAB/saved"
	server_stop
	ls "$LAB/state/images" >"$LAB/images"
	[ "$(wc -l <"$LAB/images")" -eq 2 ]
	rm "$LAB"/state/postboot.db
	for _ in 1 2; do # told by its mark; then by the images alone
		run timeout 30 "$POSTBOOTD" -c "$LAB/postbootd.conf"
		[ "$status" -eq 1 ]
		[[ $output == *"error=\"it is gone, what belongs to it is there: "*"do=\"put it back, "* ]]
		[ ! -e "$LAB/state/postboot.db" ]
		ls "$LAB/state/images" | cmp - "$LAB/images"
		rm -f "$LAB/state/postboot.db-mark"
	done
	restored "$LAB/saved"
	sound
}

# The commands of postbootd(8) for one machine, 1, 2 or 3 of them, in the order of the page.
recipe() {
	awk -v n="$1" '
		/^\.S[hs] / { inside = $0 == ".Ss Moving to another machine" }
		inside && /^\.Ed/ { code = 0 }
		inside && code && part == n
		inside && /^\.Bd/ { code = 1; part++ }' "$TOP_SRCDIR/man/postbootd.8" |
		sed "s|\\\\e\$|\\\\|; s|-C / |-C $2 |; s| /etc/| $2/etc/|g; s| /var/| $2/var/|g"
}

# machine ROOT: what is started is there from now on; its log is looked at in the end.
machine() {
	LAB=$1
	export POSTBOOT_SOCKET=$LAB/admin.sock
	ln -s etc/postboot/postbootd.conf "$LAB/postbootd.conf"
	ln -s var/lib/postboot "$LAB/state"
	ln -s "$LAB.log" "$LAB/postbootd.log"
}

postbootctl() {
	ctl "$@"
}

# The service manager of the recipe.
systemctl() {
	case $1 in
	disable | stop) server_stop ;;
	enable) server_start ;;
	esac
}

@test "durable: a server moves to another machine by the commands of postbootd(8)" {
	# The first machine, with a key of the service, as it is installed.
	server_stop
	HOME_LAB=$LAB
	home=$LAB old=$LAB/old new=$LAB/new
	mkdir -p "$old/etc/postboot" "$old/var/lib"
	mv "$home/state" "$old/var/lib/postboot"
	"$POSTBOOTD" --make-key "$old/etc/postboot/postboot.key"
	sed "s|$home/state|$old/var/lib/postboot|; s|$home/admin|$old/admin|" "$home/postbootd.conf" \
		>"$old/etc/postboot/postbootd.conf"
	echo "key-file = $old/etc/postboot/postboot.key" >>"$old/etc/postboot/postbootd.conf"
	rm "$home/postbootd.conf"
	machine "$old"
	server_start
	cp "$home/argon-1.psk" "$home/1.0.0.bin" "$home/1.1.0.bin" "$old"
	release_add 1.2.0
	ctl product target argon 1.1.0
	device_start argon-1 1.0.0
	wait_event 30 '.device == "argon-1" and .data == "success"'
	mark
	stream=$(ctl -o json status | jq -r .stream)
	# It moves; the device runs on, and its address is the new machine's.
	cd "$home"
	eval "$(recipe 1 "$old")"
	[ "$(stat -c %a postboot-move.tar)" = 600 ]
	tar -tf postboot-move.tar | grep -x var/lib/postboot/postboot.db-mark
	mkdir -p "$new/etc/postboot" "$new/var/lib/postboot/images"
	echo "of the installation" >"$new/etc/postboot/postboot.key"
	eval "$(recipe 2 "$new")"
	[ -e "$new/etc/postboot.before/postboot.key" ]
	cmp "$old/etc/postboot/postboot.key" "$new/etc/postboot/postboot.key"
	sed -i "s|$old|$new|g" "$new/etc/postboot/postbootd.conf"
	machine "$new"
	eval "$(recipe 3 "$new")" >"$home/checks"
	grep -x '0 problems (images of 3 releases, read)' "$home/checks"
	grep '^postbootd .*: ok, ' "$home/checks"
	# All of it goes on: the stream, what was proved, the chain of the log, and the device.
	[ "$(ctl -o json status | jq -r .stream)" = "$stream" ]
	ctl audit verify
	[ "$(ctl -o json attempt list | jq '.attempts | length')" -eq 1 ]
	[ "$(ctl -o json device show argon-1 | jq -r .running.version)" = 1.1.0 ]
	ctl product target argon 1.2.0
	wait_event 60 '.device == "argon-1" and .data == "success" and .version == "1.2.0"'
	wait_device 20 argon-1 '.state == "in-sync" and .running.version == "1.2.0"'
	device_stop argon-1
	server_stop
	postbootd --check-db --deep
	# The old machine is as it was.
	"$POSTBOOTD" -c "$old/postbootd.conf" --check-db --deep
}
