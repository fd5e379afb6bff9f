#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# bench.sh: our endpoint beside a small server on Debian's libcoap and OpenSSL, in one run, and
# prints the ratios. Everything is a median of RUNS (3) cells of SECONDS (2); a cell in which
# server or client waited more than 5 % of the time for a processor is done again, at most
# three times, and else marked with *.
#
#   bench.sh [--idle N] [--runs N] [--seconds S] [--idle-libcoap N]
set -eu

IDLE=10000
RUNS=3
SECONDS_EACH=2
IDLE_LIBCOAP=0
while [ $# -gt 0 ]; do
	case $1 in
	--idle) IDLE=$2 ;;
	--runs) RUNS=$2 ;;
	--seconds) SECONDS_EACH=$2 ;;
	--idle-libcoap) IDLE_LIBCOAP=$2 ;;
	*)
		sed -n 's/^#   //p' "$0" >&2
		exit 2
		;;
	esac
	shift 2
done

bin=${TOP_BUILDDIR:-.}/tests/load
dir=$(mktemp -d)
server=
stop_server() {
	if [ -n "$server" ]; then
		kill "$server" 2>/dev/null || :
		wait "$server" 2>/dev/null || :
	fi
	server=
}
trap 'stop_server; rm -rf "$dir"' EXIT
trap 'exit 1' INT TERM

# With two processors each side gets one of its own.
pin() {
	cpu=$1
	shift
	if [ "$(nproc)" -ge 2 ] && command -v taskset >/dev/null; then
		exec taskset -c "$cpu" "$@"
	else
		exec "$@"
	fi
}

file=/usr/share/nxt-firmware/nxt_firmware.bin
if [ -r "$file" ]; then
	head -c 245760 "$file" >"$dir/image"
else
	head -c 245760 /dev/urandom >"$dir/image"
fi
awk -v n=$((IDLE + IDLE_LIBCOAP + 1024)) 'BEGIN {
	for (i = 1; i <= n; i++)
		printf "bench-%06d:000102030405060708090a0b0c0d0e0f\n", i
}' >"$dir/keys"

# start ours|libcoap: the fixture. A line "coaps PORT" on standard output says it listens.
start() {
	case $1 in
	ours) set -- "$bin/net-server" --file "$dir/image" --psk-list "$dir/keys" --port 0 \
		--handshakes 1000000 --tick 60000 ;;
	libcoap) set -- "$bin/bench-coap-server" "$dir/image" "$dir/keys" 25684 ;;
	esac
	: >"$dir/out"
	(pin 0 "$@") >"$dir/out" 2>"$dir/err" &
	server=$!
	tries=0
	until grep -q '^coaps ' "$dir/out"; do
		tries=$((tries + 1))
		if [ $tries -gt 100 ]; then
			cat "$dir/err" >&2
			exit 1
		fi
		sleep 0.05
	done
	port=$(sed -n 's/^coaps //p' "$dir/out")
}

# ns on a processor and ns waiting for one, of the running server
schedstat() {
	cut -d' ' -f1,2 "/proc/$server/schedstat"
}

# load OPTIONS...: one cell; sets line, waited (percent), cpu_ns
load() {
	before=$(schedstat)
	line=$( (pin 1 "$bin/postboot-load" --port "$port" --psk-list "$dir/keys" \
		--expect "$dir/image" --seconds "$SECONDS_EACH" "$@") 2>"$dir/load-err") || {
		cat "$dir/load-err" >&2
		echo "$line" >&2
		exit 1
	}
	after=$(schedstat)
	waited=$(echo "$before $after $SECONDS_EACH" |
		awk '{ printf "%d", ($4 - $2) / ($5 * 1e9) * 100 }')
}

value() {
	echo "$line" | tr ' ' '\n' | sed -n "s/^$1=//p"
}

# cell NAME KEY OPTIONS...: appends the value to $dir/NAME
cell() {
	name=$1
	key=$2
	shift 2
	for try in 1 2 3; do
		load "$@"
		[ "$waited" -gt 5 ] || break
	done
	[ "$waited" -le 5 ] || : >"$dir/$name.disturbed"
	value "$key" >>"$dir/$name"
	[ "$key" != blocks_per_s ] || value p99_us >>"$dir/$name.p99"
	: "$try"
}

median() {
	[ -s "$dir/$1" ] || { echo 0 && return; }
	sort -n "$dir/$1" | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'
}

ratio() {
	awk -v a="$(median "$1")" -v b="$(median "$2")" \
		'BEGIN { if (b > 0) printf "%.2f", a / b; else printf "-" }'
}

row() {
	mark=
	[ ! -e "$dir/$2.disturbed" ] && [ ! -e "$dir/$3.disturbed" ] || mark='*'
	printf '%-44s %10s %10s %7s%s  %s\n' "$1" "$(median "$2")" "$(median "$3")" \
		"$(ratio "$2" "$3")" "$mark" "$4"
}

run=0
while [ $run -lt "$RUNS" ]; do
	run=$((run + 1))
	for which in ours libcoap; do
		start $which
		cell $which-ccm8 blocks_per_s
		cell $which-gcm blocks_per_s --suite gcm
		cell $which-one blocks_per_s --sessions 1 --window 1
		cell $which-shake handshakes_per_s --handshakes 16
		stop_server
	done
	start ours
	cell ours-before blocks_per_s
	cell ours-idle blocks_per_s --idle "$IDLE"
	cell ours-reports blocks_per_s --reporters 16
	stop_server
done
if [ "$IDLE_LIBCOAP" -gt 0 ]; then
	start libcoap
	cell libcoap-idle blocks_per_s --idle "$IDLE_LIBCOAP"
	stop_server
fi

printf '%-44s %10s %10s %7s\n' "" ours libcoap ratio
row "blocks/s, 16 x 4, PSK-AES128-CCM8" ours-ccm8 libcoap-ccm8 "target 1.3"
row "blocks/s, 16 x 4, PSK-AES128-GCM-SHA256" ours-gcm libcoap-gcm ""
row "blocks/s, 1 x 1, CCM8" ours-one libcoap-one ""
row "handshakes/s, 16 at once" ours-shake libcoap-shake ""
printf '%-44s %10s %10s %7s\n' "" with without ratio
row "blocks/s with $IDLE sessions idle" ours-idle ours-before "target 0.8"
row "p99 of a block (us) beside 16 reporters" ours-reports.p99 ours-before.p99 "target 3.0"
[ "$IDLE_LIBCOAP" -eq 0 ] ||
	row "libcoap's with $IDLE_LIBCOAP idle" libcoap-idle libcoap-ccm8 ""
if ls "$dir"/*.disturbed >/dev/null 2>&1; then
	echo "* the machine was busy with other things"
fi
