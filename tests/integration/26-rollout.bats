#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Rollouts with real devices: waves, gates, halts, and the way back.

load lib

setup() {
	lab_open
	server_start
	product_add
	release_add 1.0.0
	release_add 1.1.0
	ctl product target argon 1.0.0
}

teardown() {
	lab_close
}

# fleet_add PREFIX COUNT [OPTION...]: one process with so many devices that run 1.0.0, and are
# all there when it returns.
fleet_add() {
	local prefix=$1 count=$2 i id key
	shift 2
	for ((i = 1; i <= count; i++)); do
		id=$(printf '%s-%05d' "$prefix" "$i")
		key=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
		echo "$id:$key" >>"$LAB/$prefix.keys"
		ctl device add "$id" --product argon --psk-file - <<<"$key" >/dev/null
	done
	"$POSTBOOT_DEVICE" --server "$SERVER_URI" --id "$prefix" --count "$count" \
		--psk-list "$LAB/$prefix.keys" --state "$LAB/$prefix" --hardware argon \
		--version 1.0.0 --image "$LAB/1.0.0.bin" --interval 1 --boot-time 300 "$@" \
		>"$LAB/$prefix.log" 2>&1 3>&- &
	# shellcheck disable=SC2004,SC2034 # lab_close uses it
	DEVICE_PID[$prefix]=$!
	until_true 60 fleet_there "$prefix" "$count"
}

fleet_there() {
	[ "$(ctl -o json device list | jq --arg p "$1-" \
		'[.devices[] | select((.id | startswith($p)) and .running)] | length')" -eq "$2" ]
}

rollout_is() { # FILTER [NAME]
	ctl -o json rollout show argon "${2-1.1.0}" | jq -e --arg me "$(id -un)" "$1"
}

# rollout_becomes SECONDS FILTER [NAME]
rollout_becomes() {
	until_true "$1" rollout_is "$2" "${3-1.1.0}" || {
		ctl rollout show argon "${3-1.1.0}" >&2
		return 1
	}
}

# Who runs a version, sorted.
running() {
	ctl -o json device list | jq -r --arg v "$1" \
		'.devices[] | select(.running.version == $v) | .id' | sort
}

everybody_runs() { # VERSION COUNT
	[ "$(running "$1" | wc -l)" -eq "$2" ]
}

# The members of the first N waves, sorted.
wave_members() {
	ctl -o json rollout devices argon 1.1.0 | jq -r --argjson n "$1" \
		'.devices[] | select(.wave <= $n) | .device' | sort
}

@test "rollout: wave by wave, with a gate, and nobody else before" {
	fleet_add good 20
	ctl rollout add argon 1.1.0 --waves 1,25%,gate,100% soak-s=0
	rollout_is '.state == "draft" and .members == 0'
	ctl rollout start argon 1.1.0
	rollout_becomes 60 '.wait == "gate"'
	ctl -o json status | jq -e '.rollouts | .open == 1 and .stopped == 1 and (.list[0]
		| .product == "argon" and .name == "1.1.0" and .wait == "gate"
			and .advice == "postbootctl rollout next argon 1.1.0")'
	run eval "ctl status | tr -s ' \n' ' '"
	[[ $output == *"- rollout argon/1.1.0, since "*" UTC: wave 3 opens on an operator's word do: postbootctl rollout next argon 1.1.0 "*" rollouts 1 open, 1 stopped "* ]]
	rollout_is '.members == 20 and .released == 5 and .results.updated == 5
		and [.wave_list[].members] == [1, 4, 15]'
	[ "$(running 1.1.0)" = "$(wave_members 2)" ]
	other=$(ctl -o json rollout devices argon 1.1.0 | jq -r '[.devices[] | select(.wave == 3).device][0]')
	ctl -o json explain "$other" | jq -e '.blocked_by | map(.name) | index("wave-not-reached")'
	run ctl rollout remove argon 1.1.0
	[ "$status" -eq 1 ]
	ctl rollout next argon 1.1.0
	rollout_becomes 60 '.state == "done"'
	[ "$(running 1.1.0 | wc -l)" -eq 20 ]
	[ "$(ctl -o json device show good-00001 | jq -r .target.why)" = rollout ]
	# what a restart finds is what there was
	ctl -o json rollout show argon 1.1.0 >"$LAB/before"
	server_stop
	server_start
	rollout_becomes 20 '.counted'
	diff <(jq 'del(.since)' "$LAB/before") <(ctl -o json rollout show argon 1.1.0 | jq 'del(.since)')
	run ctl release remove argon 1.1.0
	[ "$status" -eq 1 ]
	[[ $output == *"rollout 1.1.0 brings it"* ]]
}

@test "rollout: a bad release is halted in its first wave, and later waves never see it" {
	fleet_add bad 20 --fault bootloader-reject
	ctl rollout add argon 1.1.0 --waves 20%,100%
	ctl rollout start argon 1.1.0
	rollout_becomes 60 '.state == "halted" and .why == "failures"'
	rollout_is '.released == 4 and .open_waves == 1'
	# nobody is offered it any more
	stopped=$(ctl -o json attempt list --limit 1000 | jq '.attempts | length')
	first=$(wave_members 1)
	ctl -o json explain "$(head -n 1 <<<"$first")" |
		jq -e '.blocked_by | map(.name) | index("rollout-paused")'
	wait_event 20 '.topic == "rollout/state" and .state == "halted" and .why == "failures"'
	# why it halted is one cause, told with one of those that have it
	ctl -o json explain rollout argon 1.1.0 | jq -e '.cause as $c | $c.devices >= 1
		and ($c.diagnosis == "boot-loader-rejected")
		and (.summary | contains("boot-loader-rejected: "))
		and (.next_steps[0] | endswith("postbootctl explain " + $c.device))'
	device_stop bad
	[ "$(ctl -o json attempt list --limit 1000 | jq '.attempts | length')" -eq "$stopped" ]
	[ -z "$(comm -13 <(echo "$first") <(ctl -o json attempt list --limit 1000 |
		jq -r '.attempts[] | select(.version == "1.1.0").device' | sort -u))" ]
	# what was seen is not held against it again
	ctl rollout resume argon 1.1.0
	rollout_is '.state == "running" and .why == null'
	ctl rollout abort argon 1.1.0
	rollout_is '.state == "aborted" and .ended_by == $me and .why == null and .halted_why == null'
	run ctl rollout resume argon 1.1.0
	[ "$status" -eq 1 ]
	[[ $output == *"it was aborted"* ]]
}

@test "rollout: halt-quarantine takes the release from everybody, and the server says so" {
	fleet_add bad 4 --fault bootloader-reject
	ctl rollout add argon 1.1.0 --waves 50%,100% halt-quarantine=1
	ctl rollout add argon 1.1.0 --name later --start-at 2090-01-01T00:00:00Z
	ctl rollout add argon 1.1.0 --name draft
	ctl rollout start argon later
	ctl rollout start argon 1.1.0
	rollout_becomes 60 '.state == "halted" and .why == "failures"'
	ctl -o json release show argon 1.1.0 | jq -e '.state == "quarantined"'
	ctl rollout show argon 1.1.0 | grep 'it has halted: too many devices failed'
	ctl rollout show argon 1.1.0 | grep 'postbootctl release activate argon 1.1.0, then postbootctl rollout resume'
	ctl -o json audit list --object "argon 1.1.0" | jq -e '[.audit[]
		| select(.act == "release quarantine")] | length == 1 and (.[0]
		| .who == "postbootd" and .before.state == "active"
			and .after.state == "quarantined" and .after.rollout == "1.1.0"
			and .after.why == "failures")'
	wait_event 20 '.topic == "release/quarantined" and .version == "1.1.0"'
	ctl event list --topic rollout/state | grep -q '  1.1.0 of product argon: halted, failures$'
	ctl event list --topic release/quarantined | grep -q 'release 1.1.0 of product argon is quarantined$'
	# the others that bring it stand still, too, and none can go on
	rollout_becomes 20 '.state == "halted" and .why == "release"' later
	for rollout in 1.1.0 later; do
		run ctl rollout resume argon "$rollout"
		[ "$status" -eq 1 ]
		[[ $output == *"release 1.1.0 is quarantined; only an active one can be a target"* ]]
	done
	run ctl rollout start argon draft
	[ "$status" -eq 1 ]
	[[ $output == *"release 1.1.0 is quarantined"* ]]
	# active again, it goes on, and what was seen quarantines it no more
	ctl release activate argon 1.1.0
	ctl rollout resume argon later
	rollout_is '.state == "scheduled"' later
	device_stop bad
	ctl rollout resume argon 1.1.0
	rollout_is '.state == "running" and .why == null'
	# by an operator's hand it is the same
	ctl release withdraw argon 1.1.0
	rollout_becomes 20 '.state == "halted" and .why == "release"'
	rollout_becomes 20 '.state == "halted" and .why == "release"' later
	ctl -o json audit list --object "argon 1.1.0" |
		jq -e '[.audit[] | select(.act == "release quarantine")] | length == 1'
}

@test "rollout: by tags, of this product only" {
	fleet_add good 5
	ctl product add other >/dev/null
	ctl device add stranger --product other --psk-file - <<<00112233445566778899aabbccddeeff >/dev/null
	for id in good-00002 good-00003 good-00004 stranger; do
		ctl device tag "$id" pilot >/dev/null
	done
	ctl device tag good-00003 broken >/dev/null
	ctl rollout add argon 1.1.0 --waves 100% --filter 'tag=pilot tag!=broken' join=1
	ctl -o json rollout plan argon 1.1.0 | jq -e '.selected == 2 and .offers == 2'
	ctl rollout start argon 1.1.0
	rollout_becomes 60 '.members == 2 and .results.updated == 2'
	[ "$(running 1.1.0 | paste -s -d ' ')" = "good-00002 good-00004" ]
	ctl rollout finish argon 1.1.0
	# all but those
	ctl rollout add argon 1.1.0 --name rest --waves 100% --filter 'tag!=pilot'
	ctl -o json rollout plan argon rest | jq -e '.selected == 2 and .elsewhere == 0'
	ctl rollout start argon rest
	rollout_becomes 60 '.state == "done" and .members == 2 and .results.updated == 2' rest
	# a later one that takes all of them takes no results with it
	ctl rollout add argon 1.0.0 --name back --waves 100%
	ctl rollout start argon back
	rollout_becomes 20 '.members == 5' back
	rollout_is '.members == 2 and .released == 2 and .results.updated == 2 and .left == 2
		and .ended_by == $me' | grep -x true
	ctl rollout show argon 1.1.0 | grep "^  *state  *done by $(id -un)$"
	ctl rollout show argon 1.1.0 | grep -x 'Of them in a later rollout now, or removed: 2.'
	ctl rollout show argon rest | grep 'why  *2 of 2 devices run the release; '
}

@test "rollout: abort brings back whom it has updated" {
	fleet_add good 6
	ctl rollout add argon 1.1.0 --waves 50%,gate,100% soak-s=0
	ctl rollout start argon 1.1.0
	rollout_becomes 60 '.wait == "gate" and .results.updated == 3'
	ctl rollout abort argon 1.1.0
	ctl -o json status | jq -e '.rollouts == {open: 0, stopped: 0, list: []}'
	until_true 60 everybody_runs 1.0.0 6
	ctl rollout remove argon 1.1.0
	ctl -o json rollout list argon | jq -e '.rollouts == []'
}

@test "rollout: without any target abort brings back what ran before, and who has nothing is told" {
	ctl product target argon none
	fleet_add good 2
	ctl rollout add argon 1.1.0 --waves 100% soak-s=3600
	ctl -o json rollout plan argon 1.1.0 | jq -e '.no_return == 0'
	ctl rollout start argon 1.1.0 >"$LAB/out"
	[ "$(cat "$LAB/out")" = 'Rollout 1.1.0 of product argon is running.' ]
	until_true 60 everybody_runs 1.1.0 2
	ctl rollout abort argon 1.1.0
	until_true 60 everybody_runs 1.0.0 2
	ctl -o json device show good-00001 | jq -e '.target == {version: "1.0.0", why: "return"}'
	ctl explain good-00001 | tr -s ' \n' ' ' |
		grep 'rollout 1.1.0 was aborted, and that is what it ran before'
	# whose target it is loses that only if that is meant
	run ctl rollout remove argon 1.1.0
	[ "$status" -eq 1 ]
	[[ $output == *"2 devices have their target from it, and would lose that: "* ]]
	ctl rollout remove argon 1.1.0 --yes
	ctl release withdraw argon 1.0.0
	ctl rollout add argon 1.1.0 --name blind --waves 100%
	ctl rollout plan argon blind | grep '^2 of them would have nothing to go back to'
	run eval "ctl rollout start argon blind | tr -s ' \n' ' '"
	[[ $output == *" 2 of them would have nothing to go back to if it were aborted: "*" To set one: postbootctl product target argon VERSION"* ]]
}

@test "rollout: paused, nothing new is offered; resumed, it goes on, at its rate" {
	fleet_add good 5
	ctl rollout add argon 1.1.0 --waves 100% rate=600
	ctl rollout start argon 1.1.0
	rollout_becomes 20 '.released >= 1'
	ctl rollout pause argon 1.1.0
	reached=$(ctl -o json rollout show argon 1.1.0 | jq .released)
	run ctl rollout pause argon 1.1.0
	[ "$status" -eq 1 ]
	[[ $output == *"it is paused already"* ]]
	rollout_is ".released == $reached"
	ctl rollout resume argon 1.1.0
	rollout_becomes 60 '.state == "done" and .results.updated == 5'
}

@test "rollout: a kill at any moment loses nothing" {
	fleet_add good 12
	ctl rollout add argon 1.1.0 --waves 2,50%,100% soak-s=0
	ctl rollout start argon 1.1.0
	for _ in 1 2 3 4 5; do
		kill -9 "$SERVER_PID"
		wait "$SERVER_PID" || :
		server_start
	done
	# One that takes long to come back may count as silent; it is updated all the same.
	rollout_becomes 120 '.state == "done" and .released == 12 and .members == 12
		and .results.failed + .results.reverted == 0'
	until_true 120 everybody_runs 1.1.0 12
}

@test "rollout: a dry run tells whom it would reach, who is refused, and what it costs" {
	fleet_add good 4
	device_add argon-1
	device_add argon-2
	ctl device hold good-00001
	ctl device lock good-00002 1.0.0
	run ctl rollout add argon 1.1.0 --filter group=nosuch
	[[ $status -eq 1 && $output == *'the product has no group "nosuch"'* ]]
	ctl rollout add argon 1.1.0 --waves 50%,gate,100% rate=60 soak-s=60 approval=1
	ctl -o json rollout plan argon 1.1.0 >"$LAB/plan"
	jq -e '.selected == 6 and .offers == 2 and .locked == 1 and .elsewhere == 0
		and .blocked.held == 1 and .blocked["no-baseline"] == 2' "$LAB/plan"
	jq -e --argjson size "$IMAGE_BYTES" '.forecast | .bytes == 2 * $size
		and [.waves[].members] == [3, 3] and .seconds == 2 * 62
		and ([.airtime[].link] | index("nb-iot") != null)
		and .approval and [.waves[] | "\(.wave) \(.size) \(.soak_seconds) \(.then)"]
			== ["1 50% 60 gate", "2 100% 60 end"]
		and all(.airtime[]; .seconds >= 1)' "$LAB/plan"
	ctl rollout plan argon 1.1.0 >"$LAB/plan.text"
	grep -x 'Before wave 1 somebody else than its author must approve it.' "$LAB/plan.text"
	grep -x '1: 50% .* 1 min 2 s  *soak 1 min 0 s, gate' "$LAB/plan.text"
	grep -x '2: 100% .* 1 min 2 s  *soak 1 min 0 s, end' "$LAB/plan.text"
	ctl rollout plan argon 1.1.0 | grep -x '6 devices are selected; 2 would be offered the release now.'
	# one of the two waits for a window that opens in four days
	ctl device set good-00003 windows="$(LC_ALL=C date -u -d '4 days' +%a) 00:00-23:59"
	ctl rollout plan argon 1.1.0 --days 2 >"$LAB/plan.text"
	grep -x '6 devices are selected; 1 would be offered the release now, 1 when their windows open.' "$LAB/plan.text"
	grep -x 'No window in the next 2 days: 1 device, good-00003.' "$LAB/plan.text"
	grep -x '1  *[0-9-]* 00:00  *UTC  *... 00:00-23:59' "$LAB/plan.text"
	ctl -o json rollout plan argon 1.1.0 | jq -e '.offers == 1 and .later == 1 and .no_window.devices == 0
		and .forecast.offers == 2 and .forecast.seconds > 3 * 86400
		and .forecast.ends == .forecast.waves[1].ends and .forecast.begins == .forecast.waves[0].opens'
	# a group downloads no faster than it may
	ctl group add argon slow
	ctl group set argon slow image-rate=10K
	ctl device group good-00004 slow
	ctl rollout add argon 1.1.0 --name slow --waves 100% --filter group=slow soak-s=0
	ctl rollout plan argon slow --dry-run >"$LAB/plan.text"
	grep '^1: 100%  *1  *1  *245,760 .* 24.0 s' "$LAB/plan.text"
	run ctl rollout plan argon 1.1.0 --days 0
	[[ $status -eq 2 && $output == *days* ]]
	rollout_is '.state == "draft" and .members == 0'
	[ "$(ctl -o json attempt list --open | jq '.attempts | length')" -eq 0 ]
}

# The examples of postboot-rollout(7), with what they wait for between them.
@test "rollout: the examples of its page work" {
	ctl product add bare >/dev/null
	while read -r line; do
		echo "$line"
		[[ $line != *" next "* ]] || rollout_becomes 20 '.why == "empty" or .wait == "gate"'
		[[ $line != *" next "* ]] || rollout_is '.wait == "gate"' || continue
		eval "${line/postbootctl/ctl}"
	done < <(awk '/^\.Bd -literal/ { inside = 1; next } /^\.Ed/ { inside = 0 } inside' \
		"$TOP_SRCDIR/man/postboot-rollout.7" | sed -e ':a' -e '/\\e$/N; s/\\e\n//; ta' |
		sed 's/group=lab/online=yes/')
	ctl -o json rollout list argon | jq -e '[.rollouts[].name] | sort == ["1.1.0", "lab"]'
}

@test "man: every setting of postboot-rollout(7) has its default and its range" {
	sed -n '/^\.Sh SETTINGS/,/^\.Sh EXAMPLES/s/^\.It Cm \([a-z_]*\) No (\([0-9]*\) to \(.*\), default \([0-9]*\))$/\1 \4 \2 \3/p' \
		"$TOP_SRCDIR/man/postboot-rollout.7" | sed 's/a year$/31622400/' >"$LAB/settings"
	ctl rollout add argon 1.1.0
	ctl -o json rollout show argon 1.1.0 | jq -r '.settings | to_entries[] | "\(.key) \(.value)"' |
		sort >"$LAB/true"
	diff "$LAB/true" <(cut -d ' ' -f 1,2 "$LAB/settings" | sort)
	while read -r name _ least most; do
		ctl rollout add argon 1.1.0 --name "a-$name" "$name=$least" >/dev/null
		ctl rollout add argon 1.1.0 --name "b-$name" "$name=$most" >/dev/null
		run ctl rollout add argon 1.1.0 --name "c-$name" "$name=$((most + 1))"
		[ "$status" -ne 0 ]
		[[ $output == *"must be a whole number from $least to $most"* ]]
	done <"$LAB/settings"
}

@test "rollout: what is wrong is told, with the command's name" {
	for bad in "--waves 50%" "--waves 10%,5%,100%" "--filter nonsense=1" "--filter state=held" \
		"rate=-1" "nonsense=1" "--start-at yesterday"; do
		# shellcheck disable=SC2086
		run ctl rollout add argon 1.1.0 $bad
		echo "$bad: $output"
		[ "$status" -ne 0 ]
		[[ $output == *"rollout add: "* ]]
	done
	run ctl rollout add argon 9.9.9
	[ "$status" -eq 1 ]
	ctl rollout add argon 1.1.0
	run ctl rollout add argon 1.1.0
	[[ $output == *"give it another one"* ]]
	run ctl rollout next argon 1.1.0
	[[ $output == *"it has not been started"* ]]
	run ctl rollout start argon 2.2.2
	[ "$status" -eq 1 ]
	# six that need an operator's word: status tells five, the halted one first
	for name in a b c d e; do
		ctl rollout add argon 1.1.0 --name "$name" --start-at 2090-01-01T00:00:00Z
		ctl rollout start argon "$name"
		ctl rollout pause argon "$name"
	done
	ctl rollout start argon 1.1.0 # nobody is there
	rollout_becomes 20 '.state == "halted" and .why == "empty"'
	ctl -o json status | jq -e '.health == "ok" and (.rollouts | .open == 6 and .stopped == 6
		and [.list[] | .name + " " + .state] == ["1.1.0 halted", "a paused", "b paused",
			"c paused", "d paused"] and .list[0].why == "empty")'
	ctl status | grep -x '    and 1 more: postbootctl rollout list PRODUCT'
	ctl -o json audit list --object "argon 1.1.0" | jq -e '[.audit[].act] | index("rollout start")'
}
