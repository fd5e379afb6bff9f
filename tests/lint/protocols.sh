#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A device protocol is known by name to its own files and to the rows that lead to them: rules,
# engine, store, API and CLI are the same for all, or the cut is wrong.
set -eu
. "$(dirname "$0")/tap.sh"
cd "$TOP_SRCDIR"

# where | what may stand there; a line that has none of these must not name the protocol
cat >"$tap_tmp/table" <<'T'
src/base/limits.h            | LIMIT_LWM2M_[A-Z]+
src/daemon/admin_protocol.c  | postboot-lwm2m\(7\)
T

# named ROOT: FILE:LINE of each line in ROOT that names the protocol and may not
named() {
	(cd "$1" && find src/base src/core src/store src/net src/sign src/daemon src/ctl schema -type f |
		sort | xargs grep -Hni lwm2m /dev/null || :) | awk -v table="$tap_tmp/table" '
		BEGIN {
			while ((getline line < table) > 0) {
				split(line, col, "|")
				gsub(/ /, "", col[1])
				gsub(/^ +| +$/, "", col[2])
				may[col[1]] = col[2]
			}
		}
		{
			file = $0
			sub(/:.*/, "", file)
			rest = substr($0, length(file) + 1)
			if (file in may)
				gsub(may[file], "", rest)
			if (tolower(rest) ~ /lwm2m/)
				print
		}'
}

named . >"$tap_tmp/out"
result "protocols: only its own files and rows know LwM2M" "$tap_tmp/out"

# Does it see one? In a rule, beside a word that is allowed, and in the schema.
mkdir -p "$tap_tmp/tree/schema"
for room in base core store net sign daemon ctl; do
	mkdir -p "$tap_tmp/tree/src/$room"
done
echo 'if (protocol == LwM2M)' >"$tap_tmp/tree/src/core/update.c"
printf 'enum { LIMIT_LWM2M_LINKS };\nenum { LIMIT_LWM2M_LINKS, lwm2m };\n' \
	>"$tap_tmp/tree/src/base/limits.h"
echo 'ALTER TABLE device ADD lwm2m_state INTEGER;' >"$tap_tmp/tree/schema/0099_x.sql"
named "$tap_tmp/tree" | sed 's/\(:[0-9]*\):.*/\1/' >"$tap_tmp/seen"
printf '%s\n' schema/0099_x.sql:1 src/base/limits.h:2 src/core/update.c:1 >"$tap_tmp/wanted"
sort "$tap_tmp/seen" | diff "$tap_tmp/wanted" - >"$tap_tmp/out" || :
result "protocols: a name elsewhere is found" "$tap_tmp/out"

done_testing
