#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# bench.sh lifecycle: whole updates against postbootd, every fact on the disk before it is told.
# Each device makes a handshake, checks in, is offered a 4 KiB image, downloads it, says
# downloading, verified and applying, reboots (a new handshake), reports the new image and then
# that it is confirmed: 7 committed messages, 4 blocks. All verdicts are queried at the end.
#
#   bench.sh lifecycle [--devices N] [--in-flight N] [--rounds N] [--dir DIR] [--values FILE]
#
# --rounds N updates all devices N times, each time to another release: round N runs on a history
# of (N - 1) x devices closed attempts. --dir is where the database lives, by default a new folder
# in BENCH_DIR or /var/tmp; it should be on a real disk. --values keeps the last round's numbers.
set -eu

DEVICES=10000
IN_FLIGHT=256
ROUNDS=1
DIR=${BENCH_DIR:-/var/tmp}
VALUES=
while [ $# -gt 0 ]; do
	case $1 in
	--devices) DEVICES=$2 ;;
	--in-flight) IN_FLIGHT=$2 ;;
	--rounds) ROUNDS=$2 ;;
	--dir) DIR=$2 ;;
	--values) VALUES=$2 ;;
	*)
		sed -n 's/^#   //p' "$0" >&2
		exit 2
		;;
	esac
	shift 2
done

dir=$(mktemp -d "$DIR/postboot-bench.XXXXXX")
# shellcheck source=tests/load/bench-lib.sh
. "$(dirname "$0")/bench-lib.sh"
trap 'stop_server; rm -rf "$dir"' EXIT
trap 'exit 1' INT TERM

# What one small write with a sync costs here, in microseconds.
sync_cost() {
	[ -e "$dir/sync" ] || dd if=/dev/zero of="$dir/sync" bs=4096 count=256 conv=fsync 2>/dev/null
	LC_ALL=C dd if=/dev/zero of="$dir/sync" bs=4096 count=256 conv=notrunc oflag=dsync 2>&1 |
		awk '/copied/ { for (i = 2; i <= NF; i++) if ($i == "s,") printf "%.0f", $(i - 1) / 256 * 1e6 }'
}

fill() {
	ctl product add bench >/dev/null
	n=0
	while [ $n -le "$ROUNDS" ]; do
		head -c 4096 /dev/urandom >"$dir/image-$n"
		ctl release add bench "$dir/image-$n" --version "1.$n.0" >/dev/null
		n=$((n + 1))
	done
	make_keys "$DEVICES" "$dir/keys"
	add_devices "$dir/keys"
}

# Until what the new target causes is done.
settle() {
	now=$(status .store.commits)
	before=
	while [ "$now" != "$before" ]; do
		sleep 0.5
		before=$now
		now=$(status .store.commits)
	done
}

# ns on a processor and ns waiting for one: of the loop, the store's thread, and all threads
cpu() {
	for task in /proc/"$server"/task/*; do
		name=$(cat "$task/comm")
		[ "${task##*/}" != "$server" ] || name=loop
		echo "$name $(cut -d' ' -f1,2 "$task/schedstat")"
	done | awk '{ all += $2; wait += $3; if ($1 == "loop") loop = $2; if ($1 == "store") store = $2 }
		END { printf "%.0f %.0f %.0f %.0f\n", loop, store, all - loop - store, wait }'
}

counts() {
	status '"\(.store.commits) \(.store.sets) \(.head)"'
}

# round N: sets line, and what the server did meanwhile
round() {
	ctl product target bench "1.$1.0" >/dev/null
	settle
	sync_us=$(sync_cost)
	before="$(counts) $(cpu)"
	line=$("$bin/postboot-load" --port "$port" --psk-list "$dir/keys" --expect "$dir/image-$1" \
		--lifecycles "$DEVICES" --in-flight "$IN_FLIGHT" --from "1.$(($1 - 1)).0" \
		--from-image "$dir/image-$(($1 - 1))" --to "1.$1.0") || die "$line"
	after="$(counts) $(cpu)"
	rss=$(awk '/^VmRSS/ { printf "%d", $2 / 1024 }' "/proc/$server/status")
	echo "$line $before $after" | tr ' ' '\n' >"$dir/values"
	show "$1"
}

value() {
	sed -n "s/^$1=//p" "$dir/values"
}

show() {
	echo "$before $after $(value seconds) $(value cpu_s) $DEVICES" | awk '{
		s = $15
		n = $17 * 1e3
		printf "commits=%.0f sets=%.0f events=%.0f per_commit=%.1f ", ($8 - $1) / s,
			($9 - $2) / s, ($10 - $3) / s, ($9 - $2) / ($8 - $1)
		printf "loop=%.0f store=%.0f other=%.0f client=%.0f ", ($11 - $4) / n,
			($12 - $5) / n, ($13 - $6) / n, $16 / n * 1e9
		printf "busy=%.0f waited=%.0f", ($11 + $12 + $13 - $4 - $5 - $6) / s / 1e7,
			($14 - $7) / s / 1e7
	}' | tr ' ' '\n' >>"$dir/values"
	printf '%6d %9d %8d %8d %8d %8d %6.1f %7d/%-7d %6d/%-6d %5d %5d %5d %6d %5d %6d %6d %6d\n' "$1" \
		"$((($1 - 1) * DEVICES))" "$(value lifecycles_per_s)" "$(value commits)" \
		"$(value sets)" "$(value events)" "$(value per_commit)" \
		"$(value check_in_p50_us)" "$(value check_in_p99_us)" \
		"$(($(value life_p50_us) / 1000))" "$(($(value life_p99_us) / 1000))" \
		"$(value loop)" "$(value store)" "$(value other)" "$(value client)" \
		"$(value busy)" "$(value waited)" \
		"$rss" "$sync_us"
}

# Of every attempt and every device, as they are on the disk.
verdicts() {
	kill "$server"
	wait "$server" || die "postbootd did not stop in order"
	server=
	[ ! -s "$dir/err" ] || cat "$dir/err" >&2
	got=$(sqlite3 "$dir/state/postboot.db" "SELECT
		(SELECT COUNT(*) FROM attempt WHERE state = 'closed' AND verdict = 'updated'
			AND grade = 'strong' AND via = 'ota'),
		(SELECT COUNT(*) FROM attempt WHERE state <> 'closed' OR verdict <> 'updated'),
		(SELECT COUNT(*) FROM device WHERE report_version = '1.$ROUNDS.0'),
		(SELECT COUNT(*) FROM event WHERE topic = 'flash/status' AND data = 'started'),
		(SELECT COUNT(*) FROM event WHERE topic = 'flash/status' AND data = 'success'),
		(SELECT COUNT(*) = MAX(seq) FROM event)")
	n=$((DEVICES * ROUNDS))
	[ "$got" = "$n|0|$DEVICES|$n|$n|1" ] || die "verdicts are $got, should be $n|0|$DEVICES|$n|$n|1"
	echo "all $n verdicts are updated (strong, ota), none is another; $(du -m "$dir/state/postboot.db" | cut -f1) MiB of database"
}

echo "disk: $(stat -f -c %T "$dir"), $(df --output=source "$dir" | tail -n 1);" \
	"$(nproc) processors; $DEVICES devices, $IN_FLIGHT at a time"
case $(stat -f -c %T "$dir") in
tmpfs | ramfs) echo "bench.sh: $dir is memory: what follows says nothing about a disk" >&2 ;;
esac
daemon_conf
start_daemon any
fill
echo "round: one update of every device; history: attempts closed before it; per second: lifecycles,
commits, write-sets, events; sets: per commit; check-in: us until the directive, p50/p99; life: ms,
p50/p99; us of a processor for one lifecycle: loop, store, other threads of the daemon, load client;
percent of one processor that the daemon was busy, and that it waited for one (above a few: the
machine does other things); RSS in MiB; sync: us of one 4 KiB write with a sync, before the round."
printf '%6s %9s %8s %8s %8s %8s %6s %15s %13s %5s %5s %5s %6s %5s %6s %6s %6s\n' round history \
	life/s commit/s sets/s event/s sets check-in life loop store other client busy waited RSS sync
n=1
while [ $n -le "$ROUNDS" ]; do
	round $n
	n=$((n + 1))
done
verdicts
if [ -n "$VALUES" ]; then
	printf '\nsync=%s\n' "$sync_us" >>"$dir/values"
	cp "$dir/values" "$VALUES"
fi
