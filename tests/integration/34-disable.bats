#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Devices that an operator shuts out, and devices that change how they prove who they are. What
# every order of events comes to is in tests/scenario/disable*.scn and proof-changes.scn.

load lib
load ca

setup() {
	lab_open_ca
}

teardown() {
	lab_close
}

# shows ID FILTER: what jq says of the device.
shows() {
	ctl -o json device show "$1" | jq -e "$2" >/dev/null
}

metric() {
	curl -sS --unix-socket "$LAB/admin.sock" http://localhost/metrics | grep -q "^$1 $2\$"
}

at_least() {
	[ "$(curl -sS --unix-socket "$LAB/admin.sock" http://localhost/metrics | sed -n "s/^$1 //p")" -ge "$2" ]
}

# certified ID: a handshake of openssl with its certificate.
certified() {
	timeout 20 openssl s_client -dtls1_2 -connect "127.0.0.1:$SERVER_PORT" -cert "$CA/$1.pem" \
		-key "$CA/$1.key" -CAfile "$CA/ca.pem" "${@:2}" </dev/null 2>&1 || :
}

# in_log WORDS: a line of the log has them.
in_log() {
	grep -q -e "$1" "$LAB/postbootd.log"
}

@test "a disabled device is refused, with a key or a certificate, and comes back when it may" {
	release_add 1.1.0
	device_add argon-1
	ca_sign "$CA" argon-2 clientAuth
	ctl device add argon-2 --product argon --certificate >/dev/null
	device_start argon-1 1.0.0
	wait_device 30 argon-1 '.online'
	[[ $(ctl device disable argon-1) == "Device argon-1 is disabled. Now disabled,"* ]]
	[[ $(ctl device disable argon-1) == *"was disabled already."* ]]
	shows argon-1 '.state == "disabled" and .sessions == 0 and .online == false and (.disabled | type) == "string"'
	# It tries again and again, and is told; nobody is blamed for a wrong key.
	until_true 30 in_log 'session=refused reason=disabled identity="argon-1"$'
	until_true 30 at_least postboot_disabled_refused_total 1
	metric 'postboot_certificates_refused_total{reason="disabled"}' 0
	shows argon-1 '.sessions == 0'
	run ctl explain argon-1
	[[ $output == *"It is disabled: an operator shut it out"* ]]
	[[ $output == *"postbootctl device enable argon-1"* ]]
	[[ $output != *"wrong"* ]]
	ctl status | grep -q '2, 0 online, 0 held, 1 disabled$'
	[ "$(ctl device list --state disabled | awk 'NR == 2 { print $1 }')" = argon-1 ]
	ctl device show argon-1 | grep -q 'disabled .*: it is refused whenever it comes'

	[[ $(certified argon-2) == *"Verify return code: 0 (ok)"* ]]
	ctl device disable argon-2 >/dev/null
	[[ $(certified argon-2 -ign_eof) == *"access denied"* ]]
	until_true 10 in_log 'session=refused reason=disabled identity="argon-2"$'
	metric 'postboot_certificates_refused_total{reason="disabled"}' 1

	ctl product target argon 1.1.0 >/dev/null
	[[ $(ctl device enable argon-1) == *"may come again."* ]]
	[[ $(ctl device enable argon-1) == *"was not disabled."* ]]
	wait_device 60 argon-1 '.running.version == "1.1.0"'
	ctl -o json event list --device argon-1 | jq -e '[.events[] | select(.topic | endswith("device/disabled")) | .data] == ["true", "false"]'
	ctl -o json audit list --object argon-1 | jq -e '[.audit[] | select(.act == "device disable")] | length == 1'
}

@test "a disabled device with a session ticket gets no further than one without" {
	ca_sign "$CA" argon-1 clientAuth
	ctl device add argon-1 --product argon --certificate >/dev/null
	certified argon-1 -sess_out "$LAB/session" >/dev/null
	ctl device disable argon-1 >/dev/null
	[[ $(certified argon-1 -sess_in "$LAB/session" -ign_eof) == *"access denied"* ]]
	until_true 10 in_log 'session=refused reason=disabled identity="argon-1"$'
}

@test "a device goes from its key to a certificate and back" {
	device_add argon-1
	ca_sign "$CA" argon-1 clientAuth
	device_start argon-1 1.0.0
	wait_device 30 argon-1 '.online'
	[[ $(certified argon-1 -ign_eof) == *"access denied"* ]]
	[[ $(ctl device certificate argon-1) == "Device argon-1 proves itself with a certificate."* ]]
	[[ $(ctl device certificate argon-1) == *"had a certificate already."* ]]
	shows argon-1 '.certificate and .keys == null and .sessions == 0'
	# The key opens nothing any more; the certificate does.
	until_true 30 in_log 'handshake=failed reason=unknown-device identity="argon-1"$'
	[[ $(certified argon-1) == *"Verify return code: 0 (ok)"* ]]
	run ctl device key argon-1 --psk-generate
	[ "$status" -eq 1 ]
	[[ $output == *"it has a certificate"*"--now"* ]]
	run ctl device key argon-1 --drop-next --now
	[ "$status" -eq 2 ]

	# Back, with the key that the device still has.
	[[ $(ctl device key argon-1 --psk-file "$LAB/argon-1.psk" --now) == *"nothing else counts any more."* ]]
	wait_device 60 argon-1 '.sessions == 1'
	shows argon-1 '.certificate == null and (.keys | length) == 1'
	[[ $(certified argon-1 -ign_eof) == *"access denied"* ]]
	until_true 10 in_log 'session=refused reason=key-device identity="argon-1"$'
	ctl -o json audit list --object argon-1 | jq -e '.audit[-2:] | map(.act) == ["device certificate", "device key"]'
	ctl audit verify >/dev/null
}
