# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# What the integration tests and the demo share: a server on a throw-away folder and a free
# port, devices beside it, and waiting for events. Everything is bounded in time.
#
#	lab_open; server_start; product_add; release_add 1.0.0; device_add argon-1
#	device_start argon-1 1.0.0 --fault never-reboot
#	wait_event 20 '.data == "failed"'; lab_close

: "${TOP_SRCDIR:=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)}"
: "${TOP_BUILDDIR:=$TOP_SRCDIR/build}"
: "${POSTBOOTD:=$TOP_BUILDDIR/src/daemon/postbootd}"
: "${POSTBOOTCTL:=$TOP_BUILDDIR/src/ctl/postbootctl}"
: "${POSTBOOT_DEVICE:=$TOP_BUILDDIR/src/emu/postboot-device}"

FIRMWARE=/usr/share/nxt-firmware/nxt_firmware.bin
IMAGE_BYTES=245760
STAMP_BYTES=64

# DETACH=setsid keeps a terminal's Ctrl-C from the processes started here.

# Sanitizers and a busy machine make everything slower, not wrong. SLOWER is for times that a test
# sets; PATIENCE for how long it waits for what must come, which costs nothing where it comes.
SLOWER=1
[ "${SANITIZED-no}" = no ] || SLOWER=3
PATIENCE=$((4 * SLOWER))

lab_open() {
	LAB=$(mktemp -d "${TMPDIR:-/tmp}/postboot-lab.XXXXXX")
	export POSTBOOT_SOCKET=$LAB/admin.sock
	SERVER_PID=
	MARK=0
	declare -gA DEVICE_PID=()
}

# Stops what was started here and removes the folder. May be called twice.
lab_close() {
	local id bad=0
	[ -n "${LAB-}" ] || return 0
	for id in "${!DEVICE_PID[@]}"; do
		device_stop "$id"
	done
	server_stop
	lab_sound || bad=1
	lab_sane || bad=1
	rm -rf "$LAB"
	LAB=
	return "$bad"
}

# Whatever a test did to it, the database that it leaves is sound. A test that breaks it by
# hand says so with UNSOUND=1.
lab_sound() {
	[ -e "$LAB/state/postboot.db" ] && [ -z "${UNSOUND-}" ] || return 0
	"$POSTBOOTD" -c "$LAB/postbootd.conf" --check-db >"$LAB/check" 2>&1 && return 0
	echo "postbootd --check-db:" >&2
	tail -n 20 "$LAB/check" >&2
	return 1
}

# A finding of the sanitizers fails the test even where nobody waits for the process that has it:
# what leaked is only told at its end.
lab_sane() {
	! grep -h -A 30 -E 'Sanitizer: |runtime error: ' "$LAB"/*.log >&2 2>/dev/null
}

# stop PID: ends a process of ours, by force if it does not listen.
stop() {
	local i
	kill "$1" 2>/dev/null || return 0
	for ((i = 0; i < 50 * SLOWER; i++)); do
		kill -0 "$1" 2>/dev/null || break
		sleep 0.1
	done
	kill -9 "$1" 2>/dev/null || :
	wait "$1" 2>/dev/null || :
}

ctl() {
	"$POSTBOOTCTL" "$@"
}

# until_true SECONDS COMMAND...: runs it until it succeeds; SECONDS on a good machine.
until_true() {
	local end=$((SECONDS + $1 * PATIENCE))
	shift
	while ! "$@" >/dev/null 2>&1; do
		((SECONDS < end)) || return 1
		sleep 0.1
	done
}

# It is there, with or without problems (postbootctl(1), exit status).
server_answers() {
	local status=0
	ctl status || status=$?
	[ "$status" -eq 0 ] || [ "$status" -eq 3 ]
}

# server_start [LINE...]: LINEs are added to its configuration.
server_start() {
	if [ ! -e "$LAB/postbootd.conf" ]; then
		mkdir -p "$LAB/state"
		{
			echo "state-dir = $LAB/state"
			echo "admin-socket = $LAB/admin.sock"
			echo "listen = coaps://127.0.0.1:$(python3 -B "$TOP_SRCDIR/tests/support/free_port.py")"
			echo "event-prefix = spark/"
			[ $# -eq 0 ] || printf '%s\n' "$@"
		} >"$LAB/postbootd.conf"
	fi
	# Bats waits for its file descriptor 3: no child may keep it.
	# shellcheck disable=SC2086
	${DETACH-} "$POSTBOOTD" -c "$LAB/postbootd.conf" >>"$LAB/postbootd.log" 2>&1 3>&- &
	SERVER_PID=$!
	if ! until_true 10 server_answers; then
		echo "postbootd does not answer:" >&2
		tail -n 20 "$LAB/postbootd.log" >&2
		return 1
	fi
	SERVER_URI=$({ ctl -o json status || :; } | jq -r '[.listen[] | select(startswith("coaps:"))][0]')
	# shellcheck disable=SC2034 # the tests use it
	SERVER_PORT=${SERVER_URI##*:}
}

# metric SERIES: its value; 0 while a known family has none of this name yet.
metric() {
	curl -sS --fail --unix-socket "$POSTBOOT_SOCKET" http://localhost/metrics |
		awk -v series="$1" -v family="${1%%[{]*}" '
			$1 == "#" && $2 == "TYPE" && $3 == family { value = 0 }
			$1 == series { value = $2 }
			END { print value }'
}

# metric_is_at_least N SERIES
metric_is_at_least() {
	[ "$(metric "$2")" -ge "$1" ]
}

server_stop() {
	[ -z "$SERVER_PID" ] || stop "$SERVER_PID"
	SERVER_PID=
}

# product_add [KEY=VALUE...]: short times, unless others are given.
product_add() {
	local setting settings=("$@")
	for setting in backoff-s=1 stall-s=30; do
		[[ " $*" == *" ${setting%=*}="* ]] || settings+=("$setting")
	done
	ctl product add argon --hardware argon "${settings[@]}" >/dev/null
}

# image VERSION: makes $LAB/VERSION.bin, real firmware with a version stamp in its empty tail.
image() {
	local out=$LAB/$1.bin stamp="POSTBOOT-VERSION:$1"
	[ ! -e "$out" ] || return 0
	head -c "$IMAGE_BYTES" "$FIRMWARE" >"$out.tmp"
	[ "$(tail -c "$STAMP_BYTES" "$out.tmp" | tr -d '\377' | wc -c)" -eq 0 ] || {
		echo "the last $STAMP_BYTES bytes of the image are in use" >&2
		return 1
	}
	printf '%s\0' "$stamp" | dd of="$out.tmp" bs=1 seek=$((IMAGE_BYTES - STAMP_BYTES)) \
		conv=notrunc status=none
	mv "$out.tmp" "$out"
}

# release_add VERSION [OPTION...]
release_add() {
	local version=$1
	shift
	image "$version"
	ctl release add argon "$LAB/$version.bin" --version "$version" "$@" >/dev/null
}

# device_add ID [KEY]: with a drawn key in $LAB/ID.psk, or with the text KEY as its key.
device_add() {
	if [ $# -gt 1 ]; then
		printf '%s' "$2" | od -An -v -tx1 | tr -d ' \n' |
			ctl device add "$1" --product argon --psk-file - >/dev/null
		return
	fi
	ctl device add "$1" --product argon --psk-generate --psk-out "$LAB/$1.psk" >/dev/null
}

# device_start ID VERSION [OPTION...]: an emulated device that runs VERSION, unless its state
# folder says otherwise. Its console is $LAB/ID.log, or file descriptor $CONSOLE.
device_start() {
	local id=$1 version=$2
	shift 2
	image "$version"
	if [ -n "${CONSOLE-}" ]; then
		device_run "$id" "$version" "$@" >&"$CONSOLE" 2>&1 3>&- &
	else
		device_run "$id" "$version" "$@" >>"$LAB/$id.log" 2>&1 3>&- &
	fi
	DEVICE_PID[$id]=$!
}

# Becomes the device, so that the job's process is the device's.
device_run() {
	local id=$1 version=$2
	shift 2
	# shellcheck disable=SC2086
	exec ${DETACH-} "$POSTBOOT_DEVICE" --server "$SERVER_URI" --id "$id" --psk-file "$LAB/$id.psk" \
		--state "$LAB/$id" --hardware argon --version "$version" \
		--image "$LAB/$version.bin" --interval 1 --boot-time 300 "$@"
}

device_stop() {
	[ -z "${DEVICE_PID[$1]-}" ] || stop "${DEVICE_PID[$1]}"
	unset "DEVICE_PID[$1]"
}

# space_free ID: the user of an emulated device deletes logs; back when that is done.
space_free() {
	: >"$LAB/$1/fs-free-now"
	until_true 20 test ! -e "$LAB/$1/fs-free-now"
}

# mark: wait_event and count_events look only at what comes after this.
mark() {
	MARK=$(ctl -o json status | jq .head)
}

# Quiet while the server restarts.
events() {
	ctl -o json event list --after "$MARK" 2>/dev/null | jq -c '.events[]'
}

# wait_event SECONDS FILTER: prints the first event after the mark for which the jq FILTER
# holds; topics are compared without their prefix. It follows the stream, as asking again and again
# takes processor time from what it waits for.
wait_event() {
	local end=$((SECONDS + $1 * PATIENCE)) line fd follower
	while :; do
		exec {fd}< <(exec "$POSTBOOTCTL" -o json event follow --after "$MARK" 2>/dev/null 3>&-)
		follower=$!
		line=$(timeout $((end - SECONDS + 1)) jq -nc \
			"first(inputs | .topic |= ltrimstr(\"spark/\") | select([($2)?] | last))" <&"$fd") || :
		kill "$follower" 2>/dev/null || :
		exec {fd}<&-
		if [ -n "$line" ]; then
			echo "$line"
			return 0
		fi
		((SECONDS < end)) || break
		[ -z "$SERVER_PID" ] || kill -0 "$SERVER_PID" 2>/dev/null || break
		sleep 0.2 # it restarts
	done
	{
		echo "no event in time with: $2"
		ctl event list --after "$MARK" || :
		tail -n 20 "$LAB"/*.log
	} >&2
	return 1
}

count_events() {
	events | jq -nc "[inputs | .topic |= ltrimstr(\"spark/\") | select($1)] | length"
}

# closed ID SECONDS: waits for the verdict of the device's next attempt and prints its number.
closed() {
	wait_event "$2" ".device == \"$1\" and .verdict" | jq .attempt
}

# verdict ATTEMPT FILTER: prints what the jq FILTER makes of the attempt.
verdict() {
	ctl -o json attempt show "$1" | jq -r "$2"
}

# diagnosed ATTEMPT NAME
diagnosed() {
	ctl -o json attempt show "$1" | jq -e --arg name "$2" '[.diagnoses[].name] | index($name) != null' \
		>/dev/null
}

# wait_device SECONDS ID FILTER: until the jq FILTER holds for the device.
wait_device() {
	local end=$((SECONDS + $1 * PATIENCE))
	# One jq for all the answers: to start it costs more than the answer.
	if [ "$(shown_until "$end" "$2" | jq -n "first(inputs | select([($3)?] | last)) | 1")" != 1 ]; then
		echo "not in time: $3" >&2
		ctl device show "$2" >&2
		return 1
	fi
}

# shown_until END ID: the device again and again, until nobody reads it or $SECONDS is END.
shown_until() {
	while ((SECONDS < $1)); do
		ctl -o json device show "$2" 2>/dev/null || :
		echo 2>/dev/null || return
		sleep 0.1
	done
}
