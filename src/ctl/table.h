/* SPDX-License-Identifier: Apache-2.0
 *
 * Rows and columns for people: fill cell by cell, print once, columns as wide as needed, or
 * as the terminal allows.
 */
#ifndef CTL_TABLE_H
#define CTL_TABLE_H

#include "ctl/output.h"

enum { TABLE_COLUMNS = 10 };

struct table_cell {
	enum style style;
	char *text;
};

struct table {
	unsigned columns;
	/* The last column is not cut: it goes on in the next line, or, where it has too little room
	 * beside the others, is in lines of its own below them. */
	bool wrap_last;
	const char *heads[TABLE_COLUMNS];
	size_t count, cap; /* cells */
	struct table_cell *cells;
};

/* `heads` ends with NULL; at most TABLE_COLUMNS. */
void table_init(struct table *t, const char *const *heads);

/* The next cell, row by row; the text is copied. */
void table_cell(struct table *t, enum style style, const char *text);

/* "12,345" as text_count() has it. */
void table_number(struct table *t, int64_t n);

/* Prints, or says `none` if there is no row, and frees the cells. */
void table_print(struct table *t, const struct output *o, const char *none);

#endif
