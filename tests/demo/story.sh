#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# story.sh [--fast]: the story of the forum thread, told rightly, by emulated devices against a
# server on a throw-away folder. Exits 0 only if every verdict was as told here. --fast leaves
# out the pauses for reading, which are made only on a terminal.
set -euo pipefail
cd "$(dirname "$0")/../.."
# shellcheck source-path=SCRIPTDIR/../.. source=tests/integration/lib.bash
. tests/integration/lib.bash

pause_s=2 told=0 wrong=0 follower=''
bold='' dim='' red='' green='' plain=''
if [ -t 1 ]; then
	if [ -z "${NO_COLOR-}" ] && [ "${TERM-dumb}" != dumb ]; then
		bold=$'\e[1m' dim=$'\e[2m' red=$'\e[31m' green=$'\e[32m' plain=$'\e[0m'
	fi
else
	pause_s=0
fi
case ${1-} in
--fast) pause_s=0 ;;
-h | --help)
	echo "usage: story.sh [--fast]
  --fast  without the pauses for reading"
	exit
	;;
'') ;;
*)
	echo "usage: story.sh [--fast]" >&2
	exit 2
	;;
esac

# The follower goes before the server, whose end it would tell of.
clean_up() {
	local status=$?
	trap - EXIT
	trap '' INT TERM HUP
	[ -z "$follower" ] || stop "$follower"
	if [ "$status" -gt 128 ]; then
		printf '%s\nStopped; what was started here is ended and removed.\n' "$plain"
	elif [ "$status" -ne 0 ] && [ -s "${LAB-}/postbootd.log" ]; then
		printf '\nThe end of the log of postbootd:\n' >&2
		tail -n 15 "$LAB/postbootd.log" >&2
	fi
	lab_close
	exit "$status"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
# Ctrl-C is for the story alone: it ends the others in order.
DETACH=setsid

# ---- how it is told ----

scene() {
	printf '\n%s%s%s\n' "$bold" "$1" "$plain"
	shift
	say "$@"
	sleep "$pause_s"
}

say() {
	local line
	for line; do
		printf '  %s\n' "$line"
	done
}

# shown ARGUMENT...: a command of the operator, and what it prints.
shown() {
	printf '\n%s$ postbootctl %s%s\n' "$bold" "$*" "$plain"
	ctl "$@"
	printf '\n'
}

# The server's events as the follower prints them, in colour, and broken to 80 columns: it need
# not know how wide the terminal is that it does not write to.
told_events() {
	local line head colour broken
	while IFS= read -r line; do
		case $line in
		*'flash/status success'*) colour=$green ;;
		*'flash/status failed'*) colour=$red ;;
		*'flash/status started'* | *device/held* | *updates/*) colour=$bold ;;
		*) colour='' ;;
		esac
		broken=''
		if [ ${#line} -gt 80 ]; then
			head=${line:0:80}
			head=${head% *}
			broken=${line:${#head}}
			line=$head
		fi
		printf '%s%s%s%s%s\n' "$dim" "${line:0:15}" "$plain$colour" "${line:15}" "$plain"
		[ -z "$broken" ] || printf '%55s%s%s%s\n' '' "$colour" "${broken# }" "$plain"
	done
}

# A device's console among the events: what only the device itself knows.
console() {
	local id=$1 line
	while IFS= read -r line; do
		line=${line#*] }
		case $line in
		'session up' | 'report answered' | 'the server has news' | 'report: '*) continue ;;
		'verified: '* | 'downloading: '* | 'applying: '* | 'downloaded '*) continue ;;
		'session lost: '* | 'de-registered') continue ;;
		esac
		while IFS= read -r line; do
			printf '%s%15s%-10s  | %s%s\n' "$dim" '' "$id" "${line% }" "$plain"
		done < <(fold -s -w 50 <<<"${line#\# }")
	done
}

play() { # ID VERSION [OPTION...]: a device whose console is told
	exec {CONSOLE}> >(console "$1")
	device_start "$@" --boot-time 1000
	exec {CONSOLE}>&-
	CONSOLE=
}

told() { # WHAT COMMAND...: WHAT is as told if COMMAND succeeds
	local what=$1
	shift
	told=$((told + 1))
	if "$@"; then
		printf '  %sas told%s  %s\n' "$green" "$plain" "$what"
	else
		wrong=$((wrong + 1))
		printf '  %sWRONG%s    %s\n' "$red" "$plain" "$what"
	fi
}

# ---- what is checked ----

# The events of the device since the mark, as a JSON array, hold the jq FILTER.
events_hold() { # DEVICE FILTER
	events | jq -se "[.[] | select(.device == \"$1\") | .topic |= ltrimstr(\"spark/\")] | $2" \
		>/dev/null
}

attempt_holds() { # ATTEMPT FILTER
	ctl -o json attempt show "$1" | jq -e "$2" >/dev/null
}

# success, and between it and `started` the device's boot into the new image
reboot_between() { # DEVICE VERSION
	events_hold "$1" "map(.topic + \" \" + .data + (if .topic == \"device/boot\"
			then .running else \"\" end)) |
		index(\"flash/status started\") as \$a | index(\"device/boot $2\") as \$b |
		index(\"flash/status success\") as \$c | \$a != null and \$b > \$a and \$c > \$b"
}

explains() { # DEVICE WORD
	ctl -o json explain "$1" | jq -e "[.diagnoses[].name] | index(\"$2\") != null" >/dev/null
}

# ---- the story ----

opening() {
	lab_open
	# shellcheck disable=SC2119
	server_start
	product_add backoff-s=2 stall-s=30
	release_add 1.0.0
	release_add 1.1.0
	ctl product target argon 1.1.0 >/dev/null
	say "A server, a product \"argon\" and two releases of 240 KiB: 1.0.0, and 1.1.0" \
		"which all devices should run. Below, numbered lines are the server's events," \
		"as they happen; progress and online/offline are left out, so numbers skip." \
		"Lines with a | are what a device prints on its own console."
	exec {EVENTS}> >(told_events)
	"$DETACH" "$POSTBOOTCTL" event follow --after 0 --topic flash/status --topic device/boot \
		--topic device/held --topic updates/pending --topic updates/forced \
		--topic updates/enabled >&"$EVENTS" &
	follower=$!
	exec {EVENTS}>&-
}

healthy() {
	scene "(a) A healthy device" \
		"It downloads, verifies, applies, restarts. \"success\" waits for the restart."
	mark
	device_add argon-1
	play argon-1 1.0.0
	a=$(closed argon-1 30)
	told "argon-1: started, then its reboot, and only then success" reboot_between argon-1 1.1.0
	told "argon-1: every item of proof was held" attempt_holds "$a" '.success and all(.evidence[]; .held)'
	shown attempt show "$a"
}

full() {
	scene "(b) A full file system" \
		"argon-2 verifies the image too, but the 20-byte record that tells its boot" \
		"loader to flash is lost: the file system is full and nobody notices." \
		"argon-old has the same fault and an old agent that keeps its download."
	mark
	device_add argon-2
	device_add argon-old
	play argon-2 1.0.0 --fault fs-full:1
	play argon-old 1.0.0 --fault cached --fault fs-full:1
	wait_device 60 argon-2 '.state == "held"'
	wait_device 60 argon-old '.state == "held"'
	told "argon-2: failed twice, each time reverted, never success" events_hold argon-2 \
		'map(select(.topic == "flash/status")) | (map(.data) == ["started", "failed", "started", "failed"])
			and all(.[] | select(.data == "failed"); .verdict == "reverted")'
	told "argon-2: the second attempt asked for a fresh download and got one" events_hold argon-2 \
		'map(select(.data == "failed"))[1] | .fresh and .served_bytes >= .size'
	told "argon-2: held, so that it is not flashed again and again" events_hold argon-2 \
		'any(.[]; .topic == "device/held" and .reason == "reverts")'
	told "argon-2: explain names the file system" explains argon-2 storage-full
	told "argon-old: its second attempt used its own copy, 0 bytes were served" events_hold argon-old \
		'map(select(.data == "failed"))[1] | .cached and .served_bytes == 0 and .verdict == "reverted"'
	told "argon-old: explain names the cached image" explains argon-old cached-image
	shown explain argon-2
	sleep "$pause_s"
}

freed() {
	scene "    The operator does what explain says" \
		"Space is freed on argon-2 (its user's logs are deleted), the hold is lifted."
	mark
	space_free argon-2
	shown device unhold argon-2
	closed argon-2 30 >/dev/null
	told "argon-2: success after its reboot" reboot_between argon-2 1.1.0
}

disabled() {
	scene "(c) Updates disabled by the application" \
		"argon-3 is told that an update is pending, so that it can ask its user." \
		"Then the operator overrides it."
	mark
	device_add argon-3
	play argon-3 1.0.0 --fault updates-disabled
	wait_event 30 '.device == "argon-3" and .topic == "updates/pending" and .data == "true"' >/dev/null
	wait_device 20 argon-3 'any(.blocked_by[]; .name == "updates-disabled")'
	told "argon-3: pending, and no attempt was begun" events_hold argon-3 \
		'all(.[]; .topic != "flash/status")'
	shown device force argon-3
	a=$(closed argon-3 30)
	told "argon-3: success after its reboot, by force" reboot_between argon-3 1.1.0
	told "argon-3: the attempt says that it was forced" attempt_holds "$a" .forced
}

locked() {
	scene "(d) Locked to an older release, and back" \
		"argon-1 shall run 1.0.0 for a while, whatever the target of its product is."
	mark
	shown device lock argon-1 1.0.0
	closed argon-1 30 >/dev/null
	told "argon-1: success with 1.0.0" reboot_between argon-1 1.0.0
	mark
	shown device unlock argon-1
	closed argon-1 30 >/dev/null
	told "argon-1: success with 1.1.0 again" reboot_between argon-1 1.1.0
}

asked() {
	scene "(e) A device that has never heard of Postboot" \
		"argon-4 has an LwM2M client, as it is sold. The server asks it what it runs," \
		"gives it the image and tells it to apply it. It says \"result 1\", success:" \
		"that counts for nothing until it has restarted, and is asked again."
	mark
	device_add argon-4
	play argon-4 1.0.0 --protocol lwm2m --interval 20
	a=$(closed argon-4 60)
	told "argon-4: success after its reboot" reboot_between argon-4 1.1.0
	told "argon-4: its proof is weak: only a registration tells of the boot" \
		attempt_holds "$a" '.success and .grade == "weak"'
	shown explain argon-4
}

ending() {
	scene "In the end"
	shown device list
	shown attempt list
	told "argon-1 to -4 run their target; argon-old is held" events_end
	stop "$follower"
	follower=''
	if [ "$wrong" -gt 0 ]; then
		printf '\n%s%d of %d were not as told.%s\n' "$red" "$wrong" "$told" "$plain"
		exit 1
	fi
	printf '\n%sAll %d as told.%s Now read README.md, or: build/src/ctl/postbootctl help\n' \
		"$green" "$told" "$plain"
}

events_end() {
	ctl -o json device list | jq -e '[.devices[] | {key: .id, value: .state}] | from_entries ==
		{"argon-1": "in-sync", "argon-2": "in-sync", "argon-3": "in-sync", "argon-4": "in-sync", "argon-old": "held"}' \
		>/dev/null
}

opening
healthy
full
freed
disabled
locked
asked
ending
