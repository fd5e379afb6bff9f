#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Set-up, build and every test; see usage().
set -eu
cd "$(dirname "$0")"
# shellcheck source=build-aux/common.sh
. build-aux/common.sh

usage() {
	cat <<END
usage: check.sh [--no-install] [--fast] [--all]
Sets up, builds with warnings as errors in build/, runs all tests and linters,
then those of them that reach all code once more with sanitizers in build-asan/,
makes a tarball that must build, install and clean up after itself. The last line
is "N passed, N failed"; exits 0 if none failed.

  --no-install  install no Debian packages: name the missing ones and stop.
                On Debian 12 mbedTLS 3.6 is fetched as source and built in
                .deps/ all the same, once
  --fast        without the sanitizers and the tarball
  --all         also what takes longer: all tests with sanitizers, every fault at
                every operation on the database, a booted service, the Debian
                package installed and purged, clients from npm and in Go, some
                tests of the tarball, clang in build-clang/, and clang-tidy where
                it is installed
  -h, --help    this text
END
}

no_install='' fast=no all=no
for arg; do
	case $arg in
	--no-install) no_install=$arg ;;
	--fast) fast=yes ;;
	--all) all=yes ;;
	-h | --help)
		usage
		exit 0
		;;
	*)
		echo "check.sh: $arg: unknown" >&2
		usage >&2
		exit 2
		;;
	esac
done

status=0
started=$(date +%s)
step() {
	echo "== $1 ($(($(date +%s) - started)) s)"
	shift
	"$@" || status=1
}

# What cannot even be built counts as one failure.
give_up() {
	echo "0 passed, 1 failed"
	exit 1
}

# tests_in DIR TARGET [TESTS=...]: runs TARGET of make; what did not pass is shown, the rest is in a
# log.
# Five jobs for two processors, as the integration tests mostly wait; the long ones do not.
tests_in() {
	jobs=$(($(nproc) * 5 / 2))
	case $2 in
	check-long)
		jobs=$(nproc)
		log=$1/check-long-make.log
		suite=$1/check-long.log
		;;
	check)
		log=$1/check.log
		suite=$1/test-suite.log
		find "$1/tests" \( -name '*.trs' -o -name '*.log' \) -exec rm -f {} +
		;;
	*)
		log=$1/$2-make.log
		suite=$1/$2.log
		;;
	esac
	rm -f "$suite"
	if make -C "$1" -j "$jobs" --no-print-directory "$2" ${3+"$3"} >"$log" 2>&1; then
		grep -E '^(SKIP|# (TOTAL|PASS|SKIP|FAIL|ERROR))' "$log" || :
		return 0
	fi
	if [ -e "$suite" ]; then
		grep -v -E '^(ok|PASS:) ' "$suite" | tail -n 200
	else
		tail -n 60 "$log"
	fi
	return 1
}

echo "== set-up"
set_up_all=''
[ "$all" = no ] || set_up_all=--all
# shellcheck disable=SC2086
set_up $no_install $set_up_all || give_up
echo "== build"
build_in build --enable-werror || give_up
step "make check" tests_in build check
step "make lint" tests_in build lint
dirs=build/tests
if [ "$fast" = no ]; then
	echo "== build with sanitizers ($(($(date +%s) - started)) s)"
	build_in build-asan --enable-werror --enable-sanitizers || give_up
	if [ "$all" = yes ]; then
		step "make check with sanitizers" tests_in build-asan check
	else
		step "make check with sanitizers" tests_in build-asan check 'TESTS=$(SHORT_TESTS)'
	fi
	dirs="$dirs build-asan/tests"
fi
if [ "$all" = yes ]; then
	# The programs of the tarball are the same: what is not in it shows in these.
	step "make distcheck" quietly build/distcheck.log make -C build -j "$(nproc)" distcheck \
		TESTS='$(UNIT_TESTS) $(FUZZ_TESTS) tests/scenario/run.sh tests/integration/13-openapi.bats tests/integration/60-readme.bats tests/integration/61-man.bats'
elif [ "$fast" = no ]; then
	step "make distcheck" quietly build/distcheck.log make -C build -j "$(nproc)" distcheck TESTS=
fi
if [ "$all" = yes ]; then
	step "make check-long" tests_in build check-long
	if command -v clang >/dev/null; then
		step "build with clang" env CC=clang sh -c '. build-aux/common.sh && build_in build-clang --enable-werror'
	fi
	if command -v clang-tidy >/dev/null; then
		step "make tidy" quietly build/tidy.log make -C build tidy
	fi
fi

# shellcheck disable=SC2086
sum=$(build-aux/sum-tests.sh $dirs) || status=1
if [ "$status" -ne 0 ]; then
	# A step may fail where no test case did: make itself, distcheck.
	sum=$(echo "$sum" | sed '$s/, 0 failed/, 1 failed/')
fi
echo "$sum"
exit "$status"
