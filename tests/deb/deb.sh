#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The Debian package, for Debian 13: built by dpkg-buildpackage from the tarball of make dist,
# looked through by lintian, then installed, used, upgraded, removed and purged in a booted
# Debian 13 in a folder; inside.sh is what runs in there.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
: "${TOP_SRCDIR:=$(cd "$here/../.." && pwd)}"
: "${TOP_BUILDDIR:=$TOP_SRCDIR/build}"
dir=$TOP_BUILDDIR/deb
work=$dir/work
# shellcheck source=tests/support/container.sh
. "$TOP_SRCDIR/tests/support/container.sh"

container_begin
[ -d "$TOP_SRCDIR/debian" ] || container_skip "no debian/ here: this is not a clone"
trap 'container_remove "$work"' EXIT
trap 'exit 1' HUP INT TERM
container_remove "$work"
mkdir -p "$work"

n=0
result() { # NAME STATUS [LOG]
	n=$((n + 1))
	if [ "$2" -eq 0 ]; then
		echo "ok $n - $1"
		return 0
	fi
	[ ! -e "${3-}" ] || tail -n 40 "$3" | sed 's/^/# /'
	echo "not ok $n - $1"
}

container_base trixie systemd,systemd-sysv,dbus,iproute2,jq,curl

# The build root is made once, too: a copy of the base with what debian/control wants.
builder=$dir/builder.$(cat "$TOP_SRCDIR/debian/control" "$base/complete" | cksum | cut -d ' ' -f 1).${base##*.}
if [ ! -e "$builder/complete" ]; then
	rm -rf "$dir"/builder.*
	mkdir -p "$builder"
	cp -a --reflink=auto "$base/debian" "$builder/debian"
	mkdir "$builder/debian/build"
	cp -r "$TOP_SRCDIR/debian" "$builder/debian/build/"
	container_run "$builder/debian" sh -c '
		apt-get update -q &&
		apt-get install -q -y --no-install-recommends build-essential fakeroot lintian &&
		apt-get build-dep -q -y --no-install-recommends /build' >"$dir/builder.log" 2>&1 ||
		container_bail "the build root could not be made" "$dir/builder.log"
	rm -rf "$builder/debian/build" "$builder"/debian/var/cache/apt/archives/*.deb
	: >"$builder/complete"
fi

# ---- the package ----

version=$(sed -n '1s/.*(\(.*\)-.*/\1/p' "$TOP_SRCDIR/debian/changelog")
env -u MAKEFLAGS -u MAKELEVEL -u MFLAGS make -C "$TOP_BUILDDIR" dist >"$dir/dist.log" 2>&1 ||
	container_bail "make dist failed" "$dir/dist.log"
cp -a --reflink=auto "$builder/debian" "$work/build"
mkdir "$work/build/build"
mv "$TOP_BUILDDIR/postboot-$version.tar.xz" "$work/build/build/postboot_$version.orig.tar.xz"
tar -C "$work/build/build" -xf "$work/build/build/postboot_$version.orig.tar.xz"
cp -r "$TOP_SRCDIR/debian" "$work/build/build/postboot-$version/"
status=0
container_run "$work/build" sh -c "cd /build/postboot-$version && dpkg-buildpackage -us -uc" \
	>"$dir/buildpackage.log" 2>&1 || status=$?
result "dpkg-buildpackage builds the package and its tests pass" "$status" "$dir/buildpackage.log"
[ "$status" -eq 0 ] || {
	echo "1..$n"
	exit 1
}
status=0
container_run "$work/build" sh -c 'cd /build && lintian --allow-root --fail-on error,warning \
	--tag-display-limit 0 -I ./*.changes' >"$dir/lintian.log" 2>&1 || status=$?
result "lintian has no error and no warning" "$status" "$dir/lintian.log"

# The same package under the next version, for the upgrade.
mkdir -p "$work/test" "$dir/packages"
rm -f "$dir"/packages/*
for package in postboot postboot-device; do
	old=$(ls "$work"/build/build/"$package"_"$version"-1_*.deb)
	dpkg-deb -R "$old" "$work/next"
	sed -i "s/^Version: .*/Version: $version-2/" "$work/next/DEBIAN/control"
	dpkg-deb --root-owner-group -b "$work/next" "$work/test/$package-next.deb" >/dev/null
	rm -rf "$work/next"
	cp "$old" "$dir/packages/"
	cp "$old" "$work/test/$package.deb"
done

# ---- in a booted Debian ----

root=$work/root
cp -a --reflink=auto "$base/debian" "$root"
mkdir "$root/test"
cp "$work"/test/*.deb "$here/inside.sh" "$root/test/"
container_run "$root" sh -c 'apt-get update -q &&
	apt-get install -q -y --no-install-recommends --download-only /test/postboot.deb \
		/test/postboot-device.deb' >"$dir/download.log" 2>&1 ||
	container_bail "what the packages depend on could not be fetched" "$dir/download.log"
container_unit "$root"
status=0
container_boot "$root" 240 "$dir/console.log" || status=$?
cp "$root/test/err" "$dir/err.log" 2>/dev/null || :
cp "$root/test/tap" "$dir/tap.log" 2>/dev/null || :
while read -r ok not rest; do
	case $ok in
	ok) result "${rest#- }" 0 ;;
	not) result "${rest#* - }" 1 ;;
	*) echo "$ok $not $rest" ;;
	esac
done <"$dir/tap.log"
grep -q '^# end' "$dir/tap.log" || status=1
result "the container came to its end" "$status" "$dir/err.log"
echo "1..$n"
