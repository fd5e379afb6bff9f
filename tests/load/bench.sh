#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# bench.sh: postbootd measured beside a small server on Debian's libcoap, with OpenSSL and with
# GnuTLS, and beside what one datagram in, one out and one sealing cost on this machine, all in one
# run. Prints tables in Markdown and writes bench.json to the present folder. The load client is the
# same for all servers; it receives and sends what it can as one message (UDP_GRO, UDP_SEGMENT), as
# a network device would, which makes no difference to a server that sends each datagram by itself.
#
#   bench.sh [OPTIONS] [PART...]      all parts, or transfer, crowd, many, life, scale
#   bench.sh lifecycle [OPTIONS]      whole updates alone, with more to say: bench-life.sh
#
#   --runs N          how often each cell is measured (3); the median is told
#   --seconds S       how long a cell takes (2)
#   --idle N          sessions that stand by in the cells that ask for a crowd (10000)
#   --idle-libcoap N  the same for libcoap (10000), once: its handshakes slow down with each of them
#   --many N          sessions of which memory is told (100000)
#   --devices N       whole updates (10000)
#   --crowd N         devices with certificates that come at once (1000)
#   --scale N         devices of the fleet whose views are told (100000), with 10 events each
#   --quick           every part, with next to nothing in it: does it run?
#   --output FILE     instead of bench.json
#   --document FILE   puts the tables between its lines "bench: begin" and "bench: end"
set -eu

if [ "${1-}" = lifecycle ]; then
	shift
	exec "$(dirname "$0")/bench-life.sh" "$@"
fi

RUNS=3
FOR_S=2
IDLE=10000
IDLE_LIBCOAP=10000
MANY=100000
CROWD=1000
SCALE=100000
DEVICES=10000
OUTPUT=bench.json
DOCUMENT=
quick=
parts=
while [ $# -gt 0 ]; do
	case $1 in
	transfer | crowd | many | life | scale)
		parts="$parts $1"
		shift
		continue
		;;
	--quick)
		RUNS=1 FOR_S=1 IDLE=500 IDLE_LIBCOAP=100 MANY=1000 DEVICES=200 CROWD=20 SCALE=2000 quick=yes
		shift
		continue
		;;
	esac
	[ $# -gt 1 ] || set -- --help
	case $1 in
	--runs) RUNS=$2 ;;
	--seconds) FOR_S=$2 ;;
	--idle) IDLE=$2 ;;
	--idle-libcoap) IDLE_LIBCOAP=$2 ;;
	--many) MANY=$2 ;;
	--crowd) CROWD=$2 ;;
	--scale) SCALE=$2 ;;
	--devices) DEVICES=$2 ;;
	--output) OUTPUT=$2 ;;
	--document) DOCUMENT=$2 ;;
	*)
		sed -n 's/^#   //p' "$0" >&2
		exit 2
		;;
	esac
	shift 2
done
parts=${parts:-transfer crowd many life scale}

dir=$(mktemp -d)
# shellcheck source=tests/load/bench-lib.sh
. "$(dirname "$0")/bench-lib.sh"
[ -z "$quick" ] || TRIES=1
trap 'stop_server; rm -rf "$dir"' EXIT
trap 'exit 1' INT TERM

# Large, as an attempt is served three times its image and not much more.
head -c 50331648 /dev/urandom >"$dir/image"
awk -v n=$((IDLE + IDLE_LIBCOAP + 1024)) 'BEGIN {
	for (i = 1; i <= n; i++)
		printf "bench-%06d:000102030405060708090a0b0c0d0e0f\n", i
}' >"$dir/same-keys"

# ---- blocks and handshakes ----

CELLS=$((RUNS * 27 + 8)) # each may take three tries

# A product, a target to update to, and all devices: 32 for each cell, and the idle crowd.
daemon_fill() {
	head -c 1000 /dev/urandom >"$dir/old"
	ctl product add bench
	ctl release add bench "$dir/old" --version 1.0.0
	ctl release add bench "$dir/image" --version 1.1.0
	ctl product target bench 1.1.0
	make_keys $((CELLS * 32 + IDLE)) "$dir/devices"
	add_devices "$dir/devices"
}

# Each cell has 32 new devices: an attempt that a new boot interrupted is not offered again at
# once.
devices=0
daemon_devices() {
	[ $((devices + 32)) -le $((CELLS * 32)) ] || die "more cells than CELLS"
	sed -n "$((devices + 1)),$((devices + 32))p" "$dir/devices" >"$keys"
	tail -n "$IDLE" "$dir/devices" >>"$keys"
	devices=$((devices + 32))
}

floor() {
	(pin 0 "$bin/bench-floor" "$FOR_S") >>"$dir/cell-floor" || die "bench-floor"
}

measure_one_file() { # net|openssl|gnutls
	say "run $run of $RUNS: $1"
	start "$1"
	cell "$1-ccm8" "$FOR_S"
	cell "$1-gcm" "$FOR_S" --suite gcm
	cell "$1-one" "$FOR_S" --sessions 1 --window 1
	cell "$1-shake" "$FOR_S" --handshakes 16
	cell "$1-ecdhe" "$FOR_S" --handshakes 16 --suite chacha
	[ "$1" = net ] || open_loop "$1"
	stop_server
}

# What it costs to count what each device asks for.
measure_quota() {
	start quota
	cell quota-ccm8 "$FOR_S"
	stop_server
}

# Half of what libcoap and OpenSSL can at most, for everybody.
open_loop() {
	: "${rate:=$(awk -v v="$(median openssl-ccm8 blocks_per_s)" 'BEGIN { printf "%d", v / 2 }')}"
	cell "$1-open" "$FOR_S" --rate "$rate"
}

measure_daemon() {
	say "run $run of $RUNS: postbootd"
	daemon_conf
	start_daemon 0
	[ -e "$dir/devices" ] || daemon_fill >/dev/null
	keys=$dir/daemon-keys
	path=--report-first
	cell daemon-ccm8 "$FOR_S"
	cell daemon-gcm "$FOR_S" --suite gcm
	cell daemon-one "$FOR_S" --sessions 1 --window 1
	cell daemon-shake "$FOR_S" --handshakes 16
	cell daemon-ecdhe "$FOR_S" --handshakes 16 --suite chacha
	open_loop daemon
	cell daemon-idle "$FOR_S" --idle "$IDLE"
	cell daemon-before "$FOR_S"
	cell daemon-reports "$FOR_S" --reporters 16
	stop_server
}

transfer() {
	run=0
	rate=
	while [ $run -lt "$RUNS" ]; do
		run=$((run + 1))
		say "run $run of $RUNS: what the machine can"
		floor
		for which in openssl gnutls net; do
			measure_one_file $which
		done
		measure_quota
		measure_daemon
	done
	if [ "$IDLE_LIBCOAP" -gt 0 ]; then
		say "libcoap + OpenSSL with $IDLE_LIBCOAP idle sessions"
		start openssl
		cell openssl-idle "$FOR_S" --idle "$IDLE_LIBCOAP"
		stop_server
	fi
	transfer_rows
}

# both KEY WHAT UNIT CELL FIELD WANTED OTHER-SERVER [SERVER]
both() {
	row "$1" "$2" "$3" "$(median "${8:-daemon}-$4" "$5")" "$(median "$7-$4" "$5")" "$6" \
		"$(marked "${8:-daemon}-$4" "$7-$4")"
}

transfer_rows() {
	per_s=blocks_per_s
	for other in openssl gnutls; do
		[ $other = openssl ] && lib=OpenSSL || lib=GnuTLS
		[ $other = openssl ] && want='ratio>=1.4' || want=
		[ $other = openssl ] && shake='' || shake='ratio>=1'
		section "Beside libcoap and $lib" postbootd "libcoap + $lib"
		both "blocks-ccm8-$other" "16 sessions x window 4, CCM-8" blocks/s ccm8 $per_s "$want" $other
		both "cpu-ccm8-$other" "the same, of the server's processor" us/block ccm8 \
			cpu_us_per_block "" $other
		both "blocks-gcm-$other" "16 x 4, GCM" blocks/s gcm $per_s "" $other
		both "blocks-one-$other" "1 x 1, CCM-8" blocks/s one $per_s "" $other
		[ $other = gnutls ] ||
			row blocks-idle "16 x 4 with $IDLE idle sessions (libcoap: $IDLE_LIBCOAP)" blocks/s \
				"$(median daemon-idle $per_s)" "$(median openssl-idle $per_s)" \
				'ratio>=100' "$(marked daemon-idle openssl-idle)"
		both "shake-$other" "PSK handshakes, 16 at once" 1/s shake handshakes_per_s "$shake" $other
		both "shake-cpu-$other" "the same, of the server's processor" us/handshake shake \
			cpu_us_per_handshake "" $other
		both "ecdhe-$other" "ECDHE-PSK handshakes, 16 at once" 1/s ecdhe handshakes_per_s "" \
			$other
		both "ecdhe-cpu-$other" "the same, of the server's processor" us/handshake ecdhe \
			cpu_us_per_handshake "" $other
		for p in 50 99 999; do
			both "open-p$p-$other" "open loop, $rate blocks/s, p$p" us open "p${p}_us" "" $other
		done
	done
	section "Beside what the machine can" postbootd floor
	f=$(awk -v a="$(median floor udp_us)" -v b="$(median floor seal_us)" 'BEGIN { printf "%.3f", a + b }')
	row cpu-floor "16 x 4, CCM-8: datagram in, datagram out, sealing" us/block \
		"$(median daemon-ccm8 cpu_us_per_block)" "$f" 'ratio<=1.25' "$(marked daemon-ccm8)"
	row cpu-floor-net "our endpoint without the engine" us/block \
		"$(median net-ccm8 cpu_us_per_block)" "$f" 'ratio<=1.25' "$(marked net-ccm8)"
	row floor-udp "of that: datagrams" us "" "$(median floor udp_us)" ""
	row floor-udp4 "not in it: answers given to the kernel in fours" us "" \
		"$(median floor udp4_us)" ""
	row floor-seal "of that: sealing 1 KiB, AES-128-CCM-8, as postbootd does it" us "" "$(median floor seal_us)" ""
	row floor-open "not in it: opening the request" us "" "$(median floor open_us)" ""
	row floor-openssl "not in it: sealing by OpenSSL" us "" "$(median floor openssl_seal_us)" ""
	section "postbootd alone" "with" "without"
	row quota "our endpoint without the engine, with quotas" us/block \
		"$(median quota-ccm8 cpu_us_per_block)" "$(median net-ccm8 cpu_us_per_block)" "" \
		"$(marked quota-ccm8 net-ccm8)"
	row idle "blocks/s with $IDLE sessions idle" "" "$(median daemon-idle $per_s)" \
		"$(median daemon-before $per_s)" 'ratio>=0.8' "$(marked daemon-idle daemon-before)"
	row reports "p99 of a block beside 16 reporters" us "$(median daemon-reports p99_us)" \
		"$(median daemon-before p99_us)" 'ratio<=3' "$(marked daemon-reports daemon-before)"
}

# ---- all ----

into_document() {
	[ "$(grep -c 'bench: begin\|bench: end' "$DOCUMENT")" -eq 2 ] ||
		die "$DOCUMENT has no place for the tables"
	awk -v tables="$dir/tables" '
		/bench: end/ { within = 0 }
		!within { print }
		/bench: begin/ {
			within = 1
			print ""
			while ((getline text < tables) > 0)
				print text
			print ""
		}' "$DOCUMENT" >"$dir/document"
	cat "$dir/document" >"$DOCUMENT"
}

: >"$dir/rows"
for part in $parts; do
	case $part in
	transfer) transfer ;;
	crowd)
		# shellcheck source=tests/load/bench-crowd.sh
		. "$(dirname "$0")/bench-crowd.sh"
		crowd
		;;
	many)
		# shellcheck source=tests/load/bench-many.sh
		. "$(dirname "$0")/bench-many.sh"
		many
		;;
	scale)
		# shellcheck source=tests/load/bench-scale.sh
		. "$(dirname "$0")/bench-scale.sh"
		scale
		;;
	life)
		say "$DEVICES whole updates"
		"$(dirname "$0")/bench-life.sh" --devices "$DEVICES" --values "$dir/life" >&2
		section "Whole updates, each fact on the disk before it is told" postbootd ""
		row lifecycles "$DEVICES devices, 7 committed messages and 4 blocks each" 1/s \
			"$(sed -n 's/^lifecycles_per_s=//p' "$dir/life")" "" "value>=1000"
		row life-sync "one 4 KiB write with a sync on that disk" us \
			"$(sed -n 's/^sync=//p' "$dir/life")" "" ""
		row life-check-in "until the directive, p99" us \
			"$(sed -n 's/^check_in_p99_us=//p' "$dir/life")" "" ""
		;;
	esac
done
json >"$OUTPUT"
{
	echo "$(date -u +%Y-%m-%d): $(machine), mbedTLS $(
		PKG_CONFIG_PATH=${TOP_SRCDIR:-.}/.deps/mbedtls/lib/pkgconfig:${PKG_CONFIG_PATH-} \
			pkg-config --modversion mbedtls
	), libcoap $(dpkg-query -W -f '${Version}' libcoap3 2>/dev/null || echo '?')."
	echo
	table
} >"$dir/tables"
cat "$dir/tables"
[ -z "$DOCUMENT" ] || into_document
