/* SPDX-License-Identifier: Apache-2.0 */
#include "store/column.h"

#include <assert.h>
#include <limits.h>
#include <stdbool.h>
#include <string.h>

#include "base/buf.h"
#include "core/attempt.h"
#include "core/diagnosis.h"
#include "core/hook.h"
#include "core/rollout.h"
#include "store/key.h"

/* The word is the second or the third member of an X-list's row. */
#define FIRST(a, ...) a
#define WORD_SECOND(name, ...) {name, FIRST(__VA_ARGS__, 0)},
#define WORD_THIRD(name, number, ...) {name, FIRST(__VA_ARGS__, 0)},
#define WORDS(id, list, row)                                                                       \
	static const struct word list_##id[] = {list(row)};                                        \
	const struct words words_##id = {list_##id, sizeof(list_##id) / sizeof(list_##id[0])};

WORDS(hold, HOLD_LIST, WORD_SECOND)
WORDS(reset, RESET_REASON_LIST, WORD_THIRD)
WORDS(reason, REASON_LIST, WORD_THIRD)
WORDS(mode, REPORT_MODE_LIST, WORD_THIRD)
WORDS(stage, LAST_STAGE_LIST, WORD_THIRD)
WORDS(state, ATTEMPT_STATE_LIST, WORD_SECOND)
WORDS(verdict, VERDICT_LIST, WORD_SECOND)
WORDS(via, VIA_LIST, WORD_SECOND)
WORDS(grade, GRADE_LIST, WORD_SECOND)
WORDS(evidence, EVIDENCE_LIST, WORD_THIRD)
WORDS(diagnosis, DIAGNOSIS_LIST, WORD_SECOND)
WORDS(rollout_state, ROLLOUT_STATE_LIST, WORD_SECOND)
WORDS(rollout_wait, ROLLOUT_WAIT_LIST, WORD_SECOND)
WORDS(rollout_why, ROLLOUT_WHY_LIST, WORD_SECOND)
WORDS(member, MEMBER_LIST, WORD_SECOND)
WORDS(key_slot, KEY_SLOT_LIST, WORD_SECOND)
WORDS(key_form, KEY_FORM_LIST, WORD_SECOND)
WORDS(hook_state, HOOK_STATE_LIST, WORD_SECOND)
WORDS(hook_why, HOOK_WHY_LIST, WORD_SECOND)
WORDS(release_state, RELEASE_STATE_LIST, WORD_SECOND)
WORDS(image_format, IMAGE_FORMAT_LIST, WORD_SECOND)
WORDS(signature, IMAGE_SIGNATURE_LIST, WORD_SECOND)
WORDS(trouble, TROUBLE_LIST, WORD_SECOND)

enum { BITS_TEXT = 128 }; /* all words of a set of bits fit; a test binds them all */

const char *words_text(const struct words *w, uint32_t number)
{
	for (unsigned i = 0; i < w->count; i++)
		if (w->list[i].number == number)
			return w->list[i].text;
	return NULL;
}

int words_number(const struct words *w, const char *text, uint32_t *ret)
{
	for (unsigned i = 0; i < w->count; i++)
		if (strcmp(w->list[i].text, text) == 0) {
			*ret = w->list[i].number;
			return 0;
		}
	return ERR_INVAL;
}

static int bits_text(const struct words *w, uint32_t bits, char dst[BITS_TEXT])
{
	struct buf b = buf_writer(dst, BITS_TEXT - 1);

	for (unsigned i = 0; i < w->count; i++) {
		if (!(bits & w->list[i].number))
			continue;
		if (b.pos)
			buf_put_u8(&b, ' ');
		buf_put_str(&b, w->list[i].text);
		bits &= ~w->list[i].number;
	}
	if (bits || !buf_ok(&b))
		return ERR_INVAL;
	dst[b.pos] = 0;
	return 0;
}

static int bits_number(const struct words *w, const char *text, uint32_t *ret)
{
	uint32_t bits = 0;

	while (*text) {
		char word[32] = "";
		size_t len = strcspn(text, " ");
		uint32_t bit = 0;

		if (len >= sizeof(word))
			return ERR_INVAL;
		memcpy(word, text, len);
		int err = words_number(w, word, &bit);
		if (err)
			return err;
		bits |= bit;
		text += len;
		text += *text == ' ';
	}
	*ret = bits;
	return 0;
}

/* ---- numbers of any width ---- */

static int number_get(enum column_kind kind, const void *field, int64_t *ret)
{
	switch (kind) {
	case KIND_BOOL:
		*ret = *(const bool *)field;
		return 0;
	case KIND_I8:
		*ret = (int)*(const int8_t *)field;
		return 0;
	case KIND_U8:
		*ret = *(const uint8_t *)field;
		return 0;
	case KIND_I32:
		*ret = *(const int32_t *)field;
		return 0;
	case KIND_U32:
		*ret = *(const uint32_t *)field;
		return 0;
	case KIND_I64:
		*ret = *(const int64_t *)field;
		return 0;
	case KIND_U64:
		if (*(const uint64_t *)field > INT64_MAX)
			return ERR_RANGE;
		*ret = (int64_t) * (const uint64_t *)field;
		return 0;
	case KIND_TEXT:
	case KIND_BLOB:
		break;
	}
	assert(false && "a number");
	return ERR_INVAL;
}

static bool between(int64_t value, int64_t min, int64_t max)
{
	return value >= min && value <= max;
}

static int number_set(enum column_kind kind, void *field, int64_t value)
{
	bool fits = false;

	switch (kind) {
	case KIND_BOOL:
		if ((fits = between(value, 0, 1)))
			*(bool *)field = value;
		break;
	case KIND_I8:
		if ((fits = between(value, INT8_MIN, INT8_MAX)))
			*(int8_t *)field = (int8_t)value;
		break;
	case KIND_U8:
		if ((fits = between(value, 0, UINT8_MAX)))
			*(uint8_t *)field = (uint8_t)value;
		break;
	case KIND_I32:
		if ((fits = between(value, INT32_MIN, INT32_MAX)))
			*(int32_t *)field = (int32_t)value;
		break;
	case KIND_U32:
		if ((fits = between(value, 0, UINT32_MAX)))
			*(uint32_t *)field = (uint32_t)value;
		break;
	case KIND_I64:
		fits = true;
		*(int64_t *)field = value;
		break;
	case KIND_U64:
		if ((fits = value >= 0))
			*(uint64_t *)field = (uint64_t)value;
		break;
	case KIND_TEXT:
	case KIND_BLOB:
		break;
	}
	return fits ? 0 : ERR_CORRUPT;
}

/* ---- binding ---- */

static int bind_plain(sqlite3_stmt *stmt, int index, const struct column *c, const void *field,
		      size_t blob_len)
{
	int64_t number = 0;

	if (c->kind == KIND_TEXT)
		return sqlite3_bind_text(stmt, index, field, -1, SQLITE_STATIC) ? ERR_NOMEM : 0;
	if (c->kind == KIND_BLOB)
		return sqlite3_bind_blob(stmt, index, field, (int)blob_len, SQLITE_STATIC)
			       ? ERR_NOMEM
			       : 0;
	int err = number_get(c->kind, field, &number);
	if (err)
		return err;
	if (c->how == HOW_REF && number == 0)
		return sqlite3_bind_null(stmt, index) ? ERR_NOMEM : 0;
	return sqlite3_bind_int64(stmt, index, number) ? ERR_NOMEM : 0;
}

static int bind_words(sqlite3_stmt *stmt, int index, const struct column *c, uint32_t number)
{
	char text[BITS_TEXT];

	if (c->how == HOW_BITS) {
		int err = bits_text(c->words, number, text);
		if (err)
			return err;
		return sqlite3_bind_text(stmt, index, text, -1, SQLITE_TRANSIENT) ? ERR_NOMEM : 0;
	}
	const char *word = words_text(c->words, number);
	if (!word)
		return ERR_INVAL;
	return sqlite3_bind_text(stmt, index, word, -1, SQLITE_STATIC) ? ERR_NOMEM : 0;
}

static int column_bind(sqlite3_stmt *stmt, int index, const struct column *c, const char *row)
{
	const void *field = row + c->offset;
	const void *aux = row + c->aux;
	size_t len = c->size;

	switch (c->how) {
	case HOW_WORD:
	case HOW_BITS:
		assert(c->kind == KIND_U32);
		return bind_words(stmt, index, c, *(const uint32_t *)field);
	case HOW_SIZED:
		len = *(const uint8_t *)aux;
		if (len > c->size)
			return ERR_INVAL;
		if (len == 0)
			return sqlite3_bind_null(stmt, index) ? ERR_NOMEM : 0;
		break;
	case HOW_OPTION:
		if (!*(const bool *)aux)
			return sqlite3_bind_null(stmt, index) ? ERR_NOMEM : 0;
		break;
	case HOW_PLAIN:
	case HOW_REF:
		break;
	}
	return bind_plain(stmt, index, c, field, len);
}

int columns_bind(sqlite3_stmt *stmt, int first, const struct column *list, size_t count,
		 const void *row)
{
	for (size_t i = 0; i < count; i++) {
		int err = column_bind(stmt, first + (int)i, &list[i], row);
		if (err)
			return err;
	}
	return 0;
}

/* ---- reading ---- */

static int read_text(sqlite3_stmt *stmt, int index, char *dst, size_t cap)
{
	const char *text = (const char *)sqlite3_column_text(stmt, index);

	if (!text)
		return ERR_NOMEM;
	return buf_copy_str(dst, cap, text) ? 0 : ERR_CORRUPT;
}

static int read_words(sqlite3_stmt *stmt, int index, const struct column *c, uint32_t *field)
{
	const char *text = (const char *)sqlite3_column_text(stmt, index);

	if (!text)
		return ERR_NOMEM;
	int err = c->how == HOW_BITS ? bits_number(c->words, text, field)
				     : words_number(c->words, text, field);
	return err ? ERR_CORRUPT : 0;
}

static int read_blob(sqlite3_stmt *stmt, int index, const struct column *c, void *field, void *aux)
{
	const void *blob = sqlite3_column_blob(stmt, index);
	size_t len = (size_t)sqlite3_column_bytes(stmt, index);

	if (c->how == HOW_SIZED) {
		if (len > c->size || len > UINT8_MAX)
			return ERR_CORRUPT;
		*(uint8_t *)aux = (uint8_t)len;
	} else if (len != c->size) {
		return ERR_CORRUPT;
	}
	if (len && !blob)
		return ERR_NOMEM;
	if (len)
		memcpy(field, blob, len);
	return 0;
}

static int column_read(sqlite3_stmt *stmt, int index, const struct column *c, char *row)
{
	void *field = row + c->offset;
	void *aux = row + c->aux;
	bool null = sqlite3_column_type(stmt, index) == SQLITE_NULL;

	if (null)
		return c->how == HOW_REF || c->how == HOW_SIZED || c->how == HOW_OPTION
			       ? 0
			       : ERR_CORRUPT;
	if (c->how == HOW_WORD || c->how == HOW_BITS)
		return read_words(stmt, index, c, field);
	if (c->how == HOW_OPTION)
		*(bool *)aux = true;
	if (c->kind == KIND_TEXT)
		return read_text(stmt, index, field, c->size);
	if (c->kind == KIND_BLOB)
		return read_blob(stmt, index, c, field, aux);
	return number_set(c->kind, field, sqlite3_column_int64(stmt, index));
}

int columns_read(sqlite3_stmt *stmt, int first, const struct column *list, size_t count, void *row)
{
	for (size_t i = 0; i < count; i++) {
		int err = column_read(stmt, first + (int)i, &list[i], row);
		if (err)
			return err;
	}
	return 0;
}
