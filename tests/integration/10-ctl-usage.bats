#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What postbootctl says and returns when no server is asked.

setup() {
	unset POSTBOOT_SOCKET
	# shellcheck disable=SC2034
	bats_require_minimum_version 1.5.0 2>/dev/null || :
}

usage_error() { # WORD... : exit 2, nothing on stdout, the usage on stderr
	run --separate-stderr "$POSTBOOTCTL" "$@"
	[ "$status" -eq 2 ]
	[ -z "$output" ]
	[ -n "$stderr" ]
}

@test "ctl: every command of the table has its help" {
	run "$POSTBOOTCTL" help
	[ "$status" -eq 0 ]
	while read -r noun verb rest; do
		case $noun in
		product | release | device | attempt | event | hook)
			run "$POSTBOOTCTL" "$noun" "$verb" --help
			[ "$status" -eq 0 ]
			[[ $output == "usage: postbootctl $noun $verb"* ]]
			;;
		esac
	done <<<"$output"
	run "$POSTBOOTCTL" explain --help
	[ "$status" -eq 0 ]
	: "$rest"
}

@test "ctl: no words, an unknown word and a cut one are usage errors with a hint" {
	usage_error
	[[ $stderr == *"usage: postbootctl"* ]]
	usage_error devise list
	[[ $stderr == *'did you mean "device"'* ]]
	usage_error device lok x
	[[ $stderr == *'did you mean "lock"'* ]]
	usage_error dev list
	usage_error device sho x
	usage_error device
	[[ $stderr == *"postbootctl device lock ID VERSION"* ]]
}

@test "ctl: missing, surplus and bad arguments are usage errors" {
	usage_error device lock argon-1
	[[ $stderr == *"VERSION is missing"* ]]
	usage_error device show a b
	usage_error device list --bogus
	usage_error device add x --product p
	usage_error device add x --psk-generate
	usage_error device add x --product p --psk-generate --plain
	usage_error release add p /dev/null
	usage_error product add p stall-s=soon
	[[ $stderr == *"is not a time"* ]]
	usage_error product set p stall-s
	usage_error product set p
	[[ $stderr == *"KEY=VALUE... is missing"* ]]
	usage_error product set p stall-s=1 stall_s=2
	[[ $stderr == *"stall_s is given twice"* ]]
	usage_error product add p --hardware a hardware=b
	usage_error attempt list --limit 0
	usage_error attempt list --since yesterday
	[[ $stderr == *"2026-11-22T23:51:07Z, or a duration such as 24h"* ]]
	usage_error event list --limit 0
	usage_error attempt show seven
	usage_error event list --limit many
	usage_error -o xml status
	usage_error --socket
}

@test "ctl: no line of help is wider than 80 columns" {
	{
		"$POSTBOOTCTL" help
		"$POSTBOOTCTL" help | sed -n 's/^  \([a-z]*\) .*/\1/p' | sort -u |
			while read -r noun; do "$POSTBOOTCTL" help "$noun"; done
		"$POSTBOOTCTL" help | sed -n 's/^  \([a-z]*\) \([a-z]*\) .*/\1 \2/p' |
			while read -r noun verb; do
				"$POSTBOOTCTL" help "$noun" "$verb" || :
				"$POSTBOOTCTL" "$noun" "$verb" --bogus 2>&1 || :
			done
		"$POSTBOOTD" --help
		"$POSTBOOT_DEVICE" --help
	} >"$BATS_TEST_TMPDIR/help"
	[ "$(wc -l <"$BATS_TEST_TMPDIR/help")" -gt 200 ]
	awk 'length > 80 { print; wide = 1 } END { exit wide }' "$BATS_TEST_TMPDIR/help"
	# an option and its value, and a choice, stay together
	run "$POSTBOOTCTL" help device add
	[ "${lines[0]}" = "usage: postbootctl device add ID --product P [--group G] [--development]" ]
	[ "${lines[1]}" = "        [--psk-file F | --psk-generate [--psk-out F] | --certificate | --plain]" ]
}

@test "ctl: no daemon is exit 1, and says which socket" {
	run --separate-stderr "$POSTBOOTCTL" --socket "$BATS_TEST_TMPDIR/none.sock" status
	[ "$status" -eq 1 ]
	[[ $stderr == *"$BATS_TEST_TMPDIR/none.sock"* ]]
	POSTBOOT_SOCKET=$BATS_TEST_TMPDIR/env.sock run --separate-stderr "$POSTBOOTCTL" device list
	[ "$status" -eq 1 ]
	[[ $stderr == "postbootctl: device list: "*"$BATS_TEST_TMPDIR/env.sock"* ]]
	[ "$(wc -l <<<"$stderr")" -eq 1 ]
}

@test "ctl: a key file must hold a key" {
	key=$BATS_TEST_TMPDIR/key
	for text in '' 00 not-hex 00112233445566778899aabbccddeef; do
		echo "$text" >"$key"
		run "$POSTBOOTCTL" --socket /nonexistent device add x --product p --psk-file "$key"
		[ "$status" -eq 1 ]
		[[ $output == *"$key"* ]]
	done
	run "$POSTBOOTCTL" device add x --product p --psk-generate --psk-out "$key"
	[ "$status" -eq 1 ]
	[[ $output == *"File exists"* ]]
}

@test "ctl: a backup that cannot be begun names the file that was asked for" {
	run "$POSTBOOTCTL" backup "$BATS_TEST_TMPDIR/none/x.db"
	[ "$status" -eq 1 ]
	[ "$output" = "postbootctl: backup: $BATS_TEST_TMPDIR/none/x.db: No such file or directory" ]
}

@test "ctl: output that cannot be written is a failure" {
	[ -e /dev/full ] || skip "no /dev/full"
	run bash -c '"$POSTBOOTCTL" help product >/dev/full'
	[ "$status" -eq 1 ]
}
