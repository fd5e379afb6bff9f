#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The audit log as an auditor sees it, with nothing but curl, jq, sha256sum and sqlite3; who may
# do what; and two operators who change the same thing.

load lib

setup() {
	bats_require_minimum_version 1.5.0 2>/dev/null || :
	lab_open
	DB=$LAB/state/postboot.db
}

teardown() {
	lab_close
}

# api METHOD PATH [CURL-ARGUMENT...]: the answer, its status in the last line.
api() {
	curl -sS --max-time 30 -w '\n%{http_code}\n' --unix-socket "$POSTBOOT_SOCKET" -X "$1" \
		-H 'Content-Type: application/json' "${@:3}" "http://localhost/v1/$2"
}

# etag PATH: the ETag of a resource.
etag() {
	curl -sS -D - -o /dev/null --unix-socket "$POSTBOOT_SOCKET" "http://localhost/v1/$1" |
		tr -d '\r' | sed -n 's/^ETag: //p'
}

rows() {
	curl -sS --unix-socket "$POSTBOOT_SOCKET" 'http://localhost/v1/audit?limit=1000'
}

# Nine acts, of every kind of object.
nine_acts() {
	product_add
	release_add 1.0.0
	release_add 1.1.0
	device_add argon-1
	ctl product target argon 1.0.0
	ctl product set argon stall-s=1h
	ctl device lock argon-1 1.1.0
	ctl device hold argon-1
	ctl device unhold argon-1
}

# The recipe of postboot-api(7), as it stands there; it prints the first wrong row.
recipe() {
	sed -n '/^prev=/,/^\.Ed/p' "$TOP_SRCDIR/man/postboot-api.7" |
		sed -e '$d' -e 's/\\e$/\\/' -e "s|/run/postboot/admin.sock|$POSTBOOT_SOCKET|"
}

recompute() {
	[ "$(recipe | wc -l)" -ge 10 ]
	run sh -c "$(recipe)"
	[ "$status" -eq 0 ]
	[ -z "$output" ]
}

# by_hand SQL: as somebody does who has the file.
by_hand() {
	server_stop
	sqlite3 "$DB" "$1"
	server_start
}

# broken ROW TEXT: verify names the row.
broken() {
	run --separate-stderr ctl audit verify
	[ "$status" -eq 1 ]
	[ -z "$output" ]
	# shellcheck disable=SC2154
	[[ $stderr == "postbootctl: audit verify: row $1: "*"$2"* ]] || {
		echo "$stderr" >&2
		return 1
	}
	run --separate-stderr ctl -o json audit verify
	[ "$status" -eq 1 ]
	jq -e --argjson row "$1" '.ok == false and .bad == $row' <<<"$output"
}

@test "audit: each act is a row that says who, what, before and after; a key is in none" {
	server_start
	nine_acts
	ctl device hold argon-1
	ctl device hold argon-1 # found its work done: no row
	run ctl product target argon 9.9
	[ "$status" -eq 1 ]
	rows | jq -e --arg me "$(id -un)" '.audit | length == 10 and
		[.[].seq] == [range(1; 11)] and all(.who == $me) and
		[.[].act] == ["product add", "release add", "release add", "device add",
			"product target", "product set", "device lock", "device hold",
			"device unhold", "device hold"] and
		.[0].object == "argon" and (.[0] | has("before") | not) and
		.[0].after.policy.stall_s == 30 and
		.[1].object == "argon 1.0.0" and .[1].after.size == 245760 and
		.[3].object == "argon-1" and .[3].after == {"product": "argon"} and
		.[4].before == {} and .[4].after == {"target": "1.0.0"} and
		.[5].before == {"policy": {"stall_s": 30}} and
		.[5].after == {"policy": {"stall_s": 3600}} and
		.[6].before == {} and .[6].after == {"lock": "1.1.0"} and
		.[8].before == {"hold": "operator"} and .[8].after == {}'
	key=$(cat "$LAB/argon-1.psk")
	[ "${#key}" -ge 32 ]
	[ "$(rows | grep -c -i -F "$key")" -eq 0 ]
	[ "$(grep -c -i -F "$key" "$LAB/postbootd.log")" -eq 0 ]
	ctl device remove argon-1
	rows | jq -e '.audit[-1] | .act == "device remove" and (has("after") | not) and
		.before == {"product": "argon", "lock": "1.1.0", "hold": "operator"}'
}

@test "audit: what the man page says recomputes every hash, and the journal has the head" {
	server_start
	nine_acts
	recompute
	run ctl audit verify
	[ "$status" -eq 0 ]
	[[ $output == "The audit log is whole: 9 rows."* ]]
	line=$(grep 'act="device unhold"' "$LAB/postbootd.log")
	[[ $line == *" object=\"argon-1\" who=\"$(id -un)\" "*" audit=9 hash="* ]]
	hash=${line##*hash=}
	ctl audit verify --known "9:$hash"
	run --separate-stderr ctl audit verify --known "8:$hash"
	[ "$status" -eq 1 ]
	[[ $stderr == *"row 8 has another hash"* ]]
	run --separate-stderr ctl audit verify --known "10:$hash"
	[ "$status" -eq 1 ]
	[[ $stderr == *"row 10 is missing"* ]]
	run ctl audit verify --known 9
	[ "$status" -eq 2 ]
	# over a restart the chain goes on
	server_stop
	server_start
	ctl device hold argon-1
	recompute
	[ "$(ctl -o json audit verify | jq .rows)" -eq 10 ]
}

@test "audit: a row that was changed is named, whichever of its fields it was" {
	export UNSOUND=1
	server_start
	nine_acts
	server_stop
	cp "$DB" "$LAB/good.db"
	for change in "at_ms = at_ms + 1" "who = 'root' || who" "act = 'device force'" \
		"object = 'argon-2'" "before = '{\"lock\":\"1.0.0\"}'" "after = '{}'" \
		"after = after || char(0) || 'x'" "who = who || char(10) || act" \
		"hash = zeroblob(32)" "hash = x'00'"; do
		cp "$LAB/good.db" "$DB"
		by_hand "UPDATE audit SET $change WHERE seq = 7"
		broken 7 "row 7 was changed"
		[[ $(sh -c "$(recipe)") == 'wrong: {"seq":7,'* ]]
		server_stop
	done
}

@test "audit: rows that were taken out, put in, swapped or cut off are named" {
	export UNSOUND=1
	server_start
	nine_acts
	server_stop
	cp "$DB" "$LAB/good.db"
	tamper() {
		cp "$LAB/good.db" "$DB"
		by_hand "$1"
		broken "$2" "$3"
		server_stop
	}
	tamper "DELETE FROM audit WHERE seq = 4" 4 "row 4 is missing: after row 3 comes row 5"
	tamper "DELETE FROM audit WHERE seq < 3" 1 "row 1 is missing"
	tamper "DELETE FROM audit WHERE seq > 7" 8 "the end was cut off: row 9 was the last, row 7 is"
	tamper "DELETE FROM audit" 1 "the end was cut off: row 9 was the last, row 0 is"
	tamper "INSERT INTO audit SELECT 10, at_ms, who, act, object, before, after, hash FROM audit
		WHERE seq = 9" 10 "row 10 was changed, or is not the one that was written after row 9"
	tamper "UPDATE audit SET seq = 100 WHERE seq = 5; UPDATE audit SET seq = 5 WHERE seq = 6;
		UPDATE audit SET seq = 6 WHERE seq = 100" 5 "row 5 was changed"
	tamper "UPDATE audit SET seq = seq + 1000 WHERE seq >= 4;
		UPDATE audit SET seq = seq - 999 WHERE seq >= 1004;
		INSERT INTO audit SELECT 4, at_ms, who, act, object, before, after, hash FROM audit
			WHERE seq = 3" 4 "row 4 was changed"
	tamper "DELETE FROM meta WHERE key = 'audit_head'" 9 "the record of the last row is missing"
	tamper "UPDATE meta SET value = 'x' WHERE key = 'audit_head'" 9 "the record of the last row"
	tamper "UPDATE meta SET value = replace(value, ':', ':0') WHERE key = 'audit_head'" 9 "record"
	tamper "UPDATE meta SET value = printf('%020d:%064d', 9, 0) WHERE key = 'audit_head'" 9 \
		"is not the one that was written last"
	tamper "UPDATE meta SET value = printf('%020d:%064d', 7, 0) WHERE key = 'audit_head'" 8 \
		"row 8 and what follows were put in by hand"
	tamper "UPDATE meta SET value = printf('%020d:%064d', 12, 0) WHERE key = 'audit_head'" 10 \
		"the end was cut off: row 12 was the last, row 9 is"
}

@test "audit: a log cut off stays broken, and the daemon works on" {
	export UNSOUND=1
	server_start
	nine_acts
	by_hand "DELETE FROM audit WHERE seq > 7"
	grep -q '^<3>audit head=9 last=7 error=' "$LAB/postbootd.log"
	ctl device hold argon-1
	rows | jq -e '[.audit[].seq] == [1, 2, 3, 4, 5, 6, 7, 10]'
	broken 8 "row 8 is missing: after row 7 comes row 10"
	by_hand "INSERT INTO audit SELECT 40, at_ms, who, act, object, before, after, hash
		FROM audit WHERE seq = 10"
	ctl device unhold argon-1
	rows | jq -e '.audit[-1].seq == 41'
}

@test "audit: lists by object, oldest and newest first, by pages" {
	server_start
	nine_acts
	api GET 'audit?limit=4' | head -1 | jq -e '[.audit[].seq] == [1, 2, 3, 4] and .next == 4'
	api GET 'audit?limit=4&after=8' | head -1 | jq -e '[.audit[].seq] == [9] and (has("next") | not)'
	api GET 'audit?limit=2&before=0' | head -1 | jq -e '[.audit[].seq] == [9, 8] and .next == 8'
	api GET 'audit?before=3' | head -1 | jq -e '[.audit[].seq] == [2, 1]'
	api GET 'audit?object=argon' | head -1 | jq -e '[.audit[].seq] == [1, 5, 6]'
	api GET 'audit?object=argon%201.1.0' | head -1 | jq -e '[.audit[].seq] == [3]'
	api GET 'audit?object=argon-1&before=9' | head -1 | jq -e '[.audit[].seq] == [8, 7, 4]'
	[ "$(api GET 'audit?after=1&before=3' | tail -1)" = 400 ]
	[ "$(api GET 'audit?limit=0' | tail -1)" = 400 ]
	[ "$(api POST audit | tail -1)" = 405 ]
	[ "$(ctl -o json audit list -n 3 | jq -c '[.audit[].seq]')" = "[7,8,9]" ]
	[ "$(ctl -o json audit list --object argon-1 | jq -c '[.audit[].seq]')" = "[4,7,8,9]" ]
	run ctl audit list
	[ "${#lines[@]}" -eq 10 ]
	[[ ${lines[6]} == 6*"$(id -un)"*"product set"*argon*"stall_s 30 -> 3600"* ]]
	[[ ${lines[8]} == *"device hold"*argon-1*"hold operator" ]]
	[[ ${lines[9]} == *"hold operator -> none" ]]
}

@test "audit: an attempt that is cancelled, and one that a lock ends" {
	server_start
	product_add
	release_add 1.0.0
	release_add 1.1.0
	device_add argon-1
	ctl product target argon 1.1.0
	device_start argon-1 1.0.0 --fault delay:400
	attempt=$(wait_event 30 '.data == "started"' | jq .attempt)
	ctl attempt cancel "$attempt"
	rows | jq -e --arg id "$attempt" '.audit[-1] | .act == "attempt cancel" and .object == $id and
		.before == {"state": "transferring"} and
		.after == {"state": "closed", "verdict": "cancelled"}'
	second=$(wait_event 30 ".data == \"started\" and .attempt != $attempt" | jq .attempt)
	ctl device lock argon-1 1.0.0
	rows | jq -e --argjson id "$second" '.audit[-1] | .act == "device lock" and
		.before.attempt == $id and .after == {"lock": "1.0.0"}'
	recompute
}

# ---- who may do what ----

# as UID GID GROUPS COMMAND...: as another user, who need not exist.
as() {
	setpriv --reuid "$1" --regid "$2" --groups "$3" "${@:4}"
}

need_root() {
	[ "$(id -u)" -eq 0 ] || skip "other users need root"
	chmod 0755 "$LAB"
}

# asked UID GID GROUPS METHOD PATH [CURL-ARGUMENT...]: only the status.
asked() {
	as "$1" "$2" "$3" curl -sS -o "$LAB/answer" -w '%{http_code}' --max-time 30 \
		--unix-socket "$POSTBOOT_SOCKET" -X "$4" -H 'Content-Type: application/json' \
		"${@:6}" "http://localhost/v1/$5"
}

# The group of the socket is 61001, of the viewers 61002.
viewers_stand() {
	: >"$LAB/answer"
	chmod 0666 "$LAB/answer"
	# a member by its supplementary groups, one by its primary group, one of neither
	[ "$(asked 60001 60001 61001,61002 GET status)" = 200 ]
	[ "$(asked 60001 60001 61001,61002 POST products -d '{"name":"a"}')" = 403 ]
	jq -e '.code == "forbidden" and .status == 403 and (.detail | contains("user \"uid 60001\" is in")) and
		(.detail | contains("viewer-group"))' "$LAB/answer"
	[ "$(asked 60001 61002 61001 GET 'devices?limit=1')" = 200 ]
	[ "$(asked 60001 61002 61001 PATCH products/none -d '{}')" = 403 ]
	[ "$(asked 60001 61002 61001 HEAD status -I)" = 200 ]
	[ "$(asked 60002 60002 61001 POST products -d '{"name":"a"}')" = 201 ]
	[ "$(asked 60001 60001 61001,61002 DELETE devices/none)" = 403 ]
	[ "$(asked 60001 60001 61001,61002 PUT products/a/target -d '{"version":null}')" = 403 ]
	# an upload is refused before its bytes come
	truncate -s 30M "$LAB/image"
	chmod 0644 "$LAB/image"
	[ "$(asked 60001 60001 61001,61002 POST 'products/a/releases?version=1' -T "$LAB/image")" = 403 ]
	# very many groups
	[ "$(asked 60001 60001 "61001,$(seq -s, 70000 70300),61002" POST products -d '{"name":"b"}')" = 403 ]
	[ "$(asked 60001 60001 "61001,$(seq -s, 70000 70300)" POST products -d '{"name":"b"}')" = 201 ]
	# root is nobody's viewer
	[ "$(asked 0 61002 61001,61002 POST products -d '{"name":"c"}')" = 201 ]
	rows | jq -e '[.audit[] | {who, object}] == [{"who": "uid 60002", "object": "a"},
		{"who": "uid 60001", "object": "b"}, {"who": "root", "object": "c"}]'
	grep -q 'admin refused=403 act=POST:/v1/products .*who="uid 60001" uid=60001' "$LAB/postbootd.log"
	# who is in neither group does not even connect
	run asked 60003 60003 60003 GET status
	[ "$status" -ne 0 ]
}

@test "roles: members of viewer-group may read and nothing else" {
	need_root
	server_start "viewer-group = 61002"
	chgrp 61001 "$POSTBOOT_SOCKET"
	viewers_stand
}

@test "roles: the same on a socket of the service manager" {
	need_root
	server_start "viewer-group = 61002"
	server_stop
	cat >"$LAB/pass.pl" <<-'P'
		use Socket; use POSIX qw(dup2);
		$^F = 9; # no close-on-exec up to there
		umask 0117;
		socket(A, AF_UNIX, SOCK_STREAM, 0) and bind(A, sockaddr_un(shift)) and listen(A, 64) or die $!;
		dup2(fileno(A), 9); dup2(9, 3);
		POSIX::close($_) for 4 .. 9;
		@ENV{qw(LISTEN_FDS LISTEN_PID)} = (1, $$);
		exec @ARGV or die $!;
	P
	rm -f "$POSTBOOT_SOCKET"
	perl "$LAB/pass.pl" "$POSTBOOT_SOCKET" "$POSTBOOTD" -c "$LAB/postbootd.conf" \
		>>"$LAB/postbootd.log" 2>&1 3>&- &
	# shellcheck disable=SC2034
	SERVER_PID=$!
	until_true 10 ctl status
	grep -q 'admin socket=passed' "$LAB/postbootd.log"
	chgrp 61001 "$POSTBOOT_SOCKET"
	viewers_stand
}

@test "roles: viewer-group is read again on SIGHUP, and one that does not exist changes nothing" {
	need_root
	server_start
	chgrp 61001 "$POSTBOOT_SOCKET"
	echo "viewer-group = no-such-group" >>"$LAB/postbootd.conf"
	kill -HUP "$SERVER_PID"
	until_true 10 grep -q 'reload=failed viewer-group=no-such-group' "$LAB/postbootd.log"
	[ "$(asked 60001 60001 61001,61002 POST products -d '{"name":"before"}')" = 201 ]
	sed -i 's/^viewer-group = .*/viewer-group = 61002/' "$LAB/postbootd.conf"
	kill -HUP "$SERVER_PID"
	until_true 10 grep -q 'reload key=viewer-group' "$LAB/postbootd.log"
	[ "$(asked 60001 60001 61001,61002 POST products -d '{"name":"viewer"}')" = 403 ]
	sed -i '/^viewer-group/d' "$LAB/postbootd.conf"
	kill -HUP "$SERVER_PID"
	until_true 10 eval '[ "$(grep -c "reload key=viewer-group" "$LAB/postbootd.log")" = 2 ]'
	[ "$(asked 60001 60001 61001,61002 POST products -d '{"name":"after"}')" = 201 ]
}

@test "roles: without viewer-group whoever may connect may change" {
	need_root
	server_start
	chgrp 61001 "$POSTBOOT_SOCKET"
	: >"$LAB/answer"
	chmod 0666 "$LAB/answer"
	[ "$(asked 60001 60001 61001,61002 POST products -d '{"name":"a"}')" = 201 ]
}

@test "roles: a viewer-group that does not exist is told at the start" {
	mkdir "$LAB/state"
	printf 'state-dir = %s\nadmin-socket = %s\nlisten = coaps://127.0.0.1:0\n%s\n' "$LAB/state" \
		"$POSTBOOT_SOCKET" "viewer-group = no-such-group" >"$LAB/postbootd.conf"
	run timeout 30 "$POSTBOOTD" -c "$LAB/postbootd.conf" 3>&-
	[ "$status" -eq 1 ]
	[[ $output == *"viewer-group=no-such-group"* ]]
	run "$POSTBOOTD" -t -c "$LAB/postbootd.conf"
	[ "$status" -eq 1 ]
	[[ $output == *"viewer-group = no-such-group: there is no such group: make this group"* ]]
	sed -i 's,no-such-group,root,' "$LAB/postbootd.conf"
	"$POSTBOOTD" -t -c "$LAB/postbootd.conf"
}

# ---- two operators ----

@test "if-match: the second of two operators is told, and nothing of his is done" {
	server_start
	nine_acts
	tag=$(etag products/argon)
	[[ $tag == '"3-'* ]]
	[ "$(api PUT products/argon/target -H "If-Match: $tag" -d '{"version":"1.1.0"}' | tail -1)" = 200 ]
	answer=$(api PUT products/argon/target -H "If-Match: $tag" -d '{"version":null}' -i)
	[[ $answer == *"HTTP/1.1 412"* ]]
	[[ $answer == *"ETag: $(etag products/argon)"* ]]
	[[ $answer == *'"code":"precondition-failed"'* ]]
	[[ $answer == *"its revision is 4 now"* ]]
	[ "$(ctl -o json product show argon | jq -r .target)" = 1.1.0 ]
	rows | jq -e '.audit | length == 10'
	# the revision alone is enough, lists are understood, * is any
	[ "$(api PATCH products/argon -H 'If-Match: "1", "4"' -d '{"hardware":"x"}' | tail -1)" = 200 ]
	[ "$(api PATCH products/argon -H 'If-Match: *' -d '{"hardware":"y"}' | tail -1)" = 200 ]
	[ "$(api PATCH products/argon -H 'If-Match: W/"6"' -d '{"hardware":"z"}' | tail -1)" = 412 ]
	[ "$(api PATCH products/argon -H 'If-Match: "6", x' -d '{"hardware":"z"}' | tail -1)" = 400 ]
	[ "$(api PATCH products/argon -H 'If-Match;' -d '{"hardware":"z"}' | tail -1)" = 400 ]
	[ "$(api PATCH products/argon -H "If-Match: $(printf '"%s", ' {1..8})\"9\"" \
		-d '{"hardware":"z"}' | tail -1)" = 400 ] # one more than LIMIT_IF_MATCH
	[ "$(api PATCH products/argon -H "If-Match: $(printf '"%s", ' {10..16})\"6\"" \
		-d '{"hardware":"y2"}' | tail -1)" = 200 ]
	[ "$(ctl -o json product show argon | jq -r .hardware)" = y2 ]
}

@test "if-match: acts on devices, releases and attempts honour it" {
	server_start
	nine_acts
	for act in hold unhold force unforce unlock; do
		[ "$(api POST "devices/argon-1/$act" -H 'If-Match: "1"' | tail -1)" = 412 ]
	done
	[ "$(api POST devices/argon-1/lock -H 'If-Match: "1"' -d '{"version":"1.0.0"}' | tail -1)" = 412 ]
	[ "$(api DELETE devices/argon-1 -H 'If-Match: "1"' | tail -1)" = 412 ]
	[ "$(api DELETE products/argon/releases/1.1.0 -H 'If-Match: "77"' | tail -1)" = 412 ]
	rows | jq -e '.audit | length == 9'
	[ "$(api POST devices/argon-1/hold -H "If-Match: $(etag devices/argon-1)" | tail -1)" = 200 ]
	# one that would find its work done is refused all the same
	[ "$(api POST devices/argon-1/hold -H 'If-Match: "1"' | tail -1)" = 412 ]
	[ "$(api DELETE devices/argon-1 -H "If-Match: $(etag devices/argon-1)" | tail -1)" = 204 ]
	[ "$(api DELETE products/argon/releases/1.1.0 \
		-H "If-Match: $(etag products/argon/releases/1.1.0)" | tail -1)" = 204 ]
	# what is added, and what has no row, has nothing to match
	[ "$(api POST products -H 'If-Match: "1"' -d '{"name":"q"}' | tail -1)" = 400 ]
	[ "$(api POST devices/none/hold -H 'If-Match: "1"' | tail -1)" = 404 ]
}

@test "if-match: an operator sees another one's act on the keys" {
	server_start
	nine_acts
	seen=$(etag devices/argon-1)
	[ "$(api POST devices/argon-1/key -H "If-Match: $seen" -d '{"psk_generate":true}' | tail -1)" = 200 ]
	[ "$(etag devices/argon-1)" != "$seen" ]
	[ "$(api POST devices/argon-1/key -H "If-Match: $seen" -d '{"psk_generate":true}' | tail -1)" = 412 ]
	[ "$(api POST devices/argon-1/hold -H "If-Match: $seen" | tail -1)" = 412 ]
	seen=$(etag devices/argon-1)
	[ "$(api DELETE devices/argon-1/key -H "If-Match: $seen" | tail -1)" = 200 ]
	[ "$(etag devices/argon-1)" != "$seen" ]
	rows | jq -e '.audit[-1] | .act == "device key" and (.before | keys) == ["next"] and .after == {}'
	[ "$(api DELETE devices/argon-1/key -H "If-Match: $seen" | tail -1)" = 412 ]
	[ "$(api POST devices/argon-1/hold -H "If-Match: $(etag devices/argon-1)" | tail -1)" = 200 ]
}

@test "if-match: of many at once, with one tag, exactly one is done" {
	server_start
	nine_acts
	tag=$(etag products/argon)
	device=$(etag devices/argon-1)
	for i in {1..12}; do
		api PATCH products/argon -H "If-Match: $tag" -d "{\"hardware\":\"h$i\"}" \
			>"$LAB/p$i" 3>&- &
		api POST devices/argon-1/lock -H "If-Match: $device" \
			-d "{\"version\":\"1.0.0\"}" >"$LAB/d$i" 3>&- &
		pids[i * 2]=$!
		pids[i * 2 + 1]=$(jobs -p | tail -2 | head -1)
	done
	for pid in "${pids[@]}"; do
		wait "$pid" || :
	done
	wait_all() { [ "$(cat "$LAB"/[pd]*[0-9] | grep -c '^[0-9][0-9][0-9]$')" -eq 24 ]; }
	until_true 20 wait_all
	[ "$(tail -qn1 "$LAB"/p[0-9]* | grep -c '^200$')" -eq 1 ]
	[ "$(tail -qn1 "$LAB"/p[0-9]* | grep -c '^412$')" -eq 11 ]
	[ "$(tail -qn1 "$LAB"/d[0-9]* | grep -c '^200$')" -eq 1 ]
	[ "$(tail -qn1 "$LAB"/d[0-9]* | grep -c '^412$')" -eq 11 ]
	rows | jq -e '.audit | length == 11'
	recompute
}

@test "if-none-match: what has not changed is not sent again" {
	server_start
	nine_acts
	for path in products/argon products/argon/releases/1.0.0 devices/argon-1; do
		tag=$(etag "$path")
		[[ $tag =~ ^\"[0-9]+-[0-9a-f]{16}\"$ ]]
		answer=$(api GET "$path" -H "If-None-Match: $tag" -i)
		[[ $answer == *"HTTP/1.1 304"* ]]
		[[ $answer == *"ETag: $tag"* ]]
		[ "$(api GET "$path" -H "If-None-Match: \"x\", W/$tag" | tail -1)" = 304 ]
		[ "$(api GET "$path" -H 'If-None-Match: *' | tail -1)" = 304 ]
		[ "$(api GET "$path" -H 'If-None-Match: "1"' | tail -1)" = 200 ]
		[ "$(api GET "$path" -H 'If-None-Match: 1' | tail -1)" = 400 ]
	done
	tag=$(etag devices/argon-1)
	ctl device lock argon-1 1.0.0
	[ "$(api GET devices/argon-1 -H "If-None-Match: $tag" | tail -1)" = 200 ]
	[ "$(api PATCH products/argon -H 'If-None-Match: *' -d '{}' | tail -1)" = 400 ]
}

@test "ctl: --if-rev takes the revision that show told" {
	server_start
	nine_acts
	[[ $(ctl product show argon) == *"revision    3"* ]]
	[[ $(ctl device show argon-1) == *revision*4* ]]
	ctl product target argon 1.1.0 --if-rev 3
	run --separate-stderr ctl product set argon stall-s=5m --if-rev 3
	[ "$status" -eq 1 ]
	[[ $stderr == "postbootctl: product set: it is not as it was when you looked: it was changed meanwhile; its revision is 4 now" ]]
	ctl device hold argon-1 --if-rev "$(ctl -o json device show argon-1 | jq .rev)"
	run ctl device unhold argon-1 --if-rev 1
	[ "$status" -eq 1 ]
	run ctl device unhold argon-1 --if-rev x
	[ "$status" -eq 2 ]
	[ "$(ctl -o json device show argon-1 | jq -r .state)" = held ]
}
