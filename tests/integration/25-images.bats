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

# Keys once for all cases here: RSA keys take their time.
setup_file() {
	local k=$BATS_FILE_TMPDIR
	openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$k/ec" 2>/dev/null
	openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$k/other" 2>/dev/null
	openssl genpkey -algorithm ED25519 -out "$k/ed" 2>/dev/null
	openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out "$k/rsa" 2>/dev/null
	openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:3072 -out "$k/rsa3072" 2>/dev/null
	for i in ec other ed rsa rsa3072; do
		openssl pkey -in "$k/$i" -pubout -out "$k/$i.pub"
	done
}

detached() { # KEY FILE: a signature of the file's SHA-256
	if [ "$1" = ed ]; then
		openssl dgst -sha256 -binary "$2" >"$T/hash"
		openssl pkeyutl -sign -rawin -inkey "$BATS_FILE_TMPDIR/ed" -in "$T/hash"
	else
		openssl dgst -sha256 -sign "$BATS_FILE_TMPDIR/$1" "$2"
	fi
}

@test "release inspect --key: who has signed it, in the image and beside it" {
	local k=$BATS_FILE_TMPDIR i file
	export POSTBOOT_SOCKET=$T/nobody.sock
	for i in ec ed rsa rsa3072; do
		image mcuboot "$T/$i" key="$k/$i" counter=3
		"$POSTBOOTCTL" release inspect "$T/$i" --key "$k/other.pub" --key "$k/$i.pub" |
			grep -qx "  signed by   $k/$i.pub"
		run "$POSTBOOTCTL" release inspect "$T/$i" --key "$k/other.pub"
		[ "$status" -eq 1 ]
		[[ $output == *"but by none of the signers; tried: other.pub (ecdsa-p256)."* ]]
		# changed after it was signed, the hash made anew: the key is known, the signature wrong
		image mcuboot "$T/bad" key="$k/$i" over=something
		run "$POSTBOOTCTL" release inspect "$T/bad" --key "$k/$i.pub"
		[ "$status" -eq 1 ]
		[[ $output == *"signature names the key of $i.pub, but is not of these bytes"* ]]
	done
	image esp "$T/esp" key="$k/rsa3072"
	image mcuboot "$T/pure" key="$k/ed" pure=1
	image mcuboot "$T/encrypted" key="$k/ec" flags=4
	for file in esp:rsa3072 pure:ed; do
		[ "$("$POSTBOOTCTL" -o json release inspect "$T/${file%:*}" --key "$k/${file#*:}.pub" |
			jq -r .signed_by)" = "$k/${file#*:}.pub" ]
	done
	run "$POSTBOOTCTL" release inspect "$T/encrypted" --key "$k/ec.pub"
	[ "$status" -eq 1 ]
	[[ $output == *"it is encrypted, and its signature is of what is inside"* ]]

	head -c 1000 /dev/urandom >"$T/plain"
	for i in ec ed rsa rsa3072; do
		detached "$i" "$T/plain" >"$T/$i.sig"
		base64 "$T/$i.sig" >"$T/$i.b64"
		for file in "$T/$i.sig" "$T/$i.b64"; do
			"$POSTBOOTCTL" release inspect "$T/plain" --key "$k/$i.pub" --signature "$file" >/dev/null
		done
		run "$POSTBOOTCTL" release inspect "$T/ec" --key "$k/$i.pub" --signature "$T/$i.sig"
		[ "$status" -eq 1 ]
		[[ $output == *"is not of this file by any of its signers"* ]]
	done
	run "$POSTBOOTCTL" release inspect "$T/plain" --key "$k/ec"
	[ "$status" -eq 1 ]
	[[ $output == *"$k/ec: it is a private key, which nobody but its owner may have"* ]]
	run "$POSTBOOTCTL" release inspect "$T/plain" --signature "$T/ec.sig"
	[ "$status" -eq 1 ]
	[[ $output == *"say with --key by whom it is to be"* ]]
	run "$POSTBOOTCTL" release inspect "$T/plain" --key "$k/ec.pub" --signature "$k/ed"
	[ "$status" -eq 1 ]
	[[ $output == *"$k/ed: it is no signature"* ]]
}

@test "signers: only what one of them has signed, where the product wants that" {
	local k=$BATS_FILE_TMPDIR i
	lab_open
	server_start
	"$POSTBOOTCTL" product add p >/dev/null
	image mcuboot "$T/m" version=1.0.0
	image mcuboot "$T/s" version=1.1.0 key="$k/ec"
	image mcuboot "$T/r" version=1.2.0 key="$k/rsa"
	image mcuboot "$T/bad" version=1.3.0 key="$k/ec" over=something
	head -c 1000 /dev/urandom >"$T/plain"
	detached ed "$T/plain" >"$T/sig"

	# without the policy: what is signed by a signer is told, what is wrongly signed refused
	refused "there is no key to check it with" plain x --signature "$T/sig"
	[[ $("$POSTBOOTCTL" signer add p ci "$k/ec.pub") == \
		"Signer ci of product p added: ecdsa-p256, key "*. ]]
	"$POSTBOOTCTL" signer add p ed - <"$k/ed.pub" >/dev/null
	refused "names the key of ci, but is not of these bytes" bad 1.3.0
	refused "signature: the signature that was given (64 bytes) is not of this file" m 1.0.0 --signature "$T/sig"
	[[ $(upload s 1.1.0 --draft) == *", signed by ci" ]]
	"$POSTBOOTCTL" release show p 1.1.0 |
		grep -qx "  signed by   ci, key $("$POSTBOOTCTL" -o json signer show p ci | jq -r .key)"
	upload m 1.0.0 --draft >/dev/null
	[ "$("$POSTBOOTCTL" -o json release show p 1.0.0 | jq -c '[.signed_by, .signed_key]')" = '[null,null]' ]

	"$POSTBOOTCTL" product set p require-signature=1 >/dev/null
	for i in "m 2.0.0 --label-anyway" "plain y"; do
		# shellcheck disable=SC2086
		run upload $i
		[ "$status" -eq 1 ]
		[[ $output == *'takes only what one of its signers has signed (require-signature); this image is not: it has no signature: sign it'* ]]
	done
	run upload r 1.2.0
	[ "$status" -eq 1 ]
	[[ $output == *"it is signed (rsa-2048, by a key with the hash "*"), but by none of the signers; tried: ci (ecdsa-p256), ed (ed25519). Sign it"* ]]
	upload plain z --signature "$T/sig" >/dev/null
	[ "$("$POSTBOOTCTL" -o json release show p z | jq -r .signed_by)" = ed ]
	run "$POSTBOOTCTL" release activate p 1.0.0
	[ "$status" -eq 1 ]
	[[ $output == *"release 1.0.0 is not signed, and product p takes only what one of its signers has signed"* ]]
	# a key that is gone activates nothing any more
	[ "$("$POSTBOOTCTL" signer remove p ci)" = \
		"$(printf 'Signer ci of product p removed.\nWhat it has signed stays as it is: 1.1.0.')" ]
	"$POSTBOOTCTL" -o json explain release p 1.1.0 |
		jq -e '.signatures | startswith("signer ci had signed it, with key ")
			and contains("has been removed since")'
	run "$POSTBOOTCTL" release activate p 1.1.0
	[ "$status" -eq 1 ]
	[[ $output == *"release 1.1.0 is signed by ci with key "*", which is no signer of product p any more"* ]]
	[ "$("$POSTBOOTCTL" -o json release show p 1.1.0 | jq -r .signed_by)" = ci ]
	server_stop
	server_start
	"$POSTBOOTCTL" signer add p again "$k/ec.pub" >/dev/null # the same key, by whatever name
	"$POSTBOOTCTL" release activate p 1.1.0 >/dev/null
	[ "$("$POSTBOOTCTL" -o json signer show p again | jq -c .releases)" = '["1.1.0"]' ]
	[ "$("$POSTBOOTCTL" -o json audit list | jq -c '[.audit[] | select(.act | startswith("signer"))] | sort_by(.seq) | map([.act, .object, (.after // .before).kind])')" = \
		'[["signer add","p ci","ecdsa-p256"],["signer add","p ed","ed25519"],["signer remove","p ci","ecdsa-p256"],["signer add","p again","ecdsa-p256"]]' ]
	[ "$("$POSTBOOTCTL" -o json audit list --object "p z" | jq -r '.audit[0].after.signed_by')" = ed ]
}

@test "signers: what is no public key, too many of them, and one twice" {
	local k=$BATS_FILE_TMPDIR i
	lab_open
	server_start
	"$POSTBOOTCTL" product add p >/dev/null
	run "$POSTBOOTCTL" signer add p ci "$k/ec"
	[ "$status" -eq 1 ]
	[[ $output == *"$k/ec: it is a private key"*"nothing of it was kept"* ]]
	# past the tool, too: it is not kept, nor told to anybody
	jq -n --rawfile pem "$k/ec" '{name: "ci", pem: $pem}' |
		curl -s --unix-socket "$POSTBOOT_SOCKET" -H "Content-Type: application/json" -d @- \
			http://localhost/v1/products/p/signers >"$T/answer"
	jq -e '.status == 400 and (.detail | startswith("pem: it is a private key"))' "$T/answer"
	grep -v -e ----- "$k/ec" | head -n 1 >"$T/secret"
	run grep -r -a -f "$T/secret" "$LAB/state" "$T/answer"
	[ "$status" -eq 1 ]
	head -c 65536 /dev/zero | tr '\0' A >"$T/big"
	run "$POSTBOOTCTL" signer add p ci "$T/big"
	[ "$status" -eq 1 ]
	[[ $output == *"it is longer than 4096 bytes"* ]]
	"$POSTBOOTCTL" signer add p ci "$k/ec.pub" >/dev/null
	run "$POSTBOOTCTL" signer add p ci "$k/ed.pub"
	[ "$status" -eq 1 ]
	[[ $output == *"a signer of this name already"* ]]
	run "$POSTBOOTCTL" signer add p cj "$k/ec.pub"
	[ "$status" -eq 1 ]
	[[ $output == *"the product has this key already, as signer ci"* ]]
	run "$POSTBOOTCTL" signer remove p nobody
	[ "$status" -eq 1 ]
	[[ $output == *'product "p" has no signer "nobody"'* ]]
	for i in {2..17}; do
		# Ed25519 is any 32 bytes
		{ printf '\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00' && printf "%032d" "$i"; } |
			base64 | sed '1i-----BEGIN PUBLIC KEY-----' | sed '$a-----END PUBLIC KEY-----' >"$T/k"
		run "$POSTBOOTCTL" signer add p "k$i" "$T/k"
	done
	[ "$status" -eq 1 ] # the 17th
	[[ $output == *"the product has 16 signers, as many as it may have; remove one first"* ]]
	[ "$("$POSTBOOTCTL" -o json signer list p | jq '.signers | length')" = 16 ]
	[ "$("$POSTBOOTCTL" complete signer k1 p | wc -l)" = 7 ]
	"$POSTBOOTCTL" signer list p | grep -q "^ci  *ecdsa-p256"
}
