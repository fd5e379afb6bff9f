/* SPDX-License-Identifier: Apache-2.0
 *
 * Comma separated values (RFC 4180): a byte order mark before all, lines that end in LF, CRLF or
 * CR, fields in quotes that hold commas, line ends and doubled quotes. Pure.
 */
#ifndef BASE_CSV_H
#define BASE_CSV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "base/err.h"

enum { CSV_FIELDS = 64 };

struct csv {
	char *text; /* borrowed, written over */
	size_t len, at;
	unsigned next_line;
	/* of the record last read */
	unsigned line; /* in which it begins, from 1 on */
	unsigned count;
	char *field[CSV_FIELDS]; /* borrowed until csv_next() */
};

/* text[len] must be there, and is written. */
void csv_init(struct csv *c, char *text, size_t len);

/* The next record that is not an empty line: 1, or 0 at the end. On an error `why` (120 bytes) says
 * what is wrong with the record that begins in c->line; the next call goes on after it:
 * ERR_SYNTAX, ERR_LIMIT for more than CSV_FIELDS fields. */
int csv_next(struct csv *c, char why[120]);

/* The field as it stands in a record, in quotes where it needs them. */
void csv_put(FILE *f, const char *field);

#endif
