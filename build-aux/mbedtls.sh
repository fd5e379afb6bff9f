#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# mbedtls.sh: mbedTLS 3.6 for Debian 12, from Debian 13's source package with the settings
# of its debian/rules, as static libraries in .deps/mbedtls. apt fetches and verifies it with
# the keyring that Debian 12 ships; its lists, cache and configuration here are private, so
# that the system's stay untouched. Called by setup.sh; "mbedtls.sh --check" only tells by its
# exit status whether there is nothing to do.
set -eu
cd "$(dirname "$0")/.."

suite=trixie
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
top=$PWD
prefix=$top/.deps/mbedtls
work=$top/.deps/mbedtls-build

# Changes with this script, so that an older prefix is built anew.
recipe=$(cksum <build-aux/mbedtls.sh)
if [ -e "$prefix/.done" ] && [ "$(cat "$prefix/.done")" = "$recipe" ]; then
	exit 0
fi
[ "${1-}" != --check ] || exit 1

say() { echo "mbedtls.sh: $*"; }
die() {
	echo "mbedtls.sh: $*" >&2
	exit 1
}

rm -rf "$prefix" "$work"
mkdir -p "$work/etc/empty" "$work/lists/partial" "$work/cache/archives/partial"
log=$work/log

# The system's own mirrors, of the newer suite. Told by what their lists say, as sources.list may
# have "stable" or "oldstable" instead of the name; and, where an image was stripped of the lists,
# by sources.list alone.
release=$(. /etc/os-release && echo "$VERSION_CODENAME")
# shellcheck disable=SC2016
{
	apt-get indextargets --format '$(REPO_URI) $(CODENAME)'
	apt-get indextargets --no-release-info --format '$(REPO_URI) $(RELEASE)'
} | sort -u | while read -r uri name; do
	case $name in
	"$release" | "$release-security")
		echo "deb-src [signed-by=$keyring] $uri $suite${name#"$release"} main"
		;;
	esac
done >"$work/etc/sources.list"
[ -s "$work/etc/sources.list" ] || die "apt's configuration names no mirror of $release"

# Proxies and the like stay; hooks and directories of the system do not.
{
	apt-config dump | grep '^Acquire::' || :
	cat <<CONF
Dir::Etc::main "$work/etc/none";
Dir::Etc::parts "$work/etc/empty";
Dir::Etc::sourcelist "$work/etc/sources.list";
Dir::Etc::sourceparts "$work/etc/empty";
Dir::Etc::preferences "$work/etc/none";
Dir::Etc::preferencesparts "$work/etc/empty";
Dir::State::lists "$work/lists";
Dir::Cache "$work/cache";
Acquire::Languages "none";
APT::Sandbox::User "";
CONF
} >"$work/etc/apt.conf"

say "fetching Debian's source package of mbedTLS from $suite"
(
	cd "$work"
	export APT_CONFIG="$work/etc/apt.conf"
	apt-get -q update
	apt-get -q source --only-source --download-only mbedtls
	dpkg-source --no-check -x mbedtls_*.dsc source
) >"$log" 2>&1 || {
	cat "$log" >&2
	die "could not fetch mbedTLS"
}

cd "$work/source"
rules=debian/rules
configs=$(sed -n 's/^\tscripts\/config\.py \(set [A-Z0-9_]*\)$/\1/p' $rules)
[ -n "$configs" ] || die "debian/rules sets no options as it did: look at this script"
DEB_BUILD_MAINT_OPTIONS=$(sed -n 's/^export DEB_BUILD_MAINT_OPTIONS *= *//p' $rules)
export DEB_BUILD_MAINT_OPTIONS

say "building mbedTLS $(dpkg-parsechangelog -S Version)"
{
	echo "$configs" | while read -r verb option; do
		python3 scripts/config.py "$verb" "$option"
	done
	cmake -S . -B build -Wno-dev \
		-DCMAKE_BUILD_TYPE=None \
		-DCMAKE_INSTALL_PREFIX="$prefix" \
		-DCMAKE_INSTALL_LIBDIR=lib \
		-DCMAKE_C_FLAGS="$(dpkg-buildflags --get CPPFLAGS) $(dpkg-buildflags --get CFLAGS)" \
		-DUSE_STATIC_MBEDTLS_LIBRARY=ON \
		-DUSE_SHARED_MBEDTLS_LIBRARY=OFF \
		-DENABLE_PROGRAMS=OFF \
		-DENABLE_TESTING=OFF
	cmake --build build -j "$(nproc)"
	cmake --install build
} >>"$log" 2>&1 || {
	tail -n 40 "$log" >&2
	die "the build failed, all of it is in $log"
}

# Relative to the .pc file, so that the tree may be moved.
# shellcheck disable=SC2016
sed -i 's|^prefix=.*|prefix=${pcfiledir}/../..|; s|^\(includedir\|libdir\)=.*/\([a-z]*\)"*$|\1=${prefix}/\2|' \
	"$prefix"/lib/pkgconfig/*.pc
PKG_CONFIG_PATH=$prefix/lib/pkgconfig pkg-config --exists 'mbedtls >= 3.6' 'mbedtls < 4' ||
	die "pkg-config does not find what was built in $prefix"
cd "$top"
rm -rf "$work"
echo "$recipe" >"$prefix/.done"
say "done"
