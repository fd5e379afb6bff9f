# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh disable=SC2034,SC2154 # set here and read by those who include it, or back
#
# bench-scale.sh: a fleet of 100,000 devices with 1,000,000 events and 10 rollouts in one postbootd:
# its start, its memory, each view of the admin API, waves of rollouts, and what holds the loop.
# Included by bench.sh. Each view is asked VIEWS times.

VIEWS=20
ROLLOUTS=10

milliseconds() {
	date +%s%3N
}

ready() {
	curl --silent --fail --output /dev/null --unix-socket "$dir/admin.sock" \
		http://localhost/v1/health
}

# The product with its releases and groups, then everything else by bench-fill.
scale_fill() {
	rm -rf "$dir/state"
	daemon_conf
	start_daemon any
	head -c 1000 /dev/urandom >"$dir/old"
	ctl product add bench
	for version in 1.0.0 1.1.0 1.2.0; do
		head -c 4096 /dev/urandom >"$dir/scale-image"
		ctl release add bench "$dir/scale-image" --version $version
	done
	ctl product target bench 1.1.0
	n=0
	while [ $n -lt $ROLLOUTS ]; do
		ctl group add bench "g$n"
		n=$((n + 1))
	done
	stop_server
	"$bin/bench-fill" "$dir/state/postboot.db" "$SCALE" "$EVENTS" || die "bench-fill"
}

# Until it answers: sets up_ms.
scale_start() {
	began=$(milliseconds)
	(pin 0 "$POSTBOOTD" -c "$dir/conf") >"$dir/out" 2>"$dir/err" &
	server=$!
	wait_for 30 ready
	up_ms=$(($(milliseconds) - began))
}

# view KEY WHAT PATH: median and worst of so many requests, in ms
view() {
	n=0
	while [ $n -lt $VIEWS ]; do
		printf 'next\nurl = "http://localhost%s"\noutput = "%s/view"\n' "$3" "$dir"
		printf 'unix-socket = "%s/admin.sock"\nwrite-out = "%%{http_code} %%{time_total}\\n"\n' "$dir"
		n=$((n + 1))
	done >"$dir/requests"
	curl --silent --globoff --config "$dir/requests" >"$dir/times" || die "GET $3"
	! grep -qv '^200 ' "$dir/times" || die "GET $3: $(head -c 300 "$dir/view")"
	times=$(cut -d' ' -f2 "$dir/times" | sort -g |
		awk '{ v[NR] = $1 * 1000 } END { printf "%.2f %.2f", v[int((NR + 1) / 2)], v[NR] }')
	row "scale-view-$1" "$2" ms "${times% *}" "${times#* }" 'value<=50'
}

# Until the list has no more pages: whole KEY WHAT QUERY
whole() {
	began=$(milliseconds)
	pages=0 after=
	while :; do
		curl --silent --globoff --output "$dir/view" --unix-socket "$dir/admin.sock" \
			"http://localhost/v1/devices?limit=200&$3&after=$after"
		pages=$((pages + 1))
		after=$(sed -n 's/.*,"next":"\([^"]*\)"}$/\1/p' "$dir/view")
		[ -n "$after" ] || break
	done
	row "scale-whole-$1" "$2 ($pages pages, each a curl and a sed)" ms \
		"$(($(milliseconds) - began))" "" ""
}

# It is reckoned from all devices of the fleet, turn by turn: no view of rows.
plan() { # KEY WHAT PRODUCT ROLLOUT
	began=$(milliseconds)
	curl --silent --fail --output "$dir/view" --unix-socket "$dir/admin.sock" \
		"http://localhost/v1/products/$3/rollouts/$4/plan" || die "the plan of $4"
	row "scale-plan$1" "the plan of $2" ms "$(($(milliseconds) - began))" "" ""
}

# As many devices again, by an import; a plan with the windows of 64 sites and 16 waves; and a list
# of everybody. They take as long as they take, but no turn of theirs does.
scale_again() {
	ctl product add wide
	ctl release add wide "$dir/scale-image" --version 1.2.0
	awk -v n="$SCALE" 'BEGIN {
		for (i = 0; i < n; i++)
			printf "{\"id\":\"wide-%06d\",\"product\":\"wide\",\"certificate\":true," \
				"\"windows\":\"Mon-Fri 01:%02d-05:00\",\"time_zone\":\"Europe/Berlin\"}\n", \
				i, i % 64 * 59 / 63
	}' >"$dir/import"
	began=$(milliseconds)
	curl --silent --fail --output "$dir/view" --unix-socket "$dir/admin.sock" \
		--header 'Content-Type: application/x-ndjson' --data-binary "@$dir/import" \
		http://localhost/v1/imports || die "the import"
	import_ms=$(($(milliseconds) - began))
	[ "$(jq .devices "$dir/view")" = "$SCALE" ] || die "the import: $(cat "$dir/view")"
	ctl rollout add wide 1.2.0 --name wide \
		--waves 10,100,1%,2%,3%,5%,8%,10%,15%,20%,30%,40%,50%,60%,80%,100%
}

everybody() {
	began=$(milliseconds)
	ctl -o json device list >"$dir/view"
	[ "$(jq '.devices? // . | length' "$dir/view")" = $((2 * SCALE)) ] || die "the list"
	row scale-everybody "device list -o json of $((2 * SCALE))" ms \
		"$(($(milliseconds) - began))" "" ""
}

views() {
	p=/v1/products/bench
	last=$((SCALE - SCALE / 10))
	section "$SCALE devices, $EVENTS events, $ROLLOUTS rollouts: views of the admin API" \
		median worst
	view devices "devices, 100 of them" /v1/devices
	view devices-200 "200 devices" '/v1/devices?limit=200'
	view devices-deep "200 devices, far behind" \
		"/v1/devices?limit=200&after=$(printf 'bench-%06d' $last)"
	for filter in product=bench group=g3 group=none tag=pilot tag=site=7 tag=nobody \
		development=yes development=no state=waiting state=updating state=in-sync \
		hold=operator hold=reverts hold=none online=yes online=no version=1.0.0 \
		version=9.9.9 drifted=yes locked=yes hardware=rev-c hardware=none \
		protocol=native protocol=lwm2m; do
		view "filter-$filter" "200 devices, $filter" "/v1/devices?limit=200&$filter"
	done
	view filter-several "200 devices, group=g3 tag!=pilot online=yes" \
		'/v1/devices?limit=200&filter=group=g3%20tag!=pilot%20online=yes'
	view device "one device" /v1/devices/bench-000050
	view explain "one device explained" /v1/devices/bench-000050/explain
	view attempts "1000 attempts" '/v1/attempts?limit=1000'
	view attempts-none "attempts of a verdict that none has" '/v1/attempts?verdict=reverted'
	view attempts-open "100 open attempts" '/v1/attempts?open=1'
	view attempts-device "attempts of one device" '/v1/attempts?device=bench-000050'
	view events "1000 events" '/v1/events?limit=1000'
	view events-deep "1000 events from the middle" \
		"/v1/events?limit=1000&after=$((EVENTS / 2))"
	view events-device "events of one device" '/v1/events?device=bench-000050'
	view audit "the audit log" '/v1/audit?limit=1000'
	view groups "groups" "$p/groups"
	view releases "releases" "$p/releases"
	view queries "saved queries" /v1/queries
	view rollouts "rollouts" "$p/rollouts"
	view rollout "one rollout" "$p/rollouts/r1"
	view members "1000 of its devices" "$p/rollouts/r1/devices?limit=1000"
	view metrics "metrics" /metrics
	view status "status" /v1/status
	view health "health" /v1/health
}

released() { # ROLLOUT COUNT
	[ "$(ctl -o json rollout show bench "$1" | jq .released)" -ge "$2" ]
}

# The time from the operator's word until all members are known, the wave is open, and it is the
# target of each; to a file, by rising numbers.
wave() { # ROLLOUT GROUP
	ctl rollout add bench 1.2.0 --name "$1" --waves 100% --filter "group=$2" >/dev/null
	began=$(milliseconds)
	ctl rollout start bench "$1" >/dev/null
	wait_for 60 released "$1" "$((SCALE / ROLLOUTS - SCALE / 1000))"
	echo "ms=$(($(milliseconds) - began))" >>"$dir/cell-wave"
}

longest() { # PART: ms
	metric "postboot_loop_part_longest_seconds{part=\"$1\"}" | awk '{ printf "%.2f", $1 * 1000 }'
}

# What others take of the machine is not in it: ms
most() { # PART
	metric "postboot_loop_part_processor_seconds{part=\"$1\"}" | awk '{ printf "%.2f", $1 * 1000 }'
}

part() { # PART WHAT
	row "scale-$1" "$2, of the processor" ms "$(most "$1")" "$(longest "$1")" 'value<=5'
}

# Turns above a bound, by the histogram
turns_above() { # SECONDS
	curl --silent --unix-socket "$dir/admin.sock" http://localhost/metrics | awk -v le="$1" '
		$1 == "postboot_loop_turn_seconds_bucket{le=\"" le "\"}" { below = $2 }
		$1 == "postboot_loop_turn_seconds_count" { print $2 - below }'
}

scale_rows() {
	section "$SCALE devices, $EVENTS events, $ROLLOUTS rollouts" postbootd worst
	row scale-start "from its start until it answers" ms "$up_ms" "" 'value<=2000'
	row scale-again "the same with the rollouts" ms "$up_again_ms" "" 'value<=2000'
	row scale-memory "memory after all of this" MiB "$memory_mib" "" 'value<=400'
	row scale-import "an import of $SCALE devices" ms "$import_ms" "" ""
	row scale-wave "a wave of $((SCALE / ROLLOUTS)) devices: found, released" ms \
		"$(median wave ms)" "$(sed 's/ms=//' "$dir/cell-wave" | sort -g | tail -n 1)" \
		'value<=1000'
	part tick "longest tick of the engine"
	part rollouts "longest turn of rollouts"
	part lists "longest turn of a long list"
	part admin "longest turn of other requests"
	part commits "longest turn of what follows from commits"
	part import "longest turn of the import"
	row scale-turn "longest turn of the loop" ms \
		"$(metric postboot_loop_turn_longest_seconds | awk '{ print $1 * 1000 }')" "" ""
	row scale-turns "turns above 5 ms" "" "$(turns_above 0.005)" "" ""
}

scale() {
	: "${EVENTS:=$((SCALE * 10))}"
	say "$SCALE devices, $EVENTS events"
	rm -f "$dir/cell-wave"
	scale_fill >/dev/null
	scale_start
	stop_server # the first start may have had to read the file from the disk
	scale_start
	n=0
	while [ $n -lt $ROLLOUTS ]; do
		wave "r$n" "g$n"
		n=$((n + 1))
	done
	stop_server
	first_ms=$up_ms
	scale_start
	up_again_ms=$up_ms up_ms=$first_ms
	say "views"
	views
	whole nobody "all devices, looked at for hold=reverts" hold=reverts
	plan "" "one rollout" bench r1
	memory_mib=$(($(rss_kib) / 1024))
	say "as many devices again"
	scale_again >/dev/null
	plan -wide "$SCALE devices at 64 sites in 16 waves" wide wide
	everybody
	scale_rows
	stop_server
}
