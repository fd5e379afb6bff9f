#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Devices with certificates (RFC 7252 9.1.3.3, RFC 7925 4.4), beside devices with keys.

load lib
load ca

setup() {
	lab_open_ca
}

teardown() {
	lab_close
}

@test "a device with a certificate is updated, beside one with a key" {
	release_add 1.1.0
	certified_add argon-1
	device_add argon-2
	[ "$(ctl -o json device show argon-1 | jq .certificate)" = true ]
	certified_start argon-1 1.0.0
	device_start argon-2 1.0.0
	wait_device 30 argon-1 '.online'
	wait_device 30 argon-2 '.online'
	mark
	ctl product target argon 1.1.0 >/dev/null
	[ "$(verdict "$(closed argon-1 60)" .verdict)" = updated ]
	[ "$(verdict "$(closed argon-2 60)" .verdict)" = updated ]
}

# shake NAME [OPTION...]: one handshake of openssl with the certificate $CA/NAME.pem.
shake() {
	local name=$1
	shift
	timeout 20 openssl s_client -dtls1_2 -connect "127.0.0.1:$SERVER_PORT" -cert "${DIR:-$CA}/$name.pem" \
		-key "${DIR:-$CA}/$name.key" -CAfile "$CA/ca.pem" "$@" </dev/null 2>&1 || :
}

# denied NAME: the handshake ends well, and the session with an alert.
denied() {
	[[ $(shake "$1" -ign_eof) == *"access denied"* ]]
}

# let_in NAME: the newest session is this one's.
let_in() {
	local before
	before=$(refusals)
	[[ $(shake "$1") == *"Verify return code: 0 (ok)"* ]]
	[ "$(refusals)" -eq "$before" ]
}

# In the order of arrival: what came before this command has been seen.
refusals() {
	ctl status >/dev/null || :
	grep -c -E '(handshake=failed|session=refused)' "$LAB/postbootd.log" || :
}

# refused REASON IDENTITY: the newest line of the log about a handshake says so.
refused() {
	logged() {
		grep -E '(handshake=failed|session=refused)' "$LAB/postbootd.log" | tail -n 1 |
			grep -q -E "reason=$1 identity=\"$2\"\$"
	}
	until_true 10 logged "$1" "$2" || {
		tail -n 5 "$LAB/postbootd.log" >&2
		return 1
	}
}

reload() {
	local count
	count=$(grep -c '^<[36]>reload=' "$LAB/postbootd.log" || :)
	kill -HUP "$SERVER_PID"
	more() {
		[ "$(grep -c '^<[36]>reload=\(done\|failed\)' "$LAB/postbootd.log")" -gt "$1" ]
	}
	until_true 10 more "$count"
}

@test "every suite is served, and the server shows its certificate" {
	certified_add argon-1
	local suite out
	for suite in CCM8 CCM GCM-SHA256; do
		out=$(shake argon-1 -cipher "ECDHE-ECDSA-AES128-$suite")
		[[ $out == *"Cipher is ECDHE-ECDSA-AES128-$suite"* ]]
		[[ $out == *"Verify return code: 0 (ok)"* ]]
		[[ $out != *"access denied"* ]]
	done
	out=$(shake argon-1 -curves X25519:P-256)
	[[ $out == *"Verify return code: 0 (ok)"* ]]
	out=$(timeout 20 gnutls-cli --udp -p "$SERVER_PORT" 127.0.0.1 --x509cafile "$CA/ca.pem" \
		--x509certfile "$CA/argon-1.pem" --x509keyfile "$CA/argon-1.key" --no-ca-verification \
		--priority NORMAL:-VERS-ALL:+VERS-DTLS1.2 </dev/null 2>&1 || :)
	[[ $out == *"Handshake was completed"* ]]
	[ "$(ctl -o json status | jq .handshakes.failed)" -eq 0 ]
}

@test "who signed it, when, and what is in it decides: each refusal says why" {
	certified_add argon-1
	device_add argon-2
	ca_new "$LAB/other" "/CN=Test CA"
	ca_sign "$LAB/other" argon-1 clientAuth
	DIR=$LAB/other shake argon-1 >/dev/null
	refused unknown-ca argon-1

	ca_sign "$CA" ended clientAuth /CN=argon-1 "" -startdate 20200101000000Z -enddate 20210101000000Z
	[[ $(shake ended) == *"certificate expired"* ]]
	refused expired argon-1
	ca_sign "$CA" early clientAuth /CN=argon-1 "" -startdate 20480101000000Z -enddate 20490101000000Z
	shake early >/dev/null
	refused not-yet-valid argon-1

	ca_sign "$CA" nobody clientAuth /CN=argon-9
	denied nobody
	refused unknown-device argon-9
	ca_sign "$CA" keyed clientAuth /CN=argon-2
	denied keyed
	refused key-device argon-2

	# A server's certificate does not make a client.
	ca_sign "$CA" wrong-use serverAuth /CN=argon-1
	shake wrong-use >/dev/null
	refused unsupported argon-1
	CURVE=P-384 ca_sign "$CA" large clientAuth /CN=argon-1
	shake large >/dev/null
	refused '(unsupported|no-certificate|alert)' '(argon-1)?'
	KEY=rsa:2048 ca_sign "$CA" rsa clientAuth /CN=argon-1
	# Who shows none is not told; openssl would ask again and again.
	given_up() {
		(exec openssl s_client -dtls1_2 -connect "127.0.0.1:$SERVER_PORT" "$@" </dev/null >/dev/null 2>&1 3>&-) &
		local asking=$!
		refused no-certificate ""
		stop "$asking"
		: >"$LAB/postbootd.log"
	}
	: >"$LAB/postbootd.log"
	given_up -cert "$CA/rsa.pem" -key "$CA/rsa.key"
	given_up

	# What it says: a URN of the alternative names, else a DNS name of them, else the common name.
	ca_sign "$CA" two clientAuth /CN=argon-9 DNS:argon-1,DNS:argon-2
	shake two >/dev/null
	refused no-identity ""
	ca_sign "$CA" dns clientAuth /CN=argon-9 "DNS:argon-1,URI:https://example.com/argon-2"
	let_in dns
	ctl device add urn:dev:mac:0024befffe804ff1 --product argon --certificate >/dev/null
	ca_sign "$CA" urn clientAuth /CN=argon-9 DNS:argon-8,URI:urn:dev:mac:0024befffe804ff1
	let_in urn

	# Each is counted, and nobody came in who was refused.
	[ "$(ctl -o json status | jq .sessions)" -le 2 ]
	local metrics
	metrics=$(curl -sS --unix-socket "$LAB/admin.sock" http://localhost/metrics)
	for reason in unknown-ca expired not-yet-valid unknown-device key-device no-identity; do
		grep -q "^postboot_certificates_refused_total{reason=\"$reason\"} 1\$" <<<"$metrics"
	done
}

@test "a session ticket (RFC 5077) takes the place of the certificate for a while" {
	certified_add argon-1
	shake argon-1 -sess_out "$LAB/session" >/dev/null
	[[ $(shake argon-1 -sess_in "$LAB/session") == *"Reused, TLSv1.2"* ]]
	curl -sS --unix-socket "$LAB/admin.sock" http://localhost/metrics |
		grep -q '^postboot_handshakes_resumed_total 1$'
	# The device's record decides then, too.
	ctl device remove argon-1 >/dev/null
	[[ $(shake argon-1 -sess_in "$LAB/session" -ign_eof) == *"access denied"* ]]
	refused unknown-device argon-1
	ctl device add argon-1 --product argon --certificate >/dev/null
	# Whom we believe has changed: the ticket is worth nothing.
	ca_new "$LAB/other"
	cat "$CA/ca.pem" "$LAB/other/ca.pem" | ctl product ca argon - >/dev/null
	[[ $(shake argon-1 -sess_in "$LAB/session") == *"New, TLSv1.2"* ]]
}

@test "the certificates of postbootd(8) are good ones" {
	mkdir "$LAB/man"
	sed -n '/^.Sh CERTIFICATES OF DEVICES/,/^.Sh BACKUP/p' "$TOP_SRCDIR/man/postbootd.8" |
		awk '/^.Bd -literal/ { inside = 1; next } /^.Ed/ { inside = 0 } inside' |
		sed 's/\\e$/\\/' >"$LAB/man/recipe.sh"
	[ "$(grep -c openssl "$LAB/man/recipe.sh")" -eq 3 ]
	postbootctl() {
		ctl "$@"
	}
	cd "$LAB/man"
	. ./recipe.sh >/dev/null 2>recipe.log
	cp server.pem "$CA/server.pem"
	cp server.key "$CA/server.key"
	cp ca.pem "$CA/ca.pem"
	cd - >/dev/null
	reload
	CA=$LAB/man let_in argon-7
	CA=$LAB/man certified_start argon-7 1.0.0
	wait_device 30 argon-7 '.online'
}

@test "a CA signs for its own product's devices alone" {
	certified_add argon-1
	ca_new "$LAB/other" "/CN=Test CA"
	ctl product add boron >/dev/null
	ctl product ca boron "$LAB/other/ca.pem" >/dev/null
	ctl device add boron-1 --product boron --certificate >/dev/null
	ca_sign "$LAB/other" argon-1 clientAuth
	ca_sign "$LAB/other" boron-1 clientAuth
	DIR=$LAB/other denied argon-1
	refused other-product argon-1
	DIR=$LAB/other let_in boron-1
	let_in argon-1

	# Both may sign, while a CA is replaced; then the old one is taken away.
	cat "$CA/ca.pem" "$LAB/other/ca.pem" | ctl product ca argon - | grep -q 'has 2 CA certificates'
	DIR=$LAB/other let_in argon-1
	let_in argon-1
	ctl product ca argon "$LAB/other/ca.pem" >/dev/null
	shake argon-1 >/dev/null
	refused unknown-ca argon-1
	ctl product ca argon none | grep -q 'has 0 CA certificates'
	DIR=$LAB/other denied argon-1
	refused other-product argon-1
}

# ended REASON IDENTITY: the log says that a session that was up has ended.
ended() {
	until_true 10 grep -q "session=ended reason=$1 identity=\"$2\"\$" "$LAB/postbootd.log"
}

# hold NAME [OPTION...]: a session of openssl that stays until the server ends it; its process is
# $HELD.
hold() {
	local name=$1
	shift
	mkfifo "$LAB/$name.fifo"
	openssl s_client -dtls1_2 -connect "127.0.0.1:$SERVER_PORT" -cert "${DIR:-$CA}/$name.pem" \
		-key "${DIR:-$CA}/$name.key" -CAfile "$CA/ca.pem" "$@" \
		<>"$LAB/$name.fifo" >"$LAB/$name.out" 2>&1 3>&- &
	HELD=$!
}

sessions() {
	[ "$(ctl -o json status | jq .sessions)" -eq "$1" ]
}

@test "sessions end when the CA of their product does" {
	certified_add argon-1
	certified_add argon-2
	device_add argon-3
	hold argon-1
	hold argon-2
	device_start argon-3 1.0.0
	wait_device 30 argon-3 '.online'
	until_true 20 sessions 3
	ca_new "$LAB/other"
	ctl product ca argon "$LAB/other/ca.pem" >/dev/null
	ended unknown-ca argon-1
	ended unknown-ca argon-2
	until_true 20 sessions 1
	wait "$HELD" || : # it was told
	ctl -o json device show argon-3 | jq -e '.sessions == 1'
	curl -sS --unix-socket "$LAB/admin.sock" http://localhost/metrics |
		grep -q '^postboot_certificates_refused_total{reason="unknown-ca"} 2$'
}

@test "a revoked CA between ends the sessions of those it signed, and of nobody else" {
	certified_add argon-1
	ctl device add argon-2 --product argon --certificate >/dev/null
	ca_between "$CA" "$LAB/between" factory-1
	ca_sign "$LAB/between" argon-2 clientAuth
	DIR=$LAB/between hold argon-2 -cert_chain "$LAB/between/ca.pem"
	hold argon-1
	until_true 20 sessions 2
	ca_revoke "$CA" factory-1
	echo "crl-file = $CA/crl.pem" >>"$LAB/postbootd.conf"
	reload
	ended revoked argon-2
	until_true 20 sessions 1
	[[ $(DIR=$LAB/between shake argon-2 -cert_chain "$LAB/between/ca.pem") == *"certificate revoked"* ]]
	refused revoked argon-2
	let_in argon-1
}

@test "revoked certificates are refused once the list is there; a bad file keeps the old one" {
	certified_add argon-1
	certified_add argon-2
	ca_revoke "$CA" argon-1
	certified_start argon-1 1.0.0
	wait_device 30 argon-1 '.online'
	echo "crl-file = $CA/crl.pem" >>"$LAB/postbootd.conf"
	reload
	grep -q 'certificate=.* crls=1 revoked=1$' "$LAB/postbootd.log"
	ended revoked argon-1
	device_stop argon-1
	[[ $(shake argon-1) == *"certificate revoked"* ]]
	refused revoked argon-1
	let_in argon-2

	echo nonsense >"$CA/crl.pem"
	reload
	tail -n 3 "$LAB/postbootd.log" |
		grep -q "^<3>reload=failed certificate=\"$CA/crl.pem\" error=\"no list of revoked"
	shake argon-1 >/dev/null
	refused revoked argon-1

	# A list that somebody else has signed revokes nobody.
	ca_new "$LAB/other" "/CN=Test CA"
	cp "$CA/index.txt" "$LAB/other/"
	openssl ca -config "$LAB/other/ca.conf" -gencrl -out "$CA/crl.pem" 2>/dev/null
	reload
	grep -q "^<4>crl-file=$CA/crl.pem error=\"1 of its lists are signed by no CA" "$LAB/postbootd.log"
	let_in argon-1
}

@test "the server's own certificate: reload, a bad file, and its end" {
	certified_add argon-1
	[ "$(ctl -o json status | jq -c '[.warnings[] | select(test("certificate"))]')" = "[]" ]
	cp "$CA/server.pem" "$CA/good.pem"
	echo nonsense >"$CA/server.pem"
	reload
	tail -n 3 "$LAB/postbootd.log" |
		grep -q "^<3>reload=failed certificate=\"$CA/server.pem\" error=\"no certificate"
	[[ $(shake argon-1) == *"Verify return code: 0"* ]]
	ca_sign "$CA" other serverAuth
	cp "$CA/other.pem" "$CA/server.pem"
	reload
	tail -n 3 "$LAB/postbootd.log" |
		grep -q "^<3>reload=failed certificate=\"$CA/server.key\" error=\"it does not belong to"
	cp "$CA/good.pem" "$CA/server.pem"
	cp "$CA/good.pem" "$CA/keep.pem"
	[[ $(shake argon-1) == *"Verify return code: 0"* ]]

	# It ends within 30 days; has ended; by our clock has not begun.
	warned() {
		ctl -o json status | jq -e --arg text "$1" '[.warnings[] | select(contains($text))] | length == 1'
	}
	ca_sign "$CA" server serverAuth /CN=server "" -days 20
	reload
	until_true 10 warned "the server's certificate ends at"
	ca_sign "$CA" server serverAuth /CN=server "" -startdate 20200101000000Z -enddate 20210101000000Z
	reload
	until_true 10 warned "the server's certificate ended at"
	ca_sign "$CA" server serverAuth /CN=server "" -startdate 20480101000000Z -enddate 20490101000000Z
	ca_sign "$CA" early clientAuth /CN=argon-1 "" -startdate 20480101000000Z -enddate 20490101000000Z
	reload
	until_true 10 warned "the server's certificate begins only at"
	shake early >/dev/null
	refused server-clock argon-1
}

@test "what cannot be a CA of a product is refused with a reason" {
	for text in nonsense "" "$(cat "$CA/ca.key")"; do
		printf '%s' "$text" >"$LAB/bad.pem"
		run ctl product ca argon "$LAB/bad.pem"
		[ "$status" -eq 1 ]
		[[ $output == *"pem: "* ]]
	done
	openssl req -x509 -newkey rsa:2048 -nodes -days 10 -subj /CN=rsa -keyout "$LAB/rsa.key" \
		-out "$LAB/rsa.pem" 2>/dev/null
	run ctl product ca argon "$LAB/rsa.pem"
	[ "$status" -eq 1 ]
	[[ $output == *"certificate 1 has no ECDSA key on P-256"* ]]
	for _ in 1 2 3 4 5 6 7 8 9; do
		cat "$CA/ca.pem"
	done >"$LAB/many.pem"
	run ctl product ca argon "$LAB/many.pem"
	[ "$status" -eq 1 ]
	[[ $output == *"more than 8 certificates"* ]]
	ctl -o json product show argon | jq -e '.ca.certificates == 1'
	run ctl product ca argon "$LAB/none.pem"
	[ "$status" -eq 1 ]
}

@test "a start with a bad certificate fails and says which file" {
	server_stop
	echo nonsense >"$CA/server.key"
	run timeout 30 "$POSTBOOTD" -t -c "$LAB/postbootd.conf"
	[ "$status" -eq 1 ]
	[[ $output == *"$CA/server.key: no private key"* ]]
	run timeout 30 "$POSTBOOTD" -c "$LAB/postbootd.conf"
	[ "$status" -eq 1 ]
	grep -q "^<3>start=failed certificate=\"$CA/server.key\" error=\"no private key.*do=" <<<"$output"
	# The credential goes before the file.
	mkdir "$LAB/credentials"
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 10 -subj /CN=s \
		-keyout "$LAB/credentials/postboot-certificate-key" -out "$CA/server.pem" 2>/dev/null
	CREDENTIALS_DIRECTORY=$LAB/credentials "$POSTBOOTD" -t -c "$LAB/postbootd.conf"
}

# padded FILE BYTES: with empty lines behind it, so many bytes in all.
padded() {
	head -c "$(($2 - $(stat -c %s "$1")))" /dev/zero | tr '\0' '\n' | cat "$1" - >"$LAB/padded"
	cp "$LAB/padded" "$1"
	[ "$(stat -c %s "$1")" -eq "$2" ]
}

# LIMIT_CERTIFICATE_FILE, LIMIT_CRL_FILE
@test "files at their limit and one byte beyond it" {
	server_stop
	ca_revoke "$CA" server
	echo "crl-file = $CA/crl.pem" >>"$LAB/postbootd.conf"
	for row in server.pem:16384:"16 KiB" server.key:16384:"16 KiB" crl.pem:1048576:"1 MiB"; do
		IFS=: read -r file limit words <<<"$row"
		cp "$CA/$file" "$LAB/before"
		padded "$CA/$file" "$limit"
		"$POSTBOOTD" -t -c "$LAB/postbootd.conf"
		padded "$CA/$file" $((limit + 1))
		run timeout 30 "$POSTBOOTD" -t -c "$LAB/postbootd.conf"
		[ "$status" -eq 1 ]
		[[ $output == *"$CA/$file: it is larger than $words"* ]]
		cp "$LAB/before" "$CA/$file"
	done
}

@test "the CAs of a product at their limit and one byte beyond it" {
	cp "$CA/ca.pem" "$LAB/bundle.pem"
	padded "$LAB/bundle.pem" 16384 # LIMIT_CA_BUNDLE
	ctl product ca argon "$LAB/bundle.pem"
	ctl -o json product show argon >"$LAB/shown"
	padded "$LAB/bundle.pem" 16385
	run ctl product ca argon "$LAB/bundle.pem"
	[ "$status" -eq 1 ]
	[[ $output == *"larger than 16 KiB"* ]]
	jq -R -s '{pem: .}' "$LAB/bundle.pem" >"$LAB/body"
	[ "$(curl -sS -o "$LAB/answer" -w '%{http_code}' --unix-socket "$POSTBOOT_SOCKET" -X PUT \
		-H 'Content-Type: application/json' --data-binary "@$LAB/body" \
		http://localhost/v1/products/argon/ca)" = 400 ]
	jq -e '.detail == "pem: longer than 16384 bytes"' "$LAB/answer"
	ctl -o json product show argon | diff "$LAB/shown" -
}

@test "a crowd that comes back at once is let in, the second time by its tickets" {
	mkdir "$LAB/crowd"
	"$TOP_BUILDDIR/tests/load/postboot-crowd" make "$LAB/crowd"
	cp "$LAB/crowd/server.pem" "$LAB/crowd/server.key" "$CA/"
	reload
	ctl product ca argon "$LAB/crowd/ca.pem" >/dev/null
	for i in 1 2 3 4 5; do
		ctl device add "crowd-$i" --product argon --certificate >/dev/null
	done
	run "$TOP_BUILDDIR/tests/load/postboot-crowd" run "$LAB/crowd" "$SERVER_PORT" 5 2
	echo "$output"
	[ "$status" -eq 0 ]
	[ "$(grep -c '^up=5 ' <<<"$output")" -eq 2 ]
	curl -sS --unix-socket "$LAB/admin.sock" http://localhost/metrics |
		grep -q '^postboot_handshakes_resumed_total 5$'
}
