#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Webhooks (postboot-hooks(7)): each event arrives at least once and in its order, whatever its
# receiver, the network and the server do.

load lib

setup() {
	command -v python3 >/dev/null || skip "no python3"
	lab_open
	RX=
}

teardown() {
	receiver_stop
	lab_close
}

# receiver_start [CERT KEY]: on the port that it had before.
receiver_start() {
	mkdir -p "$LAB/rx"
	# One that nobody takes who asks for any, while it is stopped.
	[ -s "$LAB/rx/port" ] || python3 -B "$TOP_SRCDIR/tests/support/free_port.py" >"$LAB/rx/port"
	touch "$LAB/rx/got"
	python3 -B "$TOP_SRCDIR/tests/support/hook_receiver.py" "$LAB/rx" "$@" 3>&- &
	RX=$!
	until_true 20 receiver_answers "$@"
	PORT=$(cat "$LAB/rx/port")
}

receiver_answers() {
	[ -s "$LAB/rx/port" ] && (exec 4<>"/dev/tcp/127.0.0.1/$(cat "$LAB/rx/port")")
}

receiver_stop() {
	[ -z "$RX" ] || stop "$RX"
	RX=
}

# A receiver that is only slow on a busy machine is not given up: that takes $TIMEOUT.
hook_server() {
	server_start 'hook-retry-max = 1s' 'hook-tries = 3' "hook-timeout = ${TIMEOUT-60s}" "$@"
	product_add
	device_add argon-1
}

# hook_add [OPTION...]: the one named crm, and its secret for the receiver.
hook_add() {
	ctl -o json hook add crm "http://127.0.0.1:$PORT/in" "$@" | jq -r .secret >"$LAB/rx/secret"
}

# make_events N: so many, of one device.
make_events() {
	local i
	for ((i = 0; i < $1; i += 2)); do
		ctl device disable argon-1 >/dev/null
		ctl device enable argon-1 >/dev/null
	done
}

hook() { # JQ-FILTER
	ctl -o json hook show crm | jq -r "$1"
}

hook_is() { # JQ-CONDITION
	ctl -o json hook show crm | jq -e "$1"
}

lost_fails() {
	ctl -o json hook show lost | jq -e '.error | test("(?i)resolv|tim")'
}

dead_is() { # JQ-CONDITION
	ctl -o json hook dead crm | jq -e ".dead | $1"
}

condition_is_set() {
	curl -sS --unix-socket "$POSTBOOT_SOCKET" http://localhost/v1/health | grep '"hook"'
}

each_got_two() { # N hooks
	[ "$(jq -r '.headers["postboot-hook"]' "$LAB/rx/got" | sort | uniq -c |
		awk '$1 == 2' | wc -l)" -eq "$1" ]
}

place_is_saved() { # POSITION
	[ "$(sqlite3 "$LAB/state/postboot.db" 'SELECT position FROM hook')" = "$1" ]
}

# The numbers of what was taken, in the order in which it came.
taken() {
	jq -r 'select(.answer == "204" or .answer == "slow") | .body | fromjson |
		if type == "array" then .[] else . end | .data.seq // empty' "$LAB/rx/got"
}

# arrived FIRST LAST: all between them, and each for the first time in its order; none was forged.
arrived() {
	[ "$(taken | awk '!seen[$1]++' | paste -s -d ' ')" = "$(seq -s ' ' "$1" "$2")" ] || {
		taken | paste -s -d ' '
		return 1
	}
	[ "$(jq -r 'select(.forged)' "$LAB/rx/got" | wc -l)" -eq 0 ]
}

@test "hooks: events arrive signed, as CloudEvents, in their order" {
	receiver_start
	hook_server
	hook_add
	run ctl hook test crm
	[ "$status" -eq 0 ]
	[[ $output == *"Taken: 204"* ]]
	make_events 10
	until_true 30 hook_is '.position == 10 and .lag == 0'
	arrived 1 10
	jq -c 'select(.body | contains("\"seq\":3,")) | .body | fromjson |
		[.specversion, .type, .subject, .datacontenttype, .id == .data.cursor, (.source | startswith("/postboot/"))]' \
		"$LAB/rx/got" >"$LAB/event"
	[ "$(cat "$LAB/event")" = '["1.0","io.postboot.device.disabled","argon-1","application/json",true,true]' ]
	[ "$(jq -r 'select(.id | startswith("ping")) | .body | fromjson | .type' "$LAB/rx/got")" = io.postboot.hook.ping ]
	# the signature by somebody else's hands
	jq -c 'select(.body | contains("\"seq\":3,"))' "$LAB/rx/got" >"$LAB/one"
	key=$(sed 's/whsec_//' "$LAB/rx/secret" | base64 -d | od -An -tx1 | tr -d ' \n')
	mine=$(jq -j '.id + "." + .headers["webhook-timestamp"] + "." + .body' "$LAB/one" |
		openssl dgst -sha256 -mac HMAC -macopt "hexkey:$key" -binary | base64)
	[ "v1,$mine" = "$(jq -r '.headers["webhook-signature"]' "$LAB/one")" ]
	# a changed byte is another signature
	other=$(jq -j '.id + "." + .headers["webhook-timestamp"] + ". " + .body' "$LAB/one" |
		openssl dgst -sha256 -mac HMAC -macopt "hexkey:$key" -binary | base64)
	[ "v1,$other" != "$(jq -r '.headers["webhook-signature"]' "$LAB/one")" ]
}

@test "hooks: a receiver that fails, closes, is slow, redirects or is gone misses nothing" {
	receiver_start
	hook_server
	hook_add
	printf '%s\n' '1 500' '1 close' '3 slow' '1 503' '1 redirect' '1 later:1' >"$LAB/rx/how"
	make_events 6
	until_true 60 hook_is '.position == 6'
	arrived 1 6
	# a redirect is not followed
	[ "$(jq -r 'select(.answer == "GET")' "$LAB/rx/got" | wc -l)" -eq 0 ]
	receiver_stop
	make_events 4
	until_true 30 hook_is '.failing_since != null and .retry_at != null and .lag == 4'
	[[ $(hook .error) == *onnect* ]]
	receiver_start
	until_true 60 hook_is '.position == 10 and .failing_since == null'
	arrived 1 10
	[ "$(hook .dead)" -eq 0 ]
	[ "$(hook .delivered)" -eq 10 ]
}

@test "hooks: a receiver that hangs holds up neither the server nor another hook" {
	receiver_start
	TIMEOUT=2s hook_server
	hook_add
	mkdir "$LAB/rx2"
	echo hang >"$LAB/rx2/how"
	python3 -B "$TOP_SRCDIR/tests/support/hook_receiver.py" "$LAB/rx2" 3>&- &
	DEAF=$!
	until_true 20 test -s "$LAB/rx2/port"
	ctl hook add deaf "http://127.0.0.1:$(cat "$LAB/rx2/port")/" >/dev/null
	make_events 4
	until_true 30 hook_is '.position == 4'
	arrived 1 4
	run ctl -o json hook show deaf
	[ "$(jq '[.position, .delivered]' -c <<<"$output")" = "[0,0]" ]
	until_true 60 jq -se 'length >= 2' "$LAB/rx2/got"
	[ "$(head -n 2 "$LAB/rx2/got" | jq -r .id | sort -u | wc -l)" -eq 1 ]
	kill "$DEAF"
	wait "$DEAF" || :
}

@test "hooks: a name that nobody resolves holds up neither the server nor its end" {
	[ "${SANITIZED-no}" = no ] || skip "sanitizers come first in LD_PRELOAD"
	touch "$LAB/names"
	receiver_start
	export LD_PRELOAD=$TOP_BUILDDIR/tests/support/stall.so STALL_NAMES=$LAB/names
	TIMEOUT=2s hook_server
	unset LD_PRELOAD
	ctl hook add lost http://nowhere.invalid/ >/dev/null
	hook_add
	make_events 4
	until_true 30 hook_is '.position == 4'
	arrived 1 4
	# its time is over again and again, and each time the loop goes on
	until_true 60 lost_fails
	[ "$(metric 'postboot_health_condition{name="loop-lag"}')" -eq 0 ]
	server_stop
	[ "$(grep -c 'stopped' "$LAB/postbootd.log")" -ge 1 ]
	rm "$LAB/names"
}

@test "hooks: what is refused too often is put aside, and the rest goes on" {
	receiver_start
	hook_server
	hook_add --batch 10
	ctl hook pause crm
	make_events 6
	echo '"seq":3,' >"$LAB/rx/poison"
	ctl hook resume crm
	until_true 60 hook_is '.position == 6 and .dead == 1'
	[ "$(taken | sort -n | paste -s -d ' ')" = "1 2 4 5 6" ]
	run ctl -o json hook dead crm
	[ "$(jq -c '.dead[] | [.seq, .error, .message.data.seq, .tries]' <<<"$output")" = '[3,"it answered 500",3,3]' ]
	id=$(jq '.dead[0].id' <<<"$output")
	# once more: refused, then taken
	ctl hook retry crm "$id"
	until_true 30 dead_is '.[0].tries == 4'
	rm "$LAB/rx/poison"
	ctl hook retry crm all
	until_true 30 hook_is '.dead == 0'
	[ "$(taken | sort -n | paste -s -d ' ')" = "1 2 3 4 5 6" ]
	run ctl hook drop crm "$id"
	[ "$status" -ne 0 ]
	# LIMIT_HOOK_DEAD: 1,000 may be put aside; the next one disables it, and stays where it is
	server_stop
	sqlite3 "$LAB/state/postboot.db" "INSERT INTO hook_dead (hook, seq, cursor, topic, device,
		at_ms, tries, error, due, body) WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL
		SELECT i + 1 FROM n WHERE i < 999) SELECT (SELECT id FROM hook), 1, 'c', 't', 'd', 1, 1,
		'e', 0, '{}' FROM n"
	echo '"seq":' >"$LAB/rx/poison"
	server_start
	make_events 2
	until_true 60 hook_is '.state == "disabled" and .reason == "dead-full"'
	hook_is '.dead == 1000 and .position == 7'
}

@test "hooks: 410 disables it, with an event, a condition and a way back" {
	receiver_start
	hook_server
	hook_add
	echo '1 410' >"$LAB/rx/how"
	make_events 4
	until_true 30 hook_is '.state == "disabled" and .reason == "gone"'
	wait_event 20 '.topic == "hook/disabled" and .hook == "crm" and .reason == "gone"'
	until_true 20 condition_is_set
	[ "$(taken | wc -l)" -eq 0 ]
	server_stop
	server_start
	[ "$(hook .state)" = disabled ]
	ctl hook resume crm
	until_true 30 hook_is '.position == 5'
	arrived 1 5
}

@test "hooks: one that never works is given up" {
	receiver_start
	receiver_stop
	hook_server 'hook-give-up = 2s'
	hook_add
	make_events 2
	until_true 60 hook_is '.reason == "failing"'
	receiver_start
	ctl hook resume crm
	until_true 30 hook_is '.lag == 0'
	arrived 1 3
}

@test "hooks: SIGKILL loses nothing, and what comes again comes in order" {
	receiver_start
	hook_server
	hook_add
	for _ in 1 2 3; do
		make_events 10
		kill -9 "$SERVER_PID"
		wait "$SERVER_PID" || :
		server_start
	done
	until_true 60 hook_is '.position == 30 and .lag == 0'
	arrived 1 30
	make_events 2
	until_true 60 hook_is '.position == 32' # else it is told again: nobody heard the answer
	until_true 20 place_is_saved 32
	server_stop
	server_start
	until_true 60 hook_is '.position == 32'
	arrived 1 32
	# what was taken in peace does not come again
	[ "$(taken | grep -cx 32)" -eq 1 ]
}

@test "hooks: filters by the beginning of a topic and by product" {
	receiver_start
	hook_server
	ctl product add blinky >/dev/null
	ctl device add blinky-1 --product blinky --plain >/dev/null
	hook_add --topic device/held --topic device/dis --product blinky || :
	run ctl hook add crm "http://127.0.0.1:$PORT/in" --topic device/dis
	[ "$status" -ne 0 ]
	[[ $output == *"begins no topic"* ]]
	hook_add --topic device/held --product blinky
	make_events 4
	ctl device hold argon-1
	ctl device hold blinky-1
	ctl device disable blinky-1
	until_true 30 hook_is '.lag == 0 and .delivered == 1'
	[ "$(taken | wc -l)" -eq 1 ]
	[ "$(jq -r '.body | fromjson | .subject' "$LAB/rx/got")" = blinky-1 ]
	ctl hook set crm --topic all --product all
	make_events 2
	until_true 30 hook_is '.lag == 0 and .delivered == 3'
}

@test "hooks: one that has fallen behind retention goes on with the oldest, and says so" {
	receiver_start
	hook_server 'max-events = 1000'
	hook_add
	ctl hook pause crm
	server_stop
	export UNSOUND=1 # its devices never did what these events tell
	sqlite3 "$LAB/state/postboot.db" "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n
		WHERE i < 2000) INSERT INTO event SELECT i, 1, 'device/boot', '', 'argon-1', 0, '{}' FROM n
		WHERE i > 1500; INSERT OR REPLACE INTO meta VALUES ('head', 2000);"
	server_start
	ctl hook resume crm
	until_true 60 hook_is '.lag == 0 and .missed == 1500'
	wait_event 20 '.topic == "hook/missed" and .missed == 1500'
	[ "$(taken | head -n 1)" -eq 1501 ]
	[ "$(taken | awk '!seen[$1]++' | wc -l)" -ge 500 ]
}

@test "hooks: https is verified, by the CAs of hook-ca-file" {
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=hooks \
		-addext subjectAltName=IP:127.0.0.1 -keyout "$LAB/key.pem" -out "$LAB/cert.pem" 2>/dev/null
	receiver_start "$LAB/cert.pem" "$LAB/key.pem"
	hook_server
	ctl hook add crm "https://127.0.0.1:$PORT/" >/dev/null
	run ctl hook test crm
	[ "$status" -eq 1 ]
	[[ $output == *ertificate* ]]
	echo "hook-ca-file = $LAB/cert.pem" >>"$LAB/postbootd.conf"
	kill -HUP "$SERVER_PID"
	until_true 20 ctl hook test crm
	# the right CA, and another name
	ctl hook set crm --url "https://localhost:$PORT/"
	run ctl hook test crm
	[ "$status" -eq 1 ]
}

@test "hooks: the secret is sealed at rest, shown once, and follows the service's key" {
	receiver_start
	head -c 32 /dev/urandom >"$LAB/key1"
	head -c 32 /dev/urandom >"$LAB/key2"
	hook_server "key-file = $LAB/key1"
	echo "a secret of thirty-two characters" >"$LAB/secret"
	cp "$LAB/secret" "$LAB/rx/secret"
	ctl hook add crm "http://127.0.0.1:$PORT/in" --secret-file "$LAB/secret" >"$LAB/out"
	run grep -c "thirty-two" "$LAB/out"
	[ "$output" -eq 0 ]
	[[ $(ctl -o json hook show crm) != *thirty-two* ]]
	[[ $(ctl audit list) != *thirty-two* ]]
	server_stop
	run grep -ac "thirty-two" "$LAB/state/postboot.db"
	[ "$output" -eq 0 ]
	run grep -c "thirty-two" "$LAB/postbootd.log"
	[ "$output" -eq 0 ]
	"$POSTBOOTD" -c "$LAB/postbootd.conf" --rekey "$LAB/key2"
	sed -i 's/key1/key2/' "$LAB/postbootd.conf"
	server_start
	make_events 2
	until_true 30 hook_is '.position == 2'
	arrived 1 2
	ctl -o json hook set crm --new-secret | jq -r .secret >"$LAB/rx/secret"
	make_events 2
	until_true 30 hook_is '.position == 4'
	arrived 1 4
}

@test "hooks: a restored database goes on after what it had sent, under a new stream" {
	receiver_start
	hook_server
	hook_add
	make_events 4
	until_true 30 hook_is '.position == 4'
	until_true 20 place_is_saved 4 # a moment later; without it more would come again
	ctl backup "$LAB/backup"
	make_events 2
	until_true 30 hook_is '.position == 6'
	server_stop
	"$POSTBOOTD" -c "$LAB/postbootd.conf" --restore "$LAB/backup"
	: >"$LAB/rx/got"
	server_start
	until_true 30 hook_is '.lag == 0 and .position >= 5'
	[ "$(jq -r '.body | fromjson | .type' "$LAB/rx/got" | head -n 1)" = io.postboot.store.restored ]
	[ "$(taken | head -n 1)" -eq 5 ]
}

@test "hooks: there are 16 at most; each name once" {
	receiver_start
	hook_server
	for i in $(seq 16); do
		ctl hook add "h$i" "http://127.0.0.1:$PORT/$i" >/dev/null
	done
	run ctl hook add h17 "http://127.0.0.1:$PORT/17"
	[ "$status" -ne 0 ]
	[[ $output == *"as many hooks as there may be"* ]]
	run ctl hook add h1 "http://127.0.0.1:$PORT/"
	[[ $output == *exists* ]]
	make_events 2
	until_true 60 each_got_two 16
	ctl hook remove h16
	ctl hook add h17 "http://127.0.0.1:$PORT/17" >/dev/null
	[ "$(ctl -o json hook list | jq '.hooks | length')" -eq 16 ]
	# LIMIT_HOOK_TOPICS, LIMIT_HOOK_PRODUCTS: the words of its filter, 512 bytes of topics, 1024 of products
	words() { # KEY A-WORD ITS-COUNT ANOTHER ITS-COUNT: the answer's status
		jq -n -c "{$1: ([range($3) | \"$2\"] + [range($5) | \"$4\"])}" |
			curl -sS -o answer -w '%{http_code}\n' --unix-socket "$POSTBOOT_SOCKET" -X PATCH \
				-H 'Content-Type: application/json' --data-binary @- http://localhost/v1/hooks/h1
	}
	[ "$(words topics flash 82 device 3)" = 200 ]
	[ "$(words topics flash 81 device 4)" = 400 ]
	jq -e '.detail == "topics: all together longer than 512 bytes"' answer
	ctl product add abcdef
	[ "$(words products argon 165 abcdef 5)" = 200 ]
	[ "$(words products argon 164 abcdef 6)" = 400 ]
	jq -e '.detail == "products: all together longer than 1024 bytes"' answer
}

@test "hooks: an answer of 16384 bytes and one more; an error of 160 characters and one more" {
	receiver_start
	hook_server
	hook_add
	# LIMIT_HOOK_ANSWER, whichever part of the answer has them
	for part in body head; do
		for size in 16384:"it answered 500" 16385:"its answer is longer than 16384 bytes"; do
			echo "$part:${size%%:*}" >"$LAB/rx/how"
			make_events 2
			until_true 30 hook_is ".error == \"${size#*:}\""
		done
	done

	# LIMIT_HOOK_ERROR: a name of one label that is too long for any resolver
	for n in 136 137; do
		ctl hook add "n$n" "http://$(printf '%*s' "$n" '' | tr ' ' x)/" >/dev/null
		make_events 2
		error() { ctl -o json hook show "n$n" | jq -e '.error | length == 160 and startswith("Could not resolve host: x")'; }
		until_true 30 error
	done
}
