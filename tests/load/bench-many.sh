# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh disable=SC2154,SC2034 # set by, or for, bench.sh and bench-lib.sh
#
# bench-many.sh: a crowd of sessions that say nothing: what each takes of memory, live and
# hibernated, how long a restart of the server takes with them, and what it costs to wake one.
# Included by bench.sh.

STEPS='1000 10000 100000'
WAKERS=2000 # devices that ask once in 2 s and sleep in between

# crowd FROM COUNT: so many devices of the list shake hands, ask for the doorbell and are not heard
# again
crowd() {
	sed -n "$1,$(($1 + $2 - 1))p" "$dir/many" >"$dir/crowd-keys"
	(pin 1 "$bin/postboot-load" --port "$port" --psk-list "$dir/crowd-keys" --sessions 0 \
		--idle "$2" --observe --forget --seconds 0 --sockets 8) >/dev/null 2>"$dir/load-err" || {
		cat "$dir/load-err" >&2
		die "the crowd"
	}
}

sessions_are() {
	[ "$(status .sessions)" -ge "$1" ]
}

asleep_are() {
	[ "$(metric postboot_sessions_hibernated)" -ge "$1" ]
}

# What the server has before the first session. The list of its devices is read in steps after it has
# started: what that takes is no session's.
alone_kib() {
	had=0
	have=$(rss_kib)
	while [ "$had" -ne "$have" ]; do
		sleep 1
		had=$have
		have=$(rss_kib)
	done
	echo "$have"
}

# steps NAME [asleep]: the crowd grows; "COUNT BYTES-PER-SESSION" for each step
steps() {
	before_kib=$(alone_kib)
	have=0
	for n in $STEPS; do
		[ "$n" -le "$MANY" ] || break
		say "$n sessions, $1"
		crowd $((have + 1)) $((n - have))
		have=$n
		wait_for 60 sessions_are "$n"
		[ -z "${2-}" ] || wait_for 120 asleep_are "$n"
		echo "$n $(rss_kib) $before_kib" |
			awk '{ printf "%d %.0f\n", $1, ($2 - $3) * 1024 / $1 }' >>"$dir/many-$1"
	done
}

bytes_at() { # NAME COUNT
	[ ! -e "$dir/many-$1" ] || awk -v n="$2" '$1 == n { print $2 }' "$dir/many-$1"
}

# A live session takes some 40 KiB.
memory_for_live() {
	awk -v n="$MANY" '/^MemAvailable/ { exit !($2 > n * 60) }' /proc/meminfo
}

# A number of the last line of the log that has all of these words: FIELD WORD
logged() {
	grep "$2" "$dir/err" | tr ' ' '\n' | sed -n "s/^$1=//p" | tail -n 1
}

ms() {
	date +%s%3N
}

# With all of the crowd asleep: down, and up again on the same port.
restart() {
	sed -i "s/^listen = .*/listen = coaps:\/\/127.0.0.1:$port/" "$dir/conf"
	wanted=$(status .sessions)
	began=$(ms)
	kill "$server"
	wait "$server" || die "postbootd did not stop in order"
	down_ms=$(($(ms) - began))
	save_ms=$(logged ms sessions=saved)
	began=$(ms)
	start_daemon 0
	if comes 20 sessions_are "$wanted"; then
		up_ms=$(($(ms) - began))
		restore_ms=$(logged ms sessions=restored)
	else
		say "the sessions did not outlive the restart"
		down_ms='' save_ms=''
	fi
}

# wakes NAME FROM: one block each 2 s for each of WAKERS devices that have made no update yet; sets
# woken
wakes() {
	keys=$dir/wake-keys
	sed -n "$2,$(($2 + WAKERS - 1))p" "$dir/many" >"$keys"
	wakes_before=$(metric 'postboot_wakes_total{result="received"}')
	load --report-first --sessions "$WAKERS" --window 1 --rate $((WAKERS / 2)) --seconds 6
	echo "$line" >>"$dir/cell-$1"
	now=$(metric 'postboot_wakes_total{result="received"}')
	woken=$((${now:-0} - ${wakes_before:-0}))
}

fill_many() {
	daemon_conf
	start_daemon 0
	say "adding $MANY devices"
	head -c 1000 /dev/urandom >"$dir/old"
	ctl product add bench >/dev/null
	ctl release add bench "$dir/old" --version 1.0.0 >/dev/null
	ctl release add bench "$dir/image" --version 1.1.0 >/dev/null
	ctl product target bench 1.1.0 >/dev/null
	make_keys "$MANY" "$dir/many"
	add_devices "$dir/many"
	stop_server
}

many() {
	[ $((2 * WAKERS)) -le "$MANY" ] || WAKERS=$((MANY / 2))
	rm -rf "$dir/state" "$dir/devices"
	path=
	down_ms='' up_ms='' save_ms='' restore_ms='' woken=''
	sleeps=no
	! has_key hibernate-after || sleeps=yes
	fill_many
	if [ $sleeps = yes ]; then
		daemon_conf 'hibernate-after = 1d'
	else
		daemon_conf
	fi
	start_daemon 0
	if memory_for_live; then
		steps live
	else
		say "not enough memory for $MANY live sessions"
	fi
	stop_server
	rm -f "$dir/sessions"*
	if [ $sleeps = yes ]; then
		start_daemon 0
		wakes awake 1
		stop_server
		daemon_conf 'hibernate-after = 1s' 'log-level = info'
		sed -i '/^log-level = warn/d' "$dir/conf"
		start_daemon 0
		steps hibernated asleep
		restart
		stop_server
		start_daemon 0
		wakes woken $((WAKERS + 1))
		stop_server
	else
		say "this postbootd does not hibernate"
	fi
	many_rows
}

# What the server used more than for as many devices that were awake, by the wakes.
wake_us() {
	awk -v a="$(median woken server_cpu_s)" -v b="$(median awake server_cpu_s)" \
		-v n="${woken:-0}" 'BEGIN { if (n > 0) printf "%.1f", (a - b) * 1e6 / n }'
}

many_rows() {
	section "A crowd that says nothing" postbootd ""
	row alone "postbootd with $MANY devices and no session" KiB "$before_kib" "" ""
	for n in $STEPS; do
		[ "$n" -le "$MANY" ] || break
		row "live-$n" "memory per session, $n live" bytes "$(bytes_at live "$n")" "" ""
	done
	for n in $STEPS; do
		[ "$n" -le "$MANY" ] || break
		want=
		[ "$n" -ne 100000 ] || want='value<=1024'
		row "hibernated-$n" "memory per session, $n hibernated" bytes \
			"$(bytes_at hibernated "$n")" "" "$want"
	done
	row save "saving $MANY sessions when it stops" ms "$save_ms" "" ""
	row restore "going on with $MANY sessions when it starts" ms "$restore_ms" "" 'value<=1000'
	row down "from SIGTERM to its end" ms "$down_ms" "" ""
	row up "from its start until postbootctl status shows all of them" ms "$up_ms" "" ""
	row wake "waking a session and putting it to sleep again${woken:+ ($woken wakes)}" \
		us "$(wake_us)" "" ""
}
