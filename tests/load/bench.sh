#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# bench.sh: postbootd and our endpoint alone (net-server) beside a small server on Debian's
# libcoap and OpenSSL, in one run, and prints the ratios. Everything is a median of RUNS (3) cells of SECONDS (2); a cell in which
# server or client waited more than 5 % of the time for a processor is done again, at most
# three times, and else marked with *.
#
#   bench.sh [--idle N] [--runs N] [--seconds S] [--idle-libcoap N]
#   bench.sh lifecycle [OPTIONS]      whole updates instead: bench-life.sh
set -eu

if [ "${1-}" = lifecycle ]; then
	shift
	exec "$(dirname "$0")/bench-life.sh" "$@"
fi

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
POSTBOOTD=${POSTBOOTD:-${TOP_BUILDDIR:-.}/src/daemon/postbootd}
POSTBOOTCTL=${POSTBOOTCTL:-${TOP_BUILDDIR:-.}/src/ctl/postbootctl}
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

# Large, as an attempt is served three times its image and not much more.
head -c 50331648 /dev/urandom >"$dir/image"
awk -v n=$((IDLE + IDLE_LIBCOAP + 1024)) 'BEGIN {
	for (i = 1; i <= n; i++)
		printf "bench-%06d:000102030405060708090a0b0c0d0e0f\n", i
}' >"$dir/same-keys"

ctl() {
	"$POSTBOOTCTL" --socket "$dir/admin.sock" "$@"
}

# A product, a target to update to, and all devices: 32 for each cell, and the idle crowd.
CELLS=$((RUNS * 24 + 8))
daemon_fill() {
	head -c 1000 /dev/urandom >"$dir/old"
	ctl product add bench
	ctl release add bench "$dir/old" --version 1.0.0
	ctl release add bench "$dir/image" --version 1.1.0
	ctl product target bench 1.1.0
	awk -v n=$((CELLS * 32 + IDLE)) 'BEGIN {
		for (i = 1; i <= n; i++)
			printf "bench-%06d:%032x\n", i, i
	}' >"$dir/devices"
	awk -F: -v socket="$dir/admin.sock" '{
		printf "next\nurl = \"http://localhost/v1/devices\"\noutput = \"/dev/null\"\n"
		printf "unix-socket = \"%s\"\n", socket
		printf "header = \"Content-Type: application/json\"\n"
		printf "data = \"{\\\"id\\\":\\\"%s\\\",\\\"product\\\":\\\"bench\\\",", $1
		printf "\\\"psk\\\":\\\"%s\\\"}\"\n", $2
	}' "$dir/devices" >"$dir/requests"
	curl --silent --parallel --parallel-max 64 --config "$dir/requests" 2>"$dir/curl-err"
	if [ "$(ctl -o json status | jq .devices)" -ne "$(wc -l <"$dir/devices")" ]; then
		echo "bench.sh: some devices could not be added" >&2
		exit 1
	fi
	: >"$dir/filled"
}

# Each cell has 32 new devices: an attempt that a new boot interrupted is not offered again at
# once.
devices=0
daemon_devices() {
	if [ $((devices + 32)) -gt $((CELLS * 32)) ]; then
		echo "bench.sh: more cells than CELLS" >&2
		exit 1
	fi
	sed -n "$((devices + 1)),$((devices + 32))p" "$dir/devices" >"$dir/daemon-keys"
	tail -n "$IDLE" "$dir/devices" >>"$dir/daemon-keys"
	devices=$((devices + 32))
}

start_daemon() {
	if [ ! -e "$dir/conf" ]; then
		mkdir "$dir/state"
		cat >"$dir/conf" <<-END
			state-dir = $dir/state
			admin-socket = $dir/admin.sock
			listen = coaps://127.0.0.1:0
			handshakes-per-second = 1000000
			requests-per-second = 1000000
			device-requests-per-second = 1000000
		END
	fi
	(pin 0 "$POSTBOOTD" -c "$dir/conf") >"$dir/out" 2>"$dir/err" &
	server=$!
	wait_for "ctl status"
	[ -e "$dir/filled" ] || daemon_fill >/dev/null
	port=$(ctl -o json status | jq -r '.listen[] | select(startswith("coaps:"))' |
		sed -n '1s/.*://p')
	keys=$dir/daemon-keys
	path=--report-first
}

wait_for() {
	tries=0
	until $1 >/dev/null 2>&1; do
		tries=$((tries + 1))
		if [ $tries -gt 100 ]; then
			cat "$dir/err" >&2
			exit 1
		fi
		sleep 0.05
	done
}

# start daemon|ours|libcoap: the fixture; sets server, port, keys, path.
start() {
	path='--path /fw/x'
	keys=$dir/same-keys
	case $1 in
	daemon)
		start_daemon
		return
		;;
	ours) set -- "$bin/net-server" --file "$dir/image" --psk-list "$keys" --port 0 \
		--handshakes 1000000 --tick 60000 ;;
	libcoap) set -- "$bin/bench-coap-server" "$dir/image" "$keys" 25684 ;;
	esac
	: >"$dir/out"
	(pin 0 "$@") >"$dir/out" 2>"$dir/err" &
	server=$!
	wait_for "grep -q ^coaps $dir/out"
	port=$(sed -n 's/^coaps //p' "$dir/out")
}

# ns on a processor and ns waiting for one, of the running server
schedstat() {
	cut -d' ' -f1,2 "/proc/$server/schedstat"
}

# load OPTIONS...: one cell; sets line, waited (percent), cpu_ns
load() {
	[ "$path" != --report-first ] || daemon_devices
	before=$(schedstat)
	# shellcheck disable=SC2086 # path is an option and its value
	line=$( (pin 1 "$bin/postboot-load" --port "$port" --psk-list "$keys" $path \
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
	[ ! -e "$dir/${2%.p99}.disturbed" ] && [ ! -e "$dir/${3%.p99}.disturbed" ] || mark='*'
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
	start daemon
	cell daemon-ccm8 blocks_per_s
	cell daemon-idle blocks_per_s --idle "$IDLE"
	cell daemon-before blocks_per_s
	cell daemon-reports blocks_per_s --reporters 16
	stop_server
done
if [ "$IDLE_LIBCOAP" -gt 0 ]; then
	start libcoap
	cell libcoap-idle blocks_per_s --idle "$IDLE_LIBCOAP"
	stop_server
fi

printf '%-44s %10s %10s %7s\n' "" postbootd libcoap ratio
row "blocks/s, 16 x 4, PSK-AES128-CCM8" daemon-ccm8 libcoap-ccm8 "target 1.3"
printf '%-44s %10s %10s %7s\n' "" net libcoap ratio
row "blocks/s, 16 x 4, PSK-AES128-CCM8" ours-ccm8 libcoap-ccm8 ""
row "blocks/s, 16 x 4, PSK-AES128-GCM-SHA256" ours-gcm libcoap-gcm ""
row "blocks/s, 1 x 1, CCM8" ours-one libcoap-one ""
row "handshakes/s, 16 at once" ours-shake libcoap-shake ""
printf '%-44s %10s %10s %7s\n' "postbootd" with without ratio
row "blocks/s with $IDLE sessions idle" daemon-idle daemon-before "target 0.8"
row "p99 of a block (us) beside 16 reporters" daemon-reports.p99 daemon-before.p99 "target 3.0"
[ "$IDLE_LIBCOAP" -eq 0 ] ||
	row "libcoap's with $IDLE_LIBCOAP idle" libcoap-idle libcoap-ccm8 ""
if ls "$dir"/*.disturbed >/dev/null 2>&1; then
	echo "* the machine was busy with other things"
fi
