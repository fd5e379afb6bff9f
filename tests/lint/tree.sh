#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The tree itself: licence lines, no build output, no path of somebody's machine, a known top.
set -eu
. "$(dirname "$0")/tap.sh"
cd "$TOP_SRCDIR"
: >"$tap_tmp/out"
in_git || {
	skip "tree" "not a git tree"
	done_testing
}

tracked >"$tap_tmp/files"
[ -s "$tap_tmp/files" ] || echo "git lists no file" >"$tap_tmp/out"
result "tree: git lists the files" "$tap_tmp/out"

while read -r f; do
	case $f in
	# These have no comments, or are about licences.
	debian/changelog | debian/copyright | debian/source/format) continue ;;
	LICENSE | tests/golden/* | tests/fuzz/corpus/*/* | *.bin | *.pem | *.der) continue ;;
	esac
	head -n 20 "$f" | grep -q 'SPDX-License-Identifier: Apache-2\.0' || echo "$f: no SPDX line"
done <"$tap_tmp/files" >"$tap_tmp/out"
result "tree: every source file has its SPDX line" "$tap_tmp/out"

# The pattern is written so that it does not find itself.
tracked | grep -v '^tests/fuzz/corpus/' | tr '\n' '\0' |
	xargs -0 grep -n -I -E '/(work|root|home|Users)/[a-z]' >"$tap_tmp/out" || :
result "tree: no path of a developer's machine" "$tap_tmp/out"

tracked | tr '\n' '\0' |
	xargs -0 grep -n -I -E '(deb|snapshot|security|ftp[a-z.]*)\.debian\.org' >"$tap_tmp/out" || :
result "tree: no host of a package archive, apt knows its own" "$tap_tmp/out"

tracked | grep -E '\.(o|a|so|lo|la|trs|log|gcno|gcda|tmp|orig|rej|tar|gz|xz|deb)$|(^|/)(configure|Makefile|Makefile\.in|aclocal\.m4|config\.status)$|^build' |
	grep -v -x -E 'build-aux/(common|mbedtls|setup|sum-tests)\.sh' >"$tap_tmp/out" || :
result "tree: no build output" "$tap_tmp/out"

tracked | sed 's/\/.*//' | sort -u | grep -v -x -E '\.ci|\.gitignore|\.clang-format|\.clang-tidy|ARCHITECTURE\.md|CONTRIBUTING\.md|LICENSE|Makefile\.am|NEWS|README\.md|build-aux|check\.sh|conf|configure\.ac|demo\.sh|man|schema|src|tests|debian|docs' \
	>"$tap_tmp/out" || :
result "tree: nothing unknown at the top" "$tap_tmp/out"
done_testing
