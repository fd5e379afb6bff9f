# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# Sessions that sleep and go on over restarts: a server for them, and a service manager for that.

# sessions_open [LINE...]: sessions sleep after a second; argon-1 is a device of the product argon.
sessions_open() {
	lab_open
	server_start 'hibernate-after = 1s' "$@"
	product_add
	release_add 1.0.0
	device_add argon-1
}

# Under a service manager, which keeps the socket of devices, too.
manager_start() {
	command -v python3 >/dev/null || skip "no python3"
	server_stop
	python3 -B "$TOP_SRCDIR/tests/support/fdstore.py" "$LAB" "$POSTBOOTD" -c "$LAB/postbootd.conf" \
		>>"$LAB/postbootd.log" 2>&1 3>&- &
	SERVER_PID=$!
	until_true 20 server_answers
	SERVER_URI=$({ ctl -o json status || :; } | jq -r '.listen[0]')
	# shellcheck disable=SC2034 # the tests use it
	SERVER_PORT=${SERVER_URI##*:}
}

# manager_restart COUNT: another process, which goes on with so many sessions.
manager_restart() {
	: >"$LAB/again"
	: >"$LAB/postbootd.log"
	kill -TERM "$SERVER_PID"
	until_true 60 grep -q "^<6>sessions=restored count=$1 " "$LAB/postbootd.log"
	until_true 60 metric_is_at_least "$1" postboot_sessions_restored_total
}
