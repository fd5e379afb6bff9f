#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What images say of themselves, and what the server makes of it.

load lib

setup() {
	T=$BATS_TEST_TMPDIR
}

teardown() {
	[ -z "${LAB-}" ] || lab_close
}

image() { # FORMAT FILE [NAME=VALUE]...
	python3 "$TOP_SRCDIR/tests/support/image.py" "$@"
}

@test "release inspect: what an image says of itself, without a server" {
	export POSTBOOT_SOCKET=$T/nobody.sock
	image mcuboot "$T/m" version=1.2.3+4 counter=7
	"$POSTBOOTCTL" release inspect "$T/m" >"$T/out"
	diff "$T/out" - <<-END
		  size        684 bytes
		  format      MCUboot image
		  says it is  1.2.3+4
		  counter     7, against going back
		  slot needed 684 bytes
		  signatures  none in it
		  digest      mcuboot:$(head -c 644 "$T/m" | sha256sum | cut -c 1-64)
		  detail      header 32 bytes, body 600 bytes, SHA-256, protected TLVs
	END
	image esp "$T/e" version=2.0-rc1 project=lamp chip=5
	[ "$("$POSTBOOTCTL" -o json release inspect "$T/e" |
		jq -c '[.format, .version, .project, .hardware, .security_counter, .damaged]')" = \
		'["esp-idf","2.0-rc1","lamp","esp32c3",0,null]' ]
	image uf2 "$T/u" version=3.1
	image particle "$T/p" product=42
	image elf "$T/x"
	head -c 1000 /dev/zero >"$T/z"
	for f in u:uf2:3.1:rp2040 p:particle:42:argon x:elf:null:null z:plain:null:null; do
		[ "$("$POSTBOOTCTL" -o json release inspect "$T/${f%%:*}" |
			jq -r '"\(.format):\(.version):\(.hardware)"')" = "${f#*:}" ]
	done
}

@test "release inspect: a damaged image is told, with an exit status" {
	image mcuboot "$T/m"
	head -c 500 "$T/m" >"$T/cut"
	run "$POSTBOOTCTL" release inspect "$T/cut"
	[ "$status" -eq 1 ]
	[[ $output == *"$T/cut: a damaged MCUboot image: it has 500 bytes, its header says at least 632"* ]]
	run "$POSTBOOTCTL" release inspect "$T/none"
	[ "$status" -eq 1 ]
	[[ $output == *"No such file"* ]]
	run "$POSTBOOTCTL" release inspect "$T"
	[ "$status" -eq 1 ]
	[[ $output == *"is no ordinary file"* ]]
}

upload() { # FILE VERSION [OPTION]...
	local file=$1 version=$2
	shift 2
	"$POSTBOOTCTL" release add p "$T/$file" --version "$version" "$@"
}

refused() { # TEXT FILE VERSION [OPTION]... : and nothing is left of it
	local text=$1
	shift
	run upload "$@"
	[ "$status" -eq 1 ]
	[[ $output == *"$text"* ]] || {
		echo "$output"
		false
	}
	[ -z "$(ls -A "$LAB/state/images")" ]
}

@test "release add: a wrong label, damage, other hardware and a wrong digest are refused" {
	lab_open
	server_start
	"$POSTBOOTCTL" product add p --hardware esp32s3-rev2 >/dev/null
	image mcuboot "$T/m" version=1.2.3
	head -c 650 "$T/m" >"$T/cut"
	image esp "$T/c3" chip=5 version=1.2.3
	refused 'the label is "1.2.4", but the image says that it is "1.2.3"' m 1.2.4
	refused 'the image is a damaged MCUboot image: it ends within its unprotected TLVs' cut 1.2.3
	refused 'the image is built for esp32c3, but the hardware of product "p" is "esp32s3-rev2"' c3 1.2.3
	refused "was given, but the image has mcuboot:" m 1.2.3 \
		--running "mcuboot:$(printf '00%.0s' {1..32})"

	image mcuboot "$T/n" version=2.0.0 counter=7
	refused "security_counter: 8 was given, but the image has 7" n 2.0.0 --security-counter 8
	upload n 2.0.0 >/dev/null
	[ "$("$POSTBOOTCTL" -o json release show p 2.0.0 | jq .requires.security_counter)" = 7 ]
	"$POSTBOOTCTL" release remove p 2.0.0 >/dev/null

	upload m 1.2.3 >/dev/null
	[ "$("$POSTBOOTCTL" -o json release show p 1.2.3 |
		jq -c '[.state, .rev, .image.format, .image.version, .label_anyway, (.running | length)]')" = \
		'["active",1,"mcuboot","1.2.3",null,2]' ]
	[ "$("$POSTBOOTCTL" -o json release show p 1.2.3 | jq -r '.running[1]')" = \
		"$("$POSTBOOTCTL" -o json release inspect "$T/m" | jq -r '.digests[0]')" ]
	# as release inspect says it
	diff <("$POSTBOOTCTL" -o json release show p 1.2.3 | jq -S .image) \
		<("$POSTBOOTCTL" -o json release inspect "$T/m" | jq -S 'del(.size, .damaged, .digests)')

	upload m pilot --label-anyway >/dev/null
	[ "$("$POSTBOOTCTL" -o json release show p pilot | jq .label_anyway)" = true ]
	[ "$("$POSTBOOTCTL" -o json audit list |
		jq -c '[.audit[] | select(.act == "release add") | .after | [.image_version, .label_anyway]] | sort')" = \
		'[["1.2.3",null],["1.2.3",true],["2.0.0",null]]' ]
	# what says nothing takes any label
	head -c 1000 /dev/urandom >"$T/r"
	upload r anything >/dev/null
	[ "$("$POSTBOOTCTL" -o json release show p anything | jq -r .image.format)" = plain ]
	# and it outlives a restart
	server_stop
	server_start
	[ "$("$POSTBOOTCTL" -o json release show p pilot | jq -r .image.version)" = 1.2.3 ]
}

@test "release states: a draft, a quarantine with its event, and the end" {
	lab_open
	server_start
	"$POSTBOOTCTL" product add p >/dev/null
	image mcuboot "$T/m" version=1.2.3
	upload m 1.2.3 --draft >/dev/null
	run "$POSTBOOTCTL" product target p 1.2.3
	[ "$status" -eq 1 ]
	[[ $output == *"release 1.2.3 is a draft; only an active one can be a target"* ]]
	"$POSTBOOTCTL" group add p g >/dev/null
	run "$POSTBOOTCTL" group target p g 1.2.3
	[ "$status" -eq 1 ]
	[[ $output == *"release 1.2.3 is a draft; only an active one can be a target"* ]]
	[ "$("$POSTBOOTCTL" release activate p 1.2.3)" = "Release 1.2.3 of product p is active." ]
	"$POSTBOOTCTL" product target p 1.2.3 >/dev/null
	"$POSTBOOTCTL" device add d --product p --plain >/dev/null
	"$POSTBOOTCTL" release quarantine p 1.2.3 --if-rev 2 >/dev/null
	wait_event 20 '.topic == "release/quarantined" and .data == "true" and .version == "1.2.3"'
	run "$POSTBOOTCTL" release withdraw p 1.2.3 --if-rev 2
	[ "$status" -eq 1 ]
	[[ $output == *"changed meanwhile"* ]]
	"$POSTBOOTCTL" release quarantine p 1.2.3 >/dev/null # again: nothing to do
	"$POSTBOOTCTL" release withdraw p 1.2.3 >/dev/null
	wait_event 20 '.topic == "release/quarantined" and .data == "false" and .state == "withdrawn"'
	run "$POSTBOOTCTL" release activate p 1.2.3
	[ "$status" -eq 1 ]
	[[ $output == *"release p 1.2.3 is withdrawn; that cannot become active"* ]]
	[ "$("$POSTBOOTCTL" -o json audit list | jq -c '[.audit[] | select(.object == "p 1.2.3")] | sort_by(.seq) | map(.act)')" = \
		'["release add","release activate","release quarantine","release withdraw"]' ]
	"$POSTBOOTCTL" release list p | grep -q withdrawn
}
