/* SPDX-License-Identifier: Apache-2.0
 *
 * Command words into positions and options, by the row of the command table. Pure.
 */
#ifndef CTL_ARGS_H
#define CTL_ARGS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

enum { ARGS_MAX = 64 };

struct option_row {
	const char *name;  /* without its dashes */
	const char *value; /* what its value is called; NULL: a flag */
	const char *help;
};

struct args {
	unsigned count;
	const char *pos[ARGS_MAX];
	unsigned option_count;
	struct {
		const struct option_row *row;
		const char *value; /* "" for a flag */
	} option[ARGS_MAX];
};

/* Reads argv[0..argc): `rows` ends with a NULL name; "--" ends the options. On ERR_SYNTAX or
 * ERR_LIMIT `error` (200 bytes) says what is wrong. `until_word`: stop before the first
 * position; *ret_used says how many words were read. */
int args_parse(int argc, char *const *argv, const struct option_row *rows, bool until_word,
	       struct args *ret_args, int *ret_used, char error[200]) ERR_CHECK;

/* The value last given to the option, NULL if it was not given. */
const char *args_option(const struct args *a, const char *name);

#endif
