#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# SIGTERM and a new process: sessions go on without a handshake, and no copy of them is left.

load lib
load ca
load sessions

setup() {
	sessions_open
}

teardown() {
	lab_close
}

terminate() {
	kill -TERM "$SERVER_PID"
	wait "$SERVER_PID"
	SERVER_PID=
}

@test "a restart that the device does not notice" {
	device_start argon-1 1.0.0 --interval 1
	until_true 20 metric_is_at_least 3 postboot_coap_requests_total
	terminate
	grep -q "^<6>sessions=saved count=1 closed=0 to=$LAB/sessions " "$LAB/postbootd.log"
	[ "$(stat -c %a "$LAB/sessions")" = 600 ]
	[ ! -e "$LAB/state/sessions" ]
	server_start
	grep -q '^<6>sessions=restored count=1 refused=0 ' "$LAB/postbootd.log"
	[ ! -e "$LAB/sessions" ]
	[ "$(metric postboot_sessions_restored_total)" = 1 ]
	until_true 20 metric_is_at_least 3 postboot_coap_requests_total
	# What it registered for still reaches it.
	release_add 1.1.0
	ctl product target argon 1.1.0
	closed argon-1 60
}

@test "the doorbell rings after a restart, though the device never spoke since" {
	device_start argon-1 1.0.0 --interval 600
	until_true 20 metric_is_at_least 1 postboot_sessions_hibernated
	terminate
	server_start
	release_add 1.1.0
	ctl product target argon 1.1.0
	until_true 20 metric_is_at_least 1 'postboot_wakes_total{result="received"}'
	closed argon-1 60
}

@test "nothing of a session is left after a crash, and damage is told" {
	device_start argon-1 1.0.0 --interval 1
	until_true 20 metric_is_at_least 2 postboot_coap_requests_total
	terminate
	server_start
	kill -KILL "$SERVER_PID"
	wait "$SERVER_PID" || :
	device_stop argon-1 # it would make a new one
	[ ! -e "$LAB/sessions" ]
	: >"$LAB/postbootd.log"
	server_start
	run grep -c 'sessions=' "$LAB/postbootd.log"
	[ "$output" = 0 ]
	[ "$(metric postboot_sessions)" = 0 ]
	device_start argon-1 1.0.0 --interval 1
	until_true 20 metric_is_at_least 1 'postboot_handshakes_total{result="ok"}'
	until_true 20 metric_is_at_least 2 postboot_coap_requests_total
	terminate
	device_stop argon-1
	printf '\377' | dd of="$LAB/sessions" bs=1 seek=40 conv=notrunc status=none
	server_start
	grep -q '^<4>sessions=not-restored error="what was saved is damaged" ' "$LAB/postbootd.log"
	[ ! -e "$LAB/sessions" ]
	[ "$(metric postboot_sessions)" = 0 ]
	terminate
	# What is not ours alone is not touched.
	: >"$LAB/elsewhere"
	ln -sf "$LAB/elsewhere" "$LAB/sessions"
	server_start
	grep -q '^<4>sessions=not-restored ' "$LAB/postbootd.log"
}

# stopped_with_a_session: no server, no device, and one session in the file.
stopped_with_a_session() {
	device_start argon-1 1.0.0 --interval 1
	until_true 20 metric_is_at_least 1 'postboot_handshakes_total{result="ok"}'
	until_true 20 metric_is_at_least 2 postboot_coap_requests_total
	terminate
	device_stop argon-1
	[ -s "$LAB/sessions" ]
	: >"$LAB/postbootd.log"
}

# not_used WHY: a server comes up without them, and says why.
not_used() {
	server_start
	grep -q "^<4>sessions=not-restored error=\"$1\" " "$LAB/postbootd.log"
	[ "$(metric postboot_sessions)" = 0 ]
	[ "$(metric postboot_sessions_restored_total)" = 0 ]
}

@test "a file that somebody else can read, write or keep is not used" {
	local ours="their file is not ours alone"
	stopped_with_a_session
	chmod 640 "$LAB/sessions"
	not_used "$ours"
	stopped_with_a_session # in its place
	[ "$(stat -c %a "$LAB/sessions")" = 600 ]
	ln "$LAB/sessions" "$LAB/kept"
	not_used "$ours"
	rm "$LAB/kept"
	stopped_with_a_session
	if [ "$(id -u)" = 0 ]; then
		chown 1 "$LAB/sessions"
		not_used "$ours"
		stopped_with_a_session
	fi
	mv "$LAB/sessions" "$LAB/elsewhere"
	ln -s elsewhere "$LAB/sessions"
	not_used "Too many levels of symbolic links"
	[ -s "$LAB/elsewhere" ]
	stopped_with_a_session
	[ ! -L "$LAB/sessions" ]
	rm "$LAB/sessions"
	mkfifo -m 600 "$LAB/sessions"
	not_used "they are in no file, or in one that is too large"
}

@test "sessions that were cut, or are there for the second time, are not used" {
	stopped_with_a_session
	cp -p "$LAB/sessions" "$LAB/kept"
	for len in 1 17 81 90 "$(($(stat -c %s "$LAB/kept") - 1))"; do
		cp -p "$LAB/kept" "$LAB/sessions"
		truncate -s "$len" "$LAB/sessions"
		not_used "what was saved is damaged"
		[ ! -e "$LAB/sessions" ]
		server_stop
		: >"$LAB/postbootd.log"
	done
	# One process has them open; the next finds nothing in what that has.
	cp -p "$LAB/kept" "$LAB/sessions"
	exec 7<"$LAB/sessions"
	server_start
	grep -q '^<6>sessions=restored count=1 refused=0 ' "$LAB/postbootd.log"
	[ ! -e "$LAB/sessions" ]
	[ "$(wc -c <&7)" = 0 ]
	exec 7<&-
}

@test "they are never in the state folder, whatever that is called" {
	local folder
	ln -s "$LAB/state" "$LAB/link"
	mkdir "$LAB/state/run"
	for folder in "$LAB/state" "$LAB/link" "$LAB/state/run" "$LAB/link/../state"; do
		server_stop
		rm -f "$LAB/sessions"
		: >"$LAB/postbootd.log"
		RUNTIME_DIRECTORY=$folder server_start
		device_start argon-1 1.0.0 --interval 1
		until_true 20 metric_is_at_least 1 'postboot_handshakes_total{result="ok"}'
		until_true 20 metric_is_at_least 2 postboot_coap_requests_total
		terminate
		device_stop argon-1
		grep -q '^<6>sessions=closed why="their folder is the state folder or in it' "$LAB/postbootd.log"
		[ -z "$(find "$LAB/state" -name 'sessions*')" ]
	done
}

@test "who has lost its key meanwhile is refused" {
	command -v python3 >/dev/null || skip "no python3"
	device_start argon-1 1.0.0 --interval 2
	until_true 20 metric_is_at_least 2 postboot_coap_requests_total
	terminate
	python3 -B - "$LAB/state/postboot.db" <<-'P'
		import sqlite3, sys
		db = sqlite3.connect(sys.argv[1])
		tables = [r[0] for r in db.execute("select name from sqlite_master where type = 'table'")]
		keys = [t for t in tables if "key" in t and t != "seal"]
		assert keys, tables
		for table in keys:
		    db.execute(f"delete from {table}")
		db.commit()
	P
	server_start
	[ "$(metric postboot_sessions_restored_total)" = 1 ]
	until_true 30 eval '[ "$(metric postboot_sessions)" = 0 ]'
	until_true 30 metric_is_at_least 1 'postboot_handshakes_total{result="rejected"}'
	[ "$(metric 'postboot_coap_responses_total{code="4.03"}')" -ge 1 ]
}

@test "under a service manager they are in its store, and nowhere else" {
	manager_start
	device_start argon-1 1.0.0 --interval 1
	until_true 20 metric_is_at_least 3 postboot_coap_requests_total
	resets=$(ctl -o json device show argon-1 | jq -c '[.resets, .boot]')
	manager_restart 1
	grep -q '^start with=1$' "$LAB/told"
	[ ! -e "$LAB/sessions" ]
	grep -q '^<6>sessions=saved count=1 closed=0 to=service-manager ' "$LAB/postbootd.log"
	grep -q '^FDSTOREREMOVE=1$' "$LAB/told"
	until_true 20 metric_is_at_least 3 postboot_coap_requests_total
	[ "$(metric 'postboot_handshakes_total{result="ok"}')" = 0 ]
	[ "$(metric postboot_sessions)" = 1 ]
	# No boot was counted.
	[ "$(ctl -o json device show argon-1 | jq -c '[.resets, .boot]')" = "$resets" ]
	# With nobody there is nothing to store.
	device_stop argon-1
	ctl device remove argon-1
	until_true 20 eval '[ "$(metric postboot_sessions)" = 0 ]'
	server_stop
	[ "$(tail -n 1 "$LAB/told")" = "end stored=0 bytes=0" ]
}

@test "under one that keeps no descriptors they are in the file, and it is told" {
	STORE=no manager_start
	device_start argon-1 1.0.0 --interval 1
	until_true 20 metric_is_at_least 3 postboot_coap_requests_total
	manager_restart 1
	grep -q '^<4>sessions=not-stored error="the service manager keeps no file of ours" do="set FileDescriptorStoreMax=1 ' \
		"$LAB/postbootd.log"
	grep -q "^<6>sessions=saved count=1 closed=0 to=$LAB/sessions " "$LAB/postbootd.log"
	grep -q '^start with=0$' "$LAB/told"
	[ ! -e "$LAB/sessions" ]
	until_true 20 metric_is_at_least 3 postboot_coap_requests_total
	[ "$(metric 'postboot_handshakes_total{result="ok"}')" = 0 ]
}

@test "a file that lies beside what the service manager kept is not used" {
	manager_start
	device_start argon-1 1.0.0 --interval 1
	until_true 20 metric_is_at_least 3 postboot_coap_requests_total
	echo older >"$LAB/sessions"
	manager_restart 1
	[ ! -e "$LAB/sessions" ]
}

certificates_begin() {
	CA=$LAB/ca
	ca_new "$CA"
	ca_sign "$CA" server serverAuth
	server_stop
	printf '%s\n' "certificate = $CA/server.pem" "certificate-key = $CA/server.key" >>"$LAB/postbootd.conf"
	server_start
	ctl product ca argon "$CA/ca.pem"
}

@test "sessions with a certificate go on, and not those that were revoked meanwhile" {
	certificates_begin
	for id in argon-2 argon-3; do
		certified_add "$id"
		certified_start "$id" 1.0.0
	done
	until_true 30 metric_is_at_least 2 'postboot_handshakes_total{result="ok"}'
	until_true 20 metric_is_at_least 6 postboot_coap_requests_total
	terminate
	grep -q '^<6>sessions=saved count=2 closed=0 ' "$LAB/postbootd.log"
	server_start
	grep -q '^<6>sessions=restored count=2 refused=0 ' "$LAB/postbootd.log"
	until_true 20 metric_is_at_least 6 postboot_coap_requests_total
	[ "$(metric 'postboot_handshakes_total{result="ok"}')" = 0 ]
	terminate
	ca_revoke "$CA" argon-3
	echo "crl-file = $CA/crl.pem" >>"$LAB/postbootd.conf"
	server_start
	grep -q '^<6>sessions=restored count=1 refused=1 ' "$LAB/postbootd.log"
	grep -q 'session=refused reason=revoked identity="argon-3"$' "$LAB/postbootd.log"
	[ "$(metric 'postboot_certificates_refused_total{reason="revoked"}')" -ge 1 ]
	until_true 20 metric_is_at_least 3 postboot_coap_requests_total
	[ "$(metric 'postboot_handshakes_total{result="ok"}')" = 0 ]
}

@test "a certificate is good for a device that was added with one" {
	command -v python3 >/dev/null || skip "no python3"
	certificates_begin
	certified_add argon-2
	certified_start argon-2 1.0.0 --interval 2
	until_true 30 metric_is_at_least 3 postboot_coap_requests_total
	terminate
	python3 -B - "$LAB/state/postboot.db" <<-'P'
		import sqlite3, sys
		db = sqlite3.connect(sys.argv[1])
		db.execute("update device set certified = 0 where id = 'argon-2'")
		db.commit()
	P
	server_start
	[ "$(metric postboot_sessions_restored_total)" = 1 ]
	until_true 30 metric_is_at_least 1 'postboot_coap_responses_total{code="4.03"}'
	until_true 30 metric_is_at_least 1 'postboot_certificates_refused_total{reason="key-device"}'
}

@test "downloads go on over restarts" {
	release_add 1.1.0
	echo 'device-rate = 2K' >>"$LAB/postbootd.conf" # two minutes for the image
	manager_start
	device_start argon-1 1.0.0
	ctl product target argon 1.1.0
	for _ in 1 2 3; do
		until_true 30 metric_is_at_least 4 postboot_image_blocks_total
		manager_restart 1
	done
	until_true 30 metric_is_at_least 4 postboot_image_blocks_total
	[ "$(metric 'postboot_handshakes_total{result="ok"}')" = 0 ]
	sed -i '/^device-rate/d' "$LAB/postbootd.conf"
	kill -HUP "$(pgrep -P "$SERVER_PID" -f postbootd)"
	closed argon-1 60
	ctl -o json event list --after 0 | jq -e '[.events[] | select(.data == "started")] | length == 1'
}

@test "SIGINT ends sessions for good" {
	device_start argon-1 1.0.0 --interval 1
	until_true 20 metric_is_at_least 2 postboot_coap_requests_total
	kill -INT "$SERVER_PID"
	wait "$SERVER_PID"
	SERVER_PID=
	[ ! -e "$LAB/sessions" ]
	run grep -c 'sessions=saved' "$LAB/postbootd.log"
	[ "$output" = 0 ]
}
