#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# postbootd and its service manager: sockets that are passed, reload, the end under load. What a
# real systemd does with it is in tests/boot.

load daemon

setup() {
	daemon_open
	# pass.pl KIND:NAME:ADDRESS... -- COMMAND...: passes sockets as systemd would. KIND is udp4,
	# udp6 (v6 only), dual or unix. A file of descriptors that survives would be one more: so
	# everything above the passed ones is closed.
	cat >"$D/pass.pl" <<-'P'
		use Socket qw(:DEFAULT IPPROTO_IPV6 IPV6_V6ONLY inet_pton); use POSIX qw(dup2);
		$^F = 99; # no close-on-exec
		my (@fds, @names);
		while (($_ = shift) ne '--') {
			my ($kind, $name, $at) = split /=/;
			my $s;
			if ($kind eq 'unix') {
				socket($s, AF_UNIX, SOCK_STREAM, 0) and bind($s, sockaddr_un($at)) and listen($s, 9) or die "$_: $!";
			} elsif ($kind eq 'udp4') {
				my ($host, $port) = split /,/, $at;
				socket($s, AF_INET, SOCK_DGRAM, 0) and bind($s, sockaddr_in($port // 0, inet_aton($host))) or die "$_: $!";
			} else {
				socket($s, AF_INET6, SOCK_DGRAM, 0) or die $!;
				setsockopt($s, IPPROTO_IPV6, IPV6_V6ONLY, $kind eq 'dual' ? 0 : 1) or die $!;
				bind($s, sockaddr_in6(0, inet_pton(AF_INET6, $at))) or die "$_: $!";
			}
			push @fds, $s; push @names, $name;
		}
		dup2(fileno($fds[$_]), 60 + $_) for 0 .. $#fds;
		POSIX::close($_) for 3 .. 59;
		dup2(60 + $_, 3 + $_) for 0 .. $#names;
		POSIX::close(60 + $_) for 0 .. $#names;
		@ENV{qw(LISTEN_FDS LISTEN_PID LISTEN_FDNAMES)} = (scalar @names, $$, join ':', @names);
		exec @ARGV or die $!;
	P
}

teardown() {
	daemon_close
}

# start_passed NAME SOCKET...: as start, with these sockets.
start_passed() {
	start "$1" perl "$D/pass.pl" "${@:2}" --
}

# refused_passed NAME SOCKET...: as refused.
refused_passed() {
	run timeout 30 perl "$D/pass.pl" "${@:2}" -- "$POSTBOOTD" -c "$D/$1.conf" 3>&-
	[ "$status" -eq 1 ]
	[ "$(grep -c '^<3>start=failed .*error=".*" do=".*"$' <<<"$output")" -eq 1 ]
}

# listening: the addresses of the status, one a line.
listening() {
	curl -sS --unix-socket "${1-$D/a.sock}" http://localhost/v1/status | jq -r '.listen[]'
}

# The configuration names no address.
no_listen() {
	sed -i '/^listen/d' "$D/a.conf"
}

@test "passed sockets stand in for the default addresses and the admin socket" {
	no_listen
	start_passed a udp4=coaps=127.0.0.1 udp6=postboot-udp.socket=::1 "unix=admin=$D/passed.sock"
	grep -q '^<6>admin socket=passed' "$D/a.log"
	[ ! -e "$D/a.sock" ]
	[ "$(listening "$D/passed.sock" | sed 's/:[0-9]*$//')" = 'coaps://127.0.0.1
coaps://[::1]' ]
	kill -TERM "$PID"
	wait "$PID"
	[ -S "$D/passed.sock" ] # it is not ours to remove
}

@test "addresses of the configuration are opened beside passed sockets" {
	start_passed a udp4=coaps=127.0.0.1
	[ "$(listening | wc -l)" = 2 ]
	# The operator named one, and gets two: he is told.
	grep -q '^<4>listen=coaps://127.0.0.1:[0-9]* error="a socket unit opens it' "$D/a.log"
}

@test "an address that is passed already is not opened twice" {
	port=$(perl -MSocket -e 'socket(S, AF_INET, SOCK_DGRAM, 0); bind(S, sockaddr_in(0, INADDR_ANY));
		print +(sockaddr_in(getsockname(S)))[0]')
	conf "$D/a.conf" "$D/a" "listen = coaps://127.0.0.1:$port"
	start_passed a "udp4=coaps=127.0.0.1,$port"
	[ "$(listening)" = "coaps://127.0.0.1:$port" ]
	! grep -q '^<4>listen=' "$D/a.log" || false
	kill -TERM "$PID"
	wait "$PID"
	# Part of a wildcard.
	start_passed a "udp4=coaps=0.0.0.0,$port"
	[ "$(listening)" = "coaps://0.0.0.0:$port" ]
}

@test "a socket named coap is without DTLS, and only where nobody else can send" {
	no_listen
	echo 'plain-devices = yes' >>"$D/a.conf"
	start_passed a udp4=coap=127.0.0.1 udp4=coaps=127.0.0.1
	[ "$(listening | sed 's/:[0-9]*$//' | sort)" = 'coap://127.0.0.1
coaps://127.0.0.1' ]
	uri=$(listening | grep '^coap:')
	run timeout 20 coap-client-openssl -B 10 "$uri/.well-known/core" 3>&-
	[[ $output == *"</report>"* ]]
	kill -TERM "$PID"
	wait "$PID"

	refused_passed a udp4=coap=0.0.0.0
	[[ $output == *"others can reach this address"* ]]
	echo 'plain-anywhere = yes' >>"$D/a.conf"
	start_passed a udp4=coap=0.0.0.0 udp4=coaps=127.0.0.1
}

@test "a passed socket that cannot be served is refused" {
	refused_passed a dual=coaps=::
	[[ $output == *BindIPv6Only=ipv6-only* ]]
	refused_passed a "unix=admin=$D/1.sock" "unix=admin=$D/2.sock"
	[[ $output == *"one ListenStream="* ]]
}

@test "sixteen passed sockets are served, one more is refused" {
	no_listen
	passed=()
	for _ in {1..16}; do
		passed+=(udp4=coaps=127.0.0.1)
	done
	start_passed a "${passed[@]}"
	[ "$(listening | wc -l)" = 16 ]
	kill -TERM "$PID"
	wait "$PID"
	refused_passed a "${passed[@]}" udp4=coaps=127.0.0.1
	[[ $output == *"at most 16"* ]]
}

@test "open files are raised to the hard limit" {
	start a prlimit --nofile=256:4096
	[ "$(prlimit --pid "$PID" --nofile --noheadings --output SOFT)" = 4096 ]
}

@test "every key that says so reloads" {
	start a
	cat >>"$D/a.conf" <<-'E'
		log-level = debug
		device-json = no
		event-prefix = spark/
		image-limit = 1K
		hibernate-after = 1h
		session-idle = 1h
		connection-id = no
		handshakes-per-second = 10
		max-sessions = 5
		image-rate = 1M
		device-rate = 2K
		max-downloads = 100
		keep-events = 30d
		keep-attempts = forever
		max-events = any
	E
	sed -i "s|^state-dir.*|state-dir = $D/b|; s|^admin-socket.*|admin-socket = $D/b.sock|;
		s|^listen.*|listen = coaps://127.0.0.1:7|" "$D/a.conf"
	printf '%s\n' 'plain-devices = yes' 'plain-anywhere = yes' >>"$D/a.conf"
	kill -HUP "$PID"
	await "$D/a.log" '^<6>reload=done taken=15 waiting_for_restart=5'
	# They hold at once; what waits for a restart does not.
	api products -H 'Content-Type: application/json' -d '{"name":"blinky"}' >/dev/null
	head -c 1025 /dev/urandom >"$D/image"
	run api 'products/blinky/releases?version=1' -H 'Content-Type: application/octet-stream' \
		--data-binary "@$D/image"
	[[ $output == *413* ]]
	# The man page marks the same ones.
	awk '/^\.It Ic/ { key = $3 } /^\.Em Reload/ { print key }' \
		"$TOP_SRCDIR/man/postbootd.conf.5" | sort >"$D/marked"
	sed -n 's/^<6>reload key=\([a-z-]*\)$/\1/p' "$D/a.log" | sort >"$D/taken"
	sed -n 's/^<4>reload key=\([a-z-]*\) .*/\1/p' "$D/a.log" | sort >"$D/left"
	[ "$(wc -l <"$D/taken") $(wc -l <"$D/left")" = "15 5" ]
	[ -z "$(comm -23 "$D/taken" "$D/marked")" ]
	[ -z "$(comm -12 "$D/left" "$D/marked")" ]
	# A second time nothing has changed but what waits.
	kill -HUP "$PID"
	await "$D/a.log" '^<6>reload=done taken=0 waiting_for_restart=5'
}

@test "the key of the database is made once, for its owner alone" {
	run "$POSTBOOTD" --make-key="$D/key"
	[ "$status" -eq 0 ]
	[ "$(stat -c '%a %s' "$D/key")" = '400 32' ]
	cp "$D/key" "$D/copy"
	run "$POSTBOOTD" --make-key "$D/key"
	[ "$status" -eq 1 ]
	[[ $output == *"$D/key: there is a key already"* ]]
	cmp "$D/key" "$D/copy"
	# Two are not the same, and what a crash left is no hindrance.
	printf 'half' >"$D/other.new"
	"$POSTBOOTD" --make-key "$D/other"
	! cmp -s "$D/key" "$D/other" || false
	[ ! -e "$D/other.new" ]
	run "$POSTBOOTD" --make-key "$D/none/key"
	[ "$status" -eq 1 ]
	[[ $output == *"$D/none/key: No such file or directory"* ]]
}

# ---- the watchdog ----

# notified: starts a listener whose lines go to $D/told.
notified() {
	perl -MSocket -e '
		socket(S, AF_UNIX, SOCK_DGRAM, 0) and bind(S, sockaddr_un($ARGV[0])) or die $!;
		$| = 1; print "bound\n";
		while (defined recv(S, $m, 4096, 0)) { print "$m\n" }' \
		"$D/notify" >"$D/told" 3>&- &
	PIDS+=("$!")
	await "$D/told" bound
}

# start_stalled: a watchdog of one second, and a disk and a loop that can be made to hang.
start_stalled() {
	notified
	start a env NOTIFY_SOCKET="$D/notify" WATCHDOG_USEC=1000000 \
		STALL_DISK="$D/stall-disk" STALL_LOOP="$D/stall-loop" \
		LD_PRELOAD="$TOP_BUILDDIR/tests/support/stall.so" \
		ASAN_OPTIONS="${ASAN_OPTIONS-}:verify_asan_link_order=0"
	await "$D/told" '^WATCHDOG=1'
}

fed() {
	grep -c '^WATCHDOG=1' "$D/told" || :
}

# starves: for longer than a feeder takes, nothing comes.
starves() {
	local before
	before=$(fed)
	sleep 0.7
	[ "$(fed)" = "$before" ]
}

# fed_again: it comes back, at most 30 s.
fed_again() {
	local i before
	before=$(fed)
	for ((i = 0; i < 600; i++)); do
		[ "$(fed)" = "$before" ] || return 0
		sleep 0.05
	done
	return 1
}

@test "a disk that hangs stops the feeding of the watchdog, and nothing told is lost" {
	start_stalled
	: >"$D/stall-disk"
	api products -H 'Content-Type: application/json' -d '{"name":"blinky"}' >"$D/answer" 2>&1 3>&- &
	PIDS+=("$!")
	client=$!
	await "$D/a.log" '^<3>watchdog=starving store=stuck waiting=[1-9]'
	starves
	kill -0 "$client" # nobody was told that it was done
	# The loop goes on: it answers what needs no commit.
	api status >/dev/null
	rm "$D/stall-disk"
	fed_again
	wait "$client"
	[ "$(api products | jq -r '.products[].name')" = blinky ]
	[ "$(grep -c 'watchdog=starving' "$D/a.log")" = 1 ]
}

@test "a loop that hangs does not feed the watchdog" {
	start_stalled
	uri=$(api status | jq -r '.listen[0]')
	: >"$D/stall-loop"
	echo hello >"/dev/udp/127.0.0.1/${uri##*:}"
	sleep 0.3
	starves
	rm "$D/stall-loop"
	fed_again
}

# ---- the end, with work under way ----

# upload RATE: an upload of 64 KiB at RATE bytes a second, under way when this returns; its
# process in UPLOAD, its answer in $D/answer.
upload() {
	api products -H 'Content-Type: application/json' -d '{"name":"blinky"}' >/dev/null
	head -c 65536 /dev/urandom >"$D/image"
	curl -sS -v --limit-rate "$1" --unix-socket "$D/a.sock" -H 'Expect: 100-continue' \
		-H 'Content-Type: application/octet-stream' --data-binary "@$D/image" \
		'http://localhost/v1/products/blinky/releases?version=1.0.0' \
		>"$D/answer" 2>"$D/curl.log" 3>&- &
	UPLOAD=$!
	PIDS+=("$UPLOAD")
	await "$D/curl.log" '^< HTTP/1.1 100'
}

@test "SIGTERM lets an upload end, and takes no new one" {
	start a
	upload 32K
	kill -TERM "$PID"
	await "$D/a.log" '^<6>stopping '
	run api status
	[ "$status" -eq 7 ] # could not connect
	wait "$UPLOAD"
	grep -q '"version":"1.0.0"' "$D/answer"
	wait "$PID"
	! grep -q 'stop=late' "$D/a.log" || false
	start a
	[ "$(api releases | jq -r '.releases[].version')" = 1.0.0 ]
}

@test "SIGTERM waits for an upload only so long" {
	start a
	upload 1K
	begun=$SECONDS
	kill -TERM "$PID"
	wait "$PID"
	((SECONDS - begun < 20))
	grep -q '^<4>admin stop=late cut=1' "$D/a.log"
	ended=0
	wait "$UPLOAD" || ended=$?
	[ "$ended" -ne 0 ]
	start a
	[ "$(api releases | jq '.releases | length')" = 0 ]
	[ -z "$(ls "$D/a/images")" ]
}

@test "a second SIGTERM does not wait" {
	start a
	upload 1K
	kill -TERM "$PID"
	await "$D/a.log" '^<6>stopping '
	kill -TERM "$PID"
	ended=0
	wait "$PID" || ended=$?
	[ "$ended" -eq 1 ]
	grep -q '^<4>stop=at-once' "$D/a.log"
}

@test "SIGTERM ends event streams, it does not cut them" {
	start a
	curl -sS -v -N --unix-socket "$D/a.sock" 'http://localhost/v1/events?follow=1' \
		>"$D/events" 2>"$D/curl.log" 3>&- &
	reader=$!
	PIDS+=("$reader")
	await "$D/curl.log" '^< HTTP/1.1 200'
	kill -TERM "$PID"
	wait "$PID"
	wait "$reader" # 18 if it had been cut
}
