#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# postbootd -t and -T, the files they read, and the documents about them.

load daemon

setup() {
	daemon_open
}

teardown() {
	daemon_close
}

@test "-t is silent about a good configuration" {
	run "$POSTBOOTD" -t -c "$D/a.conf"
	[ "$status" -eq 0 ]
	[ -z "$output" ]
}

@test "-t tells every mistake with file, line and column" {
	printf 'log-level = info\n\n  lisen = x\nimage-limit = 64 MB\n' >"$D/b.conf"
	run "$POSTBOOTD" -t -c "$D/b.conf"
	[ "$status" -eq 1 ]
	[ "${#lines[@]}" -eq 2 ]
	[[ ${lines[0]} == "$D/b.conf:3:3: lisen: "* ]]
	[[ ${lines[1]} == "$D/b.conf:4:17: image-limit: "* ]]
}

@test "a start with mistakes tells the same and does not start" {
	echo 'log-level = loud' >"$D/b.conf"
	run "$POSTBOOTD" -c "$D/b.conf"
	[ "$status" -eq 1 ]
	[ "$output" = "<3>conf error=\"$D/b.conf:1:13: log-level: must be err, warn, info or debug\"" ]
}

@test "on a terminal, where people read it, the log has no priorities" {
	echo 'log-level = loud' >"$D/b.conf"
	run script -qec "'$POSTBOOTD' -c '$D/b.conf'" "$D/typescript"
	[ "$status" -eq 1 ]
	[[ $output == "conf error=\"$D/b.conf:1:13: log-level: "* ]]
}

@test "plain coap that others can reach must be meant" {
	printf 'listen = coap://0.0.0.0\n' >"$D/b.conf"
	run "$POSTBOOTD" -t -c "$D/b.conf"
	[ "$status" -eq 1 ]
	[[ $output == "$D/b.conf:1:10: listen: "*plain-anywhere* ]]
	echo 'plain-anywhere = yes' >>"$D/b.conf"
	"$POSTBOOTD" -t -c "$D/b.conf"
}

@test "a file that is named must exist and be a file" {
	run "$POSTBOOTD" -t -c "$D/none.conf"
	[ "$status" -eq 1 ]
	[[ $output == "$D/none.conf: there is no such file: write it "*" or leave -c out "* ]]
	run "$POSTBOOTD" -t -c "$D"
	[ "$status" -eq 1 ]
	[ "$output" = "$D: is a folder, not a file" ]
}

@test "a file of more than 64 KiB is refused" {
	head -c 65536 /dev/zero | tr '\0' '\n' >"$D/b.conf"
	"$POSTBOOTD" -t -c "$D/b.conf"
	echo >>"$D/b.conf"
	run "$POSTBOOTD" -t -c "$D/b.conf"
	[ "$status" -eq 1 ]
	[ "$output" = "$D/b.conf: is larger than 64 KiB" ]
}

@test "conf.d is read after the file, in the order of the names" {
	mkdir "$D/conf.d"
	echo 'event-prefix = first/' >"$D/conf.d/10-x.conf"
	echo 'event-prefix = second/' >"$D/conf.d/20-x.conf"
	echo 'event-prefix = never/' >"$D/conf.d/30-x.conf.bak"
	echo 'event-prefix = never/' >"$D/conf.d/.40-x.conf"
	run "$POSTBOOTD" -T -c "$D/a.conf"
	[ "$status" -eq 0 ]
	[[ $output == *"event-prefix = second/"* ]]
	echo 'x' >"$D/conf.d/15-x.conf"
	run "$POSTBOOTD" -t -c "$D/a.conf"
	[ "$status" -eq 1 ]
	[[ $output == "$D/conf.d/15-x.conf:1:2: "* ]]
}

@test "more than 64 files are refused" {
	mkdir "$D/conf.d"
	for i in $(seq 10 72); do
		: >"$D/conf.d/$i.conf"
	done
	"$POSTBOOTD" -t -c "$D/a.conf"
	: >"$D/conf.d/73.conf"
	run "$POSTBOOTD" -t -c "$D/a.conf"
	[ "$status" -eq 1 ]
	[ "$output" = "$D/conf.d/73.conf: too many configuration files" ]
}

@test "what -T prints is read back as the same" {
	conf "$D/b.conf" "$D/b" 'listen = coaps://[::1]:7000' 'listen = coap://127.0.0.1' \
		'plain-devices = yes' 'event-prefix = spark/' 'image-limit = 1000000' \
		'session-idle = 90m' 'log-level = debug' 'viewer-group = watchers' \
		'key-file = /etc/x.key'
	"$POSTBOOTD" -T -c "$D/b.conf" >"$D/printed.conf"
	"$POSTBOOTD" -T -c "$D/printed.conf" | cmp - "$D/printed.conf"
	cat >"$D/wanted.conf" <<-W
		state-dir = $D/b
		admin-socket = $D/b.sock
		viewer-group = watchers
		key-file = /etc/x.key
		certificate =
		certificate-key =
		crl-file =
		listen = coaps://[::1]:7000
		listen = coap://127.0.0.1:5683
		metrics-listen =
		metrics-anywhere = no
		plain-devices = yes
		plain-anywhere = no
		device-json = yes
		event-prefix = spark/
		image-limit = 1000000
		log-level = debug
		hibernate-after = 10s
		session-idle = 90m
		connection-id = yes
		handshakes-per-second = 2000
		requests-per-second = 20000
		device-requests-per-second = 50
		address-requests-per-second = 50
		max-sessions = 131072
		image-rate = any
		device-rate = any
		max-downloads = any
		keep-events = 90d
		keep-attempts = 365d
		max-events = 10000000
		hook-ca-file =
		hook-timeout = 10s
		hook-retry-max = 5m
		hook-tries = 10
		hook-give-up = 3d
	W
	diff "$D/wanted.conf" "$D/printed.conf"
}

@test "-T fails when its output has no room" {
	[ -e /dev/full ] || skip "no /dev/full"
	run bash -c '"$1" -T -c "$2" >/dev/full' - "$POSTBOOTD" "$D/a.conf"
	[ "$status" -eq 1 ]
	[[ $output == *"No space left"* ]]
}

@test "the example has every key with its default, and changes nothing" {
	"$POSTBOOTD" -T -c /dev/null >"$D/defaults.conf"
	"$POSTBOOTD" -T -c "$TOP_BUILDDIR/conf/postbootd.conf" | diff "$D/defaults.conf" -
	sed -n 's/^#\([a-z-]* =\)/\1/p' "$TOP_BUILDDIR/conf/postbootd.conf" >"$D/example.conf"
	diff "$D/defaults.conf" "$D/example.conf"
}

@test "the manual describes every key and no other" {
	"$POSTBOOTD" -T -c /dev/null | sed 's/ =.*//' | sort -u >"$D/keys"
	sed -n 's/^\.It Ic //p' "$TOP_SRCDIR/man/postbootd.conf.5" | sort >"$D/documented"
	diff "$D/keys" "$D/documented"
}

@test "the manual's example is a good configuration" {
	sed -n '/^\.Sh EXAMPLES/,/^\.Ed/p' "$TOP_SRCDIR/man/postbootd.conf.5" | grep ' = ' >"$D/b.conf"
	[ "$(wc -l <"$D/b.conf")" -gt 3 ]
	"$POSTBOOTD" -t -c "$D/b.conf"
}

@test "wrong usage is told with the right one" {
	run "$POSTBOOTD" --colour
	[ "$status" -eq 2 ]
	[[ $output == *"Usage: postbootd"* ]]
	run "$POSTBOOTD" extra
	[ "$status" -eq 2 ]
	run "$POSTBOOTD" --help
	[ "$status" -eq 0 ]
	[[ ${lines[0]} == "Usage: postbootd"* ]]
}
