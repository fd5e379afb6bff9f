#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# How postbootd starts, refuses to start, reloads and ends.

load daemon

setup() {
	daemon_open
}

teardown() {
	daemon_close
}

@test "it makes its folders, listens and answers" {
	conf "$D/a.conf" "$D/a" 'listen = coaps://127.0.0.1:0' 'listen = coap://127.0.0.1:0'
	start a
	[ "$(stat -c %a "$D/a")" = 750 ]
	[ "$(api status | jq -r '.listen | length')" = 2 ]
	for uri in $(api status | jq -r '.listen[]'); do
		grep -q -x -F "<6>listening on=$uri" "$D/a.log"
		[[ $uri != *:0 ]]
	done
}

@test "SIGTERM and SIGINT end it in order, and nothing told is lost" {
	start a
	api products -H 'Content-Type: application/json' -d '{"name":"blinky"}' >/dev/null
	kill -TERM "$PID"
	wait "$PID"
	grep -q '^<6>stopped' "$D/a.log"
	[ ! -e "$D/a.sock" ]
	start a
	[ "$(api products | jq -r '.products[].name')" = blinky ]
	kill -INT "$PID"
	wait "$PID"
}

@test "kill -9 loses nothing that was told" {
	start a
	api products -H 'Content-Type: application/json' -d '{"name":"blinky"}' >/dev/null
	kill -KILL "$PID"
	wait "$PID" || :
	start a
	[ "$(api products | jq -r '.products[].name')" = blinky ]
}

@test "a reader of events does not hold up the end" {
	start a
	curl -sS -N --unix-socket "$D/a.sock" 'http://localhost/v1/events?follow=1' \
		>"$D/events" 2>&1 3>&- &
	PIDS+=($!)
	api products -H 'Content-Type: application/json' -d '{"name":"blinky"}' >/dev/null
	kill -TERM "$PID"
	wait "$PID"
}

@test "a second instance on the same state folder is refused" {
	start a
	refused a
	[[ $output == *"another postbootd (process $PID) owns"*state-dir* ]]
	api status >/dev/null
}

@test "a second instance on the same admin socket is refused" {
	start a
	conf "$D/b.conf" "$D/b"
	sed -i "s|^admin-socket.*|admin-socket = $D/a.sock|" "$D/b.conf"
	refused b
	[[ $output == *"admin-socket=$D/a.sock"* ]]
	api status >/dev/null
}

@test "a port in use is told with its address" {
	start a
	uri=$(api status | jq -r '.listen[0]')
	conf "$D/b.conf" "$D/b" "listen = $uri"
	refused b
	[[ $output == *"listen=$uri error=\"Address already in use\""* ]]
}

@test "an address of another machine is told" {
	conf "$D/b.conf" "$D/b" "listen = coaps://192.0.2.1:0"
	refused b
	[[ $output == *"listen=coaps://192.0.2.1:0 error=\"Cannot assign requested address\""* ]]
}

@test "a state folder that may not be written is told with the user" {
	cp "$POSTBOOTD" "$D/postbootd"
	as=()
	if [ "$(id -u)" -eq 0 ]; then
		as=(setpriv --reuid=65534 --regid=65534 --clear-groups)
		user=$(id -un 65534)
	else
		user=$(id -un)
	fi
	mkdir "$D/a"
	chmod 0711 "$D"
	chmod 0555 "$D/a"
	run "${as[@]}" "$D/postbootd" -c "$D/a.conf"
	[ "$status" -eq 1 ]
	[[ $output == "<3>start=failed lock=$D/a/lock error=\"Permission denied\" do=\"let user $user "* ]]
}

@test "a state folder below a missing one, or that is a file, is told" {
	conf "$D/b.conf" "$D/none/b"
	refused b
	[[ $output == *"folder=$D/none/b error=\"the folder above it does not exist\""* ]]
	: >"$D/c"
	conf "$D/c.conf" "$D/c"
	refused c
	[[ $output == *"folder=$D/c error=\"Not a directory\""* ]]
}

@test "an admin socket's place that is taken by a file is told" {
	: >"$D/a.sock"
	refused a
	[[ $output == *"admin-socket=$D/a.sock"* ]]
	[ -f "$D/a.sock" ]
}

@test "a database of a newer version is refused and left alone" {
	start a
	kill "$PID"
	wait "$PID"
	sqlite3 "$D/a/postboot.db" 'PRAGMA user_version = 9999'
	before=$(cksum <"$D/a/postboot.db")
	refused a
	[[ $output == *"database=$D/a/postboot.db"*"newer postbootd"* ]]
	run timeout 30 "$POSTBOOTD" -c "$D/a.conf" -t 3>&-
	[ "$status" -eq 1 ]
	[[ $output == *"$D/a/postboot.db: a newer postbootd wrote it"* ]]
	[ "$(cksum <"$D/a/postboot.db")" = "$before" ]
}

@test "a file that is no database is refused and left alone" {
	mkdir "$D/a"
	head -c 8192 /dev/urandom >"$D/a/postboot.db"
	before=$(cksum <"$D/a/postboot.db")
	refused a
	[[ $output == *"database=$D/a/postboot.db"* ]]
	[ "$(cksum <"$D/a/postboot.db")" = "$before" ]
}

@test "the database of another program is refused, with what to do, and left alone" {
	mkdir "$D/a"
	sqlite3 "$D/a/postboot.db" 'CREATE TABLE mine(a); INSERT INTO mine VALUES (1)'
	before=$(cksum <"$D/a/postboot.db")
	refused a
	[[ $output == *"database=$D/a/postboot.db"*'do="another program made it: '* ]]
	[ "$(cksum <"$D/a/postboot.db")" = "$before" ]
}

@test "a failed start leaves no lock and no socket behind" {
	conf "$D/b.conf" "$D/a" "listen = coaps://192.0.2.1:0"
	refused b
	[ ! -e "$D/a.sock" ]
	start a
}

@test "SIGHUP takes what reloads and names what waits for a restart" {
	start a
	echo 'log-level = debug' >>"$D/a.conf"
	echo 'plain-devices = yes' >>"$D/a.conf"
	kill -HUP "$PID"
	await "$D/a.log" '^<6>reload=done taken=1 waiting_for_restart=1'
	grep -q '^<6>reload key=log-level$' "$D/a.log"
	grep -q '^<4>reload key=plain-devices ' "$D/a.log"
	kill -TERM "$PID"
	wait "$PID"
}

@test "SIGHUP with a mistake changes nothing and says where" {
	start a
	printf 'log-level = err\nlog-level = loud\n' >>"$D/a.conf"
	kill -HUP "$PID"
	await "$D/a.log" '^<3>reload=failed '
	grep -q -F "$D/a.conf:5:1: log-level: " "$D/a.log"
	api status >/dev/null
	kill -TERM "$PID"
	wait "$PID"
	grep -q '^<6>stopped' "$D/a.log" # info is still logged
}

@test "the service manager hears of readiness, reload, watchdog and end" {
	perl -MSocket -e '
		socket(S, AF_UNIX, SOCK_DGRAM, 0) and bind(S, sockaddr_un($ARGV[0])) or die $!;
		$| = 1; print "bound\n";
		while (defined recv(S, $m, 4096, 0)) { print "$m\n" }' \
		"$D/notify" >"$D/told" 3>&- &
	PIDS+=($!)
	await "$D/told" bound
	start a env NOTIFY_SOCKET="$D/notify" WATCHDOG_USEC=100000
	await "$D/told" '^READY=1'
	await "$D/told" '^WATCHDOG=1'
	kill -HUP "$PID"
	await "$D/told" '^RELOADING=1'
	await "$D/told" '^MONOTONIC_USEC=[0-9]'
	kill -TERM "$PID"
	wait "$PID"
	await "$D/told" '^STOPPING=1'
}
