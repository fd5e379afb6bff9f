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
BOOT_SECONDS=300

# shellcheck source=tests/support/container.sh
. "$TOP_SRCDIR/tests/support/container.sh"

container_begin
trap 'container_remove "$root"' EXIT
trap 'exit 1' HUP INT TERM
container_remove "$root"

# ---- the base: a minimal Debian and the libraries of our programs ----

# As dpkg names the file; with merged /usr that is one of two.
package_of() {
	for name in "$1" "/usr$1" "${1#/usr}"; do
		dpkg -S "$name" 2>/dev/null | sed -n '1s/[:,].*//p'
	done | head -n 1
}

libraries() {
	for program in src/daemon/postbootd src/ctl/postbootctl src/emu/postboot-device \
		tests/load/postboot-load; do
		ldd "$TOP_BUILDDIR/$program"
	done | awk '$3 ~ /^\// { print $3 }' | sort -u | while read -r library; do
		package_of "$library"
	done | sort -u | paste -s -d ,
}

# shellcheck disable=SC1091
container_base "$(. /etc/os-release && echo "${VERSION_CODENAME-}")" \
	"systemd,systemd-sysv,iproute2,jq,$(libraries)"

# ---- the root: base, make install, the test as a unit ----

cp -a --reflink=auto "$base/debian" "$root"
find "$root" -path "$root/proc" -prune -o -type f -print | sort >"$dir/before"
installed() {
	env -u MAKEFLAGS -u MAKELEVEL -u MFLAGS make -C "$TOP_BUILDDIR" "$@" DESTDIR="$root" \
		>>"$dir/install.log" 2>&1
}
: >"$dir/install.log"
installed install || container_bail "make install failed" "$dir/install.log"
mkdir "$root/test"
cp "$here/inside.sh" "$TOP_SRCDIR/README.md" "$TOP_BUILDDIR/tests/load/postboot-load" "$root/test/"
container_unit "$root"

for boot in 1 2; do
	status=0
	echo "$boot" >"$root/test/boot"
	container_boot "$root" "$BOOT_SECONDS" "$dir/console.$boot.log" || status=$?
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
