#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Every #include of src/ against the table of ARCHITECTURE.md, section 1.
set -eu
. "$(dirname "$0")/tap.sh"
cd "$TOP_SRCDIR"

# room | rooms it may include (wire/cbor: only that header) | libraries | libc
# "pure": no file, clock, process, thread or socket header. Sockets are net's, and of the
# programs' rims; mbedtls-hash is mbedTLS without TLS and X.509.
cat >"$tap_tmp/table" <<'T'
base   |                               |                                            | any
core   | base                          |                                            | pure
wire   | base core/digest core/image   | coap cbor jansson nettle-hash              | pure
proto  | base core wire                | coap cbor                                  | pure
store  | base core                     | sqlite                                     | any
net    | base wire                     | uv mbedtls mbedtls-hash nettle nettle-hash | socket
sign   | base core wire                | mbedtls mbedtls-hash nettle                | pure
daemon | base core wire proto store net sign| uv microhttpd jansson systemd curl mbedtls-hash | socket
ctl    | base sign wire/image wire/image_json core/image | curl jansson mbedtls-hash             | socket
emu    | base wire/cbor                | coap openssl cbor                          | socket
T

for dir in src/*/; do
	room=${dir#src/}
	room=${room%/}
	find "$dir" -name '*.[ch]' | sort >"$tap_tmp/files"
	: >"$tap_tmp/out"
	if ! grep -q "^$room " "$tap_tmp/table"; then
		echo "$dir:1: this room is not in the table" >"$tap_tmp/out"
	elif [ -s "$tap_tmp/files" ]; then
		xargs awk -v room="$room" -v table="$tap_tmp/table" '
		function library(h) {
			if (h ~ /^coap3\//) return "coap"
			if (h ~ /^cbor(\.h$|\/)/) return "cbor"
			if (h ~ /^sqlite3/) return "sqlite"
			if (h ~ /^uv(\.h$|\/)/) return "uv"
			if (h ~ /^mbedtls\/(sha256|md|gcm|platform_util|entropy|ctr_drbg|version|error|constant_time)\.h$/) return "mbedtls-hash"
			if (h ~ /^(mbedtls|psa)\//) return "mbedtls"
			if (h ~ /^microhttpd\.h$/) return "microhttpd"
			if (h ~ /^jansson/) return "jansson"
			if (h ~ /^systemd\//) return "systemd"
			if (h ~ /^curl\//) return "curl"
			if (h ~ /^openssl\//) return "openssl"
			if (h == "nettle/sha2.h") return "nettle-hash"
			if (h ~ /^nettle\//) return "nettle"
			return ""
		}
		# 0 harmless, 1 the system beyond memory, 2 sockets
		function reach(h) {
			if (h ~ /^(assert|ctype|errno|float|inttypes|limits|math|setjmp|stdarg|stdbool|stddef|stdint|stdio|stdlib|string|strings|endian|stdalign|stdnoreturn)\.h$/) return 0
			if (h ~ /^(sys\/(socket|un)|net\/if|netinet\/[a-z0-9]*|arpa\/inet|netdb|linux\/.*)\.h$/) return 2
			return 1
		}
		BEGIN {
			while ((getline line < table) > 0) {
				split(line, col, "|")
				gsub(/ /, "", col[1])
				if (col[1] != room)
					continue
				for (i = split(col[2], a, " "); i > 0; i--) rooms[a[i]] = 1
				for (i = split(col[3], a, " "); i > 0; i--) libs[a[i]] = 1
				gsub(/ /, "", col[4])
				libc = col[4]
			}
		}
		function bad(why) { printf "%s:%d: %s: %s\n", FILENAME, FNR, $0, why }
		/^[ \t]*#[ \t]*include/ {
			h = $0
			if (h ~ /"/) {
				sub(/^[^"]*"/, "", h); sub(/".*/, "", h)
				if (h !~ /\//) { bad("name the room: \"" room "/" h "\""); next }
				if (h ~ /\.\./) { bad("no .. in a path"); next }
				to = h; sub(/\/.*/, "", to)
				stem = h; sub(/\.h$/, "", stem)
				if (to != room && !(to in rooms) && !(stem in rooms))
					bad(room " may not include " to)
				next
			}
			sub(/^[^<]*</, "", h); sub(/>.*/, "", h)
			lib = library(h)
			if (lib != "") {
				if (!(lib in libs)) bad(room " may not use " lib)
				next
			}
			r = reach(h)
			if (libc == "pure" && (r > 0 || (room == "core" && h ~ /^(stdio|stdlib)\.h$/)))
				bad(room " is pure")
			else if (libc == "any" && r == 2)
				bad(room " has no business with sockets")
		}' <"$tap_tmp/files" >"$tap_tmp/out"
	fi
	result "layers: src/$room includes only what it may" "$tap_tmp/out"
done
done_testing
