#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Runs as root in a booted Debian 13 without a network, beside the packages: what an
# administrator does with them. TAP goes to standard output.
set -u
cd /test || exit 1
export DEBIAN_FRONTEND=noninteractive
n=0

ok() { # NAME COMMAND...
	local name=$1
	shift
	n=$((n + 1))
	if "$@" >/test/out 2>&1; then
		echo "ok $n - $name"
	else
		sed 's/^/# /' /test/out
		echo "not ok $n - $name"
	fi
}

within() { # SECONDS COMMAND...
	local end=$((SECONDS + $1))
	shift
	until "$@"; do
		((SECONDS < end)) || return 1
		sleep 0.2
	done
}

# apt would do, but refuses local files with --no-download.
install() {
	dpkg -i "$@"
}

status_is() { # FILTER
	postbootctl -o json status | jq -e "$1"
}

device_is() { # FILTER
	postbootctl -o json device show desk-1 | jq -e "$1"
}

pid() {
	systemctl show -P MainPID postboot.service
}

life() {
	postbootctl product add blinky &&
		head -c 20000 /dev/urandom >/test/1.bin && head -c 20000 /dev/urandom >/test/2.bin &&
		postbootctl release add blinky /test/1.bin --version 1.0.0 &&
		postbootctl release add blinky /test/2.bin --version 1.1.0 &&
		postbootctl product target blinky 1.1.0 &&
		postbootctl device add desk-1 --product blinky --psk-generate --psk-out /test/desk-1.key &&
		timeout 60 postboot-device --server coaps://127.0.0.1:5684 --id desk-1 \
			--psk-file /test/desk-1.key --state /test/desk-1 --version 1.0.0 \
			--image /test/1.bin --until 1.1.0 &&
		within 10 device_is '.running.version == "1.1.0"'
}

no_word_of_us() {
	find / -xdev \( -path /proc -o -path /sys -o -path /test -o -path /var/lib/dpkg/info \
		-o -path /var/cache/apt -o -path /var/log -o -path /run/systemd \) -prune \
		-o -iname '*postboot*' -print | tee /test/left | grep -v -e '^/etc/hostname' | {
		! grep .
	}
}

ok "what they depend on installs" install /var/cache/apt/archives/*.deb
ok "the packages install" install ./postboot.deb ./postboot-device.deb
ok "the sockets listen" systemctl is-active postboot-udp.socket postboot-admin.socket
ok "the service is not needed before somebody knocks, or runs" \
	sh -c '! systemctl is-failed postboot.service'
ok "postbootctl is answered" within 20 status_is .version
ok "the service runs, not as root" sh -c \
	'systemctl is-active postboot && [ "$(stat -c %U "/proc/$(systemctl show -P MainPID postboot)")" = postboot ]'
ok "the key of the database is root's alone" \
	sh -c '[ "$(stat -c "%U %a" /etc/postboot/postboot.key)" = "root 400" ]'
ok "the keys of devices are sealed" status_is '.keys == "sealed"'
ok "a device is updated" life

echo '# changed by its administrator' >>/etc/postboot/postbootd.conf
before=$(pid)
ok "the next version installs over it" install ./postboot-next.deb ./postboot-device-next.deb
ok "it is the next version" sh -c "dpkg-query -W -f '\${Version}' postboot | grep -q -- -2"
ok "it was restarted" within 20 sh -c \
	"pid=\$(systemctl show -P MainPID postboot); [ \$pid -gt 0 ] && [ \$pid != $before ]"
ok "the configuration is what the administrator made it" \
	grep -q 'changed by its administrator' /etc/postboot/postbootd.conf
ok "the database is kept" within 20 device_is '.id == "desk-1"'
ok "it says nothing but info in its journal" sh -c \
	'! journalctl -q -u postboot.service -p warning --no-pager | grep .'

ok "the packages are removed" apt-get remove -q -y postboot postboot-device
ok "nothing of it runs" sh -c '! pgrep postbootd && ! systemctl is-active postboot-udp.socket postboot-admin.socket'
ok "the state stays" test -s /var/lib/postboot/postboot.db
ok "it comes back with its state" install ./postboot-next.deb
ok "the device is still known" within 20 device_is '.id == "desk-1"'

ok "the packages are purged" apt-get purge -q -y postboot postboot-device
ok "nothing is left" no_word_of_us
echo "# end"
