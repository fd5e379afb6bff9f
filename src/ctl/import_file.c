/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/import_file.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "ctl/csv.h"
#include "ctl/text.h"

const struct import_column import_columns[] = {
	{"id", COLUMN_TEXT},	      {"product", COLUMN_TEXT}, {"psk", COLUMN_KEY},
	{"certificate", COLUMN_FLAG}, {"plain", COLUMN_FLAG},	{"lock", COLUMN_TEXT},
	{"hold", COLUMN_FLAG},	      {NULL, COLUMN_TEXT},
};

static const struct import_column *column_find(const char *name)
{
	for (const struct import_column *c = import_columns; c->name; c++)
		if (strcmp(c->name, name) == 0)
			return c;
	return NULL;
}

/* ---- errors ---- */

static void wrong(struct import_file *f, unsigned line, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
static void wrong(struct import_file *f, unsigned line, const char *fmt, ...)
{
	va_list ap;

	if (f->error_count++ >= LIMIT_IMPORT_ERRORS)
		return;
	struct import_error *e = &f->errors[f->error_count - 1];
	e->line = line;
	va_start(ap, fmt);
	(void)vsnprintf(e->text, sizeof(e->text), fmt, ap);
	va_end(ap);
}

/* ---- keys ---- */

static int base64_digit(char c)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const char *at = c ? strchr(digits, c == '-' ? '+' : c == '_' ? '/' : c) : NULL;

	return at ? (int)(at - digits) : -1;
}

static int base64_read(const char *text, uint8_t *dst, size_t cap, size_t *ret_len)
{
	size_t len = strlen(text), out = 0;
	uint32_t bits = 0;
	unsigned have = 0;

	while (len && text[len - 1] == '=' && strlen(text) % 4 == 0 && strlen(text) - len < 2)
		len--;
	if (!len || len % 4 == 1)
		return ERR_SYNTAX;
	for (size_t i = 0; i < len; i++) {
		int digit = base64_digit(text[i]);
		if (digit < 0)
			return ERR_SYNTAX;
		bits = bits << 6 | (uint32_t)digit;
		have += 6;
		if (have < 8)
			continue;
		have -= 8;
		if (out == cap)
			return ERR_LIMIT;
		dst[out++] = (uint8_t)(bits >> have);
	}
	*ret_len = out;
	return bits & ((1u << have) - 1) ? ERR_SYNTAX : 0;
}

int import_key(const char *text, uint8_t *dst, size_t cap, size_t *ret_len)
{
	bool hex = strncmp(text, "hex:", 4) == 0, base64 = strncmp(text, "base64:", 7) == 0;
	size_t len;

	text += hex ? 4 : base64 ? 7 : 0;
	len = strlen(text);
	/* So many hex digits are hex, whatever base64 would make of them. */
	if (hex || (!base64 && len % 2 == 0 && len >= (size_t)2 * LIMIT_PSK_MIN &&
		    strspn(text, "0123456789abcdefABCDEF") == len))
		return buf_from_hex(text, len, dst, cap, ret_len);
	return base64_read(text, dst, cap, ret_len);
}

/* ---- one row ---- */

static bool put_hex(json_t *o, const uint8_t *key, size_t len)
{
	char hex[2 * LIMIT_PSK + 1];
	struct buf b = buf_writer(hex, sizeof(hex));

	buf_put_hex(&b, key, len);
	bool ok = json_object_set_new(o, "psk", json_string(buf_cstr(&b))) == 0;
	explicit_bzero(hex, sizeof(hex));
	return ok;
}

static void take_key(struct import_file *f, unsigned line, json_t *o, const char *text)
{
	uint8_t key[LIMIT_PSK];
	size_t len = 0;
	int err = import_key(text, key, sizeof(key), &len);

	if (err == ERR_SYNTAX)
		wrong(f, line, "psk: neither hex digits nor base64");
	else if (err || len < LIMIT_PSK_MIN)
		wrong(f, line, "psk: a key has %d to %d bytes", LIMIT_PSK_MIN, LIMIT_PSK);
	else
		(void)put_hex(o, key, len);
	explicit_bzero(key, sizeof(key));
}

static void take_flag(struct import_file *f, unsigned line, json_t *o, const char *name,
		      const char *text)
{
	static const char *const yes[] = {"true", "yes", "1"}, *const no[] = {"false", "no", "0"};

	for (size_t i = 0; i < 3; i++) {
		if (strcasecmp(text, yes[i]) == 0) {
			(void)json_object_set_new(o, name, json_true());
			return;
		}
		if (strcasecmp(text, no[i]) == 0)
			return;
	}
	wrong(f, line, "%s: \"%.60s\" is neither true nor false", name, text);
}

/* A value of a column as text; an empty one says nothing. */
static void take(struct import_file *f, unsigned line, json_t *o, const struct import_column *c,
		 const char *text)
{
	if (!text[0])
		return;
	if (c->kind == COLUMN_KEY)
		take_key(f, line, o, text);
	else if (c->kind == COLUMN_FLAG)
		take_flag(f, line, o, c->name, text);
	else if (json_object_set_new(o, c->name, json_string(text)))
		wrong(f, line, "%s: not UTF-8", c->name);
}

static void draw(struct import_file *f, const struct import_options *opt, struct import_row *row,
		 json_t *o)
{
	uint8_t key[IMPORT_KEY_DRAWN];

	if (json_object_get(o, "psk") || json_object_get(o, "certificate") ||
	    json_object_get(o, "plain"))
		return;
	if (!opt->draw) {
		wrong(f, row->line,
		      "no psk, certificate or plain: a key can be drawn if --psk-out says where it "
		      "goes");
		return;
	}
	if (opt->draw(key) || !put_hex(o, key, sizeof(key)))
		wrong(f, row->line, "the system gives no random bytes");
	explicit_bzero(key, sizeof(key));
	row->drawn = true;
	f->drawn++;
}

static void body_put(struct import_file *f, const char *text, size_t len)
{
	if (f->body_len + len + 2 > f->body_cap) {
		size_t cap = f->body_cap ? f->body_cap * 2 : 65536;
		while (cap < f->body_len + len + 2)
			cap *= 2;
		char *body = mem_get(cap); /* no realloc: what held keys is wiped */
		if (f->body) {
			memcpy(body, f->body, f->body_len);
			explicit_bzero(f->body, f->body_len);
		}
		free(f->body);
		f->body = body;
		f->body_cap = cap;
	}
	memcpy(f->body + f->body_len, text, len);
	f->body_len += len;
	f->body[f->body_len] = '\0';
}

/* Takes the object. */
static void row_end(struct import_file *f, const struct import_options *opt, unsigned line,
		    json_t *o, size_t errors_before)
{
	struct import_row row = {.line = line, .at = f->body_len};
	char *text;

	if (opt->product && !json_object_get(o, "product"))
		(void)json_object_set_new(o, "product", json_string(opt->product));
	if (f->error_count == errors_before) {
		if (!json_object_get(o, "id"))
			wrong(f, line, "id is missing");
		if (!json_object_get(o, "product"))
			wrong(f, line, "product is missing: a column, or --product");
		draw(f, opt, &row, o);
	}
	if (f->error_count == errors_before) {
		text = json_dumps(o, JSON_COMPACT);
		if (f->count == f->cap) {
			f->cap = f->cap ? f->cap * 2 : 1024;
			f->rows = mem_grow(f->rows, f->cap * sizeof(*f->rows));
		}
		row.len = text ? strlen(text) : 0;
		body_put(f, text ? text : "", row.len);
		body_put(f, "\n", 1);
		f->rows[f->count++] = row;
		if (text)
			explicit_bzero(text, row.len);
		free(text);
	}
	json_decref(o);
}

/* ---- CSV ---- */

/* What an export has beside: it says how things are, not how they are to be. */
static bool told_only(const char *name)
{
	static const char *const names[] = {"state", "version", "target", "online", "seen", NULL};

	for (size_t i = 0; names[i]; i++)
		if (strcmp(names[i], name) == 0)
			return true;
	return false;
}

static unsigned csv_head(struct import_file *f, const struct csv *c,
			 const struct import_column *columns[CSV_FIELDS])
{
	for (unsigned i = 0; i < c->count; i++) {
		columns[i] = column_find(c->field[i]);
		if (!columns[i] && !told_only(c->field[i]))
			wrong(f, c->line,
			      "\"%.60s\" is not the name of a column; known are id, product, psk, "
			      "certificate, plain, lock, hold",
			      c->field[i]);
		for (unsigned k = 0; k < i && columns[i]; k++)
			if (columns[k] == columns[i])
				wrong(f, c->line, "column %s is there twice", columns[i]->name);
	}
	return c->count;
}

static void csv_row(struct import_file *f, const struct import_options *opt, const struct csv *c,
		    const struct import_column *const *columns, unsigned count)
{
	size_t before = f->error_count;
	json_t *o = json_object();

	if (c->count != count)
		wrong(f, c->line, "%u %s where the first line names %u", c->count,
		      c->count == 1 ? "field" : "fields", count);
	for (unsigned i = 0; i < c->count && f->error_count == before; i++)
		if (columns[i])
			take(f, c->line, o, columns[i], c->field[i]);
	row_end(f, opt, c->line, o, before);
}

static void read_csv(struct import_file *f, const struct import_options *opt, char *text,
		     size_t len)
{
	const struct import_column *columns[CSV_FIELDS] = {NULL};
	unsigned count = 0;
	struct csv c;
	char why[120];
	int got;

	csv_init(&c, text, len);
	while ((got = csv_next(&c, why)) != 0) {
		if (got < 0)
			wrong(f, c.line, "%s", why);
		if (got > 0 && count) {
			csv_row(f, opt, &c, columns, count);
		} else if (!count) {
			count = got > 0 ? csv_head(f, &c, columns) : 0;
			if (f->error_count) /* nothing makes sense without its columns */
				return;
		}
	}
}

/* ---- JSON lines ---- */

static void json_member(struct import_file *f, unsigned line, json_t *o, const char *key,
			const json_t *value)
{
	const struct import_column *c = column_find(key);

	if (json_is_null(value) || told_only(key))
		return;
	if (!c)
		wrong(f, line,
		      "\"%.60s\" is not known here; known are id, product, psk, "
		      "certificate, plain, lock, hold",
		      key);
	else if (c->kind == COLUMN_FLAG && json_is_true(value))
		(void)json_object_set_new(o, key, json_true());
	else if (c->kind == COLUMN_FLAG && !json_is_false(value))
		wrong(f, line, "%s: not true or false", key);
	else if (c->kind != COLUMN_FLAG && !json_is_string(value))
		wrong(f, line, "%s: not a text", key);
	else if (c->kind != COLUMN_FLAG)
		take(f, line, o, c, json_string_value(value));
}

static void json_row(struct import_file *f, const struct import_options *opt, unsigned line,
		     const char *text, size_t len)
{
	size_t before = f->error_count;
	json_error_t where;
	json_t *given = json_loadb(text, len, JSON_REJECT_DUPLICATES, &where), *o, *value;
	const char *key;

	if (!json_is_object(given)) {
		wrong(f, line, "%s%s",
		      given ? "not an object" : "not JSON: ", given ? "" : where.text);
		json_decref(given);
		return;
	}
	o = json_object();
	json_object_foreach(given, key, value)
	{
		json_member(f, line, o, key, value);
	}
	json_decref(given);
	row_end(f, opt, line, o, before);
}

static void read_json(struct import_file *f, const struct import_options *opt, const char *text,
		      size_t len)
{
	unsigned line = 1;

	for (size_t at = 0; at < len; line++) {
		const char *nl = memchr(text + at, '\n', len - at);
		size_t n = nl ? (size_t)(nl - (text + at)) : len - at;
		size_t full = n + (nl != NULL);

		while (n && strchr(" \t\r", text[at + n - 1]) && text[at + n - 1])
			n--;
		if (n)
			json_row(f, opt, line, text + at, n);
		at += full;
	}
}

/* ---- the whole ---- */

void import_file_read(struct import_file *f, const struct import_options *o, char *text, size_t len)
{
	size_t at = len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
	size_t first = at;

	memset(f, 0, sizeof(*f));
	text[len] = '\0';
	while (first < len && strchr(" \t\r\n", text[first]) && text[first])
		first++;
	if (first == len)
		wrong(f, 1, "the file is empty");
	else if (text[first] == '{')
		read_json(f, o, text + at, len - at);
	else
		read_csv(f, o, text, len);
	if (!f->count && !f->error_count)
		wrong(f, 1, "there is no device in it");
}

void import_file_free(struct import_file *f)
{
	if (f->body)
		explicit_bzero(f->body, f->body_len);
	free(f->body);
	free(f->rows);
	memset(f, 0, sizeof(*f));
}

json_t *import_file_row(const struct import_file *f, size_t row)
{
	return json_loadb(f->body + f->rows[row].at, f->rows[row].len, 0, NULL);
}
