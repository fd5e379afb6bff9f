/* SPDX-License-Identifier: Apache-2.0
 *
 * A table's columns as rows of a table: name, place and type of the struct field, and how it
 * is stored. One X-list per struct (store/columns.h) gives the SQL text, what is bound and
 * what is read, so that the three cannot differ; the kind is taken from the field's C type.
 */
#ifndef STORE_COLUMN_H
#define STORE_COLUMN_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* The words of an enum (or of the bits of a set), as in its X-list. */
struct word {
	uint32_t number;
	const char *text;
};

struct words {
	const struct word *list;
	unsigned count;
};

extern const struct words words_hold, words_reset, words_reason, words_mode, words_stage,
	words_state, words_verdict, words_via, words_grade, words_evidence, words_diagnosis,
	words_key_slot, words_key_form, words_hook_state, words_hook_why, words_release_state,
	words_image_format, words_signature, words_rollout_state, words_rollout_wait,
	words_rollout_why, words_member, words_trouble;

/* NULL if there is none. */
const char *words_text(const struct words *w, uint32_t number);
int words_number(const struct words *w, const char *text, uint32_t *ret) ERR_CHECK;

enum column_kind {
	KIND_BOOL,
	KIND_I8,
	KIND_U8,
	KIND_I32,
	KIND_U32,
	KIND_I64,
	KIND_U64,
	KIND_TEXT, /* char array */
	KIND_BLOB, /* uint8_t array */
};

enum column_how {
	HOW_PLAIN,
	HOW_REF,    /* a row's id; 0 is NULL */
	HOW_WORD,   /* an enum as its word */
	HOW_BITS,   /* a set of bits as words with a space between them */
	HOW_SIZED,  /* a blob whose length is another field; length 0 is NULL */
	HOW_OPTION, /* NULL unless another field is true */
};

struct column {
	const char *name;
	enum column_kind kind;
	enum column_how how;
	size_t offset, size;
	size_t aux; /* offset of the length (SIZED) or of the flag (OPTION) */
	const struct words *words;
};

#define COLUMN_KIND(type, field)                                                                   \
	_Generic(((type *)0)->field, bool                                                          \
		 : KIND_BOOL, int8_t                                                               \
		 : KIND_I8, uint8_t                                                                \
		 : KIND_U8, int32_t                                                                \
		 : KIND_I32, uint32_t                                                              \
		 : KIND_U32, int64_t                                                               \
		 : KIND_I64, uint64_t                                                              \
		 : KIND_U64, char *                                                                \
		 : KIND_TEXT, uint8_t *                                                            \
		 : KIND_BLOB)

#define COLUMN_PLAIN(type, arg)
#define COLUMN_REF(type, arg)
#define COLUMN_WORD(type, arg) .words = &words_##arg,
#define COLUMN_BITS(type, arg) .words = &words_##arg,
#define COLUMN_SIZED(type, arg) .aux = offsetof(type, arg),
#define COLUMN_OPTION(type, arg) .aux = offsetof(type, arg),

#define COLUMN(type, column, way, field, arg)                                                      \
	{.name = #column,                                                                          \
	 .kind = COLUMN_KIND(type, field),                                                         \
	 .how = HOW_##way,                                                                         \
	 .offset = offsetof(type, field),                                                          \
	 .size = sizeof(((type *)0)->field),                                                       \
	 COLUMN_##way(type, arg)},

/* Binds all columns of `row` from parameter `first` on; the row is borrowed until the statement
 * is reset. ERR_INVAL for a value that has no word, ERR_RANGE for one SQL cannot hold. */
int columns_bind(sqlite3_stmt *stmt, int first, const struct column *list, size_t count,
		 const void *row) ERR_CHECK;

/* Reads them from result column `first` on into `row`, which was zeroed. ERR_CORRUPT for
 * anything that does not fit its field. */
int columns_read(sqlite3_stmt *stmt, int first, const struct column *list, size_t count,
		 void *row) ERR_CHECK;

#endif
