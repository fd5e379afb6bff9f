#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# README and ARCHITECTURE tell the truth: the commands are run, the table is compared.

setup() {
	R=$(mktemp -d "${TMPDIR:-/tmp}/postboot-readme.XXXXXX")
}

teardown() {
	rm -rf "$R"
}

# The sh blocks of a section, as one script.
blocks() {
	awk -v section="## $1" '
		/^## / { inside = $0 == section }
		/^```/ { code = inside && $0 == "```sh"; next }
		code' "$TOP_SRCDIR/README.md"
}

@test "the first device of the README updates, the second is explained, the third is you" {
	blocks "Your first device" | sed "s|\$PWD/build/|$TOP_BUILDDIR/|g" >"$R/script"
	[ "$(wc -l <"$R/script")" -gt 30 ]
	cd "$R"
	# Files of the README's own folder go here, too.
	TMPDIR=$R run timeout 550 bash -eu -o pipefail "$R/script" 3>&-
	echo "$output"
	[ "$status" -eq 0 ]
	# explain wraps its lines
	[[ $(tr '\n' ' ' <<<"$output") == *"Likely cause: the device's file system is (nearly) full"* ]]
	events=$(sed -n '/^ *1 .*device\/online/,$p' <<<"$output")
	[ "$(grep -c 'desk-1 .*flash/status success' <<<"$events")" -eq 1 ]
	[ "$(grep -c 'desk-1 .*flash/status failed' <<<"$events")" -eq 0 ]
	[ "$(grep -c 'desk-2 .*flash/status failed .*reverted' <<<"$events")" -eq 1 ]
	[ "$(grep -c 'desk-2 .*flash/status success' <<<"$events")" -eq 0 ]
	[ "$(grep -c 'hand-1 .*flash/status success' <<<"$events")" -eq 1 ]
}

@test "the README's links lead somewhere" {
	grep -o '](\([^)]*\))' "$TOP_SRCDIR/README.md" | tr -d ']()' >"$R/links"
	[ -s "$R/links" ]
	while read -r link; do
		[ -e "$TOP_SRCDIR/$link" ] || {
			echo "no $link"
			false
		}
	done <"$R/links"
}

@test "the rooms of ARCHITECTURE.md are those of tests/lint/layers.sh" {
	# both as: room|rooms|libraries
	sed -n '/<<.T.$/,/^T$/p' "$TOP_SRCDIR/tests/lint/layers.sh" |
		awk -F '|' 'NF == 4 { print $1 "|" $2 "|" $3 }' >"$R/lint"
	awk -F '|' '/^\| `/ { gsub(/`/, "", $2); print $2 "|" $4 "|" $5 }' \
		"$TOP_SRCDIR/ARCHITECTURE.md" >"$R/told"
	sed -i 's/ *| */|/g; s/^ *//; s/ *$//; s/storenet/store net/; s/  */ /g' "$R/lint" "$R/told"
	[ "$(wc -l <"$R/lint")" -eq 10 ]
	diff "$R/lint" "$R/told"
}
