#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# SIGKILL of the daemon at random instants: what was told is there afterwards, and all goes on.
#
# The first test is a short one of its kind. The long one, beside other work on the machine:
#	POSTBOOT_KILL_SECONDS=620 POSTBOOT_KILL_DEVICES=1000 bats tests/integration/48-kill.bats

load daemon

SUPPORT=$BATS_TEST_DIRNAME/../support

setup() {
	command -v python3 >/dev/null || skip "no python3"
	daemon_open
	full=
}

teardown() {
	[ -z "$full" ] || umount -l "$full" # first, or its folder cannot go
	[ -z "${D-}" ] || daemon_close
}

# Less than $1 milliseconds.
nap() {
	sleep "$(printf '0.%03d' $((RANDOM % $1)))"
}

# begin NAME: starts it and does not wait.
begin() {
	"$POSTBOOTD" -c "$D/$1.conf" >>"$D/$1.log" 2>&1 3>&- &
	PID=$!
	PIDS+=("$PID")
}

murder() {
	kill -KILL "$PID"
	wait "$PID" 2>/dev/null || [ $? -eq 137 ]
}

sound() { # STATE
	[ "$(sqlite3 "$1/postboot.db" 'PRAGMA integrity_check')" = ok ]
	[ -z "$(sqlite3 "$1/postboot.db" 'PRAGMA foreign_key_check')" ]
}

put() { # PATH BODY [CURL OPTION...]
	api "$1" -H 'Content-Type: application/json' -d "$2" "${@:3}"
}

@test "killed again and again under a fleet, an operator and a follower" {
	long=${POSTBOOT_KILL_SECONDS-}
	mkdir "$D/chaos"
	python3 "$SUPPORT/chaos.py" --dir "$D/chaos" --seconds "${long:-12}" \
		--devices "${POSTBOOT_KILL_DEVICES:-120}" --fleets $((${POSTBOOT_KILL_DEVICES:-0} / 100 + 6)) \
		--pace "$((${long:-0} > 60 ? 5 : 1))" 3>&-
	python3 "$SUPPORT/chaos_check.py" "$D/chaos"
	run grep -E 'Sanitizer|runtime error|Assertion' "$D/chaos/postbootd.log" "$D"/chaos/*.err
	[ "$status" -eq 1 ]

	# And the judge is not blind.
	judge 'wrong: stored events' 'DELETE FROM event WHERE seq = 7'
	judge 'wrong: audit: ' 'DELETE FROM audit WHERE seq = (SELECT MAX(seq) / 2 FROM audit)'
	judge 'was acknowledged, and is not in the audit' \
		"UPDATE audit SET act = 'nothing' WHERE act = 'product target'"
	judge ': success of ' "UPDATE attempt SET sha256 = zeroblob(32) WHERE verdict = 'updated'"
	judge 'the gate opened for ' 'UPDATE attempt SET rung_applying_ms = 0'
	judge ' runs: ' "UPDATE device SET report_version = '9' WHERE has_report = 1"
	# One of a fleet whose power is never cut: its journal is whole.
	for words in ' has an end and no row' ', which is not there'; do
		judge "$words" "DELETE FROM attempt WHERE id = (SELECT MIN(id) FROM attempt
			WHERE verdict = 'updated' AND via = 'ota' AND device LIKE 'f0-%')"
	done
}

# judge WORDS SQL: once the SQL has spoiled the database, the verdict has the words.
judge() {
	cp "$D/chaos/state/postboot.db" "$D/spoiled"
	sqlite3 "$D/chaos/state/postboot.db" "$2"
	run python3 "$SUPPORT/chaos_check.py" "$D/chaos"
	mv "$D/spoiled" "$D/chaos/state/postboot.db"
	printf '%s\n' "$output"
	[ "$status" -eq 1 ]
	[[ $output == *"$1"* ]]
}

@test "a leave to apply that the device could not use is nobody's error" {
	start a
	ln -s a "$D/state"
	: >"$D/events"
	uri=$(api status | jq -r '.listen[0]')
	put products '{"name":"argon","hardware":"argon"}' >/dev/null
	for version in 1.0.0 1.1.0; do
		head -c 3000 /dev/urandom >"$D/$version.bin"
		api "products/argon/releases?version=$version" -X POST -T "$D/$version.bin" >/dev/null
	done
	echo 000102030405060708090a0b0c0d0e0f >"$D/psk"
	put devices "{\"id\":\"d\",\"product\":\"argon\",\"psk\":\"$(cat "$D/psk")\"}" >/dev/null
	put products/argon/target '{"version":"1.1.0"}' -X PUT >/dev/null

	# The power goes right after the gate; then the device finds that it may not update.
	device --fault brown-out:before --until applying
	device --fault updates-disabled --until refused
	api 'attempts?device=d' | jq -e '.attempts | length == 1 and
		(.[0] | .verdict == "refused" and .interruptions == 1)'
	[ -z "$(contradictions)" ]

	# Not so if the server had not heard of it, or the image was handed over after all.
	sqlite3 "$D/a/postboot.db" 'UPDATE attempt SET interruptions = 0'
	[[ $(contradictions) == *': the gate opened for '* ]]
	sqlite3 "$D/a/postboot.db" 'UPDATE attempt SET interruptions = 1'
	[ -z "$(contradictions)" ]
	cp "$D/d.journal" "$D/kept"
	jq -c '., if .event == "boot" then .event = "reverted" else empty end' "$D/kept" >"$D/d.journal"
	[[ $(contradictions) == *': the gate opened for '* ]]
	jq -c 'select(.event != "boot")' "$D/kept" >"$D/d.journal"
	[[ $(contradictions) == *': the gate opened for '* ]]
}

device() { # OPTION...
	"$POSTBOOT_DEVICE" --server "$uri" --id d --psk-file "$D/psk" --state "$D/d" --hardware argon \
		--version 1.0.0 --image "$D/1.0.0.bin" --interval 1 --journal "$D/d.journal" --quiet \
		--exit-after 100 "$@" 3>&-
}

# What the judge finds when it compares the device's journal with the database.
contradictions() {
	python3 -B - "$SUPPORT" "$D" <<-'END'
		import sys
		sys.path.insert(0, sys.argv[1])
		import chaos_check
		judge = chaos_check.Judge(sys.argv[2])
		if judge.answers() < 3:
		    judge.say("too little happened")
		print(*judge.wrong, sep="\n")
	END
}

@test "killed while it makes and migrates its database" {
	for i in {1..20}; do
		begin a
		nap 60
		murder
	done
	start a
	sound "$D/a"
	version=$(sqlite3 "$D/a/postboot.db" 'PRAGMA user_version')
	put products '{"name":"blinky"}' >/dev/null
	murder

	# From the first version, with something in it.
	mkdir "$D/b"
	conf "$D/b.conf" "$D/b"
	sqlite3 "$D/b/postboot.db" <"$TOP_SRCDIR/schema/0001_initial.sql"
	columns=$(sqlite3 "$D/b/postboot.db" "SELECT group_concat(name) FROM pragma_table_info('product')")
	sqlite3 "$D/a/postboot.db" '.mode insert product' "SELECT $columns FROM product" |
		sqlite3 "$D/b/postboot.db"
	sqlite3 "$D/b/postboot.db" "PRAGMA application_id = 0x50424f54;
		PRAGMA user_version = 1;
		INSERT INTO meta VALUES ('stream', '0123456789abcdef0123456789abcdef')"
	for i in {1..20}; do
		begin b
		nap 60
		murder
	done
	start b
	sound "$D/b"
	[ "$(sqlite3 "$D/b/postboot.db" 'PRAGMA user_version')" = "$version" ]
	[ "$(sqlite3 "$D/b/postboot.db" 'SELECT name FROM product')" = blinky ]
	curl -sS --unix-socket "$D/b.sock" http://localhost/v1/status |
		jq -e '.stream == "0123456789abcdef0123456789abcdef"'
}

@test "killed while it sweeps images at its start" {
	start a
	put products '{"name":"blinky"}' >/dev/null
	head -c 3000 /dev/urandom >"$D/image"
	sum=$(sha256sum <"$D/image" | cut -d ' ' -f 1)
	api 'products/blinky/releases?version=1' -X POST -T "$D/image" >/dev/null
	murder
	for i in {1..10}; do
		# Leftovers: of uploads cut short, and of one whose release never came.
		(cd "$D/a/images" && touch .tmp-9-{1..150} && printf '%064x\n' {1..150} | xargs touch)
		begin a
		nap 60
		murder
	done
	start a
	[ "$(ls -A "$D/a/images")" = "$sum" ]
	cmp "$D/a/images/$sum" "$D/image"
	sound "$D/a"
}

@test "killed during an upload" {
	start a
	put products '{"name":"blinky"}' >/dev/null
	for i in {1..10}; do
		head -c 4000000 /dev/urandom >"$D/image-$i"
		api "products/blinky/releases?version=$i" -X POST -T "$D/image-$i" \
			>"$D/told-$i" 2>/dev/null 3>&- &
		upload=$!
		nap 80
		murder
		wait $upload || :
		start a
		# Told is there; not told is there whole, or not at all.
		sum=$(sha256sum <"$D/image-$i" | cut -d ' ' -f 1)
		api "products/blinky/releases/$i" >"$D/there" 2>/dev/null || [ ! -s "$D/told-$i" ]
		if [ -s "$D/there" ]; then
			jq -e --arg sum "$sum" '.sha256 == $sum' "$D/there"
			cmp "$D/a/images/$sum" "$D/image-$i"
		else
			[ ! -e "$D/a/images/$sum" ]
		fi
	done
	[ -z "$(find "$D/a/images" -name '.*' -type f)" ]
	[ "$(find "$D/a/images" -type f | wc -l)" -eq "$(api releases | jq '.releases | length')" ]
	sound "$D/a"
}

@test "killed while the disk is full" {
	mkdir "$D/a"
	mount -t tmpfs -o size=3m tmpfs "$D/a" 2>/dev/null || skip "no leave to mount a small disk"
	full=$D/a
	start a
	put products '{"name":"blinky"}' >/dev/null
	: >"$D/told"
	for i in {1..4}; do
		# Until there is no room for the next device, or the filler takes what was left.
		for n in {1..30}; do
			body="{\"id\":\"d-$i-$n\",\"product\":\"blinky\",\"psk_generate\":true}"
			! put devices "$body" >/dev/null 2>&1 || echo "d-$i-$n" >>"$D/told"
			[ "$n" -ne 10 ] || head -c 3145728 /dev/zero >"$D/a/filler" 2>/dev/null || :
		done
		murder
		begin a
		nap 60
		murder
		rm "$D/a/filler"
		start a
		sound "$D/a"
		sqlite3 "$D/a/postboot.db" 'SELECT id FROM device' | sort >"$D/there"
		[ -z "$(sort "$D/told" | comm -23 - "$D/there")" ]
	done
	[ "$(wc -l <"$D/told")" -gt 30 ]
	[ "$(wc -l <"$D/told")" -lt 120 ]
	api status | jq -e '.health == "ok"'
}
