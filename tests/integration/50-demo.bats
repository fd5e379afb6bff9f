#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0

load lib

@test "demo: every verdict is as told" {
	run timeout $((120 * SLOWER)) "$TOP_SRCDIR/tests/demo/story.sh" --fast 3>&-
	echo "$output"
	[ "$status" -eq 0 ]
	[[ $output == *"as told"* ]]
	[[ $output != *WRONG* ]]
}

@test "demo: stopped in the middle, it leaves nothing behind" {
	export TMPDIR=$BATS_TEST_TMPDIR
	"$TOP_SRCDIR/tests/demo/story.sh" --fast >"$BATS_TEST_TMPDIR/out" 2>&1 3>&- &
	story=$!
	until_true 60 grep -q started "$BATS_TEST_TMPDIR/out"
	kill -TERM "$story"
	until_true 20 bash -c '! kill -0 '"$story"
	[ -z "$(find "$BATS_TEST_TMPDIR" -maxdepth 1 -name 'postboot-lab.*')" ]
	[ -z "$(pgrep -f "$BATS_TEST_TMPDIR/postboot-lab")" ]
}
