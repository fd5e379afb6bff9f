#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The key of the service: sealing, the wrong one, none, another one, and what is in the files.

load daemon

setup() {
	daemon_open
	unset CREDENTIALS_DIRECTORY
	KEY=$D/service.key
	printf '%s\n' "$(hex 32)" >"$KEY"
	chmod 600 "$KEY"
}

teardown() {
	daemon_close
}

# hex BYTES: random, in digits.
hex() {
	od -An -v -tx1 -N"$1" /dev/urandom | tr -d ' \n'
}

stop_daemon() {
	kill "$PID"
	wait "$PID"
}

# post PATH JSON
post() {
	api "$1" -H 'Content-Type: application/json' -d "$2"
}

# add_devices KEY...: devices d1, d2, ... with these keys.
add_devices() {
	local key n=0
	post products '{"name":"p"}' >/dev/null
	for key in "$@"; do
		n=$((n + 1))
		post devices "{\"id\":\"d$n\",\"product\":\"p\",\"psk\":\"$key\"}" >/dev/null
	done
}

# holds FILE HEX: whether the file has these bytes.
holds() {
	od -An -v -tx1 "$1" | tr -d ' \n' | grep -q "$2"
}

# nowhere HEX: no file of the state folder has them, nor the log.
nowhere() {
	local file
	for file in "$D"/a/* "$D"/*.log; do
		[ -f "$file" ] || continue
		if holds "$file" "$1" || grep -qai "$1" "$file"; then
			echo "$file has it" >&2
			return 1
		fi
	done
}

@test "keys: without a service key they are in clear, and it is said" {
	local psk
	psk=$(hex 32)
	start a
	[ "$(grep -c '^<4>keys=clear error=".*" do=".*postbootd(8)"$' "$D/a.log")" -eq 1 ]
	add_devices "$psk"
	[ "$(api status | jq -r .keys)" = clear ]
	POSTBOOT_SOCKET=$D/a.sock "$POSTBOOTCTL" status | grep -q '^ *keys .*in clear: .*postbootd(8)'
	POSTBOOT_SOCKET=$D/a.sock "$POSTBOOTCTL" device show d1 | grep -q '^ *key .*current, set '
	stop_daemon
	holds "$D/a/postboot.db" "$psk"
}

@test "keys: the first start with a key leaves nothing in clear, and they still work" {
	local one two
	one=$(hex 32)
	two=$(hex 16)
	start a
	add_devices "$one" "$two"
	post devices/d1/key "{\"psk\":\"$(hex 20)\"}" >/dev/null
	stop_daemon
	echo "key-file = $KEY" >>"$D/a.conf"
	start a
	await "$D/a.log" '^<6>keys=sealed count=3$'
	[ "$(api status | jq -r .keys)" = sealed ]
	POSTBOOT_SOCKET=$D/a.sock "$POSTBOOTCTL" status | grep -q '^ *keys .*sealed'
	nowhere "$one"
	nowhere "$two"
	run post devices "{\"id\":\"x\",\"product\":\"p\",\"psk\":\"$two\"}" # found though sealed
	[ "$status" -ne 0 ]
	[ "$(grep -c 'keys=clear' "$D/a.log")" -eq 0 ]
	stop_daemon
	nowhere "$one"
	nowhere "$two"
	nowhere "$(cat "$KEY")"
	start a
	[ "$(grep -c 'keys=sealed' "$D/a.log")" -eq 0 ] # that was once
	stop_daemon
}

@test "keys: a death between sealing and cleaning is made good at the next start" {
	command -v sqlite3 >/dev/null || skip "no sqlite3"
	local psk
	psk=$(hex 32)
	start a
	add_devices "$psk"
	stop_daemon
	echo "key-file = $KEY" >>"$D/a.conf"
	start a
	stop_daemon
	# What lies in pages that are free, as if the process had died before the cleaning.
	sqlite3 "$D/a/postboot.db" "PRAGMA secure_delete = OFF; CREATE TABLE t (v BLOB); \
		INSERT INTO t VALUES (x'$psk'), (zeroblob(100000)); DROP TABLE t; \
		INSERT INTO meta VALUES ('scrub', x'')"
	holds "$D/a/postboot.db" "$psk"
	start a
	nowhere "$psk"
	stop_daemon
	nowhere "$psk"
}

@test "keys: another key or none is refused, by a start and by -t" {
	echo "key-file = $KEY" >>"$D/a.conf"
	start a
	add_devices "$(hex 32)"
	stop_daemon
	"$POSTBOOTD" -t -c "$D/a.conf"

	cp "$KEY" "$D/right.key"
	hex 32 >"$KEY"
	refused a
	[[ $output == *"sealed with another key"*"--rekey"* ]]
	run "$POSTBOOTD" -t -c "$D/a.conf"
	[ "$status" -eq 1 ]
	[[ $output == "postbootd: $D/a/postboot.db: "*"sealed with another key"* ]]

	conf "$D/none.conf" "$D/a"
	refused none
	[[ $output == *"no key to open them"*LoadCredential=postboot-key:FILE* ]]
	run "$POSTBOOTD" -t -c "$D/none.conf" # it may well be that only the service has it
	[ "$status" -eq 0 ]
	[[ $output == *"its keys are sealed, and there is no service key here to check them with" ]]

	cp "$D/right.key" "$KEY" # and nothing was harmed
	start a
	stop_daemon
}

@test "keys: a file that is no key is refused with how to make one" {
	echo "key-file = $KEY" >>"$D/a.conf"
	printf 'secret-word' >"$KEY"
	refused a
	[[ $output == *"service-key=$KEY "*"11 bytes, neither 32 bytes nor 64 hex digits"* ]]
	[[ $output == *"postbootd --make-key=FILE"* ]]
	[[ $output != *secret* ]]
	run "$POSTBOOTD" -t -c "$D/a.conf"
	[ "$status" -eq 1 ]
	[[ $output == "postbootd: $KEY: "*"11 bytes"* ]]
	rm "$KEY"
	refused a
	[[ $output == *"$KEY"*"there is no such file"* ]]
	# What the message says works.
	(umask 077; head -c 32 /dev/urandom >"$KEY")
	start a
	stop_daemon
	[ "$(grep -c 'everybody' "$D/a.log")" -eq 0 ]
	chmod 644 "$KEY"
	start a
	grep -q "^<4>service-key=$KEY error=\"everybody " "$D/a.log"
	stop_daemon
}

@test "keys: the credential of the service manager goes before key-file" {
	mkdir "$D/credentials"
	cp "$KEY" "$D/credentials/postboot-key"
	hex 32 >"$D/other.key"
	echo "key-file = $D/other.key" >>"$D/a.conf"
	export CREDENTIALS_DIRECTORY=$D/credentials
	start a
	[ "$(api status | jq -r .keys)" = sealed ]
	stop_daemon
	unset CREDENTIALS_DIRECTORY
	refused a
	[[ $output == *"sealed with another key"* ]]
	cp "$KEY" "$D/other.key"
	start a
	stop_daemon
}

@test "keys: --rekey takes another key, and only from who has the old one" {
	local psk new
	psk=$(hex 32)
	new=$D/new.key
	echo "key-file = $KEY" >>"$D/a.conf"
	hex 32 >"$new"
	run "$POSTBOOTD" -c "$D/a.conf" --rekey "$new"
	[ "$status" -eq 1 ]
	[[ $output == *"its keys are in clear (start the daemon with the new key"* ]]
	start a
	add_devices "$psk"
	run "$POSTBOOTD" -c "$D/a.conf" --rekey "$new"
	[ "$status" -eq 1 ]
	[[ $output == *"another postbootd"* ]]
	stop_daemon
	conf "$D/b.conf" "$D/a" "key-file = $new"
	run "$POSTBOOTD" -c "$D/b.conf" --rekey "$new"
	[ "$status" -eq 1 ]
	[[ $output == *"sealed with another key"* ]]
	run "$POSTBOOTD" -c "$D/a.conf" --rekey "$D/none.key"
	[ "$status" -eq 1 ]
	[[ $output == *"$D/none.key: there is no such file"* ]]
	run "$POSTBOOTD" -c "$D/a.conf" --rekey "$new"
	[ "$status" -eq 0 ]
	[[ $output == *"1 keys are sealed with $new now; give that one to the service" ]]
	refused a
	start b
	run post devices "{\"id\":\"x\",\"product\":\"p\",\"psk\":\"$psk\"}"
	[ "$status" -ne 0 ]
	stop_daemon
	nowhere "$psk"
}

@test "keys: a backup has no key in clear, and not the service's" {
	local psk
	psk=$(hex 32)
	echo "key-file = $KEY" >>"$D/a.conf"
	start a
	add_devices "$psk"
	POSTBOOT_SOCKET=$D/a.sock "$POSTBOOTCTL" backup "$D/backup.db"
	stop_daemon
	mv "$D/backup.db" "$D/a/copy.db"
	nowhere "$psk"
	nowhere "$(cat "$KEY")"
	mv "$D/a/copy.db" "$D/backup.db"
	# It is of use to who has the key, and to nobody else.
	mkdir "$D/b"
	conf "$D/b.conf" "$D/b"
	"$POSTBOOTD" -c "$D/b.conf" --restore "$D/backup.db"
	refused b
	[[ $output == *"no key to open them"* ]]
	echo "key-file = $KEY" >>"$D/b.conf"
	start b
	stop_daemon
}
