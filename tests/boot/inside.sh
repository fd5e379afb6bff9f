#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Runs as a unit inside the container that boot.sh boots: twice, /test/boot says which time. TAP
# goes to standard output. A test is a function under `set -e`, what it prints is shown if it fails.
set -u
cd /test || exit 1
read -r boot <boot
n=$(cat number 2>/dev/null || echo 0)
UNITS='postboot.service postboot-udp.socket postboot-admin.socket'
KEY=/etc/postboot/postboot.key
CONF=/etc/postboot/postbootd.conf
LAB=/test/lab
mkdir -p "$LAB"

t() {
	local name=$1 rc
	shift
	journalctl --sync
	cursor=$(journalctl -n 0 --show-cursor | sed -n 's/^-- cursor: //p')
	(
		set -ex
		"$@"
	) >out 2>&1 9>&-
	rc=$?
	n=$((n + 1))
	echo "$n" >number
	if [ "$rc" -eq 0 ]; then
		echo "ok $n - $name"
	else
		sed 's/^/# /' out
		journalctl --no-pager -o cat --after-cursor "$cursor" | tail -n 20 | sed 's/^/# journal: /'
		echo "not ok $n - $name"
	fi
}

# ---- helpers ----

# `!` would hide a failure from set -e.
not() {
	! "$@"
}

# until_true SECONDS COMMAND...
until_true() {
	local end=$((SECONDS + $1)) -
	set +x
	shift
	until "$@"; do
		((SECONDS < end)) || return 1
		sleep 0.1
	done
}

pid() {
	systemctl show -P MainPID postboot.service
}

is() {
	[ "$(systemctl show -P "$1" "${3-postboot.service}")" = "$2" ]
}

restarts_over() {
	[ "$(systemctl show -P NRestarts postboot.service)" -gt "$1" ]
}

# Entries since the test began. A filter here would make journalctl skip one entry too many.
entries() {
	journalctl --sync
	journalctl --no-pager -o json --after-cursor "$cursor"
}

# The daemon's own.
journal() {
	entries | jq -c 'select(.SYSLOG_IDENTIFIER == "postbootd")'
}

logged() {
	until_true 5 logs "$1"
}

logs() {
	journal | jq -r .MESSAGE | grep -q -e "$1"
}

# The inode of the descriptor that holds the port: it stays the same while a socket is kept.
socket_of() {
	ss -H -l -u -n -e "sport = :$1" | sed -n 's/.* ino:\([0-9]*\) .*/\1/p' | sort | paste -s -d ' '
}

# readme WORD: the line of the README's installation that begins so, as root.
readme() {
	sed -n '/^## Install/,/^## /p' /test/README.md | grep "^sudo $1" | sed 's/sudo //g' >"$LAB/line"
	[ "$(wc -l <"$LAB/line")" = 1 ]
	bash -ex "$LAB/line"
}

status() {
	postbootctl -o json status
}

event() {
	postbootctl -o json event list --limit 1000 |
		jq -e "[.events[] | select($1)] | length > 0" >/dev/null
}

device_add() {
	postbootctl device add "$1" --product blinky --psk-generate --psk-out "$LAB/$1.psk"
}

device() {
	local id=$1
	shift
	exec postboot-device --server coaps://127.0.0.1:5684 --id "$id" --psk-file "$LAB/$id.psk" \
		--state "$LAB/$id" --hardware argon --version 1.0.0 --image "$LAB/1.0.0.bin" \
		--interval 1 --boot-time 200 "$@"
}

# ---- the first boot: a fresh install ----

users_and_folders() {
	readme systemd-sysusers
	systemctl daemon-reload
	getent passwd postboot
	getent group postboot
	[ "$(stat -c '%a %U' /var/lib/postboot)" = '750 postboot' ]
}

verified() {
	out=$(systemd-analyze verify --man=no /usr/lib/systemd/system/postboot* 2>&1)
	[ -z "$out" ] || {
		echo "$out"
		false
	}
}

datagram_starts() {
	systemctl start postboot-udp.socket postboot-admin.socket
	is ActiveState inactive
	echo "not a ClientHello" >/dev/udp/127.0.0.1/5684
	until_true 10 is ActiveState active
	logged '^listening on=coaps://0.0.0.0:5684 from=service-manager'
	logged '^listening on=coaps://\[::\]:5684 from=service-manager'
	logged '^admin socket=passed'
}

command_starts() {
	systemctl stop postboot.service
	is ActiveState inactive
	status | jq -e .version
	is ActiveState active
	[ "$(stat -c '%a %U %G' /run/postboot/admin.sock)" = '660 root postboot' ]
}

key_made() {
	[ "$(stat -c '%a %U %s' "$KEY")" = '400 root 32' ]
	[ ! -e "$KEY.new" ]
	# The service has it, and nobody but root can take it from where it lies.
	cmp "$KEY" /run/credentials/postboot.service/postboot-key
	setpriv --reuid=postboot --regid=postboot --clear-groups test ! -r "$KEY"
	setpriv --reuid=65534 --regid=65534 --clear-groups test ! -r /run/credentials/postboot.service/postboot-key
	# It is made once.
	before=$(cksum <"$KEY")
	systemctl restart postboot.service
	[ "$(cksum <"$KEY")" = "$before" ]
}

unprivileged() {
	grep -E '^(Uid|Cap|NoNewPrivs|Seccomp)' "/proc/$(pid)/status"
	[ "$(stat -c %U "/proc/$(pid)")" = postboot ]
	grep -q -x 'CapEff:.0000000000000000' "/proc/$(pid)/status"
	grep -q -x 'CapBnd:.0000000000000000' "/proc/$(pid)/status"
	grep -q -x 'NoNewPrivs:.1' "/proc/$(pid)/status"
	grep -q -x 'Seccomp:.2' "/proc/$(pid)/status"
	# As many files as the limit of the unit lets it have, which a container may lower.
	awk '/^Max open files/ { print; exit !($4 == $5 && $4 > 1024) }' "/proc/$(pid)/limits"
}

buffers() {
	ss -H -l -u -n -m 'sport = :5684'
	[ "$(ss -H -l -u -n -m 'sport = :5684' | grep -c 'rb8388608,.*tb8388608,')" = 2 ]
	not logs 'net buffer='
}

group_only() {
	useradd -M -G postboot anna
	setpriv --reuid=anna --regid=anna --init-groups postbootctl status
	not setpriv --reuid=65534 --regid=65534 --clear-groups postbootctl status
}

update() {
	head -c 65536 /dev/urandom >"$LAB/1.0.0.bin"
	head -c 65536 /dev/urandom >"$LAB/1.1.0.bin"
	head -c 65536 /dev/urandom >"$LAB/1.2.0.bin"
	postbootctl product add blinky backoff-s=1 stall-s=30
	postbootctl release add blinky "$LAB/1.0.0.bin" --version 1.0.0
	postbootctl release add blinky "$LAB/1.1.0.bin" --version 1.1.0
	postbootctl release add blinky "$LAB/1.2.0.bin" --version 1.2.0
	device_add desk-1
	postbootctl product target blinky 1.1.0
	(device desk-1 --until 1.1.0)
	event '.data == "success" and .device == "desk-1"'
}

keys_sealed() {
	[ "$(stat -c %U /var/lib/postboot/postboot.db)" = postboot ]
	[ "$(wc -c <"$LAB/desk-1.psk")" -ge 32 ]
	key=$(tr -d ' \n' <"$LAB/desk-1.psk")
	# In no form: neither the bytes nor the text.
	for file in /var/lib/postboot/postboot.db*; do
		! od -An -v -tx1 "$file" | tr -d ' \n' | grep -q -i -F "$key"
		not grep -q -a -i -F "$key" "$file"
	done
}

sockets_kept() {
	exec 5>/dev/udp/127.0.0.1/5684 6>/dev/udp/127.0.0.1/5999
	# How a port that nobody holds looks.
	echo 1 >&6
	not echo 2 >&6
	before=$(socket_of 5684)
	[ -n "$before" ]
	for _ in 1 2 3; do
		systemctl restart --no-block postboot.service
		for _ in {1..20}; do
			echo "nobody is refused" >&5
			status >/dev/null
		done
	done
	until_true 10 is ActiveState active
	[ "$(socket_of 5684)" = "$before" ]
}

restart_under_devices() {
	local i pids=()
	for i in {2..9}; do
		device_add "desk-$i" >/dev/null
		device "desk-$i" --until 1.1.0 >"$LAB/desk-$i.log" 2>&1 &
		pids+=($!)
	done
	for i in 1 2 3 4; do
		sleep 0.7
		systemctl restart postboot.service
	done
	for i in "${pids[@]}"; do
		wait "$i"
	done
	# One start and one verdict each, and no number left out.
	postbootctl -o json event list --after 0 --limit 100000 >"$LAB/events"
	jq -e '[.events[].seq] | . == [range(.[0]; .[0] + length)]' "$LAB/events" >/dev/null
	for i in {2..9}; do
		jq -e --arg id "desk-$i" '[.events[] | select(.device == $id)] |
			([.[] | select(.data == "started")] | length) ==
			([.[] | select(.data == "success" or .data == "failed")] | length) and
			([.[] | select(.data == "success")] | length) == 1' "$LAB/events" >/dev/null
	done
}

reload_good() {
	before=$(pid)
	echo 'log-level = debug' >"$CONF"
	systemctl reload postboot.service
	logged '^reload=done taken=1 waiting_for_restart=0'
	[ "$(pid)" = "$before" ]
	is ActiveState active
}

# What comes after `systemctl reload` meets the new configuration.
reload_waits() {
	local i
	head -c 2048 /dev/urandom >"$LAB/2k.bin"
	for i in {1..10}; do
		echo 'image-limit = 1K' >"$CONF"
		systemctl reload postboot.service
		not postbootctl release add blinky "$LAB/2k.bin" --version "2.0.$i"
		echo 'image-limit = 4K' >"$CONF"
		systemctl reload postboot.service
		postbootctl release add blinky "$LAB/2k.bin" --version "2.0.$i"
		postbootctl release remove blinky "2.0.$i"
	done
}

reload_bad() {
	before=$(pid)
	printf 'log-level = info\nmax-sessions = none\n' >"$CONF"
	not systemctl reload postboot.service
	until_true 5 journal_says "^$CONF:2:16: max-sessions: "
	[ "$(pid)" = "$before" ]
	is ActiveState active
	# By hand, too: the old one stays, and the place is told.
	kill -HUP "$before"
	logged "^$CONF:2:16: max-sessions: "
	logged '^reload=failed '
	postbootctl -o json status >/dev/null
}

bad_start_recovers() {
	before=$(socket_of 5684)
	not systemctl restart postboot.service
	is SubState auto-restart
	# It is tried again and again: no limit closes the sockets.
	until_true 30 restarts_over 2
	is ActiveState active postboot-udp.socket
	is ActiveState active postboot-admin.socket
	: >"$CONF"
	until_true 10 is ActiveState active
	[ "$(socket_of 5684)" = "$before" ]
}

watchdog_kills() {
	mkdir -p /run/systemd/system/postboot.service.d
	printf '[Service]\nWatchdogSec=1\nWatchdogSignal=KILL\n' >/run/systemd/system/postboot.service.d/w.conf
	systemctl daemon-reload
	systemctl restart postboot.service
	before=$(pid)
	products=$(postbootctl -o json product list | jq -S .)
	# It is fed: nothing happens for a while.
	sleep 2
	[ "$(pid)" = "$before" ]
	kill -STOP "$before"
	until_true 10 journal_says 'Watchdog timeout'
	until_true 10 restarts_over 0
	until_true 10 is ActiveState active
	[ "$(pid)" != "$before" ]
	[ "$(postbootctl -o json product list | jq -S .)" = "$products" ]
	rm /run/systemd/system/postboot.service.d/w.conf
	systemctl daemon-reload
	systemctl restart postboot.service
}

journal_says() {
	entries | jq -r .MESSAGE | grep -q -e "$1"
}

journal_fields() {
	echo 'plain-anywhere = yes' >"$CONF" # a warning
	systemctl restart postboot.service
	systemctl reload postboot.service
	echo 'plain-anywhere = no' >"$CONF"
	systemctl reload postboot.service
	logged 'waiting_for_restart=1'
	: >"$CONF"
	journal >"$LAB/journal"
	jq -s -e 'all(.[]; ._UID != "0" and .SYSLOG_IDENTIFIER == "postbootd" and
		._SYSTEMD_UNIT == "postboot.service" and (.MESSAGE | startswith("<") | not))' "$LAB/journal"
	jq -s -e 'any(.[]; .MESSAGE | startswith("ready version="))' "$LAB/journal"
	jq -s -e '[.[] | select(.MESSAGE | startswith("ready"))] | all(.PRIORITY == "6")' "$LAB/journal"
	jq -s -e '[.[] | select(.PRIORITY == "4")] | length == 1 and
		(.[0].MESSAGE | startswith("reload key=plain-anywhere "))' "$LAB/journal"
}

wrong_key() {
	systemctl stop postboot.service
	cp -p "$KEY" "$LAB/key"
	rm "$KEY"
	# Somebody loses it: another is made, and that one does not open the database.
	not systemctl start postboot.service
	[ -e "$KEY" ]
	logged '^start=failed .*sealed with another key than the service has.* do='
	cp -p "$LAB/key" "$KEY"
	until_true 10 is ActiveState active
	event '.data == "success" and .device == "desk-1"'
}

# As postbootd(8) says it.
# shellcheck disable=SC2086
key_changed() {
	cp -p "$KEY" "$LAB/key.old"
	systemctl stop $UNITS
	postbootd --make-key /etc/postboot/new.key
	postbootd --rekey /etc/postboot/new.key
	# The old one opens nothing any more.
	not systemctl start postboot.service
	logged '^start=failed .*sealed with another key than the service has.* do='
	mv /etc/postboot/new.key "$KEY"
	until_true 10 is ActiveState active
	not cmp "$KEY" "$LAB/key.old"
	# What root has touched is still the service's, and devices still have their keys.
	[ -z "$(find /var/lib/postboot ! -user postboot)" ]
	(device desk-1 --until reported)
}

# metric NAME
metric() {
	perl -MIO::Socket::UNIX -e '$s = IO::Socket::UNIX->new("/run/postboot/admin.sock") or die;
		print $s "GET /metrics HTTP/1.0\r\n\r\n"; print while <$s>' |
		awk -v name="$1" '$1 == name { print $2 }'
}

metric_above() {
	[ "$(metric "$2")" -gt "$1" ]
}

# The store of the service manager keeps them over a restart, and not over stop and start.
sessions_kept() {
	local i pids=()
	for i in {10..14}; do
		device_add "desk-$i" >/dev/null
		device "desk-$i" --interval 1 >"$LAB/desk-$i.log" 2>&1 &
		pids+=($!)
	done
	until_true 20 metric_above 4 postboot_sessions
	for i in {10..14}; do # a device that reboots has no session to keep
		until_true 20 event ".device == \"desk-$i\" and .data == \"success\""
	done
	systemctl restart postboot.service
	until_true 10 metric_above 4 postboot_sessions_restored_total
	until_true 20 metric_above 10 postboot_coap_requests_total
	[ "$(metric 'postboot_handshakes_total{result="ok"}')" = 0 ]
	logged '^sessions=restored count=[1-9][0-9]* refused=0 '
	systemctl stop postboot.service
	systemctl start postboot.service
	[ "$(metric postboot_sessions_restored_total)" = 0 ]
	is NFileDescriptorStore 0
	kill "${pids[@]}"
	wait || :
}

# keys_add PRODUCT COUNT: devices with the keys in $LAB/keys, over one connection.
keys_add() {
	perl -MIO::Socket::UNIX -e '
		my ($product, $count) = @ARGV;
		my $s = IO::Socket::UNIX->new("/run/postboot/admin.sock") or die;
		for my $i (1 .. $count) {
			my ($id, $key) = (sprintf("up-%05d", $i), sprintf("%032x", $i));
			my $body = "{\"id\":\"$id\",\"product\":\"$product\",\"psk\":\"$key\"}";
			printf $s "POST /v1/devices HTTP/1.1\r\nHost: localhost\r\n" .
				"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
				length $body, $body;
			$s->flush;
			my ($line, $len) = (scalar <$s>, 0);
			$line =~ / 201 / or die $line;
			while (($line = <$s>) !~ /^\r?\n$/) {
				$len = $1 if $line =~ /^content-length: *(\d+)/i;
			}
			read $s, $line, $len if $len;
			print "$id:$key\n";
		}' "$1" "$2" >"$LAB/keys"
}

# said KEY: what postboot-load said of it.
said() {
	tr ' ' '\n' <"$LAB/load" | sed -n "s/^$1=//p"
}

# Datagrams for which the kernel had no room at the port of devices.
lost() {
	awk -v port="$(printf ':%04X$' 5684)" '$2 ~ port { sum += $NF } END { print sum + 0 }' \
		/proc/net/udp
}

# What dpkg does with the program.
install_another() {
	cp -p /usr/sbin/postbootd /usr/sbin/postbootd.dpkg-new
	printf '\0' >>/usr/sbin/postbootd.dpkg-new
	mv /usr/sbin/postbootd.dpkg-new /usr/sbin/postbootd
}

upgrade_under_load() {
	local sessions=2000 load before
	printf '%s\n' 'requests-per-second = 1000000' 'device-requests-per-second = 100000' >"$CONF"
	systemctl restart postboot.service
	head -c 262144 /dev/urandom >"$LAB/up-1.bin"
	head -c 262144 /dev/urandom >"$LAB/up-2.bin"
	postbootctl product add upgraded
	postbootctl release add upgraded "$LAB/up-1.bin" --version 1.0.0
	postbootctl release add upgraded "$LAB/up-2.bin" --version 1.1.0
	postbootctl product target upgraded 1.1.0
	keys_add upgraded $((sessions + 4))
	before=$(lost)
	# Blocks at their times, whatever happens to the server, and reports without a pause.
	/test/postboot-load --psk-list "$LAB/keys" --report-first --expect "$LAB/up-2.bin" \
		--sessions "$sessions" --window 2 --rate 8000 --reporters 4 --sockets 4 --seconds 10 \
		--drain >"$LAB/load" 2>"$LAB/load.err" &
	load=$!
	for _ in 1 2; do
		until_true 60 metric_above "$sessions" postboot_image_blocks_total
		install_another
		[[ $(readlink "/proc/$(pid)/exe") == *' (deleted)' ]]
		systemctl restart postboot.service
		[[ $(readlink "/proc/$(pid)/exe") != *' (deleted)' ]]
		[ "$(metric postboot_sessions_restored_total)" = $((sessions + 4)) ]
	done
	wait "$load" || {
		cat "$LAB/load.err"
		false
	}
	cat "$LAB/load" "$LAB/load.err"
	for what in wrong refused failed unanswered overdue; do
		[ "$(said $what)" = 0 ]
	done
	[ "$(said repeats_most)" -le 1 ]
	[ "$(lost)" = "$before" ]
	[ "$(metric 'postboot_handshakes_total{result="ok"}')" = 0 ]
	: >"$CONF"
	systemctl restart postboot.service
}

# Without a store the sessions go to the folder of the admin socket, if they can.
no_store() {
	mkdir -p /run/systemd/system/postboot.service.d
	printf '[Service]\nFileDescriptorStoreMax=0\n' >/run/systemd/system/postboot.service.d/s.conf
	systemctl daemon-reload
	systemctl restart postboot.service # into a process that has none
	device desk-10 --interval 1 >"$LAB/desk-10.log" 2>&1 &
	until_true 20 metric_above 0 postboot_sessions
	until_true 20 metric_above 3 postboot_coap_requests_total
	systemctl restart postboot.service
	logged '^sessions=not-stored error="the service manager keeps no file of ours" do='
	logged '^sessions=\(saved .* to=/run/postboot/sessions \|not-saved at=/run/postboot/sessions .* do=\)'
	kill $!
	wait || :
	rm /run/systemd/system/postboot.service.d/s.conf
	systemctl daemon-reload
	systemctl restart postboot.service
}

crash_restarts() {
	before=$(pid)
	kill -KILL "$before"
	until_true 10 is ActiveState active
	until_true 10 restarts_over 0
	status >/dev/null
	[ "$(pid)" != "$before" ]
}

enabled() {
	readme 'systemctl daemon-reload'
	is UnitFileState enabled postboot-udp.socket
	is UnitFileState enabled postboot-admin.socket
	cksum <"$KEY" >"$LAB/key.sum"
	status | jq -r .stream >"$LAB/stream"
}

# ---- the second boot ----

up_by_itself() {
	for unit in $UNITS; do
		is ActiveState active "$unit"
	done
	[ "$(systemctl show -P NRestarts postboot.service)" = 0 ]
	[ "$(cksum <"$KEY")" = "$(cat "$LAB/key.sum")" ]
	[ "$(status | jq -r .stream)" = "$(cat "$LAB/stream")" ]
	systemctl --failed --no-legend --plain
	[ -z "$(systemctl --failed --no-legend --plain)" ]
}

update_again() {
	postbootctl product target blinky 1.2.0
	(device desk-1 --until 1.2.0)
	event '.data == "success" and .device == "desk-1" and .to == "1.2.0"' ||
		postbootctl -o json event list --limit 3
}

# shellcheck disable=SC2086
gone() {
	systemctl disable postboot.service
	systemctl stop $UNITS
	for unit in $UNITS; do
		is ActiveState inactive "$unit"
	done
	[ -z "$(socket_of 5684)" ]
	[ ! -e /run/postboot/admin.sock ]
	[ ! -e /run/credentials/postboot.service ]
	[ -z "$(find /proc -maxdepth 1 -user postboot)" ]
}

case $boot in
1)
	t "users and folders are made" users_and_folders
	t "systemd-analyze verify has nothing to say" verified
	t "a datagram of a device starts it" datagram_starts
	t "postbootctl starts it" command_starts
	t "the key of the database is made, once, and passed as a credential" key_made
	t "it runs without any privilege" unprivileged
	t "sockets have the buffers of the socket unit" buffers
	t "only members of the group may use it" group_only
	t "a device is updated" update
	t "keys of devices are sealed" keys_sealed
	t "no datagram and no operator is refused while it restarts" sockets_kept
	t "devices go on over restarts" restart_under_devices
	t "sessions go on over a restart, not over a stop" sessions_kept
	t "a crash is followed by a start" crash_restarts
	t "a good reload" reload_good
	t "reload returns when it is done" reload_waits
	t "a bad reload fails, says where, and changes nothing" reload_bad
	t "a bad start is tried again until it is good" bad_start_recovers
	t "the watchdog ends a process that hangs" watchdog_kills
	t "the journal has levels and fields" journal_fields
	t "a lost key is told, and the right one heals" wrong_key
	t "the key of the service is changed" key_changed
	t "an upgrade under 2,000 sessions loses no datagram and no session" upgrade_under_load
	t "without a store of descriptors it is told where sessions go" no_store
	t "enabling the service enables its sockets" enabled
	;;
2)
	t "after a boot all of it is up by itself" up_by_itself
	t "a device is updated after a boot" update_again
	t "stopped, it leaves nothing running" gone
	;;
esac
echo "# end of boot $boot"
