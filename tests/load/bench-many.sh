# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh disable=SC2154 # set by bench.sh and bench-lib.sh
#
# bench-many.sh: a crowd of sessions that say nothing: what each takes of memory, live and
# hibernated, what it costs to wake one, and how long a restart of the server takes. Included by
# bench.sh.

rss_kib() {
	awk '/^VmRSS/ { print $2 }' "/proc/$server/status"
}

# crowd FROM COUNT: so many devices of the list shake hands and are not heard again
crowd() {
	sed -n "$1,$(($1 + $2 - 1))p" "$dir/many" >"$dir/crowd-keys"
	(pin 1 "$bin/postboot-load" --port "$port" --psk-list "$dir/crowd-keys" --sessions 0 \
		--idle "$2" --forget --seconds 0 --sockets 8) >/dev/null 2>"$dir/load-err" || {
		cat "$dir/load-err" >&2
		die "the crowd"
	}
}

sessions_are() {
	[ "$(status .sessions)" -ge "$1" ]
}

# steps NAME SETTLE: the crowd in steps; appends "COUNT BYTES-PER-SESSION"
steps() {
	before_kib=$(rss_kib)
	have=0
	for n in 1000 10000 100000; do
		[ $n -le "$MANY" ] || break
		crowd $((have + 1)) $((n - have))
		have=$n
		wait_for 60 sessions_are $n
		$2
		echo "$n $(rss_kib) $before_kib" |
			awk '{ printf "%d %.0f\n", $1, ($2 - $3) * 1024 / $1 }' >>"$dir/$1"
	done
}

bytes_at() { # NAME COUNT
	[ ! -e "$dir/$1" ] || awk -v n="$2" '$1 == n { print $2 }' "$dir/$1"
}

# A live session takes some 40 KiB.
memory_for_live() {
	awk -v n="$MANY" '/^MemAvailable/ { exit !($2 > n * 60) }' /proc/meminfo
}

many() {
	rm -rf "$dir/state"
	make_keys "$MANY" "$dir/many"
	long=
	! has_key hibernate-after || long='hibernate-after = 1d'
	daemon_conf ${long:+"$long"}
	start_daemon 0
	ctl product add bench >/dev/null
	say "adding $MANY devices"
	add_devices "$dir/many"
	stop_server
	start_daemon 0
	if memory_for_live; then
		say "$MANY live sessions"
		steps live :
	else
		say "not enough memory for $MANY live sessions"
	fi
	stop_server
	many_rows
}

many_rows() {
	section "A crowd that says nothing" postbootd ""
	for n in 1000 10000 100000; do
		[ $n -le "$MANY" ] || break
		row "live-$n" "memory per session, $n live" bytes "$(bytes_at live $n)" "" ""
	done
	for n in 1000 10000 100000; do
		[ $n -le "$MANY" ] || break
		want=
		[ $n -ne 100000 ] || want='value<=1024'
		row "hibernated-$n" "memory per session, $n hibernated" bytes \
			"$(bytes_at hibernated $n)" "" "$want"
	done
}
