#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# flood.sh: what is left for honest devices under each flood, in one run: the requests a second
# that are answered at once without and with it, their ratio, and what the server grows by.
#
#   flood.sh [--seconds S] [--rate N] [--devices N]
#
# N devices (50) ask 25 times a second each, with RFC 7252's retransmissions; the flood is RATE
# messages a second (20000; 0: as fast as one processor can). Exit status 1 if a ratio is below
# 0.8, an honest request was never answered, or the server grew by more than 8 MiB.
#
# The server has one processor of its own, if there are two; flood and honest devices share the
# rest, so with few processors a flood without a rate also costs the honest devices themselves.
set -eu

SECONDS_EACH=5
RATE=20000
DEVICES=50
while [ $# -gt 0 ]; do
	case $1 in
	--seconds) SECONDS_EACH=$2 ;;
	--rate) RATE=$2 ;;
	--devices) DEVICES=$2 ;;
	*)
		sed -n 's/^#   //p' "$0" >&2
		exit 2
		;;
	esac
	shift 2
done

EVERY_MS=40
GROWTH_KIB=8192
flood=${TOP_BUILDDIR:-.}/tests/load/postboot-flood
POSTBOOTD=${POSTBOOTD:-${TOP_BUILDDIR:-.}/src/daemon/postbootd}
POSTBOOTCTL=${POSTBOOTCTL:-${TOP_BUILDDIR:-.}/src/ctl/postbootctl}
dir=$(mktemp -d)
server=
flooder=
finish() {
	[ -z "$flooder" ] || kill "$flooder" 2>/dev/null || :
	[ -z "$server" ] || kill "$server" 2>/dev/null || :
	wait
	rm -rf "$dir"
}
trap finish EXIT
trap 'exit 1' INT TERM

pin() {
	if [ "$(nproc)" -ge 2 ] && command -v taskset >/dev/null; then
		exec taskset -c 0 "$@"
	else
		exec "$@"
	fi
}

ctl() {
	"$POSTBOOTCTL" --socket "$dir/admin.sock" "$@"
}

port_of() {
	ctl -o json status | jq -r ".listen[] | select(startswith(\"$1:\"))" | sed 's/.*://'
}

rss() {
	sed -n 's/^VmRSS:[[:space:]]*\([0-9]*\) kB/\1/p' "/proc/$server/status"
}

mkdir "$dir/state"
cat >"$dir/conf" <<-END
	state-dir = $dir/state
	admin-socket = $dir/admin.sock
	listen = coaps://127.0.0.1:0
	listen = coap://127.0.0.1:0
END
(pin "$POSTBOOTD" -c "$dir/conf") 2>"$dir/log" &
server=$!
tries=0
until ctl status >/dev/null 2>&1; do
	tries=$((tries + 1))
	[ $tries -lt 200 ] || {
		cat "$dir/log" >&2
		exit 1
	}
	sleep 0.05
done
ctl product add flood >/dev/null
i=0
while [ $i -le "$DEVICES" ]; do
	key=$(printf '%032x' $((i + 4096)))
	echo "$key" | ctl device add "flood-$i" --product flood --psk-file - >/dev/null
	echo "flood-$i:$key" >>"$dir/keys"
	i=$((i + 1))
done
coaps=$(port_of coaps)
coap=$(port_of coap)

# honest: sets per_s
honest() {
	"$flood" "$coaps" honest "$dir/keys" "$DEVICES" $EVERY_MS "$SECONDS_EACH" \
		>"$dir/honest" || : >"$dir/failed"
	per_s=$(sed -n 's/^honest per_s=\([0-9]*\) .*/\1/p' "$dir/honest")
	grep -q ' lost=0 ' "$dir/honest" || : >"$dir/failed"
}

printf '%-34s %9s %9s %9s %7s %9s\n' "" flood/s without with ratio "grown KiB"
# row NAME PORT WORDS...
row() {
	name=$1
	shift
	honest
	without=$per_s
	before=$(rss)
	"$flood" "$@" "$RATE" $((SECONDS_EACH + 2)) >"$dir/flood" &
	flooder=$!
	honest
	wait "$flooder" || : >"$dir/failed"
	flooder=
	grown=$(($(rss) - before))
	ratio=$(echo "$per_s $without" | awk '{ printf "%.2f", $2 ? $1 / $2 : 0 }')
	printf '%-34s %9s %9s %9s %7s %9s\n' "$name" \
		"$(sed -n 's/.* rate=\([0-9]*\).*/\1/p' "$dir/flood")" "$without" "$per_s" \
		"$ratio" "$grown"
	if [ "${ratio#0.[0-7]}" != "$ratio" ] || [ "$grown" -gt "$GROWTH_KIB" ]; then
		: >"$dir/failed"
	fi
}

row "ClientHellos from everywhere" "$coaps" hellos
row "garbage from everywhere" "$coaps" garbage
row "connection IDs at a guess" "$coaps" cids
row "plain requests from everywhere" "$coap" plain
row "a record replayed" "$coaps" replay "$dir/keys"
row "records forged" "$coaps" forge "$dir/keys"
for kind in 404 report observe ping bad same block; do
	row "one device: $kind" "$coaps" device "$dir/keys" $kind
done
[ ! -e "$dir/failed" ]
