# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# What the tests with other people's DTLS clients share: a server with one update to give, the
# lines to it, and a device's life as tests/support/pipe_device.py and tests/go tell of it.

load "$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)/lib"

matrix_open() { # [LINE...] of the server's configuration
	export LAB
	lab_open
	server_start "$@"
	product_add stall-s=600
	for v in 1.0.0 1.1.0; do # small: stop-and-wait pays 2 s for each loss
		{
			head -c $((20001 - STAMP_BYTES)) /dev/urandom
			printf '%-*s' $STAMP_BYTES "POSTBOOT-VERSION:$v" | tr ' ' '\0'
		} >"$LAB/$v.bin"
		ctl release add argon "$LAB/$v.bin" --version $v >/dev/null
	done
	ctl product target argon 1.1.0
	export SERVER_PORT SERVER_URI SERVER_PID POSTBOOT_SOCKET
}

matrix_begin() {
	export MARK=0
	declare -gA DEVICE_PID=()
	bad_line=
	life=
	LINE_PORT=$SERVER_PORT
}

matrix_end() {
	local id
	for id in "${!DEVICE_PID[@]}"; do
		device_stop "$id"
	done
	[ -z "${life-}" ] || stop "$life"
	[ -z "${bad_line-}" ] || stop "$bad_line"
	life=
	bad_line=
}

# line DROP DOUBLE SWAP SEED [DELAY [REBIND]]: see tests/support/lossy.c.
line() {
	rm -f "$LAB/lossy.port" # of the test before
	"$TOP_BUILDDIR/tests/support/lossy" "$SERVER_PORT" "$@" \
		>"$LAB/lossy.port" 2>"$LAB/lossy.sum" 3>&- &
	bad_line=$!
	until_true 20 test -s "$LAB/lossy.port"
	LINE_PORT=$(cat "$LAB/lossy.port")
}

# line_was REGEX: what the line says of itself at its end.
line_was() {
	stop "$bad_line"
	bad_line=
	cat "$LAB/lossy.sum"
	[[ $(cat "$LAB/lossy.sum") =~ $1 ]]
}

# lives ID COMMAND...: runs COMMAND, which tells of the device's life in $LAB/ID.life and
# downloads to $LAB/ID.bin. The doorbell is rung when it listens. The verdict is a success.
lives() {
	local id=$1 attempt
	shift
	timeout $((400 * SLOWER)) "$@" >"$LAB/$id.life" 2>&1 3>&- &
	life=$!
	until_true 300 eval "grep -q '^observing' '$LAB/$id.life' || ! kill -0 $life"
	ctl device lock "$id" 1.0.0 >/dev/null
	wait "$life" || {
		cat "$LAB/$id.life"
		[ ! -e "$LAB/$id.err" ] || tail -n 30 "$LAB/$id.err"
		return 1
	}
	life=
	grep -q '^rung$' "$LAB/$id.life"
	cmp "$LAB/$id.bin" "$LAB/1.1.0.bin"
	attempt=$(sed -n 's/^attempt //p' "$LAB/$id.life")
	[ "$(verdict "$attempt" '"\(.verdict) \(.via) \(.grade)"')" = "updated ota standard" ]
	[ "$(count_events ".attempt == $attempt and .data == \"started\"")" -eq 1 ]
}

hex() {
	printf '%s' "$1" | od -An -v -tx1 | tr -d ' \n'
}

# by_openssl ID SUITE [OPTION...]: a life through openssl s_client; pipe_device.py's options are
# in $PIPE. -timeout makes it repeat lost flights.
by_openssl() {
	local id=$1 suite=$2
	shift 2
	# shellcheck disable=SC2086
	lives "$id" python3 "$TOP_SRCDIR/tests/support/pipe_device.py" --log "$LAB/$id.err" ${PIPE-} \
		"$LAB/$id.bin" -- openssl s_client -dtls1_2 -timeout -quiet -nocommands \
		-connect "127.0.0.1:$LINE_PORT" -cipher "$suite:@SECLEVEL=0" -psk_identity "$id" \
		-psk "$(hex "key-of-$id-by-hand")" "$@"
}

PRIORITY=NONE:+VERS-DTLS1.2:+MAC-ALL:+COMP-NULL:+SIGN-ALL:+GROUP-ALL:+CTYPE-ALL

# by_gnutls ID PRIORITY [OPTION...]: a life through gnutls-cli.
by_gnutls() {
	local id=$1 priority=$2
	shift 2
	# shellcheck disable=SC2086
	lives "$id" python3 "$TOP_SRCDIR/tests/support/pipe_device.py" --log "$LAB/$id.err" ${PIPE-} \
		"$LAB/$id.bin" -- gnutls-cli --udp --port "$LINE_PORT" --logfile "$LAB/$id.log" \
		--priority "$PRIORITY:$priority" \
		--pskusername "$id" --pskkey "$(hex "key-of-$id-by-hand")" "$@" 127.0.0.1
}

device_by_hand() {
	device_add "$1" "key-of-$1-by-hand"
}
