#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# LwM2M devices that say one thing and run another. What counts is /3/0/3 of a boot after Execute.

load lib
load aside

setup_file() {
	aside_start deadline result boot reset example
}

teardown_file() {
	aside_stop
}

setup_case() {
	server_start
	product_add stall-s=60
	release_add 1.0.0
	release_add 1.1.0
	ctl product target argon 1.1.0 >/dev/null
	ctl product set argon --protocol-option lwm2m-boot-count=/33000/0/0 \
		--protocol-option lwm2m-poll=5 >/dev/null
}

# devices: starts one for each line of ID VERDICT OPTION..., all at once, and holds their verdicts
# against what the lines want; a third word "reason=R" is its reason. ATTEMPT[ID] are their numbers.
declare -gA ATTEMPT
devices() {
	local id wanted options reason bad=0
	local -A want=()
	while read -r id wanted options; do
		want[$id]=$wanted
		device_add "$id"
		# shellcheck disable=SC2086
		device_start "$id" 1.0.0 --protocol lwm2m --interval ${INTERVAL:-20} $options
	done
	for id in "${!want[@]}"; do
		ATTEMPT[$id]=$(closed "$id" 150)
		wanted=$(verdict "${ATTEMPT[$id]}" '"\(.verdict) \(.reason)"')
		reason=${want[$id]#*:}
		[[ ${wanted% *} =~ ^(${want[$id]%:*})$ ]] &&
			{ [ "$reason" = "${want[$id]}" ] || [ "${wanted#* }" = "$reason" ]; } && continue
		echo "$id: $wanted, not ${want[$id]}" >&2
		ctl attempt show "${ATTEMPT[$id]}" >&2
		cat "$LAB/$id.log" >&2
		bad=1
	done
	return "$bad"
}

said() { # ID WORDS: in what is shown of its attempt
	ctl attempt show "${ATTEMPT[$1]}" | grep -q "$2"
}

case_deadline() {
	# What is heard within three looks after Execute does not count.
	ctl product set argon stall-s=$((12 * SLOWER)) --protocol-option lwm2m-poll=2 >/dev/null
	INTERVAL=2
	devices <<-END
		early-result never-rebooted --fault early-result
		old-image reverted --fault liar:old-image
		no-reboot never-rebooted|unproven --fault liar:no-reboot --vendor-object 33000
		stuck-1 transfer-stalled --fault stuck-state:1
		stalled transfer-stalled --fault stuck-state:1 --fault no-notify
		stuck-2 never-rebooted --fault stuck-state:2
		stuck-3 never-rebooted --fault stuck-state:3
		blocked never-rebooted --fault never-reboot
		gone never-came-back --fault never-return
	END
	[ "$(count_events '.data == "success"')" -eq 0 ]
	said old-image 'LwM2M result 1'
	diagnosed "${ATTEMPT[blocked]}" reset-blocked
	diagnosed "${ATTEMPT[stuck-3]}" reset-blocked
	ctl -o json attempt show "${ATTEMPT[stuck-3]}" |
		jq -e '.diagnoses[] | select(.name == "reset-blocked") |
			.facts | endswith("; it says: LwM2M State 3 (updating)")'
}

@test "lwm2m: what is said without a boot into the image is no success, and the deadline tells" {
	aside deadline
}

case_result() {
	devices <<-END
		bad-flash device-failed:bad-digest --fault bad-flash:70000
		no-space device-failed|refused:no-space --slot-size 100000
		no-fetch device-failed --fault no-fetch
		no-room device-failed:no-space --fault fail-download:2
		no-room-push device-failed:no-space --fault fail-download:2 --delivery push
		rejected device-failed --fault bootloader-reject
		record-lost reverted --fault fs-full:1 --style anjay
		leaves reverted --fault liar:old-image --until reverted --until reported
		leaves-full device-failed --fault fs-full:2 --until reverted --until reported
	END
	[ "$(count_events '.data == "success"')" -eq 0 ]
	said bad-flash 'LwM2M result 5: integrity check failed'
	said rejected 'LwM2M result 8'
	for id in no-room no-room-push; do
		said "$id" 'LwM2M result 2: not enough flash memory for the package'
		[ "$(verdict "${ATTEMPT[$id]}" .code)" -eq 2 ]
	done
	[ "$(verdict "${ATTEMPT[no-room]}" '.served_bytes > 0 and .served_bytes < .size')" = true ]
	[ "$(verdict "${ATTEMPT[no-fetch]}" .served_bytes)" -eq 0 ]
	diagnosed "${ATTEMPT[no-fetch]}" cached-image
	diagnosed "${ATTEMPT[record-lost]}" storage-full
	ctl -o json attempt show "${ATTEMPT[record-lost]}" |
		jq -e '.diagnoses[0].facts | contains("it says that it is out of memory")'
}

@test "lwm2m: a Result that fits the failure is told with its number, in the words of Postboot" {
	aside result
}

again() { # N: so many registrations after its second boot
	[ "$(sed -n '/boot #2/,$p' "$LAB/registers.log" | grep -c 'registered as')" -ge "$1" ]
}

case_boot() {
	devices <<-END
		result-8 updated --fault wrong-result:8
		result-0 updated --fault wrong-result:0
		state-1 updated --fault boot-state:1
		no-notify updated --fault no-notify
		registers updated --fault re-register:1 --fault double-register
		no-pull updated --fault fail-download:9
		cut updated --fault power-cut:100000 --fault brown-out:after --vendor-object 33000
	END
	grep -q 'offered by push' "$LAB/no-pull.log"
	[ "$(verdict "${ATTEMPT[cut]}" .interruptions)" -ge 1 ]
	[ "$(count_events '.device == "cut" and .data == "started"')" -eq 1 ]
	until_true 20 again 4
	[ "$(count_events '.device == "registers" and .topic == "device/boot"')" -eq 2 ]
}

@test "lwm2m: whatever Result, State and registrations say, it runs the image after a boot" {
	aside boot
}

case_reset() {
	device_add lw-1
	device_start lw-1 1.0.0 --protocol lwm2m --interval 20 --fault brown-out:before
	wait_event 60 '.verdict == "updated"'
}

@test "lwm2m: a reset after Execute that changed nothing, and the next attempt" {
	aside reset
}

case_example() {
	device_add meter-3
	cp "$LAB/meter-3.psk" "$LAB/meter-3.key"
	awk '/^\.Bd/ { inside = 1; text = ""; next } /^\.Ed/ { inside = 0 } inside { text = text $0 "\n" }
		END { printf "%s", text }' "$TOP_SRCDIR/man/postboot-device.1" |
		sed "s/\\\\e$/\\\\/; s,coaps://127.0.0.1,$SERVER_URI,; s,postboot-device,timeout 60 $POSTBOOT_DEVICE," \
			>"$LAB/example"
	grep -q 'protocol lwm2m' "$LAB/example"
	(cd "$LAB" && sh -eu example)
}

@test "lwm2m: the example of postboot-device(1)" {
	aside example
}
