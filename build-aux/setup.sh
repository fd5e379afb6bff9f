#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# All that configure and the tests need; see usage(). Quick when there is nothing to do; two at
# once wait for each other.
set -eu
cd "$(dirname "$0")/.."

usage() {
	cat <<END
usage: build-aux/setup.sh [--no-install] [--all]
All that configure and the tests need, on Debian 12 and 13: installs missing
packages, as root or by sudo. Debian 12 has no mbedTLS 3.6: Debian 13's source
package of it is fetched by apt and built in .deps/mbedtls, which needs the
network once and takes about 16 s.

  --no-install  install nothing: name the missing packages and exit with 1.
                mbedTLS is fetched and built all the same, as nothing outside of
                this folder changes
  --all         also what check.sh --all needs: containers, npm, Go, clang
  -h, --help    this text
END
}

install=yes
all=no
for arg; do
	case $arg in
	--no-install) install=no ;;
	--all) all=yes ;;
	-h | --help)
		usage
		exit 0
		;;
	*)
		usage >&2
		exit 2
		;;
	esac
done

# To build; to test.
packages='
	gcc
	libc6-dev
	make
	autoconf
	automake
	autoconf-archive
	pkgconf
	libuv1-dev
	libsqlite3-dev
	libmicrohttpd-dev
	libjansson-dev
	libcbor-dev
	nettle-dev
	libcoap3-dev
	libssl-dev
	libcurl4-gnutls-dev
	libsystemd-dev
	libcmocka-dev
	bats
	libcoap3-bin
	curl
	jq
	python3
	python3-jsonschema
	openssl
	gnutls-bin
	sqlite3
	tzdata
	nxt-firmware
	shellcheck
	mandoc
	codespell
	git
	xz-utils'

if [ "$all" = yes ]; then
	packages="$packages debootstrap systemd-container clang golang-go golang-github-pion-dtls.v2-dev"
	# It may be there from somewhere else, and clash with Debian's.
	command -v npm >/dev/null || packages="$packages npm"
fi

# shellcheck disable=SC1091
release=$(. /etc/os-release && echo "${VERSION_CODENAME-}")
own_mbedtls=no
if [ "$release" = bookworm ]; then
	packages="$packages clang-format-14"
	if ! pkg-config --exists 'mbedtls >= 3.6' 2>/dev/null; then
		own_mbedtls=yes
		build-aux/mbedtls.sh --check || packages="$packages cmake python3 dpkg-dev bzip2"
	fi
else
	packages="$packages libmbedtls-dev"
fi

missing_packages() {
	# shellcheck disable=SC2086
	dpkg-query -W -f '${db:Status-Status} ${Package}\n' $packages 2>/dev/null |
		awk -v want="$packages" '
			$1 == "installed" { have[$2] = 1 }
			END {
				n = split(want, w, /[ \t\n]+/)
				for (i = 1; i <= n; i++)
					if (w[i] != "" && !have[w[i]])
						printf " %s", w[i]
			}'
}

as_root() {
	if [ "$(id -u)" -eq 0 ]; then
		"$@"
	else
		sudo "$@"
	fi
}

mkdir -p .deps
exec 9>.deps/lock
flock 9

missing=$(missing_packages)
if [ -n "$missing" ]; then
	who=
	if [ "$(id -u)" -ne 0 ] && ! command -v sudo >/dev/null; then
		install=no
		who=' as root (there is no sudo)'
	fi
	if [ "$install" = no ]; then
		echo "missing Debian packages:$missing" >&2
		echo "install them$who: apt-get install$missing" >&2
		exit 1
	fi
	echo "installing Debian packages:$missing"
	# Without the lock: what a package starts would keep it.
	as_root apt-get update -q 9>&-
	# shellcheck disable=SC2086
	as_root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $missing 9>&-
fi

[ "$own_mbedtls" = no ] || build-aux/mbedtls.sh
