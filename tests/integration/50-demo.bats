#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0

load lib

@test "demo: every verdict is as told" {
	run timeout 550 "$TOP_SRCDIR/tests/demo/story.sh" --fast 3>&-
	echo "$output"
	[ "$status" -eq 0 ]
	[[ $output == *"as told"* ]]
	[[ $output != *WRONG* ]]
	# It is read on a terminal of 80 columns, and does not tell of its own end.
	wide=$(LC_ALL=C.UTF-8 grep -E '^.{81}' <<<"$output" || :)
	[ -z "$wide" ]
	[[ $output != *"trying again"* ]]
}

@test "the scripts tell their usage when asked, and refuse what they do not know" {
	for script in demo.sh check.sh build-aux/setup.sh tests/demo/story.sh; do
		"$TOP_SRCDIR/$script" --help >"$BATS_TEST_TMPDIR/out" 2>"$BATS_TEST_TMPDIR/err"
		[ ! -s "$BATS_TEST_TMPDIR/err" ]
		for option in $(head -n 1 "$BATS_TEST_TMPDIR/out" | grep -o -e '--[a-z-]*'); do
			grep -q "^  $option " "$BATS_TEST_TMPDIR/out"
		done
		run "$TOP_SRCDIR/$script" --no-such-option
		[ "$status" -eq 2 ]
	done
}

# stopped_by SIGNAL: the whole of its process group gets it, as from a terminal.
stopped_by() {
	export TMPDIR=$BATS_TEST_TMPDIR
	# setsid also gives it back the SIGINT that a job in the background ignores.
	setsid env --default-signal=INT "$TOP_SRCDIR/tests/demo/story.sh" --fast \
		>"$BATS_TEST_TMPDIR/out" 2>&1 3>&- &
	story=$!
	until_true 60 grep -q started "$BATS_TEST_TMPDIR/out"
	kill -"$1" -- "-$story"
	until_true 20 bash -c '! kill -0 '"$story"
	cat "$BATS_TEST_TMPDIR/out"
	[ "$(tail -n 1 "$BATS_TEST_TMPDIR/out")" = "Stopped; what was started here is ended and removed." ]
	# Who stops it did not ask for a log, or for what others think of it.
	run grep -e 'trying again' -e 'log of postbootd' -e '^<' -e Terminated "$BATS_TEST_TMPDIR/out"
	[ "$status" -eq 1 ]
	[ -z "$(find "$BATS_TEST_TMPDIR" -maxdepth 1 -name 'postboot-lab.*')" ]
	until_true 10 bash -c "! pgrep -f '$BATS_TEST_TMPDIR/[p]ostboot-lab'"
}

@test "demo: stopped in the middle, it leaves nothing behind" {
	stopped_by TERM
}

@test "demo: Ctrl-C ends it in order, without noise" {
	stopped_by INT
}
