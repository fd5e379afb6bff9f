# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh disable=SC2034,SC2154 # set here and read by those who include it, or back
#
# bench-crowd.sh: devices with certificates that come back at once, and what others see of it;
# included by bench.sh. The crowd has low priority: it stands for processors elsewhere.

crowd_devices() { # COUNT
	awk -v n="$1" -v socket="$dir/admin.sock" 'BEGIN { for (i = 1; i <= n; i++) {
		printf "next\nurl = \"http://localhost/v1/devices\"\noutput = \"/dev/null\"\n"
		printf "unix-socket = \"%s\"\nheader = \"Content-Type: application/json\"\n", socket
		printf "data = \"{\\\"id\\\":\\\"crowd-%d\\\",\\\"product\\\":\\\"bench\\\",", i
		printf "\\\"certificate\\\":true}\"\n"
	} }' >"$dir/requests"
	curl --silent --parallel --parallel-max 64 --config "$dir/requests" 2>"$dir/curl-err"
}

# beside NAME OPTIONS...: the cell while the crowd comes, round after round
beside() {
	name=$1
	shift
	nice -n 19 "$bin/postboot-crowd" run "$dir/certs" "$port" "$CROWD" 100 >"$dir/crowd-$name" \
		2>"$dir/crowd-err" &
	crowd=$!
	wait_for 120 grep -q ready "$dir/crowd-$name" # its certificates are signed
	cell "$name" "$FOR_S" "$@"
	kill "$crowd" 2>/dev/null || :
	wait "$crowd" 2>/dev/null || :
}

crowd() {
	mkdir -p "$dir/certs"
	"$bin/postboot-crowd" make "$dir/certs" || die "no certificates"
	rm -rf "$dir/state" "$dir/devices"
	daemon_conf "certificate = $dir/certs/server.pem" "certificate-key = $dir/certs/server.key"
	start_daemon 0
	CELLS=$((RUNS * 12))
	IDLE=0 daemon_fill >/dev/null
	devices=0
	ctl product ca bench "$dir/certs/ca.pem" >/dev/null
	crowd_devices "$CROWD"
	keys=$dir/daemon-keys
	path=--report-first
	"$bin/postboot-crowd" run "$dir/certs" "$port" "$CROWD" 2 >"$dir/crowd-alone" ||
		die "the crowd did not come"
	[ "$(grep -c "^up=$CROWD " "$dir/crowd-alone")" -eq 2 ] || die "some of the crowd were refused"
	run=0
	while [ $run -lt "$RUNS" ]; do
		run=$((run + 1))
		say "$CROWD devices with certificates, run $run of $RUNS"
		cell crowd-without "$FOR_S"
		beside crowd-with
		cell crowd-open-without "$FOR_S" --rate 5000
		beside crowd-open-with --rate 5000
	done
	stop_server
	section "$CROWD devices with certificates come back at once" "with" "without"
	for quantile in p50 p99; do
		row "crowd-$quantile" "$quantile of a block, 16 sessions x window 4" us \
			"$(median crowd-with ${quantile}_us)" \
			"$(median crowd-without ${quantile}_us)" "" ""
		row "crowd-open-$quantile" "$quantile of a block, 5,000 a second (open loop)" us \
			"$(median crowd-open-with ${quantile}_us)" \
			"$(median crowd-open-without ${quantile}_us)" "" ""
	done
	row crowd-full "handshakes with certificates, nothing else to do" 1/s \
		"$(sed -n '2s/.*per_s=//p' "$dir/crowd-alone")" "" ""
	row crowd-tickets "the same with session tickets" 1/s \
		"$(sed -n '3s/.*per_s=//p' "$dir/crowd-alone")" "" ""
}
