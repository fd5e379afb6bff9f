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
