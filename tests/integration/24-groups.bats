#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Groups of a product, and devices that are left alone: real programs. What each source of a target
# comes to is in tests/unit/test_plan.c.

load lib

setup() {
	lab_open
	server_start
	product_add
	release_add 1.0.0
	release_add 1.1.0
	release_add 1.2.0
}

teardown() {
	lab_close
}

# shows ID FILTER: what jq says of the device.
shows() {
	ctl -o json device show "$1" | jq -e "$2" >/dev/null
}

@test "groups: two groups of a product get two releases, the others that of the product" {
	ctl product target argon 1.0.0 >/dev/null
	[ "$(ctl group add argon pilot --target 1.2.0)" = "Group pilot of product argon created; target 1.2.0." ]
	[ "$(ctl group add argon early)" = "Group early of product argon created; target the product's." ]
	for n in 1 2 3; do device_add "argon-$n"; done
	[[ $(ctl device group argon-1 pilot) == "Device argon-1 is in group pilot. Now new,"*"should run 1.2.0." ]]
	ctl device group argon-2 early >/dev/null
	for n in 1 2 3; do device_start "argon-$n" 1.0.0; done
	wait_device 30 argon-2 '.state == "in-sync"'
	wait_device 30 argon-3 '.state == "in-sync"'
	[[ $(ctl group target argon early 1.1.0) == *"changed; target 1.1.0." ]]
	wait_device 60 argon-1 '.state == "in-sync" and .running.version == "1.2.0" and .target.why == "group"'
	wait_device 60 argon-2 '.state == "in-sync" and .running.version == "1.1.0" and .group == "early"'
	shows argon-3 '.running.version == "1.0.0" and .target.why == "product" and .last_attempt == null'
	[[ $(ctl explain argon-1 | tr "\n" " ") == "argon-1 runs 1.2.0, as it should (target of group pilot of product argon)."* ]]
	ctl device show argon-2 | grep -q "should run  1.1.0  because it is the group's target"
	ctl device show argon-2 | grep -q '^  group       early$'
	# without a target of its own, a group has that of the product
	ctl group target argon early none >/dev/null
	wait_device 60 argon-2 '.state == "in-sync" and .running.version == "1.0.0" and .target.why == "product"'
}

@test "groups: a lock goes before the group, and a development device is left alone" {
	ctl group add argon pilot --target 1.2.0 >/dev/null
	ctl product target argon 1.1.0 >/dev/null
	for n in 1 2; do device_add "argon-$n"; done
	ctl device group argon-1 pilot >/dev/null
	ctl device lock argon-1 1.1.0 >/dev/null
	[[ $(ctl device development argon-2) == "Device argon-2 is a development device. Now new,"* ]]
	[[ $(ctl device development argon-2) == *"was a development device already."* ]]
	for n in 1 2; do device_start "argon-$n" 1.0.0; done
	wait_device 60 argon-1 '.state == "in-sync" and .running.version == "1.1.0" and .target.why == "lock"'
	wait_device 30 argon-2 '.state == "no-target" and .running.version == "1.0.0"'
	ctl device group argon-2 pilot >/dev/null
	shows argon-2 '.development and .group == "pilot" and .target == null'
	[[ $(ctl explain argon-2 | tr "\n" " ") == "argon-2 runs 1.0.0 and has no target: it is a development device, which only a lock reaches."* ]]
	ctl -o json explain argon-2 | jq -e '.blocked_by[] | select(.name == "no-target").clear ==
		"postbootctl device lock argon-2 VERSION, or postbootctl device production argon-2"'
	[ "$(ctl -o json attempt list --device argon-2 | jq '.attempts | length')" -eq 0 ]
	ctl device lock argon-2 1.1.0 >/dev/null
	wait_device 60 argon-2 '.state == "in-sync" and .running.version == "1.1.0"'
	ctl device unlock argon-2 >/dev/null
	shows argon-2 '.state == "no-target"'
	[[ $(ctl device production argon-2) == *"is no longer a development device."* ]]
	wait_device 60 argon-2 '.state == "in-sync" and .running.version == "1.2.0"'
}

@test "groups: a device that moves while it downloads is brought to where it is now" {
	ctl group add argon a --target 1.1.0 >/dev/null
	ctl group add argon b --target 1.2.0 >/dev/null
	for n in 1 2; do
		device_add "argon-$n"
		ctl device group "argon-$n" a >/dev/null
		device_start "argon-$n" 1.0.0 --fault delay:20
	done
	wait_device 60 argon-1 '.attempt.state == "transferring" and .attempt.version == "1.1.0"'
	ctl device group argon-1 b >/dev/null
	wait_event 30 '.device == "argon-1" and .verdict == "superseded" and .charged == false'
	wait_device 90 argon-1 '.state == "in-sync" and .running.version == "1.2.0"'
	# who stayed was not disturbed
	wait_device 90 argon-2 '.state == "in-sync" and .running.version == "1.1.0"'
	[ "$(ctl -o json attempt list --device argon-2 | jq '.attempts | length')" -eq 1 ]
}

@test "groups: a new target supersedes the group's downloads, and only these" {
	ctl group add argon a --target 1.1.0 >/dev/null
	ctl product target argon 1.1.0 >/dev/null
	for n in 1 2; do device_add "argon-$n"; done
	ctl device group argon-1 a >/dev/null
	for n in 1 2; do device_start "argon-$n" 1.0.0 --fault delay:20; done
	wait_device 60 argon-1 '.attempt.state == "transferring"'
	ctl group target argon a 1.2.0 >/dev/null
	wait_event 30 '.device == "argon-1" and .verdict == "superseded"'
	wait_device 90 argon-1 '.state == "in-sync" and .running.version == "1.2.0"'
	wait_device 90 argon-2 '.state == "in-sync" and .running.version == "1.1.0"'
	[ "$(ctl -o json attempt list --device argon-2 | jq '.attempts | length')" -eq 1 ]
}

@test "groups: what is refused, what is told, what the log has" {
	ctl product add blinky >/dev/null
	ctl group add blinky lab >/dev/null
	ctl group add argon pilot --target 1.1.0 >/dev/null
	device_add argon-1
	refused() { # WORDS COMMAND...
		run ctl "${@:2}"
		echo "$output"
		[ "$status" -eq 1 ]
		[[ $output == *"$1"* ]]
	}
	refused 'product "argon" has no group "lab"' device group argon-1 lab
	refused "has a group of this name already" group add argon pilot
	refused "has a meaning of its own" group add argon none
	refused 'has no release "9"' group add argon x --target 9
	refused 'has no group "x"' group show argon x
	refused 'no product "x"' group add x y
	refused "group pilot targets it" release remove argon 1.1.0
	ctl device group argon-1 pilot >/dev/null
	refused "devices are in the group" group remove argon pilot
	[[ $(ctl group set argon pilot name=early) == "Group early of product argon changed;"* ]]
	refused "revision" group target argon early none --if-rev 1
	ctl group target argon early 1.2.0 --if-rev 2 >/dev/null
	shows argon-1 '.group == "early" and .target.version == "1.2.0"'
	ctl device add argon-2 --product argon --group early --development --plain >/dev/null
	ctl -o json group show argon early | jq -e '.devices == 2 and .rev == 3'
	[ "$(ctl group list | awk 'NR > 1 { print $1, $2, $3 }')" = $'blinky lab the\nargon early 1.2.0' ]
	[ "$(ctl group list argon | wc -l)" -eq 2 ]
	# a restart counts and places them again
	server_stop
	server_start
	ctl -o json group show argon early | jq -e '.devices == 2'
	shows argon-2 '.group == "early" and .development'
	ctl device group argon-1 none >/dev/null
	ctl device remove argon-2 >/dev/null
	ctl -o json group show argon early | jq -e '.devices == 0'
	[ "$(ctl group remove argon early)" = "Group early of product argon removed." ]
	ctl release remove argon 1.1.0
	[ "$(ctl -o json audit list --object 'argon pilot' | jq -c '[.audit[].act]')" = '["group add","group set"]' ]
	[ "$(ctl -o json audit list --object argon-1 | jq -c '[.audit[] | [.act, .after.group]]')" = \
		'[["device add",null],["device group","pilot"],["device ungroup",null]]' ]
	ctl audit verify
}

@test "groups: tags, filters and saved queries find devices" {
	for n in 1 2 3 4; do device_add "argon-$n"; done
	ctl group add argon pilot >/dev/null
	ctl device group argon-2 pilot >/dev/null
	ctl device development argon-3 >/dev/null
	[[ $(ctl device tag argon-1 lab site=berlin) == "Device argon-1 is tagged. Now new,"*"Its tags: lab, site=berlin." ]]
	[[ $(ctl device tag argon-1 lab) == *"had these tags already."* ]]
	ctl device tag argon-2 lab >/dev/null
	ctl device tag argon-3 site=berlin >/dev/null
	found() { ctl -o json device list "$@" | jq -r '[.devices[].id | ltrimstr("argon-")] | join(" ")'; }
	[ "$(found)" = "1 2 3 4" ]
	[ "$(found tag=lab)" = "1 2" ]
	[ "$(found --tag site=berlin)" = "1 3" ]
	[ "$(found tag=lab tag!=site=berlin)" = 2 ]
	[ "$(found 'tag!=lab')" = "3 4" ]
	[ "$(found group=pilot)" = 2 ]
	[ "$(found --group none product=argon)" = "1 3 4" ]
	[ "$(found --development)" = 3 ]
	[ "$(found development=no state=new)" = "1 2 4" ]
	[[ $(ctl query save berlin tag=site=berlin) == "Query berlin saved: tag=site=berlin" ]]
	ctl query save lab tag=lab product=argon >/dev/null
	[ "$(found --query berlin)" = "1 3" ]
	[ "$(found --query berlin development!=yes)" = 1 ]
	[ "$(ctl query show lab)" = "Query lab: tag=lab product=argon" ]
	[ "$(ctl query list | awk 'NR > 1 { print $1 }' | paste -s -d ' ')" = "berlin lab" ]
	run ctl device list --query nothing
	[[ $status -eq 1 && $output == *'no saved query "nothing"'* ]]
	run ctl device list colour=red
	[[ $status -eq 1 && $output == *'"colour" is no condition; there are product, group, tag,'* ]]
	run ctl query save x group=nothing
	[[ $status -eq 1 && $output == *'there is no group "nothing"'* ]]
	ctl device show argon-1 | grep -q '^  tags        lab, site=berlin$'
	ctl device list | grep -q '^argon-1 .*  lab,site=berlin'
	[ "$(ctl device list --columns tags,id | sed -n 3p)" = "argon-2  lab" ]
	run ctl device list --columns id,tag
	[[ $status -eq 2 && $output == *'not "tag"'* ]]
	ctl device untag argon-1 lab >/dev/null
	[[ $(ctl device untag argon-2 lab) == *"It has no tags." ]]
	ctl device tag argon-2 lab >/dev/null
	[ "$(found --query lab)" = 2 ]
	# one too many
	run ctl device tag argon-4 $(seq 17)
	[[ $status -eq 1 && $output == *"1 to 16 tags"* ]]
	ctl device tag argon-4 $(seq 16) >/dev/null
	run ctl device tag argon-4 17
	[[ $status -eq 1 && $output == *"at most 16 tags"* ]]
	api() { curl -sS -g --unix-socket "$POSTBOOT_SOCKET" "http://localhost$1"; }
	# who comes, changes and goes is found at once; nobody fits: one page that is the last
	device_add argon-0
	ctl device hold argon-4 >/dev/null
	[ "$(found hold=any) $(found state=held)" = "4 4" ]
	[ "$(found state!=held)" = "0 1 2 3" ]
	ctl device lock argon-2 1.0.0 >/dev/null
	[ "$(found locked=yes)/$(found locked=no online=no)" = "2/0 1 3 4" ]
	ctl device unlock argon-2 >/dev/null
	ctl device unhold argon-4 >/dev/null
	[ "$(found hold=any)$(found locked=yes)$(found version=9.9.9)$(found state=in-sync)" = "" ]
	[ "$(api '/v1/devices?hold=any')" = '{"devices":[]}' ]
	# a page ends between two; these go, others come, and the next begins where it should
	next=$(api '/v1/devices?online=no&limit=2' | jq -r .next)
	[ "$next" = argon-1 ]
	ctl device remove argon-0 >/dev/null
	device_add argon-10
	[ "$(api "/v1/devices?online=no&limit=9&after=$next" |
		jq -r '[.devices[].id | ltrimstr("argon-")] | join(" ")')" = "10 2 3 4" ]
	ctl device remove argon-10 >/dev/null
	# what was saved outlives a restart, a tag goes with its device
	server_stop
	server_start
	[ "$(found --query berlin)" = "1 3" ]
	ctl device remove argon-3 >/dev/null
	[ "$(found --query berlin)" = 1 ]
	ctl query remove berlin >/dev/null
	[ "$(ctl -o json audit list --object argon-1 | jq -c '[.audit[] | select(.act | endswith("tag")) | [.act, .before.tags, .after.tags]]')" = \
		'[["device tag",null,["lab","site=berlin"]],["device untag",["lab","site=berlin"],["site=berlin"]]]' ]
	[ "$(ctl -o json audit list --object berlin | jq -c '[.audit[].act]')" = '["query save","query remove"]' ]
}
