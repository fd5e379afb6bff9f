#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# schema-gen.sh FILE.sql...: writes store/schema.c to standard output.
# Arrays of numbers, as a C11 compiler need not take string literals over 4095 bytes.
set -eu
export LC_ALL=C

echo '/* SPDX-License-Identifier: Apache-2.0 */'
echo '/* Made by src/store/schema-gen.sh, do not edit. */'
echo '#include "store/schema.h"'
echo
echo '#include <stddef.h>'
n=0
rows=
for f in "$@"; do
	n=$((n + 1))
	name=${f##*/}
	case $name in
	"$(printf %04d "$n")"_*.sql) ;;
	*)
		echo "schema-gen.sh: $f: step $n must be named $(printf %04d "$n")_what.sql" >&2
		exit 1
		;;
	esac
	if grep -q '[^ -~	]' "$f"; then
		echo "schema-gen.sh: $f: not plain ASCII" >&2
		exit 1
	fi
	printf '\nstatic const char step_%d[] = {\n' "$n"
	od -An -v -tu1 "$f" | sed 's/  */ /g; s/^ //; s/ *$/,/; s/ /, /g; s/^/\t/'
	printf '\t0,\n};\n'
	rows="$rows	{$n, \"$name\", step_$n},
"
done
printf '\nconst struct schema_step schema_steps[] = {\n%s\t{0, NULL, NULL},\n};\n' "$rows"
