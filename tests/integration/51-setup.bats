#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# build-aux/setup.sh of a user who is not root, on a Debian that lacks everything.

setup() {
	cd "$BATS_TEST_TMPDIR" || return
	mkdir build-aux bin
	cp "$TOP_SRCDIR/build-aux/setup.sh" build-aux/
	for tool in awk dirname mkdir flock env; do
		ln -s "$(command -v "$tool")" bin/
	done
	tool id 'echo 1000'
	tool dpkg-query 'exit 1'
	tool pkg-config ''
	# Who installs something may start it: what it starts must not keep the lock.
	# shellcheck disable=SC2016
	tool apt-get 'echo "apt-get $*"; [ ! -e /proc/self/fd/9 ]'
}

tool() { # NAME SCRIPT
	printf '#!/bin/sh\n%s\n' "$2" >"bin/$1"
	chmod 755 "bin/$1"
}

@test "packages are installed by sudo" {
	# shellcheck disable=SC2016
	tool sudo 'printf "sudo "; exec "$@"'
	PATH=$PWD/bin run build-aux/setup.sh
	echo "$output"
	[ "$status" -eq 0 ]
	[[ ${lines[0]} == 'installing Debian packages: gcc '* ]]
	[ "${lines[1]}" = 'sudo apt-get update -q' ]
	[[ ${lines[2]} == 'sudo apt-get install -q -y '*' gcc '*' libcoap3-dev '* ]]
	[ "${#lines[@]}" -eq 3 ]
}

@test "a sudo that refuses ends it" {
	tool sudo 'echo "a password is required" >&2; exit 1'
	PATH=$PWD/bin run build-aux/setup.sh
	echo "$output"
	[ "$status" -eq 1 ]
	[ "${lines[1]}" = 'a password is required' ]
	[ "${#lines[@]}" -eq 2 ]
}

@test "without sudo the packages are named, and what to do" {
	PATH=$PWD/bin run build-aux/setup.sh
	echo "$output"
	[ "$status" -eq 1 ]
	[[ ${lines[0]} == 'missing Debian packages: gcc '* ]]
	[[ ${lines[1]} == 'install them as root (there is no sudo): apt-get install gcc '* ]]
	[ "${#lines[@]}" -eq 2 ]
}

@test "nothing is installed with --no-install" {
	tool sudo 'echo "never"; exit 1'
	PATH=$PWD/bin run build-aux/setup.sh --no-install
	echo "$output"
	[ "$status" -eq 1 ]
	[[ ${lines[1]} == 'install them: apt-get install gcc '* ]]
	[ "${#lines[@]}" -eq 2 ]
}
