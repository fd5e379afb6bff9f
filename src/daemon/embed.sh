#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# embed.sh NAME HEADER FILE: writes FILE as the array NAME, declared by HEADER, to standard output.
# An array of numbers, as a C11 compiler need not take string literals over 4095 bytes.
set -eu
export LC_ALL=C

echo '/* SPDX-License-Identifier: Apache-2.0 */'
echo '/* Made by src/daemon/embed.sh, do not edit. */'
echo "#include \"$2\""
printf '\nconst char %s[] = {\n' "$1"
od -An -v -tu1 "$3" | sed 's/  */ /g; s/^ //; s/ *$/,/; s/ /, /g; s/^/\t/'
printf '};\n\nconst size_t %s_len = sizeof(%s);\n' "$1" "$1"
