/* SPDX-License-Identifier: Apache-2.0
 *
 * A file of devices, CSV or JSON lines, as what the server takes: a JSON object in each line. All
 * that can be told without the server is checked here, with the lines of the file. Pure but for
 * memory; keys are drawn by `draw`.
 */
#ifndef CTL_IMPORT_FILE_H
#define CTL_IMPORT_FILE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/limits.h"

enum {
	IMPORT_KEY_DRAWN = 32, /* bytes of a key that is drawn */
};

/* The columns, which are members of the JSON objects, too. */
enum column_kind {
	COLUMN_TEXT,
	COLUMN_FLAG, /* true, false, yes, no, 1, 0; "" is false */
	COLUMN_KEY,  /* hex digits or base64; "" is drawn */
	COLUMN_TAGS, /* an array of texts, or one with spaces between them */
};
struct import_column {
	const char *name;
	enum column_kind kind;
};
extern const struct import_column import_columns[]; /* in the order of an export; ends with NULL */

/* One that is wrong is among them as long as it names its device, so that the server can say what
 * else is wrong; it has no key then, but is plain. */
struct import_row {
	unsigned line;	/* in the file */
	size_t at, len; /* its JSON in `body`, without the line's end */
	bool drawn;	/* its key */
};

struct import_error {
	unsigned line;
	size_t more; /* lines with the same that have no place of their own */
	char text[200];
};

struct import_file {
	char *body; /* JSON lines; NUL-ended */
	size_t body_len, body_cap;
	struct import_row *rows;
	size_t count, cap, drawn;
	struct import_error errors[LIMIT_IMPORT_ERRORS]; /* the first ones by line */
	size_t told;					 /* of them there are */
	size_t error_count;				 /* all that was wrong */
};

struct import_options {
	const char *product; /* of rows that name none; NULL: each must */
	int (*draw)(
		uint8_t key[IMPORT_KEY_DRAWN]); /* NULL: no key is drawn, a row without is wrong */
};

/* Reads `text`, which is written over; text[len] must be there. It is JSON lines if its first
 * character is {, else CSV. What is wrong stands in f->errors. */
void import_file_read(struct import_file *f, const struct import_options *o, char *text,
		      size_t len);
void import_file_free(struct import_file *f); /* wipes */

/* One that somebody else has found, and `more` lines with the same. */
void import_file_wrong(struct import_file *f, unsigned line, size_t more, const char *text);

/* The row as an object, with all it was given and drawn; a new reference. */
json_t *import_file_row(const struct import_file *f, size_t row);

/* A key in hex digits or base64, perhaps after "hex:" or "base64:"; ERR_SYNTAX, ERR_LIMIT. */
int import_key(const char *text, uint8_t *dst, size_t cap, size_t *ret_len) ERR_CHECK;

#endif
