# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh disable=SC2034,SC2154 # set here and read by those who include it, or back
#
# bench-lib.sh: what the parts of the benchmark share; included by bench.sh, which sets `dir` first.
#
# Servers: daemon (postbootd), net (our endpoint without an engine), quota (the same, which counts
# what each device asks), openssl and gnutls (a small
# server on Debian's libcoap). A cell is one run of the load client against the running server; its
# line of key=value goes to $dir/cell-NAME, and what is told of a cell is a median of its lines. A
# cell in which the server waited for a processor more than 5 % of the time is done again, at most
# three times, and else marked with *.

bin=${TOP_BUILDDIR:-.}/tests/load
POSTBOOTD=${POSTBOOTD:-${TOP_BUILDDIR:-.}/src/daemon/postbootd}
POSTBOOTCTL=${POSTBOOTCTL:-${TOP_BUILDDIR:-.}/src/ctl/postbootctl}
server=
TRIES='1 2 3'

die() {
	echo "bench.sh: $*" >&2
	[ ! -s "$dir/err" ] || tail -n 5 "$dir/err" >&2
	exit 1
}

started=$(date +%s)

say() { # with the minutes and seconds since the start
	spent=$(($(date +%s) - started))
	printf 'bench.sh: %2d:%02d %s\n' $((spent / 60)) $((spent % 60)) "$*" >&2
}

stop_server() {
	if [ -n "$server" ]; then
		kill "$server" 2>/dev/null || :
		wait "$server" 2>/dev/null || :
	fi
	server=
}

# With two processors each side gets one of its own; "any" is all of them.
pin() {
	cpu=$1
	shift
	if [ "$cpu" != any ] && [ "$(nproc)" -ge 2 ] && command -v taskset >/dev/null; then
		exec taskset -c "$cpu" "$@"
	else
		exec "$@"
	fi
}

comes() { # SECONDS COMMAND...: false if it does not come true
	until=$(($(date +%s) + $1))
	shift
	until "$@" >/dev/null 2>&1; do
		[ "$(date +%s)" -le $until ] || return 1
		sleep 0.05
	done
}

wait_for() { # SECONDS COMMAND...
	comes "$@" || die "nothing came of: $*"
}

# ---- postbootd ----

ctl() {
	"$POSTBOOTCTL" --socket "$dir/admin.sock" "$@"
}

status() { # JQ-FILTER
	ctl -o json status | jq -r "$1"
}

# Does this postbootd know the key?
has_key() {
	"$POSTBOOTD" -T -c /dev/null 2>/dev/null | grep -q "^$1 = "
}

# daemon_conf [LINE...]: what the next start reads
daemon_conf() {
	mkdir -p "$dir/state" "$dir/run"
	cat >"$dir/conf" <<-END
		state-dir = $dir/state
		admin-socket = $dir/admin.sock
		listen = coaps://127.0.0.1:0
		handshakes-per-second = 1000000
		requests-per-second = 1000000
		device-requests-per-second = 1000000
		log-level = warn
	END
	for l; do
		echo "$l" >>"$dir/conf"
	done
}

# N lines id:hex, each key another one, to FILE
make_keys() {
	awk -v n="$1" 'BEGIN {
		for (i = 1; i <= n; i++)
			printf "bench-%06d:%032x\n", i, i
	}' >"$2"
}

# add_devices FILE: all of it as devices of the product bench
add_devices() {
	awk -F: -v socket="$dir/admin.sock" '{
		printf "next\nurl = \"http://localhost/v1/devices\"\noutput = \"/dev/null\"\n"
		printf "unix-socket = \"%s\"\n", socket
		printf "header = \"Content-Type: application/json\"\n"
		printf "data = \"{\\\"id\\\":\\\"%s\\\",\\\"product\\\":\\\"bench\\\",", $1
		printf "\\\"psk\\\":\\\"%s\\\"}\"\n", $2
	}' "$1" >"$dir/requests"
	curl --silent --parallel --parallel-max 64 --config "$dir/requests" 2>"$dir/curl-err"
	rm -f "$dir/requests"
	[ "$(status .devices)" -eq "$(wc -l <"$1")" ] || die "some devices could not be added"
}

start_daemon() { # [CPU]
	(pin "${1:-0}" "$POSTBOOTD" -c "$dir/conf") >"$dir/out" 2>"$dir/err" &
	server=$!
	wait_for 30 ctl status
	port=$(status '.listen[] | select(startswith("coaps:"))' | sed -n '1s/.*://p')
}

rss_kib() {
	awk '/^VmRSS/ { print $2 }' "/proc/$server/status"
}

metric() { # NAME, with its labels
	curl --silent --unix-socket "$dir/admin.sock" http://localhost/metrics |
		awk -v name="$1" '$1 == name { print $2 }'
}

# ---- servers of one file ----

# start net|quota|openssl|gnutls: sets server, port, keys, path
start() {
	path='--path /fw/x'
	keys=$dir/same-keys
	case $1 in
	net | quota)
		[ "$1" = net ] && set -- || set -- --quota 1000000
		set -- "$bin/net-server" --file "$dir/image" --psk-list "$keys" --port 0 \
			--handshakes 1000000 --tick 60000 "$@"
		;;
	openssl) set -- "$bin/bench-coap-server" "$dir/image" "$keys" 25684 ;;
	gnutls) set -- "$bin/bench-coap-server-gnutls" "$dir/image" "$keys" 25685 ;;
	esac
	: >"$dir/out"
	(pin 0 "$@") >"$dir/out" 2>"$dir/err" &
	server=$!
	wait_for 30 grep -q ^coaps "$dir/out"
	port=$(sed -n 's/^coaps //p' "$dir/out")
}

# ---- cells ----

# ns waiting for a processor, of the running server
waited_ns() {
	cut -d' ' -f2 "/proc/$server/schedstat"
}

# load OPTIONS...: sets line, and waited: ms the server waited for a processor
load() {
	before=$(waited_ns)
	# shellcheck disable=SC2086 # path is an option and its value
	line=$( (pin 1 "$bin/postboot-load" --port "$port" --psk-list "$keys" $path \
		--expect "$dir/image" --pid "$server" "$@") 2>"$dir/load-err") || {
		cat "$dir/load-err" >&2
		die "$line"
	}
	waited=$((($(waited_ns) - before) / 1000000))
}

# cell NAME SECONDS OPTIONS...
cell() {
	name=$1
	for_s=$2
	shift 2
	for try in $TRIES; do
		[ "$path" != --report-first ] || daemon_devices
		load --seconds "$for_s" "$@"
		[ "$waited" -gt $((for_s * 50)) ] || break
	done
	[ "$waited" -le $((for_s * 50)) ] || : >"$dir/disturbed-$name"
	echo "$line" >>"$dir/cell-$name"
	: "$try"
}

# median NAME KEY: "" if there is no such cell
median() {
	[ -s "$dir/cell-$1" ] || return 0
	tr ' ' '\n' <"$dir/cell-$1" | sed -n "s/^$2=//p" | sort -g |
		awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'
}

marked() { # CELL...: * if one of them was disturbed
	for c; do
		[ ! -e "$dir/disturbed-$c" ] || {
			echo '*'
			return
		}
	done
}

# ---- the table ----

# section TITLE NAME-OF-VALUE NAME-OF-OTHER
section() {
	title=$1 col1=$2 col2=$3
}

# row KEY WHAT UNIT VALUE OTHER WANTED [MARK]: WANTED is "", "ratio>=N" or "ratio<=N", "value>=N"
# or "value<=N"; empty numbers are shown as "-".
row() {
	printf '%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n' "$title" "$col1" "$col2" "$1" "$2" "$3" \
		"${4:--}" "${5:--}" "${6:--}" "${7:--}" | awk -F'\t' -v OFS='\t' '{
		ratio = $7 != "-" && $8 != "-" && $8 > 0 ? $7 / $8 : "-"
		met = "-"
		if ($9 ~ /^(ratio|value)[<>]=/) {
			v = $9 ~ /^ratio/ ? ratio : $7
			want = $9
			sub(/^[a-z]*[<>]=/, "", want)
			if (v != "-")
				met = ($9 ~ />=/ ? v + 0 >= want + 0 : v + 0 <= want + 0) ? "yes" : "no"
		}
		if (ratio != "-")
			ratio = sprintf("%.3g", ratio)
		print $0, ratio, met
	}' >>"$dir/rows"
}

# The rows as Markdown.
table() {
	awk -F'\t' '
	function human(v) {
		if (v == "-" || v !~ /^[0-9.]+$/)
			return v
		if (v >= 1000 && v == int(v)) {
			s = sprintf("%d", v)
			while (s ~ /[0-9][0-9][0-9][0-9]($|,)/)
				s = gensub_comma(s)
			return s
		}
		return v
	}
	function gensub_comma(s,   head, tail, at) {
		at = index(s, ",")
		head = at ? substr(s, 1, at - 1) : s
		tail = at ? substr(s, at) : ""
		return substr(head, 1, length(head) - 3) "," substr(head, length(head) - 2) tail
	}
	$1 != last {
		printf "%s### %s\n\n| | %s | %s | ratio | wanted | met |\n", last == "" ? "" : "\n",
			$1, $2, $3
		print "|---|---:|---:|---:|---|---|"
		last = $1
	}
	{
		want = $9
		sub(/^ratio/, "ratio ", want)
		sub(/^value/, "", want)
		unit = $6 == "" ? "" : ", " $6
		printf "| %s%s | %s | %s | %s%s | %s | %s |\n", $5, unit, human($7), human($8), $11,
			$10 == "*" ? " \\*" : "", want == "-" ? "" : want, $12 == "-" ? "" : $12
	}
	$10 == "*" { busy = 1 }
	END {
		if (busy)
			print "\n\\* the machine was busy with other things"
	}' "$dir/rows"
}

# bench.json: what ran where, and the rows.
json() {
	jq -R -n --arg machine "$(machine)" --arg date "$(date -u +%Y-%m-%dT%H:%M:%SZ)" \
		--argjson processors "$(nproc)" '
	def number: if . == "-" or . == "" then null else tonumber? // . end;
	{date: $date, machine: $machine, processors: $processors,
	 rows: [inputs | split("\t") | {
		section: .[0], key: .[3], what: .[4], unit: .[5],
		value: (.[6] | number), beside: .[2], other: (.[7] | number),
		ratio: (.[10] | number), wanted: (if .[8] == "-" then null else .[8] end),
		met: (if .[11] == "-" then null else .[11] == "yes" end),
		disturbed: (.[9] == "*")}]}' <"$dir/rows"
}

machine() {
	model=$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)
	# shellcheck disable=SC1091
	os=$(. /etc/os-release && echo "$PRETTY_NAME")
	echo "${model:-$(uname -m)}, $(nproc) processors, $(uname -s) $(uname -r), $os"
}
