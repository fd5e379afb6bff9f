#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Postboot as it is installed, under a real systemd: a root folder of this machine's Debian release
# is made once by debootstrap, a copy of it gets `make install`, and systemd-nspawn boots it twice
# without any network but its own loopback. inside.sh is what runs in there.
#
# Everything is in the build folder: boot/base.* (kept), boot/root, boot/*.log. A run that was
# killed is cleaned up by the next one.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
: "${TOP_SRCDIR:=$(cd "$here/../.." && pwd)}"
: "${TOP_BUILDDIR:=$TOP_SRCDIR/build}"
dir=$TOP_BUILDDIR/boot
root=$dir/root
machine=postboot-boot-$$
BOOT_SECONDS=180

skip() {
	echo "1..0 # SKIP $1"
	exit 0
}

[ "$(id -u)" -eq 0 ] || skip "booting a container needs root"
for tool in debootstrap systemd-nspawn flock setpriv; do
	command -v "$tool" >/dev/null || skip "no $tool (build-aux/setup.sh --all)"
done
unshare --mount --pid --fork true 2>/dev/null || skip "namespaces may not be made here"

mkdir -p "$dir"
exec 9>"$dir/lock"
flock 9

# ---- what a run leaves, and its removal ----

# The control groups that nspawn makes below ours with --keep-unit; only empty ones go.
cgroups() {
	awk -F: '$1 == 0 || $2 == "name=systemd" { print $3 }' /proc/self/cgroup | while read -r own; do
		for tree in /sys/fs/cgroup /sys/fs/cgroup/systemd /sys/fs/cgroup/unified; do
			echo "$tree${own%/}"
		done
	done
}

cgroups_remove() {
	cgroups | while read -r group; do
		[ -d "$group/payload" ] || [ -d "$group/supervisor" ] || continue
		find "$group/payload" "$group/supervisor" -depth -type d -exec rmdir {} \; 2>/dev/null || :
	done
}

tidy() {
	cgroups_remove
	rmdir /run/systemd/nspawn/propagate/postboot-boot-* 2>/dev/null || :
	# Nothing is mounted in it: what nspawn mounts goes with its namespace.
	if grep -q " $root" /proc/self/mounts; then
		echo "Bail out! something is mounted below $root"
		exit 1
	fi
	rm -rf "$root"
}

trap tidy EXIT
trap 'exit 1' HUP INT TERM
tidy

# ---- the base: a minimal Debian and the libraries of our programs ----

# As dpkg names the file; with merged /usr that is one of two.
package_of() {
	for name in "$1" "/usr$1" "${1#/usr}"; do
		dpkg -S "$name" 2>/dev/null | sed -n '1s/[:,].*//p'
	done | head -n 1
}

libraries() {
	for program in daemon/postbootd ctl/postbootctl emu/postboot-device; do
		ldd "$TOP_BUILDDIR/src/$program"
	done | awk '$3 ~ /^\// { print $3 }' | sort -u | while read -r library; do
		package_of "$library"
	done | sort -u | paste -s -d ,
}

# The archive that this machine uses itself.
archive() {
	# shellcheck disable=SC2016
	apt-get indextargets --format '$(RELEASE) $(COMPONENT) $(REPO_URI)' 'Created-By: Packages' |
		awk -v release="$1" '$1 == release && $2 == "main" { print $3; exit }'
}

# shellcheck disable=SC1091
release=$(. /etc/os-release && echo "${VERSION_CODENAME-}")
packages=systemd,systemd-sysv,iproute2,jq,$(libraries)
base=$dir/base.$(echo "$release $packages" | cksum | cut -d ' ' -f 1)
if [ ! -e "$base/complete" ] || [ ! -d "$base/debian" ]; then
	rm -rf "$dir"/base.*
	mkdir -p "$base"
	url=$(archive "$release")
	if ! debootstrap --variant=minbase --include="$packages" "$release" "$base/debian" \
		${url:+"$url"} >"$dir/debootstrap.log" 2>&1; then
		tail -n 20 "$dir/debootstrap.log" | sed 's/^/# /'
		echo "Bail out! debootstrap failed, see $dir/debootstrap.log"
		exit 1
	fi
	rm -rf "$base"/debian/var/cache/apt/archives/*.deb "$base"/debian/var/lib/apt/lists/*
	: >"$base/complete"
fi

# ---- the root: base, make install, the test as a unit ----

cp -a --reflink=auto "$base/debian" "$root"
find "$root" -path "$root/proc" -prune -o -type f -print | sort >"$dir/before"
installed() {
	env -u MAKEFLAGS -u MAKELEVEL -u MFLAGS make -C "$TOP_BUILDDIR" "$@" DESTDIR="$root" \
		>>"$dir/install.log" 2>&1
}
: >"$dir/install.log"
installed install || {
	tail -n 20 "$dir/install.log" | sed 's/^/# /'
	echo "Bail out! make install failed"
	exit 1
}
mkdir "$root/test"
cp "$here/inside.sh" "$TOP_SRCDIR/README.md" "$root/test/"
cat >"$root/etc/systemd/system/boot-test.service" <<'END'
[Unit]
Description=Test of Postboot
After=multi-user.target
FailureAction=exit
SuccessAction=exit

[Service]
Type=oneshot
ExecStart=/bin/bash /test/inside.sh
StandardOutput=append:/test/tap
StandardError=append:/test/err
TimeoutStartSec=infinity
END
mkdir -p "$root/etc/systemd/system/default.target.wants"
ln -s ../boot-test.service "$root/etc/systemd/system/default.target.wants/"
echo boot-test >"$root/etc/hostname"
: >"$root/etc/machine-id"

# Whoever dies first takes the rest along: this script, timeout, nspawn, its init.
boot() {
	echo "$1" >"$root/test/boot"
	setpriv --pdeathsig KILL timeout --kill-after=5 "$BOOT_SECONDS" \
		setpriv --pdeathsig KILL systemd-nspawn --quiet --settings=no --boot --register=no \
		--keep-unit --private-network --link-journal=no --resolv-conf=off --timezone=off \
		--console=pipe --machine="$machine" --directory="$root" \
		systemd.log_target=journal </dev/null >"$dir/console.$1.log" 2>&1 9>&-
}

for boot in 1 2; do
	status=0
	boot "$boot" || status=$?
	cp "$root/test/err" "$dir/err.log" 2>/dev/null || :
	if [ "$status" -ne 0 ] || ! grep -q "^# end of boot $boot" "$root/test/tap"; then
		cat "$root/test/tap" 2>/dev/null || :
		tail -n 30 "$dir/console.$boot.log" "$root/test/err" 2>/dev/null | sed 's/^/# /'
		echo "Bail out! boot $boot did not come to its end (status $status)"
		exit 1
	fi
done
cat "$root/test/tap"
n=$(grep -c -E '^(not )?ok ' "$root/test/tap")

# ---- what make uninstall leaves ----

name="make uninstall leaves only state and what somebody configured"
installed uninstall || :
find "$root" -path "$root/proc" -prune -o -type f -print | sort | comm -13 "$dir/before" - |
	grep -i postboot | grep -v -e "^$root/test/" -e "^$root/var/lib/postboot/" \
	-e "^$root/etc/postboot/" -e "^$root/var/log/" >"$dir/left" || :
n=$((n + 1))
if [ -s "$dir/left" ]; then
	sed 's/^/# /' "$dir/left"
	echo "not ok $n - $name"
else
	echo "ok $n - $name"
fi
echo "1..$n"
! grep -q '^not ok' "$root/test/tap" && [ ! -s "$dir/left" ]
